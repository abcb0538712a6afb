"""What the tests of image files share."""

import numpy as np


def counting(shape, dtype="uint16"):
    """An array of unequal numbers, so that a swapped axis shows."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def one_line(caught, *words):
    """An error of one line that holds all the words."""
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return True
