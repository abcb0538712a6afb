"""An image that is written block by block: a `Draft` becomes an image when it is finished.

The package zarr is imported where it is needed and not before.
"""

import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_time
from seamwise.io.boxes import check_box
from seamwise.io.ome_zarr.label_table import label_table
from seamwise.io.ome_zarr.levels import (
    LETTERS,
    Level,
)
from seamwise.io.ome_zarr.metadata import write_group
from seamwise.io.ome_zarr.pyramid import build_level
from seamwise.io.ome_zarr.reading import label_names
from seamwise.io.per_process import PerProcess
from seamwise.types import Box

if TYPE_CHECKING:
    import zarr

_AXIS_TYPES = {"T": "time", "C": "channel"}  # any other axis is of space


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
    record : mapping
        How the image was made. It is kept in the metadata, for `read_record`.
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
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each spatial axis, in the order Z, Y, X."""
        return self._spatial(self.levels[0].shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Chunk along each spatial axis; processes that write together write whole chunks."""
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
        order = sorted(self.axes, key=LETTERS.index)
        target = tuple(lengths[self.axes.index(a)] for a in order)
        if _longer_than_one(np.shape(pixels)) != _longer_than_one(target):
            raise ValueError(
                f"pixels have shape {np.shape(pixels)}, which does not fit the box, {target}"
            )
        block = np.asarray(pixels).reshape(target).transpose([order.index(a) for a in self.axes])
        self.array[place] = block.astype(self.dtype, copy=False)

    def read(self, box: Box, *, time: int = 0) -> NDArray[Any]:
        """Return a box of the first level: (*box), or (C, *box) if there is a channel axis."""
        place = self._place(box, time)
        block = np.asarray(self.array[place])
        order = sorted(self.axes, key=LETTERS.index)
        block = block.transpose([self.axes.index(a) for a in order])
        leading = [block.shape[order.index("C")]] if "C" in order else []
        return block.reshape([*leading, *(part.stop - part.start for part in box)])

    def finish(self) -> Path:
        """Build the lower levels, write the metadata and move the image into its place.

        Labels of an image are added to its list of labels.

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
            raise exists_error(self.path)
        for finer, level in itertools.pairwise(self.levels):
            self._create_array(level)
            build_level(self.folder, finer, level, labels=self.labels)
        write_group(self.folder, self._attributes(), self.version, record=self.record)
        if self.image is not None:
            make_folder(self.path.parent)
            # first: a name without its folder does not count, a folder without its name is lost
            name = self.path.name
            names = dict.fromkeys([*label_names(self.image, coming=name), name])
            write_group(self.path.parent, {"labels": list(names)}, self.version)
        backup = self.folder.with_suffix(".old")
        shutil.rmtree(backup, ignore_errors=True)
        if self.path.exists():
            os.replace(self.path, backup)
        os.replace(self.folder, self.path)
        shutil.rmtree(backup, ignore_errors=True)
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

    def begin(self) -> Self:
        """Create the folder and the array of the first level; remove an older draft."""
        if self.path.exists() and not self.overwrite:
            raise exists_error(self.path)
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
            table = label_table(self.array)
            attributes["image-label"] = {"version": self.version, **table, **source}
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


def exists_error(path: Path) -> FileExistsError:
    """Return the error to raise if an image already exists."""
    return FileExistsError(
        f"{path} already exists: choose another name, or pass overwrite=True to replace it"
    )


def _longer_than_one(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n > 1]


def _axis(letter: str, unit: str | None) -> dict[str, str]:
    kind = {"name": letter.lower(), "type": _AXIS_TYPES.get(letter, "space")}
    return {**kind, "unit": unit} if unit else kind
