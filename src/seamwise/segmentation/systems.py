"""The thesis' segmentation systems: classes, loss and weight map of a network.

The function with its name builds a system (`unet2`, `unet3`, `fl`, `dwm`, `saw`, `lsmax`, `bwm`,
`unet`, `w3`, `dsc`, `j3`, `j4`; `ce2`, `ce3` and `ce4` are plain cross entropy; `dice`,
`dice_focal`, `tversky`, `focal_tversky` and `youden` are the other losses of the package, on three
classes; `j3_cells` and `j4_cells` count cells in J). `system` takes the name as text.

The width of the touching class is a setting, not a part of a system: 2 pixels by default, as in the
thesis' chapter 5; its chapter 4 has 1. So compared systems differ in nothing else.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import torch
from torch import Tensor

from seamwise import losses
from seamwise.words import MapName, SystemName

Lam = float | tuple[tuple[float, ...], ...] | None
"""λ of the J term: of all pairs of classes, of each pair, or the mean over them."""


class Loss(Protocol):
    """A loss of logits `(N, C, *S)`, target `(N, *S)` and weights `(N, *S)` or None."""

    def __call__(self, logits: Tensor, target: Tensor, *, weight: Tensor | None = None) -> Tensor:
        """Return a scalar."""


@dataclass(frozen=True)
class System:
    """A segmentation system.

    Attributes
    ----------
    classes : int
        Number of semantic classes: 2 background and cell, 3 touching, 4 gap.
    loss : function
    map : str, optional
        Weight map (see `seamwise.weights`) that the loss is called with; by default without
        weights.
    """

    classes: int
    loss: Loss
    map: MapName | None = None


def ce2() -> System:
    """Cross entropy on two classes."""
    return System(2, losses.cross_entropy)


def ce3() -> System:
    """Cross entropy on three classes."""
    return System(3, losses.cross_entropy)


def ce4() -> System:
    """Cross entropy on four classes."""
    return System(4, losses.cross_entropy)


def unet2() -> System:
    """UNET2, thesis chapter 3: U-Net's own weight map on two classes."""
    return System(2, losses.cross_entropy, "unet")


def unet3() -> System:
    """UNET3, thesis chapter 3: U-Net's weight map on three classes."""
    return System(3, losses.cross_entropy, "unet")


def unet() -> System:
    """UNET, thesis chapter 4: the same as `unet3`.

    In the thesis the two differ in their annotation: lines between cells in chapter 3 (here
    ``annotation = "binary"``), numbered cells in chapter 4.
    """
    return unet3()


def fl(*, gamma: float = 2.0) -> System:
    """FL, thesis chapter 3: focal loss with exponent 2 and balanced classes."""
    return System(3, partial(losses.focal, gamma=gamma), "balance")


def dwm() -> System:
    """DWM, thesis (3.2): background fades with its distance from the cells."""
    return System(3, losses.cross_entropy, "dwm")


def saw() -> System:
    """SAW, thesis (3.3): contours weigh more, the narrower the shape."""
    return System(3, losses.cross_entropy, "saw")


def bwm() -> System:
    """BWM, thesis chapters 4 and 5: balanced classes."""
    return System(3, losses.cross_entropy, "balance")


def w3() -> System:
    """W³, thesis (4.3): contours weigh more where cells are thin, far background almost nothing."""
    return System(3, losses.cross_entropy, "w3")


def lsmax() -> System:
    """LSMAX, thesis chapter 4: Lovász-softmax, averaged over the classes cell and touching.

    The background has no term of its own, but its pixels count as errors of the other two classes.
    """
    return System(3, partial(losses.lovasz_softmax, classes=(1, 2)))


def dsc() -> System:
    """DSC, thesis chapter 5: cross entropy plus soft Dice on three classes."""
    return System(3, losses.cross_entropy_and_dice)


def j3(lam: Lam = None) -> System:
    """J3, thesis chapter 5: cross entropy plus Youden's J on three classes.

    `lam` is λ for each pair of classes, by default 1/6: the mean over the pairs.
    """
    return System(3, partial(losses.cross_entropy_and_youden, lam=_number_or_tensor(lam)))


def j4(lam: Lam = None) -> System:
    """J4, thesis chapter 5: cross entropy plus Youden's J on four classes.

    `lam` is λ for each pair of classes, by default 1/12: the mean over the pairs.
    """
    return System(4, partial(losses.cross_entropy_and_youden, lam=_number_or_tensor(lam)))


def j3_cells(lam: Lam = None) -> System:
    """J3 whose J counts cells and seams, not pixels: its weights are those of `weights.pieces`."""
    return System(3, partial(_youden_by_cells, lam=_number_or_tensor(lam)), "pieces")


def j4_cells(lam: Lam = None) -> System:
    """J4 whose J counts cells, seams and gaps, not pixels; see `j3_cells`."""
    return System(4, partial(_youden_by_cells, lam=_number_or_tensor(lam)), "pieces")


def _youden_by_cells(
    logits: Tensor, target: Tensor, *, weight: Tensor | None = None, lam: float | Tensor | None
) -> Tensor:
    """Cross entropy of pixels plus Youden's J of pieces."""
    return losses.cross_entropy(logits, target) + losses.youden(
        logits, target, weight=weight, lam=lam
    )


def dice() -> System:
    """Soft Dice alone, thesis (2.9), on three classes."""
    return System(3, losses.dice)


def dice_focal(*, gamma: float = 2.0, focal_weight: float = 1.0) -> System:
    """Soft Dice plus `focal_weight` times the focal loss, on three classes."""
    return System(3, partial(losses.dice_and_focal, gamma=gamma, focal_weight=focal_weight))


def tversky(*, alpha: float = 0.3, beta: float = 0.7) -> System:
    """Tversky, thesis (2.10), on three classes: α weighs false positives, β false negatives."""
    return System(3, partial(losses.tversky, alpha=alpha, beta=beta))


def focal_tversky(*, alpha: float = 0.3, beta: float = 0.7, gamma: float = 4 / 3) -> System:
    """Tversky with a power of 1/γ for each class, on three classes."""
    return System(3, partial(losses.focal_tversky, alpha=alpha, beta=beta, gamma=gamma))


def youden(lam: Lam = None) -> System:
    """Youden's J alone, thesis (5.2), on three classes."""
    return System(3, partial(losses.youden, lam=_number_or_tensor(lam)))


def _number_or_tensor(lam: Lam) -> float | Tensor | None:
    return torch.tensor(lam) if isinstance(lam, tuple) else lam


BUILDERS: Mapping[SystemName, Callable[..., System]] = {
    cast(SystemName, build.__name__): build
    for build in (
        *(unet2, unet3, fl, dwm, saw, lsmax, bwm, unet, w3, dsc, j3, j4, ce2, ce3, ce4),
        *(j3_cells, j4_cells, dice, dice_focal, tversky, focal_tversky, youden),
    )
}


WITH_J: tuple[SystemName, ...] = ("j3", "j4", "j3_cells", "j4_cells", "youden")


def system(
    name: SystemName, *, lam: Lam = None, options: Mapping[str, float] | None = None
) -> System:
    """Build a system by its name.

    Parameters
    ----------
    name : system name
    lam : float or (C, C) matrix, optional
        For `WITH_J`; ignored by all others.
    options : mapping, optional
        Numbers of the loss by name, e.g. ``{"alpha": 0.5, "beta": 0.5}`` for `tversky`.

    Raises
    ------
    ValueError
        The name is not that of a system, or the system lacks an option.
    """
    if name not in BUILDERS:
        raise ValueError(f"loss must be one of {', '.join(BUILDERS)}, not {name!r}")
    options = options or {}
    known = options_of(name)
    for option in options:
        if option not in known:
            choice = f"choose {' or '.join(known)}" if known else "it has none"
            raise ValueError(f"loss {name} has no option {option!r}: {choice}")
    return BUILDERS[name](lam) if name in WITH_J else BUILDERS[name](**options)


def options_of(name: SystemName) -> tuple[str, ...]:
    """Names of the numbers that a loss takes."""
    return tuple(
        option for option in inspect.signature(BUILDERS[name]).parameters if option != "lam"
    )
