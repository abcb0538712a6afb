"""Bursts with truth that moved; and what alignment and more frames must not change.

python benchmarks/moved.py moved ../shared/data/fusion/bsds500
    12, 25 and 50 frames of a hand and a breathing lens: the error in the worst corner, and PSNR
python benchmarks/moved.py static ../shared/data/fusion/bsds500
    do bursts that did not move keep their bytes with alignment?
python benchmarks/moved.py few ../shared/data/fusion/bsds500
    2 to 5 frames of scenes that two show whole
python benchmarks/moved.py highlights ../shared/data/fusion/bsds500
    pairs of spots of a pixel, brighter than white and not, sharp in one of two frames

`--scenes` names how many of each kind, `--counts` how many frames. `--json FILE` keeps the figures.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alignment import MARGIN, photograph
from burst_scenes import KINDS, SIZE, as_levels, scene, with_noise
from fusion import SIMULATIONS, methods, pairs
from result_files import add_json, write_result
from seamwise.fusion import FuseOptions, Fusion, fuse, fuse_burst, load
from seamwise.metrics import fusion as metrics
from seamwise.synth import Layer, focus_burst

COUNTS, FEW = (12, 25, 50), (2, 3, 4, 5)
BREATHING, SHAKE, TURN = 0.01, 2.0, 0.002  # of the scale in all; pixels; radians
MODELS = ("focus-pair", "focus-seg", "focus-burst")
Picture = NDArray[np.float32]
Content = dict[str, Any]


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


def moved(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> Content:
    """Corner errors and PSNR of bursts that moved."""
    model = load("focus-burst")
    rows = []
    for kind, count in itertools.product(kinds, counts):
        errors, scores = [], []
        for number in range(scenes):
            of_scene, qualities = _moved(kind, data, number, count, model)
            errors += of_scene
            scores.append(qualities)
        corner = {"median": float(np.median(errors)), "worst": max(errors)}
        psnr = np.mean(scores, 0).tolist()
        rows.append({"kind": kind, "frames": count, "corner": corner, "psnr": psnr})
    return {"rows": rows}


def moved_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table."""
    yield (
        "| | frames | corner, median | worst | not moved | aligned | as they are | gff, aligned |"
    )
    yield "|---" * 8 + "|"
    for row in content["rows"]:
        means = " | ".join(f"{mean:.1f}" for mean in row["psnr"])
        median, worst = row["corner"]["median"], row["corner"]["worst"]
        yield f"| {row['kind']} | {row['frames']} | {median:.3f} | {worst:.2f} | {means} |"


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


def static(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> Content:
    """How many bursts that did not move keep their bytes."""
    model = load("focus-burst")
    same: dict[str, list[int]] = {}
    for kind, count in itertools.product(kinds, counts):
        equal = 0
        for number in range(scenes):
            layers, blur = scene(kind, data, number)
            burst = focus_burst(layers, np.linspace(0, 1, count), blur=blur)
            frames = with_noise(burst.frames, (number, count))
            images = [fuse(frames, model=model, align=align).image for align in (False, True)]
            equal += np.array_equal(*images)
        same.setdefault(kind, []).append(equal)
    return {"scenes": scenes, "frames": list(counts), "same": same}


def static_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table."""
    columns = " | ".join(f"{count} frames" for count in content["frames"])
    yield f"| same bytes, of {content['scenes']} | {columns} |"
    yield "|---" * (len(content["frames"]) + 1) + "|"
    for kind, equal in content["same"].items():
        yield f"| {kind} | {' | '.join(map(str, equal))} |"


def two_depths(kind: str, data: Path, number: int) -> tuple[list[Layer], float]:
    """A scene of which one frame shows each part in focus."""
    layers, blur = scene(kind, data, number)
    if kind == "hairs":
        return layers, blur
    return [Layer(layer.light, layer.cover, np.round(layer.depth)) for layer in layers], blur


def few(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> Content:
    """PSNR as frames are added between two that show everything."""
    named = methods((*MODELS, "gff", "laplacian"))
    ready = {"default": "auto", **named}
    psnr = {}
    for kind in (*(kind for kind in kinds if kind != "surface"), "hard edges", "matte edges"):
        scores: dict[str, list[list[float]]] = {name: [] for name in ready}
        for number in range(scenes):
            frames, truth = _few(kind, data, number)
            bursts = [frames(n) for n in counts]
            for name, method in ready.items():
                images = [fuse(burst, model=method).image for burst in bursts]
                scores[name].append([metrics.psnr(image, truth) for image in images])
        psnr[kind] = {name: np.mean(rows, 0).tolist() for name, rows in scores.items()}
    return {"steps": "frames", "values": list(counts), "psnr": psnr}


def step_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of a table whose cells have a PSNR for each step: of frames, or of blur."""
    kinds = content["psnr"]
    yield f"| {content['steps']}, {' / '.join(map(str, content['values']))} | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for name in next(iter(kinds.values())):
        cells = [steps(methods_of_kind[name]) for methods_of_kind in kinds.values()]
        yield f"| {name} | {' | '.join(cells)} |"


def steps(values: Iterable[float]) -> str:
    """Write the values of a cell, step by step."""
    return " / ".join(f"{value:.1f}" for value in values)


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


def highlights(data: Path, kinds: Iterable[str], counts: Sequence[int], scenes: int) -> Content:
    """PSNR of pairs with bright spots, by the radius of the blur."""
    ready = {"default": "auto", **methods(("focus-pair", "focus-burst", "gff"))}
    psnr = {}
    for kind, brightness in SPOTS.items():
        scores: dict[str, list[list[float]]] = {name: [] for name in ready}
        for number in range(scenes):
            layer = _with_spots(data, number, brightness)
            bursts = [focus_burst([layer], (1, 0), blur=float(radius)) for radius in BLURS]
            truths = [as_levels(burst.truth) for burst in bursts]
            for name, method in ready.items():
                images = [
                    fuse(with_noise(burst.frames, (number, radius)), model=method).image
                    for burst, radius in zip(bursts, BLURS, strict=True)
                ]
                scores[name].append(list(map(metrics.psnr, images, truths)))
        psnr[kind] = {name: np.mean(rows, 0).tolist() for name, rows in scores.items()}
    return {"steps": "blur in pixels", "values": list(BLURS), "psnr": psnr}


def _with_spots(data: Path, number: int, brightness: float) -> Layer:
    """A dim picture, far from the lens, with twenty spots of a pixel."""
    (layer,), _ = scene("surface", data, number)
    light, rng = 0.3 * layer.light, np.random.default_rng(number)
    y, x = (rng.integers(12, length - 12, 20) for length in SIZE)
    light[y, x] = brightness
    return Layer(light, layer.cover, np.ones(SIZE, np.float32))


WHAT = {
    "moved": (moved, moved_table),
    "static": (static, static_table),
    "few": (few, step_table),
    "highlights": (highlights, step_table),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=sorted(WHAT))
    parser.add_argument("data", type=Path)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--counts", nargs="+", type=int)
    parser.add_argument("--scenes", type=int, default=3)
    add_json(parser)
    options = parser.parse_args()
    counts = options.counts or (FEW if options.what == "few" else COUNTS)
    measure, table = WHAT[options.what]
    content = measure(options.data, options.kinds, counts, options.scenes)
    print(*table(content), sep="\n")
    write_result(options.json, content, models=MODELS)


if __name__ == "__main__":
    main()
