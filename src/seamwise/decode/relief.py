"""Decoding by the relief of the cells, one hill each; see `relief`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.probabilities import as_probabilities, check_threshold
from seamwise.decode.watershed import UNDECIDED, flood
from seamwise.labels import BACKGROUND, CELL, Labels


def relief(
    maps: NDArray[Any],
    *,
    background: float = 0.5,
    core: float = 0.5,
    min_size: int = 0,
    min_core: int = 0,
) -> Labels:
    """Label the cells by flooding down from the heights of the predicted relief.

    The relief r of a cell is the distance to its boundary in units of its largest: 1 in the middle
    and nearly 0 at the boundary, whatever the size of the cell (`labels.guides`). Where two cells
    touch, r falls to a valley as wide as the cells are large. The touching class is a line of two
    pixels: one wrong pixel in it joins two cells, and a false line cuts a large cell.

    1. With z the class probabilities, and the thresholds τ0 = `background` and τc = `core`::

           background  if z_0(p) + z_3(p) ≥ τ0,     marker  if r(p) ≥ τc otherwise
           height      −r(p)

    2. Each face-connected component of the markers is a cell. The rest of the foreground is flooded
       from them, high relief first (`flood`, background as mask).

    Parameters
    ----------
    maps : (C + 1 + ndim, *S) floating array
        Class probabilities, C = 2, 3 or 4; then the relief and the offsets. Offsets are not used.
    background, core : float in [0, 1]
        τ0 and τc.
    min_size, min_core : int
        Cells, and markers, of fewer pixels are none; 0 keeps all.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        0 background, 1..n cells. Each cell is face-connected. Foreground that no marker reaches is
        background.

    Raises
    ------
    ValueError
        Wrong number of maps, a threshold outside [0, 1], or a negative size.

    Notes
    -----
    Source: ours. A distance transform is a common target of a regression (Naylor et al., IEEE TMI
    38, 448–459, 2019). Theirs is in pixels, so that its threshold depends on the size of the cells.

    Examples
    --------
    Two cells that touch without a seam in the classes:

    >>> r = np.array([0.0, 0.3, 0.9, 0.4, 0.3, 1.0, 0.3, 0.0])
    >>> cell = np.array([0.0, 1, 1, 1, 1, 1, 1, 0])
    >>> relief(np.stack([1 - cell, cell, r, 0 * r]))
    array([0, 1, 1, 1, 2, 2, 2, 0], dtype=uint8)
    """
    seeds, elevation = relief_landscape(maps, background=background, core=core)
    return flood(seeds, elevation, min_size=min_size, min_core=min_core, background_as="mask")


def relief_landscape(
    maps: NDArray[Any], *, background: float = 0.5, core: float = 0.5
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Mark the pixels, and build what `flood` floods from them; see `relief`.

    Returns
    -------
    seeds : (*S) uint8 array
        0 background, 1 marker, 2 undecided.
    elevation : (*S) float32 array
        −r.
    """
    check_threshold("background", background)
    check_threshold("core", core)
    maps = np.asarray(maps)
    guides = maps.ndim  # relief, and as many offsets as there are axes
    if not guides + 2 <= len(maps) <= guides + 4:
        raise ValueError(
            f"maps must hold 2 to 4 classes, a relief and {guides - 1} offsets, "
            f"not {len(maps)} channels"
        )
    probabilities, height = as_probabilities(maps[:-guides]), maps[-guides]
    outside = probabilities[0] if len(probabilities) < 4 else probabilities[0] + probabilities[3]
    seeds = np.full(height.shape, UNDECIDED, np.uint8)
    seeds[height >= core] = CELL
    seeds[outside >= background] = BACKGROUND
    return seeds, -height.astype(np.float32)
