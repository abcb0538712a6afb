import numpy as np
import pytest

from seamwise.pictures import as_unit, in_dtype


def test_integers_are_scaled_by_their_type():
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        assert as_unit(np.array([[0, top]], dtype)).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("picture", "error", "words"),
    [
        (
            np.zeros((2, 3), np.int64),
            TypeError,
            "picture must be uint8, uint16 or float, not int64",
        ),
        (np.full((2, 3), 255.0), ValueError, r"picture must lie in 0\.\.1, not 255\.0"),
        (
            np.array([[np.nan, 0.5, np.inf]]),
            ValueError,
            r"numbers in 0\.\.1, not NaN or infinity, which 2 values are: replace them",
        ),
        (np.zeros(3), ValueError, r"must be \(Y, X\) or \(Y, X, C\)"),
        (np.zeros((0, 3)), ValueError, "at least one pixel"),
    ],
)
def test_what_is_not_a_picture_is_refused(picture, error, words):
    with pytest.raises(error, match=words):
        as_unit(picture)


def test_the_error_names_the_picture():
    with pytest.raises(ValueError, match=r"^frame 3 must lie"):
        as_unit(np.full((2, 3), 2.0), name="frame 3")


@pytest.mark.parametrize(
    ("dtype", "expected"), [(np.uint8, [0, 128, 255]), (np.uint16, [0, 32768, 65535])]
)
def test_colours_are_rounded_to_the_type(dtype, expected):
    assert in_dtype(np.float32([0, 0.5, 1]), np.dtype(dtype)).tolist() == expected
