"""Doubts along the seams of an image, in a file next to its labels: `write_seams`, `read_seams`."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.csvfile import write_columns
from seamwise.io.listing import stem
from seamwise.metrics import Seams


def seams_path(labels: Path, image: Path) -> Path:
    """Return where the doubts along the seams of an image are: ``seams/`` next to its labels.

    Several labels within one OME-Zarr image have files of their own, next to the image.

    Examples
    --------
    >>> seams_path(Path("out/a.tif"), Path("a.png")).as_posix()
    'out/seams/a.csv'
    >>> seams_path(Path("a.ome.zarr/labels/cells"), Path("a.ome.zarr")).as_posix()
    'seams/a_cells.csv'
    """
    if labels.parent.name == "labels":
        for outer in labels.parents:
            if outer.suffix == ".zarr":  # an image, or a plate of them
                return outer.parent / "seams" / f"{stem(image)}_{labels.name}.csv"
    return labels.parent / "seams" / f"{stem(image)}.csv"


def write_seams(path: Path, seams: Seams) -> None:
    """Write one line for each seam, whole or not at all; a time series has a column ``time``.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    columns = {name: column for name, column in vars(seams).items() if name != "time"}
    times = {} if seams.time is None else {"time": seams.time}
    make_folder(path.parent)
    write_columns(path, times | columns)


def read_seams(path: Path) -> Seams | None:
    """Read what `write_seams` wrote; None without such a file.

    Raises
    ------
    ValueError
        The file is damaged.
    """
    if not path.exists():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.DictReader(stream)
            rows, is_series = list(lines), "time" in (lines.fieldnames or ())

        def column(name: str, kind: type[np.number[Any]] = np.int64) -> NDArray[Any]:
            return np.array([row[name] for row in rows]).astype(kind)

        return Seams(
            cell=column("cell"),
            neighbour=column("neighbour"),
            faces=column("faces"),
            entropy=column("entropy", np.float64),
            cell_probability=column("cell_probability", np.float64),
            time=column("time") if is_series else None,
        )
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise ValueError(f"{path} is damaged: delete it and segment again") from error
