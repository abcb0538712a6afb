"""The thesis' segmentation systems by name: what the network learns and by which loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor

from seamwise.losses import cross_entropy, cross_entropy_and_youden

SystemName = Literal["ce2", "ce3", "ce4", "j3", "j4"]

CLASS_NAMES = ("background", "cell", "touching", "gap")


@dataclass(frozen=True)
class System:
    """Number of semantic classes and loss(logits, target)."""

    classes: int
    loss: Callable[[Tensor, Tensor], Tensor]


def system(name: SystemName, *, lam: float) -> System:
    """Build a system by name.

    - ``ce2``, ``ce3``, ``ce4``: cross entropy on two, three or four classes;
    - ``j3``, ``j4``: cross entropy plus Youden's J on three or four classes (thesis chapter 5), the
      J term weighted by `lam` for each pair of classes.
    """

    loss = partial(cross_entropy_and_youden, lam=lam) if name.startswith("j") else cross_entropy
    return System(int(name[-1]), loss)
