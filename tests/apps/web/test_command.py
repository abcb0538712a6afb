"""`seamwise app` and how it joins the other commands."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

import seamwise_web
from seamwise.cli import packages
from seamwise_web.serving import open_port


class Entry:
    """An entry point that loads what it is made of."""

    def __init__(self, load):
        self.load = load


@pytest.fixture
def join(monkeypatch):
    """Let packages with these commands be installed."""

    def install(**commands):
        def entries(name):
            return [Entry(commands[name])] if name in commands else []

        monkeypatch.setattr(packages, "_entries", entries)

    return install


def test_a_missing_package_is_named_in_one_line(run, join):
    join()
    code, _, err = run("app", "images", "--port", "3")
    assert code == 2
    assert err == (
        "seamwise: app needs the package seamwise-web: in the folder of seamwise type "
        "`pip install ./apps/web`\n"
    )


@pytest.mark.parametrize("kind", [ImportError, AttributeError, OSError])
def test_a_package_that_is_not_complete_is_named_in_one_line(run, join, kind):
    def load():
        raise kind("no module named starlette")

    join(app=load)
    code, _, err = run("app")
    assert code == 2
    assert err.startswith("seamwise: app cannot start (no module named starlette)")


def test_a_command_of_a_package_is_one_of_ours(run, join):
    def shout(word: str) -> None:
        """Print a word."""
        print(word.upper())

    join(shout=lambda: shout)
    assert run("shout", "hello") == (0, "HELLO\n", "")
    assert run("shout")[0] == 2
    assert "Print a word." in run("shout", "--help")[1]
    assert run("shout", "--frobnicate")[2].startswith("seamwise: shout has no option")
    assert run("shuot")[0] == 2


def test_the_help_lists_app(run, join):
    join()
    out = run("--help")[1]
    assert "Open a page in the browser" in " ".join(out.split())


def test_the_help_of_app_fits_the_terminal(run, join, monkeypatch):
    join(app=lambda: seamwise_web.app)
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        code, out, _ = run("app", "--help")
        assert code == 0
        assert all(len(line) <= columns for line in out.splitlines())


def test_the_entry_point_of_the_package_is_the_command():
    text = (Path(seamwise_web.__file__).parents[2] / "pyproject.toml").read_text()
    assert f'[project.entry-points."{packages.GROUP}"]\napp = "seamwise_web:app"' in text
    try:
        importlib.metadata.distribution("seamwise-web")
    except importlib.metadata.PackageNotFoundError:
        return
    assert packages._entries("app")[0].load() is seamwise_web.app


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere does not exist: give the folder of your images"),
        (["--model", "nothing.safetensors"], "nothing.safetensors does not exist"),
        (["--port", "70000"], "--port"),
    ],
)
def test_bad_options_are_one_line(run, join, arguments, words):
    join(app=lambda: seamwise_web.app)
    code, _, err = run("app", "--no-browser", *arguments)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_port_that_is_taken_is_one_line(run, join):
    join(app=lambda: seamwise_web.app)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run("app", "--no-browser", "--port", port)
    assert code == 2
    assert err == (
        f"seamwise: port {port} is taken: choose another, or remove --port for a free one\n"
    )


def test_a_port_can_be_used_again_at_once():
    with open_port(0) as first:
        port = first.getsockname()[1]
    with open_port(port) as again:
        assert again.getsockname()[0] == "127.0.0.1"


START = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` ignores it, and what it starts too
from seamwise.cli import main, packages
import seamwise_web

class Entry:
    load = staticmethod(lambda: seamwise_web.app)

packages._entries = lambda name: [Entry]
sys.argv = ["seamwise", "app", "--no-browser"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends Ctrl-C")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGHUP"])  # Ctrl-C, and the terminal is closed
def test_the_server_answers_and_ends_without_leftovers(tmp_path, ending):
    path = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        address = process.stdout.readline().split()[-1]
        with urlopen(address, timeout=10) as answer:
            assert b"<title>seamwise</title>" in answer.read()
        with urlopen(Request(f"{address}api/trainings", method="POST"), timeout=10):
            assert len(list(tmp_path.glob("seamwise-*"))) == 1
        time.sleep(0.1)
        process.send_signal(getattr(signal, ending))
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.glob("seamwise-*")) == []
