"""Networks of two inputs that do not prefer one of them; see `tie_halves`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from seamwise.nets.unet import UNet


@torch.no_grad()
def tie_halves(net: UNet, *, mean: bool = False) -> None:
    """Copy the first half of the feature maps' weights onto the second, exchanged, in place.

    The input is two pictures with as many channels each. Half of the maps of each layer then see
    the pictures in their order, the other half see them exchanged, through the same weights::

        W = [P  Q]    so that   f(x_B, x_A) = f(x_A, x_B) with its halves exchanged   (2, 4, …)
            [Q  P]              f(x_B, x_A) = f(x_A, x_B)                     (an odd number)

    up to the rounding of sums in another order. An even number of outputs has one half for each
    picture. It costs nothing at inference: the network is a `UNet` like any other, with half as
    many weights that are free. Called after each step of a training whose batches hold both orders,
    the truth exchanged with them, it removes only what rounding has put in, since the gradients of
    both halves are then the same.

    Parameters
    ----------
    net : UNet
        Untrained or tied before: the second half of what was learned is lost. Its first half, drawn
        at random, keeps its variance.
    mean : bool
        Both halves become their mean instead, so that batches with one order of each pair suffice.
        For a network that was tied before: the mean of random weights has half their variance.

    Raises
    ------
    ValueError
        An odd number of input channels or of feature maps.

    Notes
    -----
    Source: ours; the thesis (section 6.2.3) shows the network both orders and leaves it to learn
    the rest. It is the group convolution of Cohen and Welling 2016, arXiv:1602.07576, for the group
    of two elements that exchanges the pictures.

    Examples
    --------
    >>> net = UNet(2, 2, width=4, depth=1)
    >>> tie_halves(net)
    >>> a, b = torch.rand(2, 1, 1, 8, 8)
    >>> torch.allclose(net(torch.cat([a, b], 1)), net(torch.cat([b, a], 1)).flip(1), atol=1e-6)
    True
    """
    width = net.head.in_channels
    if width % 2 or net.in_channels % 2:
        raise ValueError(
            f"net must have an even width and even in_channels, not {width} and {net.in_channels}: "
            "choose an even width, and pictures with as many channels each"
        )
    for layer, parts in _layers(net):
        for tensor in layer.state_dict().values():
            if tensor.ndim:  # all but a norm's count of batches
                _tie(tensor, inputs=_exchange(parts) if tensor.ndim > 1 else None, mean=mean)
    if net.head.out_channels % 2 == 0:
        _tie(net.head.weight, inputs=_exchange([width]), mean=mean)
        _tie(cast(Tensor, net.head.bias), mean=mean)
    else:
        _tie(net.head.weight.transpose(0, 1), mean=mean)


def _layers(net: UNet) -> Iterator[tuple[nn.Module, Sequence[int]]]:
    """Convolutions and norms but for the head, each with the widths of its input's parts."""
    for level in cast(Iterable[nn.Sequential], net.down):
        for layer in level:
            yield layer, [getattr(layer, "in_channels", 0)]
    for level in cast(Iterable[nn.Sequential], net.up):
        first, *others = level
        skip = cast(int, first.out_channels)
        yield first, [cast(int, first.in_channels) - skip, skip]
        for layer in others:
            yield layer, [getattr(layer, "in_channels", 0)]


def _exchange(parts: Sequence[int]) -> list[int]:
    """Numbers of the input maps with the halves of each part exchanged."""
    numbers: list[int] = []
    for width in parts:
        numbers += [len(numbers) + (i + width // 2) % width for i in range(width)]
    return numbers


def _tie(tensor: Tensor, *, inputs: list[int] | None = None, mean: bool) -> None:
    first, second = tensor.chunk(2)
    if mean:
        first.lerp_(second if inputs is None else second[:, inputs], 0.5)
    second.copy_(first if inputs is None else first[:, inputs])
