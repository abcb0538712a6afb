"""The same results from this process, from others and from a cluster that loses a worker."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress

import numpy as np
import pytest

from seamwise.engine import Listener, cluster
from seamwise.engine.cluster import task_runner
from seamwise.engine.resources import Resources
from seamwise.io.images import read_labels
from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.segmentation import SegmentOptions, segment_volume
from seamwise.segmentation.big import memory
from support.files import one_line
from support.tasks import (
    alone,
    fail_at_three,
    fill_the_disk,
    hang_in_one,
    square,
    wait_for_go,
    where,
)
from support.volumes import blobs, intensity_model


@contextmanager
def dask(program, *arguments, ready, **variables):
    """A process of dask's, once its output says that it is ready; yields it and the match."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), OMP_NUM_THREADS="1")
    environment |= variables
    command = [
        sys.executable,
        "-m",
        f"distributed.cli.dask_{program}",
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    process = subprocess.Popen(
        [*command, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    try:
        matches = (re.search(ready, line) for line in process.stderr)
        yield process, next(match[0] for match in matches if match)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def scheduler(**variables):
    return dask("scheduler", "--port", "0", ready=r"tcp://127\.0\.0\.1:\d+", **variables)


def worker(address, *arguments):
    # no nanny, which would start a killed worker again
    return dask(
        "worker", address, "--no-nanny", "--memory-limit", "3GB", *arguments, ready="Registered to"
    )


@pytest.fixture(scope="module")
def processes():
    """Two processes, which start while another run has the port that dask asks for."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # it is taken: as good
            other.bind(("", 8787))
            other.listen()
        with task_runner(Resources(workers=2)) as runner:
            yield runner


def items(folder, *numbers):
    return [(folder, number) for number in numbers]


def results(folder, numbers):
    return [int((folder / f"{number}").read_text()) for number in numbers]


def test_one_worker_is_this_process_in_order_and_no_faster_than_asked(tmp_path):
    with task_runner() as runner:
        done = runner.run(square, items(tmp_path, 3, 1, 2), 0)
        assert next(done) == (tmp_path, 3)
        assert [path.name for path in tmp_path.iterdir()] == ["3"]
        assert list(done) == items(tmp_path, 1, 2)
    assert results(tmp_path, [1, 2, 3]) == [1, 4, 9]
    assert runner.memory is None


def test_processes_do_every_task_once(tmp_path, processes):
    more = tmp_path / "more"
    more.mkdir()
    both = items(tmp_path, *range(9)) + items(more, 2)
    assert sorted(processes.run(square, both)) == sorted(both)
    assert results(tmp_path, range(9)) == [n**2 for n in range(9)]
    assert results(more, [2]) == [4]
    assert list(processes.run(square, [])) == []
    # a second call does them again: results are files, which may have gone
    (tmp_path / "4").unlink()
    assert list(processes.run(square, items(tmp_path, 4))) == items(tmp_path, 4)
    assert results(tmp_path, [4]) == [16]


def test_what_a_task_raises_is_raised_here_and_the_others_are_given_up(tmp_path, processes):
    with pytest.raises(ValueError, match="three is wrong") as caught:
        list(processes.run(fail_at_three, items(tmp_path, *range(5))))
    assert one_line(caught)
    assert sorted(processes.run(square, items(tmp_path, *range(3)))) == items(tmp_path, 0, 1, 2)


def test_a_full_disk_is_known_as_such_also_from_a_worker(tmp_path, processes):
    with pytest.raises(OSError, match="no space is left") as caught:
        list(processes.run(fill_the_disk, items(tmp_path, 0)))
    assert caught.value.errno == errno.ENOSPC
    assert one_line(caught)


class Lost:
    """A future whose worker, or scheduler, is lost."""

    def __init__(self, error):
        self.error = error

    def result(self):
        raise self.error


def test_lost_workers_and_schedulers_are_one_line():
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    killed = KilledWorker("x", type("State", (), {"address": "tcp://1"})(), 3)
    with pytest.raises(OSError, match="several workers died on task 7 of t0") as caught:
        cluster._result(Lost(killed), ("t0", 7))
    assert one_line(caught, "memory")
    with pytest.raises(OSError, match="scheduler was lost") as caught:
        cluster._result(Lost(FutureCancelledError("x", "lost")), ("t0", 7))
    assert one_line(caught)
    missing = ModuleNotFoundError("No module named 'seamwise'", name="seamwise")
    with pytest.raises(OSError, match="came late cannot load seamwise") as caught:
        cluster._result(Lost(missing), ("t0", 7))
    assert one_line(caught, "install it there")
    with pytest.raises(ModuleNotFoundError, match="rich"):  # a fault of the task itself
        cluster._result(Lost(ModuleNotFoundError("no rich", name="rich")), ("t0", 7))


@contextmanager
def threads(*limits):
    """A cluster of one worker for each limit of memory, within this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, processes=False, dashboard_address=":0", protocol="inproc"
    ) as local:
        for limit in limits:
            join(local, limit)
        yield local


def join(local, limit):
    """One more worker, with a limit of memory."""
    local.new_spec["options"] |= {"memory_limit": limit, "nthreads": 1}
    count = len(local.worker_spec) + 1
    local.scale(count)
    local.wait_for_workers(count, timeout=20)


def addresses(folder, count):
    return [(folder / f"{n}").read_text() for n in range(count)]


def test_a_worker_that_comes_late_gets_its_share(tmp_path):
    with threads(0) as local, task_runner(Resources(scheduler=local.scheduler_address)) as runner:
        done = runner.run(where, items(tmp_path, *range(20)), 0)
        next(done)
        join(local, 0)
        assert len(list(done)) == 19
    assert len(set(addresses(tmp_path, 20))) == 2


def test_a_worker_with_too_little_memory_gets_no_task_and_is_named_once(tmp_path):
    lines = []
    with (
        threads(3 * 10**9) as local,
        task_runner(Resources(scheduler=local.scheduler_address), announce=lines.append) as runner,
    ):
        assert runner.memory == 3 * 10**9
        (enough,) = local.scheduler.workers
        done = runner.run(where, items(tmp_path, *range(20)), 2 * 10**9)
        next(done)
        join(local, 10**9)  # it comes late, and the blocks are planned for what the others have
        assert len(list(done)) == 19
        assert set(addresses(tmp_path, 20)) == {enough}
        (line,) = lines
        assert "may use 1.0 GB, and a block takes 2.0 GB" in line
        assert "--memory-limit" in line
        with pytest.raises(OSError, match="no worker can do a task") as caught:
            list(runner.run(where, items(tmp_path, 0), 4 * 10**9))
        assert one_line(caught, "4.0 GB", "lower --memory")


def test_tasks_that_run_too_long_are_named_with_their_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_SILENCE", 0.3)
    lines = []

    def announce(line):
        lines.append(line)
        (tmp_path / "go").write_text("")

    with (
        threads(0) as local,
        task_runner(Resources(scheduler=local.scheduler_address), announce=announce) as runner,
    ):
        (address,) = local.scheduler.workers
        assert sorted(runner.run(wait_for_go, items(tmp_path, 1, 2), 0)) == items(tmp_path, 1, 2)
    (line,) = lines
    assert f"task 1 of {tmp_path} on {address}" in line
    assert "end its worker" in line
    assert "\n" not in line


def test_a_run_whose_workers_are_gone_ends_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_SILENCE", 0.3)
    with (
        threads(0) as local,
        task_runner(Resources(scheduler=local.scheduler_address)) as runner,
    ):
        monkeypatch.setattr("distributed.Client.nthreads", lambda client: {})
        try:
            with pytest.raises(OSError, match="all workers are gone") as caught:
                list(runner.run(wait_for_go, items(tmp_path, 1), 0))
        finally:
            (tmp_path / "go").write_text("")
    assert one_line(caught, "run this again")


def test_a_machine_that_stands_still_and_one_of_another_version(tmp_path):
    other = (
        "import seamwise.engine.cluster as c; from importlib.metadata import version\n"
        "c.version = lambda name: '0.0.7' if name == 'seamwise' else version(name)"
    )
    lines = []
    with ExitStack() as stack:
        _, address = stack.enter_context(scheduler(DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="1s"))
        stack.enter_context(worker(address, "--preload", other))
        with (
            pytest.raises(OSError, match=r"has seamwise 0\.0\.7, and this process") as caught,
            task_runner(Resources(scheduler=address)),
        ):
            pass
        assert one_line(caught, "no worker can do a task", "install")
        for _ in range(2):
            stack.enter_context(worker(address))
        with task_runner(Resources(scheduler=address), announce=lines.append) as runner:
            everything = items(tmp_path, *range(12))
            assert sorted(runner.run(hang_in_one, everything, 0)) == everything
    (line,) = lines
    assert "has seamwise 0.0.7" in line
    stopped = (tmp_path / "first").read_text()
    doers = set(addresses(tmp_path, 12))
    assert (tmp_path / "0").read_text() != stopped
    assert len(doers - {stopped}) == 1
    assert not any(address in line for address in doers)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"workers": 0}, ValueError, ["workers must be at least 1, not 0"]),
        (
            {"workers": 2, "scheduler": "tcp://127.0.0.1:9"},
            ValueError,
            ["tcp://127.0.0.1:9", "give one"],
        ),
        ({"scheduler": "carrier://pigeon"}, ValueError, ["carrier://pigeon", "tcp://"]),
    ],
)
def test_bad_options_are_named(options, error, words):
    with pytest.raises(error) as caught, task_runner(Resources(**options)):
        pass
    assert one_line(caught, *words)


def test_an_address_where_nothing_answers_is_named_soon(monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError) as caught, task_runner(Resources(scheduler=address)):
        pass
    assert one_line(caught, address, "dask scheduler")


def test_a_cluster_that_loses_a_worker_gives_what_this_process_gives(tmp_path, monkeypatch):
    monkeypatch.setitem(memory.CHUNK, 2, 40)
    monkeypatch.setitem(memory.HALO, 2, 8)
    image, model = tmp_path / "a.zarr", intensity_model(tmp_path / "m.safetensors")
    write_image(image, blobs((150, 190)), axes="YX", storage=ZarrStorage(chunks=(40, 40)))
    options = SegmentOptions(model=model, tile=40, decode="watershed", flood_halo=40)
    seen = []

    with ExitStack() as stack:
        _, address = stack.enter_context(scheduler())
        with monkeypatch.context() as patched:
            patched.setattr(cluster, "_PATIENCE", 0.5)
            with (
                pytest.raises(ConnectionError) as caught,
                task_runner(Resources(scheduler=address)),
            ):
                pass
            assert one_line(caught, address, "no workers")
        # of several threads a worker uses one at a time
        workers = [stack.enter_context(worker(address, "--nthreads", f"{n}"))[0] for n in (1, 2)]
        with task_runner(Resources(scheduler=address)) as runner:
            assert runner.memory == 3 * 10**9
            list(runner.run(alone, items(tmp_path, *range(8))))
            assert {(tmp_path / f"{n}").read_text()[0] for n in range(8)} == {"1"}

        def report(progress):
            seen.append((progress.stage, progress.done))
            if (progress.stage, progress.done) == ("classify", 4):
                workers[0].send_signal(signal.SIGKILL)
                workers[0].wait()

        result = segment_volume(
            image,
            tmp_path / "out.zarr",
            options,
            Resources(scheduler=address),
            listener=Listener(report=report),
        )

    assert [done for stage, done in seen if stage == "classify"] == list(range(1, 21))
    ours = segment_volume(image, tmp_path / "ours.zarr", options)
    assert result.cells == ours.cells
    assert np.array_equal(read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ours.zarr"))


def test_processes_give_what_this_process_gives(tmp_path, processes, monkeypatch):
    monkeypatch.setitem(memory.CHUNK, 2, 40)

    @contextmanager
    def shared(resources, *, announce):
        assert resources == Resources(workers=2)
        yield processes

    image, model = tmp_path / "a.zarr", intensity_model(tmp_path / "m.safetensors")
    write_image(image, blobs((70, 100)), axes="YX", storage=ZarrStorage(chunks=(40, 40)))
    options = SegmentOptions(model=model, tile=40)
    segment_volume(image, tmp_path / "ours.zarr", options)
    monkeypatch.setattr("seamwise.segmentation.big.stream.task_runner", shared)
    segment_volume(image, tmp_path / "theirs.zarr", options, Resources(workers=2))
    assert np.array_equal(
        read_labels(tmp_path / "theirs.zarr"), read_labels(tmp_path / "ours.zarr")
    )
