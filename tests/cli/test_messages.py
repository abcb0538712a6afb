"""What is printed with ``--quiet``, with ``--verbose`` and without."""

import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from seamwise.synth import crowded_cells


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, crowded_cells((96, 110), cells=12, radius=8, rng=0).labels)
    return path


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_prints_results_and_errors_alone(run, images, tmp_path, model, labels, place):
    def quiet(command, *arguments):
        options = ["-q", command] if place == "before" else [command, "-q"]
        return run(*options, *arguments)

    assert quiet("segment", images, "-o", tmp_path / "out", "--model", model) == (0, "", "")
    code, out, err = quiet("evaluate", labels, labels, "--json", tmp_path / "scores.json")
    assert (code, err) == (0, "")
    assert "PQ" in out
    assert "wrote" not in out
    (images / "b.tif").write_bytes(b"no image")
    code, out, err = quiet("segment", images, "-o", tmp_path / "other", "--model", model)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert "b.tif" in line


def test_verbose_prints_versions_device_and_timing(run, images, tmp_path, model):
    arguments = ("segment", images, "-o", tmp_path / "out", "--model", model, "--device", "cpu")
    _, _, err = run("-v", *arguments)
    for word in ("seamwise ", "Python ", "torch ", "device cpu, ", "a.png: ", "took "):
        assert word in err
    _, _, err = run(*arguments)
    for word in ("Python ", "took "):
        assert word not in err


def test_quiet_and_verbose_contradict_each_other(run):
    for arguments in (("-q", "-v", "info"), ("info", "-q", "-v")):
        code, _, err = run(*arguments)
        assert code == 2
        assert "contradict" in err


def test_a_log_has_all_messages_of_each_run(run, labels, tmp_path):
    log = tmp_path / "seamwise.log"
    for _ in range(2):
        code, out, err = run("evaluate", labels, labels, "-q", "--log", log)
        assert (code, err) == (0, "")
        assert "PQ" in out
    text = log.read_text()
    assert text.count(f"seamwise evaluate {labels}") == 2
    for word in ("Python ", "torch ", "PQ", "took "):
        assert text.count(word) >= 2, word
    assert "Traceback" not in text


def test_a_log_has_the_error_in_full(run, labels, tmp_path):
    log = tmp_path / "seamwise.log"
    code, _, err = run("evaluate", labels, tmp_path / "nothing", "--log", log)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "Traceback" in log.read_text()
    assert err.strip().removeprefix("seamwise: ") in log.read_text()


def test_a_log_names_the_files_that_failed(run, images, tmp_path, model):
    (images / "b.tif").write_bytes(b"no image")
    log = tmp_path / "seamwise.log"
    arguments = ("segment", images, "-o", tmp_path / "out", "--model", model, "--log", log)
    assert run(*arguments)[0] == 1
    text = log.read_text()
    assert "b.tif" in text.partition("\n")[2]
    assert "exit code 1" in text


def test_a_log_that_cannot_be_written_is_one_line(run, labels, tmp_path):
    log = tmp_path / "nothing" / "seamwise.log"
    code, _, err = run("evaluate", labels, labels, "--log", log)
    assert code == 2
    assert err.startswith(f"seamwise: --log cannot write {log} (No such file or directory)")
    assert len(err.splitlines()) == 1


def test_a_log_is_added_to_no_other_file(run, labels, images, tmp_path):
    for other in (images / "a.png", images / "b.tif"):
        before = other.read_bytes()
        code, _, err = run("evaluate", labels, labels, "--log", other)
        assert code == 2
        assert err == f"seamwise: --log adds to logs only, and {other} is none: give another file\n"
        assert other.read_bytes() == before
    empty = tmp_path / "empty.log"
    empty.touch()
    assert run("evaluate", labels, labels, "--log", empty)[0] == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_a_log_on_a_full_disk_ends_and_the_work_goes_on(run, labels):
    code, out, err = run("evaluate", labels, labels, "--log", "/dev/full")
    assert code == 0
    assert "PQ" in out
    assert err == (
        "--log cannot write /dev/full (No space left on device): "
        "the log ends, the command continues\n"
    )


def test_a_log_takes_names_that_are_not_utf8(tmp_path):
    log = tmp_path / "seamwise.log"
    # in a process of its own: pytest keeps messages, and its workers send UTF-8 only
    lines = (
        "import sys",
        "from pathlib import Path",
        "from seamwise.cli.messages import logging_to, record",
        "with logging_to(Path(sys.argv[1])):",
        "    record('a\\udcff.tif')",
    )
    command = [sys.executable, "-c", "\n".join(lines), log]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    assert "a\\udcff.tif" in log.read_text()


def test_a_table_in_a_log_has_its_own_lines_and_no_colours(run, labels, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    log = tmp_path / "seamwise.log"
    assert run("evaluate", labels, labels, "--log", log)[0] == 0
    text = log.read_text()
    assert "\x1b" not in text
    assert any(line.lstrip().startswith("pooled: objects") for line in text.splitlines())


def test_a_line_break_in_a_name_makes_no_line(run, images, tmp_path, model):
    (images / "a.png").rename(images / "x\nFAKE: 99 cells\x1b[1m.png")
    (images / "b.tif").rename(images / "y\nFAKE.tif")
    (images / "y\nFAKE.tif").write_bytes(b"no image")
    log = tmp_path / "seamwise.log"
    arguments = ("segment", images, "-o", tmp_path / "out", "--model", model, "--log", log)
    code, out, err = run(*arguments, "-v")
    assert code == 1
    for text in (out, err, log.read_text().partition("Traceback")[0]):
        assert "\x1b" not in text
        assert not [line for line in text.splitlines() if line.startswith("FAKE")]
    assert "x\\nFAKE: 99 cells\\x1b[1m.png: " in err
