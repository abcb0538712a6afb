"""A picture as a sum of bands, each with its own weights; see `split`, `fused`, `follow_edges`."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

_RADIUS = 2  # of the guided filter, in pixels of half the size
_EPS = 0.05  # of the guide, whose standard deviation over a picture is 1


def split(picture: Tensor, count: int) -> list[Tensor]:
    """Return bands of a picture `(N, C, Y, X)`: band b has 2^b times smaller sides.

    ::

        x_0 = x,    x_{b+1} = mean of 2×2 pixels of x_b,    band b = x_b − ↑x_{b+1}

    and the last band is x_{count−1} itself. `join` adds them again.
    """
    bands = []
    for _ in range(count - 1):
        coarse = avg_pool2d(picture, 2)
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
    small = avg_pool2d(guide, guide.shape[-1] // score.shape[-1])
    mean_guide, mean_score = _box_mean(small), _box_mean(score)
    variance = (_box_mean(small * small) - mean_guide.square()).clamp_min(0)
    slope = (_box_mean(small * score) - mean_guide * mean_score) / (variance + _EPS)
    offset = mean_score - slope * mean_guide
    size = guide.shape[2:]
    return enlarged(_box_mean(slope), size) * guide + enlarged(_box_mean(offset), size)


def enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return `(N, C, …)` with other sides, linear between pixel centres."""
    return interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _box_mean(x: Tensor) -> Tensor:
    return avg_pool2d(pad(x, (_RADIUS,) * 4, mode="replicate"), 2 * _RADIUS + 1, 1)


def full_scores(scores: Sequence[Tensor], grey: Tensor, spread: Tensor) -> list[Tensor]:
    """Return the scores of a frame in the sizes of its bands; those of details follow its edges."""
    return [follow_edges(scores[0], grey / (spread + 1e-6)), *scores[1:]]


def weighted(bands: Sequence[Tensor], scores: Sequence[Tensor]) -> Tensor:
    """Fuse bursts held whole: bands `(N, n, C, …)`, scores `(N, n, 1, …)`; softmax over n."""
    return join([(s.softmax(1) * band).sum(1) for band, s in zip(bands, scores, strict=True)])
