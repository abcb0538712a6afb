"""Time of decoding and matching, and memory of decoding.

For a plane, 1024² with 500 cells, from class probabilities to scores; and for a stack of tissue, 96
× 128 × 128, from classes to cells: at once, and block by block with the seconds of each step. The
memory is that of `instances` for these, and for noise, its worst case."""

import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage

from seamwise.decode import argmax, instances
from seamwise.decode.blockwise import assign, find_cores, finish, join_cores, join_surveys, survey
from seamwise.labels import semantic_target
from seamwise.metrics import match
from seamwise.synth import CONFOCAL, crowded_cells, tissue
from seamwise.tiling import Blocks

ROUNDS = 11
STEPS = ("find_cores", "join_cores", "assign", "survey", "join_surveys", "finish")


def probabilities_of(labels: np.ndarray) -> np.ndarray:
    """What a good network would say: the classes, blurred a little."""
    target = semantic_target(labels, gap_radius=4)
    classes = np.stack([target == k for k in range(4)]).astype(np.float32)
    return np.stack([ndimage.gaussian_filter(channel, 0.5) for channel in classes])


def timed(
    seconds: dict[str, float], step: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:
    """Call a step, and add the time it takes to that of its name."""
    begin = time.perf_counter()
    result = step(*arguments, **options)
    seconds[step.__name__] += time.perf_counter() - begin
    return result


def block_by_block(classes: np.ndarray, size: tuple[int, ...]) -> tuple[int, dict[str, float]]:
    """Number of cells, and the seconds of each step over all blocks."""
    blocks, seconds = Blocks(classes.shape, size), dict.fromkeys(STEPS, 0.0)
    boxes = [blocks.box(number) for number in range(len(blocks))]
    numbers, labels = np.zeros(classes.shape, np.uint32), np.zeros(classes.shape, np.uint32)
    cores, surveys = [], []
    for box in boxes:
        numbers[box], found = timed(seconds, find_cores, classes[box])
        cores.append(found)
    cells = timed(seconds, join_cores, blocks, cores.__getitem__)
    for number, box in enumerate(boxes):
        labels[box] = timed(
            seconds, assign, number, blocks, classes[box], lambda part: numbers[tuple(part)], cells
        )
        surveys.append(timed(seconds, survey, labels[box], box, classes.shape))
    result = timed(
        seconds, join_surveys, blocks, surveys.__getitem__, cells=len(cells.region_of) - 1
    )
    for number, box in enumerate(boxes):
        timed(seconds, finish, number, labels[box], result)
    return result.count, seconds


def plane() -> None:
    """Print the times of the plane."""
    labels = crowded_cells((1024, 1024), cells=500, rng=0).labels
    probabilities = probabilities_of(labels)
    decoding, matching = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        found = argmax(probabilities, min_size=20)
        between = time.perf_counter()
        score = match(labels, found)
        matching.append(time.perf_counter() - between)
        decoding.append(between - begin)
    print(f"{labels.max()} cells, {found.max()} decoded, PQ {score.panoptic_quality:.3f}")
    for name, times in (("decode.argmax", decoding), ("metrics.match", matching)):
        print(f"{name:14s} {1e3 * statistics.median(times):6.1f} ms")
    together = statistics.median(a + b for a, b in zip(decoding, matching, strict=True))
    print(f"{'together':14s} {1e3 * together:6.1f} ms (median of {ROUNDS})")


def stack() -> None:
    """Print the times of the stack."""
    labels = tissue((96, 128, 128), rng=0, camera=replace(CONFOCAL, spacing=(2, 1, 1))).labels
    classes = semantic_target(labels, classes=3, touching_radius=1).astype(np.uint8)
    whole, parts = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        at_once = instances(classes).max()
        whole.append(time.perf_counter() - begin)
        count, seconds = block_by_block(classes, (64, 64, 64))
        parts.append(seconds)
        if count != at_once:
            raise RuntimeError(
                f"{count} cells block by block, {at_once} at once: expected the same"
            )
    print(f"\n{at_once} cells in a stack; seconds per million voxels (median of {ROUNDS})")
    print(f"{'instances':14s} {1e6 * statistics.median(whole) / classes.size:6.3f}")
    for name in STEPS:
        print(f"{name:14s} {1e6 * statistics.median(s[name] for s in parts) / classes.size:6.3f}")
    total = statistics.median(sum(s.values()) for s in parts)
    print(f"{'blocks of 64³':14s} {1e6 * total / classes.size:6.3f}")


def memory() -> None:
    """Print the bytes a pixel that `instances` takes at its peak, the result among them."""
    rng = np.random.default_rng(0)
    camera = replace(CONFOCAL, spacing=(2, 1, 1))
    drawn = {
        "crowd": crowded_cells((1024, 1024), cells=500, rng=0).labels,
        "dense crowd": crowded_cells((1024, 1024), cells=8000, rng=0).labels,
        "tissue": tissue((96, 128, 128), rng=0, camera=camera).labels,
    }
    maps = {name: semantic_target(cells, classes=3) for name, cells in drawn.items()}
    for shape in ((1024, 1024), (96, 96, 96)):
        maps[f"{len(shape)}D noise"] = rng.integers(0, 3, shape)
    print("\nbytes a pixel")
    for name, classes in maps.items():
        tracemalloc.start()
        instances(classes.astype(np.uint8))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{name:14s} {peak / classes.size:6.1f}")


if __name__ == "__main__":
    plane()
    stack()
    memory()
