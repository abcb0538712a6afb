"""Skeletons of labelled regions; see `skeletons`."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from seamwise.labels import Labels, bounding_boxes


def skeletons(labels: Labels) -> NDArray[np.bool_]:
    """Union of the skeletons of the labelled regions, each thinned as if it were alone.

    Parameters
    ----------
    labels : (*S) integer array
        0 background, 1..n regions, as `relabel` numbers them.

    Returns
    -------
    (*S) bool array
        In a plane by Zhang and Suen's thinning, in a volume by Lee's
        (`skimage.morphology.skeletonize`). A region one pixel thick along an axis is thinned
        without that axis, and a line is its own skeleton. For a region that thinning erases, the
        deepest pixels are kept.

    Notes
    -----
    Thinning takes the sides of a region in a fixed order, so the skeleton of a mirrored region may
    differ by a pixel from the mirrored skeleton.

    Examples
    --------
    >>> labels = np.array([[1, 1, 1, 2, 3], [1, 1, 1, 2, 0], [1, 1, 1, 2, 4]])
    >>> skeletons(labels).astype(int)
    array([[0, 1, 0, 1, 1],
           [1, 0, 0, 1, 0],
           [0, 0, 0, 1, 1]])
    """
    skeleton = np.zeros(labels.shape, bool)
    for number, box in enumerate(bounding_boxes(labels), start=1):
        skeleton[box] |= _skeleton(labels[box] == number)
    return skeleton


def _skeleton(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    plane = mask.squeeze()
    if plane.ndim < 2:
        return mask
    skeleton: NDArray[np.bool_] = skeletonize(plane)  # type: ignore[no-untyped-call]
    if not skeleton.any():
        depth = ndimage.distance_transform_edt(np.pad(plane, 1))
        skeleton = depth[(slice(1, -1),) * plane.ndim] == depth.max()
    return skeleton.reshape(mask.shape)
