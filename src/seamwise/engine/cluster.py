"""Many independent tasks, in this process or on workers of a dask cluster; see `task_runner`."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from seamwise.engine.resources import Resources

Item = tuple[Path, int]
Task = Callable[[Path, int], object]

_PATIENCE = 20  # seconds to wait for a scheduler, and for its first worker
_SILENCE = 600  # seconds without a finished task after which a line names those that run
_MOST_NAMED = 3  # of the tasks that run
_ONE_AT_A_TIME = threading.Lock()
_LACKS = "cannot load seamwise: install it there"
_ROUNDING = "torch", "numpy", "openvino"  # packages whose version may change a result


@dataclass(frozen=True)
class Runner:
    """Runs a task on many items.

    Attributes
    ----------
    run : function
        Takes a task, its items, each a folder and a number, and the bytes that a task takes, 0 if
        that is not known; yields each item when it is done.
    memory : int, optional
        Bytes that each worker may use, if the cluster has a limit.
    """

    run: Callable[[Task, Sequence[Item], int], Iterator[Item]]
    memory: int | None = None


@dataclass(frozen=True)
class _Worker:
    """What a worker says of itself.

    Attributes
    ----------
    seamwise : str
        The version of this package.
    others : tuple of (str, str)
        Packages that round, and their versions; an empty version if one is missing.
    memory : int, optional
        Bytes that it may use, if it has a limit.
    """

    seamwise: str
    others: tuple[tuple[str, str], ...]
    memory: int | None = None

    def unfit(self, need: int, ours: str) -> str:
        """Why it cannot do a task of version `ours` that takes `need` bytes; empty if it can."""
        if self.seamwise != ours:
            return f"has seamwise {self.seamwise}, and this process {ours}: install {ours} there"
        if self.memory and need > self.memory:
            return (
                f"may use {self.memory / 1e9:.1f} GB, and a block takes {need / 1e9:.1f} GB: "
                "start it with a higher --memory-limit, or lower --memory"
            )
        return ""


@dataclass(frozen=True)
class _Cluster:
    """The workers of a client, and which of them get no task.

    Attributes
    ----------
    client : distributed.Client
    announce : function
        Called with a line for the user.
    unfit : dict
        Why a worker gets no task, by its address.
    """

    client: Any
    announce: Callable[[str], None]
    unfit: dict[str, str] = field(default_factory=dict)

    def refuse(self, address: str, reason: str) -> None:
        """Note a worker that gets no task, and tell why, once.

        Raises
        ------
        OSError
            No worker is left.
        """
        line, is_new = f"worker {address} {reason}", address not in self.unfit
        self.unfit[address] = line
        if not self.fit():
            raise ChildProcessError(f"no worker can do a task: {line}")
        if is_new:
            self.announce(f"{line}; the others do its work")

    def fit(self) -> list[str]:
        """The addresses of workers of which nothing bad is known."""
        return [address for address in self.client.nthreads() if address not in self.unfit]


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
        task at a time and gives it all its threads. Workers may come and go while tasks run.
    announce : function
        Called with a line for each of these: the address of dask's dashboard, if there is one (it
        needs the package bokeh); a worker that gets no task, since it has another version of this
        package or too little memory; a worker whose torch, NumPy or OpenVINO has another version;
        ten minutes in which no task ended, with the tasks that run and where.

    Raises
    ------
    ValueError
        The scheduler's address is not of a known kind.
    OSError
        No scheduler answers at the address, or it has no workers, or none that fits. While tasks
        run: the scheduler is lost, several workers died on the same task, one that came late lacks
        this package, or no task ended for ten minutes and no worker is there.

    Notes
    -----
    A task is a module's function of a folder and a number that leaves its result in the folder:
    run twice it leaves the same result. So a worker may be lost in the middle of a task: dask
    gives the task to another one. A machine that stands still counts as lost after five minutes
    (``distributed.scheduler.worker-ttl`` of dask). An error that a task raises is raised here.

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
        cluster = _Cluster(client, announce)
        yield Runner(partial(_distribute, cluster), _least_memory(cluster))


def _one_by_one(task: Task, items: Sequence[Item], need: int = 0) -> Iterator[Item]:
    for item in items:
        task(*item)
        yield item


def _least_memory(cluster: _Cluster) -> int | None:
    """Refuse workers of another version; return the least memory of the others."""
    limits = []
    for address, worker in cluster.client.run(_this_worker, on_error="return").items():
        reason = worker.unfit(0, version("seamwise")) if isinstance(worker, _Worker) else _LACKS
        if reason:
            cluster.refuse(address, reason)
            continue
        for (name, theirs), (_, ours) in zip(worker.others, _packages(), strict=True):
            if theirs != ours:
                cluster.announce(
                    f"worker {address} has {name} {theirs or 'missing'}, and this process "
                    f"{ours or 'none'}: a few pixels may come out differently there"
                )
        limits.append(worker.memory)
    return min(filter(None, limits), default=None)


def _distribute(
    cluster: _Cluster, task: Task, items: Sequence[Item], need: int = 0
) -> Iterator[Item]:
    client, ended = cluster.client, SimpleQueue[Any]()
    work = partial(_on_worker, task, need, version("seamwise"))
    item_of: dict[str, Item] = {}

    def submit(items: Sequence[Item]) -> list[Any]:
        # not pure: a result is a file, and dask must not take an earlier one from its memory.
        # Where all workers that fit are lost, another one says that it is unfit
        workers = {"workers": cluster.fit(), "allow_other_workers": True} if cluster.unfit else {}
        futures: list[Any] = client.map(work, items, pure=False, **workers)
        item_of.update({future.key: item for future, item in zip(futures, items, strict=True)})
        for future in futures:
            future.add_done_callback(ended.put)
        return futures

    futures = {future.key: future for future in submit(items)}
    try:
        while futures:
            try:
                future = futures.pop(ended.get(timeout=_SILENCE).key)
            except Empty:
                if not client.nthreads():
                    raise ChildProcessError(
                        f"all workers are gone, and for {_SILENCE / 60:.0f} minutes no task ended: "
                        "start workers, then run this again"
                    ) from None
                cluster.announce(_silence(client, item_of))
                continue
            item = item_of.pop(future.key)
            if refusal := _result(future, item):
                cluster.refuse(*refusal)
                futures |= {again.key: again for again in submit([item])}
            else:
                yield item
    finally:
        client.cancel(list(futures.values()))


def _on_worker(task: Task, need: int, ours: str, item: Item) -> tuple[str, str] | None:
    """Do a task of version `ours` in a worker; one at a time, as each may use all its memory.

    Returns the worker's address and why it cannot do the task, or None.
    """
    import torch

    worker = _dask().get_worker()
    if reason := _this_worker(worker).unfit(need, ours):
        return worker.address, reason
    with _ONE_AT_A_TIME:
        # dask starts workers with one thread for all libraries
        torch.set_num_threads(worker.state.nthreads)
        task(*item)
    return None


def _silence(client: Any, item_of: dict[str, Item]) -> str:
    """A line that names the tasks that run, and where."""
    running = [
        f"task {item_of[key][1]} of {item_of[key][0]} on {address}"
        for address, keys in client.processing().items()
        for key in keys
        if key in item_of
    ]
    more = len(running) - _MOST_NAMED
    named = ", ".join(running[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"no task ended for {_SILENCE / 60:.0f} minutes; with workers are: {named or 'none'}. "
        "If a machine hangs, end its worker: another one takes its tasks"
    )


def _result(future: Any, item: Item) -> tuple[str, str] | None:
    """What a task returned; raises what it raised, or one line if it was never finished."""
    try:
        refusal: tuple[str, str] | None = future.result()
        return refusal
    except _dask().KilledWorker as error:
        place = f"task {item[1]} of {item[0]}"
        raise ChildProcessError(
            f"several workers died on {place}: if they ran out of memory, lower --memory"
        ) from error
    except ModuleNotFoundError as error:
        if error.name != "seamwise":
            raise
        raise ChildProcessError(f"a worker that came late {_LACKS}") from error
    except CancelledError as error:
        raise ConnectionError(
            "the dask scheduler was lost: start it, then run this again"
        ) from error


@contextmanager
def _connect(scheduler: str) -> Iterator[Any]:
    start = "start one with `dask scheduler`, and `dask worker ADDRESS` on each machine"
    try:
        with warnings.catch_warnings():  # tables of versions: `_least_memory` tells what counts
            warnings.simplefilter("ignore")
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


def _this_worker(dask_worker: Any) -> _Worker:
    return _Worker(version("seamwise"), _packages(), dask_worker.memory_manager.memory_limit)


def _packages() -> tuple[tuple[str, str], ...]:
    return tuple((name, version(name) if find_spec(name) else "") for name in _ROUNDING)


def _dask() -> Any:
    """The package distributed, which is slow to import and has few types."""
    import distributed

    return distributed
