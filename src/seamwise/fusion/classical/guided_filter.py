"""Weights that follow the edges of a picture: `guided_filter`; fusion by them: `gff`."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import CheckedFrames, Frames, luminance
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.types import Picture

# a weight is never 0, so that a pixel which no frame claims is the mean of all of them
_LEAST_WEIGHT = 1e-6


def guided_filter(
    image: NDArray[Any], guide: NDArray[Any], *, radius: int, eps: float
) -> NDArray[Any]:
    """Smooth a picture, but not across the edges of another one.

    In every window ω_k of (2·radius + 1)² pixels the result is a line over the guide, fitted to the
    picture; each pixel takes the mean of the lines of all windows that hold it::

        a_k = cov_k(I, p) / (var_k(I) + ε),    b_k = mean_k(p) − a_k·mean_k(I)
        q_i = mean_{k: i ∈ ω_k}(a_k)·I_i + mean_{k: i ∈ ω_k}(b_k)

    Parameters
    ----------
    image : (Y, X) float32 or float64 array
        p, the picture that is smoothed.
    guide : (Y, X) array of the same type
        I, whose edges stay.
    radius : int
        Half a window's width in pixels, without its centre. 0 returns nearly the picture.
    eps : float
        ε > 0, in the guide's unit squared: what varies less than √ε is smoothed over.

    Returns
    -------
    (Y, X) array of the image's type
        May leave the range of the image a little.

    Raises
    ------
    ValueError
        The shapes differ, or an option is out of range.

    Notes
    -----
    Windows are cut at the borders. The time does not depend on the radius. Source: He, Sun, Tang
    2013, "Guided image filtering", IEEE TPAMI 35(6), equations 5, 6 and 8.

    Examples
    --------
    >>> noisy = np.array([[0.1, 0.0, 0.1, 0.9, 1.0, 0.9]])
    >>> edge = np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    >>> guided_filter(noisy, edge, radius=2, eps=1e-4).round(2)
    array([[0.07, 0.06, 0.07, 0.93, 0.94, 0.93]])
    """
    if image.shape != guide.shape or image.ndim != 2:
        raise ValueError(
            f"image and guide must be (Y, X) of one shape, not {image.shape} and {guide.shape}"
        )
    if radius < 0 or not eps > 0:
        raise ValueError(f"radius must be 0 or more and eps positive, not {radius} and {eps}")
    mean_guide, mean_image = box_mean(guide, radius), box_mean(image, radius)
    # rounding can leave a variance just below 0
    variance = np.maximum(box_mean(guide * guide, radius) - mean_guide * mean_guide, 0)
    covariance = box_mean(guide * image, radius) - mean_guide * mean_image
    slope = covariance / (variance + eps)
    offset = mean_image - slope * mean_guide
    return np.asarray(box_mean(slope, radius) * guide + box_mean(offset, radius))


def box_mean(image: NDArray[Any], radius: int) -> NDArray[Any]:
    """Return the mean over the (2·radius + 1)² window around each pixel, cut at the border."""
    size = (2 * radius + 1, 2 * radius + 1)
    total = cv2.boxFilter(image, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    rows, columns = (_window_lengths(length, radius, image.dtype) for length in image.shape[:2])
    pixels = np.multiply.outer(rows, columns)
    return np.asarray(total / (pixels if image.ndim == 2 else pixels[..., np.newaxis]))


def _window_lengths(length: int, radius: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    at = np.arange(length)
    return (np.minimum(at + radius, length - 1) - np.maximum(at - radius, 0) + 1).astype(dtype)


def gff(
    frames: Frames,
    *,
    mean_radius: int = 15,
    base_radius: int = 45,
    base_eps: float = 0.3,
    detail_radius: int = 7,
    detail_eps: float = 1e-6,
) -> Fusion:
    """Fuse by guided filtering: the sharpest frame wins, smoothed along the frame's own edges.

    Each frame I_n is split into a base and its details, and the largest saliency S_n claims a
    pixel; the claims P_n are made weights, broad ones for the base and fine ones for the details::

        B_n = mean_{31×31}(I_n),    D_n = I_n − B_n
        S_n = |Laplacian(I_n)| * g,                     g an 11×11 Gaussian, σ = 5
        P_n = 1 where S_n = max_m S_m, else 0
        W^B_n = guided_filter(P_n, I_n, r₁, ε₁),    W^D_n = guided_filter(P_n, I_n, r₂, ε₂)
        F = Σ_n W^B_n·B_n / Σ_n W^B_n + Σ_n W^D_n·D_n / Σ_n W^D_n

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays
        In 0..1. Each is read twice, one at a time.
    mean_radius : int
        Half the width of the mean that makes the base, without its centre.
    base_radius, base_eps : int, float
        r₁ and ε₁.
    detail_radius, detail_eps : int, float
        r₂ and ε₂.

    Returns
    -------
    Fusion
        The image is clipped to 0..1. `depth` is the frame with the largest W^D, the first of
        several.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, frames that do not fit or leave 0..1, or an option is out of range.

    Notes
    -----
    Frames with the same saliency share a pixel evenly, so the order of the frames changes nothing
    but the rounding of sums (and, between such frames, `depth`). In addition to one frame and the
    filters' work on it, about 60 bytes per pixel of a colour picture, 18 + 8·C bytes per pixel are
    held for C channels, however many frames there are.

    Source: Li, Kang, Hu 2013, "Image fusion with guided filtering", IEEE TIP 22(7); saliency and
    guide are the luminance of a colour picture. Weights are cut to 0..1, which the filter
    overshoots a little.

    Examples
    --------
    >>> stripes = np.tile(np.float32([0, 1]), (16, 16))
    >>> left, right = stripes.copy(), stripes.copy()
    >>> left[:, 16:] = right[:, :16] = 0.5  # out of focus
    >>> fused = gff([left, right])
    >>> fused.depth[8, [4, 28]], fused.image[8, [4, 5, 28, 29]].round(1)
    (array([0, 1], dtype=uint8), array([0., 1., 0., 1.], dtype=float32))
    """
    frames = CheckedFrames(frames)
    if mean_radius < 0:
        raise ValueError(f"mean_radius must be 0 or more, not {mean_radius}")
    highest = _saliency(luminance(frames[0]))
    for number in range(1, len(frames)):
        np.maximum(highest, _saliency(luminance(frames[number])), out=highest)
    shape = frames.shape
    base, detail = _WeightedMean(shape), _WeightedMean(shape)
    depth, finest = np.zeros(shape[:2], depth_dtype(len(frames))), np.zeros(shape[:2], np.float32)

    def add(number: int, frame: Picture) -> None:
        guide = luminance(frame)
        claim = (_saliency(guide) == highest).astype(np.float32)
        smooth = box_mean(frame, mean_radius)
        base.add(smooth, _weight(claim, guide, base_radius, base_eps))
        weight = _weight(claim, guide, detail_radius, detail_eps)
        detail.add(frame - smooth, weight)
        depth[weight > finest] = number
        np.maximum(finest, weight, out=finest)

    for number in range(len(frames)):
        add(number, frames[number])
    return Fusion(np.clip(base.mean() + detail.mean(), 0, 1), depth)


def _saliency(image: Picture) -> Picture:
    edges = np.abs(cv2.Laplacian(image, cv2.CV_32F, borderType=cv2.BORDER_REFLECT))
    return np.asarray(cv2.GaussianBlur(edges, (11, 11), 5, borderType=cv2.BORDER_REFLECT))


def _weight(claim: Picture, guide: Picture, radius: int, eps: float) -> Picture:
    return np.asarray(
        np.clip(guided_filter(claim, guide, radius=radius, eps=eps), _LEAST_WEIGHT, 1)
    )


class _WeightedMean:
    """Σ w·x / Σ w, one picture at a time."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.total = np.zeros(shape, np.float32)
        # with the axes of a picture
        self.weight = np.zeros(shape[:2] + (1,) * (len(shape) - 2), np.float32)

    def add(self, image: Picture, weight: Picture) -> None:
        weight = weight.reshape(self.weight.shape)
        self.total += weight * image
        self.weight += weight

    def mean(self) -> Picture:
        return self.total / self.weight
