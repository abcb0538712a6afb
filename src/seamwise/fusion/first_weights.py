"""Which model a training starts from, for the identity of its run; see `start_record`."""

from seamwise.io.models import FusionInfo, model_path
from seamwise.io.provenance import file_sha256


def start_record(start: str | None) -> dict[str, str]:
    """Return the SHA-256 of the file of the first weights, to be recorded with a run.

    Parameters
    ----------
    start : str, optional
        A shipped model or a model file; empty without one, and if the file does not exist (a run
        that is resumed may do without it).

    Raises
    ------
    FileNotFoundError
        No model with this name ships.

    Examples
    --------
    >>> start_record(None), list(start_record("focus-pair"))
    ({}, ['start_sha256'])
    """
    if start is None:
        return {}
    path = model_path(start, FusionInfo)
    return {"start_sha256": file_sha256(path)} if path.is_file() else {}
