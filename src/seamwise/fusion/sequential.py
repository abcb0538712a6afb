"""From a method for two frames to one for a burst; see `functional_power`."""

from collections.abc import Callable

import numpy as np

from seamwise.fusion.frames import Frames, check_count
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.types import Picture


def functional_power(fuse_pair: Callable[[Picture, Picture], Fusion], frames: Frames) -> Fusion:
    """Fuse two frames, the result with the third, and so on: f(f(x_0, x_1), x_2) …

    Parameters
    ----------
    fuse_pair : callable
        f(first, second) → `Fusion`, whose depth is 0 or 1.
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        Each is read once, one at a time.

    Returns
    -------
    Fusion
        `depth` follows a pixel back to the frame it comes from.

    Raises
    ------
    ValueError
        Fewer than two frames.

    Notes
    -----
    **The result depends on the order of three or more frames**, also where f(a, b) = f(b, a):
    commutative is not associative. Source: thesis section 6.2, f^n.

    Examples
    --------
    >>> def brighter(a, b):
    ...     return Fusion(np.maximum(a, b), (b > a).astype(np.uint8))
    >>> burst = [np.float32([[1, 0, 0]]), np.float32([[0, 0, 1]]), np.float32([[0, 1, 0]])]
    >>> fused = functional_power(brighter, burst)
    >>> fused.image, fused.depth
    (array([[1., 1., 1.]], dtype=float32), array([[0, 2, 1]], dtype=uint8))
    """
    check_count(frames)
    image = frames[0]
    depth = np.zeros(image.shape[:2], depth_dtype(len(frames)))
    for number in range(1, len(frames)):
        pair = fuse_pair(image, frames[number])
        image = pair.image
        depth[pair.depth == 1] = number
    return Fusion(image, depth)
