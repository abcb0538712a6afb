"""What a result was made from, and whether it may be reused; see `Provenance`."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from seamwise.io.jsonfile import read_json, write_json

RECORD = "seamwise.json"  # in a folder of results: how they were made

_FILE = ("_sha256", "_written")  # endings of the fields that identify a file
_MOST_ITEMS = 6  # items of a list that a message still shows


@dataclass(frozen=True)
class Provenance:
    """All that a result depends on: kept with it, it tells a later run whether to reuse the result.

    Code that makes a result builds a `Provenance` first, and asks `difference` about the
    record of an earlier result. If the answer is empty, that result may be reused or resumed;
    otherwise it ends an error message. After the work (or at its beginning, if it can be resumed)
    keep `record()`: as JSON next to the result, or within it.

    Attributes
    ----------
    inputs : mapping
        All that the result depends on, by name: the caller's options under the names that the
        caller knows, and the identity of files, under a name that ends in ``_sha256``
        (`file_sha256`) or ``_written`` (a time). Values may be nested: mappings, sequences,
        dataclasses, pydantic models, paths, strings, numbers, None.
    notes : mapping
        What a reader may want to know but the result does not depend on: the name of a model file,
        versions, resources. Recorded, never compared.
    defaults : mapping
        For fields that records of earlier versions lack: the value that their results were made
        with, nested like `inputs`. A field that neither the record nor `defaults` has counts as
        None.

    Examples
    --------
    >>> before = Provenance({"tile": 512, "model_sha256": "ab12"}, notes={"model": "nuclei-2d"})
    >>> before.record()
    {'tile': 512, 'model_sha256': 'ab12', 'model': 'nuclei-2d'}
    >>> Provenance({"tile": 512, "model_sha256": "ab12"}).difference(before.record())
    ''
    >>> Provenance({"tile": 256, "model_sha256": "ab12"}).difference(before.record())
    'made with tile = 512, not 256'
    >>> Provenance({"tile": 512, "model_sha256": "cd34"}).difference(before.record())
    'made with a different model file'

    A new option, which the record does not have yet:

    >>> now = Provenance({"tile": 512, "runtime": "onnx"}, defaults={"runtime": "torch"})
    >>> now.difference({"tile": 512})
    'made with runtime = torch, not onnx'
    """

    inputs: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return inputs and notes as what JSON can hold."""
        content: dict[str, Any] = plain({**self.inputs, **self.notes})
        return content

    def difference(self, record: Mapping[str, Any]) -> str:
        """Return how the result of a record was made otherwise, or "" if it may be reused.

        Parameters
        ----------
        record : mapping
            What `record` returned when that result was made. Fields that `inputs` does not have are
            ignored.

        Returns
        -------
        str
            The first difference, in the order of `inputs`: ``made with tile = 512, not 256``
            (before, and now); ``made with a different model file``; for long or nested values,
            ``made with different images``.
        """
        complete_record = _fill_in(plain(record), plain(self.defaults))
        return next(_differences("", complete_record, plain(self.inputs)), "")

    def fingerprint(self) -> str:
        """Return the SHA-256 of the inputs, for where a whole record has no place."""
        return hashlib.sha256(json.dumps(plain(self.inputs), sort_keys=True).encode()).hexdigest()


def check_folder(
    folder: Path,
    provenance: Provenance,
    *,
    results: Collection[Path],
    targets: Collection[Path],
    overwrite: bool,
) -> str:
    """Raise ValueError if results made in another way would remain among those of a run.

    Parameters
    ----------
    folder : Path
        A folder of results that were made in one way, which its `RECORD` keeps.
    provenance : Provenance
        How the run makes results.
    results : collection of Path
        The results that the folder holds.
    targets : collection of Path
        The results of the run.
    overwrite : bool
        Whether the run replaces its targets that exist.

    Returns
    -------
    str
        How results of the folder were made otherwise, as in `Provenance.difference`: delete targets
        that exist before `write_record`, so that an interrupted run leaves no mixture. Empty if
        they were not.
    """
    path = folder / RECORD
    if path.exists():
        difference = provenance.difference(read_json(path))
        remaining = set(results) - set(targets) if overwrite else set(results)
    else:
        difference = "not made by seamwise"
        remaining = set() if overwrite else {target for target in targets if target.exists()}
    if difference and remaining:
        raise ValueError(
            f"{folder} holds {min(remaining).name}, {difference}: choose another folder, "
            "or --overwrite all of them"
        )
    return difference


def write_record(folder: Path, provenance: Provenance) -> None:
    """Write into a folder how its results are made."""
    write_json(folder / RECORD, provenance.record())


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain(value: Any) -> Any:
    """Return a value of dataclasses, pydantic models, sequences and paths as JSON gives it back."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if hasattr(value, "model_dump"):  # of pydantic
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _fill_in(record: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the defaults of the fields that it lacks."""
    result = {**defaults, **record}
    for name, default in defaults.items():
        if isinstance(default, Mapping) and isinstance(result[name], Mapping):
            result[name] = _fill_in(result[name], default)
    return result


def _differences(name: str, record: Any, inputs: Any) -> Iterator[str]:
    """What differs between two plain values, and within them."""
    if record == inputs:
        return
    if isinstance(record, Mapping) and isinstance(inputs, Mapping):
        # an option that was removed counts within a field, e.g. one of a weight map
        for key in {**inputs, **record} if name else inputs:
            yield from _differences(f"{name}.{key}".lstrip("."), record.get(key), inputs.get(key))
        return
    for ending in _FILE:
        if name.endswith(ending):
            yield _of_file(name.removesuffix(ending))
            return
    if _is_short(record) and _is_short(inputs):
        yield f"made with {name} = {record}, not {inputs}"
    else:
        yield f"made with different {name}"


def _of_file(name: str) -> str:
    if name == "data":
        return "made with different images or masks"
    if name == "features":
        return "made with different features"
    return f"made with a different {name} file"


def _is_short(value: Any) -> bool:
    """Whether a message can show a value."""
    if isinstance(value, list):
        return len(value) <= _MOST_ITEMS and not any(
            isinstance(item, list | dict) for item in value
        )
    return not isinstance(value, dict)
