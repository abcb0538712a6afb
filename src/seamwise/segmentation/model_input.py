"""An image as a model takes it, or why it does not; see `as_model_input`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.array_like import as_array
from seamwise.io.images import Image
from seamwise.io.models import SegmentationInfo
from seamwise.io.outcome import amount


def as_model_input(image: NDArray[Any], info: SegmentationInfo) -> NDArray[Any]:
    """Check an image against what the model expects and return it as `(C, *S)`."""
    image = as_array(image, name="image", real=True)
    if image.dtype.kind not in "uifb":
        raise ValueError(
            f"image must hold real numbers, not {image.dtype}: convert it, e.g. to float32"
        )
    if image.dtype == bool:
        image = image.astype(np.uint8)
    if image.ndim == info.architecture.ndim:
        image = image[np.newaxis]
    _check_distinct(image, info)
    check_shape(image.shape, info)
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            "image has NaN or infinite pixels: replace them, e.g. with numpy.nan_to_num"
        )
    return image


def _check_distinct(image: NDArray[Any], info: SegmentationInfo) -> None:
    """Raise ValueError if there are too many channels because all are the same one."""
    count, wanted = len(image), info.architecture.in_channels
    if image.ndim != info.architecture.ndim + 1 or not wanted == 1 < count or not image.size:
        return
    if all(np.array_equal(image[0], other) for other in image[1:]):
        raise ValueError(
            f"the model expects {amount(wanted, 'channel')}, the image has {count} that are equal: "
            "give one of them"
        )


def check_shape(shape: tuple[int, ...], info: SegmentationInfo) -> None:
    """Raise ValueError unless an image `(C, *S)` of this shape is what the model expects."""
    ndim, in_channels = info.architecture.ndim, info.architecture.in_channels
    if len(shape) != ndim + 1:
        raise ValueError(_wrong_axes(shape, ndim))
    if shape[0] != in_channels:
        is_last = shape[-1] == in_channels or shape[-1] <= 4
        hint = " (channels last? move them first)" if is_last else ""
        channels = shape[-1] if is_last else shape[0]
        last = min(2, channels - 1)
        choice = f"image[..., {last}]" if is_last else f"image[{last}]"
        raise ValueError(
            f"the model expects {amount(in_channels, 'channel')}, "
            f"the image {shape} has {shape[0]}{hint}: "
            "choose one by number (in a colour image 0 is red, 1 green, 2 blue): "
            f"--channel {last}, or in Python {choice} of an array of that shape"
        )
    if 0 in shape:
        raise ValueError(f"image is empty: its shape is {shape}; give one with pixels")


def _wrong_axes(shape: tuple[int, ...], ndim: int) -> str:
    """Why an image `(C, *S)`, or a plane `(Y, X)`, does not suit a model for so many axes."""
    if (ndim, len(shape)) == (2, 4):
        return (
            f"the image is a stack of {amount(shape[1], 'slice')}, and the model is for planes: "
            "choose a model for stacks, such as nuclei-3d, or --mode 2d-stitch"
        )
    if ndim == 3 and len(shape) in (2, 3):
        return (
            "the image is a plane, and the model is for stacks: choose a model for planes, such "
            "as nuclei-2d"
        )
    return (
        f"image must have {ndim} spatial axes, with channels first if there are any, "
        f"not the shape {shape}"
    )


def check_depth(image: Image, info: SegmentationInfo, *, is_stitched: bool) -> None:
    """Raise ValueError if channels would be taken for the slices of a stack."""
    is_for_stacks = is_stitched or info.architecture.ndim == 3
    if is_for_stacks and image.axes == "CYX":
        raise ValueError(
            f"the image has {len(image.data)} channels and no slices (CYX), a stack is needed: "
            "choose a model for planes and a --channel, or say --axes ZYX if they are slices"
        )
