"""Fuse a burst with a network that scores each frame against all; see `fuse_scored`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.networks import ReadyNetwork
from seamwise.engine.scorer import Scorer, Scoring
from seamwise.fusion.bands import enlarged, full_scores, join, log_detail, smaller, split
from seamwise.fusion.frames import (
    Frames,
    Rows,
    check_alike,
    checked_picture,
    grey_of,
    read_ahead,
    rows_of,
    shape_of,
    strips,
)
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.io.models import FusionInfo
from seamwise.nets.burst_graph import (
    BANDS,
    COARSE,
    FINE,
    MULTIPLE,
    REACH,
    Summary,
    noise_activity,
)
from seamwise.types import Maps, Picture

_Array = NDArray[np.float32]

SCORED_TILE = 1536
_STRIP_PIXELS = 1440**2  # whose floats in twice the size are below the 32 MiB that are used again
_LARGE = 8e6  # pixels: above, the network sees a frame at half its size
_DETAIL = 6.0  # power of the contrast; chosen by truth, see benchmarks/fusion_log.md
_LEAST_CORE = 64
_LEAST = 1e-30
_FEATURE_REACH = 16
_CHANNELS = FINE + COARSE  # responses


def fuse_scored(
    frames: Frames, *, model: ReadyNetwork[FusionInfo], tile: int | None = None
) -> Fusion:
    """Fuse a burst by the scores of `nets.BurstNet`.

    ::

        w_i^b = exp(s_i^b) / Σ_j exp(s_j^b)                 weights of frame i in band b
        F = join_b(Σ_i w_i^b · band_b(x_i))                 see `fusion.bands`

    Each frame is read twice: for the summary, and for its scores and its share in the sum. Frames
    of a list are held one at a time; of a sequence, the next one is read meanwhile. Scores of the
    finest band follow the frame's edges (`bands.follow_edges`).

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        In 0..1.
    model : ReadyNetwork
        Its `info.output` is "scores".
    tile : int, optional
        Largest size, along each axis, that goes through the network at once. By default strips go
        through it, as wide as the picture and of about 2 megapixels, 8 where the network sees
        frames at half their size; of very wide pictures, parts of them.

    Returns
    -------
    Fusion
        `depth` is the frame with the largest weight in the finest band, the first of several.
        `detail` tells how much of this band each frame gives.

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
    frames of more than 8 megapixels at half their size. Then the weights of the two finest bands
    are multiplied by the 6th power of the contrast of details of a pixel (`bands.log_detail`).
    """
    shape = shape_of(frames)
    grid, scorer = _Grid.of(shape, tile), model.runtime.scorer
    if scorer is None:
        raise ValueError("model must score the frames of a burst, not take pairs: use fuse_frames")
    scoring = scorer.scoring(_summary(frames, shape, grid, scorer))
    total, numbers = _Total(shape, grid, len(frames)), range(len(frames))
    read = partial(rows_of, check=partial(check_alike, shape=shape))
    for number, rows in enumerate(read_ahead(frames, read, numbers)):
        _add_frame(total, number, rows, scorer, scoring)
    del rows, scoring  # memory that the picture takes
    return total.fusion()


def _add_frame(
    total: "_Total", number: int, rows: Rows, scorer: Scorer[Maps], scoring: Scoring[Maps]
) -> None:
    """The second reading of a frame, which is let go before the next one."""
    grid = total.grid
    for box in grid.boxes(REACH):
        part = total.strip.part(rows, box.margin, is_first=box.core[1][0] == 0)
        colours = scorer.place(part)
        grey = _grey(colours)
        seen = smaller(grey, grid.zoom)
        total.add(number, box, colours, _of_bands(seen, grey, scoring, box.outer(2 * grid.zoom)))


class _Strip:
    """The rows of a frame that a row of boxes needs: planes that every frame uses again.

    Beyond the picture, its last pixels are repeated.
    """

    def __init__(self, shape: tuple[int, ...], grid: "_Grid") -> None:
        self.shape = shape
        height = max(box.margin[0][1] - box.margin[0][0] for box in grid.boxes(REACH))
        channels = shape[2] if len(shape) == 3 else 1
        self._planes = np.empty((channels, height, grid.size[1]), np.float32)
        self._start = self._end = 0

    def part(self, rows: Rows, margin: tuple[tuple[int, int], ...], *, is_first: bool) -> _Array:
        """Return a box `(1, C, Y, X)`; the first one of a row makes the rows."""
        (start, stop), (left, right) = margin
        if is_first:
            self._fill(rows, start, stop)
        return self._planes[np.newaxis, :, : stop - start, left:right]

    def _fill(self, rows: Rows, start: int, stop: int) -> None:
        height, width = self.shape[:2]
        end = min(stop, height)
        # what the strip above has made already only moves
        n_moved = self._end - start if start else 0
        if n_moved:
            first = start - self._start
            self._planes[:, :n_moved] = self._planes[:, first : first + n_moved].copy()
        self._start, self._end = start, end
        for first, last in strips(start + n_moved, end):
            part = checked_picture(rows(first, last), shape=(last - first, *self.shape[1:]))
            planes = part[np.newaxis] if part.ndim == 2 else np.moveaxis(part, 2, 0)
            self._planes[:, first - start : last - start, :width] = planes
        self._planes[..., width:] = self._planes[..., width - 1 : width]
        last_row = self._planes[:, end - start - 1 : end - start]
        self._planes[:, end - start : stop - start] = last_row


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

    def part(self, grey: Picture, scale: int = 1) -> _Array:
        """Return it with its margin, `(1, 1, Y, X)`; beyond the picture, its last pixels again."""
        box = self.outer(scale)
        part = grey[box]
        missing = [
            (0, side.stop - side.start - length)
            for side, length in zip(box, part.shape, strict=True)
        ]
        if any(after for _, after in missing):
            part = np.pad(part, missing, mode="edge")
        return np.ascontiguousarray(part)[np.newaxis, np.newaxis]


@dataclass(frozen=True)
class _Grid:
    """A picture, enlarged to sides that the network takes, and the size of its parts."""

    size: tuple[int, int]
    core: tuple[int, int]
    zoom: int

    @classmethod
    def of(cls, shape: tuple[int, ...], tile: int | None) -> "_Grid":
        zoom = 2 if shape[0] * shape[1] > _LARGE else 1
        step = MULTIPLE * zoom
        size = tuple(-(-length // step) * step for length in shape[:2])
        cores = size
        if tile is None:
            # strips, as wide as the picture if they can be: their sides have no margin
            columns = _equal_part(size[1] // zoom, 2 * SCORED_TILE)
            width = min(columns + 2 * REACH, size[1] // zoom)
            rows = _equal_part(size[0] // zoom, _STRIP_PIXELS // width)
            cores = rows * zoom, columns * zoom
        else:
            cores = tuple(_equal_part(length // zoom, tile) * zoom for length in size)
        return cls((size[0], size[1]), (cores[0], cores[1]), zoom)

    def boxes(self, reach: int) -> Iterator[_Box]:
        reach *= self.zoom
        starts = (range(0, n, side) for n, side in zip(self.size, self.core, strict=True))
        for corner in product(*starts):
            core = [
                (start, min(start + side, n))
                for start, side, n in zip(corner, self.core, self.size, strict=True)
            ]
            margin = [
                (max(0, start - reach), min(end + reach, n))
                for (start, end), n in zip(core, self.size, strict=True)
            ]
            yield _Box(tuple(core), tuple(margin))


def _equal_part(length: int, most: int) -> int:
    """The side of parts of nearly one size, each at most so long with its margins.

    A small last part would be mostly margin.
    """
    core = max(most - 2 * REACH, _LEAST_CORE) // MULTIPLE * MULTIPLE
    if length <= most:
        return length
    steps = length // MULTIPLE
    return -(-steps // -(-length // core)) * MULTIPLE


def _summary(
    frames: Frames, shape: tuple[int, ...], grid: _Grid, scorer: Scorer[Any]
) -> Summary[_Array]:
    """The first reading: running means and maxima."""
    scale = 2 * grid.zoom
    size = tuple(length // scale for length in grid.size)
    mean, highest = (np.zeros((1, _CHANNELS, *size), np.float32) for _ in range(2))
    mean_grey, highest_grey, active, clearest = (
        np.zeros((1, 1, *size), np.float32) for _ in range(4)
    )
    calmest = np.full((1, 1, *size), np.inf, np.float32)
    squares = 0.0
    read = partial(grey_of, zoom=grid.zoom, check=partial(checked_picture, shape=shape))
    seen_shape = tuple(-(-length // grid.zoom) for length in shape[:2])
    for grey in read_ahead(frames, read, range(len(frames))):
        check_alike(grey, seen_shape, name="luminances of frames")
        for box in grid.boxes(_FEATURE_REACH):
            within, at = box.within(scale), box.inner(scale)
            responses, half, of_frame = (
                _cut(x, within) for x in scorer.features(box.part(grey, grid.zoom))
            )
            for total, part in ((mean, responses), (mean_grey, half), (active, of_frame)):
                np.add(_cut(total, at), part, out=_cut(total, at))
            for most, part in ((highest, responses), (highest_grey, half), (clearest, of_frame)):
                np.maximum(_cut(most, at), part, out=_cut(most, at))
            np.minimum(_cut(calmest, at), of_frame, out=_cut(calmest, at))
            squares += float(np.square(half, dtype=np.float64).sum())
    mean /= len(frames)
    mean_grey /= len(frames)
    mean_level = float(mean_grey.mean(dtype=np.float64))
    variance = squares / (len(frames) * mean_grey.size) - mean_level**2
    numbers = mean.mean(dtype=np.float64), mean_level, scorer.root(max(variance, 0.0))
    strength, level, spread = (np.full((1, 1, 1, 1), number, np.float32) for number in numbers)
    inside = tuple(slice(-(-length // scale)) for length in shape[:2])  # beyond, there is no noise
    active /= len(frames)
    noise = noise_activity(_cut(active, inside), _cut(calmest, inside))
    maps = mean, highest, mean_grey, highest_grey, clearest
    return Summary(*maps, strength, level, spread, noise)


def _cut(x: Maps, box: tuple[slice, ...]) -> Maps:
    return x[:, :, box[0], box[1]]


def _grey(colours: Maps) -> Maps:
    """Luminance of `(1, C, Y, X)`."""
    if colours.shape[1] == 1:
        return colours
    grey: Maps = 0.299 * colours[:, :1]
    if isinstance(grey, np.ndarray):
        grey += np.float32(0.587) * colours[:, 1:2]
        grey += np.float32(0.114) * colours[:, 2:]
        return grey
    return grey.add_(colours[:, 1:2], alpha=0.587).add_(colours[:, 2:], alpha=0.114)


def _of_bands(seen: Maps, grey: Maps, scoring: Scoring[Maps], box: tuple[slice, ...]) -> list[Maps]:
    """Scores in the sizes of the bands; a frame seen at half its size has one band more.

    The network does not see the details of this band: how strong they are counts, too.
    """
    scores, spread = scoring.scores(seen, box), scoring.spread
    bands: list[Maps] = full_scores(scores, seen, spread)
    if seen.shape == grey.shape:
        return bands
    detail = _DETAIL * log_detail(grey, spread)
    detail *= enlarged(scoring.clearness(box), detail.shape[2:])
    finest = full_scores(scores, grey, spread)[0]
    bands[0] = bands[0] + detail
    bands.insert(0, finest + enlarged(detail, grey.shape[2:]))
    return bands


class _Total:
    """Σ w·x and Σ w of each band, and who weighs most in the finest."""

    def __init__(self, shape: tuple[int, ...], grid: _Grid, count: int) -> None:
        self.shape, self.grid = shape, grid
        self.strip = _Strip(shape, grid)
        channels = shape[2] if len(shape) == 3 else 1
        self.scales = [2**band for band in range(BANDS + (grid.zoom > 1))]
        sizes = [(grid.size[0] // scale, grid.size[1] // scale) for scale in self.scales]
        self.totals = [np.zeros((1, channels, *size), np.float32) for size in sizes]
        self.weights = [np.zeros((1, 1, *size), np.float32) for size in sizes]
        self.count = count
        self.depth: NDArray[Any] = np.zeros(grid.size, depth_dtype(count))
        self.largest: NDArray[np.float32] = np.zeros(grid.size, np.float32)

    def add(self, number: int, box: _Box, colours: Maps, scores: list[Maps]) -> None:
        weights = []
        for level, scale in enumerate(self.scales):
            weight = _exp(_cut(scores[level], box.within(scale)))
            weights.append(weight)
            _add(_cut(self.weights[level], box.inner(scale)), weight)
        finest, largest = _array(weights[0])[0, 0], self.largest[box.inner()]
        self.depth[box.inner()][finest > largest] = number
        np.maximum(largest, finest, out=largest)
        # one colour after the other: a third of the memory, which is then used again
        for channel in range(colours.shape[1]):
            of_colour = slice(channel, channel + 1)
            bands = zip(split(colours[:, of_colour], len(self.scales)), weights, strict=True)
            for total, scale, (band, weight) in zip(self.totals, self.scales, bands, strict=True):
                share = weight * _cut(band, box.within(scale))
                _add(_cut(total[:, of_colour], box.inner(scale)), share)

    def fusion(self) -> Fusion:
        del self.largest, self.strip  # memory that the picture takes
        for total, weight in zip(self.totals, self.weights, strict=True):
            total /= weight
        self.weights.clear()
        detail = self._detail()
        rows, columns = self.shape[:2]
        image = np.empty((rows, columns, self.totals[0].shape[1]), np.float32)
        for channel in range(image.shape[2]):
            picture = join([total[:, channel : channel + 1] for total in self.totals])
            np.clip(picture[0, 0, :rows, :columns], 0, 1, out=image[..., channel])
        depth = self.depth[:rows, :columns]
        return Fusion(image.reshape(self.shape), np.ascontiguousarray(depth), detail=detail)

    def _detail(self) -> NDArray[np.float64]:
        """The share of each frame in the squares of the finest band."""
        strength = np.square(self.totals[0][0]).sum(0)
        of_frames = np.bincount(self.depth.ravel(), strength.ravel(), minlength=self.count)
        return np.asarray(of_frames / max(of_frames.sum(), _LEAST))


def _exp(x: Maps) -> Maps:
    return np.exp(x) if isinstance(x, np.ndarray) else x.exp()


def _array(x: Maps) -> _Array:
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def _add(total: _Array, x: Maps) -> None:
    total += _array(x)
