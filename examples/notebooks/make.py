"""Make the notebooks of this folder from the tutorials: python examples/notebooks/make.py.

Python blocks and commands become cells. Commands on the reader's own data (`my-images`) stay text.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ("cells", "losses", "burst")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\.\./")
_READERS_DATA = re.compile(r"(?<!-o )\b(my-\w+|bursts)\b")  # not what a command writes


def notebook_of(text: str) -> dict[str, Any]:
    """Return a tutorial in Markdown as a notebook of format 4.5."""
    cells = [
        _cell(number, kind, source) for number, (kind, source) in enumerate(_joined(_parts(text)))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Kinds of cells with their sources, in order."""
    end = 0
    for block in _BLOCK.finditer(text):
        yield "markdown", text[end : block.start()]
        end = block.end()
        language, source = block.groups()
        if language == "python":
            yield "code", source
        elif language == "bash" and not _READERS_DATA.search(source):
            yield "code", "".join(f"!{line}\n" for line in source.splitlines())
        else:
            yield "markdown", block[0]
    yield "markdown", text[end:]


def _joined(parts: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parts without empty ones; texts that follow each other are one."""
    joined: list[tuple[str, str]] = []
    for kind, source in parts:
        if not source.strip():
            continue
        if joined and kind == joined[-1][0] == "markdown":
            joined[-1] = (kind, f"{joined[-1][1].rstrip()}\n\n{source.strip()}")
        else:
            joined.append((kind, source.strip()))
    return joined


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    """A cell; links to other pages start in this folder."""
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    if kind == "code":
        return cell | {"execution_count": None, "outputs": [], "source": _lines(source)}
    return cell | {"source": _lines(_LINK.sub("](../../docs/", source))}


def _lines(source: str) -> list[str]:
    return source.splitlines(keepends=True)


def main() -> None:
    """Write the notebooks."""
    for name in TUTORIALS:
        text = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
        content = json.dumps(notebook_of(text), indent=1, ensure_ascii=False)
        path = Path(__file__).with_name(f"{name}.ipynb")
        path.write_text(f"{content}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
