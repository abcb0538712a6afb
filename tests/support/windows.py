"""Two ways of Windows on another system: open files stay where they are, case does not count."""

import os
from pathlib import Path
from types import SimpleNamespace

from filelock import SoftFileLock

from seamwise.io import atomic, links, lock


def open_files():
    """The files that this process holds open, as the system names them."""
    folder = Path("/proc/self/fd")
    places = set()
    for entry in os.listdir(folder):
        try:
            places.add(os.readlink(folder / entry))
        except OSError:  # that of the list itself
            continue
    return places


def hold_open_files(monkeypatch):
    """Let no file be moved, replaced or removed while this process has it open."""

    def guarded(name):
        original = getattr(os, name)

        def act(*paths, **options):
            for path in paths:
                if isinstance(path, str | os.PathLike) and os.path.realpath(path) in open_files():
                    raise PermissionError(13, "used by another process", str(paths[0]))
            return original(*paths, **options)

        monkeypatch.setattr(os, name, act)

    for name in ("replace", "rename", "unlink", "remove"):
        guarded(name)
    monkeypatch.setattr(atomic, "sys", SimpleNamespace(platform="win32"))
    # that of Windows removes its file itself; here it stays
    monkeypatch.setattr(lock, "UnixFileLock", SoftFileLock)


def ignore_case(monkeypatch):
    """Let all folders be of a disk on which A and a are one."""
    monkeypatch.setattr(links, "_ignores_case", lambda folder: True)
