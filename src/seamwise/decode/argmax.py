"""Arg-max decoding; see `argmax`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.instances import instances
from seamwise.decode.probabilities import (
    Gap,
    as_probabilities,
    background_of,
    check_probabilities,
)
from seamwise.labels import TOUCHING, Labels


def argmax(
    probabilities: NDArray[Any], *, min_size: int = 0, min_core: int = 0, gap: Gap = "second"
) -> Labels:
    """Label the cells of the most likely class map (the thesis' MAP decoder).

    1. Each pixel takes the most likely class (`semantic_classes`).
    2. Each face-connected component of class *cell* is one cell; *touching* pixels go to the
       nearest cell, holes are filled and small objects dropped (`instances`).

    Parameters
    ----------
    probabilities : (C, *S) floating array
        C = 2 (background, cell), 3 (touching) or 4 (gap); not logits. Those of two or three classes
        go through `semantic_classes` and `instances` with the same result.
    min_size : int
        Cells of fewer pixels are dropped; 0 keeps all.
    min_core : int
        See `instances`.
    gap : {"second", "background"}
        What becomes of the gap class: see `semantic_classes`.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        0 background, 1..n cells.

    Notes
    -----
    Source: thesis, Algorithm 2 and sections 4.2.4 and 5.2.3.

    Examples
    --------
    Two cells with two touching pixels between them, one for each:

    >>> import numpy as np
    >>> classes = np.array([0, 1, 1, 2, 2, 1, 1, 0])
    >>> argmax(np.eye(3)[classes].T)
    array([0, 1, 1, 1, 2, 2, 2, 0], dtype=uint8)
    """
    classes = semantic_classes(check_probabilities(probabilities), gap=gap)
    return instances(classes, min_size=min_size, min_core=min_core)


def semantic_classes(probabilities: NDArray[Any], *, gap: Gap = "second") -> NDArray[np.uint8]:
    """Most likely class of each pixel, 0 background, 1 cell, 2 touching; ties go to the lower one.

    Parameters
    ----------
    probabilities : (C, *S) floating array, C = 2, 3 or 4
        Logits have the same most likely class, but with "background".
    gap : {"second", "background"}
        "second": a gap pixel takes the best of the other three classes, that is the arg max over
        the first three (thesis 5.2.3). "background": the gap's probability is added to the
        background's.

    Returns
    -------
    (*S) uint8 array
    """
    probabilities = as_probabilities(probabilities)
    background, cell = background_of(probabilities, gap), probabilities[1]
    # two comparisons per class: several times faster than numpy's argmax over a short first axis
    classes: NDArray[np.uint8] = (cell > background).astype(np.uint8)
    if len(probabilities) > 2:
        classes[probabilities[2] > np.maximum(background, cell)] = TOUCHING
    return classes
