"""Time and memory of the weight maps, next to the plain form of U-Net's map in the same run.

python benchmarks/weights.py [--volume] [--quick]
OMP_NUM_THREADS=1 python benchmarks/weights.py --crops

--crops times what a loader's worker does: targets and maps of 128³ voxels with 232 cells, of 256²
pixels with 60, and SAW of 64³ voxels. scipy's distance transform is timed too, and edt and cc3d
if they are installed. It gives processor time, which other work on the machine changes little.
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

import numpy as np
from scipy import ndimage

from seamwise import weights
from seamwise.labels import Labels, Target, semantic_target
from seamwise.synth import crowded_cells

MAPS = {name: getattr(weights, name) for name in ("balance", "dwm", "w3", "unet", "saw")}


def touching_cells(side: int, cells: int) -> Labels:
    """Cells of a size that `cells` of them cover half of the image."""
    radius = side * np.sqrt(0.5 / np.pi / cells)
    labels = crowded_cells((side, side), cells=cells, radius=radius, cluster=20, rng=0).labels
    assert labels.max() >= 0.95 * cells
    return labels


def plain_unet(labels: Labels, *, w0: float = 10, sigma: float = 5) -> np.ndarray:
    """The common form: one distance transform per cell, the two smallest kept."""
    nearest = np.full((2, *labels.shape), np.inf, np.float32)
    for number in range(1, labels.max() + 1):
        distance = ndimage.distance_transform_edt(labels != number).astype(np.float32)
        nearest[1] = np.minimum(nearest[1], np.maximum(nearest[0], distance))
        nearest[0] = np.minimum(nearest[0], distance)
    passage = w0 * np.exp(-(nearest.sum(0) ** 2) / (2 * sigma**2))
    return weights.balance(labels) + np.where(labels == 0, passage, 0)


def seconds(
    weigh: Callable[..., np.ndarray], labels: Labels, rounds: int, target: Target | None = None
) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        weigh(labels, target)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def bytes_per_pixel(weigh: Callable[[Labels], np.ndarray], labels: Labels) -> float:
    """Largest memory in use at once beyond input and result."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    result = weigh(labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (peak - before - result.nbytes) / labels.size


def table(labels: Labels, rounds: int, names: Iterable[str] = MAPS) -> None:
    target = semantic_target(labels, classes=3)
    print(f"{labels.shape} {labels.dtype}, {labels.max()} cells")
    print("         seconds from labels, with the target given, bytes per pixel")
    for name in names:
        weigh = MAPS[name]
        whole = seconds(weigh, labels, rounds)
        given = seconds(weigh, labels, rounds, target)
        print(f"{name:8s} {whole:8.4f} {given:8.4f} {bytes_per_pixel(weigh, labels):6.1f}")


def processor_ms(run: Callable[[], object], rounds: int) -> float:
    """Median processor time in milliseconds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return 1000 * statistics.median(times)


def crop_row(name: str, runs: dict[str, Callable[[], object]], rounds: int) -> None:
    """Print the processor time of each run."""
    cells = " · ".join(f"{kind} {processor_ms(run, rounds):.1f}" for kind, run in runs.items())
    print(f"{name}: {cells} ms", flush=True)


def libraries(labels: Labels) -> dict[str, Callable[[], object]]:
    """The distance to the cells by the libraries that are there, and their pieces."""
    cells, spacing = labels > 0, (1,) * labels.ndim
    runs: dict[str, Callable[[], object]] = {
        "distance, up to 32": lambda: weights.distance(cells, limit=32, spacing=spacing),
        "scipy's transform": lambda: ndimage.distance_transform_edt(~cells),
        "scipy's components": lambda: ndimage.label(cells),
    }
    with suppress(ImportError):
        from edt import edt

        runs["edt"] = lambda: edt(~cells, parallel=1)
    with suppress(ImportError):
        from cc3d import connected_components

        runs["cc3d"] = lambda: connected_components(cells)
    return runs


def crops() -> None:
    """Targets and maps of crops, one row for each size."""
    volume = crowded_cells((128,) * 3, cells=232, radius=11.5, cluster=20, rng=0).labels
    plane = crowded_cells((256, 256), cells=60, radius=13, cluster=20, rng=0).labels
    small = volume[:64, :64, :64].copy()
    for name, labels, maps, rounds in (
        ("128³", volume, ("dwm", "w3", "unet"), 5),
        ("256²", plane, ("dwm", "w3", "unet", "saw"), 31),
        ("64³", small, ("saw",), 5),
    ):
        runs: dict[str, Callable[[], object]] = {
            "four classes": partial(semantic_target, labels, classes=4)
        }
        runs |= {name: partial(MAPS[name], labels) for name in maps}
        crop_row(f"{name}, {labels.max()} cells", runs, rounds)
        crop_row(f"{name}, libraries", libraries(labels), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--volume", action="store_true", help="256³ voxels with 500 cells instead, without SAW"
    )
    parser.add_argument("--quick", action="store_true", help="256² pixels")
    parser.add_argument("--crops", action="store_true", help="what a loader's worker does")
    options = parser.parse_args()
    if options.crops:
        crops()
        return
    if options.volume:
        table(
            crowded_cells((256, 256, 256), cells=500, radius=17, cluster=20, rng=0).labels,
            1,
            ("balance", "dwm", "w3", "unet"),
        )
        return
    side, plain_cells = (256, 20) if options.quick else (1024, 300)
    labels = touching_cells(side, plain_cells)
    table(labels, 11)
    table(labels.astype(np.int64), 3)
    begin = time.perf_counter()
    expected = plain_unet(labels)
    plain = time.perf_counter() - begin
    ours = seconds(weights.unet, labels, 5)
    print(
        f"unet, one distance transform per cell: {plain:.2f} s, {plain / ours:.0f} times as long; ",
        end="",
    )
    print(f"largest difference {np.abs(weights.unet(labels) - expected).max():.1e}")
    print(
        "\nseconds by number of cells, with the target given\ncells   "
        + "".join(f"{name:>9s}" for name in MAPS)
    )
    for cells in (20, 40) if options.quick else (100, 300, 1000, 3000):
        labels = touching_cells(side, cells)
        target = semantic_target(labels, classes=3)
        times = [seconds(weigh, labels, 5, target) for weigh in MAPS.values()]
        print(f"{labels.max():6d}  " + "".join(f"{value:9.4f}" for value in times))


if __name__ == "__main__":
    main()
