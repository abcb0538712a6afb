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
