"""A network that learns to separate two touching cells, simulated: the thesis' Figure 35."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor

from seamwise.labels import BACKGROUND, CELL, Target, semantic_target
from seamwise.losses import cross_entropy, youden

FloatArray = NDArray[np.float64]

_CLOSENESS = 0.85  # distance between the centres of the two cells, in diameters


@dataclass(frozen=True, eq=False)
class ShrinkingMask:
    """What `shrinking_mask` drew: a ground truth, and what a network might say while it learns it.

    Attributes
    ----------
    target : (*S) integer array
    probabilities : (T, C, *S) float64 array
        In (0, 1), for each iteration; the sum over the classes is 1.
    """

    target: Target
    probabilities: FloatArray


@dataclass(frozen=True, eq=False)
class LossCourse:
    """What `loss_course` measured, `(T,)` float64 arrays, a number for each iteration.

    Attributes
    ----------
    cross_entropy, youden : array
        The losses.
    cross_entropy_gradient, youden_gradient : array
        ‖∂L/∂logits‖, Euclidean, over all pixels and classes.
    """

    cross_entropy: FloatArray
    youden: FloatArray
    cross_entropy_gradient: FloatArray
    youden_gradient: FloatArray


def touching_pair(*, radius: float = 16, classes: int = 4) -> Target:
    """Draw the classes of two round cells that touch, with a notch on either side of the seam.

    Parameters
    ----------
    radius : float ≥ 4
        Of the cells, in pixels. Their centres are 0.85 diameters apart.
    classes : {2, 3, 4}
        As in `semantic_target`, with its default radii: the notches are gap if there are four.

    Returns
    -------
    (*S) int8 array
        About 4.5 by 6 radii.

    Raises
    ------
    ValueError
        A number is out of its range.

    Examples
    --------
    >>> np.bincount(touching_pair(radius=16).ravel()).tolist()  # background, cell, touching, gap
    [5340, 1480, 76, 16]
    """
    if not 4 <= radius < np.inf:
        raise ValueError(f"radius must be 4 or more, not {radius}: e.g. 16")
    across = _CLOSENESS * radius
    y, x = (np.arange(size) - (size - 1) / 2 for size in (round(4.5 * radius), round(6 * radius)))
    cells = y[:, None] ** 2 + (np.abs(x) - across) ** 2 <= radius**2
    labels = np.where(cells, np.where(x < 0, 1, 2), 0)
    return semantic_target(labels, classes=classes)


def shrinking_mask(
    target: Target,
    *,
    iterations: int = 60,
    fitted: int = 40,
    margin: float = 16,
    start: float = 0.5,
    top: float = 0.999,
) -> ShrinkingMask:
    """Predict as a network that first finds one large region, then the cells, then their seams.

    At iteration t = 0 … T − 1 the mask reaches m_t beyond the foreground, and every pixel looks
    like a(p)::

        m_t    = margin · (1 − t/F) while t < F = fitted, then 0
        a_t(p) = 1  cell        if the distance of p to the foreground h ≠ 0 is at most m_t
                 0  background  otherwise
        z_t(p) = (1 − c) / C + c · [(1 − w) · e_a + w · e_h],   e the unit vectors of the classes

    c is the confidence in the class a; it rises from `start` to `top` in equal steps, for the
    larger one of background and cell until F/2, for the other until F. w is how much of the class h
    of the truth has been learned: always 0 for background and cell, which a distinguishes; for
    touching and gap it rises from 0 at F to 1, for the larger of the two halfway to the last
    iteration, for the other at the last. So majority classes come first.

    Parameters
    ----------
    target : (*S) integer array
        Classes 0 … C − 1, negative = ignored; with background and cell.
    iterations : int
        T > fitted.
    fitted : int ≥ 1
        F, the iteration from which on the mask fits.
    margin : float ≥ 0
        Of the first mask, in pixels.
    start, top : float
        0 ≤ start ≤ top < 1.

    Returns
    -------
    ShrinkingMask

    Raises
    ------
    TypeError
        The target or a number of iterations is not an integer.
    ValueError
        The target has no background or no cell, or a number is out of its range.

    Notes
    -----
    The thesis describes the simulation in words ("a large region that progressively shrinks until
    it fits the cell"; probabilities reach "near one values first for majority classes") and prints
    no equations: these are ours.

    It finds that cross entropy leads until the mask fits, with a gradient of J near zero, and J
    from then on. Here the second half holds for any `start`. In the first the gradient of J (on
    `touching_pair`, with λ = 0.5) is the larger one until shortly before the fit, unless `start` is
    near 1, 0.99 say: a softmax that is not yet certain passes it on.

    Source: thesis section 5.2.2, figure 35.

    Examples
    --------
    >>> target = np.array([0, 0, 0, 0, 1, 2])
    >>> mask = shrinking_mask(target, iterations=5, fitted=3, margin=3, start=0.9)
    >>> mask.probabilities.argmax(axis=1)
    array([[0, 1, 1, 1, 1, 1],
           [0, 0, 1, 1, 1, 1],
           [0, 0, 0, 1, 1, 1],
           [0, 0, 0, 0, 1, 1],
           [0, 0, 0, 0, 1, 2]])
    """
    classes = _checked_target(target)
    if not ((classes == BACKGROUND).any() and (classes == CELL).any()):
        raise ValueError(
            "target must have pixels of background (0) and cell (1), "
            f"got the classes {np.unique(classes).tolist()}: see touching_pair"
        )
    total, fit = (
        _checked_count(name, count)
        for name, count in (("iterations", iterations), ("fitted", fitted))
    )
    if total <= fit:
        raise ValueError(
            f"iterations must be more than fitted = {fit}, not {total}: the seams need some to "
            "appear"
        )
    if not 0 <= margin < np.inf:
        raise ValueError(f"margin must be a number of pixels ≥ 0, not {margin}: e.g. 16")
    if not 0 <= start <= top < 1:
        raise ValueError(
            f"start and top must be in 0 ≤ start ≤ top < 1, not {start} and {top}: e.g. 0.5 and "
            "0.999"
        )
    sizes = np.bincount(classes[classes >= 0])
    unit = np.eye(len(sizes))
    own = np.maximum(classes, 0)
    distance = ndimage.distance_transform_edt(classes <= BACKGROUND)
    predictions = np.empty((total, len(sizes), *classes.shape))
    for t in range(total):
        apparent = (distance <= margin * (1 - _rise(t, 0, fit))).astype(int)
        confidence = (
            start + (top - start) * _shares(t, sizes, [BACKGROUND, CELL], 0, fit)[apparent, None]
        )
        seams = _shares(t, sizes, range(CELL + 1, len(sizes)), fit, total - 1)[own, None]
        z = (1 - confidence) / len(sizes) + confidence * (
            (1 - seams) * unit[apparent] + seams * unit[own]
        )
        predictions[t] = np.moveaxis(z, -1, 0)
    return ShrinkingMask(np.asarray(target), predictions)


def loss_course(probabilities: ArrayLike, target: Target, *, lam: float = 0.5) -> LossCourse:
    """Return cross entropy and the J loss of a sequence of predictions, and their gradients.

    Parameters
    ----------
    probabilities : (T, C, *S) array
        In (0, 1], for each iteration; the sum over the classes is 1. Logits are their logarithms.
    target : (*S) integer array
        Classes 0 … C − 1; −1 = ignored.
    lam : float
        λ of `youden`.

    Returns
    -------
    LossCourse

    Raises
    ------
    TypeError
        The target holds no integers.
    ValueError
        The shapes do not fit, the probabilities are none, or the target holds another class.

    Notes
    -----
    Both terms of the loss of J3 and J4 apart, `cross_entropy` without weights and
    `youden`, with the gradients that training would see, in double precision.

    Source: thesis section 5.2.2, figure 35, which does not say of what its gradients are taken.

    Examples
    --------
    >>> predictions = [[[0.5, 0.5], [0.5, 0.5]], [[0.75, 0.25], [0.25, 0.75]]]
    >>> course = loss_course(predictions, np.array([0, 1]))
    >>> course.cross_entropy.round(4).tolist(), course.youden.round(4).tolist()
    ([0.6931, 0.2877], [0.6931, 0.2877])
    """

    z = _checked_probabilities(probabilities)
    truth = torch.from_numpy(_checked_target(target))[None]
    terms: tuple[Callable[..., torch.Tensor], ...] = (cross_entropy, partial(youden, lam=lam))
    measurements = [
        _value_and_gradient(term, torch.from_numpy(np.log(one))[None], truth)
        for one in z
        for term in terms
    ]
    values = np.array(measurements).reshape(len(z), 2, 2)
    return LossCourse(values[:, 0, 0], values[:, 1, 0], values[:, 0, 1], values[:, 1, 1])


def _value_and_gradient(
    loss: "Callable[..., Tensor]", logits: "Tensor", target: "Tensor"
) -> tuple[float, float]:
    """Return a loss and the norm of its gradient with respect to the logits."""
    from torch.autograd import grad

    logits.requires_grad_()
    value = loss(logits, target)
    (gradient,) = grad(value, logits)
    return value.item(), gradient.norm().item()


def _rise(t: int, begin: float, end: float) -> float:
    """0 up to `begin`, 1 from `end` on, a straight line between."""
    return min(max((t - begin) / (end - begin), 0.0), 1.0)


def _shares(
    t: int, sizes: NDArray[Any], classes: Sequence[int], begin: int, end: int
) -> FloatArray:
    """Return how much of each class is learned: of those listed the larger first, else nothing."""
    shares = np.zeros(len(sizes))
    largest_first = sorted(classes, key=lambda number: -sizes[number])
    for rank, number in enumerate(largest_first, start=1):
        shares[number] = _rise(t, begin, begin + (end - begin) * rank / len(largest_first))
    return shares


def _checked_count(name: str, value: int) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}: e.g. 60")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more, not {value}: e.g. 60")
    return value


def _checked_target(target: Target) -> NDArray[np.int64]:
    classes = np.asarray(target)
    if classes.dtype.kind not in "iu":
        raise TypeError(
            f"target must be class numbers as integers, not {classes.dtype}: see touching_pair"
        )
    return classes.astype(np.int64)


def _checked_probabilities(probabilities: ArrayLike) -> FloatArray:
    z = np.asarray(probabilities, float)
    if z.ndim < 3 or not len(z):
        raise ValueError(
            f"probabilities must have axes (iterations, classes, *S), not {z.shape}: see "
            "shrinking_mask"
        )
    if not ((z > 0).all() and np.allclose(z.sum(axis=1), 1, atol=1e-5)):
        raise ValueError(
            "probabilities must be numbers > 0 whose sum over the classes (axis 1) is 1, "
            f"got {z.min():g} to {z.max():g} and sums from {z.sum(axis=1).min():g} to "
            f"{z.sum(axis=1).max():g}; "
            "take the softmax of logits"
        )
    return z
