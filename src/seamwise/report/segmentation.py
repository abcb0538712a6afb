"""A page about what was segmented; see `segmentation_report`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import check_writable
from seamwise.io.errors import error_line
from seamwise.io.htmlpage import (
    facts,
    figure,
    gallery,
    heading,
    histogram,
    joined,
    link,
    paragraph,
    table,
    write_page,
)
from seamwise.io.jsonfile import read_json
from seamwise.io.listing import image_name
from seamwise.io.outcome import Outcome, amount, plural
from seamwise.io.provenance import RECORD
from seamwise.io.volume import Volume, open_labels_of, open_volume
from seamwise.measure import MeasureJob, MeasureOptions, Pairing, Table, Width, measure_file
from seamwise.metrics import CellDoubts, Seams
from seamwise.report.flags import (
    Flag,
    flag_cells,
    is_doubtful,
    size_name,
    still_touching,
)
from seamwise.report.pictures import VIEW_STYLE, Plane, close_up, plane_picture, read_plane
from seamwise.segmentation.doubt_files import doubts_path, read_doubts
from seamwise.segmentation.seam_files import read_seams, seams_path

MOST_PICTURES = 60
"""Images that are shown; the table has all."""

MOST_CLOSE_UPS = 24
"""Close-ups of an image."""

_ERRORS = (ValueError, TypeError, OSError, MemoryError)


@dataclass(frozen=True, eq=False)
class _Part:
    """One image of the report."""

    job: MeasureJob
    cells: Table
    seams: Seams | None
    doubts: CellDoubts | None


def segmentation_report(
    pairs: Pairing,
    page: Path,
    *,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Iterator[Outcome]:
    """Write a page about label images: pictures with numbered outlines, sizes, cells to look at.

    The page needs no other file and no network. An outline has the colour of its number on every
    page. Cells are flagged if their size is odd, a seam of theirs is doubtful, the network is
    unsure of them or they may be two, see `flags.flag_cells`; doubts are known of images for which
    `segment_files` wrote ``seams/`` and ``doubts/``. Those of cells that no longer touch or have
    another size, since the labels were edited, are dropped. For a stack the middle
    slice is shown, for a time series the first, the middle and the last time point. Large images
    are thinned out.

    The work is done as the outcomes are drawn; the page is written before the last of them. Images
    that cannot be read are reported and skipped.

    Parameters
    ----------
    pairs : Pairing
        Images and labels, see `measure.pair_images`.
    page : Path
        The file to write, such as ``report.html``.
    channel : int or sequence of int, optional
        Channels that were segmented; the first of them is shown.
    axes : str, optional
        Axes of the images, as in `io.read_image`.
    spacing : sequence of float, optional
        Pixel size in micrometres; by default what the files say.

    Raises
    ------
    OSError
        The page cannot be written.
    """
    check_writable(page)
    numbers = channel if channel is None or isinstance(channel, int) else tuple(channel)
    options = MeasureOptions(
        channel=numbers,
        axes=axes,
        spacing=None if spacing is None else tuple(spacing),
        ring=Width(0),
        rim=Width(0),
    )
    total = len(pairs.jobs) + len(pairs.lonely)

    def outcomes() -> Iterator[Outcome]:
        parts: list[_Part] = []
        failures = list(pairs.lonely.values())
        for path, line in pairs.lonely.items():
            yield Outcome(path, total, failed=True, messages=(line,))
        for number, job in enumerate(pairs.jobs, 1):
            messages: tuple[str, ...] = ()
            try:
                parts.append(_read(job, options))
            except _ERRORS as error:
                messages = (error_line(job.image, error),)
                failures += messages
            if number == len(pairs.jobs):
                record = page.parent / RECORD
                how = read_json(record) if record.exists() else {}
                write_page(page, "Segmentation report", _page(parts, options, how, failures))
            yield Outcome(job.image, total, bool(messages), messages)

    return outcomes()


def _read(job: MeasureJob, options: MeasureOptions) -> _Part:
    seams = read_seams(seams_path(job.labels, job.image))
    doubts = read_doubts(doubts_path(job.labels, job.image))
    cells = measure_file(job, options).cells
    touching = None if seams is None else still_touching(seams, cells)
    return _Part(job, cells, touching, doubts)


def _page(
    parts: Sequence[_Part],
    options: MeasureOptions,
    record: Mapping[str, Any],
    failures: Sequence[str],
) -> Iterator[str]:
    flags = [flag_cells(part.cells, part.seams, part.doubts) for part in parts]
    yield VIEW_STYLE
    yield facts(_totals(parts, flags))
    yield paragraph(_made_by(record), is_note=True)
    yield from (paragraph(f"Not shown: {line}") for line in failures)
    yield figure(histogram(_all_sizes(parts), label=_size_label(parts)), "Sizes of all cells.")
    yield heading("Images")
    yield table(
        [
            "image",
            "cells",
            "at the edge",
            "median size in pixels",
            "odd sizes",
            "doubtful seams",
            "unsure cells",
            "may be two",
        ],
        [_line(i, part, own) for i, (part, own) in enumerate(zip(parts, flags, strict=True))],
    )
    yield paragraph(_EXPLANATION, is_note=True)
    shown = sorted(range(len(parts)), key=lambda i: -len(flags[i]))[:MOST_PICTURES]
    if len(shown) < len(parts):
        yield paragraph(f"The {len(shown)} images with the most cells to look at are shown.")
    for i in sorted(shown):
        name = image_name(parts[i].job.image)
        yield heading(name, anchor=f"image{i}")
        try:
            yield joined(_pictures(name, parts[i], flags[i], options))
        except _ERRORS as error:  # the other images are shown
            yield paragraph(f"Not shown: {error_line(parts[i].job.image, error)}")


_EXPLANATION = (
    "Odd sizes: less than half or more than twice the median of the image, and more than three "
    "robust deviations from it; cells at the edge do not count. Doubtful seams: along the border "
    "of two touching cells the network gives the class cell at least 5 %, or the mean entropy is "
    "at least 0.5. Such a seam may cut through one cell. Unsure cells: the mean entropy over the "
    "pixels is at least 0.25, or mirror images (--flips) disagree by 0.02 or more. May be two: the "
    "probability of a cell falls by 0.2 or more between two hills in the cell. Unsure cells and "
    "those that may be two are known of images that fit the memory. Numbers of cells to look at "
    "are red."
)


def _totals(parts: Sequence[_Part], flags: Sequence[Sequence[Flag]]) -> dict[str, object]:
    cells, odd = sum(len(part.cells) for part in parts), _total(flags, "size")
    totals: dict[str, object] = {
        plural(len(parts), "image"): len(parts),
        plural(cells, "cell"): cells,
        "at the edge": sum(int(part.cells["touches_edge"].sum()) for part in parts),
        plural(odd, "odd size"): odd,
    }
    seams = [part.seams for part in parts if part.seams is not None]
    if seams:
        count = sum(len(one.cell) for one in seams)
        doubtful = sum(int(is_doubtful(one).sum()) for one in seams)
        totals |= {plural(count, "seam"): count, plural(doubtful, "doubtful seam"): doubtful}
    if any(part.doubts is not None for part in parts):
        unsure = _total(flags, "unsure")
        totals |= {plural(unsure, "unsure cell"): unsure, "may be two": _total(flags, "two")}
    return totals


def _total(flags: Sequence[Sequence[Flag]], kind: str) -> int:
    return sum(_count(own, kind) for own in flags)


def _count(flags: Sequence[Flag], kind: str) -> int:
    return sum(flag.kind == kind for flag in flags)


def _line(i: int, part: _Part, flags: Sequence[Flag]) -> list[object]:
    sizes = part.cells[size_name(part.cells)]
    return [
        link(image_name(part.job.image), f"image{i}"),
        len(part.cells),
        int(part.cells["touches_edge"].sum()),
        float(np.median(sizes)) if len(sizes) else None,
        _count(flags, "size"),
        None if part.seams is None else int(is_doubtful(part.seams).sum()),
        *(None if part.doubts is None else _count(flags, kind) for kind in ("unsure", "two")),
    ]


def _pictures(
    name: str, part: _Part, flags: Sequence[Flag], options: MeasureOptions
) -> Iterator[str]:
    image = open_volume(part.job.image, axes=options.axes, channel=options.channel)
    labels = open_labels_of(part.job.labels, image)
    planes = {time: read_plane(image, labels, time=time) for time in shown_times(image.times)}
    for time, plane in planes.items():
        marked = frozenset(
            int(part.cells["id"][flag.row])
            for flag in flags
            if part.cells["time"][flag.row] == time
        )
        view = plane_picture(plane, _title(name, time, image.times), marked=marked)
        yield figure(view, _caption(part.cells, plane, time, image))
    if flags:
        yield heading("Cells to look at", level=3)
        yield gallery(
            figure(
                close_up(image, labels, part.cells.columns, flag.row, _limits(planes, part, flag)),
                f"{_name(part.cells, flag.row, image.times)}: {flag.reason}",
            )
            for flag in flags[:MOST_CLOSE_UPS]
        )
    if len(flags) > MOST_CLOSE_UPS:
        yield paragraph(f"… and {len(flags) - MOST_CLOSE_UPS} more.", is_note=True)


def shown_times(times: int) -> list[int]:
    """Return the first, the middle and the last of so many time points.

    Examples
    --------
    >>> shown_times(1), shown_times(2), shown_times(9)
    ([0], [0, 1], [0, 4, 8])
    """
    return sorted({0, times // 2, times - 1})


def _limits(planes: Mapping[int, Plane], part: _Part, flag: Flag) -> tuple[float, float]:
    """Black and white of the plane that is nearest in time to a cell."""
    time = int(part.cells["time"][flag.row])
    return planes[min(planes, key=lambda shown: abs(shown - time))].limits


def _title(name: str, time: int, times: int) -> str:
    return f"{name}, time {time}" if times > 1 else name


def _caption(cells: Table, plane: Plane, time: int, image: Volume) -> str:
    """How many cells there are, and which part of the image is shown."""
    where = [amount(int(np.count_nonzero(cells["time"] == time)), "cell")]
    where += [] if plane.z is None else [f"slice {plane.z + 1} of {image.shape[0]}"]
    where += [] if image.times == 1 else [f"time {time} of 0 to {image.times - 1}"]
    where += [] if plane.step == 1 else [f"one pixel in {plane.step} is shown along each axis"]
    return ", ".join(where)


def _name(cells: Table, row: int, times: int) -> str:
    """The number of a cell; in a series with its time."""
    number = str(cells["id"][row])
    return f"{number} at time {cells['time'][row]}" if times > 1 else number


def _made_by(record: Mapping[str, Any]) -> str:
    names = ("model", "runtime", "seamwise")
    return ", ".join(f"{name} {record[name]}" for name in names if record.get(name))


def _size_column(parts: Sequence[_Part]) -> str:
    """The size in micrometres if it is known of every cell, else in pixels."""
    names = {name for part in parts for name in part.cells.columns}
    for name in ("area_um2", "volume_um3"):
        columns = [part.cells.columns.get(name, np.array([np.nan])) for part in parts]
        if name in names and all(np.isfinite(column).all() for column in columns):
            return name
    return "volume_px" if "volume_px" in names else "area_px"


def _all_sizes(parts: Sequence[_Part]) -> NDArray[Any]:
    name = _size_column(parts)
    columns = [part.cells.columns.get(name, np.zeros(0)) for part in parts]
    return np.concatenate([np.zeros(0), *columns])


def _size_label(parts: Sequence[_Part]) -> str:
    kind, _, unit = _size_column(parts).partition("_")
    units = {"px": "pixels", "um2": "µm²", "um3": "µm³"}
    return f"{kind} in {units[unit]}"
