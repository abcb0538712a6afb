"""Does a thing that moves between frames stay whole? Bursts with truth, with an insect that walks.

python benchmarks/moving.py walks ../shared/data/fusion/bsds500
    PSNR where the insect ever was, against the scene with it at the best one of its places; PSNR
    elsewhere; and at how many other places it can be seen
python benchmarks/moving.py still ../shared/data/fusion/bsds500
    the same scenes without it: do bursts keep their bytes?

`--kinds` and `--counts` name scenes and numbers of frames, `--scenes` which of them, `--steps` how
far it goes between two frames; `--pictures` is a folder for what is fused.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from burst_scenes import KINDS, SIZE, as_levels, scene, with_noise
from seamwise.fusion import FuseOptions, Model, fuse_burst, load
from seamwise.io import write_photo
from seamwise.metrics import fusion as metrics
from seamwise.synth import Layer, focus_burst

COUNTS, STEPS = (3, 12, 25), (5.0, 15.0, 40.0)  # frames; pixels between two frames
REACH = 12  # pixels around its places that its blur reaches
Levels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Walk:
    """A burst in which an insect walks.

    `truths` hold the sharp scene with it at each of its places, `empty` the scene without it,
    `covers` where it is, of each frame, and `blur` the radius that it is blurred by.
    """

    frames: list[Levels]
    truths: list[Levels]
    empty: Levels
    covers: list[NDArray[np.float32]]
    blur: float


def insect(length: float, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Light and cover of a body with texture and legs, heading right, four times as large."""
    side = int(4 * 1.6 * length)
    cover, light = np.zeros((side, side), np.uint8), np.zeros((side, side, 3), np.float32)
    unit, middle = 4 * length, side / 2

    def ellipse(x: float, rx: float, ry: float) -> None:
        centre = int(middle + x * unit), int(middle)
        cv2.ellipse(cover, centre, (int(rx * unit), int(ry * unit)), 0, 0, 360, 255, -1)

    for x, rx, ry in ((-0.22, 0.27, 0.16), (0.12, 0.14, 0.12), (0.32, 0.11, 0.1)):
        ellipse(x, rx, ry)
    for x, bend in itertools.product((-0.05, 0.1, 0.22), (-1, 1)):
        knee = x + (x - 0.09) * 0.8, 0.26 * bend
        foot = knee[0] + (x - 0.05) * 0.9, 0.42 * bend
        points = [((middle + u * unit), (middle + v * unit)) for u, v in ((x, 0), knee, foot)]
        line = np.array(points, int).reshape(-1, 1, 2)
        cv2.polylines(cover, [line], False, 255, max(int(unit / 28), 4))
    light[:] = rng.uniform(0.01, 0.08, 3) if rng.random() < 0.7 else rng.uniform(0.4, 0.9, 3)
    grain = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), 4)
    light *= np.exp(2.5 * grain / grain.std() * 0.3)[..., np.newaxis]
    stripes = np.sin(np.arange(side) / unit * 60) > 0.3
    light[:, stripes] *= 2.5 if rng.random() < 0.5 else 0.4
    return light.clip(0, 1), cover / np.float32(255)


def path(
    count: int, step: float, length: float, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """x, y and heading at each frame; it turns where it would leave the picture."""
    margin = 0.6 * length
    place = np.array([rng.uniform(margin, side - margin) for side in SIZE[::-1]])
    heading, places = rng.uniform(0, 2 * np.pi), []
    for _ in range(count):
        places.append((place[0], place[1], heading))
        for _ in range(100):
            ahead = heading + rng.normal(0, 0.3)
            new = place + step * np.array([np.cos(ahead), np.sin(ahead)])
            if (new >= margin).all() and (new <= np.array(SIZE[::-1]) - margin).all():
                break
            heading = rng.uniform(0, 2 * np.pi)
        place, heading = new, ahead
    return places


def walk(kind: str, data: Path, number: int, count: int, step: float) -> Walk:
    """The insect on a scene, at the depth of the scene where it begins."""
    rng = np.random.default_rng((number, count, int(step)))
    layers, blur = scene(kind, data, number)
    length = rng.uniform(24, 44)
    light, cover = insect(length, rng)
    places = path(count, step, length, rng)
    x, y, _ = places[0]
    depth = float(layers[0].depth[int(y), int(x)]) if kind == "surface" else rng.uniform(0, 0.6)
    planes = np.linspace(0, 1, count)
    frames, truths, covers = [], [], []
    for place, plane in zip(places, planes, strict=True):
        layer = _at(light, cover, place, depth)
        covers.append(layer.cover)
        burst = focus_burst([*layers, layer], [plane], blur=blur)
        frames += burst.frames
        truths.append(as_levels(burst.truth))
    empty = as_levels(focus_burst(layers, [0], blur=blur).truth)
    return Walk(with_noise(frames, (number, count)), truths, empty, covers, blur)


def _at(
    light: NDArray[np.float32],
    cover: NDArray[np.float32],
    place: tuple[float, float, float],
    depth: float,
) -> Layer:
    x, y, heading = place
    middle = (np.array(cover.shape) - 1) / 2
    cos, sin = np.cos(heading) / 4, np.sin(heading) / 4
    into = np.array([[cos, -sin, x], [sin, cos, y]])
    into[:, 2] -= into[:, :2] @ middle[::-1]
    small = [cv2.GaussianBlur(part, (0, 0), 1.6) for part in (light, cover)]
    drawn = [cv2.warpAffine(part, into, SIZE[::-1], flags=cv2.INTER_LINEAR) for part in small]
    return Layer(drawn[0], drawn[1], np.full(SIZE, depth, np.float32))


@dataclass(frozen=True)
class Score:
    """PSNR where the insect was and elsewhere, in dB; at how many other places it is seen."""

    inside: float
    outside: float
    ghosts: int


def score(image: Levels, burst: Walk) -> Score:
    was = np.max(burst.covers, 0) > 0.02
    inside = cv2.dilate(was.astype(np.uint8), np.ones((5, 5))) > 0
    reach = np.ones((2 * REACH + 1, 2 * REACH + 1))
    outside = cv2.dilate(was.astype(np.uint8), reach) == 0
    qualities = [_psnr(image, truth, inside) for truth in burst.truths]
    best = int(np.argmax(qualities))
    ghosts = sum(
        _is_seen(image, burst, i) for i in range(len(burst.truths)) if _is_apart(burst, i, best)
    )
    return Score(max(qualities), _psnr(image, burst.empty, outside), ghosts)


def _is_apart(burst: Walk, i: int, best: int) -> bool:
    """Whether a third of a place is not that of the best one."""
    own, other = burst.covers[i] > 0.5, burst.covers[best] > 0.05
    return i != best and bool((own & ~other).sum() > own.sum() / 3)


def _is_seen(image: Levels, burst: Walk, i: int) -> bool:
    """Whether the picture looks like the insect there by a third, rather than like the scene."""
    own = burst.covers[i] > 0.5
    best = max(burst.truths, key=lambda truth: _psnr(image, truth, np.ones(SIZE, bool)))
    own &= (best == burst.empty).all(2)  # where it is not in the best one
    change = burst.truths[i][own].astype(float) - burst.empty[own]
    seen = image[own].astype(float) - burst.empty[own]
    return bool((change * seen).sum() > (change**2).sum() / 3)


def _psnr(image: Levels, truth: Levels, mask: NDArray[np.bool_]) -> float:
    if not mask.any():
        return float("nan")
    return metrics.psnr(image[mask][np.newaxis], truth[mask][np.newaxis])


def walks(data: Path, kinds: Iterable[str], options: argparse.Namespace) -> None:
    model = load("focus-burst")
    print("| | frames | inside, dB | with --moving | outside, dB | with | ghosts | with | better |")
    print("|---" * 9 + "|")
    for kind, count in itertools.product(kinds, options.counts):
        rows: list[list[Score]] = []
        for burst in _walks(data, kind, count, options):
            images = [
                fuse_burst(burst.frames, FuseOptions(moving=moving), model=model).image
                for moving in (False, True)
            ]
            rows.append([score(image, burst) for image in images])
            if options.pictures:
                name = f"{kind}_{count}_{len(rows)}.png"
                write_photo(options.pictures / name, np.hstack([burst.frames[0], *images]))
        columns = [_means(rows, name) for name in ("inside", "outside", "ghosts")]
        figures = " | ".join(f"{mean:.1f}" for pair in columns for mean in pair)
        better = sum(after.inside > before.inside for before, after in rows)
        print(f"| {kind} | {count} | {figures} | {better} of {len(rows)} |", flush=True)


def _means(rows: list[list[Score]], name: str) -> list[float]:
    values = np.reshape([getattr(one, name) for row in rows for one in row], (-1, 2))
    return [float(mean) for mean in np.nanmean(values, 0)]


def _walks(data: Path, kind: str, count: int, options: argparse.Namespace) -> Iterator[Walk]:
    for number in options.scenes:
        for step in options.steps:
            yield walk(kind, data, number, count, step)


def still(data: Path, kinds: Iterable[str], options: argparse.Namespace) -> None:
    model = load("focus-burst")
    for kind, count in itertools.product(kinds, options.counts):
        same = 0
        for number in options.scenes:
            layers, blur = scene(kind, data, number)
            burst = focus_burst(layers, np.linspace(0, 1, count), blur=blur)
            frames = with_noise(burst.frames, (number, count))
            same += not _is_changed(frames, model)
        print(
            f"{kind}, {count} frames: {same} of {len(options.scenes)} keep their bytes", flush=True
        )


def _is_changed(frames: Sequence[Levels], model: Model) -> bool:
    notes = fuse_burst(frames, FuseOptions(moving=True), model=model).notes
    return any("moves" in note for note in notes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = {"walks": walks, "still": still}
    parser.add_argument("what", choices=sorted(what))
    parser.add_argument("data", type=Path)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS)
    parser.add_argument("--scenes", nargs="+", type=int, default=(8, 9))
    parser.add_argument("--steps", nargs="+", type=float, default=STEPS)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    what[options.what](options.data, options.kinds, options)


if __name__ == "__main__":
    main()
