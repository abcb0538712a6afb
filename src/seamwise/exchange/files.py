"""Label images to files of outlines and back; see `export_labels` and `import_labels`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seamwise.exchange.coco import CocoImage, read_coco, write_coco
from seamwise.exchange.ctc import ENDING, export_series, import_series, is_series
from seamwise.exchange.geojson import read_geojson, write_geojson
from seamwise.exchange.measurements import Measurements, read_measurements
from seamwise.exchange.outlines import Outline, check_size, fill, trace
from seamwise.exchange.roi import read_rois, write_rois
from seamwise.io.atomic import check_writable, make_folder
from seamwise.io.errors import error_line
from seamwise.io.images import write_labels
from seamwise.io.links import real_path
from seamwise.io.listing import by_stem, find_images, find_labels, stem
from seamwise.io.ome_zarr import is_ome_zarr, write_image
from seamwise.io.outcome import Outcome, amount
from seamwise.io.volume import Volume, open_labels, open_volume
from seamwise.types import AnyPath
from seamwise.words import OutlineFormat

ENDINGS = {"roi": "_rois.zip", "geojson": ".geojson", "ctc": ENDING}
"""How a file of outlines ends, by its format; COCO has one file for all images."""

COCO_NAME = "annotations.json"

_READERS = {".zip": read_rois, ".roi": read_rois, ".geojson": read_geojson}
_ERRORS = (ValueError, TypeError, OSError, MemoryError)


def export_labels(
    labels: AnyPath | Sequence[AnyPath],
    output: Path,
    format: OutlineFormat,
    *,
    table: AnyPath | None = None,
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
        for all (COCO, flat images only); a folder ``<stem>_RES`` for each series (CTC).
    format : {"roi", "geojson", "coco", "ctc"}
    table : path, optional
        A table of `measure`, .csv: its numbers become measurements of the outlines. For "geojson".
    overwrite : bool
        Replace existing files.

    Raises
    ------
    ValueError
        Two label images have the same name; the table is none, or the format has no measurements.
    OSError
        A file does not exist, or the folder cannot be written.
    """
    files = by_stem(find_labels(labels), ending="_masks")
    if table is not None and format != "geojson":
        raise ValueError(f"table needs the format geojson, not {format}: remove it, or change it")
    numbers = None if table is None else read_measurements(Path(table))
    make_folder(output)
    if format == "coco":
        return _export_coco(files, output / COCO_NAME, overwrite)

    def outcomes() -> Iterator[Outcome]:
        for name, path in files.items():
            target = output / f"{name}{ENDINGS[format]}"
            try:
                _check_new(target, overwrite)
                line = _export(open_labels(path), target, format, numbers)
            except _ERRORS as error:
                yield Outcome(path, len(files), True, (error_line(path, error),))
                continue
            yield Outcome(path, len(files), messages=(f"{path}: {line}",))

    return outcomes()


def _export(
    labels: Volume, target: Path, format: OutlineFormat, numbers: Measurements | None
) -> str:
    """Write one file or folder; return a line for the user."""
    if format == "ctc":
        return export_series(labels, target)
    outlines = list(_outlines(labels))
    cells = {(outline.t, outline.name) for outline in outlines}
    line = f"{amount(len(cells), 'cell')} to {target}"
    if format == "roi":
        write_rois(target, outlines)
    elif numbers is None:
        write_geojson(target, outlines)
    else:
        image = stem(_image_of(labels.path)).removesuffix("_masks")
        rows = numbers.get(image, {})
        frames = {time for time, _ in rows}
        # a file that was measured as a frame of a series has its number there, and time 0 here
        shift = min(frames) if labels.times == len(frames) == 1 else 0
        own = {(time, name): rows.get((time + shift, name), {}) for time, name in cells}
        write_geojson(target, outlines, numbers=own)
        line += f", {sum(map(bool, own.values()))} with measurements"
    return line


def _image_of(labels: Path) -> Path:
    """The image that labels lie in, or the labels themselves."""
    is_inside = labels.parent.name == "labels" and is_ome_zarr(labels.parent.parent)
    return labels.parent.parent if is_inside else labels


def import_labels(
    files: Sequence[AnyPath],
    output: Path,
    *,
    images: AnyPath | None = None,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Draw files of outlines as label images, ``<stem>.tif``; time series as ``<stem>.ome.zarr``.

    Parameters
    ----------
    files : sequence of paths
        ``.zip`` and ``.roi`` of ImageJ, ``.geojson``, ``.json`` of COCO; folders stand for those in
        them. A folder with ``res_track.txt`` or ``man_track.txt`` is a series of the Cell Tracking
        Challenge and becomes ``<name>.ome.zarr``.
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
    is_pair = len(image_files) == len(paths) == 1 and paths[0].suffix.lower() != ".json"
    single = next(iter(image_files.values())) if is_pair else None
    make_folder(output)
    written: set[Path] = set()

    def outcomes() -> Iterator[Outcome]:
        for path in paths:
            lines: list[str] = []
            try:
                if path.is_dir():
                    target = output / f"{path.name}.ome.zarr"
                    _check_new(target, overwrite)
                    lines.append(import_series(path, target, overwrite=overwrite))
                for drawing in () if path.is_dir() else _drawings(path):
                    image = single or image_files.get(drawing.name)
                    if images is not None and image is None:
                        raise ValueError(
                            f"no image of the name {drawing.name} in {images}: rename one of them"
                        )
                    target = _target(drawing, image, output, written, overwrite)
                    canvas = _canvas(drawing, image)
                    drawing = _with_times(drawing, canvas)
                    lines += _draw(drawing, canvas, target, overwrite)
                    written.add(target)
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

    def at(self, time: int) -> list[Outline]:
        """The outlines of a time point."""
        return [outline for outline in self.outlines if outline.t == time]


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
            messages, has_failed = (f"{path}: {amount(len(outlines), 'cell')} to {target}",), False
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
        if file.is_dir() and not is_series(file):
            inside = [path for path in sorted(file.iterdir()) if path.suffix.lower() in kinds]
        if not inside:
            series = [path.name for path in sorted(file.iterdir()) if is_series(path)]
            if series:
                raise ValueError(
                    f"folder {file} holds tracks: name a folder of them, e.g. {file / series[0]}"
                )
            raise ValueError(f"folder {file} holds no outlines: expected {', '.join(kinds)}")
        paths += inside
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: check its name and folder")
        if path.suffix.lower() not in kinds and not is_series(path):
            raise ValueError(f"{path} is not of a known kind: expected one of {', '.join(kinds)}")
    by_stem(paths, ending="_rois")
    return paths


def _drawings(path: Path) -> Iterator[_Drawing]:
    """What a file holds, image by image."""
    if path.suffix.lower() == ".json":
        for image in read_coco(path):
            name = stem(Path(image.file_name)).removesuffix("_masks")
            yield _Drawing(name, image.outlines, image.shape)
        return
    outlines, note = _READERS[path.suffix.lower()](path)
    yield _Drawing(stem(path).removesuffix("_rois"), outlines, note=note)


@dataclass(frozen=True)
class _Canvas:
    """How large the labels are: time points, (Z, Y, X), and the pixel size along the last axes."""

    times: int
    shape: tuple[int, int, int]
    spacing: tuple[float, ...] | None = None


def _canvas(drawing: _Drawing, image: Path | None) -> _Canvas:
    """The size of the image, or else the one that a file tells or that the outlines need."""
    if image is not None:
        volume = open_volume(image)
        depth, height, width = (1, *volume.shape)[-3:]
        if drawing.shape is not None and drawing.shape != (height, width):
            raise ValueError(
                f"{image} has {height} × {width} pixels, the outlines are of {drawing.shape[0]} × "
                f"{drawing.shape[1]}: give the image that was outlined"
            )
        return _Canvas(volume.times, (depth, height, width), volume.spacing)
    times = 1 + max((outline.t for outline in drawing.outlines), default=0)
    depth = 1 + max((outline.z for outline in drawing.outlines), default=0)
    height, width = drawing.shape or (1, 1)
    if drawing.shape is None:
        corners = [ring.max(axis=0) for outline in drawing.outlines for ring in outline.rings]
        far = np.ceil(np.max(corners, axis=0)) if corners else (1, 1)
        width, height = (max(int(length), 1) for length in far)
    check_size(times, (depth, height, width))
    return _Canvas(times, (depth, height, width))


def _with_times(drawing: _Drawing, canvas: _Canvas) -> _Drawing:
    """Take positions for time points where an image has those and no slices.

    ImageJ counts the frames of a stack as slices unless it knows better.
    """
    has_times = any(outline.t for outline in drawing.outlines)
    if canvas.times == 1 or canvas.shape[0] > 1 or has_times:
        return drawing
    moved = [replace(outline, z=0, t=outline.z) for outline in drawing.outlines]
    return replace(drawing, outlines=moved)


def _target(
    drawing: _Drawing, image: Path | None, output: Path, written: set[Path], overwrite: bool
) -> Path:
    """Where labels go, without the ending: not over the image, nor over others of this call."""
    target = output / drawing.name
    if image is not None and overwrite and real_path(image).parent == real_path(output):
        raise ValueError(f"its labels could replace {image}: choose another folder")
    if target in written:
        raise ValueError(f"two images have the name {drawing.name}: rename one")
    return target


def _draw(drawing: _Drawing, canvas: _Canvas, target: Path, overwrite: bool) -> list[str]:
    """Write one label image; return lines for the user."""
    is_series = canvas.times > 1
    target = target.with_name(f"{target.name}{'.ome.zarr' if is_series else '.tif'}")
    _check_new(target, overwrite)
    if any(outline.t >= canvas.times for outline in drawing.outlines):
        raise ValueError(
            f"a cell lies beyond the {amount(canvas.times, 'time point')}: "
            "give the image it was drawn on"
        )
    by_time = [fill(drawing.at(time), canvas.shape) for time in range(canvas.times)]
    is_stack = canvas.shape[0] > 1
    labels = np.stack([one.labels if is_stack else one.labels[0] for one in by_time])
    spacing = canvas.spacing
    if spacing and len(spacing) != 2 + is_stack:
        spacing = spacing[-2:]
    if is_series:
        axes = "TZYX" if is_stack else "TYX"
        write_image(target, labels, axes=axes, spacing=spacing, labels=True, overwrite=overwrite)
    else:
        write_labels(target, labels[0], spacing=spacing)
    cells = sum(np.unique(one.labels[one.labels > 0]).size for one in by_time)
    overlap, lost = sum(one.overlap for one in by_time), sum(one.lost for one in by_time)
    lines = [f"{amount(cells, 'cell')} to {target}"]
    if drawing.note:
        lines.append(drawing.note)
    if overlap:
        lines.append(f"pixels that belong to several cells went to the later one: {overlap}")
    if lost:
        lines.append(f"cells without a pixel of their own: {lost}")
    return lines


def _check_new(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists: say --overwrite, or choose another folder")
