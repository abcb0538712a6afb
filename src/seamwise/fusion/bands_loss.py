"""What a network with weights for bands learns; see `BandsLoss`."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seamwise.engine.networks import ReadyNetwork
from seamwise.fusion.bands import joined_pair, of_bands
from seamwise.fusion.decisions import copied_share, score_of, weight_of
from seamwise.io.models import FusionInfo

_HELD = 10.0  # weight of the decisions
_LEAST_ERROR = 2e-6  # 57 dB: better than that is not worth more


@dataclass(frozen=True)
class BandsLoss:
    """Loss of a network that joins bands near the seams of another one, whose decisions it keeps.

    ::

        ½·(log₁₀ MSE(x, truth) + log₁₀ MSE(joined, truth)) + 10·H(z', z)

    with x the picture that `fuse_pair` makes of the bands and of the other network's decisions, z'
    their softmax, z that of the network that learns, H the cross entropy. The mean squared errors
    count from 2e-6 on.

    Attributes
    ----------
    decisions : ReadyNetwork
        A network for a selection.
    """

    decisions: ReadyNetwork[FusionInfo]

    def __call__(self, logits: Tensor, first: Tensor, second: Tensor, truth: Tensor) -> Tensor:
        """Return the loss of logits `(N, outputs, Y, X)` for pictures `(N, C, Y, X)`."""
        z, weight, share = self._decided(first, second)
        joined = joined_pair(first, second, of_bands(logits))
        copy = second + weight * (first - second)
        pictures = (joined + share * (copy - joined), joined)
        quality = torch.stack([_log_error(picture, truth) for picture in pictures]).mean()
        return quality + _HELD * F.cross_entropy(logits[:, :: logits.shape[1] // 2], z)

    def _decided(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Softmax of the other network, its weights, and what is copied with them."""
        info = self.decisions.info
        all_logits = self.decisions.runtime.logits(torch.cat([first, second], 1).cpu().numpy())
        scores = [score_of(logits, info) for logits in all_logits]
        weights = np.stack([weight_of(score, info) for score in scores])[:, np.newaxis]
        shares = np.stack([copied_share(score) for score in scores])[:, np.newaxis]
        z, weight, share = (torch.from_numpy(x).to(first) for x in (all_logits, weights, shares))
        return z.softmax(1), weight, share


def _log_error(picture: Tensor, truth: Tensor) -> Tensor:
    error = (picture - truth).square().mean((1, 2, 3))
    return (error + _LEAST_ERROR).log10().mean()
