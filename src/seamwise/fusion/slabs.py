"""Pictures that were fused from parts of one burst and are fused again: `equal_cuts`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.homography import PixelBox
from seamwise.fusion.stored_alignment import stored_path


def equal_cuts(pictures: Sequence[Path], sizes: Sequence[tuple[int, ...]]) -> list[PixelBox] | None:
    """Return how to cut pictures that alignments have cut differently, so that all show one area.

    The alignment next to a picture tells which box of the camera's frame it shows. A picture
    without one shows the whole frame. The boxes returned are what all of them share.

    Parameters
    ----------
    pictures : sequence of Path
    sizes : sequence of (Y, X, …)
        Of each picture.

    Returns
    -------
    list of (y0, y1, x0, x1), or None
        Within each picture; None if they are not such pictures, or share nothing.

    Raises
    ------
    OSError, ValueError
        An alignment cannot be read.
    """
    paths = [stored_path(picture) for picture in pictures]
    alignments = {path: Alignment.load(path) for path in paths if path.exists()}
    frames = {alignment.shape for alignment in alignments.values()}
    if len(frames) != 1:
        return None
    whole = (0, next(iter(frames))[0], 0, next(iter(frames))[1])
    boxes = np.array([alignments[path].common if path in alignments else whole for path in paths])
    lengths = boxes[:, 1::2] - boxes[:, ::2]
    if not np.array_equal(lengths, np.array([size[:2] for size in sizes])):
        return None
    (y0, x0), (y1, x1) = boxes[:, ::2].max(0), boxes[:, 1::2].min(0)
    if y0 >= y1 or x0 >= x1:
        return None
    shared = np.array([y0, y1, x0, x1])
    cuts = [shared - np.repeat(box[::2], 2) for box in boxes]
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in cuts]
