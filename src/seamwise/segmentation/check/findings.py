"""What may be wrong with training data: `KINDS`, and each case as a `Finding`."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["stops", "harms", "look"]
"""The training stops; it learns something wrong; a person should look."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what is wrong, how bad it is, and how to fix it."""

    title: str
    severity: Severity
    remedy: str


KINDS = {
    "no mask": Kind("image without mask", "stops", "add the mask, or remove the image"),
    "no masks": Kind("series without masks", "look", "add its masks, or train without it"),
    "no image": Kind("mask without image", "look", "add the image, or rename the mask"),
    "unreadable image": Kind("image that cannot be read, or with NaN", "stops", "export it again"),
    "unreadable mask": Kind(
        "mask that is not a label image",
        "stops",
        "export label numbers: no colours, no real numbers, no interpolation",
    ),
    "classes": Kind(
        "mask of classes, not of cells",
        "stops",
        "give the masks that the classes were made from, or make cells of them: seamwise decode",
    ),
    "few numbers": Kind(
        "mask with a few numbers in many pieces, as classes have",
        "harms",
        "number the cells, or make cells of classes: seamwise decode MASKS -o FOLDER",
    ),
    "numbers": Kind(
        "mask of cells in a data set of classes",
        "look",
        "right here; nnU-Net refuses it: seamwise nnunet-dataset makes classes for it",
    ),
    "size": Kind("mask of another size", "stops", "export image and mask with the same size"),
    "axes": Kind(
        "planes and stacks together", "stops", "train on one of them, or name the axes (--axes)"
    ),
    "channels": Kind("other number of channels", "stops", "choose channels with --channel"),
    "type": Kind(
        "other type of pixels", "look", "export all images the same way, best without rescaling"
    ),
    "constant": Kind("image without contrast", "stops", "remove it, or export it again"),
    "saturated": Kind(
        "saturated pixels", "look", "expose or export again without clipping, if you can"
    ),
    "inverted": Kind(
        "bright and dark are swapped", "harms", "invert this image, or train on one kind"
    ),
    "no match": Kind(
        "mask does not follow the image", "harms", "is it the mask of another image, or shifted?"
    ),
    "twice": Kind(
        "the same image twice", "harms", "keep one: a copy in validation makes scores too good"
    ),
    "photograph": Kind("mask that looks like a photograph", "harms", "is the image in its place?"),
    "interpolated": Kind(
        "mask with softened edges",
        "harms",
        "export without smoothing (nearest neighbour, no JPEG, no anti-aliasing)",
    ),
    "black and white": Kind(
        "black-and-white mask",
        "harms",
        "number the cells, or train with --masks binary, which needs a line between cells",
    ),
    "palette": Kind(
        "mask with a palette",
        "look",
        "the index of a colour counts as the number of a cell; check the counts below",
    ),
    "background": Kind("background has a number", "harms", "set it to 0"),
    "no cells": Kind("mask without cells", "look", "right if the image is empty; else annotate it"),
    "no cell at all": Kind(
        "masks without a single cell", "stops", "annotate the cells of some images"
    ),
    "number twice": Kind(
        "one number for two places", "harms", "give one of the pieces a new number"
    ),
    "cut": Kind("cell in pieces", "look", "join the pieces, or number them apart"),
    "crumbs": Kind("stray pixels", "look", "erase them; each piece is learned as a cell"),
    "specks": Kind("cells of a few pixels", "look", "erase them if they are slips of the pen"),
    "two cells": Kind("one number may cover two cells", "look", "number them apart if they are"),
    "unlabelled": Kind(
        "objects without a number that look like the cells",
        "harms",
        "number them; or train with --unlabelled near, as the suggested settings do",
    ),
    "holes": Kind("cells with holes", "harms", "fill the holes"),
}
"""All kinds of faults by their key, in the order of a report."""


@dataclass(frozen=True, eq=False)
class Finding:
    """One case of a fault.

    Attributes
    ----------
    kind : str
        Key of `KINDS`.
    name : str
        Image or file.
    text : str
        What was seen there.
    count : int
        How many cells or files.
    picture : (Y, X, 3) uint8 array, optional
        The place.
    """

    kind: str
    name: str
    text: str
    count: int = 1
    picture: NDArray[np.uint8] | None = None
