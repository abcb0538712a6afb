"""Numbers, switches and paths among options: what is taken, as what it comes back."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seamwise.plain_values import check_path, positive_number, switch, whole_number


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.uint64(3), np.float32(3), Fraction(3)])
def test_a_whole_number_of_any_type_is_an_int(value):
    number = whole_number("tile", value, 3)
    assert (number, type(number)) == (3, int)


@pytest.mark.parametrize(
    "value", [2.5, True, np.True_, "3", None, [3], np.nan, np.inf, -np.inf, 3 + 0j, np.array([3])]
)
def test_what_is_not_a_whole_number_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"^tile must be a whole number, not "):
        whole_number("tile", value)


def test_a_whole_number_has_a_least_one():
    assert whole_number("tile", -5) == -5
    with pytest.raises(ValueError, match=r"^tile must be 1 or more, not 0$"):
        whole_number("tile", 0, 1)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), Fraction(1, 2)])
def test_a_positive_number_of_any_type_is_a_float(value):
    number = positive_number("scale", value)
    assert (number, type(number)) == (0.5, float)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, True, "1", None, Decimal(1), [0.5]])
def test_what_is_not_positive_and_finite_is_refused(value):
    with pytest.raises(ValueError, match=r"^scale must be a positive number, not "):
        positive_number("scale", value)


@pytest.mark.parametrize("value", [True, 1, np.True_, np.int64(1)])
def test_a_switch_is_on_or_off(value):
    assert switch("flips", value) is True
    assert switch("flips", type(value)(0)) is False


@pytest.mark.parametrize("value", [2, -1, 0.5, "yes", "", None, [], np.array([True])])
def test_what_is_neither_on_nor_off_is_refused(value):
    with pytest.raises(ValueError, match=r"^flips must be True or False, not "):
        switch("flips", value)


class BytesPath:
    """A path in bytes, as `os.scandir(b"…")` gives."""

    def __fspath__(self):
        return b"a"


def test_a_path_is_a_text_or_a_path():
    check_path("model", "nuclei-2d")
    check_path("model", Path("a"))
    for value in (b"nuclei-2d", BytesPath(), 3, None, ["a"]):
        with pytest.raises(ValueError, match=r"^model must be a name or a path, not "):
            check_path("model", value)
