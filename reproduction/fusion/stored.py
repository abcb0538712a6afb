"""What all scripts of this folder share: options, results in JSON, faults in one line.

Results of other settings stay as they are.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seamwise.io import Provenance, read_json, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"


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


def check_stored(path: Path, provenance: Provenance) -> dict[str, Any]:
    """Return what a file holds, {} without a file.

    Raises
    ------
    ValueError
        The file is half written, or was made with other settings.
    """
    if not path.exists():
        return {}
    content = read_json(path)
    difference = provenance.difference(content.get("made_by", {}))
    if difference:
        raise ValueError(f"{path} was {difference}: it is kept, give another folder with -o")
    return content


def store(path: Path, provenance: Provenance, content: Mapping[str, Any]) -> None:
    """Write results with what they were made from."""
    write_json(path, {"made_by": provenance.record(), **content})


def command(main: Callable[[], None]) -> None:
    """Run a script; a fault of data or options ends in one line, with exit code 2."""
    try:
        main()
    except (ValueError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        raise SystemExit(2) from None
