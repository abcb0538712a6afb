"""Read OME-Zarr 0.4 and 0.5: folders of chunks, for images bigger than memory, with smaller levels to look at.

`io.ome_zarr_draft` writes them. The package zarr is imported where it is needed and not before.
"""

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.io.axes import ome_zarr_sizes
from seamwise.io.jsonfile import read_json
from seamwise.io.stored import DamagedError, Stored, unreadable
from seamwise.types import AnyPath, Box

if TYPE_CHECKING:
    import zarr

LETTERS = "TCZYX"
_VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")


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
        self._array = open_array(folder)
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
        for index, part in chunk_boxes(self.shape, files, box):
            try:
                self._array[part]
            except Exception as found:
                file = self._array.metadata.encode_chunk_key(index)
                where, reason = f" chunk {index} (file {file})", found
                break
        text = (str(reason).strip().splitlines() or [type(reason).__name__])[0][:200]
        return DamagedError(
            f"cannot decode{where} of {self._folder}: {text}; copy or export it again"
        )


def is_ome_zarr(path: AnyPath) -> bool:
    """Tell whether a folder holds the metadata of a zarr group, without opening it."""
    return any(
        os.path.isfile(os.path.join(path, name)) for name in ("zarr.json", ".zattrs", ".zgroup")
    )


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
        raise ValueError(
            f"{path} is of OME-Zarr version {version}; expected 0.4 or 0.5: export it as one of these"
        )
    datasets = scales.get("datasets")
    if (
        not isinstance(datasets, list)
        or not datasets
        or not all(isinstance(d, Mapping) for d in datasets)
    ):
        raise _wrong(path, "datasets", datasets, "a list of levels")
    arrays = [_dataset(path, i, dataset) for i, dataset in enumerate(datasets)]
    first = arrays[0]
    axes, units = _axes(path, scales.get("axes"), len(first.shape))
    overall, shift = _transformation(path, "coordinateTransformations", scales, len(axes))
    levels = []
    for i, (dataset, array) in enumerate(zip(datasets, arrays, strict=True)):
        field = f"datasets[{i}]"
        _check_level(path, field, array, arrays[max(i - 1, 0)], axes)
        scale, translation = _transformation(
            path, f"{field}.coordinateTransformations", dataset, len(axes)
        )
        if scale and overall:
            scale = tuple(a * b for a, b in zip(scale, overall, strict=True))
            translation = translation and tuple(
                a * b for a, b in zip(translation, overall, strict=True)
            )
        if shift:
            translation = tuple(
                a + b for a, b in zip(translation or (0.0,) * len(axes), shift, strict=True)
            )
        levels.append(Level(str(dataset["path"]), array.shape, array.chunks, scale, translation))
    missing = levels[0].scale is None
    note = (
        f"{path.name} has no scale in multiscales[0].datasets[0].coordinateTransformations"
        if missing
        else ""
    )
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
    return Stored(
        image.pixels(),
        stored_letters(image),
        "OME-Zarr",
        image.sizes,
        (image.note,) if image.note else (),
    )


def stored_letters(image: OmeImage) -> str:
    """Return the axes of an image with "?" for a Z axis that says nothing."""
    if len(image.axes) == len(LETTERS) and image.levels[0].shape[image.axes.index("Z")] == 1:
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
        raise ValueError(
            f"{folder}: labels must be a list of names, not {names!r}; write its metadata again"
        )
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
            raise ValueError(
                f"{path / 'zarr.json'}: attributes.ome must be an object {{…}}; write it again"
            )
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
        raise ValueError(
            f"{path}: multiscales must be a list of objects, not {found!r}; write its metadata again"
        )
    inside = sorted(
        p.parent for p in itertools.chain(path.glob("*/zarr.json"), path.glob("*/.zattrs"))
    )
    hint = (
        f"it holds groups: give the image inside, e.g. {inside[0]}"
        if inside
        else "write its metadata again"
    )
    raise ValueError(
        f"{path} has no multiscales in its metadata, so it is no OME-Zarr image; {hint}"
    )


def _wrong(path: Path, field: str, value: Any, expected: str) -> ValueError:
    return ValueError(
        f"{path}: multiscales[0].{field} must be {expected}, not {value!r}; write its metadata again"
    )


def _axes(path: Path, axes: Any, ndim: int) -> tuple[str, tuple[str | None, ...]]:
    if axes is None and ndim == len(LETTERS):  # versions 0.1 and 0.2
        return LETTERS, (None,) * ndim
    if not isinstance(axes, list) or not axes:
        raise _wrong(path, "axes", axes, "a list of axes")
    named = [
        axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes
    ]  # names only: version 0.3
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
    return (
        len(set(letters)) == len(letters)
        and set("YX") <= set(letters) <= set(LETTERS)
        and ranks == sorted(ranks)
    )


def _dataset(path: Path, i: int, dataset: Mapping[str, Any]) -> Pixels:
    name = dataset.get("path")
    if not isinstance(name, str) or not name:
        raise _wrong(path, f"datasets[{i}].path", name, "the name of an array")
    if not any((path / name / file).is_file() for file in ("zarr.json", ".zarray")):
        raise ValueError(
            f"{path}: multiscales[0].datasets[{i}].path is {name!r}, but there is no array; copy it again"
        )
    return Pixels(path / name)


def _check_level(path: Path, field: str, array: Pixels, before: Pixels, axes: str) -> None:
    fits = len(array.shape) == len(axes) and all(
        n <= m for n, m in zip(array.shape, before.shape, strict=True)
    )
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
            found[kind] = _numbers(
                path, f"{field}: {kind}", one[kind], ndim, positive=kind == "scale"
            )
    return found["scale"], found["translation"]


def _numbers(
    path: Path, field: str, values: Any, ndim: int, *, positive: bool
) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
        fits = len(numbers) == ndim and all(
            math.isfinite(x) and (x > 0 or not positive) for x in numbers
        )
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise _wrong(
            path, field, values, f"{ndim} {'positive ' if positive else ''}numbers, one per axis"
        )
    return numbers


def open_array(folder: Path, mode: Literal["r", "r+"] = "r") -> "zarr.Array[Any]":
    """Open one array of an image, or raise ValueError if zarr cannot."""
    import zarr

    try:
        array = zarr.open_array(store=str(folder), mode=mode)
        _ = array.chunks  # not every kind of grid has them
    except Exception as error:  # zarr raises its own, ValueError, KeyError, ...
        raise unreadable(folder, "OME-Zarr", error) from error
    return array


def chunk_boxes(
    shape: tuple[int, ...], size: tuple[int, ...], box: Box
) -> Iterator[tuple[tuple[int, ...], Box]]:
    """Yield the index of each chunk that a box meets, in scan order, and the part of the box in it."""
    ends = [part.indices(n)[:2] for part, n in zip(box, shape, strict=True)]
    ranges = [range(a // s, -(-b // s)) for (a, b), s in zip(ends, size, strict=True)]
    for index in itertools.product(*ranges):
        parts = (
            slice(max(i * s, a), min((i + 1) * s, b))
            for i, s, (a, b) in zip(index, size, ends, strict=True)
        )
        yield index, tuple(parts)


def check_box(box: Box, shape: tuple[int, ...], *, name: str) -> None:
    """Raise ValueError unless a box lies inside an image: one slice per axis, not empty, without a step."""
    fits = len(box) == len(shape) and all(
        part.start is not None
        and part.stop is not None
        and part.step in (None, 1)
        and 0 <= part.start < part.stop <= n
        for part, n in zip(box, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"box must be one slice(start, stop) per axis of {name}, inside its shape {shape}, not {box}"
        )
