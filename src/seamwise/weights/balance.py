"""Class balance: how much a pixel of each class weighs; see `balance` and `class_weights`."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import BACKGROUND, CLASS_NAMES, GAP, Labels, Target
from seamwise.weights.inputs import check_inputs

Balance = Literal["rarest", "frequency", "count"]

_CLASSES = len(CLASS_NAMES)


def balance(
    labels: Labels,
    target: Target | None = None,
    *,
    spacing: Sequence[float] | None = None,
    balance: Balance = "rarest",
    counts: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Balance weight map (BWM): every pixel weighs what its class weighs.

    ::

        ω(p) = b_{h(p)}        b_l = n_min / n_l    (or see `class_weights`)

    with h the target, n_l the number of pixels of class l and n_min the smallest of them.

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive = one number per cell, negative = ignore.
    target : (*S) integer array, optional
        Semantic class of each pixel, 0..3 or −1 (ignore); by default `semantic_target(labels,
        classes=3)`.
    spacing : sequence of float, optional
        Not used: this map knows no distances. It is here so that all maps are called alike.
    balance : {"rarest", "frequency", "count"}
    counts : sequence of int, optional
        n_0, n_1, … of the whole data set, for every class of the target. By default those of this
        target, so that the scale jumps from crop to crop. A class that is counted 0 times weighs 0.

    Returns
    -------
    (*S) float32 array
        In (0, 1] for "rarest", 0 on ignored pixels.

    Raises
    ------
    TypeError
        `labels` or `target` is not of an integer type.
    ValueError
        `target` has another shape than `labels` or other classes than −1..3, or an option is out of
        range.

    Notes
    -----
    Source: thesis section 2.3 (after Zhou et al. 2017), which prints 1/n_l. The weights are then a
    millionth, and adding 1 to them (as DWM and SAW do) leaves nothing of them; we use n_min/n_l, so
    that the rarest class weighs 1. "count" is as printed.

    Examples
    --------
    >>> import numpy as np
    >>> balance(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 0, 1, 1]))
    array([0.5, 0.5, 0.5, 0.5, 1. , 1. ], dtype=float32)
    """
    labels, target, _ = check_inputs(labels, target, spacing)
    return balance_map(target, balance, counts)


def class_weights(
    counts: Sequence[int] | NDArray[Any], balance: Balance = "rarest"
) -> NDArray[np.float64]:
    """Weight b_l of each class from its number of pixels n_l.

    ::

        "rarest"     b_l = n_min / n_l    the rarest class present weighs 1
        "frequency"  b_l = |Ω| / n_l      |Ω| = Σ n_l
        "count"      b_l = 1 / n_l        as the thesis prints

    A class without pixels weighs 0.

    Examples
    --------
    >>> class_weights([80, 20, 0, 5]).tolist()
    [0.0625, 0.25, 0.0, 1.0]
    """
    n = np.asarray(counts, np.float64)
    if n.ndim != 1 or not (np.isfinite(n) & (n >= 0)).all():
        raise ValueError(
            f"counts must be one number of pixels per class, none negative, not {counts}"
        )
    numerators = {"rarest": n[n > 0].min(initial=np.inf), "frequency": n.sum(), "count": 1.0}
    if balance not in numerators:
        raise ValueError(f"balance must be one of {', '.join(numerators)}, not {balance!r}")
    weights = np.zeros(_CLASSES)
    np.divide(numerators[balance], n, out=weights[: len(n)], where=n > 0)
    return weights[: len(n)]


def counts_of(target: Target) -> NDArray[np.int64]:
    """Number of pixels of each class 0..3; ignored pixels are not counted."""
    return np.array([np.count_nonzero(target == number) for number in range(_CLASSES)])


def background(target: Target) -> NDArray[np.bool_]:
    """Where there is neither cell nor touching: the class background, and gap if there is one."""
    mask: NDArray[np.bool_] = (target == BACKGROUND) | (target == GAP)
    return mask


def balance_map(
    target: Target, balance: Balance, counts: Sequence[int] | None
) -> NDArray[np.float32]:
    """Map of b, from the pixels of each class in the data set or, by default, in the target."""
    return class_map(target, weights_of(target, balance, counts))


def weights_of(
    target: Target, balance: Balance, counts: Sequence[int] | None
) -> NDArray[np.float64]:
    """Return b_0 … b_3 of a target; raise ValueError if `counts` lacks one of its classes."""
    own_counts = counts_of(target)
    if counts is None:
        return class_weights(own_counts, balance)
    classes = int(np.flatnonzero(own_counts).max(initial=-1)) + 1
    if not classes <= len(counts) <= _CLASSES:
        raise ValueError(
            f"counts must have a number for each class, {max(classes, 1)} to {_CLASSES} of them, "
            f"not {len(counts)}"
        )
    return class_weights([*counts, *[0] * (_CLASSES - len(counts))], balance)


def class_map(target: Target, values: NDArray[Any]) -> NDArray[np.float32]:
    """Map of `values[h(p)]`; 0 where the target is ignored, or of a class that has no value."""
    result = np.zeros(target.shape, np.float32)
    for number, value in enumerate(values):
        np.copyto(result, np.float32(value), where=target == number)
    return result
