import sys

import pytest


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
