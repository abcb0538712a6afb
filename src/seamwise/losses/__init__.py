"""Losses for pixel-level learning, each a pure function and a thin `nn.Module` of the same meaning.

Classification: `loss(logits, target, *, weight=None, ignore_index=-1, …)`, logits `(N, C, *S)`,
targets and weights `(N, *S)`, or `(N, 1, *S)` as MONAI and nnU-Net have them. Targets hold whole
numbers of any type.

Regression: `loss(prediction, truth, *, weight=None, …)`, images `(N, C, *S)`, weights `(N, *S)`.
"""

from seamwise.losses.confusion import (
    SoftCounts,
    count_members,
    indicator,
    mean_over_present,
    soft_confusion,
)
from seamwise.losses.cross_entropy import (
    CrossEntropy,
    cross_entropy,
    cross_entropy_map,
    weighted_mean,
)
from seamwise.losses.dice import (
    CrossEntropyAndDice,
    Dice,
    DiceAndFocal,
    cross_entropy_and_dice,
    dice,
    dice_and_focal,
)
from seamwise.losses.focal import Focal, focal, focal_map
from seamwise.losses.gradient import Gradient, gradient, gradient_map
from seamwise.losses.guides import guide_losses
from seamwise.losses.lovasz import LovaszSoftmax, lovasz_softmax
from seamwise.losses.nps import NPS, intensity_bounds, nps, nps_map
from seamwise.losses.perceptual import Perceptual, perceptual
from seamwise.losses.pixel import L1, L2, Huber, huber, huber_map, l1, l1_map, l2, l2_map
from seamwise.losses.ssim import SSIM, ssim, ssim_map
from seamwise.losses.tversky import FocalTversky, Tversky, focal_tversky, tversky
from seamwise.losses.youden import (
    CrossEntropyAndYouden,
    Youden,
    cross_entropy_and_youden,
    pairwise_loss,
    youden,
)

__all__ = [
    "L1",
    "L2",
    "NPS",
    "SSIM",
    "CrossEntropy",
    "CrossEntropyAndDice",
    "CrossEntropyAndYouden",
    "Dice",
    "DiceAndFocal",
    "Focal",
    "FocalTversky",
    "Gradient",
    "Huber",
    "LovaszSoftmax",
    "Perceptual",
    "SoftCounts",
    "Tversky",
    "Youden",
    "count_members",
    "cross_entropy",
    "cross_entropy_and_dice",
    "cross_entropy_and_youden",
    "cross_entropy_map",
    "dice",
    "dice_and_focal",
    "focal",
    "focal_map",
    "focal_tversky",
    "gradient",
    "gradient_map",
    "guide_losses",
    "huber",
    "huber_map",
    "indicator",
    "intensity_bounds",
    "l1",
    "l1_map",
    "l2",
    "l2_map",
    "lovasz_softmax",
    "mean_over_present",
    "nps",
    "nps_map",
    "pairwise_loss",
    "perceptual",
    "soft_confusion",
    "ssim",
    "ssim_map",
    "tversky",
    "weighted_mean",
    "youden",
]
