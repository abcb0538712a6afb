"""What 0 means in masks where cells are missing; see `with_unlabelled`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels import BACKGROUND, IGNORE
from seamwise.labels.slabs import areas
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.zoom import diameter_of
from seamwise.words import Unlabelled

_SHARE_OF_DIAMETER = 0.25


def with_unlabelled(
    images: Sequence[AnnotatedImage], unlabelled: Unlabelled, radius: float | None = None
) -> list[AnnotatedImage]:
    """Return annotated images with some of their background ignored.

    ::

        "background":  nothing is ignored
        "ignore":      y(p) = −1 where y(p) = 0
        "near":        y(p) = −1 where y(p) = 0 and no drawn cell is within `radius` of p

    A mask that a person corrected is complete: its background stays.

    Parameters
    ----------
    images : sequence of AnnotatedImage
    unlabelled : {"background", "ignore", "near"}
    radius : float, optional
        In pixels of the finest axis; by default a quarter of the median diameter of all cells.
    """
    if unlabelled == "background":
        return list(images)
    if radius is None:
        radius = _SHARE_OF_DIAMETER * _median_diameter(images)
    return [
        image if image.is_corrected else replace(image, labels=_known(image, unlabelled, radius))
        for image in images
    ]


def check_background(training: Sequence[AnnotatedImage], unlabelled: Unlabelled) -> None:
    """Raise ValueError if no pixel of the training masks is background, so that none is learned.

    ``training`` comes from `with_unlabelled`. "background" ignores nothing and is not checked.
    """
    if unlabelled == "background" or any((one.labels == BACKGROUND).any() for one in training):
        return
    remedy = "choose near" if unlabelled == "ignore" else "give a larger --unlabelled-radius"
    raise ValueError(
        f"with unlabelled = {unlabelled} no pixel of the training masks is background: {remedy}, "
        "or add complete masks with --corrected"
    )


def _known(image: AnnotatedImage, unlabelled: Unlabelled, radius: float) -> NDArray[np.int32]:
    is_empty = image.labels == BACKGROUND
    if unlabelled == "near" and (image.labels > 0).any():
        distance = ndimage.distance_transform_edt(
            image.labels <= 0, sampling=image.relative_spacing
        )
        is_empty &= distance > radius
    return np.where(is_empty, IGNORE, image.labels).astype(np.int32)


def _median_diameter(images: Sequence[AnnotatedImage]) -> float:
    """In pixels of the finest axis."""
    diameters = [
        diameter_of(area * float(np.prod(image.relative_spacing or 1.0)), image.ndim)
        for image in images
        for area in areas(np.maximum(image.labels, 0))[1:]
        if area
    ]
    return float(np.median(diameters)) if diameters else 0.0
