"""From class probabilities to cells, as a model's decode rule says; see `decode_slabs`."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode import flood, instances, landscape, semantic_classes, threshold_classes
from seamwise.io.models import DecodeRule, ThresholdPair, WatershedPair
from seamwise.labels import Labels

Slab = tuple[tuple[slice, ...], NDArray[Any]]


def decode_slabs(slabs: Iterable[Slab], shape: tuple[int, ...], rule: DecodeRule) -> Labels:
    """Label the cells from class probabilities that come slab by slab.

    Parameters
    ----------
    slabs : iterable of (box, probabilities)
        Parts that cover the image: a slice per axis, and `(C, *box shape)`.
    shape : tuple of int
        Size of the image, `(*S)`.
    rule : DecodeRule
        Which of `decode.argmax`, `decode.threshold` and `decode.watershed`, and its options.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        What the decoder gives for the whole image.

    Notes
    -----
    Between the slabs one byte a pixel is held, the class; for a watershed five, seed and height.
    """
    match rule.pair:
        case WatershedPair() as pair:
            seeds, elevation = np.empty(shape, np.uint8), np.empty(shape, np.float32)
            for box, slab in slabs:
                seeds[box], elevation[box] = landscape(slab, background=pair.background, cell=pair.cell, gap=rule.gap)
            return flood(
                seeds, elevation, min_size=rule.min_size, min_core=rule.min_core, background_as=pair.background_as
            )
        case ThresholdPair() as pair:
            classify = partial(threshold_classes, touching=pair.touching, cell=pair.cell, gap=rule.gap)
        case None:
            classify = partial(semantic_classes, gap=rule.gap)
    classes = np.empty(shape, np.uint8)
    for box, slab in slabs:
        classes[box] = classify(slab)
    return instances(classes, min_size=rule.min_size, min_core=rule.min_core)


def decode_whole(probabilities: NDArray[Any], rule: DecodeRule) -> Labels:
    """Label the cells from the class probabilities `(C, *S)` of the whole image; see `decode_slabs`."""
    shape = probabilities.shape[1:]
    return decode_slabs([((slice(None),) * len(shape), probabilities)], shape, rule)
