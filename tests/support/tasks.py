"""Tasks for the tests of `engine.cluster`: workers find them here by name."""

import errno
import os
import signal
import threading
import time

from distributed import get_worker

from seamwise.io.atomic import atomic_path


def square(folder, number):
    (folder / f"{number}").write_text(f"{number**2}")


def fail_at_three(folder, number):
    if number == 3:
        raise ValueError("three is wrong: use another")
    square(folder, number)


def fill_the_disk(folder, number):
    with atomic_path(folder / f"{number}"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def where(folder, number):
    """Take a moment; leave the address of the worker."""
    time.sleep(0.05)
    (folder / f"{number}").write_text(get_worker().address)


def wait_for_go(folder, number):
    """Hang until somebody writes the file ``go``."""
    while not (folder / "go").exists():
        time.sleep(0.02)
    square(folder, number)


def hang_in_one(folder, number):
    """Stop the whole process in task 0, the first time, as a machine does that stands still."""
    first = folder / "first"
    if number == 0 and not first.exists():
        first.write_text(get_worker().address)
        os.kill(os.getpid(), signal.SIGSTOP)
    where(folder, number)


def alone(folder, number):
    """Leave who was in it at the same time in the same process."""
    mine = folder / f"in-{os.getpid()}-{number}"
    mine.write_text("")
    time.sleep(0.05)
    together = list(folder.glob(f"in-{os.getpid()}-*"))
    mine.unlink()
    (folder / f"{number}").write_text(f"{len(together)} {threading.active_count()}")
