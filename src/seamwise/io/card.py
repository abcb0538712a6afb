"""The card of a model, a page next to its file; see `read_card`."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Card:
    """What the card of a model says.

    Attributes
    ----------
    purpose : str
        What the model is for, as a part of a sentence.
    status, licence : str
        Of the first table. All are empty if the card, or the row, does not exist.
    """

    purpose: str = ""
    status: str = ""
    licence: str = ""


def read_card(model: Path) -> Card:
    """Read the card of a model file, ``<name>.md`` next to it.

    Parameters
    ----------
    model : Path
        The model file.

    Returns
    -------
    Card
        The purpose is the first paragraph under the title, up to the colon. A page that does not
        begin with a title has none. Bytes that cannot be read as UTF-8 become "\ufffd".

    Examples
    --------
    >>> from seamwise.io import shipped_models
    >>> read_card(shipped_models()["nuclei-2d"]).purpose
    'separates fluorescent nuclei in 2D images'
    """
    path = model.with_suffix(".md")
    if not path.is_file():
        return Card()
    text = path.read_text(encoding="utf-8", errors="replace")
    return Card(_purpose(text), _row(text, "Status"), _row(text, "Licence"))


def _purpose(text: str) -> str:
    """The first paragraph under a title, up to the colon; empty without a title."""
    if not text.startswith("# "):
        return ""
    paragraph = text.partition("\n\n")[2].lstrip().partition("\n\n")[0]
    sentence = " ".join(paragraph.split()).partition(":")[0]
    is_name = not sentence[1:2].islower()  # DAPI stays DAPI
    return sentence if is_name else sentence[:1].lower() + sentence[1:]


def _row(text: str, name: str) -> str:
    """What a row of a table says; empty without such a row."""
    rows = re.findall(rf"^\| {name} \| (.*) \|$", text, re.MULTILINE)
    return rows[0] if rows else ""
