"""Which frame each pixel comes from, as a picture: `write_depth`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seamwise.io.atomic import atomic_path

_PALETTE = 256  # colours of a PNG with 8 bits


def write_depth(path: Path, depth: NDArray[Any], count: int) -> None:
    """Write frame numbers as a PNG in colours from dark (the first frame) to bright (the last).

    The numbers themselves are the indices of its palette. Above 256 frames it is a 16-bit grey PNG
    of the numbers.

    Parameters
    ----------
    path : Path
    depth : (Y, X) unsigned integer array
        Frame that each pixel comes from, 0..count−1, as `Fusion.depth`.
    count : int
        How many frames there are.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with atomic_path(path) as temporary:
        if count > _PALETTE:
            Image.fromarray(depth.astype(np.uint16)).save(temporary, format="PNG")
            return
        from matplotlib import colormaps  # slow to import, needed only here

        picture = Image.fromarray(depth.astype(np.uint8))
        colours = colormaps["viridis"](np.linspace(0, 1, count))[:, :3]
        picture.putpalette(np.round(255 * colours).astype(np.uint8).tobytes())
        picture.save(temporary, format="PNG")
