"""Temporary files: full disks, lost connections, and what killed programs leave."""

import errno
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from seamwise_web.scratch import remove_orphans, scratch_folder
from support.web_browser import served
from support.web_page import error_of, leftovers


@pytest.fixture(autouse=True)
def own_scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def ended_process():
    """The number of a process that does not live any more."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def test_folders_of_killed_pages_are_removed_and_no_others(tmp_path):
    with scratch_folder() as own:
        start = Path(own).name.removesuffix(Path(own).name.rpartition("-")[2])
        dead = tmp_path / start.replace(f"-{os.getpid()}-", f"-{ended_process()}-abc")
        dead.mkdir()
        (dead / "frame.jpg").touch()
        others = [tmp_path / "seamwise-tune-abc", tmp_path / f"seamwise-elsewhere-{dead.name[-9:]}"]
        for one in others:
            one.mkdir()
        assert remove_orphans() == 1
        assert not dead.exists()
        assert all(one.exists() for one in (*others, Path(own)))


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (errno.ENOSPC, 507, "the disk is full: free some space, or start the page with"),
        (errno.EROFS, 400, "no folder can be written: start the page with"),
        (errno.EMFILE, 400, "too many files are open: close other tabs"),
    ],
)
def test_without_a_temporary_folder_the_page_says_so(client, monkeypatch, number, status, words):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number), "/somewhere/seamwise-x")

    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    for answer in (
        client.post("api/uploads", params={"name": "x.tif"}, content=b"x"),
        client.post("api/bursts"),
        client.post("api/trainings"),
    ):
        said = error_of(answer, status)
        assert words in said
        assert "somewhere" not in said
    monkeypatch.undo()
    assert client.get("api/start").status_code == 200


def test_a_disk_that_fills_up_is_told_and_nothing_stays(client, monkeypatch):
    key = client.post("api/bursts").json()["burst"]

    class Full(io.BytesIO):
        def write(self, chunk):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", lambda path, mode: Full())
    for path in (f"api/bursts/{key}/frames", "api/uploads"):
        answer = client.post(path, params={"name": "a.jpg"}, content=b"x" * 100)
        assert error_of(answer, 507) == "the disk is full: free some space, and try again"
    monkeypatch.undo()
    assert client.get(f"api/bursts/{key}").json()["frames"] == []


def test_a_connection_that_is_lost_in_a_frame_leaves_nothing(images):
    with served(images) as address:
        place = urlsplit(address)
        head = f"POST {place.path}api/{{}} HTTP/1.1\r\nHost: {place.netloc}\r\n"

        def ask(path, *, body=b"", length=None):
            """Send a request whose body may end too early; return the socket."""
            one = socket.create_connection((place.hostname, place.port), timeout=10)
            length = len(body) if length is None else length
            one.sendall(f"{head.format(path)}Content-Length: {length}\r\n\r\n".encode() + body)
            return one

        with ask("bursts") as one:
            key = heard(one, b'"fused"').split(b'"burst":"')[1].split(b'"')[0].decode()
        (folder,) = leftovers()
        path = f"bursts/{key}/frames?name=a.tif"
        with ask(path, body=b"half", length=10**6):
            wait_until(lambda: [file.name for file in folder.iterdir()] == ["a.tif"])
        wait_until(lambda: list(folder.iterdir()) == [])
        with ask(path, body=b"no image") as one:  # the name is free again
            assert b"a.tif" in heard(one, b"a.tif")
        with ask("uploads?name=b.tif", body=b"half", length=10**6):
            wait_until(lambda: len(leftovers()) == 2)
        wait_until(lambda: leftovers() == [folder])
    assert leftovers() == []


def heard(one, end):
    """What comes through a socket, until it has some words or nothing more comes."""
    content = b""
    while end not in content and (part := one.recv(65536)):
        content += part
    return content


def wait_until(is_so):
    """Wait for what another thread does."""
    for _ in range(400):
        if is_so():
            return
        time.sleep(0.05)
    raise TimeoutError
