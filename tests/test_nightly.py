"""`.ci/nightly`: what it runs after a failure, and what its log tells of each command."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "nightly"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="needs a checkout")

PASSES, FAILS = "python passes.py", "python fails.py"


def load(monkeypatch):
    """The script as a module, as it reads its environment now."""
    loader = importlib.machinery.SourceFileLoader("nightly", str(SCRIPT))
    script = importlib.util.module_from_spec(importlib.util.spec_from_loader("nightly", loader))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        loader.exec_module(script)
    return script


@pytest.fixture
def nightly(tmp_path, monkeypatch):
    """The script, in a folder with commands of its own."""
    script = load(monkeypatch)
    (tmp_path / "passes.py").write_text("print('1 failed before')\nprint('3 passed in 1.25s')")
    (tmp_path / "fails.py").write_text("raise SystemExit('== 1 failed, 2 passed in 0.5s ==')")
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(60)")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "LOG", tmp_path / "nightly.log")
    monkeypatch.setattr(script, "OUTPUTS", tmp_path / "outputs")
    monkeypatch.setattr(script, "COMMANDS", [FAILS, PASSES, "python hangs.py ../shared/none"])
    monkeypatch.setattr(script, "commit", lambda: "abc")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["nightly", *words])
        with pytest.raises(SystemExit) as stopped:
            script.main()
        rows = [line.split(" | ") for line in script.LOG.read_text().splitlines()]
        return stopped.value.code, [(row[0], row[-1]) for row in rows if row[0][0] != "#"]

    return script, run


def test_a_failure_stops_nothing(nightly):
    _, run = nightly
    code, rows = run()
    assert code == 1
    assert rows == [
        ("FAILED with exit code 1: 1 failed, 2 passed", FAILS),
        ("ok: 3 passed", PASSES),
        ("skipped, ../shared/none is missing", "python hangs.py ../shared/none"),
    ]


def test_chosen_commands_replace_their_lines(nightly, tmp_path):
    _, run = nightly
    run()
    (tmp_path / "fails.py").write_text("print('21 kills, 0 faults in all')")
    code, rows = run("fails")
    assert code == 0
    assert rows[:2] == [("ok: 21 kills, 0 faults in all", FAILS), ("ok: 3 passed", PASSES)]


def test_a_command_that_hangs_is_ended(nightly, tmp_path):
    script, _ = nightly
    (tmp_path / "outputs").mkdir()
    words, output = ["python", "hangs.py"], tmp_path / "outputs" / "x.txt"
    assert script.result_of(words, output, 0.2) == "FAILED after 0 s"


def test_data_names_the_folder_that_commands_read(monkeypatch, tmp_path):
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    script = load(monkeypatch)
    reading = [command for command in script.COMMANDS if "/data/" in command]
    assert len(reading) > 5
    assert all(f" {tmp_path}/data/" in command for command in reading)
    assert "../shared" not in " ".join(script.COMMANDS)
    assert script.missing(reading[0].split()).startswith(f"{tmp_path}/data/")
    folder = tmp_path / "data" / "fusion" / "bsds500"
    folder.mkdir(parents=True)
    assert script.missing(["python", "x.py", str(folder)]) == ""


def test_a_window_needs_a_screen_and_its_interpreter(monkeypatch, tmp_path):
    script = load(monkeypatch)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    command = next(one for one in script.COMMANDS if one.startswith("xvfb-run"))
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    assert script.missing(command.split()) == "xvfb-run"
    monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert script.missing(command.split()) == ".napari/bin/python"
    (tmp_path / ".napari" / "bin").mkdir(parents=True)
    (tmp_path / ".napari" / "bin" / "python").touch()
    assert script.missing(command.split()) == ""


def test_the_page_needs_a_browser_and_what_drives_it(monkeypatch):
    script = load(monkeypatch)
    words = ["python", "benchmarks/app.py", "--quick"]
    assert " ".join(words) in script.COMMANDS
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    assert script.missing(words) == "chromium"
    assert script.missing(["python", "benchmarks/losses.py"]) == ""
    monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None)
    assert script.missing(words) == "playwright"
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: name)
    assert script.missing(words) == ""


def test_make_hands_its_data_to_the_commands():
    recipe = (SCRIPT.parent.parent / "Makefile").read_text()
    assert 'DATA="$(DATA)" $(BIN)/python .ci/nightly' in recipe


def test_every_script_exists():
    root, commands = SCRIPT.parent.parent, SCRIPT.read_text().split('f"""\n')[1].split('"""')[0]
    scripts = [word for word in commands.split() if word.endswith(".py") or word == ".ci/cases"]
    assert len(scripts) > 20
    assert [name for name in scripts if not (root / name).is_file()] == []
