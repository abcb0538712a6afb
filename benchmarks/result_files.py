"""Figures of a script in a JSON file, with the conditions of the run that measured them.

`page_tables.py` writes tables of pages from these files.
"""

import platform
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from seamwise import __version__
from seamwise.engine import choose_precision
from seamwise.io import file_sha256, shipped_models, write_json


def add_json(parser: ArgumentParser) -> None:
    """Add the option that names the file."""
    parser.add_argument(
        "--json", type=Path, help="write the figures to this file, with the conditions of the run"
    )


def write_result(
    path: Path | None, content: Mapping[str, Any], *, models: Iterable[str] = ()
) -> None:
    """Write figures and the conditions of this run; nothing without a path.

    The SHA-256 of each shipped model that took part tells later whether its weights still ship.
    """
    if path is not None:
        shipped = shipped_models()
        sums = {name: file_sha256(shipped[name]) for name in models if name in shipped}
        write_json(path, {"made_by": {**conditions(), "models_sha256": sums}, **content})


def conditions() -> dict[str, str]:
    """Command, versions, processor, type of the numbers, and day of this run."""
    script = Path(sys.argv[0])
    return {
        "command": shlex.join(["python", f"{script.parent.name}/{script.name}", *sys.argv[1:]]),
        "seamwise": __version__,
        "torch": torch.__version__,
        "processor": processor(),
        "numbers": str(choose_precision(torch.device("cpu"))).removeprefix("torch."),
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor() -> str:
    """Name the CPU by the name of its maker."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
