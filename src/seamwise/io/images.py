"""Images and label images in files: TIFF, OME-TIFF, ImageJ TIFF, PNG, JPEG; OME-Zarr folders.

`read_image` and `read_labels` read; `write_labels`, `write_map` and `write_png` write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.axes import channels_first, has_slices_for_colours, pick_channels, settle_axes
from seamwise.io.listing import first_bytes
from seamwise.io.ome_zarr import is_ome_zarr, labels_of, load_ome_zarr
from seamwise.io.raster import load_raster, raster_kind, save_label_png, save_png
from seamwise.io.stored import (
    StoredImage,
    check_finite,
    check_holds_labels,
    check_one_plane,
    joined_notes,
)
from seamwise.io.tiff import load_fingerprint, load_tiff, save_tiff
from seamwise.labels import as_labels, smallest_dtype
from seamwise.labels.spacing import checked_spacing
from seamwise.types import AnyPath


@dataclass(frozen=True)
class Image:
    """An image as read from a file.

    Attributes
    ----------
    data : array
        Pixels in the dtype of the file (1-bit as uint8), native byte order, finite.
    axes : {"YX", "ZYX", "CYX", "CZYX"}
        Meaning of the axes of `data`.
    spacing : tuple of float or None
        Pixel size in micrometres along each spatial axis, in the order of `axes`; None if the file
        does not give all of them.
    note : str
        What the user should know about how the file was read, in one line; empty if nothing.
    """

    data: NDArray[Any]
    axes: str
    spacing: tuple[float, ...] | None = None
    note: str = ""


def read_image(
    path: AnyPath,
    *,
    axes: str | None = None,
    channel: int | Sequence[int] | None = None,
    time: int | None = None,
) -> Image:
    """Read one image: grey (YX, ZYX) or with channels first (CYX, CZYX).

    Axes come from the argument, else from the file (OME, ImageJ, tifffile, colour samples), else
    from a guess. `Image.note` reports a guess, an override, a dropped alpha channel, a turned
    photograph, values that count from white (they are inverted), a file that is one image with
    others, and a file that holds more than one (the first is read, a preview is not).

    Parameters
    ----------
    path : str or path-like
        A .tif, .tiff, .ome.tif, .png, .jpg or .jpeg file, in upper or lower case, or an OME-Zarr
        folder, from which the first level is read.
    axes : str, optional
        Meaning of the axes as they are stored: T, C, Z, Y, X, each at most once, e.g. ``"ZYX"`` or
        ``"YXC"``. Axes of length 1 need no letter.
    channel : int or sequence of int, optional
        Channels to keep, counted from 0. An int gives a grey image, a sequence keeps the channel
        axis.
    time : int, optional
        The time point to read, counted from 0; needed only if there are several.

    Returns
    -------
    Image
        A single channel and a single time point come without their axis. A Z axis of length 1 stays
        only if `axes` or the file names it (OME and ImageJ, which always name one, do not count,
        nor does OME-Zarr that names all five axes).

    Raises
    ------
    OSError
        The file is missing, a folder, or not readable by this user.
    ValueError
        The file is empty, damaged, truncated or of an unsupported kind; it has several time points
        and `time` chooses none; it has NaN or infinite pixels; or it lacks the requested axes,
        channels or time.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.png"
    >>> write_png(path, np.zeros((4, 5, 3), np.uint8))
    >>> image = read_image(path)
    >>> image.axes, image.data.shape
    ('CYX', (3, 4, 5))
    """
    path = Path(path)
    file = _load(path, keep_alpha=has_slices_for_colours(axes)).as_shown(name=path.name)
    file_axes = settle_axes(file.data.shape, file.axes, name=path.name, request=axes)
    data, letters = channels_first(file.data, file_axes, name=str(path), time=time)
    if channel is not None:
        data, letters = pick_channels(data, letters, channel, name=str(path))
    check_finite(path, data)
    data = np.ascontiguousarray(data, _in_bytes(data))
    spacing, gap = file.spacing(letters, name=path.name)
    return Image(data, letters, spacing, joined_notes(*file.notes, file_axes.note, gap))


def read_labels(
    path: AnyPath, *, axes: str | None = None, one_bit: bool = False, time: int | None = None
) -> NDArray[Any]:
    """Read a label image: 0 background, 1..n one number per object, negative = ignore.

    An axis that the file does not name is taken for Z. In a PNG with a coloured palette the indices
    are the labels.

    Parameters
    ----------
    path : str or path-like
        A TIFF or PNG file of integers; or an OME-Zarr folder of labels (``x.zarr/labels/cells``),
        of an image with one label image inside, or of an image that is itself labels.
    axes : str, optional
        Meaning of the axes as they are stored, as in `read_image`.
    one_bit : bool
        Accept a black-and-white mask of one bit too, as 0 and 1.
    time : int, optional
        As in `read_image`.

    Returns
    -------
    (Y, X) or (Z, Y, X) integer array

    Raises
    ------
    OSError
        The file is missing, a folder, or not readable by this user.
    ValueError
        The file is damaged or not a label image: it holds colours, real numbers, several time
        points, or one bit without `one_bit`; or it is a JPEG.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x_masks.tif"
    >>> write_labels(path, np.array([[0, 1], [300, 0]]))
    >>> read_labels(path)
    array([[  0,   1],
           [300,   0]], dtype=uint16)
    """
    return read_spaced_labels(path, axes=axes, one_bit=one_bit, time=time)[0]


def read_spaced_labels(
    path: AnyPath, *, axes: str | None = None, one_bit: bool = False, time: int | None = None
) -> tuple[NDArray[Any], tuple[float, ...] | None]:
    """Read a label image as `read_labels` does, and its pixel size along each axis.

    The pixel size is None if the file does not give all of it.
    """
    path = labels_of(Path(path))
    file = _load(path, indices=True, keep_alpha=has_slices_for_colours(axes))
    check_holds_labels(path, file, one_bit=one_bit)
    file_axes = settle_axes(file.data.shape, file.axes, name=path.name, request=axes, stack=True)
    data, letters = channels_first(file.data, file_axes, name=str(path), time=time)
    check_one_plane(path, data.shape[0] if "C" in letters else 1)
    return np.ascontiguousarray(data, _in_bytes(data)), file.spacing(letters, name=path.name)[0]


def write_labels(
    path: AnyPath, labels: NDArray[Any], *, spacing: Sequence[float] | None = None
) -> None:
    """Write a label image in the smallest dtype that holds it.

    That is uint8, uint16 or uint32, or a signed one if any label is negative.
    The suffix decides: ``.tif`` (zlib; with ImageJ's metadata where ImageJ can hold the numbers, up
    to 65 535), ``.ome.tif`` (OME-TIFF) or ``.png`` (2D, up to 65 535, no spacing). `read_labels`
    gives back the same shape; only from OME-TIFF a stack of one slice comes back as a 2D image.

    Parameters
    ----------
    path : str or path-like
        The file; it appears whole or not at all.
    labels : (Y, X) or (Z, Y, X) integer array
        0 background, 1..n objects, negative = ignore.
    spacing : sequence of float, optional
        Pixel size in micrometres along each axis of `labels`.

    Raises
    ------
    TypeError
        `labels` is not of an integer type.
    ValueError
        The labels do not fit the format, or an argument is out of range.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "x.tif"
    ...     write_labels(path, np.array([[[0, 7]]]), spacing=(2.0, 0.5, 0.5))
    ...     read_image(path).spacing
    (2.0, 0.5, 0.5)
    """
    path, labels = Path(path), as_labels(labels)
    if labels.ndim not in (2, 3) or labels.size == 0:
        raise ValueError(
            f"labels must have axes YX or ZYX and at least one pixel, not shape {labels.shape}"
        )
    sizes = None if spacing is None else checked_spacing(spacing, labels.ndim)
    dtype = smallest_dtype(int(labels.min()), int(labels.max()))
    if dtype.itemsize > 4:
        raise ValueError(
            f"labels from {labels.min()} to {labels.max()} do not fit 32 bits: "
            "renumber them with seamwise.labels.relabel"
        )
    labels = np.ascontiguousarray(labels, dtype)
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        save_tiff(path, labels, spacing=sizes)
    elif suffix == ".png":
        save_label_png(path, labels)
    else:
        raise ValueError(
            f"cannot write labels to {path}: expected a name ending in .tif, .ome.tif or .png"
        )


def write_map(
    path: AnyPath,
    values: NDArray[np.float32],
    *,
    spacing: Sequence[float] | None = None,
    fingerprint: str = "",
) -> None:
    """Write a map of real numbers, such as a weight map, as a float32 TIFF, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        A name ending in .tif.
    values : (Y, X) or (Z, Y, X) float32 array
    spacing : sequence of float, optional
        Pixel size in micrometres along each axis.
    fingerprint : str
        What the map was made from; `map_fingerprint` gives it back.

    Raises
    ------
    ValueError
        The name or the array is not of this kind, or an argument is out of range.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> write_map(path, np.ones((4, 5), np.float32), fingerprint="of x")
    >>> read_image(path).data.dtype.name, map_fingerprint(path)
    ('float32', 'of x')
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"cannot write {path}: expected a name ending in .tif")
    if values.dtype != np.float32 or values.ndim not in (2, 3) or values.size == 0:
        raise ValueError(
            "values must be float32 with axes YX or ZYX, "
            f"not {values.dtype} of shape {values.shape}"
        )
    sizes = None if spacing is None else checked_spacing(spacing, values.ndim)
    save_tiff(path, values, spacing=sizes, fingerprint=fingerprint)


def write_probabilities(
    path: AnyPath, maps: NDArray[Any], *, spacing: Sequence[float] | None = None
) -> None:
    """Write class probabilities as a float16 TIFF with channels first, whole or not at all.

    `read_image` gives back the axes and the pixel size. float16 keeps three digits.

    Parameters
    ----------
    path : str or path-like
        A name ending in .tif.
    maps : (C, Y, X) or (C, Z, Y, X) floating array
    spacing : sequence of float, optional
        Pixel size in micrometres along each spatial axis.

    Raises
    ------
    ValueError
        The name or the array is not of this kind, or an argument is out of range.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> write_probabilities(path, np.full((2, 4, 5), 0.5), spacing=(0.5, 0.25))
    >>> image = read_image(path)
    >>> image.axes, image.data.dtype.name, image.spacing
    ('CYX', 'float16', (0.5, 0.25))
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"cannot write {path}: expected a name ending in .tif")
    if maps.dtype.kind != "f" or maps.ndim not in (3, 4) or maps.size == 0:
        raise ValueError(
            f"maps must be real numbers with axes CYX or CZYX, not {maps.dtype} of {maps.shape}"
        )
    sizes = None if spacing is None else (1.0, *checked_spacing(spacing, maps.ndim - 1))
    axes = "CYX" if maps.ndim == 3 else "CZYX"
    save_tiff(path, maps.astype(np.float16), axes=axes, spacing=sizes)


def map_fingerprint(path: AnyPath) -> str:
    """Return the fingerprint of a file that `write_map` wrote; empty if there is none."""
    return load_fingerprint(Path(path))


def write_png(path: AnyPath, image: NDArray[np.uint8]) -> None:
    """Write an image to look at, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        A name ending in .png.
    image : (Y, X), (Y, X, 3) or (Y, X, 4) uint8 array
        Grey, RGB or RGB with alpha.

    Raises
    ------
    ValueError
        The name or the array is not of this kind.
    OSError
        The file cannot be written.
    """
    path, image = Path(path), np.asarray(image)
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot write {path}: expected a name ending in .png")
    has_shape = image.ndim >= 2 and image.shape[2:] in ((), (3,), (4,))
    if image.dtype != np.uint8 or image.size == 0 or not has_shape:
        raise ValueError(
            "image must be uint8 of shape (Y, X), (Y, X, 3) or (Y, X, 4), "
            f"not {image.dtype} {image.shape}"
        )
    save_png(path, image)


def _load(path: Path, *, indices: bool = False, keep_alpha: bool = False) -> StoredImage:
    if is_ome_zarr(path):
        return load_ome_zarr(path)
    # by the first bytes, since a photograph renamed to .png or .tif opens in every viewer
    kind = raster_kind(first_bytes(path))
    if kind:
        return load_raster(path, kind, indices=indices)
    return load_tiff(path, keep_alpha=keep_alpha)


def _in_bytes(data: NDArray[Any]) -> np.dtype[Any]:
    """The type of the pixels in this machine's byte order, bits as bytes."""
    return np.dtype(np.uint8) if data.dtype == bool else data.dtype.newbyteorder("=")
