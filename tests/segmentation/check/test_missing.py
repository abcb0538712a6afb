"""Cells that a mask lacks: noted where they are many and clear, and nowhere else."""

import numpy as np
import pytest
import tifffile

from seamwise.segmentation import find_pairs
from seamwise.segmentation.check import advise, survey
from seamwise.segmentation.check.missing import missing_cells, rough_objects

SQUARES = np.zeros((40, 80), int)
for _number in range(8):
    _y, _x = divmod(_number, 4)
    SQUARES[20 * _y + 5 : 20 * _y + 13, 20 * _x + 5 : 20 * _x + 13] = _number + 1
IMAGE = np.where(SQUARES > 0, 100, 10) + np.random.default_rng(0).normal(0, 2, SQUARES.shape)


def without(*numbers):
    return np.where(np.isin(SQUARES, numbers), 0, SQUARES)


def test_what_is_not_numbered_is_found_where_it_is():
    boxes = missing_cells(IMAGE, without(3, 8))
    assert boxes == [
        (slice(5, 13), slice(45, 53)),
        (slice(25, 33), slice(65, 73)),
    ]
    assert missing_cells(IMAGE, SQUARES) == []


@pytest.mark.parametrize(
    "image",
    [
        np.where(SQUARES == 8, 70, IMAGE),  # dimmer than all cells
        IMAGE - np.where(SQUARES > 0, 80, 0),  # cells do not stand out
        np.where((SQUARES == 8) & (np.indices(SQUARES.shape)[1] > 66), 10, IMAGE),  # a sliver
        -IMAGE,  # cells are dark
    ],
    ids=["dim", "flat", "sliver", "dark"],
)
def test_what_is_no_cell_like_the_others_is_not_accused(image):
    assert missing_cells(image, without(8)) == []


def test_ignored_pixels_and_few_cells_say_nothing():
    assert missing_cells(IMAGE, np.where(SQUARES == 8, -1, SQUARES)) == []
    assert missing_cells(IMAGE, np.where(SQUARES > 3, 0, SQUARES)) == []
    assert missing_cells(IMAGE, np.zeros_like(SQUARES)) == []


LARGE = np.kron(SQUARES, np.ones((2, 2), int))


def phase_contrast(seed=0, rough=LARGE > 0):
    """Cells as bright as the background, with edges inside."""
    noise = np.random.default_rng(seed).normal(0, 1, LARGE.shape)
    return 100 + noise * np.where(rough, 20, 1)


def lacks(*numbers):
    return np.where(np.isin(LARGE, numbers), 0, LARGE)


def test_rough_objects_are_found_where_the_cells_are_rough():
    assert missing_cells(phase_contrast(), lacks(3, 8)) == []  # they are not bright
    assert rough_objects(phase_contrast(), LARGE) == []
    boxes = rough_objects(phase_contrast(), lacks(3, 8))
    centres = [[round((s.start + s.stop) / 2) for s in box] for box in boxes]
    np.testing.assert_allclose(centres, [(18, 98), (58, 138)], atol=2)


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (phase_contrast(rough=(LARGE > 0) & (LARGE != 8)), lacks(8)),  # smooth
        (phase_contrast(rough=(LARGE > 0) | (np.indices(LARGE.shape)[0] > 50)), lacks(5, 6, 7, 8)),
        (phase_contrast(rough=np.ones(LARGE.shape, bool)), lacks(8)),  # all of it is rough
        (phase_contrast(), np.where(LARGE == 8, -1, LARGE)),
        (phase_contrast(), lacks(*range(4, 9))),
        (phase_contrast() + np.where(LARGE > 0, 100, 0), lacks(8)),  # for the other rule
        (phase_contrast()[np.newaxis], lacks(8)[np.newaxis]),
    ],
    ids=["smooth", "a wall", "tissue", "ignored", "few cells", "bright", "a stack"],
)
def test_what_is_not_as_rough_or_as_large_as_the_cells_is_not_accused(image, labels):
    assert rough_objects(image, labels) == []


def write(folder, *, keep, draw=lambda seed: None):
    large = LARGE
    labels = np.where(large % keep == 0, large, 0)
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 2, large.shape)
        image = draw(number)
        image = np.where(large > 0, 100, 10) + noise if image is None else image
        for kind, array in (("images", image), ("masks", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"{number}.tif", array.clip(0).astype(np.uint16))
    return folder


def test_check_advises_near_for_masks_that_lack_cells_only(tmp_path):
    complete, half = write(tmp_path / "a", keep=1), write(tmp_path / "b", keep=2)
    results = [survey(folder) for folder in (complete, half)]
    kinds = [{finding.kind for finding in result.findings} for result in results]
    assert "unlabelled" not in kinds[0]
    assert "unlabelled" in kinds[1]
    advice = [
        advise(result, find_pairs(folder).training, device="cpu")
        for result, folder in zip(results, (complete, half), strict=True)
    ]
    assert "unlabelled" not in {**advice[0].settings, **advice[0].reasons}
    assert advice[1].settings["unlabelled"] == "near"
    assert "lack cells" in advice[1].reasons["unlabelled"]


def test_check_notes_masks_that_lack_rough_cells(tmp_path):
    complete = survey(write(tmp_path / "a", keep=1, draw=phase_contrast))
    half = survey(write(tmp_path / "b", keep=2, draw=phase_contrast))
    assert "unlabelled" not in {finding.kind for finding in complete.findings}
    texts = [finding.text for finding in half.findings if finding.kind == "unlabelled"]
    assert texts == ["4 objects as rough and as large as the 4 cells have no number"] * 3
