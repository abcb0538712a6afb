"""`seamwise check`."""

import html
import shlex

import numpy as np
import pytest
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
    assert out.startswith("looking at 3 images")
    assert (tmp_path / "look" / "report.html").exists()
    assert not (tmp_path / "look" / "settings.toml").exists()


def test_a_folder_that_does_not_exist(run, tmp_path):
    code, _, err = run("check", tmp_path / "nowhere", "-o", tmp_path / "look")
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "look").exists()


def test_a_file_in_place_of_the_folder_is_named(run, training, tmp_path):
    file = training[1] / "images" / "1.tif"
    for command in (("check", file), ("train", file)):
        code, _, err = run(*command, "-o", tmp_path / "look")
        assert code == 2
        assert f"{file} is a file: give the folder of images and masks" in err
        assert not (tmp_path / "look").exists()


def test_files_of_the_user_are_not_replaced(run, training, tmp_path):
    data, output = training[1], tmp_path / "look"
    output.mkdir()
    for name in ("report.html", "settings.toml"):
        (output / name).write_text("mine")
        code, _, err = run("check", data, "-o", output)
        assert code == 2
        assert err.count("\n") == 1
        assert f"{name} already exists: choose another folder, or --overwrite it" in err
        assert [path.read_text() for path in output.iterdir()] == ["mine"]
        (output / name).unlink()


def test_settings_of_an_earlier_check_go_when_the_training_would_stop(run, training, tmp_path):
    data, output = training[1], tmp_path / "look"
    output.mkdir()
    (output / "settings.toml").write_text("steps = 3\n")
    (data / "masks" / "1.tif").unlink()
    code, _, _ = run("check", data, "-o", output, "--overwrite")
    assert code == 1
    assert [path.name for path in output.iterdir()] == ["report.html"]


def test_the_command_trains_on_the_images_that_were_looked_at(run, training, tmp_path):
    data = tmp_path / "my data"
    training[1].rename(data)
    for path in (data / "images").iterdir():
        array = tifffile.imread(path)
        tifffile.imwrite(path, np.stack([array, array // 2]))
    output = tmp_path / "a look"
    code, out, err = run("check", data, "-o", output, "--axes", "CYX", "--channel", "1")
    assert code == 0, err
    command = " ".join((out + err).split("`")[1].split())
    assert command.endswith("--channel 1 --axes CYX")
    assert command in html.unescape((output / "report.html").read_text())
    quick = ("--steps", "1", "--batch-size", "1", "-o", tmp_path / "run2")
    code, _, err = run(*shlex.split(command)[1:], *quick)
    assert code == 0, err


def test_masks_without_a_single_cell_stop_the_training(run, training, tmp_path):
    data = training[1]
    for path in (data / "masks").iterdir():
        tifffile.imwrite(path, np.zeros((64, 64), np.uint16))
    code, out, err = run("check", data, "-o", tmp_path / "look")
    assert code == 1
    assert "masks without a single cell: 1 (data); annotate the cells of some images" in out
    assert "cannot be trained on" in err
    assert run(*training, "--steps", "1")[0] == 2


@pytest.mark.parametrize("option", [("--start", "nosuch"), ("--device", "abacus")])
def test_a_bad_start_or_device_ends_before_the_images_are_read(
    run, training, tmp_path, monkeypatch, option
):
    monkeypatch.setattr("seamwise.segmentation.check.survey", None)
    code, _, err = run("check", training[1], "-o", tmp_path / "look", *option)
    assert code == 2
    assert option[1] in err
    assert not (tmp_path / "look").exists()


def test_a_start_that_does_not_fit_still_gives_a_report(run, training, tmp_path):
    output = tmp_path / "look"
    code, out, err = run("check", training[1], "-o", output, "--start", "nuclei-3d")
    assert code == 2
    assert "start from a model for planes, e.g. nuclei-2d" in err
    assert "4 images with 20 cells can be used" in out
    assert [path.name for path in output.iterdir()] == ["report.html"]
