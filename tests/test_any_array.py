"""Public functions of arrays, given any array: a result, or one line that says what is wrong.

The arrays are drawn by chance, from a seed: shapes of none to four axes, also empty ones, all
types, and values such as NaN, 1e300 or the largest of their type. `make nightly` draws more.
"""

import warnings

import numpy as np
import pytest

from seamwise import decode, labels, metrics, weights
from seamwise.measure import measure
from seamwise.segmentation import stitch
from support.long_tests import is_nightly

COUNT = 3000 if is_nightly else 120
SHAPES = [(), (0,), (3,), (1, 1), (4, 5), (0, 4), (7, 6), (2, 4, 5), (4, 3, 5), (1, 2, 3, 4)]
TYPES = ["?", "u1", "i1", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", "c8", "U2", "O"]
EXTREMES = [0, 1, -1, 2, 255, 2**31, -(2**63), np.nan, np.inf, -np.inf, 1e300, 0.5]

# functions of one array, of labels and another array, and of two arrays
ONE = [
    labels.relabel,
    labels.connected_components,
    labels.bounding_boxes,
    labels.fragments,
    labels.inner_contour,
    labels.measure_guides,
    labels.semantic_target,
    labels.binary_target,
    weights.balance,
    weights.counts_of,
    weights.dwm,
    weights.pieces,
    weights.saw,
    weights.saw_regions,
    weights.skeletons,
    weights.unet,
    weights.w3,
    decode.argmax,
    decode.relief,
    decode.semantic_classes,
    decode.threshold,
    decode.watershed,
    lambda array: stitch([array, array]),
]
TWO = [
    metrics.match,
    metrics.match_many,
    metrics.overlap_table,
    metrics.cell_doubt,
    metrics.cell_errors,
    metrics.contour_f1,
    metrics.seam_doubt,
    measure,
    weights.w3,
    weights.unet,
    weights.balance,
]


def any_array(rng, shape=None):
    """An array of any type: plain numbers, one value everywhere, or a mixture of extremes."""
    shape = SHAPES[rng.integers(len(SHAPES))] if shape is None else shape
    dtype = np.dtype(TYPES[rng.integers(len(TYPES))])
    kind = rng.integers(3)
    if kind == 0:
        values = rng.integers(0, 5, shape)
    elif kind == 1:
        values = np.full(shape, EXTREMES[rng.integers(len(EXTREMES))])
    else:
        values = rng.choice(EXTREMES, shape)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of values that a type does not hold
        return np.asarray(values).astype(dtype)


def check(function, *arrays):
    """Call a function; what it raises is one line, and it leaves its arrays as they were."""
    before, words = [array.copy() for array in arrays], "fine"
    try:
        function(*arrays)
    except (ValueError, TypeError) as error:
        words = str(error)
    assert words.splitlines() == [words]
    assert len(words) < 600
    for array, copy in zip(arrays, before, strict=True):
        assert array.tobytes() == copy.tobytes()


def name_of(function):
    return f"{(function.__module__ + '.x').split('.')[1]}.{function.__name__}"


@pytest.mark.parametrize("function", ONE, ids=name_of)
def test_one_array(function):
    rng = np.random.default_rng(0)
    for _ in range(COUNT):
        check(function, any_array(rng))


@pytest.mark.parametrize("function", TWO, ids=name_of)
def test_two_arrays(function):
    rng = np.random.default_rng(1)
    for _ in range(COUNT):
        first = any_array(rng)
        is_alike = rng.random() < 0.7
        check(function, first, any_array(rng, first.shape if is_alike else None))
