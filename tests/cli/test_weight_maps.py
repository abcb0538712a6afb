"""`seamwise weights`."""

import numpy as np
import pytest
import tifffile

from seamwise.weights import w3


def test_weights_writes_maps_and_previews(run, training, tmp_path):
    masks, out = tmp_path / "data" / "masks", tmp_path / "maps"
    code, said, _ = run(
        "weights", masks, "--map", "w3", "--set", "beta=12", "--set", "nu=5", "-o", out, "--preview"
    )
    assert code == 0
    assert str(out) in said
    assert sorted(path.name for path in out.iterdir()) == sorted(
        name for k in range(4) for name in (f"{k}.tif", f"{k}_preview.png")
    )
    labels = tifffile.imread(masks / "2.tif")
    np.testing.assert_array_equal(tifffile.imread(out / "2.tif"), w3(labels, beta=12, nu=5))
    _, _, err = run(
        "weights", masks, "--map", "w3", "--set", "beta=12", "--set", "nu=5", "-o", out, "--preview"
    )
    assert err.count("already exist") == 4
    (masks / "1.tif").write_text("no image")
    code, said, _ = run("weights", masks, "--map", "balance", "-o", out)
    assert code == 1
    assert "1 of 4 files failed" in said


def test_maps_are_scaled(run, training, tmp_path):
    masks, out = tmp_path / "data" / "masks", tmp_path / "maps"
    assert run("weights", masks, "--map", "w3", "--scale", "mean", "-o", out)[0] == 0
    assert tifffile.imread(out / "2.tif").mean() == pytest.approx(1, rel=1e-5)
    assert run("weights", masks, "--map", "w3", "--scale", "0.5", "-o", tmp_path / "half")[0] == 0
    plain = w3(tifffile.imread(masks / "2.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "half" / "2.tif"), plain / 2)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--map", "w4"], "--map must be balance, dwm, pieces, saw, unet or w3, not 'w4'"),
        (["--map", "dwm", "--set", "nu=3"], "weight map dwm has no option 'nu'"),
        (["--map", "dwm", "--scale", "wide"], 'scale must be "mean" or a positive number'),
        (["--map", "dwm", "--scale", ""], "--scale is empty"),
        (["--map", "dwm", "--set", "beta"], "--set must be name=value"),
        (["--map", "dwm", "--set", "beta=wide"], "beta must be a positive number, not 'wide'"),
        (["--map", "dwm", "--spacing", "1;2"], "--spacing must be numbers as 2,1,1"),
        (["--map", "dwm", "--masks", "lines"], "--masks must be instances or binary, not 'lines'"),
    ],
)
def test_bad_weights_calls_are_one_line(run, training, tmp_path, arguments, word):
    code, _, err = run("weights", tmp_path / "data" / "masks", "-o", tmp_path / "maps", *arguments)
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
