"""`atomic_path` leaves either the whole new file or the untouched old one."""

import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from seamwise.io.atomic import atomic_path, check_writable, make_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_after_the_block(tmp_path):
    target = tmp_path / "x.ome.tif"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".ome.tif")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["x.ome.tif"]


def fail_half_way(path, error):
    path.write_text("half")
    raise error


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt, SystemExit, OSError])
def test_old_file_survives_any_error(tmp_path, raised):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(raised), atomic_path(target) as temporary:
        fail_half_way(temporary, raised)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def test_new_file_replaces_the_old(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old and longer")
    with atomic_path(str(target)) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_two_writers_do_not_share_a_temporary_file(tmp_path):
    with atomic_path(tmp_path / "x.txt") as first, atomic_path(tmp_path / "x.txt") as second:
        assert first != second


def test_link_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "x.txt"
    link.symlink_to(tmp_path / "disk" / "real.txt")
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "disk" / "real.txt").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of another kind")
def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "x.txt") as temporary:
            temporary.write_text("new")
    finally:
        os.umask(old)
    assert (tmp_path / "x.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (errno.ENOSPC, OSError, "no space is left on the disk; free some"),
        (errno.EDQUOT, OSError, "quota is used up"),
        (errno.EACCES, PermissionError, "no permission to write there; choose another folder"),
        (errno.EROFS, OSError, "read-only; choose another folder"),
        (errno.EIO, OSError, os.strerror(errno.EIO)),
    ],
)
def test_errors_of_the_disk_say_what_to_do(tmp_path, code, kind, remedy):
    target = tmp_path / "x.tif"
    with pytest.raises(kind, match=remedy) as caught, atomic_path(target):
        raise OSError(code, os.strerror(code))
    assert str(caught.value).startswith(f"cannot write {target}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.errno == code
    assert names(tmp_path) == []
    sent = pickle.loads(pickle.dumps(caught.value))  # as from a process that did a part of the work
    assert (type(sent), str(sent), sent.errno) == (kind, str(caught.value), code)


def test_full_disk_at_the_flush_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"), atomic_path(tmp_path / "x.tif") as temporary:
        temporary.write_bytes(b"whole")
    assert names(tmp_path) == []


def test_error_about_another_file_is_not_blamed_on_this_one(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "x.tif"):
        (tmp_path / "input.tif").read_bytes()
    assert "input.tif" in str(caught.value)
    assert "cannot write" not in str(caught.value)


def test_missing_folder(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="folder does not exist; create it first"),
        atomic_path(tmp_path / "no" / "x.tif"),
    ):
        pytest.fail("the block must not run")
    assert names(tmp_path) == []


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a folder that takes no files, even of root"
)
def test_folder_takes_no_files():
    with (
        pytest.raises(
            OSError,
            match=r"cannot write /proc/x\.tif: its folder takes no new files; choose another",
        ),
        atomic_path("/proc/x.tif"),
    ):
        pytest.fail("the block must not run")
    for folder in ("/proc/a", "/proc/a/b"):
        with pytest.raises(OSError, match=f"cannot write {folder}: its folder takes no new files"):
            make_folder(folder)


def test_what_cannot_be_written_is_known_before(tmp_path):
    (tmp_path / "old.tif").write_text("old")
    for name in ("old.tif", "new.tif"):
        check_writable(tmp_path / name)
    assert names(tmp_path) == ["old.tif"]
    assert (tmp_path / "old.tif").read_text() == "old"
    with pytest.raises(
        FileNotFoundError, match=r"x\.tif: its folder does not exist; create it first"
    ):
        check_writable(tmp_path / "no" / "x.tif")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_writable(tmp_path)


def test_folder_is_a_file(tmp_path):
    (tmp_path / "no").touch()
    with (
        pytest.raises(NotADirectoryError, match="folder is a file"),
        atomic_path(tmp_path / "no" / "x.tif"),
    ):
        pytest.fail("the block must not run")


def test_target_is_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a folder"), atomic_path(tmp_path):
        pytest.fail("the block must not run")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_closed_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="no permission"), atomic_path(tmp_path / "x.tif"):
            pytest.fail("the block must not run")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of Unix")
def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is a device or a pipe; give a file name"):
        check_writable(pipe)
    with pytest.raises(OSError, match="device or a pipe"), atomic_path(pipe) as temporary:
        temporary.write_text("x")
    assert not pipe.is_file()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_file_that_is_removed_while_it_is_looked_at_is_no_device(tmp_path, monkeypatch):
    target, original = tmp_path / "x.lock", Path.stat
    target.touch()

    def last_look(path, **options):
        found = original(path, **options)
        if path == target:
            path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", last_look)
    check_writable(target)
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
from seamwise.io.atomic import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path):
    target, other = tmp_path / "a.tif", tmp_path / "b.tif"
    for path in (target, other):
        subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert len(names(tmp_path)) == 2
    with atomic_path(target) as first:
        with atomic_path(target) as second:
            assert first.exists()
            assert second != first
            second.write_text("second")
        assert first.exists()
        first.write_text("first")
    assert len(names(tmp_path)) == 2  # the target, and what is left of the other file
    assert target.read_text() == "first"


def test_a_check_removes_what_a_killed_process_left(tmp_path):
    """The writer that follows may have temporary files of another kind, as tables do."""
    target = tmp_path / "a.csv"
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert len(names(tmp_path)) == 1
    check_writable(target)
    assert names(tmp_path) == []
    with atomic_path(target) as temporary:
        check_writable(target)
        assert temporary.exists()
