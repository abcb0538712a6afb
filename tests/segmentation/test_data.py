import json
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.io.models import NormalizationRule
from seamwise.labels import Fragments, binary_target, semantic_target
from seamwise.segmentation import TrainSettings, with_corrected
from seamwise.segmentation.check import KINDS, survey
from seamwise.segmentation.check.masks import mask_faults
from seamwise.segmentation.data import (
    AnnotatedImage,
    Pair,
    Split,
    find_pairs,
    find_split,
    image_notes,
    mask_notes,
    read_pair,
    read_split,
)
from seamwise.synth import crowded_cells
from support.files import one_line

RULE = NormalizationRule()
GREY = np.random.default_rng(0).integers(0, 255, (20, 24)).astype(np.uint8)
LABELS = np.zeros((20, 24), np.uint16)
LABELS[3:9, 4:11], LABELS[10:15, 4:11] = 7, 300


def write(path: Path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        iio.imwrite(path, array)
    else:
        tifffile.imwrite(path, array)


def names(pairs):
    return [pair.name for pair in pairs]


def test_images_and_masks_pair_up_by_stem_and_every_7th_is_held_out(tmp_path):
    for number in range(9):
        write(tmp_path / "images" / f"c{number}.png", GREY)
        write(tmp_path / "masks" / f"c{number}.tif", LABELS)
    split = find_pairs(tmp_path)
    assert names(split.validation) == ["c0", "c7"]
    assert names(split.training) == ["c1", "c2", "c3", "c4", "c5", "c6", "c8"]
    assert names(find_pairs(tmp_path, hold_out_every=3).validation) == ["c0", "c3", "c6"]


def annotated_folder(folder, count):
    for number in range(count):
        write(folder / "images" / f"{number}.tif", GREY)
        write(folder / "masks" / f"{number}.tif", LABELS)


def test_a_quarter_of_the_images_is_for_the_test_and_another_for_validation(tmp_path):
    annotated_folder(tmp_path, 9)
    split = find_split(tmp_path)
    assert names(split.validation) == ["0", "4", "8"]
    assert names(split.test) == ["1", "5"]
    assert names(split.training) == ["2", "3", "6", "7"]


def test_folders_for_validation_and_test_are_taken_as_they_are(tmp_path):
    annotated_folder(tmp_path / "train", 5)
    annotated_folder(tmp_path / "val", 1)
    assert [len(part) for part in (find_split(tmp_path).training, find_split(tmp_path).test)] == [
        3,
        2,
    ]
    annotated_folder(tmp_path / "test", 2)
    split = find_split(tmp_path)
    assert [len(part) for part in (split.training, split.validation, split.test)] == [5, 1, 2]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_images_are_too_few_for_three_parts(tmp_path, count):
    annotated_folder(tmp_path, count)
    with pytest.raises(ValueError, match="too few images"):
        find_split(tmp_path)


def test_train_and_val_folders(tmp_path):
    for part, name in [("train", "a"), ("train", "b"), ("val", "v"), ("test", "t")]:
        write(tmp_path / part / "images" / f"{name}.tif", GREY)
        write(tmp_path / part / "masks" / f"{name}.tif", LABELS)
    split = find_pairs(tmp_path)
    assert (names(split.training), names(split.validation)) == (["a", "b"], ["v"])


def test_masks_beside_images(tmp_path):
    write(tmp_path / "x.tif", GREY)
    write(tmp_path / "x_masks.tif", LABELS)
    split = find_pairs(tmp_path)
    assert (
        names(split.training) == names(split.validation) == ["x"]
    )  # a single image serves for both
    assert split.training[0].labels.name == "x_masks.tif"


def test_nnunet_channels_become_one_image(tmp_path):
    for case in ("liver_01", "liver_02"):
        for channel in range(2):
            write(tmp_path / "imagesTr" / f"{case}_000{channel}.tif", GREY + channel)
        write(tmp_path / "labelsTr" / f"{case}.tif", LABELS)
    (tmp_path / "dataset.json").write_text(json.dumps({"file_ending": ".tif"}))
    write(tmp_path / "imagesTr" / "preview_0000.png", GREY)
    split = find_pairs(tmp_path)
    assert names(split.training) == ["liver_02"]
    image = read_pair(split.training[0], ndim=2, rule=RULE)
    assert image.image.shape == (2, 20, 24)


def challenge(folder, series, numbers, *, truth="GT"):
    for number in range(4):
        write(folder / series / f"t{number:03}.tif", GREY)
    for number in numbers:
        write(folder / f"{series}_{truth}" / "SEG" / f"man_seg{number:03}.tif", LABELS)


def test_series_of_the_cell_tracking_challenge(tmp_path):
    challenge(tmp_path, "01", [0, 2])
    write(tmp_path / "01_GT" / "TRA" / "man_track000.tif", LABELS)
    assert names(find_pairs(tmp_path).training) == ["01-t002"]  # one series: every 7th
    challenge(tmp_path, "02", [1, 3], truth="ST")
    split = find_pairs(tmp_path)
    assert names(split.training) == ["01-t000", "01-t002"]
    assert names(split.validation) == ["02-t001", "02-t003"]
    pair = split.training[1]
    assert pair.images == (tmp_path / "01" / "t002.tif",)
    assert pair.labels == tmp_path / "01_GT" / "SEG" / "man_seg002.tif"
    assert read_pair(pair).labels.max() == 2
    (tmp_path / "moved" / "train").mkdir(parents=True)
    for name in ("01", "01_GT", "02", "02_ST"):
        shutil.copytree(tmp_path / name, tmp_path / "moved" / "train" / name)
    assert names(find_pairs(tmp_path / "moved").validation) == ["02-t001", "02-t003"]
    challenge(tmp_path, "02", [2])  # people before programs
    assert names(find_pairs(tmp_path).validation) == ["02-t002"]


def test_a_series_without_masks_is_told_by_the_check(tmp_path):
    for series, numbers in (("01", [0, 2]), ("02", []), ("03", [])):
        challenge(tmp_path / "train", series, numbers)
    for path in (tmp_path / "train" / "03").iterdir():
        path.unlink()
    told = [one for one in survey(tmp_path).findings if one.kind == "no masks"]
    assert [one.name for one in told] == ["02"]
    assert told[0].text.endswith("02 has no masks in 02_GT/SEG")
    assert KINDS["no masks"].severity == "look"


def test_a_mask_of_the_challenge_without_a_frame_is_named(tmp_path):
    challenge(tmp_path, "01", [1, 9])
    with pytest.raises(FileNotFoundError, match=r"man_seg009\.tif has no frame t009\.tif in"):
        find_pairs(tmp_path)


def test_masks_of_single_slices_are_not_read(tmp_path):
    challenge(tmp_path, "01", [])
    write(tmp_path / "01_GT" / "SEG" / "man_seg_000_005.tif", LABELS)
    with pytest.raises(FileNotFoundError, match=r"SEG holds no man_seg000\.tif: masks of single"):
        find_pairs(tmp_path)


def test_reading_normalises_and_renumbers(tmp_path):
    write(tmp_path / "a.png", GREY)
    write(tmp_path / "a_masks.tif", np.where(LABELS == 300, -5, LABELS.astype(np.int16)))
    image = read_pair(find_pairs(tmp_path).training[0], ndim=2, rule=RULE)
    np.testing.assert_allclose(np.percentile(image.image, [1, 99.8]), [0, 1], atol=1e-5)
    assert np.array_equal(np.unique(image.labels), [-1, 0, 1])
    assert image.labels.dtype.kind == "i"


def test_a_colour_image_of_equal_channels_is_grey_and_others_keep_their_channels(tmp_path):
    write(tmp_path / "a.png", np.stack([GREY] * 3, -1))
    write(tmp_path / "b.png", np.stack([GREY, GREY // 2, GREY], -1))
    for name in "ab":
        write(tmp_path / f"{name}_masks.tif", LABELS)
    split = find_pairs(tmp_path)
    assert read_pair(split.validation[0], ndim=2, rule=RULE).image.shape[0] == 1
    assert read_pair(split.training[0], ndim=2, rule=RULE).image.shape[0] == 3
    assert read_pair(split.training[0], ndim=2, rule=RULE, channel=1).image.shape[0] == 1


@pytest.mark.parametrize("shape", [(20, 24), (5, 20, 24)])
def test_the_number_of_axes_is_that_of_the_image(tmp_path, shape):
    given = pair(tmp_path, np.broadcast_to(GREY, shape), np.broadcast_to(LABELS, shape))
    assert read_pair(given, rule=RULE).ndim == len(shape)
    assert read_pair(given, ndim=len(shape), rule=RULE).ndim == len(shape)


def pair(tmp_path, image, mask, mask_suffix=".tif"):
    write(tmp_path / "i.tif", image)
    write(tmp_path / f"m{mask_suffix}", mask)
    return Pair("i", (tmp_path / "i.tif",), tmp_path / f"m{mask_suffix}")


@pytest.mark.parametrize(
    ("image", "mask", "suffix", "word"),
    [
        (
            GREY,
            LABELS[:-1],
            ".tif",
            r"mask .*m\.tif must have the size of .*\(20, 24\), not \(19, 24\)",
        ),
        (GREY, LABELS.astype(np.float32), ".tif", "m.tif.*float32"),
        (GREY, np.stack([LABELS.astype(np.uint8)] * 3, -1), ".png", "m.png"),
        (np.stack([GREY] * 5), np.stack([LABELS] * 5), ".tif", "ndim = 3"),
        (np.where(GREY > 250, np.nan, 1.0).astype(np.float32), LABELS, ".tif", "i.tif.*NaN"),
        (np.full_like(GREY, 9), LABELS, ".tif", "i.tif.*constant"),
    ],
)
def test_bad_pairs_are_named(tmp_path, image, mask, suffix, word):
    with pytest.raises((ValueError, TypeError), match=word):
        read_pair(pair(tmp_path, image, mask, suffix), ndim=2, rule=RULE)


def test_a_mask_without_cells_is_read_and_said(tmp_path):
    image = read_pair(pair(tmp_path, GREY, LABELS * 0), ndim=2, rule=RULE)
    assert not image.labels.any()
    assert "no cells" in image.hint


def test_a_field_of_noise_is_an_example_without_cells(tmp_path):
    noise = np.random.default_rng(0).normal(5000, 300, (128, 128)).astype(np.uint16)
    empty = np.zeros((128, 128), np.uint8)
    image = read_pair(pair(tmp_path, noise, empty), ndim=2, rule=RULE)
    assert image.image.std() > 0.1
    assert "no cells; the image counts as background" in image.hint


def test_a_black_and_white_mask_is_said(tmp_path):
    spots = np.zeros_like(LABELS)
    spots[::4, ::4] = 255
    image = read_pair(pair(tmp_path, GREY, spots), ndim=2, rule=RULE)
    assert "a single number in many pieces" in image.hint
    assert "--masks binary" in image.hint
    assert image.fragments == ()
    assert not read_pair(pair(tmp_path, GREY, np.minimum(LABELS, 7)), ndim=2, rule=RULE).hint


def test_a_photograph_in_place_of_a_mask_is_said(tmp_path):
    for annotation in ("instances", "binary"):
        image = read_pair(pair(tmp_path, GREY, GREY), ndim=2, rule=RULE, annotation=annotation)
        assert "as in a photograph" in image.hint
        assert image.fragments == ()


def two_cells_and_a_line(value, dtype):
    mask = np.zeros(GREY.shape, dtype)
    mask[3:9, 4:16] = value
    for row in range(3, 9):  # a line of one pixel, its pixels meet at corners
        mask[row, row + 4] = 0
    return mask


@pytest.mark.parametrize(("value", "dtype"), [(1, np.uint8), (255, np.uint8), (7, np.int16)])
def test_the_components_of_a_binary_mask_are_its_cells(tmp_path, value, dtype):
    mask = two_cells_and_a_line(value, dtype)
    image = read_pair(pair(tmp_path, GREY, mask), ndim=2, rule=RULE, annotation="binary")
    assert np.array_equal(np.unique(image.labels), [0, 1, 2])
    assert np.array_equal(image.labels > 0, mask > 0)
    assert (image.labels[3, 4], image.labels[3, 15]) == (1, 2)
    assert image.labels.dtype == np.int32
    assert np.array_equal(binary_target(image.labels), binary_target(mask))
    assert (image.hint, image.fragments) == ("", ())


def test_ignored_pixels_of_a_binary_mask_stay_ignored(tmp_path):
    mask = two_cells_and_a_line(1, np.int8)
    mask[12:, :3] = -4
    image = read_pair(pair(tmp_path, GREY, mask), ndim=2, rule=RULE, annotation="binary")
    assert np.array_equal(image.labels == -1, mask < 0)
    assert image.labels.max() == 2


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_a_binary_mask_may_have_one_bit(tmp_path, suffix):
    given = pair(tmp_path, GREY, GREY)
    mask = two_cells_and_a_line(True, bool)
    PIL.Image.fromarray(mask).save(tmp_path / f"m{suffix}")
    given = Pair("i", given.images, tmp_path / f"m{suffix}")
    assert read_pair(given, ndim=2, rule=RULE, annotation="binary").labels.max() == 2
    with pytest.raises(ValueError, match=r"binary \(1 bit\).*--masks binary"):
        read_pair(given, ndim=2, rule=RULE)


def test_a_binary_mask_of_several_numbers_is_said(tmp_path):
    touching = LABELS.copy()
    touching[9, 4:11] = 7
    image = read_pair(pair(tmp_path, GREY, touching), ndim=2, rule=RULE, annotation="binary")
    assert image.labels.max() == 1
    assert "several numbers; if they number the cells, remove --masks binary" in image.hint


def test_a_binary_mask_in_many_pieces_needs_no_hint(tmp_path):
    spots = np.zeros_like(LABELS)
    spots[::4, ::4] = 255
    image = read_pair(pair(tmp_path, GREY, spots), ndim=2, rule=RULE, annotation="binary")
    assert (image.labels.max(), image.hint) == (30, "")


def test_cells_in_pieces_are_summed_up_in_one_line(tmp_path):
    crumbs = LABELS.copy()
    crumbs[0, 0] = crumbs[0, 2] = 300
    crumbs[18, 0:3] = 7
    (tmp_path / "b").mkdir()
    whole = read_pair(pair(tmp_path, GREY, LABELS), ndim=2, rule=RULE)
    image = read_pair(pair(tmp_path / "b", GREY, crumbs), ndim=2, rule=RULE)
    assert image.fragments == (Fragments(7, (42, 3)), Fragments(300, (35, 1, 1)))
    assert (image.hint, whole.fragments) == ("", ())
    (note,) = mask_notes([whole, image])
    assert note.startswith(
        "2 of 4 cells are in several pieces (in 1 of 2 images, e.g. number 7 of i; "
        "half of the smaller pieces have "
        "at most 1 pixel, the largest 3)"
    )
    assert "\n" not in note
    assert mask_notes([whole]) == mask_notes([]) == []


def test_pixels_that_meet_at_a_corner_are_one_piece_as_in_check(tmp_path):
    cornered = LABELS.copy()
    cornered[2, 3] = 7  # the cell begins at row 3, column 4
    assert read_pair(pair(tmp_path, GREY, cornered), ndim=2, rule=RULE).fragments == ()
    assert "crumbs" not in [fault.kind for fault in mask_faults(cornered)]


def test_hints_are_summed_up_in_a_line_for_each_kind():
    def image(name, hint):
        return AnnotatedImage(name, GREY[None], LABELS.astype(np.int32), hint=hint)

    images = [image("a", ""), image("b", "no cells"), image("c", "odd"), image("d", "no cells")]
    assert mask_notes(images) == [
        "2 of 4 masks (e.g. of b): no cells",
        "1 of 4 masks (e.g. of c): odd",
    ]


def test_a_split_is_read_in_its_parts_and_each_file_once(tmp_path):
    annotated_folder(tmp_path, 3)
    pairs = find_pairs(tmp_path).training + find_pairs(tmp_path).validation
    steps = []
    training, validation, test = read_split(
        Split(pairs[:2], pairs[1:3], pairs[:1]),
        TrainSettings(),
        report=lambda done, total: steps.append((done, total)),
    )
    assert [names(part) for part in (training, validation, test)] == [
        names(pairs[:2]),
        names(pairs[1:3]),
        names(pairs[:1]),
    ]
    assert training[0] is test[0]
    assert training[1] is validation[0]
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_notes_tell_of_each_image_once():
    image = AnnotatedImage("a", np.zeros((1, 4, 4), np.float32), LABELS, note="n", hint="h")
    other = AnnotatedImage("b", np.zeros((1, 4, 4), np.float32), LABELS, note="n")
    assert image_notes([image, other, image]) == ["n", "1 of 2 masks (e.g. of a): h"]


def test_missing_masks_are_named(tmp_path):
    for name in "abcde":
        write(tmp_path / "images" / f"{name}.tif", GREY)
    write(tmp_path / "masks" / "a.tif", LABELS)
    with pytest.raises(
        FileNotFoundError, match=r"4 of 5 images .* have no mask of the same name: b, c, d, …"
    ):
        find_pairs(tmp_path)


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: folder.mkdir()])
def test_missing_and_empty_folders_are_named(tmp_path, make):
    make(tmp_path / "data")
    with pytest.raises(FileNotFoundError, match="data"):
        find_pairs(tmp_path / "data")


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs ../shared/data, the development data beside the checkout"
)
def test_the_development_data_is_found_and_read():
    split = find_pairs(SHARED / "dsb2018" / "train")
    assert (len(split.training), len(split.validation)) == (383, 64)
    image = read_pair(split.validation[0], ndim=2, rule=RULE)
    assert image.image.shape[1:] == image.labels.shape
    assert image.labels.max() > 0


# --- data sets of nnU-Net: cells, or classes -----------------------------------------------------

SCENE = crowded_cells((80, 90), cells=12, radius=9, rng=0)
CLASSES = semantic_target(SCENE.labels, classes=4).astype(np.uint8)


def nnunet_folder(tmp_path, mask, labels):
    """One case and a ``dataset.json`` with these labels."""
    for case in ("a", "b"):
        write(tmp_path / "imagesTr" / f"{case}_0000.tif", SCENE.image)
        write(tmp_path / "labelsTr" / f"{case}.tif", mask)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "file_ending": ".tif"}))
    return tmp_path


def test_a_folder_may_be_text_and_a_pair_needs_no_rule(tmp_path):
    write(tmp_path / "a.png", GREY)
    write(tmp_path / "a_masks.tif", LABELS)
    assert find_pairs(str(tmp_path)) == find_pairs(tmp_path)
    pair = find_pairs(str(tmp_path)).training[0]
    np.testing.assert_array_equal(read_pair(pair).image, read_pair(pair, rule=RULE).image)
    for name in "bcd":
        write(tmp_path / f"{name}.png", GREY)
        write(tmp_path / f"{name}_masks.tif", LABELS)
    assert find_split(str(tmp_path)) == find_split(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "cell": 1, "touching": 2, "gap": 3},
        {"background": 0, "cell": 1, "touching": 2, "gap": 3, "ignore": 4},
        {"background": 0, "cell": [1, 2], "touching": 2, "gap": 3},
        {"0": "background", "1": "cell", "2": "touching", "3": "gap"},
    ],
)
@pytest.mark.parametrize("annotation", ["instances", "binary"])
def test_classes_are_not_read_as_cells(tmp_path, labels, annotation):
    mask = np.where(SCENE.labels > 9, 4, CLASSES) if "ignore" in labels else CLASSES
    folder = nnunet_folder(tmp_path, mask.astype(np.uint8), labels)
    with pytest.raises(ValueError, match=r"a.tif|b.tif") as caught:
        read_pair(find_pairs(folder).training[0], annotation=annotation)
    assert one_line(caught, "holds the classes cell, touching, gap", "seamwise decode", "labelsTr")


def test_cells_in_a_data_set_of_classes_are_read_as_cells(tmp_path):
    labels = {"background": 0, "cell": 1, "touching": 2, "ignore": 3}
    folder = nnunet_folder(tmp_path, SCENE.labels.astype(np.uint16), labels)
    image = read_pair(find_pairs(folder).training[0])
    assert image.labels.max() == len(np.unique(SCENE.labels)) - 1
    assert image.labels.min() == 0


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "cell": 1, "ignore": 2},
        {"background": 0, "cell": 1, "touching": 2},
    ],
)
def test_a_mask_of_two_cells_is_read_as_its_neighbours_are(tmp_path, labels):
    folder = nnunet_folder(tmp_path, SCENE.labels.astype(np.uint8), labels)
    two = np.where(SCENE.labels > 2, 0, SCENE.labels).astype(np.uint8)
    write(folder / "labelsTr" / "b.tif", two)
    (folder / "labelsTr" / "c.tif").write_bytes(b"damaged")
    write(folder / "imagesTr" / "c_0000.tif", SCENE.image)
    split = find_pairs(folder)
    pair = next(one for one in (*split.training, *split.validation) if one.name == "b")
    np.testing.assert_array_equal(read_pair(pair).labels > 0, two > 0)
    assert read_pair(pair).labels.max() == 2


def test_the_number_that_nnunet_ignores_is_ignored(tmp_path):
    mask = (SCENE.labels > 0).astype(np.uint8)
    mask[:8] = 2
    folder = nnunet_folder(tmp_path, mask, {"background": 0, "cell": 1, "ignore": 2})
    image = read_pair(find_pairs(folder).training[0], annotation="binary")
    np.testing.assert_array_equal(image.labels == -1, mask == 2)
    assert image.labels.max() > 1


def test_a_corrected_mask_replaces_classes(tmp_path):
    labels = {"background": 0, "cell": 1, "touching": 2, "gap": 3}
    split = find_pairs(nnunet_folder(tmp_path / "data", CLASSES, labels))
    two = np.where(SCENE.labels > 2, 0, SCENE.labels).astype(np.uint8)
    write(tmp_path / "corrected" / "b.tif", two)
    pairs = with_corrected(split, tmp_path / "corrected").training
    assert read_pair(next(pair for pair in pairs if pair.name == "b")).labels.max() == 2


def test_a_mask_of_classes_without_a_record_is_noted(tmp_path):
    write(tmp_path / "images" / "a.tif", SCENE.image)
    write(tmp_path / "masks" / "a.tif", CLASSES)
    image = read_pair(find_pairs(tmp_path).training[0])
    assert image.hint.startswith("a few numbers in many pieces, as classes have")
    assert image.fragments == ()
