"""A picture as a sum of bands, each with its own weights; see `split`, `weighted`, `follow_edges`.

Maps are tensors, or arrays if another runtime than torch computes the scores.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from seamwise.types import Maps

if TYPE_CHECKING:  # torch takes seconds to import, and other runtimes do without it
    from torch import Tensor

_Plane = NDArray[Any]

PAIR_BANDS = 6
"""Bands of a pair, each with its own weights: from details of a pixel to those of 32."""

_RADIUS = 2  # of the guided filter, in pixels of half the size
_DETAIL_FLOOR, _LEAST_SPREAD = 0.02, 1e-6
_EPS = 0.05  # of the guide, whose standard deviation over a picture is 1


def split(picture: Maps, count: int) -> list[Maps]:
    """Return bands of a picture `(N, C, Y, X)`: band b has 2^b times smaller sides.

    ::

        x_0 = x,    x_{b+1} = mean of 2×2 pixels of x_b,    band b = x_b − ↑x_{b+1}

    and the last band is x_{count−1} itself. `join` adds them again.
    """
    bands: list[Maps] = []
    for _ in range(count - 1):
        coarse = smaller(picture, 2)
        bands.append(picture - enlarged(coarse, picture.shape[2:]))
        picture = coarse
    bands.append(picture)
    return bands


def join(bands: Sequence[Maps]) -> Maps:
    """Return the picture that `split` has made bands of."""
    picture = bands[-1]
    for band in bands[-2::-1]:
        picture = enlarged(picture, band.shape[2:]) + band
    return picture


def follow_edges(score: Maps, guide: Maps) -> Maps:
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
    variance: Maps = (_box_mean(small * small) - mean_guide * mean_guide).clip(min=0)
    slope: Maps = (_box_mean(small * score) - mean_guide * mean_score) / (variance + _EPS)
    offset = mean_score - slope * mean_guide
    size = guide.shape[2:]
    return enlarged(_box_mean(slope), size) * guide + enlarged(_box_mean(offset), size)


def log_detail(grey: Maps, spread: Maps) -> Maps:
    """Return how strong details of a pixel are in `(N, 1, Y, X)`, at half the size.

    ::

        log(mean |x − ↑x_1| / σ + 1/50),    x_1 the mean of 2×2 pixels

    with the mean over 6×6 pixels, and σ the spread of the picture. Noise is mostly below σ/50. What
    is the same in all frames of a burst changes no weight.
    """
    detail = abs(grey - enlarged(smaller(grey, 2), grey.shape[2:]))
    mean = _box_mean(smaller(detail, 2), radius=1)
    ratio = mean / (spread + _LEAST_SPREAD) + _DETAIL_FLOOR
    return np.log(ratio) if isinstance(ratio, np.ndarray) else ratio.log()


def enlarged(x: Maps, size: Sequence[int]) -> Maps:
    """Return `(N, C, …)` with other sides, linear between pixel centres."""
    rows, columns = size
    if isinstance(x, np.ndarray) or _is_for_opencv(x):
        return _by_planes(x, lambda plane: cv2.resize(plane, (columns, rows)), size)
    from torch.nn.functional import interpolate

    return interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def smaller(x: Maps, factor: int) -> Maps:
    """Return means of squares of a side, which the sides of `(N, C, …)` are multiples of."""
    rows, columns = (length // factor for length in x.shape[2:])
    if isinstance(x, np.ndarray) or _is_for_opencv(x):
        return _by_planes(
            x,
            lambda plane: cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA),
            (rows, columns),
        )
    from torch.nn.functional import avg_pool2d

    return avg_pool2d(x, factor)


def _box_mean(x: Maps, radius: int = _RADIUS) -> Maps:
    side = 2 * radius + 1
    if isinstance(x, np.ndarray) or _is_for_opencv(x):
        return _by_planes(
            x,
            lambda plane: cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE),
            x.shape[2:],
        )
    from torch.nn.functional import avg_pool2d, pad

    return avg_pool2d(pad(x, (radius,) * 4, mode="replicate"), side, 1)


def _is_for_opencv(x: "Tensor") -> bool:
    """Whether OpenCV computes it, which is faster: on a CPU, and not for a training."""
    import torch

    is_trained = torch.is_grad_enabled() and x.requires_grad
    return not is_trained and x.device.type == "cpu" and x.dtype == torch.float32


def _by_planes(x: Maps, change: Callable[[_Plane], _Plane], size: Sequence[int]) -> Maps:
    """Change each plane `(Y, X)` of maps `(N, C, Y, X)` on its own."""
    result = np.empty((*x.shape[:2], *size), np.float32)
    maps = x if isinstance(x, np.ndarray) else x.numpy()
    planes = maps.reshape(-1, *x.shape[2:])
    for plane, target in zip(planes, result.reshape(-1, *size), strict=True):
        target[...] = change(np.ascontiguousarray(plane))
    if isinstance(x, np.ndarray):
        return result
    import torch

    return torch.from_numpy(result)


def full_scores(scores: Sequence[Maps], grey: Maps, spread: Maps) -> list[Maps]:
    """Return the scores of a frame in the sizes of its bands; those of details follow its edges."""
    bands = list(scores)
    bands[0] = follow_edges(scores[0], grey / (spread + _LEAST_SPREAD))
    return bands


def weighted(bands: "Sequence[Tensor]", scores: "Sequence[Tensor]") -> "Tensor":
    """Fuse bursts held whole: bands `(N, n, C, …)`, scores `(N, n, 1, …)`; softmax over n."""
    return join([(s.softmax(1) * band).sum(1) for band, s in zip(bands, scores, strict=True)])


def of_bands(logits: Maps) -> Maps:
    """Return the logits of bands without the first of each source, which decides: `(…, Y, X)`."""
    count = logits.shape[-3] // 2
    numbers = [number for number in range(2 * count) if number % count]
    return logits[..., numbers, :, :]


def joined_pair(a: Maps, b: Maps, logits: Maps) -> Maps:
    """Fuse pairs `(N, C, Y, X)` band by band, by logits `(N, 2·bands, Y, X)`.

    ::

        x = join_k(z_k·band_k(a) + (1 − z_k)·band_k(b)),    z_k = sigmoid(mean of s_k)

    with s_k = logit k of a − logit k of b, and its mean over the pixels of the picture that one
    of band k stands for. The sides are multiples of 2^(bands − 1).
    """
    count = logits.shape[1] // 2
    bands = []
    for k, (of_a, of_b) in enumerate(zip(split(a, count), split(b, count), strict=True)):
        score = logits[:, k : k + 1] - logits[:, count + k : count + k + 1]
        weight = _sigmoid(smaller(score, 2**k) if k else score)
        bands.append(of_b + weight * (of_a - of_b))
    return join(bands)


def _sigmoid(x: Maps) -> Maps:
    if isinstance(x, np.ndarray):
        return cast("NDArray[np.float32]", expit(x))
    return x.sigmoid()
