"""Moments of numbers that come in parts: `moments_of`, `joined_moments`, `shape_of`."""

import numpy as np
from numpy.typing import NDArray


def moments_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return count, mean, and the sums of the 2nd, 3rd and 4th powers of the deviation from it.

    Examples
    --------
    >>> moments_of(np.array([1.0, 1.0, 4.0]))
    array([ 3.,  2.,  6.,  6., 18.])
    """
    mean = values.mean() if values.size else 0.0
    deviation = values.ravel() - mean
    square = deviation * deviation
    return np.array(
        [values.size, mean, square.sum(), square @ deviation, square @ square], np.float64
    )


def joined_moments(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the moments `(…, 5)` of two parts together; their order does not matter.

    Source: Pébay, Sandia report SAND2008-6212, 2008, (2.1) to (2.4).

    Examples
    --------
    >>> joined_moments(moments_of(np.array([1.0, 1.0])), moments_of(np.array([4.0])))
    array([ 3.,  2.,  6.,  6., 18.])
    """
    n, mean, a2, a3, a4 = np.moveaxis(first, -1, 0)
    m, other, b2, b3, b4 = np.moveaxis(second, -1, 0)
    total = np.maximum(n + m, 1)
    step = other - mean
    shares = n / total, m / total
    product = n * m / total
    second_power = a2 + b2 + step**2 * product
    third = (
        a3
        + b3
        + step**3 * product * (shares[0] - shares[1])
        + 3 * step * (shares[0] * b2 - shares[1] * a2)
    )
    fourth = (
        a4
        + b4
        + step**4 * product * (shares[0] ** 2 - shares[0] * shares[1] + shares[1] ** 2)
        + 6 * step**2 * (shares[0] ** 2 * b2 + shares[1] ** 2 * a2)
        + 4 * step * (shares[0] * b3 - shares[1] * a3)
    )
    whole_mean = mean + step * shares[1]
    return np.stack([n + m, whole_mean, second_power, third, fourth], -1)


def shape_of(moments: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the skewness and the excess kurtosis of moments `(…, 5)`, infinite if all are equal.

    Examples
    --------
    >>> skewness, kurtosis = shape_of(moments_of(np.array([1.0, 1.0, 4.0])))
    >>> round(float(skewness), 4), float(kurtosis)
    (0.7071, -1.5)
    """
    count, _, second, third, fourth = np.moveaxis(moments, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.sqrt(count) * third / second**1.5
        kurtosis = count * fourth / second**2 - 3
    return np.where(second > 0, skewness, np.inf), np.where(second > 0, kurtosis, np.inf)
