"""Numbers of each cell in the metadata of OME-Zarr labels; see `write_numbers`."""

from collections.abc import Sequence

import numpy as np

from seamwise.io.errors import error_line
from seamwise.io.ome_zarr import is_ome_zarr, write_properties
from seamwise.measure.series import FileTable
from seamwise.measure.table import Table


def write_numbers(files: Sequence[FileTable], cells: Table) -> list[str]:
    """Write what was measured into the labels; return a line for each file that takes no numbers.

    Such are label images of another format, and series: the metadata have one number for a label,
    whatever the time.

    Parameters
    ----------
    files : sequence of FileTable
    cells : Table
        The cells of all files, one file after the other.
    """
    faults = []
    ends = np.cumsum([len(file.cells) for file in files])
    parts = np.split(np.arange(len(cells)), ends[:-1])
    for file, part in zip(files, parts, strict=True):
        path, own = file.labels.path, cells.select(part)
        try:
            if not is_ome_zarr(path):
                raise ValueError("its labels must be OME-Zarr to hold numbers: use the table")
            if file.labels.times > 1:
                raise ValueError("the labels of a series hold no numbers: use the table")
            columns = {
                name: column
                for name, column in own.columns.items()
                if name not in ("id", "time") and column.dtype.kind in "biuf"
            }
            write_properties(path, own["id"], columns)
        except (ValueError, OSError) as error:
            faults.append(error_line(file.image, error))
    return faults
