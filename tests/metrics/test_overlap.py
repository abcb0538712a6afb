import tracemalloc

import numpy as np
import pytest

from oracles.matching import overlap_counts
from seamwise.metrics import overlap_table


def as_dicts(table):
    pairs = table.pixels.tocoo()
    shared = {
        (int(table.true_ids[i]), int(table.pred_ids[j])): int(pixels)
        for i, j, pixels in zip(pairs.row, pairs.col, pairs.data, strict=True)
    }
    true_areas = dict(zip(table.true_ids.tolist(), table.true_areas.tolist(), strict=True))
    pred_areas = dict(zip(table.pred_ids.tolist(), table.pred_areas.tolist(), strict=True))
    return true_areas, pred_areas, shared


def test_counts_written_out():
    labels_true = np.array([[3, 3, 0, 8], [3, 3, 8, 8], [0, 0, 8, 8]])
    labels_pred = np.array([[5, 5, 5, 0], [5, 2, 2, 2], [0, 0, 2, 2]])
    table = overlap_table(labels_true, labels_pred)
    assert table.true_ids.tolist() == [3, 8]
    assert table.pred_ids.tolist() == [2, 5]
    assert table.true_areas.tolist() == [4, 5]
    assert table.pred_areas.tolist() == [5, 4]
    assert table.pixels.toarray().tolist() == [[1, 3], [4, 0]]
    np.testing.assert_allclose(table.iou().toarray(), [[1 / 8, 3 / 5], [4 / 6, 0]], rtol=1e-15)
    assert (table.n_true, table.n_pred) == (2, 2)


def test_only_pairs_that_meet_are_stored():
    table = overlap_table(np.array([1, 2, 3, 0]), np.array([1, 2, 0, 3]))
    assert table.pixels.nnz == table.iou().nnz == 2


def test_ignored_pixels_count_for_nothing():
    labels_true = np.array([1, 1, -1, -1, -7, 0])
    labels_pred = np.array([4, 0, 4, 9, 9, 4])
    table = overlap_table(labels_true, labels_pred)
    assert as_dicts(table) == ({1: 2}, {4: 2}, {(1, 4): 1})


@pytest.mark.parametrize("shape", [(61,), (11, 17), (3, 7, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([0, 1, 2, 3, 4], id="sequential"),
        pytest.param([0, 90, 7, 33, 61], id="gaps"),
        pytest.param([0, 2**40, 7, 2**62, 12], id="huge"),
    ],
)
def test_equals_the_oracle(shape, ids):
    rng = np.random.default_rng(sum(shape))
    labels_true = rng.choice([*ids, -1, -2], size=shape)
    labels_pred = rng.choice(ids[::-1], size=shape)
    assert as_dicts(overlap_table(labels_true, labels_pred)) == overlap_counts(
        labels_true, labels_pred
    )


@pytest.mark.parametrize("dtype", "bhilqBHILQ")
def test_any_integer_dtype(dtype):
    largest = np.iinfo(dtype).max
    labels_true = np.array([largest, largest, 0, 3], dtype=dtype)
    labels_pred = np.array([0, largest, 3, 3], dtype=dtype)
    table = overlap_table(labels_true, labels_pred)
    assert table.true_ids.dtype == table.pred_ids.dtype == np.dtype(dtype)
    assert as_dicts(table) == (
        {3: 1, int(largest): 2},
        {3: 2, int(largest): 1},
        {(3, 3): 1, (int(largest), int(largest)): 1},
    )


@pytest.mark.parametrize("dtype", "bhilqBHILQ")
def test_any_integer_dtype_with_more_pixels_than_labels(dtype):
    labels_true = np.array([1, 3, 1, 3, 1, 3], dtype=dtype)
    labels_pred = np.array([0, 2, 0, 2, 3, 3], dtype=dtype)
    table = overlap_table(labels_true, labels_pred)
    assert table.true_ids.dtype == table.pred_ids.dtype == np.dtype(dtype)
    assert as_dicts(table) == ({1: 3, 3: 3}, {2: 2, 3: 2}, {(1, 3): 1, (3, 2): 2, (3, 3): 1})


def test_dtypes_may_differ():
    table = overlap_table(
        np.array([1, -1, 2], dtype=np.int8), np.array([2**40, 1, 5], dtype=np.uint64)
    )
    assert as_dicts(table) == ({1: 1, 2: 1}, {2**40: 1, 5: 1}, {(1, 2**40): 1, (2, 5): 1})


def test_memory_layout_does_not_matter():
    rng = np.random.default_rng(0)
    labels_true, labels_pred = rng.integers(-1, 5, (8, 13)), rng.integers(0, 5, (8, 13))
    expected = as_dicts(overlap_table(labels_true, labels_pred))
    assert as_dicts(overlap_table(np.asfortranarray(labels_true), labels_pred)) == expected
    assert as_dicts(overlap_table(labels_true.T, labels_pred.T)) == expected
    assert as_dicts(overlap_table(labels_true[::-1, ::-1], labels_pred[::-1, ::-1])) == expected


def test_arguments_are_left_alone():
    labels_true, labels_pred = np.array([1, -1, 2]), np.array([1, 1, 0])
    labels_true.flags.writeable = labels_pred.flags.writeable = False
    overlap_table(labels_true, labels_pred)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 4)])
@pytest.mark.parametrize("value", [0, -1])
def test_no_objects(shape, value):
    labels_true = np.full(shape, value)
    table = overlap_table(labels_true, np.zeros(shape, dtype=int))
    assert table.pixels.shape == table.iou().shape == (0, 0)
    assert table.true_areas.shape == table.pred_areas.shape == (0,)


def test_ten_thousand_objects_fit_in_little_memory():
    labels_true = np.kron(np.arange(1, 10_001).reshape(100, 100), np.ones((4, 4), dtype=int))
    labels_pred = np.roll(labels_true, 1, axis=(0, 1))
    tracemalloc.start()
    table = overlap_table(labels_true, labels_pred)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (table.n_true, table.n_pred, table.pixels.nnz) == (10_000, 10_000, 40_000)
    # a dense table of 10,000 x 10,000 bytes alone would be 100 MB
    assert peak < 20e6


@pytest.mark.parametrize("name", ["labels_true", "labels_pred"])
@pytest.mark.parametrize("dtype", [bool, float])
def test_refuses_masks_and_floats(name, dtype):
    arrays = {"labels_true": np.ones(3, dtype=int), "labels_pred": np.ones(3, dtype=int)}
    arrays[name] = np.ones(3, dtype=dtype)
    with pytest.raises(TypeError, match=f"^{name} must be integers .* not {np.dtype(dtype)}"):
        overlap_table(**arrays)


def test_refuses_other_shapes():
    with pytest.raises(
        ValueError, match=r"^labels_pred must have the shape of labels_true \(2, 3\), not \(3, 2\)"
    ):
        overlap_table(np.zeros((2, 3), dtype=int), np.zeros((3, 2), dtype=int))


@pytest.mark.parametrize("value_true", [0, -1])
def test_refuses_negative_predictions(value_true):
    with pytest.raises(ValueError, match=r"^labels_pred must hold values of 0 or more, not -3"):
        overlap_table(np.array([1, value_true]), np.array([1, -3]))
