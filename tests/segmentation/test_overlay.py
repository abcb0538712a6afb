import numpy as np
import pytest

from seamwise.segmentation.overlay import label_colours, overlay, stretch

LABELS = np.array([
    [0, 0, 0, 0, 0, 0],
    [0, 1, 1, 1, 2, 2],
    [0, 1, 1, 1, 2, 2],
    [0, 1, 1, 1, 2, 2],
    [0, 0, 0, 0, 0, 0],
])  # fmt: skip


def test_outlines_lie_inside_the_cells_and_have_the_cells_colour():
    image = np.arange(30.0).reshape(5, 6)
    picture = overlay(image, LABELS)
    grey = np.repeat(stretch(image)[..., None], 3, axis=2)
    outline = (picture != grey).any(-1)
    expected = LABELS > 0
    expected[2, 2] = False  # the only pixel of cell 1 that no other label touches
    expected[2, 5] = False  # cell 2 runs out of the image there
    assert np.array_equal(outline, expected)
    palette = label_colours(2)
    assert (picture[outline] == palette[LABELS[outline]]).all()


def test_colours_are_distinct_and_the_background_is_black():
    palette = label_colours(300)
    assert palette.dtype == np.uint8
    assert (palette[0] == 0).all()
    assert len(np.unique(palette[1:20], axis=0)) == 19
    assert palette[1:].max(1).min() > 200


def test_stacks_show_their_middle_slice_and_channels_the_first():
    stack = np.stack([LABELS * 0, LABELS, LABELS * 0])
    image = np.random.default_rng(0).random((2, *stack.shape))
    assert np.array_equal(overlay(image, stack), overlay(image[0, 1], LABELS))


def test_an_image_without_cells_or_contrast_stays_grey():
    picture = overlay(np.full((4, 5), 7), np.zeros((4, 5), np.uint8))
    assert (picture == picture[..., :1]).all()


def test_wide_outlines_stay_inside_their_cells():
    image = np.zeros((12, 12))
    labels = np.zeros((12, 12), int)
    labels[1:11, 1:6], labels[1:11, 6:11] = 1, 70000
    picture = overlay(image, labels, width=2)
    is_drawn = picture.any(-1)
    expected = labels > 0
    expected[3:9, 3] = expected[3:9, 8] = False  # deeper than two pixels
    assert np.array_equal(is_drawn, expected)
    assert len(np.unique(picture[labels == 1], axis=0)) == 2  # its colour, and what is inside


def test_numbers_are_written_in_white_into_their_cells():
    labels = np.zeros((60, 120), int)
    labels[10:50, 10:50], labels[10:50, 70:110] = 8, 1
    plain, numbered = overlay(labels * 0, labels), overlay(labels * 0, labels, numbers=True)
    is_white = (numbered == 255).all(-1)
    assert not is_white[labels == 0].any()
    white = [is_white[labels == number].sum() for number in (8, 1)]
    assert white[0] > white[1] > 10
    assert np.array_equal(plain[:, :5], numbered[:, :5])


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ValueError, match="width must be 1 or more"):
        overlay(np.zeros((5, 6)), LABELS, width=0)
