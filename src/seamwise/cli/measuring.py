"""`seamwise measure`, and `segment --measure`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seamwise.cli.errors import fail, one_line
from seamwise.cli.options import Axes, Channel, parse_channels, parse_spacing
from seamwise.cli.progress import Earlier, Progress, follow_files
from seamwise.words import CellMean

if TYPE_CHECKING:
    from seamwise.measure import MeasureOptions, Pairing
    from seamwise.segmentation import SegmentOptions

TABLE = "cells.csv"
"""Table that `segment --measure` writes to the folder of the labels."""


def measure(
    images: Annotated[
        str, typer.Argument(metavar="IMAGES", help="Image, OME-Zarr folder, pattern or folder.")
    ],
    labels: Annotated[
        str,
        typer.Argument(
            metavar="LABELS", help="Label image or folder of them, with the names of the images."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Table to write, .csv or .parquet; <name>_summary is written next to it.",
        ),
    ],
    plots: Annotated[
        bool,
        typer.Option(
            "--plots",
            help="Also draw <name>_histogram.png, <name>_scatter.png and, for time series, "
            "<name>_over_time.png.",
        ),
    ] = False,
    properties: Annotated[
        bool,
        typer.Option(
            "--properties",
            help="Also write the numbers into the metadata of OME-Zarr labels: napari shows them.",
        ),
    ] = False,
    channel: Channel = None,
    names: Annotated[
        str | None,
        typer.Option(
            "--channel-names",
            help="Names of the channels for the columns, e.g. DAPI,CD25.",
            show_default="ch0,ch1,…",
        ),
    ] = None,
    axes: Axes = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            metavar="[Z,]Y,X",
            help="Pixel size in µm, e.g. 2,0.5,0.5.",
            show_default="what the image says, else the labels",
        ),
    ] = None,
    exclude_edge: Annotated[
        bool, typer.Option("--exclude-edge", help="Drop cells that touch the edge of the image.")
    ] = False,
    shape: Annotated[
        bool,
        typer.Option("--shape", help="Also measure perimeter, hull and solidity, which is slow."),
    ] = False,
    ring: Annotated[
        str,
        typer.Option(
            help="Width of the ring around a cell that tells its background, e.g. 5 or 2.5um; "
            "0 for none."
        ),
    ] = "5",
    ring_gap: Annotated[
        str, typer.Option(help="Distance between a cell and its ring, e.g. 1 or 0.5um.")
    ] = "1",
    rim: Annotated[
        str,
        typer.Option(
            help="Width of the rim of a cell, e.g. 3 or 1um; the rest is its inside. 0 for none."
        ),
    ] = "3",
    nuclei: Annotated[
        Path | None,
        typer.Option(
            help="Label image of nuclei or folder of them: each is paired with the cell around it.",
            show_default="not used",
        ),
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option(
            metavar="MASK",
            help="Mask of the region to measure, or folder of masks; not 0 is inside.",
            show_default="everything",
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="CHANNEL",
            help="Mark cells as positive in this channel, by name or number.",
            show_default="not used",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="With --positive: cells above this are positive.",
            show_default="Otsu's threshold of all cells",
        ),
    ] = None,
    positive_by: Annotated[
        CellMean,
        typer.Option(
            metavar="VALUE",
            help="With --positive: which value of the channel decides: mean, median, max, "
            "mean_corrected, nucleus_mean or cytoplasm_mean.",
        ),
    ] = "mean",
    frames: Annotated[
        bool,
        typer.Option(
            "--frames", help="The files are the time points of one series, in order of their names."
        ),
    ] = False,
    track: Annotated[
        bool,
        typer.Option(
            "--track",
            help="Link cells from frame to frame: track_id and parent_track_id in the table, masks "
            "and res_track.txt (Cell Tracking Challenge) in <name>_tracks.",
        ),
    ] = False,
    max_distance: Annotated[
        str | None,
        typer.Option(
            help="With --track: farthest that a cell moves from one frame to the next, e.g. 20 or "
            "10um; 0 for the median diameter.",
            show_default="0",
        ),
    ] = None,
    divisions: Annotated[
        bool, typer.Option("--divisions/--no-divisions", help="With --track: cells may divide.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing table, summary and tracks.")
    ] = False,
) -> None:
    """Measure every cell: size, place, form, neighbours and the intensities of all channels.

    Images and labels pair up by name; x_masks.tif belongs to x.tif. The table has a row for each
    cell and units in the names of its columns. The summary counts cells for each image and time.

    Files that cannot be read or do not fit are reported and skipped; the exit code is then 1.
    """
    from seamwise.measure import MeasureOptions, pair_images, parse_width

    if not track and (max_distance is not None or not divisions):
        raise ValueError("--max-distance and --no-divisions need --track: add it, or remove them")
    channel_names = tuple(name.strip() for name in names.split(",")) if names else ()
    options = MeasureOptions(
        channel=parse_channels(channel),
        axes=axes,
        spacing=parse_spacing(spacing),
        names=channel_names,
        exclude_edge=exclude_edge,
        shape=shape,
        ring=parse_width("--ring", ring),
        ring_gap=parse_width("--ring-gap", ring_gap),
        rim=parse_width("--rim", rim),
        positive=_name_of(positive, channel_names, parse_channels(channel)),
        threshold=threshold,
        positive_by=positive_by,
        frames=frames,
        track=track,
        max_distance=parse_width("--max-distance", "0" if max_distance is None else max_distance),
        divisions=divisions,
    )
    pairs = pair_images(images, labels, nuclei=nuclei, region=region)
    _write_table(pairs, output, options, plots=plots, properties=properties, overwrite=overwrite)


def _name_of(
    positive: str | None, names: tuple[str, ...], channels: int | tuple[int, ...] | None
) -> str | None:
    """Return the name of a channel that may be given by its number in the file."""
    if positive is None or not positive.isdigit() or positive in names:
        return positive
    if not names:
        return f"ch{int(positive)}"
    numbers = range(len(names)) if channels is None else channels
    numbers = (numbers,) if isinstance(numbers, int) else numbers
    return dict(zip(numbers, names, strict=False)).get(int(positive), positive)


def then_measure(
    wanted: bool,
    images: list[str],
    labels: Path,
    options: "SegmentOptions",
    name: str,
    *,
    track: bool = False,
    earlier: Earlier | None = None,
) -> AbstractContextManager[None]:
    """Once the block has ended, also if some files failed, write ``cells.csv`` next to the labels.

    `labels` is the folder of the labels, or the OME-Zarr image that they are in, under this name.
    What `earlier` steps reported is not reported again.
    """
    if track:
        from seamwise.measure import check_laptrack

        check_laptrack()  # before the work
        _check_series(images, options.axes)
    work = partial(_measure_labels, images, labels, options, name, track=track, earlier=earlier)
    return afterwards(wanted or track, work)


def _check_series(images: list[str], axes: str | None) -> None:
    """Raise ValueError if the only image has one time point."""
    from seamwise.io import find_images, open_volume

    paths = find_images(images)
    try:
        times = max(len(paths), open_volume(paths[0], axes=axes).times)
    except (ValueError, OSError):  # it is reported when its turn comes
        return
    if times == 1:
        raise ValueError(
            f"--track needs a time series, or several files as its frames, and {paths[0]} is one "
            "image: remove --track, or give all frames"
        )


@contextmanager
def afterwards(wanted: bool, work: Callable[[], None]) -> Iterator[None]:
    """Do more work once a command has ended, also if some files failed; the worse code counts."""
    try:
        yield
    except typer.Exit as end:
        if not wanted:
            raise
        try:
            work()
        except typer.Exit as later:
            raise typer.Exit(max(end.exit_code, later.exit_code)) from None
        except BrokenPipeError:
            raise
        except (ValueError, TypeError, OSError) as error:
            fail(one_line(error))  # so that other work is done, which waits for the end, too


def place_of_labels(labels: Path, name: str) -> Path:
    """Where the labels are: a folder, or a name inside an OME-Zarr image."""
    return labels / "labels" / name if labels.suffix == ".zarr" else labels


def _measure_labels(
    images: list[str],
    labels: Path,
    options: "SegmentOptions",
    name: str,
    *,
    track: bool,
    earlier: Earlier | None,
) -> None:
    from seamwise.measure import MeasureOptions, pair_images, time_points

    is_inside = labels.suffix == ".zarr"
    table = labels.with_name(f"{labels.stem}_{TABLE}") if is_inside else labels / TABLE
    pairs = pair_images(images, place_of_labels(labels, name))
    files = len(pairs.jobs) + len(pairs.lonely)
    is_of_frames = track and files > 1 and time_points(pairs, axes=options.axes) == 1
    how = MeasureOptions(
        axes=options.axes, spacing=options.spacing, track=track, frames=is_of_frames
    )
    _write_table(pairs, table, how, overwrite=True, earlier=earlier)


def _write_table(
    pairs: "Pairing",
    table: Path,
    options: "MeasureOptions",
    *,
    plots: bool = False,
    properties: bool = False,
    overwrite: bool = False,
    earlier: Earlier | None = None,
) -> None:
    from seamwise.measure import measure_files, summary_path

    pictures = f", pictures as {table.stem}_….png" if plots else ""
    outcomes = measure_files(
        pairs, table, options, plots=plots, properties=properties, overwrite=overwrite
    )
    with Progress() as progress:
        follow_files(
            progress,
            outcomes,
            "measure",
            done=f"wrote {table} and {summary_path(table).name}{pictures}",
            nothing="no table was written",
            earlier=earlier,
        )
