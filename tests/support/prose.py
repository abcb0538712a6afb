"""The prose of a page in Markdown, and its sentences."""

import re
from pathlib import Path

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_INLINE_CODE = re.compile(r"`[^`]*`")
_TABLE_OR_HEADING = re.compile(r"^ *(\||#).*$", re.MULTILINE)
_LIST_MARK = re.compile(r"^ *([-*]|\d+\.) +", re.MULTILINE)
# a full stop ends a sentence, but not within a number or an abbreviation such as "e.g."
_END = re.compile(r"(?<!e\.g)(?<!i\.e)[.?!][)*_\"”]*(?=\s|$)|\n\s*\n")


def prose(markdown: str) -> str:
    """The text without code blocks, tables, headings, pictures and links' targets.

    Each piece of code in the text counts as one word.
    """
    text = _FENCE.sub("\n\n", markdown)
    text = _IMAGE.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _INLINE_CODE.sub("code", text)
    text = _TABLE_OR_HEADING.sub("\n", text)
    return _LIST_MARK.sub("\n\n", text)  # an item of a list is not part of the one before


def sentences(markdown: str) -> list[str]:
    """Split at full stops, question marks and blank lines; what has no letter is not a sentence."""
    parts = (" ".join(part.split()) for part in _END.split(prose(markdown)))
    return [part for part in parts if re.search(r"[^\W\d_]", part)]


def mean_sentence_length(markdown: str) -> float:
    """Words per sentence."""
    lengths = [len(sentence.split()) for sentence in sentences(markdown)]
    return sum(lengths) / len(lengths)


def running_text(path: Path) -> str:
    """The words of a file in one line: of a page its prose, of a script all of it."""
    text = path.read_text()
    if path.suffix == ".md":
        return " ".join(prose(text).split())
    text = re.sub(r"\"\s*\n\s*f?\"", "", text)  # a string that goes over several lines
    return " ".join(re.sub(r"^\s*# ?", "", text, flags=re.MULTILINE).split())
