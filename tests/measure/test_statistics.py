import numpy as np
import pytest

from seamwise.measure.statistics import group_statistics


@pytest.mark.parametrize(
    "dtype",
    [
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
    ],
)
def test_statistics_of_groups_are_those_of_numpy(dtype):
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 9, 400).astype(np.int32)
    ranks[ranks == 4] = 5
    values = rng.integers(0, 127, 400) if "u" in dtype else rng.integers(-128, 127, 400)
    values = (values / 3 if "f" in dtype else values).astype(dtype)
    present, found = group_statistics(ranks, values)
    assert present.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    for row, rank in enumerate(present):
        group = values[ranks == rank].astype(float)
        expected = [group.size, np.median(group), group.std()]
        expected += [getattr(group, name)() for name in ("mean", "min", "max", "sum")]
        names = ("count", "median", "sd", "mean", "min", "max", "sum")
        np.testing.assert_allclose(
            [getattr(found, name)[row] for name in names], expected, atol=1e-9
        )


def test_extreme_values_keep_their_order():
    for dtype in (np.int32, np.uint32):
        ends = np.array([np.iinfo(dtype).max, np.iinfo(dtype).min], dtype)
        _, found = group_statistics(np.zeros(2, np.int32), ends)
        assert (found.min[0], found.max[0]) == (int(ends[1]), int(ends[0]))
    _, found = group_statistics(np.zeros(4, np.int32), np.array([1e30, -1e30, -0.0, 3], np.float32))
    assert found.median[0] == 1.5
