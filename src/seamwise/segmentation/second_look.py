"""Whether a network would be surer of an image of another size: see `second_look`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import SegmentationInfo
from seamwise.segmentation.decoding import decode_whole
from seamwise.segmentation.fit import Look, is_comparable, look_at
from seamwise.segmentation.normalization import Normalization
from seamwise.segmentation.zoom import Zoom, diameter_of, magnified_shape, resample
from seamwise.types import Box

# Chosen on magnified selection images of `nuclei-2d`, see benchmarks/README.md ("Does an image
# fit?"). Nuclei of 130 pixels and more are cut into pieces: then the certainty is at most 0.28, and
# at a quarter of the size 1.35 times as high or more. In all other images it is 1.03 times as high
# or less.
# A model that is surer than so many times the least certainty in training does not look again. At
# twice the size that costs more, so it must be less sure.
_DOUBT = {0.25: 1.15, 2.0: 0.9}
_SURER = 1.15  # times, at the other size
_OTHER = 1.3  # times larger or smaller are the cells then
_SEEN = 256  # pixels of the network along each axis, at most
_LEAST, _FEW = 32, 3  # pixels along each axis, and cells: fewer say nothing


@dataclass(frozen=True)
class View:
    """What a second look at an image needs.

    Attributes
    ----------
    info : SegmentationInfo
        What the model file says.
    zoom : Zoom
        How far the image was magnified for the first look.
    normalise : Normalization
        That of the whole image.
    see : function
        A normalised block `(C, *S)`, as large as the network is to see it, to its maps: class
        probabilities, relief and offsets.
    """

    info: SegmentationInfo
    zoom: Zoom
    normalise: Normalization
    see: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def second_look(
    read: Callable[[Box], NDArray[Any]],
    shape: Sequence[int],
    view: View,
    look: Look,
    *,
    cells: int,
) -> str:
    """Return that cells are far too large or small, in one line; empty if nothing speaks for it.

    A network that sees cells several times larger than those of its training finds parts of them,
    each of a usual size: a comparison of sizes (`fit.misfit`) notes nothing. It misses those that
    are far too small. But it is not sure of what it finds. So if it is hardly as sure as in
    training, the middle of the image is reduced to a quarter, or magnified twice, and seen again.
    The size is the reason if the network is clearly surer then, as sure as in training, and finds
    cells that are larger in the image, or smaller.

    Parameters
    ----------
    read : function
        Box → the pixels `(C, *box shape)`, as the image has them.
    shape : sequence of int
        Of the image, `(*S)`. For stacks nothing was measured, and nothing is looked at.
    view : View
    look : Look
        The first one, at the whole image.
    cells : int
        How many were found there.
    """
    fit = view.info.fit
    if fit is None or len(shape) != 2 or not (look.by_relief and is_comparable(view.info, look)):
        return ""
    if not view.normalise.scale.any():  # without any contrast no size shows more
        return ""
    before = diameter_of(look.foreground / max(cells, 1) * view.zoom.pixels, 2)
    for size, doubt in _DOUBT.items():
        if look.mean >= doubt * fit.certainty:
            continue
        maps = _see_again(read, shape, view, size)
        if maps is None:
            continue
        again = look_at(maps, view.info.architecture.out_channels)
        if again.mean < max(_SURER * look.mean, fit.certainty):
            continue
        count = _count_cells(maps, view.info)
        if count < _FEW:
            continue
        after = diameter_of(again.foreground / count, 2) / size
        is_other = after > _OTHER * before if size < 1 else before > _OTHER * after
        if cells and not is_other:
            continue
        across = after / view.zoom.factors[-1]
        what, where = ("cut into pieces", "a quarter of") if size < 1 else ("missed", "twice")
        return (
            f"cells of about {across:.0f} pixels across may be {what}: the model is surer at "
            f"{where} the size: try --diameter {across:.0f}"
        )
    return ""


def _see_again(
    read: Callable[[Box], NDArray[Any]], shape: Sequence[int], view: View, size: float
) -> NDArray[np.float32] | None:
    """The maps of the middle at another size; None if that is too small to say anything."""
    factors = [size * factor for factor in view.zoom.factors]
    sides = [min(n, ceil(_SEEN / factor)) for n, factor in zip(shape, factors, strict=True)]
    reduced = magnified_shape(sides, factors)
    if min(reduced) < _LEAST:
        return None
    middle = tuple(
        slice((n - side) // 2, (n - side) // 2 + side) for n, side in zip(shape, sides, strict=True)
    )
    return view.see(resample(view.normalise(read(middle))[np.newaxis], reduced)[0])


def _count_cells(maps: NDArray[np.float32], info: SegmentationInfo) -> int:
    """How many cells the model's own rule finds in maps."""
    classes = info.architecture.out_channels
    labels = decode_whole(maps if info.decode.is_guided else maps[:classes], info.decode)
    return int(labels.max(initial=0))
