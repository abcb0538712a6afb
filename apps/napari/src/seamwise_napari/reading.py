"""Files as layers: images, label images, outlines; see `reader_of`. Needs no Qt."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.exchange import fill, read_geojson, read_rois
from seamwise.io import (
    Image,
    label_names,
    read_image,
    read_json,
    read_labels,
    read_spaced_labels,
)

LayerData = tuple[Any, dict[str, Any], str]

_OUTLINES = {".geojson": read_geojson, ".zip": read_rois, ".roi": read_rois}
_MASK_ENDINGS = ("_mask", "_masks", "_label", "_labels", "-mask")
_MASK_FOLDERS = ("masks", "labels", "labelsTr")


def reader_of(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the function that reads a path as layers, or several as layers each.

    Label images become labels: files that `seamwise segment` wrote, and those whose name or folder
    says mask or label. So do outlines of ImageJ and QuPath.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(map(_is_readable, map(Path, paths))) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read one path or several.

    Returns
    -------
    list of (array, dict, {"image", "labels"})
        Images are (Y, X) or (Z, Y, X) arrays of the type of the file, with a further axis 0 for
        channels, or (Y, X, 3) for colours in uint8. Labels are integer arrays (Y, X) or (Z, Y, X).
        The dict has the name, and the pixel size as scale and units.

    Raises
    ------
    ValueError, OSError
        A file is damaged or not of these kinds.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for one in paths for layer in _read(Path(one))]


def _is_readable(path: Path) -> bool:
    return path.suffix == ".zarr" if path.is_dir() else path.is_file()


def _read(path: Path) -> list[LayerData]:
    if path.suffix.lower() in _OUTLINES:
        return [_outlines(path)]
    if path.is_dir():
        image = read_image(path)
        return [_image(path, image), *_labels_within(path, image.spacing)]
    return [_labels(path) if _is_mask(path) else _image(path, read_image(path))]


def _is_mask(path: Path) -> bool:
    """Whether a file holds labels, by its name, its folder and what lies next to it."""
    stem = path.name.split(".")[0].lower()
    if path.suffix.lower() in (".jpg", ".jpeg") or stem.endswith("_overlay"):
        return False
    return (
        stem.endswith(_MASK_ENDINGS)
        or path.parent.name in _MASK_FOLDERS
        or _is_result(path.parent / "seamwise.json")
    )


def _is_result(record: Path) -> bool:
    """Whether `seamwise segment` wrote the files next to a record."""
    if not record.is_file():
        return False
    try:
        content = read_json(record)
    except (ValueError, OSError):
        return False
    return isinstance(content, dict) and "min_size" in content


def _image(path: Path, image: Image) -> LayerData:
    facts: dict[str, Any] = {"name": _name(path), "metadata": {"note": image.note}}
    facts |= _place(image.spacing)
    if image.axes == "CYX" and len(image.data) == 3 and image.data.dtype == np.uint8:
        return np.moveaxis(image.data, 0, -1), {**facts, "rgb": True}, "image"
    if image.axes.startswith("C"):
        facts["channel_axis"] = 0
        facts["name"] = [f"{_name(path)} {number}" for number in range(len(image.data))]
    return image.data, facts, "image"


def _labels(path: Path) -> LayerData:
    labels, spacing = read_spaced_labels(path)
    return labels, {"name": _name(path), **_place(spacing)}, "labels"


def _labels_within(path: Path, spacing: tuple[float, ...] | None) -> list[LayerData]:
    """The labels inside an OME-Zarr image."""
    return [
        (read_labels(path / "labels" / name), {"name": name, **_place(spacing)}, "labels")
        for name in label_names(path)
    ]


def _outlines(path: Path) -> LayerData:
    """Outlines, drawn as labels that are as large as they need."""
    read = _OUTLINES[path.suffix.lower()]
    outlines, _ = read(path)
    if not outlines:
        raise ValueError(
            f"{path.name} has no outlines of areas: draw cells as polygons, not points"
        )
    corners = np.concatenate([ring for outline in outlines for ring in outline.rings])
    width, height = np.ceil(corners.max(0)).astype(int)
    planes = 1 + max(outline.z for outline in outlines)
    labels = fill(outlines, (planes, int(height), int(width))).labels
    return labels[0] if planes == 1 else labels, {"name": _name(path)}, "labels"


def _name(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def _place(spacing: tuple[float, ...] | None) -> dict[str, Any]:
    """Pixel size as napari takes it."""
    if spacing is None:
        return {}
    return {"scale": spacing, "units": ("µm",) * len(spacing)}
