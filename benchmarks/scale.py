"""Time and memory of `segment` against the size of an image, and against the number of processes.

python benchmarks/scale.py [--megapixels 1 4 16 64 256 1000] [--processes 2 3 4] [--plot FILE]

Square slides of round cells, written on the fly, become labels block by block, with the default
model and a limit of 2 GB for each process. The peak of memory is that of all processes of the run.
--quick goes to 4 megapixels. A GPU was not measured.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from volumes import segmented, write_slide

MEMORY = 2_000_000_000
SHARED = 64.0  # megapixels that the processes share


def time_slide(megapixels: float, *, processes: int = 1) -> dict:
    """Cells, seconds and peak of memory in bytes for one slide."""
    side = round(1000 * math.sqrt(megapixels))
    with tempfile.TemporaryDirectory() as name:
        slide, cells = Path(name) / "slide.ome.zarr", Path(name) / "cells.ome.zarr"
        write_slide(slide, side)
        resources = {"memory": MEMORY * processes, "workers": processes}
        return segmented(slide, cells, resources=resources)


def row(megapixels: float, processes: int, result: dict) -> str:
    """One row of a table."""
    seconds, busy, peak = result["seconds"], result["busy"], result["peak"] / 1e9
    return (
        f"| {megapixels:g} | {processes} | {seconds:.1f} | {seconds / megapixels:.2f} "
        f"| {busy:.1f} | {busy / megapixels:.2f} | {peak:.2f} | {result['cells']} |"
    )


def plot(sizes: Sequence[float], results: Sequence[dict], path: Path) -> None:
    """Seconds of the processor and gigabytes against megapixels, both axes logarithmic."""
    from matplotlib.figure import Figure

    axes = Figure(figsize=(7, 4.5), layout="constrained").add_subplot()
    seconds = [result["busy"] for result in results]
    axes.loglog(sizes, seconds, marker="o", label="processor seconds")
    axes.loglog(sizes, [result["peak"] / 1e9 for result in results], marker="s", label="peak, GB")
    pace = seconds[-1] / sizes[-1]
    axes.loglog(sizes, [pace * size for size in sizes], "k:", label=f"{pace:.2f} s/MP")
    axes.set(xlabel="megapixels", ylabel="processor seconds, gigabytes")
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.grid(True, alpha=0.3)
    axes.figure.legend(loc="outside right upper")
    axes.figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="*", default=[1, 4, 16, 64, 256, 1000])
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 3, 4])
    parser.add_argument("--plot", type=Path, help="file for a log-log plot")
    parser.add_argument("--quick", action="store_true", help="up to 4 megapixels")
    options = parser.parse_args()
    sizes = [1.0, 4.0] if options.quick else options.megapixels
    columns = "megapixels", "processes", "seconds", "s/MP", "processor seconds", "s/MP", "peak, GB"
    print(f"| {' | '.join(columns)} | cells |\n|{'---|' * 8}", flush=True)
    results = []
    for size in sizes:
        results.append(time_slide(size))
        print(row(size, 1, results[-1]), flush=True)
        if options.plot:
            plot(sizes[: len(results)], results, options.plot)
    shared = sizes[-1] if options.quick else SHARED
    for processes in options.processes:
        result = time_slide(shared, processes=processes)
        print(row(shared, processes, result), flush=True)


if __name__ == "__main__":
    main()
