"""What the reader of a file format hands on: `Stored`, or one error that says why not (`unreadable`).

`check_holds_labels` and `check_numbers` say what cannot be used of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stored:
    """The pixels of a file and what the file says about them.

    Attributes
    ----------
    data : array
        Pixels in the file's own layout; an alpha channel is already dropped. Of an OME-Zarr image they are
        read when they are indexed.
    axes : str
        One letter per axis: T, C, Z, Y, X, S (colour samples); another letter if the file does not say.
    format : {"TIFF", "PNG", "JPEG", "OME-Zarr"}
        What the file is, whatever its name ends in.
    sizes : dict of str to float
        Pixel size in micrometres by spatial axis, as far as the file gives it.
    notes : tuple of str
        What the user should know, one line each.

    Examples
    --------
    >>> stored = Stored(np.zeros((5, 7), np.uint8), "YX", "TIFF", sizes={"Y": 0.5, "X": 0.25})
    >>> stored.spacing("YX", name="x.tif")
    ((0.5, 0.25), '')
    """

    data: Any
    axes: str
    format: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def spacing(self, axes: str, *, name: str) -> tuple[tuple[float, ...] | None, str]:
        """Return the pixel size along each spatial axis if the file gives all, and a note if only some."""
        spatial = axes.removeprefix("C")
        missing = [a for a in spatial if a not in self.sizes]
        if not missing:
            return tuple(self.sizes[a] for a in spatial), ""
        gap = f"{name} gives no pixel size along {', '.join(missing)}: the others are not used"
        return None, gap if len(missing) < len(spatial) else ""


def check_holds_labels(path: Path, stored: Stored, *, one_bit: bool = False) -> None:
    """Raise ValueError if the pixels cannot be labels: JPEG, one bit unless allowed, real or complex numbers."""
    kind = stored.data.dtype.kind
    if stored.format == "JPEG":
        raise ValueError(f"mask {path} is a JPEG, which alters numbers; expected a TIFF or PNG")
    if kind == "b" and one_bit:
        return
    if kind == "b":
        raise ValueError(
            f"mask {path} is binary (1 bit); expected one integer per object: "
            "number its connected components first, e.g. with skimage.measure.label; to train, say --masks binary"
        )
    if kind not in "iu":
        raise ValueError(
            f"mask {path} is {stored.data.dtype}; expected integer labels: save it as uint16"
        )


def check_numbers(path: Path, data: NDArray[Any]) -> None:
    """Raise ValueError if pixels are complex, NaN or infinite; says how many and where the first is."""
    if data.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {data.dtype} pixels; expected integers or real numbers")
    if data.dtype.kind != "f" or np.isfinite(data).all():
        return
    bad = ~np.isfinite(data)
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    raise ValueError(
        f"{path} has {np.count_nonzero(bad)} pixels that are NaN or infinite, the first at {first}; "
        "replace them (e.g. with numpy.nan_to_num) and save it again"
    )


class DamagedError(ValueError):
    """A part of an image cannot be decoded; the rest can, so that whoever reads it in parts may leave it out."""


class UnsupportedError(Exception):
    """A file that is whole but of a kind that cannot be read; readers turn it into `unreadable`."""


def unreadable(path: Path, kind: str, error: Exception) -> Exception:
    """Return the error to raise in place of any that a decoder met.

    Examples
    --------
    >>> unreadable(Path("x.tif"), "TIFF", EOFError())
    ValueError('cannot read x.tif as TIFF: EOFError; is it complete?')
    """
    if isinstance(error, MemoryError):
        return MemoryError(f"{path} is too large for the memory of this machine; cut it into parts")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    hint = "" if isinstance(error, UnsupportedError) else "; is it complete?"
    return ValueError(f"cannot read {path} as {kind}: {reason}{hint}")
