"""JSON objects in files: read with errors that name the file, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seamwise.io.atomic import atomic_path


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        The file holds something else; names the file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): write it again or delete it") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object {{…}}, not {type(content).__name__}")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, indented."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
