import numpy as np
import pytest

from seamwise.segmentation.percentiles import percentiles

PERCENTS = [0, 0.1, 5, 10, 25, 33.3, 50, 66.7, 95, 99.8, 100]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("method", ["linear", "lower"])
@pytest.mark.parametrize("size", [1, 2, 3, 10, 101, 5000])
def test_they_are_those_of_numpy(dtype, method, size):
    rng = np.random.default_rng(size)
    for high in (1, 3, 256):
        values = rng.integers(0, high, size).astype(dtype)
        expected = np.percentile(values, PERCENTS, method=method).astype(float).tolist()
        assert percentiles(values, PERCENTS, method=method) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_largest_number_is_no_limit(dtype):
    values = np.array([0, np.iinfo(dtype).max], dtype)
    assert percentiles(values[::-1], [0, 25, 100]) == [0, np.iinfo(dtype).max / 4, values[1]]
    assert percentiles(values.repeat(2)[::2], [50], method="lower") == [0]
