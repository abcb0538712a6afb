"""OME-Zarr written: `create_image` and `create_labels` begin a draft, `write_image` does it all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seamwise.io.ome_zarr.draft import Draft, exists_error
from seamwise.io.ome_zarr.levels import plan_label_levels, plan_levels, spatial_axes
from seamwise.io.ome_zarr.pixels import open_array
from seamwise.io.ome_zarr.reading import check_label_name, label_names, open_ome_zarr
from seamwise.io.per_process import PerProcess
from seamwise.types import AnyPath


@dataclass(frozen=True)
class ZarrStorage:
    """How an OME-Zarr image is stored; says nothing about what is in it.

    Attributes
    ----------
    version : {"0.5", "0.4"}
        Of the format: 0.5 is based on zarr 3, 0.4 on zarr 2.
    chunks : sequence of int, optional
        Chunk along each spatial axis or along every axis; see `plan_levels`.
    levels : int, optional
        How many levels, with the image itself; see `plan_levels`.
    """

    version: str = "0.5"
    chunks: Sequence[int] | None = None
    levels: int | None = None


def write_image(
    path: AnyPath,
    image: NDArray[Any],
    *,
    axes: str,
    spacing: Sequence[float] | None = None,
    labels: bool = False,
    storage: ZarrStorage = ZarrStorage(),
    overwrite: bool = False,
) -> None:
    """Write an array as an OME-Zarr folder with its levels, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        The folder, by custom with a name ending in .zarr.
    image : array
        Integers or real numbers, with these `axes`.
    axes, spacing, labels, storage, overwrite
        As in `create_image`.

    Raises
    ------
    ValueError
        An argument is out of range, or `image` does not have these axes.
    OSError
        The folder already exists and may not be overwritten, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.ome.zarr"
    >>> write_image(path, np.ones((2, 300, 40), np.uint8), axes="CYX", spacing=(0.5, 0.25))
    >>> image = open_ome_zarr(path)
    >>> [level.shape for level in image.levels], image.spacing
    ([(2, 300, 40), (2, 150, 40)], (0.5, 0.25))
    """
    with create_image(
        path,
        image.shape,
        axes=axes,
        dtype=image.dtype,
        spacing=spacing,
        labels=labels,
        storage=storage,
        overwrite=overwrite,
    ) as draft:
        draft.array[...] = image


def create_image(
    path: AnyPath,
    shape: Sequence[int],
    *,
    axes: str,
    dtype: DTypeLike,
    spacing: Sequence[float] | None = None,
    labels: bool = False,
    storage: ZarrStorage = ZarrStorage(),
    overwrite: bool = False,
) -> Draft:
    """Begin an image that is written block by block.

    Parameters
    ----------
    path : str or path-like
        The folder it will be, by custom with a name ending in .zarr. An older unfinished draft of
        that name is removed.
    shape : sequence of int
        One length per axis.
    axes : str
        T, C, Z, Y, X: those the image has, in this order.
    dtype : dtype
        An integer or real type of up to 64 bits; an integer type for labels.
    spacing : sequence of float, optional
        Pixel size in micrometres along each spatial axis.
    labels : bool
        The pixels are labels: their lower levels hold no new numbers.
    storage : ZarrStorage
        Version of the format, chunks and number of levels.
    overwrite : bool
        Let `Draft.finish` replace a folder that already exists.

    Raises
    ------
    ValueError
        An argument is out of range.
    OSError
        The folder already exists and may not be overwritten, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.ome.zarr"
    >>> with create_image(path, (4, 6), axes="YX", dtype="uint8") as draft:
    ...     draft.write((slice(0, 2), slice(0, 6)), np.ones((2, 6)))
    ...     path.exists()
    False
    >>> open_ome_zarr(path).pixels()[0:4, 0:1].tolist()
    [[1], [1], [0], [0]]
    """
    path, axes, dtype = Path(path), axes.upper(), np.dtype(dtype).newbyteorder("=")
    levels = plan_levels(axes, shape, spacing=spacing, chunks=storage.chunks, levels=storage.levels)
    check_version(storage.version)
    _check_dtype(dtype, labels)
    has_unit = spatial_axes(axes) if spacing is not None else ""
    folder = path.with_name(f".{path.name}.part")
    return Draft(
        path=path,
        folder=folder,
        axes=axes,
        units=tuple("micrometer" if a in has_unit else None for a in axes),
        levels=levels,
        dtype=dtype,
        version=storage.version,
        labels=labels,
        image=None,
        overwrite=overwrite,
        _first=PerProcess(open_array, folder / levels[0].path, "r+"),
    ).begin()


def create_labels(
    image: AnyPath,
    name: str,
    *,
    dtype: DTypeLike = np.uint32,
    chunks: Sequence[int] | None = None,
    overwrite: bool = False,
) -> Draft:
    """Begin a label image inside an OME-Zarr image: ``labels/<name>``.

    It has the version, axes (without channels), shape, levels and scales of the image, as the
    format asks for.

    Parameters
    ----------
    image : str or path-like
        The folder of the image.
    name : str
        Name of the label image.
    dtype : dtype
        An integer type of up to 64 bits.
    chunks : sequence of int, optional
        As in `plan_levels`.
    overwrite : bool
        Let `Draft.finish` replace a label image of that name.

    Raises
    ------
    ValueError
        `image` is not an OME-Zarr image, or an argument is out of range.
    OSError
        A label image of that name already exists, or it cannot be written.
    """
    source, dtype = open_ome_zarr(image), np.dtype(dtype).newbyteorder("=")
    _check_dtype(dtype, True)
    check_label_name(name)
    path, folder = source.path / "labels" / name, source.path / f".{name}.part"
    if name in label_names(source.path) and not overwrite:
        raise exists_error(path)
    units = zip(source.axes, source.units, strict=True)
    levels = plan_label_levels(source.axes, source.levels, chunks=chunks)
    return Draft(
        path=path,
        folder=folder,
        axes=source.axes.replace("C", ""),
        units=tuple(unit for a, unit in units if a != "C"),
        levels=levels,
        dtype=dtype,
        version="0.5" if source.version == "0.5" else "0.4",
        labels=True,
        image=source.path,
        overwrite=overwrite,
        _first=PerProcess(open_array, folder / levels[0].path, "r+"),
    ).begin()


def check_version(version: str) -> None:
    """Raise ValueError unless this version of the format can be written."""
    if version not in ("0.4", "0.5"):
        raise ValueError(f"version must be '0.4' or '0.5', not {version!r}")


def _check_dtype(dtype: np.dtype[Any], labels: bool) -> None:
    if dtype.kind not in ("iu" if labels else "iuf") or dtype.itemsize > 8:
        expected = "integers" if labels else "integers or real numbers"
        raise ValueError(f"dtype must be {expected} of up to 64 bits, not {dtype}")
