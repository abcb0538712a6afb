"""`lock_file` lets one at a time in, and leaves nothing behind that locks."""

import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from seamwise.io.lock import lock_file
from support.files import one_line

HOLD = "import sys, time; from pathlib import Path; from seamwise.io.lock import lock_file\n"
HOLD += "with lock_file(Path(sys.argv[1]), name='x'): print('held', flush=True); time.sleep(60)"


def test_one_at_a_time_and_the_next_one_after_it(tmp_path):
    path = tmp_path / "x.lock"
    for _ in range(2):
        with lock_file(path, name="x"):
            with pytest.raises(BlockingIOError) as caught, lock_file(path, name="out.zarr"):
                pass
            assert one_line(caught, "out.zarr", "another process")
            assert path.exists()
        assert list(tmp_path.iterdir()) == []


def test_an_error_opens_it(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), lock_file(tmp_path / "x.lock", name="x"):
            raise KeyboardInterrupt


def test_another_process_that_is_killed_holds_it_no_longer(tmp_path):
    path = tmp_path / "x.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), lock_file(path, name="x"):
            pass
        other.kill()
    assert path.exists()
    with lock_file(path, name="x"):
        pass
    assert not path.exists()


def test_a_file_that_is_removed_while_it_is_locked_is_not_the_lock(tmp_path, monkeypatch):
    path, original = tmp_path / "x.lock", fcntl.flock
    removed = []

    def late(file, how):
        original(file, how)
        if not removed:
            removed.append(True)
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    with lock_file(path, name="x"):
        assert path.exists()
        with pytest.raises(BlockingIOError), lock_file(path, name="x"):
            pass


def test_many_take_turns(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(50):
            try:
                with lock_file(tmp_path / "x.lock", name="x"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except BlockingIOError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_locks_nothing(tmp_path, monkeypatch, number):
    def lacking(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", lacking)
    with lock_file(tmp_path / "x.lock", name="x"), lock_file(tmp_path / "x.lock", name="x"):
        pass


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_file_of_another_user_stays_and_is_refused(tmp_path, monkeypatch, number):
    path = tmp_path / "x.lock"
    path.touch()

    def refused(file, *rest, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(BlockingIOError) as caught, lock_file(path, name="x"):
        pass
    assert one_line(caught, "x.lock", "another user", "delete it")
    assert path.exists()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs O_NOFOLLOW")
def test_a_link_locks_nothing_and_stays(tmp_path):
    path = tmp_path / "x.lock"
    path.symlink_to(tmp_path / "other")
    with pytest.raises(BlockingIOError), lock_file(path, name="x"):
        pass
    assert path.is_symlink()


def test_without_the_call_the_file_itself_is_the_lock(tmp_path, monkeypatch):
    def lacking(file, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", lacking)
    for _ in range(2):
        with (
            lock_file(tmp_path / "x.lock", name="x"),
            pytest.raises(BlockingIOError),
            lock_file(tmp_path / "x.lock", name="x"),
        ):
            pass
        assert list(tmp_path.iterdir()) == []


def test_a_missing_folder(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="create it first") as caught,
        lock_file(tmp_path / "no" / "x", name="x"),
    ):
        pass
    assert one_line(caught)
