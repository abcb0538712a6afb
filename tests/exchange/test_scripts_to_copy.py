"""The scripts for Fiji and QuPath, as far as they can be checked without these programs."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from seamwise.cli import app
from seamwise.exchange import export_labels
from seamwise.io import write_labels

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted([*EXAMPLES.glob("fiji/*.ijm"), *EXAMPLES.glob("qupath/*.groovy")])
OUR_COMMANDS = re.compile(r"^//.*?\bseamwise ((?:segment|measure|export|import)\S*(?: \S+)*)", re.M)
ENDINGS = {"roi": "_rois.zip", "geojson": ".geojson"}

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs a checkout")


def test_there_is_a_script_for_each_way():
    assert len(SCRIPTS) == 4


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_that_it_was_not_run(script):
    assert "NOT RUN IN" in script.read_text().splitlines()[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_commands_that_a_script_names_exist(script):
    for line in OUR_COMMANDS.findall(script.read_text()):
        group, words = get_command(app), line.split()
        context = group.make_context("seamwise", list(words))
        name, command, rest = group.resolve_command(context, words)
        command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_brackets_of_a_script_fit(script):
    code = re.sub(r'"(\\.|[^"\\\n])*"|//[^\n]*', "", script.read_text())
    waiting = []
    for one in re.findall(r"[()\[\]{}]", code):
        if one in "([{":
            waiting.append(one)
        else:
            assert waiting.pop() + one in ("()", "[]", "{}")
    assert not waiting


@pytest.mark.parametrize(("word", "folder"), [("roi", "fiji"), ("geojson", "qupath")])
def test_scripts_look_for_the_files_that_we_write(word, folder, tmp_path):
    write_labels(tmp_path / "a.tif", np.eye(9, dtype=np.uint8))
    list(export_labels([tmp_path / "a.tif"], tmp_path / "out", format=word))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"a{ENDINGS[word]}"]
    for script in EXAMPLES.glob(f"{folder}/*"):
        assert ENDINGS[word] in script.read_text()
