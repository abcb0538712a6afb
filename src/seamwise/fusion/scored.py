"""Fuse a burst with a network that scores each frame against all; see `fuse_scored`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from seamwise.engine.networks import ReadyNetwork
from seamwise.fusion.bands import full_scores, join, split
from seamwise.fusion.frames import Frames, checked_picture, luminance, shape_of
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.io.models import FusionInfo
from seamwise.nets.burst import BANDS, MULTIPLE, REACH, BurstNet, Summary
from seamwise.types import Picture

SCORED_TILE = 1536
_LARGE = 8e6  # pixels: above, the network sees a frame at half its size
_LEAST_CORE = 64
_FEATURE_REACH = 16
_CHANNELS = 12  # responses of `BurstNet.features`


def fuse_scored(
    frames: Frames, *, model: ReadyNetwork[FusionInfo], tile: int | None = None
) -> Fusion:
    """Fuse a burst by the scores of `nets.BurstNet`.

    ::

        w_i^b = exp(s_i^b) / Σ_j exp(s_j^b)                 weights of frame i in band b
        F = join_b(Σ_i w_i^b · band_b(x_i))                 see `fusion.bands`

    Each frame is read twice, one at a time: for the summary, and for its scores and its share in
    the sum. Scores of the finest band follow the frame's edges (`bands.follow_edges`).

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        In 0..1.
    model : ReadyNetwork
        Its `info.output` is "scores".
    tile : int, optional
        Largest size, along each axis, that goes through the network at once; 1536 by default.

    Returns
    -------
    Fusion
        `depth` is the frame with the largest weight in the finest band, the first of several.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, or frames that do not fit or leave 0..1.

    Notes
    -----
    The order of the frames changes nothing but the rounding of sums. About 60 bytes per pixel of a
    colour picture are held, however many frames there are, and what a tile takes. The network sees
    frames of more than 8 megapixels at half their size; the weights still follow their edges.
    """
    shape = shape_of(frames)
    grid = _Grid.of(shape, SCORED_TILE if tile is None else tile)
    net = cast(BurstNet, model.net)
    with torch.inference_mode():
        summary = _summary(frames, shape, grid, net, model.device)
        total = _Total(shape, grid, len(frames))
        for number in range(len(frames)):
            frame = checked_picture(frames[number], shape=shape)
            for box in grid.boxes(REACH):
                colours = box.part(frame).to(model.device)
                grey = _grey(box.part(luminance(frame)).to(model.device), grid.zoom)
                features = net.features(grey)
                of_box = _part(summary, box.outer(2 * grid.zoom))
                scores = net.scores(features, of_box)
                total.add(number, box, colours, _of_bands(scores, grey, colours, of_box, grid))
        return total.fusion()


@dataclass(frozen=True)
class _Box:
    """A part of the grid, and the margin around it that decides about it too."""

    core: tuple[tuple[int, int], ...]
    margin: tuple[tuple[int, int], ...]

    def outer(self, scale: int = 1) -> tuple[slice, ...]:
        """Where it lies with its margin, in a picture that is smaller by a factor."""
        return tuple(slice(start // scale, end // scale) for start, end in self.margin)

    def inner(self, scale: int = 1) -> tuple[slice, ...]:
        """Where it lies."""
        return tuple(slice(start // scale, end // scale) for start, end in self.core)

    def within(self, scale: int = 1) -> tuple[slice, ...]:
        """Where it lies in its margin."""
        return tuple(
            slice((start - first) // scale, (end - first) // scale)
            for (start, end), (first, _) in zip(self.core, self.margin, strict=True)
        )

    def part(self, picture: Picture) -> Tensor:
        """Return it with its margin, `(1, C, Y, X)`; beyond the picture, its last pixels again."""
        part = picture[self.outer()]
        missing = [
            (0, end - start - length)
            for (start, end), length in zip(self.margin, part.shape, strict=False)
        ]
        if any(after for _, after in missing):
            part = np.pad(part, [*missing, (0, 0)][: part.ndim], mode="edge")
        tensor = torch.from_numpy(np.ascontiguousarray(part))
        return tensor[None, None] if part.ndim == 2 else tensor.permute(2, 0, 1)[None]


@dataclass(frozen=True)
class _Grid:
    """A picture, enlarged to sides that the network takes, and the size of its parts."""

    size: tuple[int, int]
    core: int
    zoom: int

    @classmethod
    def of(cls, shape: tuple[int, ...], tile: int) -> "_Grid":
        zoom = 2 if shape[0] * shape[1] > _LARGE else 1
        step = MULTIPLE * zoom
        tile = tile * 3 // 4 if zoom > 1 else tile  # its pixels in full size are held, too
        size = tuple(-(-length // step) * step for length in shape[:2])
        core = max(tile - 2 * REACH, _LEAST_CORE) // MULTIPLE * step
        return cls((size[0], size[1]), core, zoom)

    def boxes(self, reach: int) -> Iterator[_Box]:
        reach *= self.zoom
        for corner in product(*(range(0, length, self.core) for length in self.size)):
            core = [(c, min(c + self.core, n)) for c, n in zip(corner, self.size, strict=True)]
            margin = [
                (max(0, start - reach), min(end + reach, n))
                for (start, end), n in zip(core, self.size, strict=True)
            ]
            yield _Box(tuple(core), tuple(margin))


def _summary(
    frames: Frames, shape: tuple[int, ...], grid: _Grid, net: BurstNet, device: torch.device
) -> Summary:
    """The first reading: running means and maxima."""
    scale = 2 * grid.zoom
    size = tuple(length // scale for length in grid.size)
    mean, highest = (torch.zeros((1, _CHANNELS, *size)) for _ in range(2))
    mean_grey, highest_grey = (torch.zeros((1, 1, *size)) for _ in range(2))
    squares = 0.0
    for number in range(len(frames)):
        grey = luminance(checked_picture(frames[number], shape=shape))
        for box in grid.boxes(_FEATURE_REACH):
            features = net.features(_grey(box.part(grey).to(device), grid.zoom))
            within, at = box.within(scale), box.inner(scale)
            responses = _cut(features.responses, within).cpu()
            half = _cut(features.grey, within).cpu()
            _cut(mean, at).add_(responses)
            _cut(mean_grey, at).add_(half)
            torch.maximum(_cut(highest, at), responses, out=_cut(highest, at))
            torch.maximum(_cut(highest_grey, at), half, out=_cut(highest_grey, at))
            squares += float(half.double().square().sum())
    mean /= len(frames)
    mean_grey /= len(frames)
    level = mean_grey.double().mean()
    variance = squares / (len(frames) * mean_grey.numel()) - float(level) ** 2
    numbers = (mean.double().mean(), level, torch.tensor(max(variance, 0.0)).sqrt())
    strength, level, spread = (x.float().reshape(1, 1, 1, 1).to(device) for x in numbers)
    return Summary(mean, highest, mean_grey, highest_grey, strength, level, spread)


def _part(summary: Summary, box: tuple[slice, ...]) -> Summary:
    device = summary.level.device
    return replace(
        summary,
        mean=_cut(summary.mean, box).to(device),
        highest=_cut(summary.highest, box).to(device),
        mean_grey=_cut(summary.mean_grey, box).to(device),
        highest_grey=_cut(summary.highest_grey, box).to(device),
    )


def _cut(x: Tensor, box: tuple[slice, ...]) -> Tensor:
    return x[:, :, box[0], box[1]]


def _grey(grey: Tensor, zoom: int) -> Tensor:
    return grey if zoom == 1 else avg_pool2d(grey, zoom)


def _of_bands(
    scores: list[Tensor], grey: Tensor, colours: Tensor, summary: Summary, grid: _Grid
) -> list[Tensor]:
    """Scores in the sizes of the bands; a frame seen at half its size has one band more."""
    bands = full_scores(scores, grey, summary.spread)
    if grid.zoom == 1:
        return bands
    weights = colours.new_tensor((0.299, 0.587, 0.114) if colours.shape[1] == 3 else (1.0,))
    whole = torch.einsum("nchw,c->nhw", colours, weights).unsqueeze(1)
    return [full_scores(scores, whole, summary.spread)[0], *bands]


class _Total:
    """Σ w·x and Σ w of each band, and who weighs most in the finest."""

    def __init__(self, shape: tuple[int, ...], grid: _Grid, count: int) -> None:
        self.shape, channels = shape, shape[2] if len(shape) == 3 else 1
        self.scales = [2**band for band in range(BANDS + (grid.zoom > 1))]
        sizes = [(grid.size[0] // scale, grid.size[1] // scale) for scale in self.scales]
        self.totals = [torch.zeros((1, channels, *size)) for size in sizes]
        self.weights = [torch.zeros((1, 1, *size)) for size in sizes]
        self.depth: NDArray[Any] = np.zeros(grid.size, depth_dtype(count))
        self.largest = np.zeros(grid.size, np.float32)

    def add(self, number: int, box: _Box, colours: Tensor, scores: list[Tensor]) -> None:
        bands = split(colours, len(self.scales))
        for level, scale in enumerate(self.scales):
            within, at = box.within(scale), box.inner(scale)
            weight = _cut(scores[level], within).exp()
            _cut(self.totals[level], at).add_((weight * _cut(bands[level], within)).cpu())
            weight = weight.cpu()
            _cut(self.weights[level], at).add_(weight)
            if level == 0:
                finest, largest = weight[0, 0].numpy(), self.largest[box.inner()]
                self.depth[box.inner()][finest > largest] = number
                np.maximum(largest, finest, out=largest)

    def fusion(self) -> Fusion:
        for total, weight in zip(self.totals, self.weights, strict=True):
            total /= weight
        picture = join(self.totals)[0].clamp(0, 1)[:, : self.shape[0], : self.shape[1]]
        image = picture[0] if len(self.shape) == 2 else picture.permute(1, 2, 0)
        depth = self.depth[: self.shape[0], : self.shape[1]]
        return Fusion(np.ascontiguousarray(image.numpy()), np.ascontiguousarray(depth))
