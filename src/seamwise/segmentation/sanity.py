"""What a file that should hold labels looks like; see `looks_like` and `hint`."""

from typing import Literal

from seamwise.labels import Labels, connected_components, relabel
from seamwise.segmentation.transforms import Annotation

_PIXELS = 2**20  # the middle of an image tells as much as all of it
_CRUMBS = 4  # pieces that a cell of a careless annotation may have
_SHADES = 10  # fewer numbers than this may be a semantic mask, but no photograph


def looks_like(labels: Labels) -> Literal["labels", "binary", "photograph"]:
    """Guess what an integer image is, from the connected pieces of its numbers in the middle of it.

    - "binary": one number above 0, in more than four pieces. The cells of a black-and-white mask.
    - "photograph": ten numbers above 0 or more, in more than four pieces each, on average, or in pieces of
      less than two pixels. The pixels of one grey value lie everywhere; those of a cell lie together.
    - "labels": everything else, also an image without cells.

    It is a guess: say it, do not refuse the file. A mask of one cell in many crumbs looks binary; cells of one
    pixel look like a photograph.

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
    middle = labels[
        tuple(slice(max(0, (size - side) // 2), (size + side) // 2) for size in labels.shape)
    ]
    cells = int(relabel(middle).max(initial=0))
    pieces = int(connected_components(middle).max(initial=0))
    if cells == 1 and pieces > _CRUMBS:
        return "binary"
    if cells >= _SHADES and (pieces > _CRUMBS * cells or (middle > 0).sum() < 2 * pieces):
        return "photograph"
    return "labels"


def hint(labels: Labels, annotation: Annotation) -> str:
    """Say what seems wrong with a mask, in view of what it is said to hold; empty if nothing does."""
    looks = looks_like(labels)
    if looks == "photograph":
        return "scattered numbers, as in a photograph; is it the mask?"
    if annotation == "instances" and looks == "binary":
        return (
            "a single number in many pieces; if it is black and white, say so with --masks binary, "
            "or it counts as one cell"
        )
    cells = labels[labels > 0]
    if annotation == "binary" and cells.size and cells.min() != cells.max():
        return "several numbers; if they number the cells, leave out --masks binary, which joins touching cells"
    return ""
