"""The thesis' segmentation systems: classes, loss and weight map of a network.

The function with its name builds a system (`unet2`, `unet3`, `fl`, `dwm`, `saw`, `lsmax`, `bwm`,
`unet`, `w3`, `dsc`, `j3`, `j4`; `ce2`, `ce3` and `ce4` are plain cross entropy). `system` takes the
name as text.

The width of the touching class is a setting, not a part of a system: 2 pixels by default, as in the
thesis' chapter 5; its chapter 4 has 1. So compared systems differ in nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import torch
from torch import Tensor

from seamwise.losses import (
    cross_entropy,
    cross_entropy_and_dice,
    cross_entropy_and_youden,
    focal,
    lovasz_softmax,
)
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
    return System(2, cross_entropy)


def ce3() -> System:
    """Cross entropy on three classes."""
    return System(3, cross_entropy)


def ce4() -> System:
    """Cross entropy on four classes."""
    return System(4, cross_entropy)


def unet2() -> System:
    """UNET2, thesis chapter 3: U-Net's own weight map on two classes."""
    return System(2, cross_entropy, "unet")


def unet3() -> System:
    """UNET3, thesis chapter 3: U-Net's weight map on three classes."""
    return System(3, cross_entropy, "unet")


def unet() -> System:
    """UNET, thesis chapter 4: the same as `unet3`.

    In the thesis the two differ in their annotation: lines between cells in chapter 3 (here
    ``annotation = "binary"``), numbered cells in chapter 4.
    """
    return unet3()


def fl() -> System:
    """FL, thesis chapter 3: focal loss with exponent 2 and balanced classes."""
    return System(3, focal, "balance")


def dwm() -> System:
    """DWM, thesis (3.2): background fades with its distance from the cells."""
    return System(3, cross_entropy, "dwm")


def saw() -> System:
    """SAW, thesis (3.3): contours weigh more, the narrower the shape."""
    return System(3, cross_entropy, "saw")


def bwm() -> System:
    """BWM, thesis chapters 4 and 5: balanced classes."""
    return System(3, cross_entropy, "balance")


def w3() -> System:
    """W³, thesis (4.3): contours weigh more where cells are thin, far background almost nothing."""
    return System(3, cross_entropy, "w3")


def lsmax() -> System:
    """LSMAX, thesis chapter 4: Lovász-softmax, averaged over the classes cell and touching.

    The background has no term of its own, but its pixels count as errors of the other two classes.
    """
    return System(3, partial(lovasz_softmax, classes=(1, 2)))


def dsc() -> System:
    """DSC, thesis chapter 5: cross entropy plus soft Dice on three classes."""
    return System(3, cross_entropy_and_dice)


def j3(lam: Lam = None) -> System:
    """J3, thesis chapter 5: cross entropy plus Youden's J on three classes.

    `lam` is λ for each pair of classes, by default 1/6: the mean over the pairs.
    """
    return System(3, partial(cross_entropy_and_youden, lam=_number_or_tensor(lam)))


def j4(lam: Lam = None) -> System:
    """J4, thesis chapter 5: cross entropy plus Youden's J on four classes.

    `lam` is λ for each pair of classes, by default 1/12: the mean over the pairs.
    """
    return System(4, partial(cross_entropy_and_youden, lam=_number_or_tensor(lam)))


def _number_or_tensor(lam: Lam) -> float | Tensor | None:
    return torch.tensor(lam) if isinstance(lam, tuple) else lam


BUILDERS: Mapping[SystemName, Callable[..., System]] = {
    cast(SystemName, build.__name__): build
    for build in (unet2, unet3, fl, dwm, saw, lsmax, bwm, unet, w3, dsc, j3, j4, ce2, ce3, ce4)
}


WITH_J: tuple[SystemName, ...] = ("j3", "j4")


def system(name: SystemName, *, lam: Lam = None) -> System:
    """Build a system by its name; `lam` is for `j3` and `j4`.

    Raises
    ------
    ValueError
        There is no such system.
    """
    if name not in BUILDERS:
        raise ValueError(f"loss must be one of {', '.join(BUILDERS)}, not {name!r}")
    return BUILDERS[name](lam) if name in WITH_J else BUILDERS[name]()
