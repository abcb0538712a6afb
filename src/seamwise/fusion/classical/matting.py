"""Fusion by an alpha matte between two frames; see `matting`."""

from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.classical.guided_filter import guided_filter
from seamwise.fusion.classical.regions import without_specks
from seamwise.fusion.frames import CheckedFrames, Frames, luminance
from seamwise.fusion.result import Fusion
from seamwise.fusion.sequential import functional_power
from seamwise.types import Picture

# what covers less than this part of the picture is an accident of the focus measure
_SPECK = 0.001

# regularises the colour lines of the matting Laplacian; ten times pymatting's, for flat areas
_EPSILON = 1e-6
_TOLERANCE = 1e-6

Matte = NDArray[np.float32]  # 1 where the first of two frames is in focus, 0 where the second is
Solver = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def matting(
    frames: Frames,
    *,
    radius: int = 1,
    smoothing: float = 4.0,
    band: int = 5,
    max_pixels: int = 1_000_000,
) -> Fusion:
    """Blend two frames by a matte, which the colours lead at the outlines of the parts in focus.

    The focus measure of a frame is its larger hat, with a disc b and the luminance Y; smoothed, it
    says roughly who is in focus. What lies deep in one frame's part is known; the rest of the matte
    α follows from the matting Laplacian L of the mean of both frames::

        G_n = max(Y_n − Y_n∘b, Y_n•b − Y_n)
        R   = sign((G_A − G_B) * g_σ),                 parts under 0.1 % of the picture set to 0
        α = 1 in the core of {R = 1},  α = 0 in the core of {R = −1},  elsewhere α = arg min αᵀLα
        F = α·x_A + (1 − α)·x_B

    The core of a part is what is further than `band` from its outline, and the ridge of that
    distance where it is more than `band`/2: thin wires have no other core.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays
        In 0..1. More than two are fused one after the other, see Notes.
    radius : int
        Of b, in pixels, 1 or more.
    smoothing : float
        σ in pixels.
    band : int
        In pixels, 1 or more.
    max_pixels : int
        A larger picture is matted at this size, and its matte is enlarged along the edges of the
        full picture.

    Returns
    -------
    Fusion
        `depth` is the frame of the larger weight, the first of two.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, frames that do not fit or leave 0..1, an option is out of range, or
        pymatting is not installed.

    Notes
    -----
    Two frames may be swapped (to the solver's tolerance, about 1e-3), but **the result depends on
    the order of three or more**: they are fused as f(f(x_0, x_1), x_2) …, see `functional_power`.
    Where nothing is known, as between equal frames, α = 1/2. In addition to two frames and the
    fused one, the work on a pair takes about 60 bytes per pixel and the solver up to 1.5 kB for
    each of at most `max_pixels`, however many frames there are.

    Source: Li, Kang, Hu, Yang 2013, "Image matting for fusion of multi-focus images in dynamic
    scenes", Information Fusion 14(2), for the measure, the rough segmentation and the matting; the
    smoothing, the core and all sizes are ours. The mean of both frames is matted, so that neither
    comes first. Levin, Lischinski, Weiss 2008, "A closed-form solution to natural image matting",
    IEEE TPAMI 30(2), as in the package pymatting.

    Examples
    --------
    >>> stripes = np.tile(np.float32([0, 1]), (32, 16))
    >>> left, right = stripes.copy(), stripes.copy()
    >>> left[:, 16:] = right[:, :16] = 0.5  # out of focus
    >>> fused = matting([left, right])
    >>> fused.depth[16, [4, 28]], fused.image[16, [4, 5, 28, 29]].round(1)
    (array([0, 1], dtype=uint8), array([0., 1., 0., 1.], dtype=float32))
    """
    if radius < 1 or band < 1 or max_pixels < 1 or not smoothing > 0:
        raise ValueError(
            "radius, band and max_pixels must be 1 or more and smoothing positive, "
            f"not {radius}, {band}, {max_pixels} and {smoothing}"
        )
    solve = _closed_form()

    def fuse_pair(first: Picture, second: Picture) -> Fusion:
        difference = focus_measure(first, radius) - focus_measure(second, radius)
        rough = np.sign(
            cv2.GaussianBlur(difference, (0, 0), smoothing, borderType=cv2.BORDER_REFLECT)
        )
        trimap = _trimap(rough, band)
        alpha = _matte(np.asarray((first + second) / 2, np.float32), trimap, max_pixels, solve)
        weight = alpha if first.ndim == 2 else alpha[..., np.newaxis]
        return Fusion(weight * first + (1 - weight) * second, (alpha < 0.5).astype(np.uint8))

    return functional_power(fuse_pair, CheckedFrames(frames))


def focus_measure(image: Picture, radius: int) -> Picture:
    """Return the larger of the white and the black top-hat of the luminance, with a disc.

    It is the contrast finer than the disc.

    Examples
    --------
    >>> focus_measure(np.float32([[0, 0, 1, 0, 0, 0, 0.5, 0.5, 0.5]]), 1)
    array([[0., 0., 1., 0., 0., 0., 0., 0., 0.]], dtype=float32)
    """
    grey = luminance(image)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (y * y + x * x <= radius * radius).astype(np.uint8)
    light = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, disc, borderType=cv2.BORDER_REFLECT)
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, disc, borderType=cv2.BORDER_REFLECT)
    return np.maximum(light, dark)


def _trimap(rough: Picture, band: int) -> Matte:
    """1 in the core of the parts of 1, 0 in the core of those of −1, and 1/2 elsewhere."""
    trimap = np.full(rough.shape, 0.5, np.float32)
    for side, alpha in ((1, 1), (-1, 0)):
        trimap[_core(without_specks(rough == side, _SPECK * rough.size), band)] = alpha
    return trimap


def _core(mask: NDArray[np.bool_], band: int) -> NDArray[np.bool_]:
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # off the ridge, a neighbour is further from the outline by 0.7 or more
    ridge = depth > cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 0.6
    return np.asarray((depth > band) | (ridge & (depth > band / 2)))


def _matte(image: Picture, trimap: Matte, max_pixels: int, solve: Solver) -> Matte:
    """The matte of the whole picture; for a large one from a smaller copy, known pixels kept."""
    shrink = np.sqrt(max_pixels / trimap.size)
    if shrink >= 1:
        return _solve(image, trimap, solve)
    height, width = (max(1, int(length * shrink)) for length in trimap.shape)
    size = (width, height)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    coarse = _solve(small, _shrink_trimap(trimap, size), solve)
    alpha = cv2.resize(coarse, trimap.shape[::-1], interpolation=cv2.INTER_LINEAR)
    # a wider window would wash thin parts out
    alpha = guided_filter(alpha, luminance(image), radius=int(np.ceil(1 / shrink)), eps=1e-4)
    return np.where(trimap == 0.5, np.clip(alpha, 0, 1), trimap)


def _shrink_trimap(trimap: Matte, size: tuple[int, int]) -> Matte:
    """A smaller map, known where any known pixel is; 1/2 where both sides are known, or none."""
    first, second = (
        cv2.resize((trimap == alpha).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        for alpha in (1, 0)
    )
    return np.asarray((1 + first.astype(np.float32) - second.astype(np.float32)) / 2, np.float32)


def _solve(image: Picture, trimap: Matte, solve: Solver) -> Matte:
    seeds = trimap[trimap != 0.5]
    if (
        seeds.size == trimap.size or min(trimap.shape) < 3
    ):  # the matting Laplacian is made of 3×3 windows
        return trimap
    if seeds.size == 0 or seeds.min() == seeds.max():
        return np.full_like(trimap, seeds[0] if seeds.size else 0.5)
    colours = image if image.ndim == 3 else np.repeat(image[..., np.newaxis], 3, axis=2)
    return solve(colours.astype(np.float64), trimap.astype(np.float64)).astype(np.float32)


def _closed_form() -> Solver:
    try:
        from pymatting import estimate_alpha_cf  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise ValueError(
            "method matting needs pymatting: pip install 'seamwise[matting]'"
        ) from None

    def solve(image: NDArray[np.float64], trimap: NDArray[np.float64]) -> NDArray[np.float64]:
        with redirect_stdout(StringIO()):  # it prints when its preconditioner needs another try
            alpha: NDArray[np.float64] = estimate_alpha_cf(
                image,
                trimap,
                laplacian_kwargs={"epsilon": _EPSILON},
                cg_kwargs={"rtol": _TOLERANCE},
            )
        return alpha

    return solve
