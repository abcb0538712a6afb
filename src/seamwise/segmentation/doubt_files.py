"""Doubts about the cells of an image, in a file next to its labels; see `write_doubts`."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.csvfile import write_columns
from seamwise.io.listing import stem
from seamwise.metrics import CellDoubts


def doubts_path(labels: Path, image: Path) -> Path:
    """Return where the doubts about the cells of an image are: ``doubts/`` next to its labels.

    Examples
    --------
    >>> doubts_path(Path("out/a.tif"), Path("a.png")).as_posix()
    'out/doubts/a.csv'
    """
    return labels.parent / "doubts" / f"{stem(image)}.csv"


def write_doubts(path: Path, doubts: CellDoubts) -> None:
    """Write one line for each cell, whole or not at all.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    make_folder(path.parent)
    write_columns(
        path, {name: column for name, column in vars(doubts).items() if column is not None}
    )


def read_doubts(path: Path) -> CellDoubts | None:
    """Read what `write_doubts` wrote; None without such a file.

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
            rows, names = list(lines), lines.fieldnames or ()

        def column(name: str, kind: type[np.number[Any]] = np.float64) -> NDArray[Any]:
            return np.array([row[name] for row in rows]).astype(kind)

        return CellDoubts(
            cell=column("cell", np.int64),
            pixels=column("pixels", np.int64),
            entropy=column("entropy"),
            valley=column("valley"),
            disagreement=column("disagreement") if "disagreement" in names else None,
        )
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise ValueError(f"{path} is damaged: delete it and segment again") from error
