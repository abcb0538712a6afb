"""The image that a file holds (`StoredImage`), as read, and checks of what may be used of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seamwise.types import Box


@dataclass(frozen=True)
class StoredImage:
    """The pixels of a file and what the file says about them.

    Attributes
    ----------
    data : array
        Pixels in the layout of the file, without an alpha channel; perhaps read only when they are
        indexed.
    axes : str
        One letter per axis: T, C, Z, Y, X, S (colour samples); another letter if the file does not
        say.
    format : {"TIFF", "PNG", "JPEG", "OME-Zarr"}
        What the file is, whatever its name ends in.
    sizes : dict of str to float
        Pixel size in micrometres by spatial axis, as far as the file gives it.
    notes : tuple of str
        What the user should know, one line each.
    white : int or None
        The value of black, if the file counts from white; then 0 is the brightest.

    Examples
    --------
    >>> stored = StoredImage(np.zeros((5, 7), np.uint8), "YX", "TIFF", sizes={"Y": 0.5, "X": 0.25})
    >>> stored.spacing("YX", name="x.tif")
    ((0.5, 0.25), '')
    """

    data: Any
    axes: str
    format: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    white: int | None = None

    def spacing(self, axes: str, *, name: str) -> tuple[tuple[float, ...] | None, str]:
        """Return the pixel size along each spatial axis if the file gives all, else None.

        The second value is a note if the file gives only some.
        """
        spatial = axes.removeprefix("C")
        missing = [a for a in spatial if a not in self.sizes]
        if not missing:
            return tuple(self.sizes[a] for a in spatial), ""
        note = f"{name} gives no pixel size along {', '.join(missing)}: the others are not used"
        return None, note if len(missing) < len(spatial) else ""

    def as_shown(self, *, name: str) -> "StoredImage":
        """Return the image as viewers show it: bright where numbers are large. Not for labels."""
        if self.white is None:
            return self
        is_read = isinstance(self.data, np.ndarray)
        data = inverted(self.data, self.white) if is_read else _Inverted(self.data, self.white)
        notes = (*self.notes, f"{name} counts from white: inverted")
        return replace(self, data=data, notes=notes, white=None)


class _Inverted:
    """Pixels that are inverted when they are read."""

    def __init__(self, pixels: Any, white: int) -> None:
        self._pixels, self._white = pixels, white
        self.shape, self.dtype, self.chunks = pixels.shape, pixels.dtype, pixels.chunks

    def __getitem__(self, box: Box) -> NDArray[Any]:
        return inverted(self._pixels[box], self._white)


def inverted(data: NDArray[Any], white: int) -> NDArray[Any]:
    """Return white - data, in the type of the data."""
    result: NDArray[Any] = data.dtype.type(white) - data
    return result


def joined_notes(*notes: str) -> str:
    """Return notes as one line, without the empty ones."""
    return "; ".join(note for note in notes if note)


def check_holds_labels(path: Path, stored: StoredImage, *, one_bit: bool = False) -> None:
    """Raise ValueError if the pixels cannot be labels.

    These are JPEGs, real and complex numbers, and one bit unless it is allowed.
    """
    kind = stored.data.dtype.kind
    if stored.format == "JPEG":
        raise ValueError(
            f"mask {path} is a JPEG, which alters numbers; expected a TIFF or PNG: "
            "export it again from the original"
        )
    if kind == "b" and one_bit:
        return
    if kind == "b":
        raise ValueError(
            f"mask {path} is binary (1 bit); expected one integer per object: number its "
            "connected components first, e.g. with skimage.measure.label; to train, say "
            "--masks binary"
        )
    if kind not in "iu":
        raise ValueError(
            f"mask {path} is {stored.data.dtype}; expected integer labels: save it as uint16"
        )


def check_one_plane(path: Path, channels: int) -> None:
    """Raise ValueError unless labels have one channel."""
    if channels != 1:
        raise ValueError(
            f"mask {path} has {channels} channels, expected one integer label per pixel: "
            "save it as a grey image (or say axes='ZYX' if the planes are a stack)"
        )


def check_real(path: Path, dtype: DTypeLike) -> None:
    """Raise ValueError unless pixels of this type are integers or real numbers."""
    if np.dtype(dtype).kind not in "biuf":
        raise ValueError(
            f"{path} holds {np.dtype(dtype)} pixels; expected integers or real numbers: "
            "save e.g. their magnitude"
        )


def check_finite(path: Path, data: NDArray[Any]) -> None:
    """Raise ValueError if pixels are complex, NaN or infinite; tells how many, and the first."""
    check_real(path, data.dtype)
    if data.dtype.kind != "f" or np.isfinite(data).all():
        return
    is_bad = ~np.isfinite(data)
    first = tuple(int(i) for i in np.unravel_index(int(is_bad.argmax()), is_bad.shape))
    count = int(np.count_nonzero(is_bad))
    pixels = "a pixel that is" if count == 1 else f"{count} pixels that are"
    raise ValueError(
        f"{path} has {pixels} NaN or infinite, the first at "
        f"{first}: replace them (e.g. with numpy.nan_to_num) and save it again"
    )
