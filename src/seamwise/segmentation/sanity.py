"""Does a label image look like one? See `looks_like` and `hint`."""

from typing import Literal

from seamwise.labels import Labels, connected_components, relabel
from seamwise.words import Annotation

_PIXELS = 2**20  # that are looked at: the middle of an image tells as much as all of it
_CRUMBS = 4  # pieces that a cell may have in a careless annotation
_CLASSES = 4  # of a semantic mask, at most
_SHADES = 10  # fewer numbers may be classes


def looks_like(labels: Labels) -> Literal["labels", "binary", "classes", "photograph"]:
    """Guess what an integer image is, from the connected pieces of the numbers in its middle.

    - "binary": one number above 0, in more than four pieces: the cells of a black-and-white mask.
    - "classes": two to four numbers above 0, in more than four pieces each, on average: the classes
      of a semantic mask.
    - "photograph": ten or more numbers above 0, in more than four pieces each, on average, or in
      pieces of less than two pixels. The pixels of one grey value are scattered; those of a cell
      are connected.
    - "labels": everything else, also an image without cells.

    It is a guess, for a note to the user and not for refusing a file. A mask of one cell in many
    crumbs looks binary; cells of one pixel look like a photograph.

    Parameters
    ----------
    labels : (*S) integer array of one to three axes
        0 background, positive = one number per cell, negative = ignore.

    Examples
    --------
    >>> import numpy as np
    >>> looks_like(np.random.default_rng(0).integers(0, 256, (50, 50)))
    'photograph'
    >>> looks_like(np.array([255, 0] * 20))
    'binary'
    """
    side = round(_PIXELS ** (1 / labels.ndim))
    box = tuple(slice(max(0, (size - side) // 2), (size + side) // 2) for size in labels.shape)
    middle = labels[box]
    cells = int(relabel(middle).max(initial=0))
    pieces = int(connected_components(middle).max(initial=0))
    if cells == 1 and pieces > _CRUMBS:
        return "binary"
    if 1 < cells <= _CLASSES and pieces > _CRUMBS * cells:
        return "classes"
    if cells >= _SHADES and (pieces > _CRUMBS * cells or (middle > 0).sum() < 2 * pieces):
        return "photograph"
    return "labels"


def hint(labels: Labels, annotation: Annotation) -> str:
    """Return a possible mistake in a mask that should hold `annotation`, or ""."""
    looks = looks_like(labels)
    if looks == "photograph":
        return "scattered numbers, as in a photograph; is it the mask?"
    if annotation == "instances" and looks == "classes":
        return (
            "a few numbers in many pieces, as classes have, not cells; give each cell a number, or "
            "make cells of classes with seamwise decode"
        )
    if annotation == "instances" and looks == "binary":
        return (
            "a single number in many pieces; if it is black and white, use --masks binary, "
            "or it counts as one cell"
        )
    cells = labels[labels > 0]
    if annotation == "binary" and cells.size and cells.min() != cells.max():
        return (
            "several numbers; if they number the cells, remove --masks binary, "
            "which joins touching cells"
        )
    return ""
