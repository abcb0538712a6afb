"""Tables and files of the cells: `rows_to_show`, `csv_file`, `tiff_file`, `zip_file`."""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seamwise.io import write_columns, write_labels
from seamwise.measure import Table
from seamwise_web.scratch import scratch_folder

# column of the measurements: words for the page, and longer ones
_COLUMNS = {
    "id": ("Cell", "Number of the cell in the label image"),
    "area_um2": ("Area µm²", "Area in square micrometres"),
    "area_px": ("Area px²", "Area in pixels"),
    "volume_um3": ("Volume µm³", "Volume in cubic micrometres"),
    "volume_px": ("Volume px³", "Volume in voxels"),
    "equivalent_diameter_um": ("Size µm", "Diameter of an equal disc or ball, in micrometres"),
    "equivalent_diameter_px": ("Size px", "Diameter of an equal disc or ball, in pixels"),
    "eccentricity": ("Long", "Eccentricity: 0 for a disc, towards 1 for a line"),
    "neighbours": ("Next", "Cells that touch it"),
    "touches_edge": ("Edge", "Whether it touches the edge of the image"),
}


def rows_to_show(table: Table, channel: int) -> dict[str, Any]:
    """Return the columns that the page shows, and where each cell is: x, y and, in a stack, z.

    Lengths are in micrometres if the pixel size is known, else in pixels. The mean is that of the
    channel in which the cells were found. All other columns are in `csv_file`.
    """
    unit, other = ("um", "px") if _has_spacing(table) else ("px", "um")
    names = [name for name in _COLUMNS if name in table and f"_{other}" not in name]
    mean = f"ch{channel}_mean"
    words = {name: _COLUMNS[name] for name in names[:3]}
    words |= {mean: ("Mean", "Mean intensity")}
    words |= {name: _COLUMNS[name] for name in names[3:]}
    columns = [
        {"words": short, "title": long, "values": _plain(table[name])}
        for name, (short, long) in words.items()
    ]
    axes = [axis for axis in "zyx" if f"centroid_{axis}_px" in table]
    places = {axis: _plain(table[f"centroid_{axis}_px"]) for axis in axes}
    return {"columns": columns, "unit": unit, **places}


def csv_file(table: Table) -> bytes:
    """Return all columns of a table, as `seamwise measure` writes them."""
    return content_of("cells.csv", lambda path: write_columns(path, table.columns))


def tiff_file(labels: NDArray[Any], spacing: Sequence[float] | None) -> bytes:
    """Return a label image, as `seamwise segment` writes it."""
    return content_of("labels.tif", lambda path: write_labels(path, labels, spacing=spacing))


def zip_file(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return files, by their names, in a ZIP."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def content_of(name: str, write: Callable[[Path], None]) -> bytes:
    """Return what a function writes to a file, which is removed at once."""
    with scratch_folder() as scratch:
        path = Path(scratch) / name
        write(path)
        return path.read_bytes()


def _has_spacing(table: Table) -> bool:
    sizes = table["area_um2" if "area_um2" in table else "volume_um3"]
    return len(sizes) > 0 and bool((sizes == sizes).all())


def _plain(column: NDArray[Any]) -> list[Any]:
    """The values of a column for JSON, which has no NaN."""
    return [None if value != value else value for value in column.tolist()]
