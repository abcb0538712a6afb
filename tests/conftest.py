import gc
import sys
from pathlib import Path

import pytest

from support.long_tests import LONGEST

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Begin with the longest files."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish():
    """Let the garbage collector skip the modules and the tests, which stay to the end."""
    gc.freeze()


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; returns exit code, standard output, standard error."""
    from seamwise.cli import main

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["seamwise", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return stopped.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests(tmp_path_factory):
    """Keep compiled networks out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAMWISE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture
def in_float32(monkeypatch):
    """Compute as on a processor without bfloat16, which would round what a test compares."""
    import torch

    from seamwise.engine import openvino

    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    monkeypatch.setattr(openvino, "has_bfloat16", lambda: False)
