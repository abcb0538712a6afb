"""What a caller hands over, as a NumPy array: see `as_array`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(values: Any, *, name: str) -> NDArray[Any]:
    """Return array-like values as an array; a tensor of torch too, if NumPy can hold it.

    Parameters
    ----------
    values : array-like
        An array, nested sequences of numbers, or a tensor.
    name : str
        What the caller calls it, for the message.

    Raises
    ------
    TypeError
        It is a tensor that NumPy cannot take as it is: of type bfloat16, on another device than
        the CPU, or one that gradients are computed for. The message says what to call first.

    Examples
    --------
    >>> as_array([[1, 2]], name="labels")
    array([[1, 2]])
    """
    try:
        return np.asarray(values)
    except (TypeError, RuntimeError) as error:
        remedies = _remedies(values)
        if not remedies:
            raise
        reasons = " and ".join(reason for reason, _ in remedies)
        calls = "".join(call for _, call in remedies)
        raise TypeError(
            f"{name} is a tensor {reasons}, which NumPy cannot take: call {calls} first"
        ) from error


def _remedies(values: Any) -> list[tuple[str, str]]:
    """Why NumPy does not take a tensor, and what to call for each reason."""
    is_short = str(getattr(values, "dtype", "")) == "torch.bfloat16"
    is_elsewhere = str(getattr(values, "device", "cpu")) != "cpu"
    checks = [
        ("that gradients are computed for", ".detach()", getattr(values, "requires_grad", False)),
        ("of bfloat16 (exact for integers up to 256)", ".float()", is_short),
        ("on another device", ".cpu()", is_elsewhere),
    ]
    return [(reason, call) for reason, call, applies in checks if applies]
