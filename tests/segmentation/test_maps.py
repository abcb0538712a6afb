"""Probabilities in files, decoded without a network."""

import json
import os

import numpy as np
import pytest
import tifffile

from seamwise.decode import argmax, threshold
from seamwise.io.images import read_image, read_labels, write_probabilities
from seamwise.io.models import DecodeRule
from seamwise.io.ome_zarr import write_image
from seamwise.segmentation import decode_files, decode_maps
from support.files import one_line
from support.probabilities import random_probabilities

MAPS = random_probabilities((30, 40), np.random.default_rng(0), classes=4)


def lines_of(outcomes):
    outcomes = list(outcomes)
    return [o.failed for o in outcomes], [line for o in outcomes for line in o.messages]


def test_every_kind_of_file_gives_the_labels_of_its_decoder(tmp_path):
    source = tmp_path / "maps"
    source.mkdir()
    write_probabilities(source / "tiff.tif", MAPS, spacing=(0.5, 0.25))
    np.savez(source / "nnunet.npz", probabilities=MAPS, other=np.zeros(3))
    np.savez(source / "alone.npz", whatever=MAPS)
    np.save(source / "plain.npy", MAPS)
    write_image(source / "zarr.ome.zarr", MAPS, axes="CYX")
    failed, lines = lines_of(decode_files([source], tmp_path / "out", DecodeRule(min_size=3)))
    assert not any(failed), lines
    for name in ("tiff", "nnunet", "alone", "plain", "zarr"):
        stored = MAPS.astype(np.float16) if name == "tiff" else MAPS
        expected = argmax(stored.astype(np.float32), min_size=3)
        np.testing.assert_array_equal(read_labels(tmp_path / "out" / f"{name}.tif"), expected)
    assert read_image(tmp_path / "out" / "tiff.tif").spacing == (0.5, 0.25)
    failed, lines = lines_of(decode_files([source], tmp_path / "out", DecodeRule(min_size=9)))
    assert all("already exists" in line for line in lines)


def test_a_class_map_is_decoded_as_its_probabilities(tmp_path):
    classes = MAPS.argmax(0).astype(np.uint8)
    one_hot = np.stack([classes == k for k in range(4)]).astype(np.float32)
    expected = decode_maps(one_hot, DecodeRule(min_size=2, gap="background"))
    np.testing.assert_array_equal(decode_maps(classes, DecodeRule(min_size=2)), expected)
    tifffile.imwrite(tmp_path / "c.tif", classes)
    assert lines_of(decode_files([tmp_path / "c.tif"], tmp_path / "out"))[0] == [False]


def test_thresholds_and_guides_are_used():
    rule = DecodeRule(rule="threshold", threshold={"touching": 0.2, "cell": 0.3})
    np.testing.assert_array_equal(
        decode_maps(MAPS, rule), threshold(MAPS, touching=0.2, cell=0.3, gap="second")
    )
    guides = np.random.default_rng(0).random((3, 30, 40))
    guided = np.concatenate([MAPS, guides])
    np.testing.assert_array_equal(decode_maps(guided), decode_maps(MAPS))
    relief = DecodeRule(rule="relief", relief={})
    assert decode_maps(guided, relief).shape == (30, 40)
    with pytest.raises(ValueError, match="no relief behind its classes"):
        decode_maps(MAPS, relief)


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (MAPS * 2, ["sum to 1", "softmax"]),
        (MAPS - 0.5, ["must be 0 or more"]),
        (MAPS[:1], ["2 to 4 classes first"]),
        (np.concatenate([MAPS] * 3), ["2 to 4 classes first"]),
        (np.full((4, 5), 9), ["classes 0 to 3", "9 to 9"]),
        (np.zeros((2, 2, 2, 2), int), ["class map"]),
    ],
)
def test_other_arrays_are_one_line(maps, words):
    with pytest.raises(ValueError, match=r"\w") as caught:
        decode_maps(maps)
    assert one_line(caught, *words)


def test_bad_files_are_reported_and_the_others_decoded(tmp_path):
    np.savez(tmp_path / "two.npz", a=MAPS, b=MAPS)
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    np.save(tmp_path / "nan.npy", np.full_like(MAPS, np.nan))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "text.tif").write_text("no image")
    (tmp_path / "words.npz").write_text("no arrays")
    np.save(tmp_path / "good.npy", MAPS)
    files = sorted(path for path in tmp_path.iterdir())
    failed, lines = lines_of(decode_files(files, tmp_path / "out"))
    assert sum(failed) == 6
    assert not any("\n" in line for line in lines)
    text = "\n".join(lines)
    for words in (
        "holds 2 arrays (a, b)",
        "cut.npz as NumPy file",
        "words.npz as NumPy file: it does not begin as one; write it with numpy.savez",
        "NaN or infinite",
        "good.npy: ",
    ):
        assert words in text
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.tif"]


def test_two_files_of_one_name_and_a_missing_one_are_errors(tmp_path):
    np.save(tmp_path / "a.npy", MAPS)
    np.savez(tmp_path / "a.npz", MAPS)
    with pytest.raises(ValueError, match="the same name 'a'"):
        decode_files([tmp_path], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        decode_files([tmp_path / "no.npz"], tmp_path / "out")


def test_a_file_of_probabilities_keeps_the_axes_of_a_stack(tmp_path):
    stack = random_probabilities((4, 5, 6), np.random.default_rng(1))
    write_probabilities(tmp_path / "s.tif", stack, spacing=(2, 0.5, 0.5))
    image = read_image(tmp_path / "s.tif")
    assert (image.axes, image.spacing, image.note) == ("CZYX", (2, 0.5, 0.5), "")
    np.testing.assert_array_equal(image.data, stack.astype(np.float16))


def test_a_colour_picture_is_not_three_slices_of_classes(tmp_path):
    classes = np.zeros((20, 30), np.uint8)
    classes[3:9, 3:9] = classes[3:9, 12:18] = 1
    colours = np.array([[0, 0, 0], [0, 2, 1]], np.uint8)[classes]
    tifffile.imwrite(tmp_path / "colour.tif", colours, photometric="rgb")
    grey = np.repeat(classes[..., np.newaxis], 3, axis=2)
    tifffile.imwrite(tmp_path / "grey.tif", grey, photometric="rgb")
    failed, lines = lines_of(decode_files([tmp_path], tmp_path / "out"))
    assert failed == [True, False]
    assert "colour picture" in lines[0]
    assert read_labels(tmp_path / "out" / "grey.tif").max() == 2


# --- what nnU-Net writes -------------------------------------------------------------------------


def predicted(folder, maps, *, spacing=None, names=("cell", "touching", "gap")):
    """A folder as `nnUNetv2_predict --save_probabilities` leaves it."""
    folder.mkdir()
    is_plane = maps.ndim == 3
    np.savez(folder / "case.npz", probabilities=maps[:, None] if is_plane else maps)
    (folder / "case.pkl").write_bytes(b"no picture")
    tifffile.imwrite(folder / "case.tif", maps.argmax(0).astype(np.uint8))
    if spacing:
        (folder / "case.json").write_text(json.dumps({"spacing": spacing}))
    labels = {"background": 0} | {name: number for number, name in enumerate(names, 1)}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    (folder / "plans.json").write_text("{}")
    return folder


def test_a_folder_of_nnunet_is_decoded_from_its_probabilities(tmp_path):
    source = predicted(tmp_path / "predictions", MAPS)
    rule = DecodeRule(rule="threshold", threshold={"touching": 0.2, "cell": 0.3})
    failed, lines = lines_of(decode_files([source], tmp_path / "out", rule))
    assert failed == [False]
    assert "case.npz: " in lines[0]
    labels = read_labels(tmp_path / "out" / "case.tif")
    np.testing.assert_array_equal(labels, decode_maps(MAPS, rule))  # two axes, not three
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["case.tif"]


@pytest.mark.parametrize("content", ["[]", "{", '{"labels": {"²": "cell"}}'])
def test_a_record_of_another_program_is_left_alone(tmp_path, content):
    source = predicted(tmp_path / "predictions", MAPS)
    (source / "dataset.json").write_text(content, encoding="utf-8")
    assert lines_of(decode_files([source], tmp_path / "out"))[0] == [False]


def test_without_probabilities_its_classes_are_decoded(tmp_path):
    source = predicted(tmp_path / "predictions", MAPS)
    (source / "case.npz").unlink()
    assert lines_of(decode_files([source], tmp_path / "out"))[0] == [False]
    expected = decode_maps(MAPS.argmax(0).astype(np.uint8))
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "case.tif"), expected)


@pytest.mark.parametrize("has_probabilities", [True, False])
@pytest.mark.parametrize(
    ("noted", "expected"), [([2, 0.5, 0.25], (2, 0.5, 0.25)), ([1, 1, 1], None)]
)
def test_the_pixel_size_of_a_stack_is_read_from_its_note(
    tmp_path, has_probabilities, noted, expected
):
    stack = random_probabilities((5, 12, 14), np.random.default_rng(1))
    source = predicted(tmp_path / "p", stack, spacing=noted, names=("cell", "touching"))
    if not has_probabilities:
        (source / "case.npz").unlink()
    assert lines_of(decode_files([source], tmp_path / "out"))[0] == [False]
    image = read_image(tmp_path / "out" / "case.tif")
    assert image.data.shape == (5, 12, 14)
    assert image.spacing == expected


def test_a_stack_of_one_slice_with_a_pixel_size_stays_a_stack(tmp_path):
    stack = random_probabilities((1, 12, 14), np.random.default_rng(1))
    source = predicted(tmp_path / "p", stack, spacing=[2, 0.5, 0.5], names=("cell", "touching"))
    assert lines_of(decode_files([source], tmp_path / "out"))[0] == [False]
    assert read_labels(tmp_path / "out" / "case.tif").shape == (1, 12, 14)


@pytest.mark.parametrize("text", ["{", "[]", '{"spacing": "fine"}', '{"spacing": [1, 2]}'])
def test_a_note_of_another_program_is_left_alone(tmp_path, text):
    source = predicted(tmp_path / "p", MAPS)
    (source / "case.json").write_text(text)
    assert lines_of(decode_files([source], tmp_path / "out"))[0] == [False]


def test_pixels_without_probabilities_are_background():
    # a cell at the left; without the rule its flood takes the whole row
    maps = np.zeros((3, 1, 6))
    maps[1, :, :2] = 1
    flooded = DecodeRule(rule="watershed", watershed={"background": 0.5, "cell": 0.8})
    for rule in (DecodeRule(), flooded):
        assert decode_maps(maps, rule).tolist() == [[1, 1, 0, 0, 0, 0]]


def test_classes_in_another_order_are_named(tmp_path):
    source = predicted(tmp_path / "p", MAPS, names=("touching", "cell", "gap"))
    failed, lines = lines_of(decode_files([source], tmp_path / "out"))
    assert failed == [True]
    assert (
        "has the classes background, touching, cell, gap, expected the order background" in lines[0]
    )
    other = predicted(tmp_path / "q", MAPS, names=("core", "rim", "gap"))  # ours by other names
    assert lines_of(decode_files([other], tmp_path / "out"))[0] == [False]


def test_numbers_of_cells_are_no_classes():
    with pytest.raises(ValueError, match="with 0 to 57: are these labels, the numbers of"):
        decode_maps(np.array([[0, 1, 57]]))


def test_ignored_pixels_of_a_class_data_set_stay_ignored(tmp_path):
    classes = np.array([[0, 1, 1, 2, 2, 1, 1, 0, 3, 4, 4]], np.uint8)
    labels = {"background": 0, "cell": 1, "touching": 2, "gap": 3, "ignore": 4}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    (tmp_path / "labelsTr").mkdir()
    tifffile.imwrite(tmp_path / "labelsTr" / "a.tif", classes)
    assert lines_of(decode_files([tmp_path / "labelsTr"], tmp_path / "masks"))[0] == [False]
    found = read_labels(tmp_path / "masks" / "a.tif")
    assert found.tolist() == [[0, 1, 1, 1, 2, 2, 2, 0, 0, -1, -1]]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (MAPS[:, :0], "no pixels"),
        (np.zeros((0, 7), np.uint8), "no pixels"),
        (MAPS.astype(np.complex64), "complex numbers (complex64)"),
        (np.float32(1), "it is a single number"),
    ],
)
def test_an_array_that_is_no_map_does_not_end_the_batch(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", MAPS)
    failed, lines = lines_of(decode_files([tmp_path], tmp_path / "out"))
    assert failed == [True, False], lines
    assert reason in lines[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "p.npy")
    with pytest.raises(ValueError, match=r"p\.npy is a pipe"):
        decode_files([tmp_path / "p.npy"], tmp_path / "out")
