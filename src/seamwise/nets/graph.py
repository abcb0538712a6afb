"""The operations of a `UNet` one by one, for runtimes other than torch; see `build_graph`."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from seamwise.nets.unet import CONVOLUTIONS, UNet

Node = TypeVar("Node")
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


class Operations(Protocol[Node]):
    """What a runtime must have: each method adds a node `(N, C, *S)` to a graph."""

    def convolution(
        self, x: Node, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> Node:
        """Convolve with stride 1, padded with zeros to the same size."""

    def relu(self, x: Node) -> Node:
        """Return max(x, 0)."""

    def pool(self, x: Node) -> Node:
        """Return the largest of each 2^d pixels."""

    def upsample(self, x: Node) -> Node:
        """Repeat each pixel 2^d times."""

    def concatenate(self, parts: Sequence[Node]) -> Node:
        """Join feature maps."""

    def instance_norm(self, x: Node, *, eps: float) -> Node:
        """Return (x − mean) / √(variance + eps) of each feature map of each image."""


def build_graph(net: UNet, operations: Operations[Node], image: Node) -> Node:
    """Return the node of a network's logits, built with the operations of a runtime.

    Parameters
    ----------
    net : UNet
        Its batch norms are folded (`UNet.fold_norms`).
    operations : Operations
    image : node
        Its sizes are multiples of `net.multiple`.

    Raises
    ------
    NotImplementedError
        The network has a layer that is not among the operations.
    """
    *levels, lowest = net.down
    skips: list[Node] = []
    features = image
    for level in levels:
        skips.append(_run_layers(level, operations, features))
        features = operations.pool(skips[-1])
    features = _run_layers(lowest, operations, features)
    for level in net.up:
        joined = operations.concatenate([operations.upsample(features), skips.pop()])
        features = _run_layers(level, operations, joined)
    return _run_layer(net.head, operations, features)


def _run_layers(level: nn.Module, operations: Operations[Node], features: Node) -> Node:
    for layer in cast(Iterable[nn.Module], level):
        features = _run_layer(layer, operations, features)
    return features


def _run_layer(layer: nn.Module, operations: Operations[Node], features: Node) -> Node:
    if isinstance(layer, CONVOLUTIONS):
        bias = None if layer.bias is None else _array(layer.bias)
        return operations.convolution(features, _array(layer.weight), bias)
    if isinstance(layer, nn.ReLU):
        return operations.relu(features)
    if isinstance(layer, _INSTANCE_NORMS):
        return operations.instance_norm(features, eps=layer.eps)
    if isinstance(layer, nn.Identity):
        return features
    raise NotImplementedError(f"{type(layer).__name__} is computed by torch only")


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[Any] = tensor.detach().float().cpu().contiguous().numpy()
    return array
