"""Losses for pixel-level learning: `loss(logits, target, *, weight=None, ignore_index=-1, …)`.

Every loss is a pure function and a thin `nn.Module` of the same meaning. Logits are `(N, C, *S)`,
targets and weights `(N, *S)`.
"""

from seamwise.losses.cross_entropy import CrossEntropy, cross_entropy, cross_entropy_map, weighted_mean
from seamwise.losses.youden import CrossEntropyAndYouden, Youden, cross_entropy_and_youden, soft_confusion, youden

__all__ = [
    "CrossEntropy",
    "CrossEntropyAndYouden",
    "Youden",
    "cross_entropy",
    "cross_entropy_and_youden",
    "cross_entropy_map",
    "soft_confusion",
    "weighted_mean",
    "youden",
]
