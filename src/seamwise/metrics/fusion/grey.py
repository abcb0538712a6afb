"""The grey picture that fusion metrics compare; see `to_grey`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.metrics.fusion.pictures import Grey, checked_picture

# first row of the inverse of the NTSC matrix, as rgb2gray of the reference code computes it
_WEIGHTS = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])


def to_grey(rgb: NDArray[Any]) -> Grey:
    """Grey levels of a colour picture, rounded to whole numbers.

    ::

        grey(p) = round(0.298936021293775 R(p) + 0.587043074451121 G(p) + 0.114020904255103 B(p))

    Parameters
    ----------
    rgb : (H, W, 3) array
        Red, green, blue; values 0..255, integers or floats.

    Returns
    -------
    (H, W) float64 array
        Whole numbers 0..255; halves round up. Also for floats, so that a picture and its 8-bit file
        agree.

    Raises
    ------
    TypeError
        The array does not hold integers or floats.
    ValueError
        Not three channels, empty, NaN, values outside 0..255 or only values of 0..1 that are not
        just 0 and 1.

    Notes
    -----
    The weights are those of MATLAB's and Octave's `rgb2gray`, with which published values were
    computed. The common 0.299, 0.587, 0.114 give another level in about one of ten thousand pixels
    of a photograph.

    Examples
    --------
    >>> import numpy as np
    >>> to_grey(np.array([[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]]))
    array([[255.,  76., 150.,  29.]])
    """
    if np.ndim(rgb) != 3 or np.shape(rgb)[-1] != 3:
        raise ValueError(
            f"rgb must be a colour picture (H, W, 3), not an array of shape {np.shape(rgb)}"
        )
    grey: Grey = np.floor(checked_picture("rgb", rgb) @ _WEIGHTS + 0.5)
    return grey
