"""Weights of a patch of classes, and the loss that takes them: see `weighted_classes`."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seamwise.decode import instances
from seamwise.labels import BACKGROUND, IGNORE
from seamwise.segmentation import TargetAndWeight


def weighted_classes(
    classes: Tensor,
    transform: TargetAndWeight,
    *,
    ignored: int | None = None,
    spacing: Sequence[float] | None = None,
) -> Tensor:
    """Append the weights to a patch of classes.

    The cells come back from the classes, with the decoder `decode.instances`: so the weights fit
    the patch as it was rotated, scaled and mirrored, and a data set of classes is enough.

    Parameters
    ----------
    classes : (1, *S) tensor
        0 background, 1 cell, 2 touching, 3 gap. Negative pixels, which nnU-Net has outside of the
        image, count as background, as they do in its own losses.
    transform : TargetAndWeight
        With a map.
    ignored : int, optional
        Number of the class to ignore. Its pixels are none of a cell, and have no weight.
    spacing : sequence of float, optional
        Pixel size along each axis of S.

    Returns
    -------
    (2, *S) float32 tensor
        The classes as they were, and their weights.
    """
    numbers = classes[0].numpy()
    is_ignored = np.zeros(numbers.shape, bool) if ignored is None else numbers == ignored
    valid = np.where(is_ignored, BACKGROUND, numbers.clip(min=BACKGROUND)).astype(np.uint8)
    labels = np.where(is_ignored, IGNORE, instances(valid).astype(np.int32))
    target = np.where(is_ignored, IGNORE, valid.astype(np.int8))
    weight = transform.weight(labels, target, spacing=spacing)
    return torch.stack([classes[0].to(torch.float32), torch.from_numpy(weight)])


class WeightedLoss(nn.Module):
    """Call a loss with the weights that a target has in its second channel, if it has one.

    nnU-Net hands on one target, at several resolutions. Its own validation has no weights.

    Parameters
    ----------
    loss : module
        One of `seamwise.losses`, of logits, target and weight.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(N, C, *S)` and target `(N, 1, *S)` or `(N, 2, *S)`."""
        weight = target[:, 1:] if target.shape[1] == 2 else None
        loss: Tensor = self.loss(logits, target[:, :1], weight)
        return loss
