"""OME-Zarr is written in steps: a `Draft` is filled block by block, gets its lower levels and is put in its place.

`create_image` or `create_labels` begin one, `build_pyramid` makes its lower levels, `finish` puts it where it
belongs; `write_image` does it all with an array. The package zarr is imported where it is needed and not before.
"""

import itertools
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_time
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.ome_zarr import (
    LETTERS,
    Level,
    Pixels,
    check_box,
    chunk_boxes,
    label_names,
    open_array,
    open_ome_zarr,
)
from seamwise.io.pyramid import reduced, steps_between
from seamwise.types import AnyPath, Box

if TYPE_CHECKING:
    import zarr

_TYPES = {"T": "time", "C": "channel"}  # any other axis is of space
_SMALL = 256  # an axis this long is not halved any further


@dataclass(frozen=True)
class Draft:
    """An image or label image that is being written: nothing is at its place before `finish`.

    Until then it lies in a hidden folder, without the metadata that would make it an image. Only its last step,
    which `finish` does, renames that folder and adds labels to the list of their image. A draft can be sent to
    other processes, which may write at the same time as long as each writes whole chunks: two that write into
    one chunk may lose what the other wrote. What is never written is 0.

    Attributes
    ----------
    path : Path
        Where it will be.
    folder : Path
        Where it lies until then.
    axes : str
        T, C, Z, Y, X: those there are, in this order.
    units : tuple of str or None
        Unit of each axis.
    levels : tuple of Level
        Every level as it will be.
    dtype : dtype
        Of the pixels.
    version : {"0.4", "0.5"}
        Of the format.
    labels : bool
        Whether they are labels.
    image : Path or None
        The image whose labels they are.
    overwrite : bool
        Whether `finish` may replace what is there already.
    """

    path: Path
    folder: Path
    axes: str
    units: tuple[str | None, ...]
    levels: tuple[Level, ...]
    dtype: np.dtype[Any]
    version: str
    labels: bool
    image: Path | None = None
    overwrite: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each spatial axis, in the order Z, Y, X."""
        return self._spatial(self.levels[0].shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Chunk along each spatial axis: writers at the same time must write boxes made of these."""
        return self._spatial(self.levels[0].chunks)

    @cached_property
    def array(self) -> "zarr.Array[Any]":
        """The zarr array of the first level, open for reading and writing; its axes are `axes`."""
        return open_array(self.folder / self.levels[0].path, "r+")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "array"}

    def write(self, box: Box, pixels: NDArray[Any], *, time: int = 0) -> None:
        """Write a box of the first level.

        Parameters
        ----------
        box : tuple of slice
            One per spatial axis in the order Z, Y, X; Z may be left out if it has length 1. What
            `open_volume` gives of the image takes the same boxes.
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
        if [n for n in np.shape(pixels) if n > 1] != [n for n in target if n > 1]:
            raise ValueError(
                f"pixels have shape {np.shape(pixels)}, which does not fit the box, {target}"
            )
        block = np.asarray(pixels).reshape(target).transpose([ordered.index(a) for a in self.axes])
        self.array[place] = block.astype(self.dtype, copy=False)

    def read(self, box: Box, *, time: int = 0) -> NDArray[Any]:
        """Return a box of the first level as it stands: (*box), or (C, *box) if there is a channel axis."""
        place = self._place(box, time)
        block = np.asarray(self.array[place])
        ordered = sorted(self.axes, key=LETTERS.index)
        block = block.transpose([self.axes.index(a) for a in ordered])
        leading = [block.shape[ordered.index("C")]] if "C" in ordered else []
        return block.reshape([*leading, *(part.stop - part.start for part in box)])

    def _spatial(self, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(values[self.axes.index(a)] for a in "ZYX" if a in self.axes)

    def _place(self, box: Box, time: int) -> Box:
        lengths = dict(zip(self.axes, self.levels[0].shape, strict=True))
        spatial = [a for a in "ZYX" if a in lengths]
        if len(box) == len(spatial) - 1 and lengths["Z"] == 1:
            box = (slice(0, 1), *box)
        check_box(box, tuple(lengths[a] for a in spatial), name=str(self.path))
        check_time(time, lengths.get("T", 1), name=str(self.path))
        parts = {
            "T": slice(time, time + 1),
            "C": slice(0, lengths.get("C", 1)),
            **dict(zip(spatial, box, strict=True)),
        }
        return tuple(parts[a] for a in self.axes)


def write_image(
    path: AnyPath,
    image: NDArray[Any],
    *,
    axes: str,
    spacing: Sequence[float] | None = None,
    version: str = "0.5",
    chunks: Sequence[int] | None = None,
    levels: int | None = None,
    labels: bool = False,
    overwrite: bool = False,
) -> None:
    """Write an array as an OME-Zarr folder with its levels, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        The folder, ending in .zarr by custom.
    image : array
        Integers or real numbers, with these `axes`.
    axes, spacing, version, chunks, levels, labels, overwrite
        As in `create_image`.

    Raises
    ------
    ValueError
        An argument is out of range, or `image` does not have these axes.
    OSError
        The folder is there already and not to be overwritten, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.ome.zarr"
    >>> write_image(path, np.ones((2, 300, 40), np.uint8), axes="CYX", spacing=(0.5, 0.25))
    >>> image = open_ome_zarr(path)
    >>> [level.shape for level in image.levels], image.spacing
    ([(2, 300, 40), (2, 150, 40)], (0.5, 0.25))
    """
    draft = create_image(
        path,
        image.shape,
        axes=axes,
        dtype=image.dtype,
        spacing=spacing,
        version=version,
        chunks=chunks,
        levels=levels,
        labels=labels,
        overwrite=overwrite,
    )
    try:
        draft.array[...] = image
        build_pyramid(draft)
        finish(draft)
    except BaseException:
        discard(draft)
        raise


def create_image(
    path: AnyPath,
    shape: Sequence[int],
    *,
    axes: str,
    dtype: DTypeLike,
    spacing: Sequence[float] | None = None,
    version: str = "0.5",
    chunks: Sequence[int] | None = None,
    levels: int | None = None,
    labels: bool = False,
    overwrite: bool = False,
) -> Draft:
    """Begin an image that is written block by block; fill the draft, then `build_pyramid` and `finish` it.

    Parameters
    ----------
    path : str or path-like
        The folder it will be, ending in .zarr by custom. A draft of that name that was left behind is removed.
    shape : sequence of int
        One length per axis.
    axes : str
        T, C, Z, Y, X: those there are, in this order.
    dtype : dtype
        An integer or real type of up to 64 bits; integers if they are `labels`.
    spacing : sequence of float, optional
        Pixel size in micrometres along each spatial axis.
    version : {"0.5", "0.4"}
        0.5 is over zarr 3, 0.4 over zarr 2.
    chunks : sequence of int, optional
        Chunk along each spatial axis or along every axis. Without it 1024² for flat images, 64³ for deep
        stacks and the same number of pixels for shallow ones, one time point and one channel.
    levels : int, optional
        How many, with the image itself. Each is half as long as the one before along the spatial axes longer
        than 256; without it, until there are none.
    labels : bool
        Write lower levels of labels, without new numbers, and say that they are labels.
    overwrite : bool
        Let `finish` replace a folder that is there already.

    Raises
    ------
    ValueError
        An argument is out of range.
    OSError
        The folder is there already and not to be overwritten, or cannot be written.
    """
    path, axes, dtype = Path(path), axes.upper(), np.dtype(dtype).newbyteorder("=")
    shape = tuple(int(n) for n in shape)
    if (
        not set(axes) <= set(LETTERS)
        or not set("YX") <= set(axes)
        or list(axes) != sorted(axes, key=LETTERS.find)
    ):
        raise ValueError(
            f"axes must be T, C, Z, Y, X in this order, at least Y and X (e.g. 'CZYX'), not {axes!r}"
        )
    if len(set(axes)) != len(axes) or len(shape) != len(axes) or min(shape) < 1:
        raise ValueError(
            f"shape must be {len(set(axes))} positive numbers, one per axis of {axes!r}, not {shape}"
        )
    check_version(version)
    if levels is not None and levels < 1:
        raise ValueError(f"levels must be 1 or more, not {levels}")
    _check_dtype(dtype, labels)
    spatial = [a for a in axes if a in "ZYX"]
    if spacing is not None and (
        len(spacing) != len(spatial) or not all(math.isfinite(s) and s > 0 for s in spacing)
    ):
        raise ValueError(
            f"spacing must be {len(spatial)} positive numbers, one per spatial axis, not {spacing}"
        )
    sizes = dict(zip(spatial, map(float, spacing or [1.0] * len(spatial)), strict=True))
    units = tuple("micrometer" if spacing is not None and a in spatial else None for a in axes)
    cut = _chunks(axes, shape, chunks)
    planned: list[Level] = []
    for i, lengths in enumerate(_halved(axes, shape, levels)):
        if i:
            before = planned[-1]
            scale = tuple(
                s * (2 if n < m else 1)
                for s, n, m in zip(before.scale or (), lengths, before.shape, strict=True)
            )
        else:
            scale = tuple(sizes.get(a, 1.0) for a in axes)
        planned.append(Level(str(i), lengths, _clipped(cut, lengths), scale))
    folder = path.with_name(f".{path.name}.part")
    return _begin(
        Draft(
            path, folder, axes, units, tuple(planned), dtype, version, labels, overwrite=overwrite
        )
    )


def create_labels(
    image: AnyPath,
    name: str,
    *,
    dtype: DTypeLike = np.uint32,
    chunks: Sequence[int] | None = None,
    overwrite: bool = False,
) -> Draft:
    """Begin a label image inside an OME-Zarr image: ``labels/<name>``; see `create_image` for the steps.

    It has the version, axes (without channels), shape, levels and scales of the image, as the format asks for.

    Parameters
    ----------
    image : str or path-like
        The folder of the image.
    name : str
        Of the label image.
    dtype : dtype
        An integer type of up to 64 bits.
    chunks : sequence of int, optional
        As in `create_image`.
    overwrite : bool
        Let `finish` replace a label image of that name.

    Raises
    ------
    ValueError
        `image` is no OME-Zarr image, or an argument is out of range.
    OSError
        There is a label image of that name, or it cannot be written.
    """
    source, dtype = open_ome_zarr(image), np.dtype(dtype).newbyteorder("=")
    _check_dtype(dtype, True)
    if not name or name != Path(name).name or name.startswith((".", "__")):
        raise ValueError(
            f"name must be a plain name, without slashes and no dot first, not {name!r}"
        )
    path = source.path / "labels" / name
    if name in label_names(source.path) and not overwrite:
        raise _taken(path)
    kept = [i for i, a in enumerate(source.axes) if a != "C"]
    axes = "".join(source.axes[i] for i in kept)
    first = source.levels[0]
    planned = []
    cut = _chunks(axes, tuple(first.shape[i] for i in kept), chunks)
    for i, level in enumerate(source.levels):
        shape = tuple(level.shape[i] for i in kept)
        ratio = tuple(m / n for n, m in zip(level.shape, first.shape, strict=True))
        scale = level.scale or tuple(
            r * s for r, s in zip(ratio, first.scale or (1.0,) * len(ratio), strict=True)
        )
        shift = level.translation and tuple(level.translation[i] for i in kept)
        planned.append(
            Level(str(i), shape, _clipped(cut, shape), tuple(scale[i] for i in kept), shift)
        )
    units = tuple(source.units[i] for i in kept)
    version = "0.5" if source.version == "0.5" else "0.4"
    folder = source.path / f".{name}.part"
    return _begin(
        Draft(
            path, folder, axes, units, tuple(planned), dtype, version, True, source.path, overwrite
        )
    )


def build_pyramid(draft: Draft) -> None:
    """Make the lower levels of a draft from its first, each from the one above, chunk by chunk.

    Of an image a pixel is the mean of those it stands for (2^n of them, fewer at the far edge), rounded if they
    are integers. Of labels it is the first of them, which is where the scale says that the pixel lies, so no new
    numbers appear. Memory holds one chunk and what it is made from.

    Raises
    ------
    ValueError
        A chunk cannot be read back.
    OSError
        A level cannot be written.
    """
    for level in draft.levels[1:]:
        _create_array(draft, level)
    for above, level in itertools.pairwise(draft.levels):
        source, target = (
            Pixels(draft.folder / above.path),
            open_array(draft.folder / level.path, "r+"),
        )
        steps = steps_between(above, level)
        for _, box in chunk_boxes(
            level.shape, level.chunks, tuple(slice(0, n) for n in level.shape)
        ):
            target[box] = reduced(source, box, steps, labels=draft.labels)


def finish(draft: Draft) -> Path:
    """Give a draft its metadata, put it in its place and, if it is labels of an image, into the image's list.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    OSError
        Something has come to be there that is not to be overwritten, or the draft cannot be moved.
    """
    if draft.path.exists() and not draft.overwrite:
        raise _taken(draft.path)
    _write_group(draft.folder, _metadata(draft), draft.version)
    if draft.image is not None:
        make_folder(draft.path.parent)
    old = draft.folder.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if draft.path.exists():
        os.replace(draft.path, old)
    os.replace(draft.folder, draft.path)
    if draft.image is not None:
        _register(draft)
    shutil.rmtree(old, ignore_errors=True)
    return draft.path


def discard(draft: Draft) -> None:
    """Remove what there is of a draft that is not finished; do nothing if there is nothing."""
    shutil.rmtree(draft.folder, ignore_errors=True)


def check_version(version: str) -> None:
    """Raise ValueError unless this version of the format can be written."""
    if version not in ("0.4", "0.5"):
        raise ValueError(f"version must be '0.4' or '0.5', not {version!r}")


def _taken(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{path} is there already; choose another name, or say overwrite=True to replace it"
    )


def _check_dtype(dtype: np.dtype[Any], labels: bool) -> None:
    if dtype.kind not in ("iu" if labels else "iuf") or dtype.itemsize > 8:
        expected = "integers" if labels else "integers or real numbers"
        raise ValueError(f"dtype must be {expected} of up to 64 bits, not {dtype}")


def _chunks(axes: str, shape: tuple[int, ...], chunks: Sequence[int] | None) -> tuple[int, ...]:
    """Chunks along every axis, not yet cut to the shape."""
    spatial = [a for a in axes if a in "ZYX"]
    if chunks is None:
        depth = min(dict(zip(axes, shape, strict=True)).get("Z", 1), 64)
        side = 64
        while depth > 1 and depth * (2 * side) ** 2 <= 64**3:
            side *= 2
        chunks = [depth if a == "Z" else side if depth > 1 else 1024 for a in spatial]
    given = tuple(int(c) for c in chunks)
    if len(given) == len(spatial):
        parts = dict(zip(spatial, given, strict=True))
        given = tuple(parts.get(a, 1) for a in axes)
    if len(given) != len(axes) or min(given) < 1:
        raise ValueError(
            f"chunks must be one positive number per spatial axis or per axis of {axes!r}, not {chunks}"
        )
    return given


def _clipped(chunks: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))


def _halved(axes: str, shape: tuple[int, ...], levels: int | None) -> list[tuple[int, ...]]:
    """The shape of each level: halves, rounded up."""
    shapes = [shape]
    while levels is None or len(shapes) < levels:
        last = shapes[-1]
        long = [a in "ZYX" and n > _SMALL for a, n in zip(axes, last, strict=True)]
        if levels is not None and not any(long):
            long = [a in "ZYX" and n > 1 for a, n in zip(axes, last, strict=True)]
        if not any(long):
            break
        shapes.append(tuple(-(-n // 2) if cut else n for n, cut in zip(last, long, strict=True)))
    return shapes


def _begin(draft: Draft) -> Draft:
    if draft.path.exists() and not draft.overwrite:
        raise _taken(draft.path)
    parent = draft.folder.parent
    if not parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {draft.path}: its folder does not exist; create it first"
        )
    discard(draft)
    make_folder(draft.folder)
    _create_array(draft, draft.levels[0])
    return draft


def _create_array(draft: Draft, level: Level) -> None:
    import zarr

    options: dict[str, Any]
    if draft.version == "0.4":
        import numcodecs  # type: ignore[import-untyped]

        compressor = numcodecs.Blosc("zstd", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)
        options = {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}}
    else:
        from zarr.codecs import BloscCodec

        compressor = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
        options = {"zarr_format": 3, "dimension_names": list(draft.axes.lower())}
    zarr.create_array(
        store=str(draft.folder / level.path),
        shape=level.shape,
        chunks=level.chunks,
        dtype=draft.dtype,
        fill_value=0,
        compressors=compressor,
        overwrite=True,
        **options,
    )


def _metadata(draft: Draft) -> dict[str, Any]:
    datasets = []
    for level in draft.levels:
        steps = [{"type": "scale", "scale": list(level.scale or ())}]
        if level.translation:
            steps.append({"type": "translation", "translation": list(level.translation)})
        datasets.append({"path": level.path, "coordinateTransformations": steps})
    axes = [
        {"name": a.lower(), "type": _TYPES.get(a, "space")} | ({"unit": unit} if unit else {})
        for a, unit in zip(draft.axes, draft.units, strict=True)
    ]
    version = {"version": draft.version} if draft.version == "0.4" else {}
    name = draft.path.name.removesuffix(".zarr").removesuffix(".ome")
    kind = "nearest" if draft.labels else "mean"
    scales = {**version, "name": name, "type": kind, "axes": axes, "datasets": datasets}
    attributes: dict[str, Any] = {"multiscales": [scales]}
    if draft.labels:
        source = {"source": {"image": "../../"}} if draft.image is not None else {}
        attributes["image-label"] = {"version": draft.version, **source}
    return attributes


def _write_group(folder: Path, ours: Mapping[str, Any], version: str) -> None:
    """Write the metadata of a group, keeping what others wrote beside ours."""
    if version == "0.4":
        write_json(folder / ".zgroup", {"zarr_format": 2})
        before = read_json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
        write_json(folder / ".zattrs", {**before, **ours})
        return
    group = read_json(folder / "zarr.json") if (folder / "zarr.json").is_file() else {}
    attributes = group.get("attributes", {})
    ome = {**attributes.get("ome", {}), "version": version, **ours}
    write_json(
        folder / "zarr.json",
        {"zarr_format": 3, "node_type": "group", "attributes": {**attributes, "ome": ome}},
    )


def _register(draft: Draft) -> None:
    names = [*label_names(draft.path.parents[1]), draft.path.name]
    _write_group(draft.path.parent, {"labels": list(dict.fromkeys(names))}, draft.version)
