import numpy as np
import pytest

from seamwise.fusion.classical import dct, dct_cv
from seamwise.fusion.classical.dct import block_variance


def blocks(levels):
    """A grey picture whose 8×8 blocks are stripes 0.5 ± level: their standard deviation."""
    levels = np.array(levels, np.float32)
    stripes = np.tile(np.float32([-1, 1]), (8 * levels.shape[0], 4 * levels.shape[1]))
    return np.float32(0.5) + stripes * levels.repeat(8, 0).repeat(8, 1)


def test_the_variance_of_a_block_written_out():
    # 16 pixels of 1 among 64: mean 1/4, variance 1/4 − 1/16
    image = np.zeros((8, 8), np.float32)
    image[2:6, 3:7] = 1
    assert block_variance(image).item() == pytest.approx(3 / 16)


def test_the_variance_from_the_transform_is_that_of_the_pixels():
    image = np.random.default_rng(0).random((24, 40), np.float32)
    by_pixels = image.reshape(3, 8, 5, 8).transpose(0, 2, 1, 3).reshape(3, 5, 64).var(2)
    np.testing.assert_allclose(block_variance(image), by_pixels, rtol=1e-5)


def test_blocks_cut_by_the_border_are_filled_up_by_reflection():
    image = np.random.default_rng(0).random((9, 13), np.float32)
    variances = block_variance(image)
    assert variances.shape == (2, 2)
    filled = np.concatenate([image[:8, 8:], image[:8, :-4:-1]], 1)  # columns 8…12, then 12, 11, 10
    assert variances[0, 1] == pytest.approx(filled.var(), rel=1e-5)
    assert block_variance(np.float32([[0, 1]])).item() == pytest.approx(0.25)


def test_every_block_comes_from_the_frame_of_the_largest_variance():
    frames = [blocks([[0.1, 0.2, 0.3]]), blocks([[0.2, 0.3, 0.1]]), blocks([[0.3, 0.1, 0.2]])]
    fused = dct(frames)
    np.testing.assert_array_equal(fused.depth[0, ::8], [2, 1, 0])
    np.testing.assert_array_equal(fused.image, blocks([[0.3, 0.3, 0.3]]))


def test_a_flat_picture_of_another_brightness_does_not_win():
    frames = [blocks([[0.1, 0.1]]), np.ones((8, 16), np.float32)]
    np.testing.assert_array_equal(dct(frames).image, frames[0])


def test_frames_of_equal_variance_are_averaged():
    image = blocks([[0.25, 0.25]])
    negative = 1 - image
    negative[:, 8:] = 0.5
    fused = dct([image, negative])
    np.testing.assert_array_equal(fused.image[:, :8], 0.5)
    np.testing.assert_array_equal(fused.image[:, 8:], image[:, 8:])
    np.testing.assert_array_equal(fused.depth, 0)


def test_all_channels_come_from_the_block_that_wins_in_luminance():
    green, blue = np.zeros((2, 8, 8, 3), np.float32)
    green[::2, :, 1] = 1
    blue[::2, :, 2] = 1
    np.testing.assert_array_equal(dct([blue, green]).image, green)


def test_a_block_follows_the_majority_of_three_frames_around_it():
    # decisions: frame 2 stands alone among 0, and the last column is a border of 1
    decisions = np.array([[0, 0, 0, 1, 1], [0, 2, 0, 1, 1], [0, 0, 0, 1, 1]])
    frames = [blocks(np.where(decisions == number, 0.4, 0.1)) for number in range(3)]
    np.testing.assert_array_equal(dct(frames).depth[::8, ::8], decisions)
    verified = dct_cv(frames, window=3, rounds=1)
    np.testing.assert_array_equal(verified.depth[::8, ::8], [[0, 0, 0, 1, 1]] * 3)
    np.testing.assert_array_equal(verified.image[8:16, 8:16], frames[0][8:16, 8:16])


def test_equal_votes_are_averaged():
    # at the border, the reflected decision map gives 0 and 1 three votes each in the middle column;
    # 2 has three too
    frames = [blocks(np.where(np.array([[0, 2, 1]]) == number, 0.4, 0.1)) for number in range(3)]
    fused = dct_cv(frames, window=3, rounds=1)
    np.testing.assert_allclose(
        fused.image[:, 8:16], np.mean([frame[:, 8:16] for frame in frames], 0), atol=1e-6
    )
    np.testing.assert_array_equal(fused.depth[0, ::8], [0, 0, 1])


def test_a_window_of_one_block_verifies_nothing():
    frames = list(np.random.default_rng(0).random((3, 30, 45), np.float32))
    np.testing.assert_array_equal(dct_cv(frames, window=1).image, dct(frames).image)


@pytest.mark.parametrize("window", [0, 4])
def test_an_even_window_is_named(window):
    with pytest.raises(ValueError, match=f"window must be an odd number of blocks, not {window}"):
        dct_cv([np.zeros((8, 8), np.float32)] * 2, window=window)


def mean_of_window(decision, window):
    """A plain loop over blocks; the map is reflected at its border."""
    reach = window // 2
    padded = np.pad(decision, reach, mode="symmetric")
    result = np.empty(decision.shape)
    for row, column in np.ndindex(*decision.shape):
        result[row, column] = padded[row : row + window, column : column + window].mean()
    return result


def test_two_frames_are_decided_as_the_authors_do():
    rng = np.random.default_rng(3)
    first = rng.random((13, 17)) < np.linspace(0.2, 0.8, 17)  # of the blocks
    decision = np.where(first, -1.0, 1.0)
    wanted = mean_of_window(mean_of_window(decision, 7), 7)
    frames = [blocks(np.where(first == one, 0.4, 0.1)) for one in (True, False)]
    depth = dct_cv(frames).depth[::8, ::8]
    clear = abs(wanted) > 1e-9
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(depth[clear], (wanted > 0)[clear])
    assert (depth != dct_cv(frames, rounds=1).depth[::8, ::8]).any()


def test_no_round_is_named():
    with pytest.raises(ValueError, match="rounds must be 1 or more, not 0"):
        dct_cv([np.zeros((8, 8), np.float32)] * 2, rounds=0)
