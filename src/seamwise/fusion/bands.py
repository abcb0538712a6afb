"""A picture as a sum of bands, each with its own weights; see `split`, `fused`, `follow_edges`."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

_Plane = NDArray[Any]

_RADIUS = 2  # of the guided filter, in pixels of half the size
_DETAIL_FLOOR, _LEAST_SPREAD = 0.02, 1e-6
_EPS = 0.05  # of the guide, whose standard deviation over a picture is 1


def split(picture: Tensor, count: int) -> list[Tensor]:
    """Return bands of a picture `(N, C, Y, X)`: band b has 2^b times smaller sides.

    ::

        x_0 = x,    x_{b+1} = mean of 2×2 pixels of x_b,    band b = x_b − ↑x_{b+1}

    and the last band is x_{count−1} itself. `join` adds them again.
    """
    bands = []
    for _ in range(count - 1):
        coarse = smaller(picture, 2)
        bands.append(picture - enlarged(coarse, picture.shape[2:]))
        picture = coarse
    return [*bands, picture]


def join(bands: Sequence[Tensor]) -> Tensor:
    """Return the picture that `split` has made bands of."""
    picture = bands[-1]
    for band in bands[-2::-1]:
        picture = enlarged(picture, band.shape[2:]) + band
    return picture


def follow_edges(score: Tensor, guide: Tensor) -> Tensor:
    """Enlarge a score `(N, 1, Y/2, X/2)` to the size of a guide `(N, 1, Y, X)`, along its edges.

    In each window of 5×5 pixels of half the size, the result is a line over the guide that is
    fitted to the score; the lines are averaged and enlarged, the guide is taken in full size.

    Notes
    -----
    Source: He, Sun 2015, "Fast guided filter", arXiv:1505.00996; as a layer of a network, Wu et al.
    2018, arXiv:1803.05619. The window is that of `fusion.classical.guided_filter`, but borders are
    repeated.
    """
    small = smaller(guide, guide.shape[-1] // score.shape[-1])
    mean_guide, mean_score = _box_mean(small), _box_mean(score)
    variance = (_box_mean(small * small) - mean_guide.square()).clamp_min(0)
    slope = (_box_mean(small * score) - mean_guide * mean_score) / (variance + _EPS)
    offset = mean_score - slope * mean_guide
    size = guide.shape[2:]
    return enlarged(_box_mean(slope), size) * guide + enlarged(_box_mean(offset), size)


def log_detail(grey: Tensor, spread: Tensor) -> Tensor:
    """Return how strong details of a pixel are in `(N, 1, Y, X)`, at half the size.

    ::

        log(mean |x − ↑x_1| / σ + 1/50),    x_1 the mean of 2×2 pixels

    with the mean over 6×6 pixels, and σ the spread of the picture. Noise is mostly below σ/50. What
    is the same in all frames of a burst changes no weight.
    """
    detail = (grey - enlarged(smaller(grey, 2), grey.shape[2:])).abs_()
    spread = spread + _LEAST_SPREAD
    mean = _box_mean(smaller(detail, 2), radius=1)
    return (mean / spread + _DETAIL_FLOOR).log_()


def enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return `(N, C, …)` with other sides, linear between pixel centres."""
    if _needs_slopes(x):
        return interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
    rows, columns = size
    return _by_planes(x, lambda plane: cv2.resize(plane, (columns, rows)), size)


def smaller(x: Tensor, factor: int) -> Tensor:
    """Return means of squares of a side, which the sides of `(N, C, …)` are multiples of."""
    rows, columns = (length // factor for length in x.shape[2:])
    if _needs_slopes(x):
        return avg_pool2d(x, factor)
    return _by_planes(
        x,
        lambda plane: cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA),
        (rows, columns),
    )


def _box_mean(x: Tensor, radius: int = _RADIUS) -> Tensor:
    side = 2 * radius + 1
    if _needs_slopes(x):
        return avg_pool2d(pad(x, (radius,) * 4, mode="replicate"), side, 1)
    return _by_planes(
        x,
        lambda plane: cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE),
        x.shape[2:],
    )


def _needs_slopes(x: Tensor) -> bool:
    """Whether torch has to compute it: for a training, or not on a CPU, where OpenCV is faster."""
    is_trained = torch.is_grad_enabled() and x.requires_grad
    return is_trained or x.device.type != "cpu" or x.dtype != torch.float32


def _by_planes(x: Tensor, change: Callable[[_Plane], _Plane], size: Sequence[int]) -> Tensor:
    """Change each plane `(Y, X)` of a tensor `(N, C, Y, X)` on its own."""
    result = np.empty((*x.shape[:2], *size), np.float32)
    planes = x.numpy().reshape(-1, *x.shape[2:])
    for plane, target in zip(planes, result.reshape(-1, *size), strict=True):
        target[...] = change(np.ascontiguousarray(plane))
    return torch.from_numpy(result)


def full_scores(scores: Sequence[Tensor], grey: Tensor, spread: Tensor) -> list[Tensor]:
    """Return the scores of a frame in the sizes of its bands; those of details follow its edges."""
    return [follow_edges(scores[0], grey / (spread + 1e-6)), *scores[1:]]


def weighted(bands: Sequence[Tensor], scores: Sequence[Tensor]) -> Tensor:
    """Fuse bursts held whole: bands `(N, n, C, …)`, scores `(N, n, 1, …)`; softmax over n."""
    return join([(s.softmax(1) * band).sum(1) for band, s in zip(bands, scores, strict=True)])
