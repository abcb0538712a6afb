"""How much memory this process may use; see `free_memory` and `parse_memory`."""

import math
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_SHARE = 0.7  # of the free memory: the rest is for estimates that are too low, and for others


def free_memory() -> int:
    """Return the bytes that a run may use by default: 70 % of what is free.

    Limits of a container or batch system count, as `allowed_memory` returns them.
    """
    return int(_SHARE * min(psutil.virtual_memory().available, allowed_memory()))


def total_memory() -> int:
    """Return the bytes that this process could use at most: of the machine, or of its container."""
    return int(min(psutil.virtual_memory().total, allowed_memory()))


def allowed_memory(
    root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")
) -> float:
    """Return the bytes that a container or batch system allows this process, or infinity.

    Parameters
    ----------
    root : Path
        Where Linux shows the limits of control groups, version 1 or 2.
    groups : Path
        The file that lists the groups of this process. Without it (not on Linux) only `root`
        counts.
    """
    files = [root / "memory.max", root / "memory" / "memory.limit_in_bytes"]
    for line in groups.read_text().splitlines() if groups.is_file() else ():
        files += _limit_files(line, root)
    limits = [file.read_text().strip() for file in files if file.is_file()]
    return min((float(limit) for limit in limits if limit.isdecimal()), default=math.inf)


def _limit_files(line: str, root: Path) -> list[Path]:
    """The files with the limits of a group and of those above it.

    The group is a line of ``/proc/self/cgroup``. A batch system may limit the job, and this process
    is in a group within a group of it.
    """
    _, controllers, group = line.split(":", 2)
    if not controllers:  # version 2
        base, name = root, "memory.max"
    elif "memory" in controllers.split(","):
        base, name = root / "memory", "memory.limit_in_bytes"
    else:
        return []
    inner = base / group.strip("/")
    folders = (inner, *inner.parents)
    return [folder / name for folder in folders if folder.is_relative_to(base)]


def parse_memory(text: str) -> int:
    """Return the bytes of a text like "4GB" (10⁹) or "4GiB" (2³⁰); a bare number is bytes.

    Raises
    ------
    ValueError
        The text is not a size, or the size is below 1 byte.

    Examples
    --------
    >>> parse_memory("4GB"), parse_memory("1.5 GiB")
    (4000000000, 1610612736)
    """
    from dask.utils import parse_bytes  # slow to import

    try:
        # dask reads "GB" as 1 GB
        size = parse_bytes(text) if text.strip()[:1].isdigit() else 0
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise ValueError(f"memory must be a size like 4GB or 900MB, not {text!r}")
    return int(size)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, for which torch and OpenVINO have no error of their own.

    Other errors name memory too, for example an illegal memory access.
    """
    return isinstance(error, MemoryError) or any(
        words in str(error)
        for words in (
            "out of memory",
            "not enough memory",
            "can't allocate memory",
            "ALLOC_FAILED",
            "bad_alloc",
            "bad alloc",
            "bad allocation",
            "Failed to allocate",
        )
    )
