"""The code blocks of a page in Markdown, and the commands that stand in its text."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The command lines of a bash block, split into words; comments are dropped."""
        lines = self.text.replace("\\\n", " ").splitlines()
        commands = (shlex.split(line, comments=True) for line in lines)
        return [words for words in commands if words]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(*match) for match in _BLOCK.findall(page.read_text())]


def inline_commands(page: Path) -> list[list[str]]:
    """What a page's text calls `seamwise …` in backticks, split into words."""
    text = _BLOCK.sub("", page.read_text())
    return [shlex.split(code) for code in re.findall(r"`(seamwise [^`]+)`", text)]
