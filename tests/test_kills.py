"""A command that is killed is run again and ends like one that nobody killed: a sample.

`make nightly` kills every command before every file operation.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.long_tests import is_nightly

KILLS = Path(__file__).parent / "support" / "kills.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("options", [[], ["--torn"]], ids=["killed", "torn"])
def test_a_killed_command_can_be_repeated(options):
    every = 1 if is_nightly else 9
    done = subprocess.run(
        [sys.executable, str(KILLS), "measure", f"--every={every}", *options],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 faults" in done.stdout
