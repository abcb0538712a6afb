"""Losses for pixel-level learning: `loss(logits, target, *, weight=None, ignore_index=-1, …)`.

Every loss is a pure function and a thin `nn.Module` of the same meaning. Logits are `(N, C, *S)`,
targets and weights `(N, *S)`.
"""

from seamwise.losses.confusion import soft_confusion
from seamwise.losses.cross_entropy import CrossEntropy, cross_entropy, cross_entropy_map, weighted_mean
from seamwise.losses.dice import CrossEntropyAndDice, Dice, cross_entropy_and_dice, dice
from seamwise.losses.focal import Focal, focal, focal_map
from seamwise.losses.lovasz import LovaszSoftmax, lovasz_softmax
from seamwise.losses.tversky import Tversky, tversky
from seamwise.losses.youden import CrossEntropyAndYouden, Youden, cross_entropy_and_youden, youden

__all__ = [
    "CrossEntropy",
    "CrossEntropyAndDice",
    "CrossEntropyAndYouden",
    "Dice",
    "Focal",
    "LovaszSoftmax",
    "Tversky",
    "Youden",
    "cross_entropy",
    "cross_entropy_and_dice",
    "cross_entropy_and_youden",
    "cross_entropy_map",
    "dice",
    "focal",
    "focal_map",
    "lovasz_softmax",
    "soft_confusion",
    "tversky",
    "weighted_mean",
    "youden",
]
