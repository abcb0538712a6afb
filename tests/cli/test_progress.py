"""Bars on a terminal, lines in a log, and the time that is left."""

import pytest
import typer

from seamwise.cli import progress
from seamwise.cli.progress import Earlier, Pace, Progress, follow_files
from seamwise.io import Outcome


def test_the_first_file_does_not_count_for_the_pace():
    pace = Pace()
    left = [pace.left(done, of=10, at=300 + 2.0 * done) for done in range(1, 5)]
    assert left == [None, 16, 14, 12]


def test_the_next_stage_has_its_own_pace():
    pace = Pace()
    assert [pace.left(done, of=5, at=float(done)) for done in (3, 1, 2)] == [None, None, 3]


def test_of_a_file_that_failed_before_only_its_missing_labels_are_known(tmp_path, capsys):
    path = tmp_path / "a.tif"
    lines = ("has no labels of the same name", "is damaged", "is damaged")
    outcomes = [Outcome(path, 3, failed=True, messages=(f"{path} {line}",)) for line in lines]
    for earlier, is_news in ((Earlier(), True), (Earlier({path}), False)):
        with Progress() as bars, pytest.raises(typer.Exit):
            follow_files(bars, outcomes, "measure", done="", nothing="", earlier=earlier)
        err = capsys.readouterr().err
        assert err.replace("\n", "").count("is damaged") == 2
        assert ("has no labels" in err) == is_news
        assert earlier.failures == {path}


def test_a_log_gets_no_bar_and_few_lines(capsys, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with Progress() as bars:
        assert list(bars.track(range(100), "score")) == list(range(100))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["score"] * 3
    assert all("━" not in line for line in lines)
    assert "of 100, 0:0" in lines[0]


def test_a_silent_process_prints_nothing(capsys):
    with Progress(silent=True) as bars:
        bars.note("note")
        bars.error("error")
        list(bars.track(range(3), "score"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("total", [None, 4])
def test_a_terminal_gets_a_bar(capsys, monkeypatch, total):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Progress() as bars:
        task = bars.task("train", total)
        for step in range(1, 5):
            task.update(step, total, f"loss {step}")
        bars.note("a note above")
    err = capsys.readouterr().err
    assert "loss 4" in err
    assert "a note above" in err
