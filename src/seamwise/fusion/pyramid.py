"""A frame as small normalised pictures, from fine to coarse; see `FocusPyramid`."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from seamwise.fusion.exposure import shrink
from seamwise.types import Picture

WORK_PIXELS = 1_500_000  # of the finest picture
_BLURS = (1.5, 3.0, 5.0)  # standard deviations, in pixels of a level
_BLURRED_PIXELS, _BLURRED_LEVELS = (
    500_000,
    3,
)  # of larger and of coarser pictures it costs, or hides
_SHORTEST = 48  # shorter side of the coarsest one
_WINDOW = 8.0  # standard deviation, in pixels, of the window that contrast is normalised in


@dataclass(frozen=True, eq=False)
class FocusPyramid:
    """What frames are registered by: where edges are, not how strong they are.

    ::

        N[I] = d / (c + c̄/4),    d = G₁*I − G₈*I,    c² = G₈*d²,    c̄ the mean of c

    with G_σ a Gaussian of σ pixels. Brightness and most of a different blur cancel.

    Attributes
    ----------
    grey : (Y, X) float32 array
        Luminance, at most `WORK_PIXELS`. For a registration it is that of light: only there is the
        sharp picture of an edge the middle of its blurred one.
    contrast : (Y, X) float32 array
        c of `grey`.
    levels : tuple of (Y, X) float32 arrays
        N of `grey`, and of copies with half the side each.
    """

    grey: Picture
    contrast: Picture
    levels: tuple[Picture, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the finest picture."""
        return self.grey.shape[0], self.grey.shape[1]

    @cached_property
    def blurred(self) -> tuple[tuple[Picture, ...], ...]:
        """For each level, N of the picture blurred by 1.5, 3 and 5 pixels; of some levels none."""
        result: list[tuple[Picture, ...]] = []
        for picture in _halved(self.grey):
            is_useful = picture.size <= _BLURRED_PIXELS and len(result) < _BLURRED_LEVELS
            blurs = [cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in _BLURS * is_useful]
            result.append(tuple(_normalize(np.asarray(blur, np.float32))[0] for blur in blurs))
        return tuple(result)


def focus_pyramid(grey: Picture) -> FocusPyramid:
    """Return the pyramid of a luminance of at most `WORK_PIXELS`."""
    levels, contrasts = zip(*map(_normalize, _halved(grey)), strict=True)
    return FocusPyramid(grey, contrasts[0], levels)


def _halved(grey: Picture) -> list[Picture]:
    """The picture and copies with half the side each."""
    pictures = [grey]
    while min(pictures[-1].shape) >= 2 * _SHORTEST:
        pictures.append(shrink(pictures[-1], pictures[-1].size // 4))
    return pictures


def _normalize(image: Picture) -> tuple[Picture, Picture]:
    """N[I] and c of `FocusPyramid`."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1, borderType=cv2.BORDER_REFLECT)
    detail = smooth - cv2.GaussianBlur(image, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT)
    contrast = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT))
    mean = float(contrast.mean())
    return detail / (contrast + max(mean / 4, np.finfo(np.float32).tiny)), contrast
