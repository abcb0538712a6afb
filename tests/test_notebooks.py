"""The notebooks, made from the tutorials that tests/test_docs.py runs; `make nightly` runs them."""

import json
import os
import runpy
import sys
from pathlib import Path

import pytest

from support.long_tests import nightly

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
NAMES = ("burst", "cells", "losses")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs a checkout")


@pytest.fixture(scope="module")
def notebook_of():
    return runpy.run_path(str(FOLDER / "make.py"))["notebook_of"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_what_its_tutorial_says_today(name, notebook_of):
    text = (FOLDER.parents[1] / "docs" / "tutorials" / f"{name}.md").read_text()
    assert json.loads((FOLDER / f"{name}.ipynb").read_text()) == notebook_of(text), (
        "run python examples/notebooks/make.py"
    )


def test_blocks_become_cells_and_the_readers_own_data_stay_text(notebook_of):
    text = (
        "# A\n\n![x](../images/x.png)\n\n```bash\nseamwise demo -o my-a\nseamwise info\n```\n\n"
        "```bash\nseamwise segment my-images -o b\n```\n\nMore.\n\n```python\nx = 1\n```\n"
    )
    first, command, rest, code = notebook_of(text)["cells"]
    assert "".join(first["source"]) == "# A\n\n![x](../../docs/images/x.png)"
    assert command["source"] == ["!seamwise demo -o my-a\n", "!seamwise info"]
    assert "".join(rest["source"]).startswith("```bash\nseamwise segment my-images")
    assert "".join(rest["source"]).endswith("More.")
    assert (code["cell_type"], code["source"]) == ("code", ["x = 1"])


@nightly
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name, tmp_path, monkeypatch):
    client = pytest.importorskip("nbclient", reason="needs nbclient: make nightly")
    pytest.importorskip("ipykernel")
    nbformat = pytest.importorskip("nbformat")
    programs = Path(sys.executable).parent  # where `!seamwise` is
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    place = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=600, resources=place, kernel_name="python3").execute()
    printed = str([cell.get("outputs") for cell in notebook.cells])
    assert "Error" not in printed
    assert "command not found" not in printed
