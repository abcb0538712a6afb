"""A network of the caller's own code; see `WrappedNetwork`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seamwise.nets.unet import pad_to_multiple

_LEAST = 1e-7  # of a probability, whose logarithm is taken


class WrappedNetwork(nn.Module):
    """A torch module, or a function of arrays, as a network that gives logits.

    ::

        softmax(forward(x)) = p

    with p the probabilities of background, cell and further classes. A single output channel is the
    foreground's: x of a sigmoid becomes (0, x), and p becomes (1 − p, p). Images are padded at
    their end by reflection to a multiple, and cropped back.

    Parameters
    ----------
    network : module or function
        A module gets a tensor `(N, C, *S)` in the type and on the device of its weights. It
        computes as in evaluation and keeps its mode. A function gets a float32 array. Both return
        `(N, classes, *S)`; of a tuple, list or mapping of outputs the first counts.
    ndim : int
    multiple : int
        Sizes that the network takes are multiples of it.
    has_logits : bool
        Whether it returns logits, not probabilities.
    """

    def __init__(
        self,
        network: nn.Module | Callable[..., Any],
        *,
        ndim: int,
        multiple: int = 1,
        has_logits: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        self.ndim, self.multiple, self.has_logits = ndim, multiple, has_logits

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, `(N, classes, *S)` float32."""
        padded = pad_to_multiple(image, self.multiple)
        if isinstance(self.network, nn.Module):
            with _evaluating(self.network):
                output = _first(self.network(padded))
        else:
            output = _first(self.network(padded.float().cpu().contiguous().numpy()))
        crop = (slice(None), slice(None), *map(slice, image.shape[2:]))
        return as_logits(torch.as_tensor(output)[crop].float(), has_logits=self.has_logits)

    def fold_norms(self) -> "WrappedNetwork":
        """Return the network: its norms are its own affair."""
        return self

    def __deepcopy__(self, memo: Any) -> "WrappedNetwork":
        return self  # what it holds is the caller's


def as_logits(maps: Tensor, *, has_logits: bool) -> Tensor:
    """Return logits or probabilities `(N, C, *S)` as logits of at least two classes."""
    if has_logits:
        return torch.cat([torch.zeros_like(maps), maps], 1) if maps.shape[1] == 1 else maps
    if maps.shape[1] == 1:
        maps = torch.cat([1 - maps, maps], 1)
    return maps.clamp(min=_LEAST).log()


def _first(outputs: Any) -> Any:
    """The first of several outputs, as networks with deep supervision return them."""
    while isinstance(outputs, list | tuple | Mapping):
        outputs = next(iter(outputs.values() if isinstance(outputs, Mapping) else outputs))
    if isinstance(outputs, Tensor):
        return outputs
    return np.require(outputs, requirements=("C", "W"))  # as torch takes it


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Set the mode of evaluation; afterwards each part has its own mode again."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
