"""Tasks for the tests of `engine.cluster`: workers find them here by name."""

import errno
import os
import threading
import time

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


def alone(folder, number):
    """Leave who was in it at the same time in the same process."""
    mine = folder / f"in-{os.getpid()}-{number}"
    mine.write_text("")
    time.sleep(0.05)
    together = list(folder.glob(f"in-{os.getpid()}-*"))
    mine.unlink()
    (folder / f"{number}").write_text(f"{len(together)} {threading.active_count()}")
