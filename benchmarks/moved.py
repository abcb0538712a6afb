"""Bursts with truth that moved; and what alignment and more frames must not change.

python benchmarks/moved.py moved ../shared/data/fusion/bsds500
    12, 25 and 50 frames of a hand and a breathing lens: the error in the worst corner, and PSNR
python benchmarks/moved.py static ../shared/data/fusion/bsds500
    do bursts that did not move keep their bytes with alignment?
python benchmarks/moved.py few ../shared/data/fusion/bsds500
    2 to 5 frames of scenes that two show whole
python benchmarks/moved.py highlights ../shared/data/fusion/bsds500
    pairs of spots of a pixel, brighter than white and not, sharp in one of two frames

`--scenes` names how many of each kind, `--counts` how many frames.
"""

import argparse
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alignment import MARGIN, photograph
from burst_scenes import KINDS, SIZE, as_levels, scene, with_noise
from fusion import SIMULATIONS, methods, pairs
from seamwise.fusion import FuseOptions, Fusion, fuse, fuse_burst, load
from seamwise.metrics import fusion as metrics
from seamwise.synth import Layer, focus_burst

COUNTS, FEW = (12, 25, 50), (2, 3, 4, 5)
BREATHING, SHAKE, TURN = 0.01, 2.0, 0.002  # of the scale in all; pixels; radians
Picture = NDArray[np.float32]


def movements(count: int, seed: Sequence[int]) -> list[NDArray[np.float64]]:
    """From each frame to the scene: a lens that breathes evenly, a hand that shakes."""
    rng = np.random.default_rng(seed)
    x, y = (SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    moves = []
    for part in np.linspace(-0.5, 0.5, count):
        scale, turn = 1 + BREATHING * part, rng.uniform(-TURN, TURN)
        shift = rng.uniform(-SHAKE, SHAKE, 2)
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        about_centre = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1]])
        moves.append(np.linalg.inv(to_centre) @ about_centre @ to_centre)
    return moves


def corner_errors(fusion: Fusion, moves: Sequence[NDArray[np.float64]]) -> list[float]:
    """In pixels, the worst corner of each frame but the reference."""
    assert fusion.alignment is not None
    corners = np.array([(x, y, 1) for x in (0, SIZE[1] - 1) for y in (0, SIZE[0] - 1)])
    reference = fusion.alignment.reference
    errors = []
    for number, (matrix, move) in enumerate(zip(fusion.alignment.matrices, moves, strict=True)):
        places = corners @ np.asarray(matrix).T
        truths = corners @ (np.linalg.inv(moves[reference]) @ move).T
        distances = np.hypot(*(places / places[:, 2:] - truths / truths[:, 2:])[:, :2].T)
        if number != reference:
            errors.append(float(distances.max()))
    return errors


def moved(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> None:
    model = load("focus-burst")
    print("| | frames | corner, px: median | worst | not moved | aligned | as they are | gff |")
    print("|---" * 8 + "|")
    for kind, count in itertools.product(kinds, counts):
        errors, scores = [], []
        for number in range(scenes):
            of_scene, qualities = _moved(kind, data, number, count, model)
            errors += of_scene
            scores.append(qualities)
        means = " | ".join(f"{mean:.1f}" for mean in np.mean(scores, 0))
        print(
            f"| {kind} | {count} | {np.median(errors):.3f} | {max(errors):.2f} | {means} |",
            flush=True,
        )


def _moved(
    kind: str, data: Path, number: int, count: int, model: Any
) -> tuple[list[float], list[float]]:
    """Corner errors; PSNR if nothing moves, aligned, not aligned, and aligned with gff."""
    size = SIZE[0] + 2 * MARGIN, SIZE[1] + 2 * MARGIN
    layers, blur = scene(kind, data, number, size)
    burst = focus_burst(layers, np.linspace(0, 1, count), blur=blur)
    moves = movements(count, (number, count))
    still = [photograph(frame, np.eye(3)) for frame in burst.frames]
    shaken = [photograph(frame, move) for frame, move in zip(burst.frames, moves, strict=True)]
    frames, frames_still = (with_noise(x, (number, count)) for x in (shaken, still))
    fusion = fuse(frames, model=model, align=True)
    assert fusion.alignment is not None
    y0, y1, x0, x1 = fusion.alignment.common
    box = slice(y0, y1), slice(x0, x1)
    move = moves[fusion.alignment.reference]
    truth, truth_still = (
        as_levels(photograph(burst.truth, matrix))[box] for matrix in (move, np.eye(3))
    )
    gff = fuse_burst(frames, FuseOptions(model="gff"), alignment=fusion.alignment)
    plain = fuse(frames, model=model).image[box]
    unmoved = fuse(frames_still, model=model).image[box]
    qualities = [metrics.psnr(unmoved, truth_still)]
    qualities += [metrics.psnr(image, truth) for image in (fusion.image, plain, gff.image)]
    return corner_errors(fusion, moves), qualities


def static(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> None:
    model = load("focus-burst")
    print("| same bytes, of " + f"{scenes} | " + " | ".join(f"{n} frames" for n in counts) + " |")
    print("|---" * (len(counts) + 1) + "|")
    for kind in kinds:
        row = []
        for count in counts:
            same = 0
            for number in range(scenes):
                layers, blur = scene(kind, data, number)
                burst = focus_burst(layers, np.linspace(0, 1, count), blur=blur)
                frames = with_noise(burst.frames, (number, count))
                images = [fuse(frames, model=model, align=align).image for align in (False, True)]
                same += np.array_equal(*images)
            row.append(f"{same}")
        print(f"| {kind} | " + " | ".join(row) + " |", flush=True)


def two_depths(kind: str, data: Path, number: int) -> tuple[list[Layer], float]:
    """A scene of which one frame shows each part in focus."""
    layers, blur = scene(kind, data, number)
    if kind == "hairs":
        return layers, blur
    return [Layer(layer.light, layer.cover, np.round(layer.depth)) for layer in layers], blur


def few(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> None:
    """PSNR as frames are added between two that show everything."""
    named = methods(("focus-pair", "focus-seg", "focus-burst", "gff", "laplacian"))
    ready = {"default": "auto", **named}
    head = " | ".join(f"{n} frames" for n in counts)
    for kind in (*(kind for kind in kinds if kind != "surface"), "hard edges", "matte edges"):
        scores: dict[str, list[list[float]]] = {name: [] for name in ready}
        for number in range(scenes):
            frames, truth = _few(kind, data, number)
            bursts = [frames(n) for n in counts]
            for name, method in ready.items():
                images = [fuse(burst, model=method).image for burst in bursts]
                scores[name].append([metrics.psnr(image, truth) for image in images])
        print(f"\n| {kind}, PSNR, dB | {head} |\n|---" + "|---" * len(counts) + "|")
        for name, rows in scores.items():
            means = " | ".join(f"{mean:.1f}" for mean in np.mean(rows, 0))
            print(f"| {name} | {means} |", flush=True)


def _few(kind: str, data: Path, number: int) -> tuple[Any, NDArray[np.uint8]]:
    """What makes n frames, and the truth."""
    if kind in KINDS:
        layers, blur = two_depths(kind, data, number)
        truth = focus_burst(layers, [0], blur=blur).truth

        def frames(count: int) -> list[NDArray[np.uint8]]:
            planes = np.linspace(0, 1, count)
            return with_noise(focus_burst(layers, planes, blur=blur).frames, (number, count))

        return frames, as_levels(truth)
    simulation = SIMULATIONS[kind.partition(" ")[0]]
    pair = pairs(data, simulation, number + 1)[number]
    blurred = cv2.GaussianBlur(pair.truth, (0, 0), 2.0)

    def with_blurred(count: int) -> list[NDArray[np.uint8]]:
        return with_noise([pair.a, *[blurred] * (count - 2), pair.b], (number, count))

    return with_blurred, as_levels(pair.truth)


BLURS, SPOTS = (2, 4, 8), {"highlights": 25.0, "beads": 0.9}


def highlights(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> None:
    """PSNR of pairs with bright spots, by the radius of the blur."""
    ready = {"default": "auto", **methods(("focus-pair", "focus-burst", "gff"))}
    head = " | ".join(f"{radius} pixels" for radius in BLURS)
    for kind, brightness in SPOTS.items():
        scores: dict[str, list[list[float]]] = {name: [] for name in ready}
        for number in range(scenes):
            layer = _with_spots(data, number, brightness)
            bursts = [focus_burst([layer], (1, 0), blur=float(radius)) for radius in BLURS]
            for name, method in ready.items():
                images = [
                    fuse(with_noise(burst.frames, (number, radius)), model=method).image
                    for burst, radius in zip(bursts, BLURS, strict=True)
                ]
                scores[name].append(
                    [
                        metrics.psnr(image, as_levels(burst.truth))
                        for image, burst in zip(images, bursts, strict=True)
                    ]
                )
        print(f"\n| {kind}, PSNR, dB | {head} |\n|---" + "|---" * len(BLURS) + "|")
        for name, rows in scores.items():
            print(f"| {name} | {' | '.join(f'{x:.1f}' for x in np.mean(rows, 0))} |", flush=True)


def _with_spots(data: Path, number: int, brightness: float) -> Layer:
    """A dim picture, far from the lens, with twenty spots of a pixel."""
    (layer,), _ = scene("surface", data, number)
    light, rng = 0.3 * layer.light, np.random.default_rng(number)
    y, x = (rng.integers(12, length - 12, 20) for length in SIZE)
    light[y, x] = brightness
    return Layer(light, layer.cover, np.ones(SIZE, np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = {"moved": moved, "static": static, "few": few, "highlights": highlights}
    parser.add_argument("what", choices=sorted(what))
    parser.add_argument("data", type=Path)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--counts", nargs="+", type=int)
    parser.add_argument("--scenes", type=int, default=3)
    options = parser.parse_args()
    counts = options.counts or (FEW if options.what == "few" else COUNTS)
    what[options.what](options.data, options.kinds, counts, options.scenes)


if __name__ == "__main__":
    main()
