"""The metadata of an OME-Zarr group: read and checked field by field, and written."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seamwise.io.inside import is_inside
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.ome_zarr.levels import LETTERS
from seamwise.types import AnyPath

GROUP_FILES = ("zarr.json", ".zattrs", ".zgroup")
_OWN = "seamwise"  # our key among the attributes of a group, next to those of the format
_DEPTH = 3  # of plates: row, column, field
_VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")

Transformation = tuple[tuple[float, ...] | None, tuple[float, ...] | None]
"""Scale and translation along each axis, each None if the file does not give it."""


def is_ome_zarr(path: AnyPath) -> bool:
    """Tell whether a folder holds the metadata of a zarr group, without opening it."""
    return any(os.path.isfile(os.path.join(path, name)) for name in GROUP_FILES)


def read_attributes(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the attributes of a group, and the version if it stands next to them (0.5).

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    ValueError
        It is not an OME-Zarr folder, or its metadata are damaged.
    """
    if (path / "zarr.json").is_file():
        attributes = read_json(path / "zarr.json").get("attributes", {})
        ome = attributes.get("ome", attributes) if isinstance(attributes, Mapping) else None
        if not isinstance(ome, Mapping):
            raise ValueError(
                f"{path / 'zarr.json'}: attributes.ome must be an object {{…}}: write it again"
            )
        return dict(ome), ome.get("version")
    if (path / ".zattrs").is_file():
        return read_json(path / ".zattrs"), None
    if is_ome_zarr(path):
        return {}, None
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: check its name and folder")
    raise ValueError(
        f"{path} is not an OME-Zarr folder (it holds no zarr.json, .zattrs or .zgroup): "
        "copy or export it again"
    )


def read_record(path: Path) -> dict[str, Any]:
    """Return what `write_group` recorded about how an image was made; empty without a record.

    Raises
    ------
    ValueError
        The record is damaged; names the file.
    """
    files = [path / name for name in ("zarr.json", ".zattrs") if (path / name).is_file()]
    if not files:
        return {}
    attributes: Any = read_json(files[0])
    if files[0].name == "zarr.json":
        attributes = attributes.get("attributes", {})
    if not isinstance(attributes, Mapping) or _OWN not in attributes:
        return {}
    record = attributes[_OWN]
    if not isinstance(record, Mapping) or not record:
        raise ValueError(
            f"{files[0]}: {_OWN} must record how the image was made as an object {{…}}, "
            f"not {record!r}: write the image again, or delete the entry"
        )
    return dict(record)


def read_multiscales(path: Path) -> tuple[Mapping[str, Any], str]:
    """Return the first of the ``multiscales`` of an image, and the version of the format."""
    attributes, version = read_attributes(path)
    scales = _first_multiscales(path, attributes)
    version = str(version or scales.get("version", "0.4"))
    if version not in _VERSIONS:
        raise ValueError(
            f"{path} has OME-Zarr version {version}, not 0.4 or 0.5: export it as one of these"
        )
    return scales, version


def _first_multiscales(path: Path, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    scales = attributes.get("multiscales")
    if isinstance(scales, list) and scales and isinstance(scales[0], Mapping):
        return scales[0]
    if scales is not None:
        raise ValueError(
            f"{path}: multiscales must be a list of objects, not {scales!r}: "
            "write its metadata again"
        )
    remedy = "write its metadata again"
    inside = _first_image(path)
    if inside is not None:
        remedy = f"it holds groups: give the image inside, e.g. {inside}"
    raise ValueError(
        f"{path} has no multiscales in its metadata, so it is not an OME-Zarr image; {remedy}"
    )


def _first_image(path: Path) -> Path | None:
    """The first image inside a group, some levels down."""
    for level in range(1, _DEPTH + 1):
        folders = sorted(filter(is_ome_zarr, path.glob("/".join("*" * level))))
        images = (folder for folder in folders if "multiscales" in read_attributes(folder)[0])
        first = next(images, None)
        if first is not None:
            return first
    return None


def plate_fields(path: AnyPath) -> list[Path]:
    """List the fields of view of a plate or a well (HCS) in its order; empty for any other group.

    Fields that are listed and missing do not count, nor do names that lead out of the plate. A well
    that cannot be read stands for itself, so that it is reported when it is read.
    """
    path = Path(path)
    if not is_ome_zarr(path):
        return []
    try:
        attributes = read_attributes(path)[0]
    except (ValueError, OSError):
        return []  # reading it will tell
    wells = [path / name for name in _paths_in(attributes, "plate", "wells")]
    if "well" in attributes:
        wells = [path]
    return [field for well in wells if is_ome_zarr(well) for field in _fields_of_well(well)]


def _fields_of_well(well: Path) -> list[Path]:
    try:
        names = _paths_in(read_attributes(well)[0], "well", "images")
    except ValueError:
        return [well]
    return [well / name for name in names if is_ome_zarr(well / name)]


def _paths_in(attributes: Mapping[str, Any], key: str, items: str) -> list[str]:
    """The relative paths that a list of a plate or a well names."""
    holder = attributes.get(key)
    entries = holder.get(items) if isinstance(holder, Mapping) else None
    entries = entries if isinstance(entries, list) else []
    paths = [entry.get("path") for entry in entries if isinstance(entry, Mapping)]
    return [path for path in paths if isinstance(path, str) and path and is_inside(path)]


def wrong_field(path: Path, field: str, value: Any, expected: str) -> ValueError:
    """Return the error for a field of ``multiscales`` that holds something else than expected."""
    return ValueError(
        f"{path}: multiscales[0].{field} must be {expected}, not {value!r}: "
        "write its metadata again"
    )


def parse_datasets(path: Path, scales: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entry of each level; ValueError unless each names an array in the folder."""
    datasets = scales.get("datasets")
    is_list = isinstance(datasets, list) and len(datasets) > 0
    if not is_list or not all(isinstance(one, Mapping) for one in datasets or ()):
        raise wrong_field(path, "datasets", datasets, "a list of levels")
    entries = list(datasets or ())
    for i, entry in enumerate(entries):
        name = entry.get("path")
        if not isinstance(name, str) or not name:
            raise wrong_field(path, f"datasets[{i}].path", name, "the name of an array")
        if not is_inside(name):
            raise wrong_field(path, f"datasets[{i}].path", name, "an array in this folder")
        if not any((path / name / file).is_file() for file in ("zarr.json", ".zarray")):
            raise ValueError(
                f"{path}: multiscales[0].datasets[{i}].path is {name!r}, which is not an array: "
                "copy it again"
            )
    return entries


def parse_axes(path: Path, axes: Any, ndim: int) -> tuple[str, tuple[str | None, ...]]:
    """Return the letter and the unit of each axis."""
    if axes is None and ndim == len(LETTERS):  # versions 0.1 and 0.2
        return LETTERS, (None,) * ndim
    if not isinstance(axes, list) or not axes:
        raise wrong_field(path, "axes", axes, "a list of axes")
    # names only: version 0.3
    entries = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]
    names = [str(entry.get("name")) for entry in entries]
    letters = "".join(name.upper() for name in names)
    if not _are_legal(letters) or len(letters) != len(names):
        raise ValueError(
            f"{path}: multiscales[0].axes are {', '.join(names)}; expected t, c, z, y, x in this "
            "order, each at most once, with y and x: export it with these axes"
        )
    if len(letters) != ndim:
        raise ValueError(
            f"{path}: multiscales[0].axes names {len(letters)} axes ({', '.join(names)}), "
            f"its arrays have {ndim}: export it again"
        )
    return letters, tuple(str(entry["unit"]) if entry.get("unit") else None for entry in entries)


def _are_legal(letters: str) -> bool:
    """Time before channels before space; the order in space is free."""
    ranks = ["TC".find(a) % 3 for a in letters]
    is_unique = len(set(letters)) == len(letters)
    return is_unique and set("YX") <= set(letters) <= set(LETTERS) and ranks == sorted(ranks)


def parse_transformation(
    path: Path, field: str, holder: Mapping[str, Any], ndim: int
) -> Transformation:
    """Return the scale and the translation in ``coordinateTransformations`` of a level or image.

    Parameters
    ----------
    path : Path
        The folder, for messages.
    field : str
        What precedes ``coordinateTransformations`` in messages: "" or ``"datasets[0]."``.
    holder : dict
        Where it stands.
    ndim : int
        Number of axes.
    """
    field += "coordinateTransformations"
    entries = holder.get("coordinateTransformations", [])
    if not isinstance(entries, list) or not all(isinstance(one, Mapping) for one in entries):
        raise wrong_field(path, field, entries, "a list of transformations")
    values: dict[str, tuple[float, ...] | None] = {"scale": None, "translation": None}
    for entry in entries:
        kind = str(entry.get("type"))
        if kind in values and kind in entry:
            expected = f"{ndim} {'positive ' if kind == 'scale' else ''}numbers, one per axis"
            numbers = _numbers(entry[kind], ndim, positive=kind == "scale")
            if numbers is None:
                raise wrong_field(path, f"{field}: {kind}", entry[kind], expected)
            values[kind] = numbers
    return values["scale"], values["translation"]


def _numbers(values: Any, count: int, *, positive: bool) -> tuple[float, ...] | None:
    """So many finite numbers; None if these are not."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return None
    is_finite = all(map(math.isfinite, numbers))
    if len(numbers) != count or not is_finite or (positive and min(numbers) <= 0):
        return None
    return numbers


def combine(inner: Transformation, outer: Transformation) -> Transformation:
    """Return the transformation of a level, followed by that of the whole image."""
    (scale, shift), (outer_scale, outer_shift) = inner, outer
    if scale and outer_scale:
        scale = tuple(a * b for a, b in zip(scale, outer_scale, strict=True))
        shift = shift and tuple(a * b for a, b in zip(shift, outer_scale, strict=True))
    if outer_shift:
        shift = shift or (0.0,) * len(outer_shift)
        shift = tuple(a + b for a, b in zip(shift, outer_shift, strict=True))
    return scale, shift


def write_group(
    folder: Path,
    attributes: Mapping[str, Any],
    version: str,
    *,
    record: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the metadata of a group, and keep what others wrote next to ours.

    Parameters
    ----------
    folder : Path
    attributes : mapping
        What the format asks for.
    version : {"0.4", "0.5"}
    record : mapping
        How the image was made, for `read_record`. It stands under a key of our own.
    """
    own = {_OWN: dict(record)} if record else {}
    if version == "0.4":
        file = folder / ".zattrs"
        write_json(folder / ".zgroup", {"zarr_format": 2})
        others = read_json(file) if file.is_file() else {}
        write_json(file, {**others, **attributes, **own})
        return
    file = folder / "zarr.json"
    group = read_json(file) if file.is_file() else {}
    others = group.get("attributes", {})
    ome = {**others.get("ome", {}), "version": version, **attributes}
    content = {**others, "ome": ome, **own}
    write_json(file, {"zarr_format": 3, "node_type": "group", "attributes": content})
