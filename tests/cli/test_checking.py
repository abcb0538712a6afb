"""`seamwise check`."""

import tifffile


def test_check_then_train(run, training, tmp_path):
    data, output = training[1], tmp_path / "look"
    code, out, err = run("check", data, "-o", output)
    assert code == 0, err
    assert "4 images with 20 cells can be used" in out
    assert (output / "report.html").exists()
    options = ("--settings", output / "settings.toml", "--steps", "1", "--batch-size", "1")
    code, _, err = run("train", data, "-o", tmp_path / "run2", *options)
    assert code == 0, err


def test_what_stops_the_training_ends_with_1(run, training, tmp_path):
    data = training[1]
    (data / "masks" / "1.tif").unlink()
    mask = tifffile.imread(data / "masks" / "2.tif")
    tifffile.imwrite(data / "masks" / "2.tif", mask[:-2])
    code, out, err = run("check", data, "-o", tmp_path / "look")
    assert code == 1
    assert "image without mask: 1 (1); add the mask, or remove the image" in out
    assert "mask of another size: 1 (2)" in out
    assert "cannot be trained on: see" in err
    assert (tmp_path / "look" / "report.html").exists()
    assert not (tmp_path / "look" / "settings.toml").exists()


def test_a_folder_that_does_not_exist(run, tmp_path):
    code, _, err = run("check", tmp_path / "nowhere", "-o", tmp_path / "look")
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "look").exists()
