"""Label images to files of outlines and back; see `export_labels` and `import_labels`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seamwise.exchange.coco import CocoImage, read_coco, write_coco
from seamwise.exchange.geojson import read_geojson, write_geojson
from seamwise.exchange.outlines import Outline, fill, trace
from seamwise.exchange.roi import read_rois, write_rois
from seamwise.io.atomic import check_writable, make_folder
from seamwise.io.errors import error_line
from seamwise.io.images import write_labels
from seamwise.io.listing import by_stem, find_images, find_labels, stem
from seamwise.io.outcome import Outcome
from seamwise.io.volume import Volume, open_labels, open_volume
from seamwise.types import AnyPath
from seamwise.words import OutlineFormat

ENDINGS = {"roi": "_rois.zip", "geojson": ".geojson"}
"""How a file of outlines ends, by its format; COCO has one file for all images."""

COCO_NAME = "annotations.json"

_READERS = {".zip": read_rois, ".roi": read_rois, ".geojson": read_geojson}
_ERRORS = (ValueError, TypeError, OSError, MemoryError)


def export_labels(
    labels: AnyPath | Sequence[AnyPath],
    output: Path,
    format: OutlineFormat,
    *,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Write the outlines of label images to a folder.

    What would stop the whole job is checked at the call. The work is done as the outcomes are
    drawn. Files that cannot be read are reported and skipped.

    Parameters
    ----------
    labels : path, or sequence of paths
        Files, folders and glob patterns. Each slice and time point has outlines of its own.
    output : Path
        A folder: ``<stem>_rois.zip`` or ``<stem>.geojson`` for each image, or ``annotations.json``
        for all (COCO, flat images only).
    format : {"roi", "geojson", "coco"}
    overwrite : bool
        Replace existing files.

    Raises
    ------
    ValueError
        Two label images have the same name.
    OSError
        A file does not exist, or the folder cannot be written.
    """
    files = by_stem(find_labels(labels), ending="_masks")
    make_folder(output)
    if format == "coco":
        return _export_coco(files, output / COCO_NAME, overwrite)
    write = write_rois if format == "roi" else write_geojson

    def outcomes() -> Iterator[Outcome]:
        for name, path in files.items():
            target = output / f"{name}{ENDINGS[format]}"
            try:
                _check_new(target, overwrite)
                outlines = list(_outlines(open_labels(path)))
                write(target, outlines)
            except _ERRORS as error:
                yield Outcome(path, len(files), True, (error_line(path, error),))
                continue
            cells = len({(outline.name, outline.t) for outline in outlines})
            yield Outcome(path, len(files), messages=(f"{path}: {cells} cells to {target}",))

    return outcomes()


def import_labels(
    files: Sequence[AnyPath],
    output: Path,
    *,
    images: AnyPath | None = None,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Draw files of outlines as label images, ``<stem>.tif``.

    Parameters
    ----------
    files : sequence of paths
        ``.zip`` and ``.roi`` of ImageJ, ``.geojson``, ``.json`` of COCO; folders stand for those in
        them.
    output : Path
        A folder.
    images : path, optional
        The image that was outlined, or a folder of them with the same names: they give size and
        pixel size. Without them the label image is as large as its outlines need. COCO knows the
        size.
    overwrite : bool
        Replace existing label images.

    Raises
    ------
    ValueError
        There is no such file, a file is of another kind, or two have the same name.
    OSError
        A file does not exist, or the folder cannot be written.
    """
    paths = _outline_files(files)
    image_files = {} if images is None else by_stem(find_images(images))
    single = next(iter(image_files.values())) if len(image_files) == len(paths) == 1 else None
    make_folder(output)

    def outcomes() -> Iterator[Outcome]:
        for path in paths:
            lines: list[str] = []
            try:
                for drawing in _drawings(path):
                    image = single or image_files.get(drawing.name)
                    if images is not None and image is None:
                        raise ValueError(f"no image of the name {drawing.name} in {images}")
                    target = output / f"{drawing.name}.tif"
                    _check_new(target, overwrite)
                    lines += _draw(drawing, target, image)
            except _ERRORS as error:
                yield Outcome(path, len(paths), True, (*lines, error_line(path, error)))
                continue
            yield Outcome(path, len(paths), messages=tuple(f"{path}: {line}" for line in lines))

    return outcomes()


@dataclass(frozen=True, eq=False)
class _Drawing:
    """The outlines of one image, and what to know about them."""

    name: str
    outlines: list[Outline]
    shape: tuple[int, int] | None = None
    note: str = ""


def _export_coco(files: dict[str, Path], target: Path, overwrite: bool) -> Iterator[Outcome]:
    _check_new(target, overwrite)
    check_writable(target)
    images: list[CocoImage] = []
    for number, path in enumerate(files.values(), 1):
        try:
            labels = open_labels(path)
            if labels.axes != "YX" or labels.times > 1:
                raise ValueError("COCO has flat images only: choose roi or geojson for a stack")
            outlines = list(_outlines(labels))
            height, width = labels.shape
            images.append(CocoImage(path.name, (height, width), outlines))
            messages, has_failed = (f"{path}: {len(outlines)} cells to {target}",), False
        except _ERRORS as error:
            messages, has_failed = (error_line(path, error),), True
        if number == len(files) and images:
            write_coco(target, images)
        yield Outcome(path, len(files), has_failed, messages)


def _outlines(labels: Volume) -> Iterator[Outline]:
    """Outlines of every time point and slice."""
    depth = labels.shape[0] if labels.axes == "ZYX" else 1
    plane = tuple(slice(0, n) for n in labels.shape[-2:])
    for time in range(labels.times):
        for z in range(depth):
            box = (slice(z, z + 1), *plane) if labels.axes == "ZYX" else plane
            pixels = labels.read(box, time=time)
            yield from trace(pixels.reshape(labels.shape[-2:]), z=z, t=time)


def _outline_files(files: Sequence[AnyPath]) -> list[Path]:
    paths: list[Path] = []
    kinds = (*_READERS, ".json")
    for file in map(Path, files):
        inside = [file]
        if file.is_dir():
            inside = [path for path in sorted(file.iterdir()) if path.suffix.lower() in kinds]
        if not inside:
            raise ValueError(f"folder {file} holds no outlines: expected {', '.join(kinds)}")
        paths += inside
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: check its name and folder")
        if path.suffix.lower() not in kinds:
            raise ValueError(f"{path} is not of a known kind: expected one of {', '.join(kinds)}")
    by_stem(paths, ending="_rois")
    return paths


def _drawings(path: Path) -> Iterator[_Drawing]:
    """What a file holds, image by image."""
    if path.suffix.lower() == ".json":
        for image in read_coco(path):
            yield _Drawing(stem(Path(image.file_name)), image.outlines, image.shape)
        return
    outlines, note = _READERS[path.suffix.lower()](path)
    yield _Drawing(stem(path).removesuffix("_rois"), outlines, note=note)


def _draw(drawing: _Drawing, target: Path, image: Path | None) -> list[str]:
    """Write one label image; return lines for the user."""
    if any(outline.t for outline in drawing.outlines):
        raise ValueError("it has several time points: save one file per time point")
    shape, spacing = _shape(drawing), None
    if image is not None:
        volume = open_volume(image)
        size = volume.shape if volume.axes == "ZYX" else (1, *volume.shape)
        shape, spacing = (size[0], size[1], size[2]), volume.spacing
    filling = fill(drawing.outlines, shape)
    flat = filling.labels[0] if shape[0] == 1 else filling.labels
    write_labels(target, flat, spacing=spacing if spacing and len(spacing) == flat.ndim else None)
    lines = [f"{np.unique(flat[flat > 0]).size} cells to {target}"]
    if drawing.note:
        lines.append(drawing.note)
    if filling.overlap:
        lines.append(f"{filling.overlap} pixels belong to several cells and went to the later one")
    if filling.lost:
        lines.append(f"{filling.lost} cells have no pixel of their own")
    return lines


def _shape(drawing: _Drawing) -> tuple[int, int, int]:
    """The size that a file tells, or else that the outlines need."""
    depth = 1 + max((outline.z for outline in drawing.outlines), default=0)
    if drawing.shape is not None:
        return (depth, *drawing.shape)
    corners = [ring.max(axis=0) for outline in drawing.outlines for ring in outline.rings]
    width, height = np.ceil(np.max(corners, axis=0)).astype(int) if corners else (1, 1)
    return depth, max(int(height), 1), max(int(width), 1)


def _check_new(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists: say --overwrite, or choose another folder")
