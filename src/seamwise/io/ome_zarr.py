"""OME-Zarr 0.4 and 0.5: folders of chunks, for images bigger than memory, with smaller levels to look at.

`open_ome_zarr` and `load_ome_zarr` read, `write_image` writes an array. What does not fit the memory is written
in steps: `create_image` or `create_labels` give a `Draft` to be filled block by block, `build_pyramid` makes its
lower levels, `finish` puts it in its place. The package zarr is imported where it is needed and not before.
"""

import itertools
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_time, ome_zarr_sizes
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.stored import DamagedError, Stored, unreadable

if TYPE_CHECKING:
    import zarr

_LETTERS = "TCZYX"
_TYPES = {"T": "time", "C": "channel"}  # any other axis is of space
_SMALL = 256  # an axis this long is not halved any further
_VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")

AnyPath = str | os.PathLike[str]
Box = tuple[slice, ...]


# ---------------------------------------------------------------- reading


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Attributes
    ----------
    path : str
        Its array's folder, relative to the image's.
    shape, chunks : tuple of int
        One number per axis; of an array in shards, the chunks inside them.
    scale : tuple of float or None
        Length of a pixel along each axis in the axis' own unit; None if the file does not say.
    translation : tuple of float or None
        Where the first pixel lies, in the same units.
    """

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    scale: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None


@dataclass(frozen=True)
class OmeImage:
    """What an OME-Zarr folder says of the image in it; no pixels.

    Attributes
    ----------
    path : Path
        The folder.
    version : str
        Of the format: "0.4" or "0.5" (or older).
    axes : str
        T, C, Z, Y, X: those there are, in the order of the arrays.
    units : tuple of str or None
        Unit of each axis, as the file names it.
    levels : tuple of Level
        The first is the image itself, each further one is smaller.
    dtype : dtype
        Of the pixels.
    note : str
        What the user should know, in one line; empty if nothing.
    """

    path: Path
    version: str
    axes: str
    units: tuple[str | None, ...]
    levels: tuple[Level, ...]
    dtype: np.dtype[Any]
    note: str = ""

    @property
    def sizes(self) -> dict[str, float]:
        """Pixel size in micrometres by spatial axis, as far as the file gives it."""
        scale = self.levels[0].scale
        return ome_zarr_sizes(self.axes, scale, self.units) if scale else {}

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Pixel size in micrometres along each spatial axis, in the order of `axes`; None unless all are given."""
        spatial = [a for a in self.axes if a in "ZYX"]
        return tuple(self.sizes[a] for a in spatial) if set(spatial) <= set(self.sizes) else None

    def pixels(self, level: int = 0) -> "Pixels":
        """Return a level as an array that is read where it is indexed."""
        return Pixels(self.path / self.levels[level].path)


class Pixels:
    """A zarr array on disk that is decoded where it is indexed, with errors that name the chunk.

    Parameters
    ----------
    folder : Path
        The array's folder.

    Raises
    ------
    ValueError
        There is no array, or zarr cannot read its metadata.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._array = _opened(folder)
        self.shape: tuple[int, ...] = self._array.shape
        self.dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        self.chunks: tuple[int, ...] = self._array.chunks

    def __getitem__(self, box: Box) -> NDArray[Any]:
        """Return the pixels in a box: one slice per axis, without steps.

        A chunk that is not there counts as zeros (or the array's fill value), as zarr has it.

        Raises
        ------
        DamagedError
            A chunk in the box cannot be decoded; names the array, the chunk and its file.
        """
        try:
            return np.asarray(self._array[box])
        except MemoryError as error:
            raise unreadable(self._folder, "OME-Zarr", error) from error
        except Exception as error:  # each codec has its own
            raise self._damaged(box, error) from error

    def _damaged(self, box: Box, error: Exception) -> DamagedError:
        """Find the first chunk in the box that cannot be decoded."""
        files = self._array.shards or self._array.chunks
        where, reason = "", error
        for index, part in _cut(self.shape, files, box):
            try:
                self._array[part]
            except Exception as found:
                file = self._array.metadata.encode_chunk_key(index)
                where, reason = f" chunk {index} (file {file})", found
                break
        text = (str(reason).strip().splitlines() or [type(reason).__name__])[0][:200]
        return DamagedError(f"cannot decode{where} of {self._folder}: {text}; copy or export it again")


def is_ome_zarr(path: AnyPath) -> bool:
    """Tell whether a folder holds the metadata of a zarr group, without opening it."""
    return any(os.path.isfile(os.path.join(path, name)) for name in ("zarr.json", ".zattrs", ".zgroup"))


def open_ome_zarr(path: AnyPath) -> OmeImage:
    """Read what an OME-Zarr folder says of its image: version, axes, levels, pixel sizes.

    Parameters
    ----------
    path : str or path-like
        The folder of an image (or label image): its metadata has ``multiscales``, of which the first is read.

    Returns
    -------
    OmeImage
        Without scales if the file gives none, which its note says.

    Raises
    ------
    OSError
        There is no such folder.
    ValueError
        It is no OME-Zarr image, or its metadata do not fit together; names the folder and the field.
    """
    path = Path(path)
    attributes, version = _attributes(path)
    scales = _multiscales(path, attributes)
    version = str(version or scales.get("version", "0.4"))
    if version not in _VERSIONS:
        raise ValueError(f"{path} is of OME-Zarr version {version}; expected 0.4 or 0.5: export it as one of these")
    datasets = scales.get("datasets")
    if not isinstance(datasets, list) or not datasets or not all(isinstance(d, Mapping) for d in datasets):
        raise _wrong(path, "datasets", datasets, "a list of levels")
    arrays = [_dataset(path, i, dataset) for i, dataset in enumerate(datasets)]
    first = arrays[0]
    axes, units = _axes(path, scales.get("axes"), len(first.shape))
    overall, shift = _transformation(path, "coordinateTransformations", scales, len(axes))
    levels = []
    for i, (dataset, array) in enumerate(zip(datasets, arrays, strict=True)):
        field = f"datasets[{i}]"
        _check_level(path, field, array, arrays[max(i - 1, 0)], axes)
        scale, translation = _transformation(path, f"{field}.coordinateTransformations", dataset, len(axes))
        if scale and overall:
            scale = tuple(a * b for a, b in zip(scale, overall, strict=True))
            translation = translation and tuple(a * b for a, b in zip(translation, overall, strict=True))
        if shift:
            translation = tuple(a + b for a, b in zip(translation or (0.0,) * len(axes), shift, strict=True))
        levels.append(Level(str(dataset["path"]), array.shape, array.chunks, scale, translation))
    missing = levels[0].scale is None
    note = f"{path.name} has no scale in multiscales[0].datasets[0].coordinateTransformations" if missing else ""
    return OmeImage(path, version, axes, units, tuple(levels), first.dtype, note)


def load_ome_zarr(path: Path) -> Stored:
    """Open the first level of an OME-Zarr image; its pixels are read when they are indexed.

    A Z axis of length 1 among all five axes counts as none: some programs always write five.

    Raises
    ------
    OSError, ValueError
        As `open_ome_zarr`.
    """
    image = open_ome_zarr(path)
    return Stored(image.pixels(), stored_letters(image), "OME-Zarr", image.sizes, (image.note,) if image.note else ())


def stored_letters(image: OmeImage) -> str:
    """Return the axes of an image with "?" for a Z axis that says nothing."""
    if len(image.axes) == len(_LETTERS) and image.levels[0].shape[image.axes.index("Z")] == 1:
        return image.axes.replace("Z", "?")
    return image.axes


def label_names(path: AnyPath) -> tuple[str, ...]:
    """Return the names of the label images inside an image, as its ``labels`` group lists them.

    Raises
    ------
    ValueError
        The list is damaged.
    """
    folder = Path(path) / "labels"
    if not is_ome_zarr(folder):
        return ()
    names = _attributes(folder)[0].get("labels", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{folder}: labels must be a list of names, not {names!r}; write its metadata again")
    return tuple(names)


def labels_of(path: Path) -> Path:
    """Return the folder of labels that is meant: the only label image inside an image, or the image itself.

    Raises
    ------
    ValueError
        There are several label images inside.
    """
    names = label_names(path)
    if len(names) > 1:
        raise ValueError(
            f"{path} holds {len(names)} label images ({', '.join(names)}); expected one: "
            f"name it, e.g. {path / 'labels' / names[0]}"
        )
    return path / "labels" / names[0] if names else path


def _attributes(path: Path) -> tuple[dict[str, Any], str | None]:
    """What the group says, and its version if that stands beside it (0.5)."""
    if (path / "zarr.json").is_file():
        attributes = read_json(path / "zarr.json").get("attributes", {})
        ome = attributes.get("ome", attributes) if isinstance(attributes, Mapping) else None
        if not isinstance(ome, Mapping):
            raise ValueError(f"{path / 'zarr.json'}: attributes.ome must be an object {{…}}; write it again")
        return dict(ome), ome.get("version")
    if (path / ".zattrs").is_file():
        return read_json(path / ".zattrs"), None
    if is_ome_zarr(path):
        return {}, None
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; check its name and folder")
    raise ValueError(f"{path} is no OME-Zarr folder: it holds no zarr.json, .zattrs or .zgroup")


def _multiscales(path: Path, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = attributes.get("multiscales")
    if isinstance(found, list) and found and isinstance(found[0], Mapping):
        return found[0]
    if found is not None:
        raise ValueError(f"{path}: multiscales must be a list of objects, not {found!r}; write its metadata again")
    inside = sorted(p.parent for p in itertools.chain(path.glob("*/zarr.json"), path.glob("*/.zattrs")))
    hint = f"it holds groups: give the image inside, e.g. {inside[0]}" if inside else "write its metadata again"
    raise ValueError(f"{path} has no multiscales in its metadata, so it is no OME-Zarr image; {hint}")


def _wrong(path: Path, field: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{path}: multiscales[0].{field} must be {expected}, not {value!r}; write its metadata again")


def _axes(path: Path, axes: Any, ndim: int) -> tuple[str, tuple[str | None, ...]]:
    if axes is None and ndim == len(_LETTERS):  # versions 0.1 and 0.2
        return _LETTERS, (None,) * ndim
    if not isinstance(axes, list) or not axes:
        raise _wrong(path, "axes", axes, "a list of axes")
    named = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]  # names only: version 0.3
    names = [str(axis.get("name")) for axis in named]
    letters = "".join(name.upper() for name in names)
    if not _legal(letters) or len(letters) != len(names):
        raise ValueError(
            f"{path}: multiscales[0].axes are {', '.join(names)}; expected t, c, z, y, x in this order, each at most "
            "once, with y and x: export it with these axes"
        )
    if len(letters) != ndim:
        raise ValueError(
            f"{path}: multiscales[0].axes names {len(letters)} axes ({', '.join(names)}), its arrays have {ndim}; "
            "export it again"
        )
    return letters, tuple(str(axis["unit"]) if axis.get("unit") else None for axis in named)


def _legal(letters: str) -> bool:
    """Time before channels before space; the order in space is free."""
    ranks = ["TC".find(a) % 3 for a in letters]
    return len(set(letters)) == len(letters) and set("YX") <= set(letters) <= set(_LETTERS) and ranks == sorted(ranks)


def _dataset(path: Path, i: int, dataset: Mapping[str, Any]) -> Pixels:
    name = dataset.get("path")
    if not isinstance(name, str) or not name:
        raise _wrong(path, f"datasets[{i}].path", name, "the name of an array")
    if not any((path / name / file).is_file() for file in ("zarr.json", ".zarray")):
        raise ValueError(f"{path}: multiscales[0].datasets[{i}].path is {name!r}, but there is no array; copy it again")
    return Pixels(path / name)


def _check_level(path: Path, field: str, array: Pixels, before: Pixels, axes: str) -> None:
    fits = len(array.shape) == len(axes) and all(n <= m for n, m in zip(array.shape, before.shape, strict=True))
    if not fits or 0 in array.shape:
        raise ValueError(
            f"{path}: multiscales[0].{field} has shape {array.shape}, which does not fit axes {axes} "
            f"and the level before, {before.shape}; export it again"
        )
    if array.dtype != before.dtype or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{path}: multiscales[0].{field} holds {array.dtype} pixels; expected integers or real numbers, "
            "the same in all levels: export it again"
        )


def _transformation(
    path: Path, field: str, holder: Mapping[str, Any], ndim: int
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Scale and translation, each None if it is not given."""
    given = holder.get("coordinateTransformations", [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise _wrong(path, field, given, "a list of transformations")
    found: dict[str, tuple[float, ...] | None] = {"scale": None, "translation": None}
    for one in given:
        kind = str(one.get("type"))
        if kind in found and kind in one:
            found[kind] = _numbers(path, f"{field}: {kind}", one[kind], ndim, positive=kind == "scale")
    return found["scale"], found["translation"]


def _numbers(path: Path, field: str, values: Any, ndim: int, *, positive: bool) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
        fits = len(numbers) == ndim and all(math.isfinite(x) and (x > 0 or not positive) for x in numbers)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise _wrong(path, field, values, f"{ndim} {'positive ' if positive else ''}numbers, one per axis")
    return numbers


def _opened(folder: Path, mode: Literal["r", "r+"] = "r") -> "zarr.Array[Any]":
    import zarr

    try:
        array = zarr.open_array(store=str(folder), mode=mode)
        _ = array.chunks  # not every kind of grid has them
    except Exception as error:  # zarr raises its own, ValueError, KeyError, ...
        raise unreadable(folder, "OME-Zarr", error) from error
    return array


def _cut(shape: tuple[int, ...], size: tuple[int, ...], box: Box) -> Iterator[tuple[tuple[int, ...], Box]]:
    """Yield the index of each chunk that a box meets, in scan order, and the part of the box in it."""
    ends = [part.indices(n)[:2] for part, n in zip(box, shape, strict=True)]
    ranges = [range(a // s, -(-b // s)) for (a, b), s in zip(ends, size, strict=True)]
    for index in itertools.product(*ranges):
        parts = (slice(max(i * s, a), min((i + 1) * s, b)) for i, s, (a, b) in zip(index, size, ends, strict=True))
        yield index, tuple(parts)


# ---------------------------------------------------------------- writing


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
        return _opened(self.folder / self.levels[0].path, "r+")

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
        ordered = sorted(self.axes, key=_LETTERS.index)
        target = tuple(lengths[self.axes.index(a)] for a in ordered)
        if [n for n in np.shape(pixels) if n > 1] != [n for n in target if n > 1]:
            raise ValueError(f"pixels have shape {np.shape(pixels)}, which does not fit the box, {target}")
        block = np.asarray(pixels).reshape(target).transpose([ordered.index(a) for a in self.axes])
        self.array[place] = block.astype(self.dtype, copy=False)

    def read(self, box: Box, *, time: int = 0) -> NDArray[Any]:
        """Return a box of the first level as it stands: (*box), or (C, *box) if there is a channel axis."""
        place = self._place(box, time)
        block = np.asarray(self.array[place])
        ordered = sorted(self.axes, key=_LETTERS.index)
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
        parts = {"T": slice(time, time + 1), "C": slice(0, lengths.get("C", 1)), **dict(zip(spatial, box, strict=True))}
        return tuple(parts[a] for a in self.axes)


def check_box(box: Box, shape: tuple[int, ...], *, name: str) -> None:
    """Raise ValueError unless a box lies inside an image: one slice per axis, not empty, without a step."""
    fits = len(box) == len(shape) and all(
        part.start is not None and part.stop is not None and part.step in (None, 1) and 0 <= part.start < part.stop <= n
        for part, n in zip(box, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"box must be one slice(start, stop) per axis of {name}, inside its shape {shape}, not {box}")


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
    if not set(axes) <= set(_LETTERS) or not set("YX") <= set(axes) or list(axes) != sorted(axes, key=_LETTERS.find):
        raise ValueError(f"axes must be T, C, Z, Y, X in this order, at least Y and X (e.g. 'CZYX'), not {axes!r}")
    if len(set(axes)) != len(axes) or len(shape) != len(axes) or min(shape) < 1:
        raise ValueError(f"shape must be {len(set(axes))} positive numbers, one per axis of {axes!r}, not {shape}")
    check_version(version)
    if levels is not None and levels < 1:
        raise ValueError(f"levels must be 1 or more, not {levels}")
    _check_dtype(dtype, labels)
    spatial = [a for a in axes if a in "ZYX"]
    if spacing is not None and (len(spacing) != len(spatial) or not all(math.isfinite(s) and s > 0 for s in spacing)):
        raise ValueError(f"spacing must be {len(spatial)} positive numbers, one per spatial axis, not {spacing}")
    sizes = dict(zip(spatial, map(float, spacing or [1.0] * len(spatial)), strict=True))
    units = tuple("micrometer" if spacing is not None and a in spatial else None for a in axes)
    cut = _chunks(axes, shape, chunks)
    planned: list[Level] = []
    for i, lengths in enumerate(_halved(axes, shape, levels)):
        if i:
            before = planned[-1]
            scale = tuple(
                s * (2 if n < m else 1) for s, n, m in zip(before.scale or (), lengths, before.shape, strict=True)
            )
        else:
            scale = tuple(sizes.get(a, 1.0) for a in axes)
        planned.append(Level(str(i), lengths, _clipped(cut, lengths), scale))
    folder = path.with_name(f".{path.name}.part")
    return _begin(Draft(path, folder, axes, units, tuple(planned), dtype, version, labels, overwrite=overwrite))


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
        raise ValueError(f"name must be a plain name, without slashes and no dot first, not {name!r}")
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
        scale = level.scale or tuple(r * s for r, s in zip(ratio, first.scale or (1.0,) * len(ratio), strict=True))
        shift = level.translation and tuple(level.translation[i] for i in kept)
        planned.append(Level(str(i), shape, _clipped(cut, shape), tuple(scale[i] for i in kept), shift))
    units = tuple(source.units[i] for i in kept)
    version = "0.5" if source.version == "0.5" else "0.4"
    folder = source.path / f".{name}.part"
    return _begin(Draft(path, folder, axes, units, tuple(planned), dtype, version, True, source.path, overwrite))


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
        source, target = Pixels(draft.folder / above.path), _opened(draft.folder / level.path, "r+")
        steps = _steps(above, level)
        for _, box in _cut(level.shape, level.chunks, tuple(slice(0, n) for n in level.shape)):
            target[box] = _strided(source, box, steps) if draft.labels else _averaged(source, box, steps)


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
    return FileExistsError(f"{path} is there already; choose another name, or say overwrite=True to replace it")


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
        raise ValueError(f"chunks must be one positive number per spatial axis or per axis of {axes!r}, not {chunks}")
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
        raise FileNotFoundError(f"cannot write {draft.path}: its folder does not exist; create it first")
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


def _steps(above: Level, level: Level) -> list[float]:
    """How many pixels of the level above one pixel stands for along each axis."""
    if above.scale and level.scale:
        steps = [b / a for a, b in zip(above.scale, level.scale, strict=True)]
    else:
        steps = [m / n for m, n in zip(above.shape, level.shape, strict=True)]
    # 0.65 / 0.325 is not quite 2
    return [float(round(s)) if abs(s - round(s)) < 1e-3 else s for s in steps]


def _strided(source: Pixels, box: Box, steps: list[float]) -> NDArray[Any]:
    """The first of the pixels that each pixel of a box stands for."""
    places = [
        np.minimum((np.arange(part.start, part.stop) * step).astype(int), n - 1)
        for part, step, n in zip(box, steps, source.shape, strict=True)
    ]
    block = source[tuple(slice(int(place[0]), int(place[-1]) + 1) for place in places)]
    return block[np.ix_(*(place - place[0] for place in places))]


def _averaged(source: Pixels, box: Box, steps: list[float]) -> NDArray[Any]:
    """The mean of the pixels that each pixel of a box stands for."""
    block = source[
        tuple(
            slice(part.start * int(step), min(part.stop * int(step), n))
            for part, step, n in zip(box, steps, source.shape, strict=True)
        )
    ]
    # of 8 and 16 bits up to 2^15 numbers sum without a loss in 32
    small = source.dtype.kind in "iu" and source.dtype.itemsize <= 2
    total, count = block.astype(np.int32 if small else np.float64), np.ones((1,) * block.ndim)
    for axis, step in enumerate(map(int, steps)):
        counts = _summed(np.ones(block.shape[axis]), 0, step)
        count = count * counts.reshape([-1 if i == axis else 1 for i in range(block.ndim)])
        total = _summed(total, axis, step)
    mean = np.divide(total, count)
    rounded: NDArray[Any] = np.rint(mean) if source.dtype.kind in "iu" else mean
    return rounded.astype(source.dtype)


def _summed(block: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """The sum of every `step` pixels along an axis, of fewer at its end (nine times as fast as `add.reduceat`)."""
    pixels = np.moveaxis(block, axis, 0)
    total = pixels[::step].copy()
    for first in range(1, step):
        more = pixels[first::step]
        total[: len(more)] += more
    return np.moveaxis(total, 0, axis)


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
    write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {**attributes, "ome": ome}})


def _register(draft: Draft) -> None:
    names = [*label_names(draft.path.parents[1]), draft.path.name]
    _write_group(draft.path.parent, {"labels": list(dict.fromkeys(names))}, draft.version)
