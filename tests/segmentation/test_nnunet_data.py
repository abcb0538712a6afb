"""Images and masks written as a data set for nnU-Net."""

import json

import numpy as np
import pytest
import tifffile

from seamwise.io.images import read_image, read_labels, write_labels
from seamwise.labels import binary_target, connected_components, semantic_target
from seamwise.segmentation import TargetAndWeight, find_pairs, write_nnunet
from seamwise.segmentation.transforms import count_classes
from seamwise.synth import crowded_cells
from seamwise.weights import w3
from support.files import one_line

SCENES = [crowded_cells((96, 112), cells=15, radius=9, rng=seed) for seed in range(6)]


def draw(folder, scenes=SCENES, *, ignored=False):
    """Fill a folder with images/ and masks/; ignore a corner of each."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number, scene in enumerate(scenes):
        labels = scene.labels.astype("int16")
        if ignored:
            labels[:24, :24] = -1
        tifffile.imwrite(folder / "images" / f"cells{number}.tif", scene.image)
        write_labels(folder / "masks" / f"cells{number}.tif", labels)
    return folder


def stack_with_spacing(folder):
    """A stack of three cells, 2 × 0.5 × 0.25 µm; return image, labels and pixel size."""
    # in slices 1 and 7: 6 slices are 48 pixels of the finest axis, too far for a gap
    labels = np.zeros((9, 6, 7), np.uint8)
    labels[1:2, 1:5, 1:6], labels[7:8, 1:5, 1:3], labels[7:8, 1:5, 3:6] = 1, 2, 3
    image = labels * 9 + np.arange(7, dtype=np.uint8)
    spacing = (2.0, 0.5, 0.25)
    for part, array in (("images", image), ("masks", labels)):
        (folder / part).mkdir(parents=True)
        write_labels(folder / part / "a.tif", array, spacing=spacing)
    return image, labels, spacing


def record_of(dataset):
    return json.loads((dataset.folder / "dataset.json").read_text())


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_layout_is_what_nnunet_reads(tmp_path):
    dataset = write_nnunet(draw(tmp_path / "data"), tmp_path / "raw")
    assert dataset.folder == tmp_path / "raw" / "Dataset501_Cells"
    assert names_in(tmp_path / "raw") == ["Dataset501_Cells"]
    assert names_in(dataset.folder) == ["dataset.json", "imagesTr", "labelsTr"]
    cases = [f"cells{number}" for number in range(6)]
    assert names_in(dataset.folder / "imagesTr") == [f"{case}_0000.tif" for case in cases]
    assert names_in(dataset.folder / "labelsTr") == [f"{case}.tif" for case in cases]
    record = record_of(dataset)
    options = record.pop("seamwise")
    assert record == {
        "channel_names": {"0": "channel 0"},
        "labels": {"background": 0, "cell": 1, "touching": 2, "gap": 3},
        "numTraining": 6,
        "file_ending": ".tif",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    labels = [scene.labels.astype(int) for scene in SCENES]
    assert options["counts"] == list(count_classes(labels, TargetAndWeight(classes=4)))
    assert (options["classes"], options["touching_radius"], options["gap_radius"]) == (4, 2, 7)
    assert (dataset.cases, dataset.tests, dataset.notes) == (6, 0, ())


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_ignored_pixels_have_the_highest_number_and_only_then_a_name(tmp_path, classes):
    source = draw(tmp_path / "data", ignored=True)
    transform = TargetAndWeight(classes=classes, touching_radius=1)
    dataset = write_nnunet(source, tmp_path / "raw", transform, name="Dataset007_Seams")
    assert dataset.names[-1] == "ignore"
    assert record_of(dataset)["labels"]["ignore"] == classes
    for number in range(6):
        mask = read_labels(source / "masks" / f"cells{number}.tif")
        expected = semantic_target(mask, classes=classes, touching_radius=1)
        found = read_labels(dataset.folder / "labelsTr" / f"cells{number}.tif")
        np.testing.assert_array_equal(found, np.where(expected < 0, classes, expected))
        assert set(np.unique(found)) == set(range(classes + 1))
        image = read_image(dataset.folder / "imagesTr" / f"cells{number}_0000.tif")
        np.testing.assert_array_equal(image.data, SCENES[number].image)
    counted = np.array(record_of(dataset)["seamwise"]["counts"])
    assert counted.sum() == 6 * (96 * 112 - 24 * 24)


def test_what_is_written_is_recognised_as_classes(tmp_path):
    dataset = write_nnunet(draw(tmp_path / "data"), tmp_path / "raw")
    with pytest.raises(ValueError, match="holds the classes") as caught:
        write_nnunet(dataset.folder, tmp_path / "raw", name="Dataset502_Twice")
    assert one_line(caught, "cell, touching, gap", "seamwise decode")
    assert names_in(tmp_path / "raw") == ["Dataset501_Cells"]


def test_black_and_white_masks(tmp_path):
    source = draw(tmp_path / "data")
    for path in (source / "masks").iterdir():
        write_labels(path, (read_labels(path) > 0).astype(np.uint8) * 255)
    transform = TargetAndWeight(classes=3, annotation="binary")
    dataset = write_nnunet(source, tmp_path / "raw", transform)
    mask = connected_components((SCENES[1].labels > 0).astype(np.uint8))
    found = read_labels(dataset.folder / "labelsTr" / "cells1.tif")
    np.testing.assert_array_equal(found, binary_target(mask, classes=3))


def test_weights_are_written_next_to_the_labels(tmp_path):
    transform = TargetAndWeight(map="w3", classes=4)
    dataset = write_nnunet(draw(tmp_path / "data"), tmp_path / "raw", transform)
    weight = read_image(dataset.folder / "weightsTr" / "cells1.tif").data
    labels = SCENES[1].labels.astype(int)
    expected = w3(labels, semantic_target(labels), counts=dataset.counts)
    np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("counts", [None, (5, 3)])
def test_a_class_weighs_the_same_in_every_file(tmp_path, counts):
    full, empty = np.ones((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    full[0], empty[0] = 0, 1
    for name, mask in (("a", full), ("b", empty)):
        for part in ("images", "masks"):
            (tmp_path / "data" / part).mkdir(parents=True, exist_ok=True)
            write_labels(tmp_path / "data" / part / f"{name}.tif", mask)
    transform = TargetAndWeight(map="balance", classes=2, counts=counts)
    dataset = write_nnunet(tmp_path / "data", tmp_path / "raw", transform)
    ratio = 1 if counts is None else 3 / 5  # 64 pixels of each class in all, or as told
    for name, mask in (("a", full), ("b", empty)):
        weight = read_image(dataset.folder / "weightsTr" / f"{name}.tif").data
        expected = np.where(mask, 1, ratio).astype(np.float32)
        np.testing.assert_allclose(weight, expected * weight[mask > 0][0], rtol=1e-6)
        assert weight[mask > 0][0] == pytest.approx(1)


def test_a_stack_notes_its_pixel_size(tmp_path):
    _, labels, spacing = stack_with_spacing(tmp_path / "data")
    dataset = write_nnunet(tmp_path / "data", tmp_path / "raw")
    assert record_of(dataset)["overwrite_image_reader_writer"] == "Tiff3DIO"
    for part in ("imagesTr", "labelsTr"):
        noted = json.loads((dataset.folder / part / "a.json").read_text())
        assert noted == {"spacing": list(spacing)}
    expected = semantic_target(labels, spacing=(8, 2, 1))
    np.testing.assert_array_equal(read_labels(dataset.folder / "labelsTr" / "a.tif"), expected)
    assert "1 case is too few" in dataset.notes[-1]


def test_a_stack_as_nifti_has_its_pixel_size_in_the_file(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="needs the extra nifti")
    image, labels, spacing = stack_with_spacing(tmp_path / "data")
    transform = TargetAndWeight(map="balance", classes=4)
    dataset = write_nnunet(tmp_path / "data", tmp_path / "raw", transform, file_format="nifti")
    record = record_of(dataset)
    assert record["file_ending"] == ".nii.gz"
    assert record["overwrite_image_reader_writer"] == "NibabelIO"
    expected = {
        "imagesTr/a_0000": image,
        "labelsTr/a": semantic_target(labels, spacing=(8, 2, 1)),
        "weightsTr/a": transform(labels.astype(int), spacing=(8, 2, 1))[1],
    }
    for name, array in expected.items():
        file = nibabel.load(dataset.folder / f"{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(file.dataobj), array.T)
        assert file.header.get_zooms() == spacing[::-1]
        assert file.header.get_xyzt_units()[0] == "micron"
    assert names_in(dataset.folder / "imagesTr") == ["a_0000.nii.gz"]
    assert names_in(dataset.folder / "labelsTr") == ["a.nii.gz"]


def test_nifti_is_for_stacks_and_needs_its_extra(tmp_path, monkeypatch):
    source = draw(tmp_path / "data", SCENES[:1])
    monkeypatch.setattr("seamwise.io.nifti.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="NIfTI needs nibabel") as caught:
        write_nnunet(source, tmp_path / "raw", file_format="nifti")
    assert one_line(caught, "pip install 'seamwise[nifti]'")
    monkeypatch.setattr("seamwise.io.nifti.find_spec", lambda name: name)
    with pytest.raises(ValueError, match=r"nifti is for stacks, and .* is a plane") as caught:
        write_nnunet(source, tmp_path / "raw", file_format="nifti")
    assert one_line(caught, "cells0.tif", "choose tiff")
    with pytest.raises(ValueError, match="file_format must be tiff or nifti, not 'nii'"):
        write_nnunet(source, tmp_path / "raw", file_format="nii")
    assert not (tmp_path / "raw").exists()


# --- train/, val/, test/ -------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path):
    """Three folders with images of the same names."""
    for part, scenes in (("train", SCENES[:3]), ("val", SCENES[3:5]), ("test", SCENES[5:])):
        draw(tmp_path / "data" / part, scenes)
    return tmp_path / "data"


def test_parts_with_the_same_names_are_all_written(parts, tmp_path, monkeypatch):
    monkeypatch.delenv("nnUNet_preprocessed", raising=False)
    dataset = write_nnunet(parts, tmp_path / "raw")
    assert (dataset.cases, dataset.tests) == (5, 1)
    cases = ["train_cells0", "train_cells1", "train_cells2", "val_cells0", "val_cells1"]
    assert names_in(dataset.folder / "labelsTr") == [f"{case}.tif" for case in cases]
    image = read_image(dataset.folder / "imagesTr" / "val_cells1_0000.tif").data
    np.testing.assert_array_equal(image, SCENES[4].image)
    assert names_in(dataset.folder / "imagesTs") == ["cells0_0000.tif"]
    image = read_image(dataset.folder / "imagesTs" / "cells0_0000.tif").data
    np.testing.assert_array_equal(image, SCENES[5].image)
    (fold,) = json.loads((dataset.folder / "splits_final.json").read_text())
    assert fold == {"train": cases[:3], "val": cases[3:]}
    assert "copy it to nnUNet_preprocessed/Dataset501_Cells" in dataset.notes[0]


def test_the_fold_goes_where_nnunet_looks(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "pre"))
    dataset = write_nnunet(parts, tmp_path / "raw")
    path = tmp_path / "pre" / "Dataset501_Cells" / "splits_final.json"
    assert json.loads(path.read_text())[0]["val"] == ["val_cells0", "val_cells1"]
    assert not (dataset.folder / "splits_final.json").exists()
    path.write_text("[]")
    again = write_nnunet(parts, tmp_path / "other")
    assert path.read_text() == "[]"
    assert "already exists and is kept" in again.notes[0]


def test_a_few_cases_are_for_fold_all(tmp_path):
    dataset = write_nnunet(draw(tmp_path / "data", SCENES[:4]), tmp_path / "raw")
    assert "fold all" in dataset.notes[0]


# --- channels ------------------------------------------------------------------------------------


def test_a_colour_image_that_is_grey_keeps_its_channels_among_others(tmp_path):
    source = draw(tmp_path / "data", SCENES[:3])
    for number in range(3):
        path = source / "images" / f"cells{number}.tif"
        plane = SCENES[number].image
        colours = [plane, plane // 2 if number == 1 else plane, plane]
        tifffile.imwrite(path, np.stack(colours), metadata={"axes": "CYX"}, imagej=True)
    dataset = write_nnunet(source, tmp_path / "raw")
    assert len(names_in(dataset.folder / "imagesTr")) == 9
    assert len(record_of(dataset)["channel_names"]) == 3
    pairs = find_pairs(dataset.folder)
    assert {len(pair.images) for pair in (*pairs.training, *pairs.validation)} == {3}


def test_colour_images_that_are_all_grey_have_one_channel(tmp_path):
    source = draw(tmp_path / "data", SCENES[:3])
    plane = SCENES[0].image
    tifffile.imwrite(
        source / "images" / "cells0.tif",
        np.stack([plane] * 3),
        metadata={"axes": "CYX"},
        imagej=True,
    )
    dataset = write_nnunet(source, tmp_path / "raw")
    assert len(names_in(dataset.folder / "imagesTr")) == 3
    assert len(record_of(dataset)["channel_names"]) == 1


# --- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path):
    source = draw(tmp_path / "data", SCENES[:3])
    plane = SCENES[1].image
    colours = np.stack([plane, plane // 2, plane])
    tifffile.imwrite(
        source / "images" / "cells1.tif", colours, metadata={"axes": "CYX"}, imagej=True
    )
    with pytest.raises(ValueError, match="channels") as caught:
        write_nnunet(source, tmp_path / "raw")
    assert one_line(caught, "cells1.tif has 3 channels", "has 1", "--channel")
    tifffile.imwrite(source / "images" / "cells1.tif", plane[:50])
    with pytest.raises(ValueError, match="must have the size of its image") as caught:
        write_nnunet(source, tmp_path / "raw")
    assert one_line(caught, "cells1.tif", "(50, 112)")
    for name in ("Cells", "Dataset1_Cells", "Dataset501", "Dataset501_a/b"):
        with pytest.raises(ValueError, match="name must be like Dataset501_Cells"):
            write_nnunet(source, tmp_path / "raw", name=name)
    stack = np.stack([plane] * 4)
    tifffile.imwrite(source / "images" / "cells1.tif", stack, metadata={"axes": "ZYX"}, imagej=True)
    write_labels(source / "masks" / "cells1.tif", np.stack([SCENES[1].labels] * 4))
    with pytest.raises(ValueError, match="make a data set of each kind"):
        write_nnunet(source, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_channels_of_other_sizes_are_named(tmp_path):
    for name, shape in (("imagesTr/a_0000", (9, 8)), ("imagesTr/a_0001", (9, 7))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros(shape, np.uint8))
    (tmp_path / "labelsTr").mkdir()
    tifffile.imwrite(tmp_path / "labelsTr" / "a.tif", np.ones((9, 8), np.uint8))
    with pytest.raises(ValueError, match=r"a_0001\.tif must have the size \(9, 8\)"):
        write_nnunet(tmp_path, tmp_path / "out")


def test_an_error_while_writing_leaves_nothing(tmp_path, monkeypatch):
    source = draw(tmp_path / "data", SCENES[:3])

    def full(*arguments, **options):
        raise OSError("no space is left")

    monkeypatch.setattr("seamwise.segmentation.nnunet_data.write_json", full)
    with pytest.raises(OSError, match="no space"):
        write_nnunet(source, tmp_path / "raw")
    assert names_in(tmp_path / "raw") == []


def test_a_data_set_is_not_replaced(tmp_path):
    source = draw(tmp_path / "data", SCENES[:3])
    write_nnunet(source, tmp_path / "raw")
    with pytest.raises(FileExistsError, match="already exists: choose another name"):
        write_nnunet(source, tmp_path / "raw")
