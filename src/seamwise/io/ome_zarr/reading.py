"""Read OME-Zarr 0.4 and 0.5: folders of chunks, for images larger than memory, in several levels.

`seamwise.io.ome_zarr.writing` writes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.io.inside import is_inside
from seamwise.io.ome_zarr.levels import LETTERS, Level
from seamwise.io.ome_zarr.metadata import (
    combine,
    is_ome_zarr,
    parse_axes,
    parse_datasets,
    parse_transformation,
    read_attributes,
    read_multiscales,
)
from seamwise.io.ome_zarr.pixels import Pixels
from seamwise.io.pixel_sizes import credible_sizes, ome_zarr_sizes
from seamwise.io.stored import StoredImage
from seamwise.types import AnyPath


@dataclass(frozen=True)
class OmeImage:
    """What an OME-Zarr folder says about the image in it; no pixels.

    Attributes
    ----------
    path : Path
        The folder.
    version : str
        Of the format: "0.4" or "0.5" (or older).
    axes : str
        T, C, Z, Y, X: those the image has, in the order of the arrays.
    units : tuple of str or None
        Unit of each axis, as the file names it.
    levels : tuple of Level
        The first is the image itself, each further one is smaller.
    dtype : dtype
        Of the pixels.
    sizes : mapping of str to float
        Pixel size in micrometres by spatial axis, as far as the file gives it.
    note : str
        What the user should know, in one line; empty if nothing.
    """

    path: Path
    version: str
    axes: str
    units: tuple[str | None, ...]
    levels: tuple[Level, ...]
    dtype: np.dtype[Any]
    sizes: Mapping[str, float]
    note: str = ""

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Pixel size in micrometres along each spatial axis; None unless the file gives all."""
        spatial = [a for a in self.axes if a in "ZYX"]
        return tuple(self.sizes[a] for a in spatial) if set(spatial) <= set(self.sizes) else None

    def pixels(self, level: int = 0) -> Pixels:
        """Return a level as an array that is read where it is indexed."""
        return Pixels(self.path / self.levels[level].path)


def open_ome_zarr(path: AnyPath) -> OmeImage:
    """Read what an OME-Zarr folder says about its image: version, axes, levels, pixel sizes.

    Parameters
    ----------
    path : str or path-like
        The folder of an image (or label image). The first of the ``multiscales`` in its metadata
        is read.

    Returns
    -------
    OmeImage
        Without scales if the file gives none; its note tells.

    Raises
    ------
    OSError
        There is no such folder.
    ValueError
        It is not an OME-Zarr image, or its metadata do not fit together; names the folder and the
        field.
    """
    path = Path(path)
    scales, version = read_multiscales(path)
    datasets = parse_datasets(path, scales)
    arrays = [Pixels(path / str(dataset["path"])) for dataset in datasets]
    first = arrays[0]
    axes, units = parse_axes(path, scales.get("axes"), len(first.shape))
    overall = parse_transformation(path, "", scales, len(axes))
    levels = []
    for i, (dataset, array) in enumerate(zip(datasets, arrays, strict=True)):
        _check_level(path, f"datasets[{i}]", array, arrays[max(i - 1, 0)], axes)
        transformation = parse_transformation(path, f"datasets[{i}].", dataset, len(axes))
        scale, shift = combine(transformation, overall)
        levels.append(Level(str(dataset["path"]), array.shape, array.chunks, scale, shift))
    scale = levels[0].scale
    if scale is None:
        sizes: Mapping[str, float] = {}
        note = f"{path.name} has no scale in multiscales[0].datasets[0].coordinateTransformations"
    else:
        lengths = dict(zip(axes, first.shape, strict=True))
        sizes, note = credible_sizes(ome_zarr_sizes(axes, scale, units), lengths, name=path.name)
    return OmeImage(path, version, axes, units, tuple(levels), first.dtype, sizes, note)


def load_ome_zarr(path: Path) -> StoredImage:
    """Open the first level of an OME-Zarr image; its pixels are read when they are indexed.

    A Z axis of length 1 among all five axes does not count: some programs always write five.

    Raises
    ------
    OSError, ValueError
        As `open_ome_zarr`.
    """
    image = open_ome_zarr(path)
    notes = (image.note,) if image.note else ()
    return StoredImage(image.pixels(), _stored_letters(image), "OME-Zarr", image.sizes, notes)


def _stored_letters(image: OmeImage) -> str:
    """The axes of an image, with "?" for a Z axis that says nothing."""
    if len(image.axes) == len(LETTERS) and image.levels[0].shape[image.axes.index("Z")] == 1:
        return image.axes.replace("Z", "?")
    return image.axes


def label_names(path: AnyPath, *, coming: str = "") -> tuple[str, ...]:
    """Return the names of the label images inside an image, as its ``labels`` group lists them.

    A name whose folder was deleted does not count, unless it is `coming`.

    Raises
    ------
    ValueError
        The list is damaged.
    """
    folder = Path(path) / "labels"
    if not is_ome_zarr(folder):
        return ()
    names = read_attributes(folder)[0].get("labels", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{folder}: labels must be a list of names, not {names!r}: write its metadata again"
        )
    outside = [name for name in names if not is_inside(name)]
    if outside:
        raise ValueError(f"{folder}: labels must be names of folders in it, not {outside[0]!r}")
    return tuple(name for name in names if name == coming or (folder / name).exists())


def labels_of(path: Path) -> Path:
    """Return the folder of labels: the only label image inside an image, or the image itself.

    Raises
    ------
    ValueError
        There are several label images inside.
    """
    names = label_names(path)
    if len(names) > 1:
        raise ValueError(
            f"{path} holds {len(names)} label images ({', '.join(names)}), expected one: "
            f"name it, e.g. {path / 'labels' / names[0]}"
        )
    return path / "labels" / names[0] if names else path


def check_label_name(name: str) -> None:
    """Raise ValueError unless a label image may have this name.

    Examples
    --------
    >>> check_label_name("a/b")
    Traceback (most recent call last):
    ...
    ValueError: name must be a plain name without slashes and without a leading dot, not 'a/b'
    """
    is_text = isinstance(name, str)
    if not is_text or not name or name != Path(name).name or name.startswith((".", "__")):
        raise ValueError(
            f"name must be a plain name without slashes and without a leading dot, not {name!r}"
        )


def _check_level(path: Path, field: str, array: Pixels, finer: Pixels, axes: str) -> None:
    if not _is_no_larger(array.shape, finer.shape, len(axes)) or 0 in array.shape:
        raise ValueError(
            f"{path}: multiscales[0].{field} has shape {array.shape}, which does not fit axes "
            f"{axes} and the level before, {finer.shape}: export it again"
        )
    if array.dtype != finer.dtype or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{path}: multiscales[0].{field} holds {array.dtype} pixels; expected integers or real "
            "numbers, the same in all levels: export it again"
        )


def _is_no_larger(shape: Sequence[int], finer: Sequence[int], ndim: int) -> bool:
    return len(shape) == ndim and all(n <= m for n, m in zip(shape, finer, strict=True))
