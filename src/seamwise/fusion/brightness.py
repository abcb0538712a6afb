"""How much of their range of values the frames of a burst use; see `find_brightness`."""

from dataclasses import dataclass

import cv2
import numpy as np

from seamwise.fusion.frames import Frames, rows_of, shape_of, strips
from seamwise.types import Picture

_MOST = 0.5  # of the range: frames that use more are seen as they are
_WINDOW = 3  # of the median: hot and dead pixels are at most four of its nine
_EDGE = _WINDOW // 2  # pixels at the edge of a frame, around which no window is whole


@dataclass(frozen=True)
class Brightness:
    """Which values of the frames are black and white to a network.

    ::

        seen = (x′ − black) / (white − black), cut to 0..1

    with x′ = x, except at hot and dead pixels, which lie outside black..white: there it is the
    median of 3×3 pixels. As specks they would draw the choice around them. At the edge of the
    picture, the pixels next to it count twice.

    Attributes
    ----------
    black, white : float
        In 0..1, black below white. 0 and 1, the default, change nothing.

    Examples
    --------
    >>> Brightness(0.25, 0.75).seen(np.float32([[0, 0.25, 0.5, 0.75]]))
    array([[0. , 0. , 0.5, 1. ]], dtype=float32)
    """

    black: float = 0.0
    white: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether a picture is seen as it is."""
        return (self.black, self.white) == (0, 1)

    def seen(self, picture: Picture) -> Picture:
        """Return a picture as the network sees it."""
        if self.is_whole:
            return picture
        is_outside = (picture < np.float32(self.black)) | (picture > np.float32(self.white))
        if is_outside.any():
            picture = np.where(is_outside, _median(picture), picture)
        seen = (picture - np.float32(self.black)) / np.float32(self.white - self.black)
        return np.asarray(np.clip(seen, 0, 1), np.float32)

    def restored(self, seen: Picture) -> Picture:
        """Return a picture in the frames' own values; without what lay outside."""
        if self.is_whole:
            return seen
        return seen * np.float32(self.white - self.black) + np.float32(self.black)


def find_brightness(frames: Frames) -> Brightness:
    """Return the brightness that a network needs to see dim frames as bright as others.

    ::

        black, white = least and largest value of the frames, each a median of 3×3 pixels

    So hot and dead pixels, a bad row or a bad column do not count, while a bead of five pixels
    does. Medians at the edge of a frame do not count, for their windows reach beyond it; only in a
    frame of one or two rows or columns do they. The frames are dim, or of
    low contrast, if these are at most half of the range apart: 12 or 8 bits stored in 16, dim light
    on the offset of a camera. Other frames are seen as they are, and so are frames of one value.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays in 0..1
        Read one after the other, until one shows that they are not dim.

    Returns
    -------
    Brightness

    Raises
    ------
    ValueError
        Fewer than two frames.

    Examples
    --------
    >>> dim = np.full((5, 6), 0.125, np.float32); dim[2:] = 0.25; dim[0, 0] = 1
    >>> find_brightness([dim, dim])
    Brightness(black=0.125, white=0.25)
    """
    height, width = shape_of(frames)[:2]
    edge = _EDGE if min(height, width) > 2 * _EDGE else 0
    black, white = 1.0, 0.0
    for number in range(len(frames)):
        rows = rows_of(frames, number)
        for start, stop in strips(0, height):
            part = rows(max(start - edge, 0), min(stop + edge, height))
            smooth = _median(part)[edge : len(part) - edge, edge : width - edge]
            if not smooth.size:  # a strip that is the last row
                continue
            black, white = min(black, float(smooth.min())), max(white, float(smooth.max()))
            if white - black > _MOST:
                return Brightness()
    return Brightness(black, white) if black < white else Brightness()


def _median(picture: Picture) -> Picture:
    """The median of 3×3 pixels, mirrored at the edge, so that a bad column there is a third."""
    whole = np.ascontiguousarray(picture)
    padded = cv2.copyMakeBorder(whole, _EDGE, _EDGE, _EDGE, _EDGE, cv2.BORDER_REFLECT_101)
    smooth = np.asarray(cv2.medianBlur(padded, _WINDOW), np.float32)
    return smooth[_EDGE:-_EDGE, _EDGE:-_EDGE]
