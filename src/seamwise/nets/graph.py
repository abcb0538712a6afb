"""Networks as plain arrays, for runtimes other than torch; see `Graph` and `UNetArrays`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]
Node = TypeVar("Node")

_NORM_EPS = 1e-5  # of torch's norms


@dataclass(frozen=True, eq=False)
class UNetArrays:
    """What a `UNet` computes with, as arrays; batch norms are folded into the convolutions.

    Attributes
    ----------
    convolutions : tuple of (weight, bias)
        In the order of computation: two for each level on the way down, then up, and the head.
        Weights `(out, in, *K)` and biases `(out,)` of float32; None for no bias.
    has_instance_norms : bool
        Whether an instance norm follows every convolution but the head.
    """

    convolutions: tuple[tuple[Array, Array | None], ...]
    has_instance_norms: bool = False

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.convolutions[0][0].ndim - 2

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return int(self.convolutions[0][0].shape[1])

    @property
    def out_channels(self) -> int:
        """Channels of the logits."""
        return int(self.convolutions[-1][0].shape[0])

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the only input."""
        return (self.in_channels,)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All weights and biases."""
        return tuple(array for pair in self.convolutions for array in pair if array is not None)

    @property
    def description(self) -> str:
        """All that decides the graph, but the numbers."""
        shapes = [(weight.shape, bias is None) for weight, bias in self.convolutions]
        return repr((shapes, self.has_instance_norms))

    def build(self, operations: "Operations[Node]", inputs: Sequence[Node]) -> list[Node]:
        """Return the logits; see `build_graph`."""
        return [build_graph(self, operations, inputs[0])]

    @property
    def depth(self) -> int:
        """Number of poolings."""
        return (len(self.convolutions) - 3) // 4

    @property
    def multiple(self) -> int:
        """Sizes that are multiples of this need no padding: 2^depth."""
        return 1 << self.depth


def fold_weights(
    weights: Mapping[str, NDArray[np.floating]], *, depth: int, has_instance_norms: bool = False
) -> UNetArrays:
    """Return the arrays of a `UNet` from its weights by name, as a model file holds them.

    ::

        w' = w·γ/√(σ² + ε),   b' = (b − μ)·γ/√(σ² + ε) + β

    as `UNet.fold_norms` has it, to the last bit.

    Raises
    ------
    KeyError
        A weight is missing.
    """
    levels = [f"down.{level}" for level in range(depth + 1)]
    levels += [f"up.{level}" for level in range(depth)]
    convolutions = [
        _folded(weights, level, layer) for level in levels for layer in _layers(weights, level)
    ]
    head = _float32(weights["head.weight"]), _float32(weights["head.bias"])
    return UNetArrays((*convolutions, head), has_instance_norms)


def unet_shapes(
    in_channels: int, out_channels: int, *, ndim: int, width: int, depth: int, norm: str
) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the weights of a `UNet`, which has no instance norms.

    Examples
    --------
    >>> unet_shapes(1, 2, ndim=2, width=3, depth=0, norm="none")["down.0.0.weight"]
    (3, 1, 3, 3)
    """
    widths = [width * 2**level for level in range(depth + 1)]
    inputs = [in_channels, *widths]
    levels = {f"down.{i}": (inputs[i], widths[i]) for i in range(depth + 1)}
    for i in range(depth):
        low, high = widths[depth - i], widths[depth - i - 1]
        levels[f"up.{i}"] = (low + high, high)
    shapes: dict[str, tuple[int, ...]] = {}
    for level, (before, after) in levels.items():
        for layer, channels in zip((0, 2 if norm == "none" else 3), (before, after), strict=True):
            shapes[f"{level}.{layer}.weight"] = (after, channels, *(3,) * ndim)
            if norm == "none":
                shapes[f"{level}.{layer}.bias"] = (after,)
                continue
            for name in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{level}.{layer + 1}.{name}"] = (after,)
            shapes[f"{level}.{layer + 1}.num_batches_tracked"] = ()
    shapes["head.weight"] = (out_channels, width, *(1,) * ndim)
    shapes["head.bias"] = (out_channels,)
    return shapes


def _layers(weights: Mapping[str, NDArray[np.floating]], level: str) -> tuple[int, int]:
    """Positions of the two convolutions of a level, between which a norm may stand."""
    return (0, 3) if f"{level}.3.weight" in weights else (0, 2)


def _folded(
    weights: Mapping[str, NDArray[np.floating]], level: str, layer: int
) -> tuple[Array, Array | None]:
    """A convolution with the batch norm behind it, if there is one."""
    weight = _float32(weights[f"{level}.{layer}.weight"])
    bias = weights.get(f"{level}.{layer}.bias")
    bias = None if bias is None else _float32(bias)
    norm = f"{level}.{layer + 1}"
    if f"{norm}.running_var" not in weights:
        return weight, bias
    mean, variance, scale, shift = (
        _float32(weights[f"{norm}.{name}"])
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    inverse = np.float32(1) / np.sqrt(variance + np.float32(_NORM_EPS))
    factors = (scale * inverse).reshape(-1, *(1,) * (weight.ndim - 1))
    return weight * factors, ((0 if bias is None else bias) - mean) * inverse * scale + shift


def _float32(values: NDArray[np.floating]) -> Array:
    return np.ascontiguousarray(values, np.float32)


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

    def pad(self, x: Node, radius: int) -> Node:
        """Repeat the pixels at the border, so many times."""

    def inner_convolution(
        self, x: Node, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> Node:
        """Convolve with stride 1 where the whole kernel lies in the image."""

    def mean_pool(self, x: Node, side: int, stride: int) -> Node:
        """Return means of squares of a side, so many pixels apart."""

    def unshuffle(self, x: Node) -> Node:
        """Return the pixels of each 2×2 block of one feature map as four maps, row by row."""

    def enlarge(self, x: Node) -> Node:
        """Return 2D maps in twice the size, linear between the centres of pixels."""

    def absolute(self, x: Node) -> Node:
        """Return |x|."""

    def plus(self, x: Node, y: Node) -> Node:
        """Return x + y."""


class Graph(Protocol):
    """What a runtime compiles: a network of one or several inputs and outputs."""

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each input `(N, C, *S)`."""

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The numbers that it computes with."""

    @property
    def description(self) -> str:
        """All else that decides it, beyond the code of `build`."""

    def build(self, operations: Operations[Node], inputs: Sequence[Node]) -> list[Node]:
        """Return the nodes of the outputs, built with the operations of a runtime."""


def build_graph(net: UNetArrays, operations: Operations[Node], image: Node) -> Node:
    """Return the node of a network's logits, built with the operations of a runtime.

    Parameters
    ----------
    net : UNetArrays
    operations : Operations
    image : node
        Its sizes are multiples of `net.multiple`.
    """
    convolutions = iter(net.convolutions)
    skips: list[Node] = []
    features = image
    for _ in range(net.depth):
        skips.append(_level(net, operations, convolutions, features))
        features = operations.pool(skips[-1])
    features = _level(net, operations, convolutions, features)
    while skips:
        joined = operations.concatenate([operations.upsample(features), skips.pop()])
        features = _level(net, operations, convolutions, joined)
    return operations.convolution(features, *next(convolutions))


def _level(
    net: UNetArrays,
    operations: Operations[Node],
    convolutions: Iterator[tuple[Array, Array | None]],
    features: Node,
) -> Node:
    for _ in range(2):
        features = operations.convolution(features, *next(convolutions))
        if net.has_instance_norms:
            features = operations.instance_norm(features, eps=_NORM_EPS)
        features = operations.relu(features)
    return features


class ArrayOperations:
    """The operations on numpy arrays `(N, C, *S)`: plain and slow, to compare runtimes with."""

    def convolution(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Convolve with stride 1, padded with zeros to the same size."""
        sides, sizes = weight.shape[2:], x.shape[2:]
        padded = np.pad(x, [(0, 0), (0, 0), *((side // 2, side // 2) for side in sides)])
        total = np.zeros((len(x), len(weight), *sizes), np.float32)
        for offset in np.ndindex(sides):
            part = (slice(o, o + n) for o, n in zip(offset, sizes, strict=True))
            moved = padded[(slice(None), slice(None), *part)]
            product = np.tensordot(weight[(slice(None), slice(None), *offset)], moved, (1, 1))
            total += np.moveaxis(product, 0, 1)
        return total if bias is None else total + bias.reshape(-1, *(1,) * len(sizes))

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        return np.maximum(x, 0)

    def pool(self, x: Array) -> Array:
        """Return the largest of each 2^d pixels."""
        pairs = [part for n in x.shape[2:] for part in (n // 2, 2)]
        largest: Array = x.reshape(*x.shape[:2], *pairs).max(tuple(range(3, 2 * x.ndim - 2, 2)))
        return largest

    def upsample(self, x: Array) -> Array:
        """Repeat each pixel 2^d times."""
        for axis in range(2, x.ndim):
            x = x.repeat(2, axis)
        return x

    def concatenate(self, parts: Sequence[Array]) -> Array:
        """Join feature maps."""
        return np.concatenate(parts, 1)

    def instance_norm(self, x: Array, *, eps: float) -> Array:
        """Return (x − mean) / √(variance + eps) of each feature map of each image."""
        axes = tuple(range(2, x.ndim))
        difference = x - x.mean(axes, keepdims=True)
        normal: Array = difference / np.sqrt(x.var(axes, keepdims=True) + np.float32(eps))
        return normal

    def pad(self, x: Array, radius: int) -> Array:
        """Repeat the pixels at the border, so many times."""
        return np.pad(x, [(0, 0), (0, 0), *[(radius, radius)] * (x.ndim - 2)], mode="edge")

    def inner_convolution(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Convolve with stride 1 where the whole kernel lies in the image."""
        sides = zip(weight.shape[2:], x.shape[2:], strict=True)
        inner = tuple(slice(side // 2, length - side // 2) for side, length in sides)
        return self.convolution(x, weight, bias)[(slice(None), slice(None), *inner)]

    def mean_pool(self, x: Array, side: int, stride: int) -> Array:
        """Return means of squares of a side, so many pixels apart."""
        axes = tuple(range(2, x.ndim))
        windows = sliding_window_view(x, (side,) * len(axes), axes)
        starts = windows[(slice(None), slice(None), *[slice(None, None, stride)] * len(axes))]
        means: Array = starts.mean(tuple(range(x.ndim, starts.ndim)))
        return means

    def unshuffle(self, x: Array) -> Array:
        """Return the pixels of each 2×2 block of one feature map as four maps, row by row."""
        corners = ((0, 0), (0, 1), (1, 0), (1, 1))
        return np.concatenate([x[:, :, row::2, column::2] for row, column in corners], 1)

    def enlarge(self, x: Array) -> Array:
        """Return 2D maps in twice the size, linear between the centres of pixels."""
        for axis in (2, 3):
            wide = np.pad(x, [(int(i == axis),) * 2 for i in range(4)], mode="edge")
            before, here, after = (
                wide.take(np.arange(start, start + x.shape[axis]), axis) for start in (0, 1, 2)
            )
            pairs = np.stack([0.75 * here + 0.25 * before, 0.75 * here + 0.25 * after], axis + 1)
            size = [length * (1 + (i == axis)) for i, length in enumerate(x.shape)]
            x = pairs.reshape(size).astype(np.float32)
        return x

    def absolute(self, x: Array) -> Array:
        """Return |x|."""
        return np.abs(x)

    def plus(self, x: Array, y: Array) -> Array:
        """Return x + y."""
        return x + y
