"""Files of a draft appear together; a journal names those of a killed process, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from seamwise.io import journal
from seamwise.io.journal import clear_finished, draft, unfinished


class Killed(BaseException):
    """Ends a process before it can tidy up."""


def write(picture, *names, text="new"):
    with draft(picture) as folder:
        for name in (picture.name, *names):
            (folder / name).write_text(text)


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def kill_before(name, picture, *names, monkeypatch):
    """Leave what a process leaves that is killed before a file moves."""

    def place(file, target):
        if file.name == name:
            raise Killed
        os.replace(file, target)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_place", place)
        patch.setattr(journal, "_remove", lambda folder: None)
        with pytest.raises(Killed):
            write(picture, *names)


def test_files_appear_together_and_nothing_else_stays(tmp_path):
    picture = tmp_path / "x.png"
    picture.write_text("old")
    with draft(picture) as folder:
        (folder / "x_depth.png").write_text("map")
        (folder / "x.png").write_text("new")
        assert picture.read_text() == "old"
    assert contents(tmp_path) == {"x.png": "new", "x_depth.png": "map"}


def test_if_the_block_fails_all_stays_and_the_message_names_the_final_place(tmp_path):
    picture = tmp_path / "x.png"
    picture.write_text("old")

    def fail():
        with draft(picture) as folder:
            (folder / "x_depth.png").write_text("map")
            raise OSError(f"cannot write {folder / 'x.png'}: the disk is full")

    with pytest.raises(OSError, match=r"^cannot write ") as caught:
        fail()
    assert str(caught.value) == f"cannot write {picture}: the disk is full"
    assert contents(tmp_path) == {"x.png": "old"}


def test_a_folder_in_the_place_of_a_map_is_not_touched(tmp_path):
    picture = tmp_path / "x.png"
    (tmp_path / "x_depth.png").mkdir()
    with pytest.raises(IsADirectoryError, match=r"x_depth\.png: it is a folder"):
        write(picture, "a.png", "x_depth.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x_depth.png"]


def test_a_link_is_followed_and_a_folder_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "x.png").symlink_to(tmp_path / "far" / "y.png")
    write(tmp_path / "x.png")
    assert contents(tmp_path / "far") == {"y.png": "new"}
    zarr = tmp_path / "z.zarr"
    zarr.mkdir()
    (zarr / "old").touch()
    with draft(zarr) as folder:
        (folder / "z.zarr").mkdir()
        (folder / "z.zarr" / "new").touch()
    assert [path.name for path in zarr.iterdir()] == ["new"]


def test_a_killed_process_leaves_only_what_it_moved_to_be_replaced(tmp_path, monkeypatch):
    picture, depth = tmp_path / "x.png", tmp_path / "x_depth.png"
    kill_before("x.png", picture, depth.name, monkeypatch=monkeypatch)
    assert unfinished(picture) == {depth}
    assert unfinished(tmp_path / "other.png") == frozenset()
    picture.write_text("mine")
    assert unfinished(picture) == {depth}
    write(picture, depth.name, text="again")
    assert contents(tmp_path) == {"x.png": "again", "x_depth.png": "again"}


def test_a_file_that_was_changed_since_the_kill_is_not_to_be_replaced(tmp_path, monkeypatch):
    picture, depth = tmp_path / "x.png", tmp_path / "x_depth.png"
    kill_before("x.png", picture, depth.name, monkeypatch=monkeypatch)
    depth.write_text("mine, and longer")
    assert unfinished(picture) == frozenset()


def test_a_process_killed_before_it_moved_a_file_leaves_nothing_that_stays(tmp_path, monkeypatch):
    picture = tmp_path / "x.png"

    def die():
        with draft(picture):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_remove", lambda folder: None)
        with pytest.raises(Killed):
            die()
    picture.write_text("mine")
    assert len(list(tmp_path.iterdir())) == 2
    assert unfinished(picture) == frozenset()
    write(picture)
    assert contents(tmp_path) == {"x.png": "new"}


@pytest.mark.parametrize("has_journal", [True, False])
def test_a_process_killed_after_it_moved_all_leaves_nothing_that_stays(
    has_journal, tmp_path, monkeypatch
):
    picture = tmp_path / "x.png"
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_remove", lambda folder: None)
        write(picture, "x_depth.png")
    assert len(list(tmp_path.iterdir())) == 3
    if not has_journal:  # killed while it removed the folder
        (hidden,) = tmp_path.glob(".*")
        (hidden / journal._JOURNAL).unlink()
    clear_finished(picture)
    assert contents(tmp_path) == {"x.png": "new", "x_depth.png": "new"}


def test_what_is_not_finished_is_not_cleared(tmp_path, monkeypatch):
    picture = tmp_path / "x.png"
    kill_before("x.png", picture, "x_depth.png", monkeypatch=monkeypatch)
    clear_finished(picture)
    assert unfinished(picture) == {tmp_path / "x_depth.png"}


def test_files_of_a_process_that_runs_are_not_to_be_replaced(tmp_path, monkeypatch):
    picture, depth = tmp_path / "x.png", tmp_path / "x_depth.png"

    def place(file, target):
        os.replace(file, target)
        seen.append((target.name, unfinished(picture)))

    seen: list[tuple[str, frozenset[Path]]] = []
    monkeypatch.setattr(journal, "_place", place)
    write(picture, depth.name)
    assert seen == [("x_depth.png", frozenset()), ("x.png", frozenset())]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"files": 7}',
        '{"files": {"../a.png": [1, 2], "/etc/x": [1, 2], "": [1, 2], "..": 3}}',
    ],
)
def test_a_damaged_journal_names_no_file(tmp_path, content, monkeypatch):
    picture = tmp_path / "x.png"
    kill_before("x.png", picture, "x_depth.png", monkeypatch=monkeypatch)
    (place,) = tmp_path.glob(".*/.journal.json")
    assert list(json.loads(place.read_text())["files"]) == ["x_depth.png", "x.png"]
    place.write_text(content)
    assert unfinished(picture) == frozenset()


def test_a_long_name_has_a_draft(tmp_path):
    picture = tmp_path / ("a" * 251 + ".png")
    write(picture)
    assert contents(tmp_path) == {picture.name: "new"}
