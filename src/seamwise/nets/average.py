"""Several networks as one; see `Average`."""

import math
from collections.abc import Sequence
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

from seamwise.nets.burst import BurstNet
from seamwise.nets.onnx import OnnxNetwork
from seamwise.nets.unet import UNet


class Average(nn.Module):
    """The mean of the probabilities of several networks, as a network.

    ::

        forward(x) = log( (1/n) Σ_m softmax(f_m(x)) )

    so that softmax(forward(x)) = (1/n) Σ_m softmax(f_m(x)).

    What comes out counts as logits `(N, out_channels, *S)`, float32 whatever the members compute
    in, and gives exactly the mean probabilities to whoever takes its softmax. Channels behind the
    `classes`, a network's guides, are averaged as they are.


    Parameters
    ----------
    members : sequence of UNet
        With the same number of axes, of input and of output channels. Their widths and depths may
        differ.
    classes : int, optional
        How many of the output channels are logits; by default all.

    Raises
    ------
    ValueError
        There are no members, or they differ.

    Notes
    -----
    COMB of thesis section 4.3, which averages the maps "followed by a softmax"; we apply no second
    softmax. With three classes the softmax of a probability lies between 1/(2 + e) = 0.21 and e/(2
    + e) = 0.58, so that every pixel would pass z_2 ≥ 0.1 and none z_1 ≥ 0.6, the thresholds of COMB
    in Table 5.

    Examples
    --------
    >>> members = [UNet(1, 3, width=2, depth=1), UNet(1, 3, width=4, depth=2)]
    >>> image = torch.zeros(1, 1, 5, 7)
    >>> mean = sum(member(image).softmax(1) for member in members) / 2
    >>> torch.allclose(Average(members)(image).softmax(1), mean)
    True
    """

    def __init__(self, members: Sequence[UNet], *, classes: int | None = None) -> None:
        super().__init__()
        kinds = {(net.ndim, net.in_channels, net.head.out_channels) for net in members}
        if len(kinds) != 1:
            raise ValueError(
                "members must be networks with the same axes, input and output channels; "
                f"theirs are {', '.join(map(str, sorted(kinds))) or 'none'}"
            )
        self.members = nn.ModuleList(members)
        self.ndim, self.classes = members[0].ndim, classes

    @property
    def multiple(self) -> int:
        """Sizes that are multiples of this need no padding in any member."""
        return max(net.multiple for net in self.nets)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, `(N, out_channels, *S)` float32."""
        return self.mean([net(image) for net in self.nets])

    def mean(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the logarithm of the mean probabilities of what each member has returned."""
        outputs = [output.float() for output in outputs]
        logs = [output[:, : self.classes].log_softmax(1) for output in outputs]
        mean: Tensor = reduce(torch.logaddexp, logs) - math.log(len(outputs))
        if self.classes is None:
            return mean
        guides = reduce(torch.add, [output[:, self.classes :] for output in outputs]) / len(outputs)
        return torch.cat([mean, guides], 1)

    def fold_norms(self) -> "Average":
        """Fold the batch norms of every member, in place; see `UNet.fold_norms`."""
        self.eval()
        for net in self.nets:
            net.fold_norms()
        return self

    @property
    def nets(self) -> list[UNet]:
        """The members."""
        return cast(list[UNet], list(self.members))


Network = UNet | Average | BurstNet | OnnxNetwork
