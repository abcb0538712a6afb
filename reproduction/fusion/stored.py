"""What all scripts of this folder share: options, results in JSON, faults in one line.

A script measures again what it stored from the same inputs. It refuses a file of other inputs,
which stays as it is.
"""

import hashlib
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise import __version__
from seamwise.fusion import PictureSplit, find_pictures, split
from seamwise.io import FusionInfo, Provenance, atomic_path, file_sha256, model_path, read_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LONGEST = 2000  # characters of a line of JSON, which holds the scores of a pair


def script_parser(description: str | None, quick: str, *, data: str | None = "") -> ArgumentParser:
    """Return a parser of the folder of data, of -o and of --quick.

    `quick` says what the latter does, `data` what the folder holds; None if there is none.
    """
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    if data is not None:
        parser.add_argument("data", type=Path, help=data or None)
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser


def split_pictures(folder: Path) -> PictureSplit:
    """Split the pictures of a folder as the training of the shipped models did."""
    return split(find_pictures(folder), hold_out_every=12, leave_out_every=4)


def provenance_of(models: Mapping[str, str], /, **inputs: Any) -> Provenance:
    """Return what a result depends on: this version, files of models by title, and `inputs`."""
    files = {title: model_path(name, FusionInfo) for title, name in models.items()}
    hashes = {f"{title}_sha256": file_sha256(path) for title, path in files.items()}
    return Provenance({"version": __version__, **hashes, **inputs})


def pixels_sha256(pictures: Iterable[NDArray[np.uint8]]) -> str:
    """Return the first 16 digits of the SHA-256 of the pixels of all pictures."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.tobytes())
    return digest.hexdigest()[:16]


def check_stored(path: Path, provenance: Provenance) -> dict[str, Any]:
    """Return what a file holds, {} without a file.

    Raises
    ------
    ValueError
        The file is half written, or was made from other inputs.
    """
    if not path.exists():
        return {}
    content = read_json(path)
    difference = provenance.difference(content.get("made_by", {}))
    if difference:
        raise ValueError(f"{path} was {difference}: it is kept, give another folder with -o")
    return content


def store(path: Path, provenance: Provenance, content: Mapping[str, Any]) -> None:
    """Write results with what they were made from, an entry a line."""
    text = in_lines({"made_by": provenance.record(), **content})
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def in_lines(value: Any, depth: int = 0) -> str:
    """Write JSON: the items of two levels on lines of their own, and those of what is longer.

    Plain numbers stay on one line.

    >>> print(in_lines({"a": 1, "b": {"x": [1, 2], "y": {"z": 3}}}))
    {
     "a": 1,
     "b": {
      "x": [1, 2],
      "y": {"z": 3}
     }
    }
    """
    text = json.dumps(value)
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {in_lines(item, depth + 1)}" for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [in_lines(item, depth + 1) for item in value]
    else:
        return text
    if not items or (depth > 1 and len(text) <= LONGEST):
        return text
    indent = "\n" + " " * depth
    return f"{text[0]}{indent} " + f",{indent} ".join(items) + f"{indent}{text[-1]}"


def holds(is_so: bool) -> str:
    """Write a verdict."""
    return "**holds**" if is_so else "**does not hold**"


def command(main: Callable[[], None]) -> None:
    """Run a script; a fault of data or options ends in one line, with exit code 2."""
    try:
        main()
    except (ValueError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        raise SystemExit(2) from None
