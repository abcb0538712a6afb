"""From label images to numbers: one row for each cell, summaries, plots.

`measure` is for arrays. `pair_images` and `measure_files` are for files, also larger than memory.
`MeasureOptions` says what is measured.
"""

from seamwise.measure.cells import measure
from seamwise.measure.files import (
    MeasureJob,
    Pairing,
    measure_file,
    measure_files,
    pair_images,
    summary_path,
    time_points,
)
from seamwise.measure.options import MeasureOptions, Width, parse_width
from seamwise.measure.plots import draw_plots
from seamwise.measure.positive import mark_positive
from seamwise.measure.series import FileTable, tracks_folder
from seamwise.measure.summary import FieldSize, summarise
from seamwise.measure.table import Table, joined
from seamwise.measure.tracks import check_laptrack, track_cells

__all__ = [
    "FieldSize",
    "FileTable",
    "MeasureJob",
    "MeasureOptions",
    "Pairing",
    "Table",
    "Width",
    "check_laptrack",
    "draw_plots",
    "joined",
    "mark_positive",
    "measure",
    "measure_file",
    "measure_files",
    "pair_images",
    "parse_width",
    "summarise",
    "summary_path",
    "time_points",
    "track_cells",
    "tracks_folder",
]
