"""Moments of parts are those of the whole."""

import numpy as np
import pytest
from scipy import stats

from seamwise.segmentation.moments import joined_moments, moments_of, shape_of


def plain(values):
    deviation = values - values.mean()
    return [values.size, values.mean(), *((deviation**power).sum() for power in (2, 3, 4))]


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_joined_moments_are_those_of_all_values(offset):
    rng = np.random.default_rng(0)
    parts = [offset + rng.gamma(2.0, size=n) for n in (1, 7, 50, 300)]
    joined = moments_of(parts[0])
    for part in parts[1:]:
        joined = joined_moments(joined, moments_of(part))
    np.testing.assert_allclose(joined, plain(np.concatenate(parts)), rtol=1e-6)


def test_a_part_without_values_changes_nothing():
    own, none = moments_of(np.array([2.0, 5.0, 11.0])), moments_of(np.empty(0))
    np.testing.assert_allclose(joined_moments(own, none), own)
    np.testing.assert_allclose(joined_moments(none, own), own)
    assert not joined_moments(none, none).any()


def test_several_rows_are_joined_at_once():
    rows = np.stack([moments_of(np.array([1.0, 2.0])), moments_of(np.array([3.0, 9.0, 9.0]))])
    both = joined_moments(rows, rows[::-1])
    np.testing.assert_allclose(both[0], plain(np.array([1.0, 2.0, 3.0, 9.0, 9.0])))
    np.testing.assert_allclose(both[1], both[0])


def test_shape_is_that_of_scipy():
    values = np.random.default_rng(1).gamma(2.0, size=400)
    skewness, kurtosis = shape_of(moments_of(values))
    assert skewness == pytest.approx(stats.skew(values))
    assert kurtosis == pytest.approx(stats.kurtosis(values))
    assert np.isinf(shape_of(moments_of(np.ones(9)))).all()
