"""What segmenting block by block costs for each block and each cell, and so for 10¹⁵ voxels.

python benchmarks/petavoxel.py           # 27 blocks of 256³; 4,000 tasks
python benchmarks/petavoxel.py --quick   # 27 blocks of 64³; 200 tasks

Cells on a grid fill the blocks, so that all blocks hold the same. Measured are: the bytes of a
block's records, time and memory of the two joins for each cell, and for each task of no work the
time of the processor and the memory of the process that holds client and scheduler. The last lines
multiply: they are a calculation, and no such volume was segmented.
"""

import argparse
import operator
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import psutil
from distributed import Client, LocalCluster, as_completed
from numpy.typing import NDArray

from seamwise.decode.blockwise import find_cores, join_cores, join_surveys, survey
from seamwise.tiling import Blocks

PITCH = 16  # voxels from cell to cell
ALONG = 3  # blocks along each axis
VOXELS = 1e15
BLOCK = 256  # voxels of a side of the largest blocks in 3D
VOXELS_OF_A_CELL = 4853  # 533 million voxels with 109,761 cells, see "Images larger than memory"
STAGES = 5  # intensities, network, components, touching voxels, writing
NETWORK = 1.27e6  # voxels per second of two cores, from the same section


@dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes
    ----------
    record_bytes : float
        Of the records of one block, for each of its cells.
    join_seconds, join_bytes : float
        Processor and peak memory of both joins, for each cell.
    task_seconds, task_bytes : float
        Processor and memory of client and scheduler, for each task.
    """

    record_bytes: float
    join_seconds: float
    join_bytes: float
    task_seconds: float
    task_bytes: float


def classes(side: int) -> NDArray[np.uint8]:
    """The classes of a block: cubes on a grid; those at its faces continue in the next block."""
    inside = (np.arange(side) + PITCH // 2) % PITCH < PITCH - 2
    return (inside[:, None, None] & inside[:, None] & inside).astype(np.uint8)


def nbytes(record: Any) -> int:
    """The bytes of all arrays of a record."""
    if isinstance(record, np.ndarray):
        return record.nbytes
    if is_dataclass(record):
        return sum(nbytes(getattr(record, field.name)) for field in fields(record))
    return sum(map(nbytes, record)) if isinstance(record, tuple) else 8


def traced(work: Callable[[], Any]) -> tuple[Any, float, int]:
    """What a function returns, its seconds of the processor, and the peak of its arrays."""
    start = time.process_time()
    result = work()
    seconds = time.process_time() - start
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, seconds, peak


def join_all(side: int) -> tuple[float, float, float]:
    """Join blocks; bytes of the records, seconds, and peak of memory for each cell."""
    blocks = Blocks((ALONG * side,) * 3, (side,) * 3)
    local, cores = find_cores(classes(side))
    cells, seconds, peak = traced(lambda: join_cores(blocks, lambda number: cores))
    surveys = [
        survey(cells.table(number)[local], blocks.box(number), blocks.shape)
        for number in range(len(blocks))
    ]
    count = len(cells.region_of) - 1
    _, more, second = traced(lambda: join_surveys(blocks, surveys.__getitem__, cells=count))
    records = (nbytes(cores) + nbytes(surveys[len(surveys) // 2])) / (side / PITCH) ** 3
    return records, (seconds + more) / count, max(peak, second) / count


def time_tasks(count: int) -> tuple[float, float]:
    """Processor seconds and bytes of client and scheduler, for each task of no work."""
    process = psutil.Process()
    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with local, Client(local, set_as_default=False) as client:
        client.gather(client.map(operator.neg, range(count // 10), pure=False))
        held, start = process.memory_info().rss, time.process_time()
        done = as_completed(client.map(operator.neg, range(count), pure=False), loop=client.loop)
        next(done)
        grown = process.memory_info().rss - held
        for _ in done:
            pass
        return (time.process_time() - start) / count, grown / count


def measure(side: int, tasks: int) -> Costs:
    """Measure all costs with blocks of side³ voxels and a number of tasks."""
    return Costs(*join_all(side), *time_tasks(tasks))


def report(costs: Costs) -> list[str]:
    """The measured constants, and what they make of 10¹⁵ voxels."""
    cells, blocks = VOXELS / VOXELS_OF_A_CELL, VOXELS / BLOCK**3
    tasks = blocks * STAGES
    return [
        f"records of a cell: {costs.record_bytes:.0f} bytes; "
        f"joins of a cell: {1e6 * costs.join_seconds:.1f} µs, {costs.join_bytes:.0f} bytes",
        f"client and scheduler, a task: {1e3 * costs.task_seconds:.2f} ms, "
        f"{costs.task_bytes:.0f} bytes",
        f"{VOXELS:.0e} voxels: {cells:.1e} cells, {blocks:.1e} blocks, {tasks:.1e} tasks",
        f"network: {VOXELS / NETWORK / 3600 / 24 / 365:.0f} years of two cores",
        f"records: {cells * costs.record_bytes / 1e12:.0f} TB; "
        f"joins: {cells * costs.join_bytes / 1e12:.0f} TB of memory, "
        f"{cells * costs.join_seconds / 3600 / 24:.0f} days",
        f"scheduler: {tasks * costs.task_seconds / 3600 / 24:.1f} days, "
        f"{blocks * costs.task_bytes / 1e9:.0f} GB for the tasks of a stage",
    ]


def main() -> None:
    """Print what was measured, and the calculation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small blocks and few tasks")
    side, tasks = (64, 200) if parser.parse_args().quick else (BLOCK, 4000)
    print("\n".join(report(measure(side, tasks))))


if __name__ == "__main__":
    main()
