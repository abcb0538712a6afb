"""Frames of a burst, scored by a `BurstNet` in any runtime; see `Scorer`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

import numpy as np

from seamwise.nets.burst_graph import (
    FARTHEST,
    FLOOR,
    LEAST,
    STRONGEST,
    BurstArrays,
    Summary,
    clearness,
)
from seamwise.nets.graph import Array
from seamwise.types import Box, Maps

if TYPE_CHECKING:  # torch takes seconds to import, and the other runtimes do without it
    import torch
    from torch import Tensor

    from seamwise.nets import BurstNet

Outputs = Callable[..., list[Array]]
"""What a runtime compiles of a `nets.graph.Graph`: arrays → arrays."""

_ROWS = 32  # of maps that are compared at once: they stay in the cache of a core


class Scoring(Protocol[Maps]):
    """Scores of the frames of one burst, of which the summary is known.

    Attributes
    ----------
    spread : (1, 1, 1, 1) Tensor or array
        That of the `Summary`.
    """

    spread: Maps

    def scores(self, grey: Maps, box: Box) -> list[Maps]:
        """Return the scores of a part of a frame, `(1, 1, …)` for each band.

        `grey` is `(1, 1, Y, X)`; `box` is where it lies in the summary, at half the size.
        """

    def clearness(self, box: Box) -> Maps:
        """Return that of the burst in a box, see `nets.burst_graph.clearness`."""


class Scorer(Protocol[Maps]):
    """A `BurstNet` as a runtime computes it, part by part of the frames."""

    def place(self, maps: Array) -> Maps:
        """Return maps as this runtime takes them, on its device."""

    def features(self, grey: Array) -> tuple[Array, Array, Array]:
        """Return responses, brightness and activity of parts of frames `(N, 1, Y, X)`."""

    def root(self, number: float) -> float:
        """Return the square root, as this runtime rounds it."""

    def scoring(self, summary: Summary[Array]) -> Scoring[Maps]:
        """Return what scores the frames of a burst; the summary is `(1, …)`."""


@dataclass(frozen=True)
class TorchScorer:
    """The network as torch computes it."""

    net: "BurstNet"
    device: "torch.device"

    def place(self, maps: Array) -> "Tensor":
        """Return maps on the device."""
        import torch

        return torch.from_numpy(maps).to(self.device)

    def features(self, grey: Array) -> tuple[Array, Array, Array]:
        """Return responses, brightness and activity."""
        import torch

        from seamwise.nets.burst import activity

        with torch.inference_mode():
            features = self.net.features(self.place(grey))
            maps = features.responses, features.grey, activity(features)
            responses, half, active = (x.cpu().numpy() for x in maps)
        return responses, half, active

    def root(self, number: float) -> float:
        """Return the square root; that of torch may differ from the nearest float32."""
        import torch

        return float(torch.tensor(number).sqrt())

    def scoring(self, summary: Summary[Array]) -> "_TorchScoring":
        """Return what scores the frames of a burst."""
        return _TorchScoring(self, summary)


class _TorchScoring:
    def __init__(self, scorer: TorchScorer, summary: Summary[Array]) -> None:
        self._scorer, self._summary = scorer, summary
        self.spread = scorer.place(summary.spread)

    def scores(self, grey: "Tensor", box: Box) -> "list[Tensor]":
        import torch

        net = self._scorer.net
        with torch.inference_mode():
            return net.scores(net.features(grey), self._part(box))

    def clearness(self, box: Box) -> "Tensor":
        clearest, noise = self._summary.clearest, self._summary.noise
        return clearness(*(self._scorer.place(_cut(x, box)) for x in (clearest, noise)))

    def _part(self, box: Box) -> "Summary[Tensor]":
        maps = (getattr(self._summary, field.name) for field in fields(Summary))
        return Summary(*(self._scorer.place(_cut(x, box)) for x in maps))


@dataclass(frozen=True, eq=False)
class ArrayScorer:
    """The network as another runtime computes it: its `FeatureGraph` and its `ScoreGraph`."""

    net: BurstArrays
    of_features: Outputs
    of_scores: Outputs

    def place(self, maps: Array) -> Array:
        """Return the maps."""
        return maps

    def features(self, grey: Array) -> tuple[Array, Array, Array]:
        """Return responses, brightness and activity."""
        responses, half, active = self.of_features(grey)
        return responses, half, active

    def root(self, number: float) -> float:
        """Return the square root."""
        return math.sqrt(number)

    def scoring(self, summary: Summary[Array]) -> "_ArrayScoring":
        """Return what scores the frames of a burst."""
        return _ArrayScoring(self, summary)


class _ArrayScoring:
    """What all frames of a burst have in common is computed once, as far as possible::

        log((r + f)/(h + f)) = log(r + f) − log(h + f)

    and the first layer, which is linear, is the sum of a part for the frame and of one for the
    burst.
    """

    def __init__(self, scorer: ArrayScorer, summary: Summary[Array]) -> None:
        self._scorer, self.spread = scorer, summary.spread
        self._floor = np.float32(FLOOR) * summary.strength + np.float32(LEAST)
        self._level, self._scale = summary.level, summary.spread + np.float32(LEAST)
        self._mean_grey = summary.mean_grey
        self._clearness = clearness(summary.clearest, summary.noise)
        weight, bias = scorer.net.of_burst()
        matrix = np.ascontiguousarray(weight[:, :, 0, 0])
        self._log_highest = np.empty_like(summary.highest)
        size = summary.mean.shape[2:]
        self._of_burst = np.empty((1, len(matrix), *size), np.float32)
        for rows in _strips(size[0]):
            highest = summary.highest[rows] + self._floor
            self._log_highest[rows] = np.log(highest)
            parts = [
                np.log((summary.mean[rows] + self._floor) / highest),
                np.log(highest / (summary.strength + np.float32(LEAST))),
                (summary.highest_grey[rows] - summary.mean_grey[rows]) / self._scale,
            ]
            compared = np.concatenate(parts, 1).clip(-FARTHEST, FARTHEST)
            product = matrix @ compared.reshape(compared.shape[1], -1) + bias[:, np.newaxis]
            self._of_burst[rows] = product.reshape(1, len(matrix), *compared.shape[2:])

    def scores(self, grey: Array, box: Box) -> list[Array]:
        responses, half, _ = self._scorer.features(grey)
        of_burst = np.ascontiguousarray(_cut(self._of_burst, box))
        outputs = self._scorer.of_scores(self._of_frame(responses, half, box), of_burst)
        limit = np.float32(STRONGEST)
        details, *coarse = [limit * np.tanh(output / limit) for output in outputs]
        details *= self.clearness(box)
        return [details[:, :1], details[:, 1:], *coarse]

    def clearness(self, box: Box) -> Array:
        return _cut(self._clearness, box)

    def _of_frame(self, responses: Array, half: Array, box: Box) -> Array:
        """What a frame has that others have not."""
        count = responses.shape[1]
        log_highest, mean_grey = _cut(self._log_highest, box), _cut(self._mean_grey, box)
        compared = np.empty((1, count + 2, *half.shape[2:]), np.float32)
        for rows in _strips(half.shape[2]):
            part = compared[rows]
            np.add(responses[rows], self._floor, out=part[:, :count])
            np.log(part[:, :count], out=part[:, :count])
            part[:, :count] -= log_highest[rows]
            part[:, count] = ((half[rows] - self._level) / self._scale)[:, 0]
            part[:, count + 1] = ((half[rows] - mean_grey[rows]) / self._scale)[:, 0]
            np.clip(part, -FARTHEST, FARTHEST, out=part)
        return compared


def _strips(height: int) -> list[tuple[slice, ...]]:
    """Boxes of maps `(N, C, Y, X)`, some rows each."""
    whole = slice(None)
    return [(whole, whole, slice(row, row + _ROWS)) for row in range(0, height, _ROWS)]


def _cut(maps: Array, box: Box) -> Array:
    """A box of maps; numbers of whole pictures stay."""
    return maps if maps.shape[2:] == (1, 1) else maps[:, :, box[0], box[1]]
