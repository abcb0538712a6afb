import numpy as np
import pytest
import tifffile

from seamwise.segmentation import TrainSettings, find_pairs, read_split, with_corrected


def write(folder, names, *, ending="", value=1):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        array = np.zeros((8, 8), np.uint8)
        array[2:5, 2:5] = value
        array[0, 0] = number if not ending and folder.name == "images" else 0
        tifffile.imwrite(folder / f"{name}{ending}.tif", array)


@pytest.fixture
def data(tmp_path):
    write(tmp_path / "data" / "images", "abcd")
    write(tmp_path / "data" / "masks", "abcd")
    return find_pairs(tmp_path / "data")  # a is for validation


@pytest.mark.parametrize("ending", ["", "_masks"])
def test_masks_alone_replace_those_of_the_same_name(tmp_path, data, ending):
    write(tmp_path / "new", "ac", ending=ending)
    split = with_corrected(data, tmp_path / "new")
    assert [pair.name for pair in split.training] == ["b", "c", "d"]
    assert [pair.is_corrected for pair in split.training] == [False, True, False]
    assert [pair.is_corrected for pair in split.validation] == [True]
    assert split.training[1].labels == tmp_path / "new" / f"c{ending}.tif"
    assert split.training[1].images == data.training[1].images


def test_images_with_masks_are_added_to_the_training(tmp_path, data):
    for kind in ("images", "masks"):
        write(tmp_path / "new" / kind, "de")
    split = with_corrected(data, tmp_path / "new")
    assert [(pair.name, pair.is_corrected) for pair in split.training] == [
        ("b", False), ("c", False), ("d", True), ("e", True),
    ]  # fmt: skip
    settings = TrainSettings(corrected_weight=2.5)
    training, validation, _ = read_split(split, settings)
    assert [image.weight for image in training] == [1, 1, 2.5, 2.5]
    assert validation[0].weight == 1


def test_a_mask_without_an_image_is_refused_in_one_line(tmp_path, data):
    write(tmp_path / "new", "ax")
    with pytest.raises(FileNotFoundError, match=r"x\.tif has no image named x in the training"):
        with_corrected(data, tmp_path / "new")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        with_corrected(data, tmp_path / "nowhere")


def test_a_mask_that_could_be_for_two_images_is_refused(tmp_path):
    """Else the validation image would be trained on, and the other way round."""
    for part in ("train", "val"):
        for kind in ("images", "masks"):
            write(tmp_path / "data" / part / kind, "ab" if part == "train" else "ac")
    split = find_pairs(tmp_path / "data")
    write(tmp_path / "new", "a")
    with pytest.raises(ValueError, match=r"mask a could be for .*train.* or for .*val.*: rename"):
        with_corrected(split, tmp_path / "new")
    write(tmp_path / "other", "bc")
    corrected = with_corrected(split, tmp_path / "other")
    assert [pair.labels.parent.name for pair in corrected.training] == ["masks", "other"]
    assert [pair.images for pair in corrected.training] == [pair.images for pair in split.training]
    assert [pair.labels.parent.name for pair in corrected.validation] == ["masks", "other"]


def test_one_image_for_training_and_validation_is_corrected_in_both(tmp_path):
    for kind in ("images", "masks"):
        write(tmp_path / "data" / kind, "a")
    write(tmp_path / "new", "a")
    split = with_corrected(find_pairs(tmp_path / "data"), tmp_path / "new")
    assert split.training == split.validation
    assert split.training[0].is_corrected
