"""What computed the results of a folder, and computes more of them; see `kept_runtime`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, get_args

from seamwise.io.models import model_path
from seamwise.io.provenance import file_sha256
from seamwise.words import AnyRuntime, RuntimeRecord


def kept_runtime(
    runtime: AnyRuntime, record: Mapping[str, Any] | None, *, model: str | Path
) -> AnyRuntime:
    """Return the runtime for results that have a record: "auto" is that of the record.

    A record of another model file, or with a word that is not a runtime, decides nothing: who
    compares it with the present options refuses its results. Records of version 0.1.0 have no
    runtime: it was torch.
    """
    if runtime != "auto" or record is None:
        return runtime
    try:
        is_same_model = record.get("model_sha256") == file_sha256(model_path(model))
    except OSError:  # reported where the model is loaded
        return runtime
    recorded: Any = record.get("runtime", "torch")
    is_known = recorded in get_args(RuntimeRecord)
    return cast(RuntimeRecord, recorded) if is_same_model and is_known else runtime


@contextmanager
def runtime_of_record(place: Path, runtime: AnyRuntime, *, asked: AnyRuntime) -> Iterator[None]:
    """Explain the error of a runtime that a record has named, not the user who `asked` for "auto".

    Raises
    ------
    ValueError
        The block could not get the runtime for the results in `place`.
    """
    try:
        yield
    except ValueError as error:
        if runtime == asked or not str(error).startswith("runtime "):
            raise
        reason = str(error).rpartition(":")[0]
        raise ValueError(
            f"{place} holds results made with runtime {runtime}, which cannot be used here "
            f"({reason}): write to another folder, or --overwrite all of them"
        ) from error
