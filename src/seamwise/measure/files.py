"""Measure the cells of many files; see `pair_images` and `measure_files`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seamwise.io.atomic import check_writable
from seamwise.io.csvfile import write_columns
from seamwise.io.errors import error_line
from seamwise.io.journal import draft, unfinished
from seamwise.io.links import real_path
from seamwise.io.listing import by_stem, find_images, find_labels, image_name, natural_order, stem
from seamwise.io.ome_zarr import is_ome_zarr
from seamwise.io.outcome import Outcome, amount
from seamwise.io.parquetfile import check_parquet, write_parquet
from seamwise.io.volume import Volume, open_labels_of, open_volume
from seamwise.measure.cells import measure_field
from seamwise.measure.field import Reader, chunks_to_read, open_field, plan, reader
from seamwise.measure.options import MeasureOptions
from seamwise.measure.plots import draw_plots
from seamwise.measure.positive import mark_positive, no_channel
from seamwise.measure.properties import write_numbers
from seamwise.measure.series import FileTable, track_files, tracks_folder, without_edge
from seamwise.measure.summary import FieldSize, summarise
from seamwise.measure.table import Table, joined
from seamwise.measure.tracks import check_laptrack
from seamwise.types import AnyPath

_TABLES = {".csv": write_columns, ".parquet": write_parquet}
_ERRORS = (ValueError, TypeError, OSError, MemoryError)
_REMEDIES = {
    "labels": "segment it first, or call its labels",
    "nuclei": "call their label image",
    "region": "call its mask",
}


@dataclass(frozen=True)
class MeasureJob:
    """One image and its label images on disk.

    Attributes
    ----------
    image, labels : Path
    nuclei, region : Path or None
    """

    image: Path
    labels: Path
    nuclei: Path | None = None
    region: Path | None = None


@dataclass(frozen=True)
class Pairing:
    """Images with their labels, and what has no partner.

    Attributes
    ----------
    jobs : tuple of MeasureJob
    lonely : Mapping of Path to str
        Images that cannot be measured, and why, in one line.
    note : str
        A line about labels without an image; empty if there are none.
    """

    jobs: tuple[MeasureJob, ...]
    lonely: Mapping[Path, str]
    note: str = ""


def pair_images(
    images: AnyPath | Sequence[AnyPath],
    labels: AnyPath | Sequence[AnyPath],
    *,
    nuclei: AnyPath | None = None,
    region: AnyPath | None = None,
) -> Pairing:
    """Pair images with label images by their stems; ``x_masks.tif`` counts as x.

    Two single files are a pair whatever their names, and single files of nuclei and region belong
    to them; what is in a folder must have the same name. OME-Zarr images may be given as their own
    labels: the only label image within each is taken.

    Parameters
    ----------
    images, labels : path, or sequence of paths
        Files, folders or glob patterns.
    nuclei : path, optional
        Label images of nuclei: a folder of them, or one file for a single image.
    region : path, optional
        Masks: a folder of them, or one file for all images.

    Raises
    ------
    ValueError
        Two files have the same stem, or no image has labels.
    FileNotFoundError
        A file does not exist, or a folder holds no image.
    """
    image_files, label_files = find_images(images), find_labels(labels)
    parts = {
        "nuclei": None if nuclei is None else find_labels(nuclei),
        "region": None if region is None else find_labels(region),
    }
    if len(image_files) == len(label_files) == 1 and not (
        _has_folder(images) or _has_folder(labels)
    ):
        path = image_files[0]
        sources = {"nuclei": nuclei, "region": region}
        partners = {
            kind: by_stem(files, ending="_masks").get(stem(path).removesuffix("_masks"))
            if _has_folder(sources[kind])
            else files[0]
            for kind, files in parts.items()
            if files
        }
        for kind, partner in partners.items():
            if partner is None:
                raise ValueError(f"{path} has no {kind} of the same name: give one file")
        return Pairing((MeasureJob(path, label_files[0], **partners),), {})
    by_name = by_stem(image_files, ending="_masks")
    labels_of = by_stem(label_files, ending="_masks")
    jobs, lonely = [], {}
    for name, path in by_name.items():
        partners = {"labels": labels_of.get(name)}
        for kind, files in parts.items():
            if files is not None:
                is_for_all = kind == "region" and len(files) == 1
                partners[kind] = (
                    files[0] if is_for_all else by_stem(files, ending="_masks").get(name)
                )
        missing = [kind for kind, partner in partners.items() if partner is None]
        if missing:
            remedy = f"{_REMEDIES[missing[0]]} {name}.tif"
            lonely[path] = f"{path} has no {missing[0]} of the same name: {remedy}"
        else:
            jobs.append(MeasureJob(path, **partners))  # type: ignore[arg-type]
    if not jobs:
        raise ValueError(
            f"none of the {len(by_name)} images has labels of the same name (e.g. {image_files[0]} "
            f"and {label_files[0]}): give both the same names"
        )
    unused = [path for name, path in labels_of.items() if name not in by_name]
    note = ""
    if unused:
        note = f"{amount(len(unused), 'label image')} without an image (e.g. {unused[0]})"
    return Pairing(tuple(jobs), lonely, note)


def measure_file(job: MeasureJob, options: MeasureOptions = MeasureOptions()) -> FileTable:
    """Measure the cells of one image, at every time point, part by part.

    With `options.track`, cells at the edge stay in the table: `measure_files` drops them later.

    Parameters
    ----------
    job : MeasureJob
    options : MeasureOptions

    Raises
    ------
    OSError, ValueError
        A file cannot be read, or image and labels differ in size or in time points; an option does
        not fit the image.
    """
    image = open_volume(job.image, axes=options.axes, channel=options.channel)
    labels = open_labels_of(job.labels, image)
    nuclei = None if job.nuclei is None else open_labels_of(job.nuclei, image)
    region = None if job.region is None else open_labels_of(job.region, image, one_bit=True)
    names = options.channel_names(image.channel_numbers)
    if options.positive is not None and options.positive not in names:
        raise no_channel(options.positive, list(names), options.positive_by)
    spacing = _spacing(options, image, labels)
    if options.track:
        options.max_distance.in_steps_of(spacing, name="max_distance")  # not after all the work
    blocks = plan(image.shape, chunks_to_read(image.chunks))
    parts, fields, lost, empty = [], [], 0, 0
    for time in range(image.times):
        read = reader(image, time)
        inner = None
        if nuclei is not None:
            inner = open_field(read, _labels_reader(nuclei, time), 0, blocks)
        measured = measure_field(
            open_field(read, _labels_reader(labels, time), image.channels, blocks),
            replace(options, exclude_edge=False) if options.track else options,
            names,
            spacing,
            nuclei=inner,
            region=None if region is None else reader(region, min(time, region.times - 1)),
        )
        lost += measured.nuclei_without_cell
        empty += not measured.pixels
        parts.append(_with_origin(measured.cells, image_name(job.image), time))
        size = np.nan if spacing is None else measured.pixels * float(np.prod(spacing))
        fields.append(FieldSize(image_name(job.image), time, size, len(image.shape) == 2))
    notes = [image.note] if image.note else []
    if lost:
        notes.append(f"{job.image}: nuclei that lie in no cell: {lost}")
    if empty:
        where = "" if image.times == 1 else f" at {empty} of {image.times} time points"
        notes.append(f"{job.region} is 0 everywhere{where}: no cell is measured there")
    return FileTable(job.image, joined(parts), tuple(fields), tuple(notes), labels, spacing)


def measure_files(
    pairing: Pairing,
    table: Path,
    options: MeasureOptions = MeasureOptions(),
    *,
    plots: bool = False,
    properties: bool = False,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Measure many images; write the table of all cells and a summary next to it.

    What would stop the whole job is checked at the call. The work is done as the outcomes are
    drawn; the files are written before the last of them. Images that cannot be measured are
    reported and skipped. With `options.track` the masks and tracks of each series go to
    ``<stem>_tracks/<name>_RES``, in the format of the Cell Tracking Challenge. If that fails, the
    table is written without tracks, and the last outcome counts as failed. `options.exclude_edge`
    then drops cells from the table, and not from the tracks.

    Parameters
    ----------
    pairing : Pairing
    table : Path
        A name ending in .csv or .parquet. The summary is ``<stem>_summary`` with the same ending.
    options : MeasureOptions
    plots : bool
        Also draw ``<stem>_histogram.png``, ``<stem>_scatter.png`` and, with several time points,
        ``<stem>_over_time.png``.
    properties : bool
        Also write the numbers into the metadata of OME-Zarr labels, see `write_numbers`. Where
        that fails, the table is whole, and the last outcome counts as failed.
    overwrite : bool
        Replace a table, a summary and tracks that exist.

    Raises
    ------
    FileExistsError
        The table, its summary or its tracks exist, and `overwrite` is False.
    ValueError
        The ending is another, pyarrow is needed and not installed, `options.positive_by` needs
        nuclei, or `options.track` several time points or laptrack.
    OSError
        The table cannot be written.
    """
    table = Path(table)
    _check_job(pairing, table, options, overwrite)
    total = len(pairing.jobs) + len(pairing.lonely)

    every = sorted((*pairing.lonely, *(job.image for job in pairing.jobs)), key=natural_order)
    frame_of = {path: number for number, path in enumerate(every)} if options.frames else {}
    jobs = sorted(pairing.jobs, key=lambda job: frame_of.get(job.image, 0))

    def outcomes() -> Iterator[Outcome]:
        files: list[FileTable] = []
        for path, line in pairing.lonely.items():
            yield Outcome(path, total, failed=True, messages=(line,))
        note = pairing.note
        for number, job in enumerate(jobs):
            outcome, file = _try(job, options, total, frame_of.get(job.image))
            files += [] if file is None else [file]
            messages = (*((note,) if note else ()), *outcome.messages)
            note = ""
            has_failed = outcome.failed
            if number == len(jobs) - 1 and files:
                lines, is_whole = _write(table, files, options, plots, properties)
                messages, has_failed = (*messages, *lines), has_failed or not is_whole
            yield Outcome(outcome.path, total, has_failed, messages)

    return outcomes()


def summary_path(table: Path) -> Path:
    """Return where the summary of a table goes.

    Examples
    --------
    >>> summary_path(Path("out/cells.csv")).name
    'cells_summary.csv'
    """
    return table.with_name(f"{table.stem}_summary{table.suffix}")


def _check_job(pairing: Pairing, table: Path, options: MeasureOptions, overwrite: bool) -> None:
    """Raise what would stop the whole job."""
    if table.suffix.lower() not in _TABLES:
        raise ValueError(f"cannot write {table}: expected a name ending in .csv or .parquet")
    if table.suffix.lower() == ".parquet":
        check_parquet(table)
    needs_nuclei = options.positive_by in ("nucleus_mean", "cytoplasm_mean")
    if options.positive and needs_nuclei and not all(job.nuclei for job in pairing.jobs):
        raise no_channel(options.positive, [options.positive], options.positive_by)
    if options.track:
        check_laptrack()
        if not options.frames and time_points(pairing, axes=options.axes) == 1:
            raise ValueError(
                "tracking needs time series, and no image has several time points: "
                "say --frames if the files are the frames of one"
            )
        if not options.frames:
            by_stem(job.image for job in pairing.jobs)  # each series has a folder of its own
    tracks = (tracks_folder(table),) if options.track else ()
    leftovers = unfinished(table)
    for path in () if overwrite else (table, summary_path(table), *tracks):
        if path.exists() and path not in leftovers:
            raise FileExistsError(f"{path} already exists: --overwrite replaces it")
    check_writable(table)
    inputs = {real_path(path) for job in pairing.jobs for path in (job.image, job.labels)}
    if real_path(table) in inputs:
        raise ValueError(f"{table} would replace an input: give another file")


def time_points(pairing: Pairing, *, axes: str | None = None) -> int:
    """Return the most time points that one of the images has; 1 if none can be read."""
    most = 1
    for job in pairing.jobs:
        with suppress(ValueError, OSError):  # it is reported when its turn comes
            most = max(most, open_volume(job.image, axes=axes).times)
    return most


def _has_folder(files: AnyPath | Sequence[AnyPath] | None) -> bool:
    """Whether a plain folder is among what the user gave, so that names decide."""
    sources = [files] if isinstance(files, str | os.PathLike) else files or ()
    return any(Path(path).is_dir() and not is_ome_zarr(Path(path)) for path in sources)


def _try(
    job: MeasureJob, options: MeasureOptions, total: int, frame: int | None
) -> tuple[Outcome, FileTable | None]:
    try:
        file = measure_file(job, options)
        if frame is not None:
            file = _as_frame(file, frame)
    except _ERRORS as error:
        line = error_line(job.image, error)
        return Outcome(job.image, total, failed=True, messages=(line,)), None
    counts = np.bincount(file.cells["time"], minlength=1) if frame is None else [len(file.cells)]
    line = f"{job.image}: {amount(counts, 'cell')}"
    return Outcome(job.image, total, messages=(*file.notes, line)), file


def _as_frame(file: FileTable, frame: int) -> FileTable:
    """The file as a time point of a series of files."""
    if len(file.fields) != 1:
        raise ValueError(f"it holds {len(file.fields)} time points: remove --frames")
    field = file.fields[0]
    cells = file.cells.with_column("time", np.full(len(file.cells), frame))
    moved = FieldSize(field.file, frame, field.size_um, field.is_flat)
    return replace(file, cells=cells, fields=(moved,))


def _write(
    table: Path,
    files: Sequence[FileTable],
    options: MeasureOptions,
    plots: bool,
    properties: bool,
) -> tuple[tuple[str, ...], bool]:
    """Write everything; return lines for the user, and False if only tracks or properties fail."""
    messages = _without_size(files)
    is_whole = True
    if options.track:
        try:
            files, lines = track_files(files, options, tracks_folder(table))
        except _ERRORS as error:
            lines, is_whole = [error_line(table, error) + "; the table is without tracks"], False
        messages += lines
    if options.track and options.exclude_edge:  # only now: the edge must not cut a track in two
        files, line = without_edge(files)
        messages.append(line)
    cells = joined([file.cells for file in files])
    fields = [field for file in files for field in file.fields]
    column, threshold = None, None
    if options.positive is not None:
        cells, threshold = mark_positive(
            cells, options.positive, threshold=options.threshold, by=options.positive_by
        )
        column = f"{options.positive}_positive"
        kind = "threshold" if options.threshold is not None else "Otsu's threshold"
        count = int(np.count_nonzero(cells[column]))
        messages.append(
            f"{count} of {len(cells)} cells are positive: "
            f"{options.positive}_{options.positive_by} > {threshold:.6g} ({kind})"
        )
    summary = summarise(cells, fields, positive=column)
    if threshold is not None:
        summary = summary.with_column("threshold", np.full(len(summary), threshold))
    write = _TABLES[table.suffix.lower()]
    with draft(table) as folder:  # together, so that a killed run can be repeated
        hidden = folder / table.name
        write(hidden, cells.columns)
        write(summary_path(hidden), summary.columns)
        if plots:
            draw_plots(hidden, cells, summary, options, threshold)
    faults = write_numbers(files, cells) if properties else []
    return (*messages, *faults), is_whole and not faults


def _without_size(files: Sequence[FileTable]) -> list[str]:
    """A line about images whose columns in micrometres stay empty."""
    unknown = [file for file in files if file.spacing is None]
    if not unknown:
        return []
    images = "this image" if len(files) == 1 else f"{len(unknown)} of {len(files)} images"
    spacing = "0.5,0.5" if all(field.is_flat for field in unknown[0].fields) else "2,0.5,0.5"
    return [
        f"the pixel size of {images} is not known, and columns in µm are empty: "
        f"give it, e.g. --spacing {spacing}"
    ]


def _labels_reader(labels: Volume, time: int) -> Reader:
    read = reader(labels, time)
    return lambda box: read(box)[0]


def _spacing(options: MeasureOptions, image: Volume, labels: Volume) -> tuple[float, ...] | None:
    spacing = options.spacing or image.spacing or labels.spacing
    if spacing is not None and len(spacing) != len(image.shape):
        raise ValueError(
            f"spacing must have {len(image.shape)} numbers, one for each axis of {image.axes}, "
            f"not {len(spacing)}"
        )
    return spacing


def _with_origin(cells: Table, file: str, time: int) -> Table:
    columns = dict(cells.columns)
    ids = columns.pop("id")
    origin = np.full(len(cells), file, object)
    return Table({"id": ids, "file": origin, "time": np.full(len(cells), time), **columns})
