"""From class probabilities to cells by a decode rule; see `decode_slabs` and `pixelwise`."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode import (
    flood,
    instances,
    judge_by_relief,
    semantic_classes,
    threshold_classes,
    watershed_elevation,
)
from seamwise.decode.relief import foreground_classes, split_maps, with_cores
from seamwise.io.models import DecodeRule, ReliefPair, ThresholdPair, WatershedPair
from seamwise.labels import Labels

Slab = tuple[tuple[slice, ...], NDArray[Any]]


def decode_slabs(
    slabs: Iterable[Slab],
    shape: tuple[int, ...],
    rule: DecodeRule,
    *,
    classes: int | None = None,
) -> Labels:
    """Label the cells from class probabilities that come part by part.

    Parameters
    ----------
    slabs : iterable of (box, probabilities)
        Parts that cover the image: a slice per axis, and `(C, *box shape)`.
    shape : tuple of int
        Size of the image, `(*S)`.
    rule : DecodeRule
        One of `decode.argmax`, `decode.threshold`, `decode.watershed` and `decode.relief`, with its
        options.
    classes : int, optional
        See `pixelwise`.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        What the decoder gives for the whole image.

    Notes
    -----
    Between the parts one byte per pixel is held, the class; for a watershed or by relief five, the
    height too.
    """
    if isinstance(rule.pair, WatershedPair):
        seeds, elevation = np.empty(shape, np.uint8), np.empty(shape, np.float32)
        for box, slab in slabs:
            seeds[box], elevation[box] = pixelwise(slab, rule, classes=classes)
        return flood(
            seeds,
            elevation,
            min_size=rule.min_size,
            min_core=rule.min_core,
            background_as=rule.pair.background_as,
        )
    class_map = np.empty(shape, np.uint8)
    if isinstance(rule.pair, ReliefPair):
        height = np.empty(shape, np.float32)
        for box, slab in slabs:
            class_map[box], height[box] = pixelwise(slab, rule, classes=classes)
        return judge_by_relief(
            class_map,
            height,
            peak=rule.pair.peak,
            saddle=rule.pair.saddle,
            min_size=rule.min_size,
            min_core=rule.min_core,
        )
    for box, slab in slabs:
        (class_map[box],) = pixelwise(slab, rule, classes=classes)
    return instances(class_map, min_size=rule.min_size, min_core=rule.min_core)


def pixelwise(
    probabilities: NDArray[Any], rule: DecodeRule, *, classes: int | None = None
) -> tuple[NDArray[Any], ...]:
    """Return what a rule needs of each pixel: its class; for some rules also a height.

    Parameters
    ----------
    probabilities : (C, *S) floating array
        Any part of the image; for a rule that `is_guided` relief and offsets follow behind the
        classes.
    rule : DecodeRule
    classes : int, optional
        How many of the maps are classes: then no offsets need follow behind the relief. By default
        they do.

    Returns
    -------
    tuple of (*S) arrays
        What `decode.semantic_classes` or `decode.threshold_classes` returns, both that
        `decode.watershed_elevation` does, or class and relief.
    """
    match rule.pair:
        case WatershedPair() as pair:
            return watershed_elevation(
                probabilities, background=pair.background, cell=pair.cell, gap=rule.gap
            )
        case ReliefPair() as pair:
            if classes is None:
                likely, height = split_maps(probabilities)
            else:
                likely, height = probabilities[:classes], probabilities[classes]
            foreground = foreground_classes(likely, foreground=pair.foreground, gap=rule.gap)
            return with_cores(foreground, height, pair.core), height
        case ThresholdPair() as pair:
            return (
                threshold_classes(
                    probabilities, touching=pair.touching, cell=pair.cell, gap=rule.gap
                ),
            )
        case None:
            return (semantic_classes(probabilities, gap=rule.gap),)


def decode_whole(probabilities: NDArray[Any], rule: DecodeRule) -> Labels:
    """Label the cells from class probabilities `(C, *S)` of the whole image; see `decode_slabs`."""
    shape = probabilities.shape[1:]
    return decode_slabs([((slice(None),) * len(shape), probabilities)], shape, rule)
