"""Many independent tasks, in this process or on workers of a dask cluster; see `task_runner`."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seamwise.engine.resources import Resources

Item = tuple[Path, int]
Task = Callable[[Path, int], object]

_PATIENCE = 20  # seconds to wait for a scheduler, and for its first worker
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Runner:
    """Runs a task on many items.

    Attributes
    ----------
    run : function
        Takes a task and its items, each a folder and a number; yields each item when it is done.
    memory : int, optional
        Bytes that each worker may use, if the cluster has a limit.
    """

    run: Callable[[Task, Sequence[Item]], Iterator[Item]]
    memory: int | None = None


@contextmanager
def task_runner(
    resources: Resources = Resources(),
    *,
    announce: Callable[[str], None] = lambda text: None,
) -> Iterator[Runner]:
    """Yield a `Runner`, which runs a task on many items, here or on workers.

    Parameters
    ----------
    resources : Resources
        With one of its `workers` and no `scheduler` the tasks run in this process. More workers
        are processes on this machine, each with its share of the cores. The `scheduler` is the
        address of a dask scheduler, e.g. ``"tcp://10.0.0.1:8786"``, whose workers are used. The
        scheduler and its workers must have this package. The workers must see the folder of the
        tasks, and the files that they read, under the same path as this process. A worker does one
        task at a time and gives it all its threads.
    announce : function
        Called with a line that gives the address of dask's dashboard, if there is one (it needs the
        package bokeh).

    Raises
    ------
    ValueError
        The scheduler's address is not of a known kind.
    OSError
        No scheduler answers at the address, or it has no workers. While tasks run: the scheduler
        is lost, or several workers died on the same task.

    Notes
    -----
    A task is a module's function of a folder and a number that leaves its result in the folder:
    run twice it leaves the same result. So a worker may be lost in the middle of a task: dask
    gives the task to another one. An error that a task raises is raised here.

    Processes are started fresh, not forked: a script that asks for them must do so under ``if
    __name__ == "__main__":``. They all use the same GPU; to use several GPUs give the address of
    a scheduler whose workers see one each.
    """
    if resources.scheduler is None and resources.workers == 1:
        yield Runner(_one_by_one)
        return
    workers, scheduler = resources.workers, resources.scheduler
    # no tracebacks in its log: their meaning is raised in one line
    quiet = _dask().utils.silence_logging_cmgr(logging.CRITICAL)
    with quiet, _processes(workers) if scheduler is None else _connect(scheduler) as client:
        if client.dashboard_link and find_spec("bokeh"):
            announce(f"dashboard: {client.dashboard_link}")
        limits = [limit for limit in client.run(_memory_limit).values() if limit]
        yield Runner(partial(_distribute, client), min(limits, default=None))


def _one_by_one(task: Task, items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        task(*item)
        yield item


def _distribute(client: Any, task: Task, items: Sequence[Item]) -> Iterator[Item]:
    # not pure: a result is a file, and dask must not take that of an earlier call from its memory
    futures = client.map(partial(_on_worker, task), items, pure=False)
    item_of = {future.key: item for future, item in zip(futures, items, strict=True)}
    try:
        for future in _dask().as_completed(futures, loop=client.loop):
            _check(future, item_of[future.key])
            yield item_of[future.key]
    finally:
        client.cancel(futures)


def _on_worker(task: Task, item: Item) -> None:
    """Do a task in a worker; one at a time, because each task may use all its memory."""
    import torch

    with _ONE_AT_A_TIME:
        # dask starts workers with one thread for all libraries
        torch.set_num_threads(_dask().get_worker().state.nthreads)
        task(*item)


def _check(future: Any, item: Item) -> None:
    """Raise what a task raised, or one line if it was never finished."""
    try:
        future.result()
    except _dask().KilledWorker as error:
        place = f"task {item[1]} of {item[0]}"
        raise ChildProcessError(
            f"several workers died on {place}: if they ran out of memory, lower --memory"
        ) from error
    except CancelledError as error:
        raise ConnectionError(
            "the dask scheduler was lost: start it, then run this again"
        ) from error


@contextmanager
def _connect(scheduler: str) -> Iterator[Any]:
    start = "start one with `dask scheduler`, and `dask worker ADDRESS` on each machine"
    try:
        client = _dask().Client(scheduler, set_as_default=False, timeout=_PATIENCE)
    except ValueError as error:
        raise ValueError(
            f"scheduler must be an address like tcp://10.0.0.1:8786, not {scheduler!r}: {start}"
        ) from error
    except OSError as error:
        raise ConnectionError(f"no dask scheduler answers at {scheduler}: {start}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise ConnectionError(
                f"the dask scheduler at {scheduler} has no workers: "
                f"start some with `dask worker {scheduler}`"
            ) from error
        yield client


@contextmanager
def _processes(workers: int) -> Iterator[Any]:
    from dask.system import CPU_COUNT

    cluster = _dask().LocalCluster(
        n_workers=workers,
        threads_per_worker=max(CPU_COUNT // workers, 1),
        processes=True,
        memory_limit=0,  # the tasks have a limit of their own
        # a free port: without an address dask takes 8787, and another run may have it
        dashboard_address="127.0.0.1:0",
    )
    with cluster, _dask().Client(cluster, set_as_default=False) as client:
        yield client


def _memory_limit(dask_worker: Any) -> int | None:
    limit: int | None = dask_worker.memory_manager.memory_limit
    return limit


def _dask() -> Any:
    """The package distributed, which is slow to import and has few types."""
    import distributed

    return distributed
