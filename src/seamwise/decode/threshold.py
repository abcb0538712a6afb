"""Decoding by two thresholds; see `threshold`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.instances import instances
from seamwise.decode.probabilities import (
    Gap,
    as_probabilities,
    check_probabilities,
    check_threshold,
    without_gap,
)
from seamwise.labels import TOUCHING, Labels


def threshold(
    probabilities: NDArray[Any],
    *,
    touching: float = 0.1,
    cell: float = 0.5,
    min_size: int = 0,
    min_core: int = 0,
    gap: Gap = "background",
) -> Labels:
    """Label the cells of thresholded probability maps (the thesis' TH decoder).

    With the thresholds γ2 = `touching` and γ1 = `cell`::

        h(p) = 2  touching    if z_2(p) ≥ γ2
               1  cell        if z_1(p) ≥ γ1 otherwise
               0  background  otherwise

    then `instances` of h: each face-connected component of class 1 is a cell, touching pixels go to
    the nearest. A seam need not win the arg max to part two cells: z_2 ≥ 0.1 is enough.

    Parameters
    ----------
    probabilities : (C, *S) floating array
        C = 2 (background, cell), 3 (touching) or 4 (gap); not logits. Two classes have no touching
        pixels, and `touching` is not used.
    touching, cell : float in [0, 1]
        γ2 and γ1, compared in the precision of `probabilities`; by default the medians of thesis
        Table 5. `segmentation.tune` finds those of a model.
    min_size, min_core : int
        See `instances`.
    gap : {"background", "second"}
        With four classes: "background" takes z_1 and z_2 as they are, so that a gap pixel is
        background unless another class reaches its threshold. "second" compares z_l / (z_0 + z_1 +
        z_2), the probabilities of a pixel that is not gap, as the arg max over the first three
        classes does.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        0 background, 1..n cells.

    Raises
    ------
    ValueError
        Not probabilities, wrong number of classes, a threshold outside [0, 1], a negative size, or
        an unknown `gap`.

    Notes
    -----
    Source: thesis Algorithm 2 and (4.4); Guerrero Peña et al. 2018, arXiv:1802.07465. Algorithm 2
    prints > for both comparisons and section 4.2.4 prints ≥; we use ≥. Algorithm 2 returns one
    binary mask and compares pixels, not cells, in its tie rule; see `instances` for what we do
    instead. A touching pixel equally near to two different cells becomes background, as printed.
    The thesis thresholds three classes only; what becomes of a fourth is ours.

    Examples
    --------
    The seam is the most likely class nowhere, so that `argmax` sees one cell:

    >>> import numpy as np
    >>> seam = np.array([0.0, 0.0, 0.3, 0.3, 0.0, 0.0])
    >>> probabilities = np.stack([0 * seam, 1 - seam, seam])
    >>> threshold(probabilities, touching=0.2, cell=0.5)
    array([1, 1, 1, 2, 2, 2], dtype=uint8)
    """
    probabilities = check_probabilities(probabilities)
    classes = threshold_classes(probabilities, touching=touching, cell=cell, gap=gap)
    return instances(classes, min_size=min_size, min_core=min_core)


def threshold_classes(
    probabilities: NDArray[Any],
    *,
    touching: float = 0.1,
    cell: float = 0.5,
    gap: Gap = "background",
) -> NDArray[np.uint8]:
    """Class of each pixel by two thresholds: 0 background, 1 cell, 2 touching; see `threshold`.

    Parameters
    ----------
    probabilities : (C, *S) floating array, C = 2, 3 or 4
    touching, cell : float in [0, 1]
    gap : {"background", "second"}

    Returns
    -------
    (*S) uint8 array
    """
    check_threshold("touching", touching)
    check_threshold("cell", cell)
    _, z_1, *z_2 = without_gap(as_probabilities(probabilities), gap)
    classes: NDArray[np.uint8] = (z_1 >= cell).astype(np.uint8)
    if z_2:
        classes[z_2[0] >= touching] = TOUCHING
    return classes
