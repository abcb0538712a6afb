"""The channels of an image, from one file or several: `as_channels`, `joined_channels`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamwise.io.images import Image


def as_channels(image: Image, *, keep_all: bool = False) -> NDArray[np.generic]:
    """Return the image as `(C, *S)`; if all channels are equal, one of them unless `keep_all`."""
    if not image.axes.startswith("C"):
        return image.data[np.newaxis]
    if not keep_all and all(np.array_equal(image.data[0], other) for other in image.data[1:]):
        return image.data[:1]
    return image.data


def joined_channels(
    paths: Sequence[Path], images: Sequence[Image], *, keep_all: bool = False
) -> NDArray[np.generic]:
    """Return the channels of one or several files as one `(C, *S)` image.

    Raises
    ------
    ValueError
        The files have other sizes.
    """
    parts = [as_channels(image, keep_all=keep_all) for image in images]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        if part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(
                f"{path} must have the size {parts[0].shape[1:]} of {paths[0].name}, not "
                f"{part.shape[1:]}: give all channels of an image one size"
            )
    return np.concatenate(parts)
