"""A `BurstNet` as plain arrays, for runtimes other than torch; see `BurstArrays`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from seamwise.nets.graph import Array, Node, Operations
from seamwise.types import Maps

BANDS = 4
"""Scores per frame: one for each band of a picture, from details of a pixel to those of eight."""

MULTIPLE = 16
"""Sides of a picture must be multiples of this."""

REACH = 112
"""A score depends on so many pixels around it, at most."""

FILTERS, FINE, COARSE = 12, 8, 4
"""Filters of each size, and the responses that are made of the fine and of the coarse ones."""

LEAST = 1e-8
"""Added to contrasts, for frames without any."""

FLOOR = 0.01
"""Share of the mean response: what is far below it counts as nothing."""

FARTHEST = 4.0
"""What the network compares is cut to ±4."""

STRONGEST = 12.0
"""Scores are within ±12, so that the sum of their exponentials needs no care."""

_RESPONSES = FINE + COARSE
_NOISE_SHARE, _OF_LEAST = 0.05, 2.0  # of the pixels; what noise has on average, over its least
_NOISE_ONLY, _CLEAR = 1.15, 1.6  # times the noise; chosen by truth, see benchmarks/fusion_log.md
# channels of what is compared: responses, what is the same for all frames, brightness
_OF_FRAME = (*range(_RESPONSES), 3 * _RESPONSES, 3 * _RESPONSES + 1)
_OF_BURST = (*range(_RESPONSES, 3 * _RESPONSES), 3 * _RESPONSES + 2)


@dataclass(frozen=True, eq=False)
class Summary(Generic[Maps]):
    """What the network sees of all frames together.

    Attributes
    ----------
    mean, highest : (N, 12, Y/2, X/2) Tensor or array
        Mean and maximum of the responses over the frames.
    mean_grey, highest_grey : (N, 1, Y/2, X/2)
        The same of the brightness.
    clearest : (N, 1, Y/2, X/2)
        Maximum of the activity over the frames: see `nets.burst.activity`.
    strength, level, spread, noise : (N, 1, 1, 1)
        Mean response; mean and standard deviation of the brightness; activity of noise. Of whole
        pictures.
    """

    mean: Maps
    highest: Maps
    mean_grey: Maps
    highest_grey: Maps
    clearest: Maps
    strength: Maps
    level: Maps
    spread: Maps
    noise: Maps


def noise_activity(mean: Array, least: Array) -> Array:
    """Return the activity of noise, `(N, 1, 1, 1)`, from its mean and minimum over the frames.

    It is the 5th percentile of the mean over the pixels, at most twice that of the minimum: texture
    raises the mean everywhere, but not what the frame with most blur shows.
    """
    rank = max(1, round(_NOISE_SHARE * mean[0].size)) - 1
    low_mean, low_least = (
        np.partition(x.reshape(len(x), -1), rank, axis=1)[:, rank] for x in (mean, least)
    )
    lowest: Array = np.minimum(low_mean, np.float32(_OF_LEAST) * low_least).reshape(-1, 1, 1, 1)
    return lowest


def clearness(clearest: Maps, noise: Maps) -> Maps:
    """Return 0 where no frame shows more than noise, 1 where one does, `(N, 1, Y/2, X/2)`.

    `clearest` and `noise` are those of the `Summary`.
    """
    ratio = clearest / (noise + LEAST)
    part: Maps = ((ratio - _NOISE_ONLY) / (_CLEAR - _NOISE_ONLY)).clip(0, 1)
    share: Maps = part * part * (3 - 2 * part)
    return share


@dataclass(frozen=True, eq=False)
class BurstArrays:
    """What a `BurstNet` computes with, as arrays.

    Attributes
    ----------
    weights : mapping of str to array
        By the names that torch gives them, as a model file holds them.
    """

    weights: Mapping[str, Array]

    @property
    def width(self) -> int:
        """Feature maps of the U-Net at half the size."""
        return len(self.weights["compare.weight"])

    def of_burst(self) -> tuple[Array, Array]:
        """Weight and bias of the first layer, for what is the same for all frames."""
        weight, bias = self.layer("compare")
        return weight[:, _OF_BURST], bias

    def layer(self, name: str) -> tuple[Array, Array]:
        """Weight and bias of a convolution."""
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]


def fold_burst(weights: Mapping[str, NDArray[np.floating]]) -> BurstArrays:
    """Return the arrays of a `BurstNet` from its weights by name, as a model file holds them."""
    return BurstArrays({name: np.ascontiguousarray(x, np.float32) for name, x in weights.items()})


def burst_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the weights of a `BurstNet`.

    Examples
    --------
    >>> burst_shapes(16)["compare.weight"]
    (16, 39, 1, 1)
    """
    widths = [width, *level_widths(width)]
    layers = {
        "compare": (width, len(_OF_FRAME) + len(_OF_BURST), 1),
        **{f"heads.{band}": (1, widths[1 + head_level(band)], 1) for band in range(BANDS)},
    }
    for level in range(BANDS):
        below, above = widths[level : level + 2]
        layers[f"down.{level}.0"] = (above, below, 3)
        if level:
            layers[f"down.{level}.2"] = (above, above, 3)
    for number, level in enumerate(range(BANDS - 1, 0, -1)):
        below, above = widths[level : level + 2]
        layers[f"up.{number}"] = (below, above + below, 3)
    shapes: dict[str, tuple[int, ...]] = {
        "fine.weight": (FILTERS, 4, 3, 3),
        "fine_energy.weight": (FINE, FILTERS, 3, 3),
        "coarse.weight": (FILTERS, 1, 3, 3),
        "coarse_energy.weight": (COARSE, FILTERS, 3, 3),
    }
    for name, (after, before, side) in layers.items():
        shapes[f"{name}.weight"] = (after, before, side, side)
        shapes[f"{name}.bias"] = (after,)
    return shapes


def level_widths(width: int) -> list[int]:
    """Return the feature maps of each level of the U-Net."""
    return [width, width * 3 // 2, 2 * width, 2 * width]


def head_level(band: int) -> int:
    """Return where in the U-Net the scores of a band come from."""
    return max(0, band - 1)


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of the network, as a `graph.Graph`."""

    net: BurstArrays

    ndim = 2

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The numbers that it computes with."""
        return tuple(self.net.weights[name] for name in sorted(self.net.weights))

    @property
    def description(self) -> str:
        """Which part of which network."""
        return f"{type(self).__name__} of width {self.net.width}"


class FeatureGraph(_Part):
    """Grey frames → responses, brightness and activity, all at half the size.

    See `nets.burst.Features` and `nets.burst.activity`.
    """

    channels = (1,)

    def build(self, operations: Operations[Node], inputs: Sequence[Node]) -> list[Node]:
        """Return the nodes of the outputs."""
        (grey,) = inputs
        half = operations.mean_pool(grey, 2, 2)
        fine = self._energy(operations, operations.unshuffle(grey), "fine")
        coarse = self._energy(operations, operations.mean_pool(half, 2, 2), "coarse")
        responses = operations.concatenate([fine, operations.enlarge(coarse)])
        share = np.full((1, FINE, 1, 1), 1 / FINE, np.float32)
        mean = operations.pad(operations.inner_convolution(fine, share, None), 2)
        return [responses, half, operations.mean_pool(mean, 5, 1)]

    def _energy(self, operations: Operations[Node], x: Node, name: str) -> Node:
        filters, energy = (self.net.weights[f"{name}{part}.weight"] for part in ("", "_energy"))
        filters = filters - filters.mean((1, 2, 3), keepdims=True)
        edges = operations.inner_convolution(operations.pad(x, 1), filters, None)
        padded = operations.pad(operations.absolute(edges), 1)
        return operations.relu(operations.inner_convolution(padded, energy, None))


class ScoreGraph(_Part):
    """What a frame has that others have not → scores, before they are limited to ±12.

    The inputs are the ratios and differences of `ratios`, and the `BurstArrays.of_burst` of those
    that are the same for all frames. The outputs have two maps at half the size, one at a quarter
    and one at an eighth.
    """

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each input."""
        return len(_OF_FRAME), self.net.width

    def build(self, operations: Operations[Node], inputs: Sequence[Node]) -> list[Node]:
        """Return the nodes of the outputs."""
        of_frame, of_burst = inputs
        weight, _ = self.net.layer("compare")
        of_frame = operations.inner_convolution(of_frame, weight[:, _OF_FRAME], None)
        x = operations.relu(operations.plus(of_frame, of_burst))
        skips = []
        for level in range(BANDS):
            x = operations.mean_pool(x, 2, 2) if level else x
            for layer in (0, 2) if level else (0,):
                x = self._layer(operations, x, f"down.{level}.{layer}")
            skips.append(x)
        outputs = [skips.pop()]
        for number in range(BANDS - 1):
            joined = operations.concatenate([operations.upsample(outputs[0]), skips.pop()])
            outputs.insert(0, self._layer(operations, joined, f"up.{number}"))
        return [
            operations.inner_convolution(x, *self._heads(level))
            for level, x in enumerate(outputs[: BANDS - 1])
        ]

    def _layer(self, operations: Operations[Node], x: Node, name: str) -> Node:
        padded = operations.pad(x, 1)
        return operations.relu(operations.inner_convolution(padded, *self.net.layer(name)))

    def _heads(self, level: int) -> tuple[Array, Array]:
        """The last layers of the bands that are scored at a level, as one."""
        bands = [band for band in range(BANDS) if head_level(band) == level]
        weights, biases = zip(*(self.net.layer(f"heads.{band}") for band in bands), strict=True)
        return np.concatenate(weights), np.concatenate(biases)
