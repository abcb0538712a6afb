"""Highlights that grow to discs out of focus; see `discs_of_highlights`, `without_discs`."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.types import Picture

# levels in the brightest value, and how many times as many pixels a highlight has out of focus; a
# disc may touch other bright things at a level, and bright details may shrink at a high one
_GROWN = {0.5: 3.0, 0.65: 6.0, 0.8: 6.0}
_FILLED = 0.5  # of its box: a disc fills 0.79, discs that overlap less
_CORE = 0.95  # of the brightest value of a frame: in focus, a highlight is white
_REACH = 4  # pixels around a disc
_FEATHER = 1.5  # pixels: σ of the border of what is exchanged


def discs_of_highlights(first: Picture, second: Picture, fused: Picture) -> NDArray[np.bool_]:
    """Return where the fusion of two frames has the disc that a highlight is in one of them.

    A spot brighter than white is white in focus. Out of focus its light fills a disc, which may be
    as bright. So such a spot is a group of bright pixels, above half of the brightest value or
    more, that is white in one frame and three times as large or larger in the other. A spot that is
    not brighter than white becomes smaller. The fusion has the disc if the group is more than twice
    as large there as in focus, and has lost the spot if it is less than half as large.

    Parameters
    ----------
    first, second : (Y, X) or (Y, X, 3) float32 arrays in 0..1
    fused : array of the same shape

    Returns
    -------
    (Y, X) bool array
        Such groups, with four pixels around them.

    Notes
    -----
    Ours. Discs that are darker than half of the brightest value are not seen.
    """
    greys = [x if x.ndim == 2 else x.mean(2) for x in (first, second, fused)]
    whites = [float(grey.max()) for grey in greys[:2]]  # the brightness of one may be matched
    cores = [grey >= _CORE * white for grey, white in zip(greys, whites, strict=False)]
    mask = np.zeros(greys[0].shape, bool)
    for level, grown in _GROWN.items():
        bright = [grey > level * max(whites) for grey in greys]
        mask |= _wrong_groups(bright, cores, grown)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _REACH + 1, 2 * _REACH + 1))
    return cv2.dilate(mask.astype(np.uint8), around).astype(bool)


def _wrong_groups(
    bright: Sequence[NDArray[np.bool_]], cores: Sequence[NDArray[np.bool_]], grown: float
) -> NDArray[np.bool_]:
    """Bright groups that are a highlight in one frame, a disc in the other, and wrong."""
    _, groups, boxes, _ = cv2.connectedComponentsWithStats(
        (bright[0] | bright[1]).astype(np.uint8), connectivity=8
    )

    def sizes(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(groups[mask], minlength=len(boxes)).astype(np.float64)

    one, other, of_fused = map(sizes, bright)
    in_focus, disc = np.minimum(one, other), np.maximum(one, other)
    of_core = np.where(one <= other, *map(sizes, cores))
    boxed = boxes[:, cv2.CC_STAT_WIDTH] * boxes[:, cv2.CC_STAT_HEIGHT]
    is_highlight = (
        (of_core > 0) & (in_focus > 0) & (disc >= grown * in_focus) & (disc >= _FILLED * boxed)
    )
    is_wrong = is_highlight & ((of_fused > 2 * in_focus) | (2 * of_fused < in_focus))
    is_wrong[0] = False  # what is not bright
    mask: NDArray[np.bool_] = is_wrong[groups]
    return mask


def without_discs(pair: Picture, burst: Picture, mask: NDArray[np.bool_]) -> Picture:
    """Return the fusion of a pair, with that of a burst where the mask is, and a soft border."""
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _FEATHER)
    if pair.ndim == 3:
        share = share[..., np.newaxis]
    exchanged: Picture = pair + share * (burst - pair)
    return exchanged
