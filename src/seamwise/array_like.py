"""What a caller hands over, as a NumPy array: see `as_array`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(values: Any, *, name: str, real: bool = False) -> NDArray[Any]:
    """Return array-like values as an array; a tensor of torch too.

    A tensor on another device is copied. One that gradients are computed for is detached.

    Parameters
    ----------
    values : array-like
        An array, nested sequences of numbers, or a tensor.
    name : str
        What the caller calls it, for the message.
    real : bool
        They measure something and number nothing. Then bfloat16, which NumPy does not have, becomes
        float32.

    Raises
    ------
    TypeError
        It is a tensor of bfloat16 that should hold numbers of cells: above 256 they were rounded.

    Examples
    --------
    >>> as_array([[1, 2]], name="labels")
    array([[1, 2]])
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            if not real:
                raise TypeError(
                    f"{name} must be a tensor of integers, not of bfloat16, which rounds numbers "
                    "above 256: make it with another type"
                )
            values = values.float()
    return np.asarray(values)
