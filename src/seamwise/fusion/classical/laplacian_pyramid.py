"""Fusion scale by scale; see `laplacian_pyramid`."""

import cv2
import numpy as np

from seamwise.fusion.frames import CheckedFrames, Frames, luminance
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.types import Picture


def laplacian_pyramid(frames: Frames, *, levels: int | None = None, window: int = 5) -> Fusion:
    """Fuse scale by scale: of every detail, the frame where it is strongest is taken.

    With G_0 the frame, ↓ smoothing and halving, and ↑ doubling, the pyramid of a frame n is::

        G_{l+1} = ↓G_l,    L_l = G_l − ↑G_{l+1}  for l < levels,    L_levels = G_levels

    and that of the fused picture, from which the picture is put together again, ::

        A_{n,l} = mean_{window×window} |Y(L_{n,l})|             the activity; Y is the luminance
        F_l(p) = L_{m,l}(p),  m = arg max_n A_{n,l}(p)         for l < levels
        F_levels = mean_n L_{n,levels}

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays
        In 0..1. Each is read once, one at a time.
    levels : int, optional
        Number of levels below the top, 1 or more; by default as many as leave the shorter side of
        the top 8 pixels or more.
    window : int
        Width in pixels, at every level, of the square in which coefficients are compared; odd.

    Returns
    -------
    Fusion
        The image is clipped to 0..1. `depth` is the frame with the largest A_0 after a Gaussian of
        σ = `window`, the first of several.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, frames that do not fit or leave 0..1, or an option is out of range.

    Notes
    -----
    Frames of equal activity give the larger of their coefficients, so the order of the frames
    changes nothing but the rounding of the mean at the top (and, between such frames, `depth`).
    One frame and the work on its pyramid take about 50 bytes per pixel of a colour picture. Apart
    from them, 12 + 5.4·C bytes per pixel are held for C channels, however many frames there are.

    Source: Burt, Adelson 1983, "The Laplacian pyramid as a compact image code", IEEE Trans. Commun.
    31(4), with their kernel of a = 3/8; the choice by activity in a window: Burt, Kolczynski 1993,
    "Enhanced image capture through fusion", ICCV.

    Examples
    --------
    >>> stripes = np.tile(np.float32([0, 1]), (16, 16))
    >>> left, right = stripes.copy(), stripes.copy()
    >>> left[:, 16:] = right[:, :16] = 0.5  # out of focus
    >>> result = laplacian_pyramid([left, right])
    >>> result.depth[8, [4, 28]], result.image[8, [4, 5, 28, 29]].round(1)
    (array([0, 1], dtype=uint8), array([0., 1., 0., 1.], dtype=float32))
    """
    frames = CheckedFrames(frames)
    if (levels is not None and levels < 1) or window < 1 or window % 2 == 0:
        raise ValueError(f"levels must be 1 or more and window odd, not {levels} and {window}")
    result = _pyramid(frames[0], levels or _most_levels(frames.shape))
    strongest = [_activity(detail, window) for detail in result[:-1]]
    depth, sharpest = (
        np.zeros(frames.shape[:2], depth_dtype(len(frames))),
        _sharpness(strongest[0], window),
    )

    def add(number: int, frame: Picture) -> None:
        pyramid = _pyramid(frame, len(strongest))
        activities = [_activity(detail, window) for detail in pyramid[:-1]]
        for detail_so_far, activity_so_far, detail, activity in zip(
            result, strongest, pyramid, activities, strict=False
        ):
            _keep_stronger(detail_so_far, activity_so_far, detail, activity)
        np.add(result[-1], pyramid[-1], out=result[-1])
        sharpness = _sharpness(activities[0], window)
        depth[sharpness > sharpest] = number
        np.maximum(sharpest, sharpness, out=sharpest)

    for number in range(1, len(frames)):
        add(number, frames[number])
    result[-1] /= len(frames)
    return Fusion(np.clip(_picture(result), 0, 1), depth)


def _most_levels(shape: tuple[int, ...]) -> int:
    """As many as leave the shorter side of the top 8 pixels or more."""
    return max(1, int(np.log2(max(1, min(shape[:2]) / 8))))


def _pyramid(image: Picture, levels: int) -> list[Picture]:
    """The details L_0 … and, last, the coarse rest of the picture."""
    pyramid = []
    for _ in range(levels):
        smaller = np.asarray(cv2.pyrDown(image), np.float32)
        pyramid.append(image - _double(smaller, image))
        image = smaller
    return [*pyramid, image]


def _picture(pyramid: list[Picture]) -> Picture:
    """The picture with that pyramid."""
    image = pyramid[-1]
    for detail in reversed(pyramid[:-1]):
        image = detail + _double(image, detail)
    return image


def _double(image: Picture, like: Picture) -> Picture:
    return np.asarray(cv2.pyrUp(image, dstsize=(like.shape[1], like.shape[0])), np.float32)


def _activity(detail: Picture, window: int) -> Picture:
    size = (window, window)
    return np.asarray(
        cv2.blur(np.abs(luminance(detail)), size, borderType=cv2.BORDER_REFLECT), np.float32
    )


def _sharpness(activity: Picture, window: int) -> Picture:
    return np.asarray(
        cv2.GaussianBlur(activity, (0, 0), window, borderType=cv2.BORDER_REFLECT), np.float32
    )


def _keep_stronger(
    detail_so_far: Picture, activity_so_far: Picture, detail: Picture, activity: Picture
) -> None:
    """Replace, in place, details by stronger ones, and of equal ones by the larger."""
    equal, stronger = activity == activity_so_far, activity > activity_so_far
    detail_so_far[equal] = np.maximum(detail_so_far[equal], detail[equal])
    detail_so_far[stronger] = detail[stronger]
    np.maximum(activity_so_far, activity, out=activity_so_far)
