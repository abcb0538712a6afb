"""Plain English: short sentences on the pages, and no phrase that CONTRIBUTING replaces."""

import re
from pathlib import Path

import pytest

from support.prose import mean_sentence_length, running_text, sentences

ROOT = Path(__file__).parent.parent
LONGEST_MEAN = {
    "README.md": 15,
    "CONTRIBUTING.md": 15,
    "docs/app.md": 17,
    "docs/big-images.md": 17,
    "docs/exchange.md": 17,
    "docs/fiji.md": 17,
    "docs/fusion.md": 17,
    "docs/install.md": 15,
    "docs/house-plan.md": 17,
    "docs/measure.md": 17,
    "docs/napari.md": 17,
    "docs/nnunet.md": 17,
    "docs/qupath.md": 17,
    "docs/check.md": 17,
    "docs/report.md": 17,
    "docs/training.md": 17,
    "docs/which-loss.md": 17,
}

# pattern: what to say instead
OLD_PHRASES = {
    r"t(old|ells?|elling) (\w+ )?apart": "distinguish, significant difference",
    r"pass(ed|es|ing) over": "skip",
    r"(left|leave|leaves|leaving) (it |them |this |that )?out": "skip, drop, remove, ignore",
    r"(is|are) said": "is reported; a note tells",
    r"anew": "again",
    r"amid": "among",
    r"beneath": "below",
    r"besides?": "next to; also",
    r"(laid|lay|lays|laying) (\w+ )?over": "align",
    r"(lie|lies|lay|lying) over (each|one) (an)?other": "align, overlap",
    r"(go|goes|going|went|gone) on(?! the\b)": "resume, continue",
    r"to be had": "available",
    r"(?<!there )(is|are) no(?! (longer|more|less|better|lower|nearer)\b)": "is not a",
    r"mend(s|ed|ing)?": "fix, replace, repair",
    r"(is|are) (there already|already there)": "already exists",
    r"(thereof|therein|whereof|whereby|hereby)": "of it, in it, by which",
    r"in vain": "without result, forever",
    r"nought|naught": "zero, nothing",
}
# at the beginning of a sentence
OLD_BEGINNINGS = {
    r"Of (a|an|the|all|each|every|one|two|several|these|those|what|which|[A-Z]{2,}|\w+s\b)": (
        "For …, in …, from …"
    ),
    r"What is (no|not|left|more)\b(?![^.]*\?)": "a noun: the rest, other values",
    r"Who \w+s\b(?![^.]*\?)": "If you …; users who …",
}
_ANYWHERE = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in OLD_PHRASES), re.IGNORECASE)
_AT_START = re.compile("|".join(rf"(?:^|(?<=[.!?:] )|(?<=\")){begin}" for begin in OLD_BEGINNINGS))


def shipped_files():
    """All text that users and developers read."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
    for folder in ("docs", "src", "apps", "benchmarks", "examples", "recipes", "reproduction"):
        for ending in ("md", "py", "toml", "js", "html"):
            yield from sorted((ROOT / folder).rglob(f"*.{ending}"))


def old_phrases(text):
    """Every old phrase with some words around it."""
    found = (*_ANYWHERE.finditer(text), *_AT_START.finditer(text))
    return [text[max(0, hit.start() - 30) : hit.end() + 30] for hit in found]


@pytest.mark.parametrize("page", LONGEST_MEAN)
def test_sentences_of_a_page_are_short(page):
    text = (ROOT / page).read_text()
    assert len(sentences(text)) > 20
    assert mean_sentence_length(text) <= LONGEST_MEAN[page]


PAGES_OF_ONE_TOPIC = [
    path
    for part in ("how-to", "method", "tutorials")
    for path in (ROOT / "docs" / part).glob("*.md")
]


@pytest.mark.parametrize("path", sorted(PAGES_OF_ONE_TOPIC), ids=lambda path: path.name)
def test_a_page_of_one_topic_is_short(path):
    text = path.read_text()
    assert mean_sentence_length(text) <= 15
    assert len(text.splitlines()) <= 160  # five screens


def unfinished(text):
    """The last lines of paragraphs that end in the middle of a sentence."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text)]
    plain = [part for part in paragraphs if part and not re.match(r"[|#<!*-]|\d+\. ", part)]
    return [part for part in plain if not re.search(r"([.:)!?]|^\|.*\|)\Z", part, re.MULTILINE)]


@pytest.mark.parametrize("page", sorted(ROOT.glob("src/seamwise/**/*.md")), ids=lambda p: p.name)
def test_no_paragraph_of_a_card_is_cut_off(page):
    assert not unfinished(page.read_text(encoding="utf-8"))
    assert unfinished("# Card\n\nA sentence ends. It was trained on the 40\n\n## Scores\n")


def test_no_shipped_text_has_an_old_phrase():
    found = {
        str(path.relative_to(ROOT)): hits
        for path in shipped_files()
        if (hits := old_phrases(running_text(path)))
    }
    assert not found, "\n".join(f"{name}: {hits}" for name, hits in found.items())


@pytest.mark.parametrize(
    ("old", "plain"),
    [
        (
            "A bad file is left out.",
            "Bad files are skipped.",
        ),
        ("The two are not told apart.", "There is no significant difference."),
        ("Of a stack the slices are taken.", "For a stack, the slices are taken."),
        ("It is no number.", "It is not a number."),
        ("Run again, it goes on.", "Run again, it resumes."),
        ("Leave it out.", "Remove it."),
        ("device 'x' is not to be had", "device 'x' is not available"),
        ("Who trains, needs masks.", "Who trains this?"),
    ],
)
def test_an_old_phrase_is_seen_and_a_plain_one_is_not(old, plain):
    assert old_phrases(old)
    assert not old_phrases(plain)


def test_sentences_end_at_stops_and_blank_lines_and_leave_code_tables_and_links():
    page = """# A heading is not a sentence

One two three. Four [five](six.md) `seven eight`?

| a | table |
|---|---|

- nine 1.5 ten

```
code. code. code.
```
"""
    assert sentences(page) == ["One two three", "Four five code", "nine 1.5 ten"]
    assert mean_sentence_length(page) == 3
