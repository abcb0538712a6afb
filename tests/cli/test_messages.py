"""What is printed with ``--quiet``, with ``--verbose`` and without."""

import pytest
import tifffile

from seamwise.synth import crowded_cells


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, crowded_cells((96, 110), cells=12, radius=8, rng=0).labels)
    return path


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_prints_results_and_errors_alone(run, images, tmp_path, model, labels, place):
    def quiet(command, *arguments):
        options = ["-q", command] if place == "before" else [command, "-q"]
        return run(*options, *arguments)

    assert quiet("segment", images, "-o", tmp_path / "out", "--model", model) == (0, "", "")
    code, out, err = quiet("evaluate", labels, labels, "--json", tmp_path / "scores.json")
    assert (code, err) == (0, "")
    assert "PQ" in out
    assert "wrote" not in out
    (images / "b.tif").write_bytes(b"no image")
    code, out, err = quiet("segment", images, "-o", tmp_path / "other", "--model", model)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert "b.tif" in line


def test_verbose_prints_versions_device_and_timing(run, images, tmp_path, model):
    arguments = ("segment", images, "-o", tmp_path / "out", "--model", model, "--device", "cpu")
    _, _, err = run("-v", *arguments)
    for word in ("seamwise ", "Python ", "torch ", "device cpu, ", "a.png: ", "took "):
        assert word in err
    _, _, err = run(*arguments)
    for word in ("Python ", "took "):
        assert word not in err


def test_quiet_and_verbose_contradict_each_other(run):
    for arguments in (("-q", "-v", "info"), ("info", "-q", "-v")):
        code, _, err = run(*arguments)
        assert code == 2
        assert "contradict" in err
