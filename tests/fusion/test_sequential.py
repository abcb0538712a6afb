import numpy as np
import pytest

from seamwise.fusion.result import Fusion
from seamwise.fusion.sequential import functional_power


def brighter(first, second):
    return Fusion(np.maximum(first, second), (second > first).astype(np.uint8))


def mean(first, second):
    return Fusion((first + second) / 2, np.zeros(first.shape[:2], np.uint8))


def test_a_pair_is_the_method_itself():
    burst = [np.float32([[1, 0]]), np.float32([[0, 1]])]
    fused = functional_power(brighter, burst)
    np.testing.assert_array_equal(fused.image, [[1, 1]])
    np.testing.assert_array_equal(fused.depth, [[0, 1]])


def test_depth_follows_a_pixel_through_later_pairs():
    burst = [
        np.float32([[5, 0, 0, 1]]),
        np.float32([[0, 5, 1, 2]]),
        np.float32([[1, 1, 5, 3]]),
        np.float32([[2, 2, 2, 4]]),
    ]
    fused = functional_power(brighter, burst)
    np.testing.assert_array_equal(fused.image, [[5, 5, 5, 4]])
    np.testing.assert_array_equal(fused.depth, [[0, 1, 2, 3]])
    assert fused.depth.dtype == np.uint8


def test_pairs_are_nested_to_the_left():
    burst = [np.float32([[[8, 0]]]), np.float32([[[0, 4]]]), np.float32([[[2, 2]]])]
    np.testing.assert_array_equal(
        functional_power(mean, burst).image, [[[3, 2]]]
    )  # ((8+0)/2 + 2)/2, ((0+4)/2 + 2)/2


def test_many_frames_are_numbered_in_a_type_that_holds_them():
    burst = [np.float32([[number]]) for number in range(300)]
    fused = functional_power(brighter, burst)
    assert fused.depth.item() == 299
    assert fused.depth.dtype == np.uint16


def test_the_frames_are_not_changed():
    burst = [np.float32([[1, 0]]), np.float32([[0, 1]])]
    functional_power(brighter, burst)
    np.testing.assert_array_equal(burst, [[[1, 0]], [[0, 1]]])


def test_one_frame_is_refused():
    with pytest.raises(ValueError, match="frames must be at least two pictures, not 1"):
        functional_power(brighter, [np.zeros((2, 2), np.float32)])


def test_each_frame_is_read_once():
    read = []

    class Frames(list):
        def __getitem__(self, number):
            read.append(number)
            return super().__getitem__(number)

    functional_power(brighter, Frames(np.eye(4, dtype=np.float32)[:, np.newaxis]))
    assert read == [0, 1, 2, 3]
