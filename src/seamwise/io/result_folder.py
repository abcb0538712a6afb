"""A folder that holds results of one way only, also while several runs write: `open_results`."""

from collections.abc import Callable, Collection
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from seamwise.io.atomic import check_writable, make_folder
from seamwise.io.lock import lock_file
from seamwise.io.provenance import RECORD, Provenance, check_folder, write_record

_START = ".seamwise.lock"  # one run at a time compares and writes the record
_RUN, _RUN_ENDING = ".seamwise-", ".run"  # around the name of a file that a run locks until its end
_PATIENCE = 20  # seconds: large results of another way may be deleted first


def open_results(
    folder: Path,
    provenance: Provenance,
    *,
    list_results: Callable[[], Collection[Path]],
    targets: Collection[Path],
    overwrite: bool,
    remove_targets: Callable[[], None],
) -> ExitStack:
    """Begin to write results of one way into a folder, or refuse to mix them with others.

    The folder is made if it does not exist, and its `RECORD` written. Runs that make results in the
    same way may write at the same time.

    Parameters
    ----------
    folder, provenance, targets, overwrite
        As in `check_folder`.
    list_results : callable
        Returns the results that the folder holds.
    remove_targets : callable
        Deletes the targets; called if they were made in another way.

    Returns
    -------
    ExitStack
        Close it when all results are written. Until then no run begins that makes them in another
        way. It ends with the process, however that ends.

    Raises
    ------
    ValueError
        As `check_folder`.
    BlockingIOError
        Another run makes results in another way there.
    OSError
        The folder cannot be written.
    """
    make_folder(folder)
    check_writable(folder / RECORD)
    with lock_file(folder / _START, name=f"into {folder}", patience=_PATIENCE):
        is_in_use = _has_runs(folder)
        difference = check_folder(
            folder, provenance, results=list_results(), targets=targets, overwrite=overwrite
        )
        if difference and is_in_use:
            raise BlockingIOError(
                f"another process writes into {folder} what is {difference}: "
                "wait for it, or choose another folder"
            )
        if difference:
            remove_targets()
        write_record(folder, provenance)
        run = ExitStack()
        run.enter_context(lock_file(_free_run(folder), name="itself"))
        return run


def _free_run(folder: Path) -> Path:
    """The first file that no run has locked; with few names, what is left of one is found again."""
    runs = (folder / f"{_RUN}{number}{_RUN_ENDING}" for number in count())
    return next(path for path in runs if not _is_locked(path))


def _has_runs(folder: Path) -> bool:
    """Whether a run writes into a folder; files of runs that were killed are removed."""
    runs = [path for path in folder.glob(f"{_RUN}*{_RUN_ENDING}") if _is_locked(path)]
    return bool(runs)


def _is_locked(path: Path) -> bool:
    try:
        with lock_file(path, name="", patience=0):
            return False
    except BlockingIOError:
        return True
