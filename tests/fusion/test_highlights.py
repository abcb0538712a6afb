import cv2
import numpy as np
import pytest

from seamwise.fusion.highlights import discs_of_highlights, without_discs
from seamwise.fusion.result import Fusion
from seamwise.fusion.useful import second_opinion

BACK = 0.1


def frame(*things):
    """A dark frame with squares (y, x, side, value)."""
    picture = np.full((60, 80), BACK, np.float32)
    for y, x, side, value in things:
        picture[y : y + side, x : x + side] = value
    return picture


SHARP, DISC = frame((30, 40, 1, 1.0)), frame((28, 38, 5, 0.9))


@pytest.mark.parametrize("colours", [None, 3])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_disc_in_the_fusion_is_found_with_four_pixels_around_it(colours, order):
    frames = [SHARP, DISC]
    if colours:
        frames = [np.repeat(x[..., np.newaxis], colours, 2) for x in frames]
    mask = discs_of_highlights(*(frames[i] for i in order), frames[1])
    ys, xs = np.nonzero(mask)
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (24, 36, 34, 46)
    assert not discs_of_highlights(*frames, frames[0]).any()  # the fusion is right


@pytest.mark.parametrize("value", [0.6, 0.9])
def test_a_highlight_that_the_fusion_has_lost_is_found(value):
    """Its disc is as bright as these; the fusion has neither."""
    disc = frame((28, 38, 5, value))
    assert discs_of_highlights(SHARP, disc, frame())[30, 40]
    assert discs_of_highlights(value * SHARP, value * disc, frame())[30, 40]  # a part of the range


@pytest.mark.parametrize(
    ("first", "second", "fused"),
    [
        (frame((30, 40, 3, 1.0)), frame((30, 40, 3, 0.3)), frame((30, 40, 3, 1.0))),  # a bead
        (frame((30, 40, 3, 1.0)), frame(), frame((30, 40, 3, 1.0))),
        (frame((10, 10, 30, 1.0)), frame((9, 9, 32, 0.9)), frame((9, 9, 32, 0.9))),  # large things
        (frame((30, 40, 1, 0.8), (5, 5, 2, 1.0)), DISC, DISC),  # not white in focus
        (SHARP, SHARP, SHARP),
        (frame(), frame(), frame()),
    ],
)
def test_other_bright_things_are_no_discs(first, second, fused):
    assert not discs_of_highlights(first, second, fused).any()


def test_lines_are_no_discs():
    line = frame()
    line[30, 10:70] = line[10:50, 40] = 0.9
    assert not discs_of_highlights(SHARP, line, line).any()


def test_a_disc_that_touches_a_grey_thing_is_found():
    """At a level above the grey thing."""
    wall = frame((20, 20, 30, 0.6))
    sharp, disc = np.maximum(wall, SHARP), np.maximum(wall, DISC)
    assert discs_of_highlights(sharp, disc, disc)[30, 40]


def test_what_is_exchanged_has_a_soft_border():
    mask = np.zeros((40, 50), bool)
    mask[15:25, 20:30] = True
    pair, burst = np.zeros((40, 50, 3), np.float32), np.ones((40, 50, 3), np.float32)
    image = without_discs(pair, burst, mask)
    expected = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)
    np.testing.assert_allclose(image[..., 1], expected, atol=1e-6)
    assert image[20, 25, 0] > 0.99
    assert image[5, 5, 0] == 0


@pytest.mark.parametrize("side", [5, 45])
def test_a_pair_is_repaired_and_a_line_tells_the_share_of_the_picture(side):
    sharp, disc = frame((10, 20, 1, 1.0)), frame((10, 20, side, 0.9))
    depth = np.zeros(sharp.shape, np.uint8)
    fusion = second_opinion(
        Fusion(disc, depth + 1), [sharp, disc], ["a", "b"], lambda numbers: Fusion(sharp, depth)
    )
    share = 100 * discs_of_highlights(sharp, disc, disc).mean()
    assert fusion.notes == (
        f"highlights grow to discs: focus-burst fused {share:.1f} % of the picture",
    )
    assert share > 10 or side == 5
    inside = slice(10, 10 + side), slice(20, 20 + side)
    np.testing.assert_allclose(fusion.image[inside], sharp[inside], atol=0.02)
    assert not fusion.depth[inside].any()
    assert fusion.depth[0, 0] == 1
