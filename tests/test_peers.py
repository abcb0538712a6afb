"""Programs that `benchmarks/peers` compares: what one of them cannot do costs a row only."""

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seamwise.io.photo import write_photo

FUSE = Path(__file__).parents[1] / "benchmarks" / "peers" / "fuse.py"


@pytest.fixture(scope="module")
def peers():
    return SimpleNamespace(**runpy.run_path(str(FUSE)))


def row(peers, script, output, limit=10.0):
    truth = np.zeros((4, 5, 3), np.uint8)
    return peers.measure("x", ["sh", "-c", script], output, (["a", "b"], truth), limit)


def test_failures_are_told_apart(peers, tmp_path):
    output = tmp_path / "fused.tif"
    with pytest.raises(peers.LateError, match=r"took more than 0\.2 s"):
        row(peers, "exec sleep 20", output, 0.2)
    with pytest.raises(peers.PeerError, match="ended with 3: no memory") as failure:
        row(peers, "echo first >&2; echo no memory >&2; exit 3", output)
    assert not isinstance(failure.value, peers.LateError)
    with pytest.raises(peers.PeerError, match="left no picture"):
        row(peers, "true", output)
    write_photo(tmp_path / "other.tif", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(peers.PeerError, match=r"shape \(4, 6, 3\), not \(4, 5, 3\)"):
        row(peers, f"cp {tmp_path}/other.tif {output}", output)
    write_photo(tmp_path / "same.tif", np.full((4, 5, 3), 9, np.uint8))
    assert row(peers, f"cp {tmp_path}/same.tif {output}", output).startswith("| 0.00 | 2 | x | ")


def test_a_peer_that_is_not_one_is_refused():
    command = [sys.executable, str(FUSE), "--peers", "focusstack"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "invalid choice: 'focusstack' (choose from" in done.stderr
