"""The pages about other frameworks: their code is short, and runs where the framework is installed.

segmentation_models is in the environment of `make nightly` alone.
"""

from pathlib import Path

import pytest

from support.pages import blocks

ROOT = Path(__file__).parent.parent
PAGES = {"monai": "monai", "smp": "segmentation_models_pytorch"}
LONGEST = 25  # lines of code

pytestmark = [
    pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs a checkout"),
    pytest.mark.filterwarnings("ignore"),  # the frameworks' own
]


def code_of(page):
    (block,) = (
        block for block in blocks(ROOT / "docs" / f"{page}.md") if block.language == "python"
    )
    return block.text


@pytest.mark.parametrize("page", PAGES)
def test_the_code_is_short(page):
    assert len([line for line in code_of(page).splitlines() if line.strip()]) <= LONGEST


@pytest.mark.parametrize("page", PAGES)
def test_the_code_trains_and_finds_cells(page):
    pytest.importorskip(PAGES[page])
    names = {}
    exec(compile(code_of(page), page, "exec"), names)
    assert any((weight.grad != 0).any() for weight in names["net"].parameters())
    assert names["labels"].ndim == 2
    assert names["labels"].max() > 1
