"""OME-Zarr written block by block: a `Draft` becomes an image when it is finished.

`create_image` and `create_labels` begin a draft; `write_image` writes an array at once. The package
zarr is imported where it is needed and not before.
"""

import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_time
from seamwise.io.boxes import check_box
from seamwise.io.ome_zarr.levels import (
    LETTERS,
    Level,
    plan_label_levels,
    plan_levels,
    spatial_axes,
)
from seamwise.io.ome_zarr.metadata import write_group
from seamwise.io.ome_zarr.pixels import open_array
from seamwise.io.ome_zarr.pyramid import build_level
from seamwise.io.ome_zarr.reading import check_label_name, label_names, open_ome_zarr
from seamwise.io.per_process import PerProcess
from seamwise.types import AnyPath, Box

if TYPE_CHECKING:
    import zarr

_AXIS_TYPES = {"T": "time", "C": "channel"}  # any other axis is of space


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


@dataclass(frozen=True)
class Draft:
    """An image or label image that is being written; it appears in its place when it is finished.

    Until then it lies in a hidden folder, without the metadata that would make it an image. A draft
    can be sent to other processes. They may write at the same time as long as each writes whole
    chunks: two that write into one chunk may lose what the other wrote. What is never written is 0.

    As a context manager, it is finished at the end of the block, or discarded after an error.

    Attributes
    ----------
    path : Path
        Where the image will be.
    folder : Path
        Where the draft lies until then.
    axes : str
        T, C, Z, Y, X: those the image has, in this order.
    units : tuple of str or None
        Unit of each axis.
    levels : tuple of Level
        Every level as it will be.
    dtype : dtype
        Of the pixels.
    version : {"0.4", "0.5"}
        Of the format.
    labels : bool
        Whether these are labels.
    image : Path or None
        The image that the labels belong to.
    overwrite : bool
        Whether `finish` may replace what already exists.
    """

    path: Path
    folder: Path
    axes: str
    units: tuple[str | None, ...]
    levels: tuple[Level, ...]
    dtype: np.dtype[Any]
    version: str
    labels: bool
    image: Path | None
    overwrite: bool
    _first: "PerProcess[zarr.Array[Any]]" = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each spatial axis, in the order Z, Y, X."""
        return self._spatial(self.levels[0].shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Chunk along each spatial axis; processes that write together write boxes made of these."""
        return self._spatial(self.levels[0].chunks)

    @property
    def array(self) -> "zarr.Array[Any]":
        """The zarr array of the first level, open for reading and writing; its axes are `axes`."""
        return self._first.value

    def write(self, box: Box, pixels: NDArray[Any], *, time: int = 0) -> None:
        """Write a box of the first level.

        Parameters
        ----------
        box : tuple of slice
            One per spatial axis in the order Z, Y, X; without Z if it has length 1. A `Volume` of
            the image takes the same boxes.
        pixels : (*box) array, or (C, *box) if there is a channel axis
            They are cast to the dtype of the draft.
        time : int
            The time point, counted from 0.

        Raises
        ------
        ValueError
            The box or the pixels do not fit.
        """
        place = self._place(box, time)
        lengths = tuple(part.stop - part.start for part in place)
        ordered = sorted(self.axes, key=LETTERS.index)
        target = tuple(lengths[self.axes.index(a)] for a in ordered)
        if _longer_than_one(np.shape(pixels)) != _longer_than_one(target):
            raise ValueError(
                f"pixels have shape {np.shape(pixels)}, which does not fit the box, {target}"
            )
        block = np.asarray(pixels).reshape(target).transpose([ordered.index(a) for a in self.axes])
        self.array[place] = block.astype(self.dtype, copy=False)

    def read(self, box: Box, *, time: int = 0) -> NDArray[Any]:
        """Return a box of the first level: (*box), or (C, *box) if there is a channel axis."""
        place = self._place(box, time)
        block = np.asarray(self.array[place])
        ordered = sorted(self.axes, key=LETTERS.index)
        block = block.transpose([self.axes.index(a) for a in ordered])
        leading = [block.shape[ordered.index("C")]] if "C" in ordered else []
        return block.reshape([*leading, *(part.stop - part.start for part in box)])

    def finish(self) -> Path:
        """Build the lower levels, write the metadata and move the image into its place.

        Labels of an image are added to its list of labels. `build_level` describes the lower levels.

        Returns
        -------
        Path
            Where the image is now.

        Raises
        ------
        OSError
            Something that may not be overwritten exists by now, or the draft cannot be written or
            moved.
        """
        if self.path.exists() and not self.overwrite:
            raise _exists_error(self.path)
        for above, level in itertools.pairwise(self.levels):
            self._create_array(level)
            build_level(self.folder, above, level, labels=self.labels)
        write_group(self.folder, self._attributes(), self.version)
        if self.image is not None:
            make_folder(self.path.parent)
        old = self.folder.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        if self.path.exists():
            os.replace(self.path, old)
        os.replace(self.folder, self.path)
        if self.image is not None:
            names = dict.fromkeys([*label_names(self.image), self.path.name])
            write_group(self.path.parent, {"labels": list(names)}, self.version)
        shutil.rmtree(old, ignore_errors=True)
        return self.path

    def discard(self) -> None:
        """Remove the draft; do nothing if it is already finished or discarded."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.discard()

    def _begin(self) -> Self:
        """Create the folder and the array of the first level."""
        if self.path.exists() and not self.overwrite:
            raise _exists_error(self.path)
        if not self.folder.parent.is_dir():
            raise FileNotFoundError(
                f"cannot write {self.path}: its folder does not exist; create it first"
            )
        self.discard()
        make_folder(self.folder)
        self._create_array(self.levels[0])
        return self

    def _create_array(self, level: Level) -> None:
        import zarr

        options: dict[str, Any]
        if self.version == "0.4":
            import numcodecs  # type: ignore[import-untyped]

            compressor = numcodecs.Blosc("zstd", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)
            options = {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}}
        else:
            from zarr.codecs import BloscCodec

            compressor = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
            options = {"zarr_format": 3, "dimension_names": list(self.axes.lower())}
        zarr.create_array(
            store=str(self.folder / level.path),
            shape=level.shape,
            chunks=level.chunks,
            dtype=self.dtype,
            fill_value=0,
            compressors=compressor,
            overwrite=True,
            **options,
        )

    def _attributes(self) -> dict[str, Any]:
        """What the metadata say about the image."""
        datasets = []
        for level in self.levels:
            steps = [{"type": "scale", "scale": list(level.scale or ())}]
            if level.translation:
                steps.append({"type": "translation", "translation": list(level.translation)})
            datasets.append({"path": level.path, "coordinateTransformations": steps})
        scales = {
            "name": self.path.name.removesuffix(".zarr").removesuffix(".ome"),
            "type": "nearest" if self.labels else "mean",
            "axes": [_axis(a, unit) for a, unit in zip(self.axes, self.units, strict=True)],
            "datasets": datasets,
        }
        if self.version == "0.4":
            scales = {"version": self.version, **scales}
        attributes: dict[str, Any] = {"multiscales": [scales]}
        if self.labels:
            source = {"source": {"image": "../../"}} if self.image is not None else {}
            attributes["image-label"] = {"version": self.version, **source}
        return attributes

    def _spatial(self, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(values[self.axes.index(a)] for a in "ZYX" if a in self.axes)

    def _place(self, box: Box, time: int) -> Box:
        """The box in all axes of the array."""
        lengths = dict(zip(self.axes, self.levels[0].shape, strict=True))
        spatial = [a for a in "ZYX" if a in lengths]
        if len(box) == len(spatial) - 1 and lengths["Z"] == 1:
            box = (slice(0, 1), *box)
        check_box(box, tuple(lengths[a] for a in spatial), name=str(self.path))
        check_time(time, lengths.get("T", 1), name=str(self.path))
        parts = {"T": slice(time, time + 1), "C": slice(0, lengths.get("C", 1))}
        parts |= dict(zip(spatial, box, strict=True))
        return tuple(parts[a] for a in self.axes)


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
    )._begin()


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
        raise _exists_error(path)
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
    )._begin()


def check_version(version: str) -> None:
    """Raise ValueError unless this version of the format can be written."""
    if version not in ("0.4", "0.5"):
        raise ValueError(f"version must be '0.4' or '0.5', not {version!r}")


def _check_dtype(dtype: np.dtype[Any], labels: bool) -> None:
    if dtype.kind not in ("iu" if labels else "iuf") or dtype.itemsize > 8:
        expected = "integers" if labels else "integers or real numbers"
        raise ValueError(f"dtype must be {expected} of up to 64 bits, not {dtype}")


def _exists_error(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{path} already exists: choose another name, or pass overwrite=True to replace it"
    )


def _longer_than_one(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n > 1]


def _axis(letter: str, unit: str | None) -> dict[str, str]:
    kind = {"name": letter.lower(), "type": _AXIS_TYPES.get(letter, "space")}
    return {**kind, "unit": unit} if unit else kind
