"""Which cells a person should look at: `flag_cells`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamwise.measure import Table
from seamwise.metrics import Seams

DOUBTFUL_SEAM = 0.05
"""Mean probability of cell from which a seam is doubtful.

Measured by ``benchmarks/seam_doubt.py`` on 478 seams of ``nuclei-2d`` on 64 images of dsb2018 that
it was not trained on: 21 % of the seams reach it. 25 % of these cut through one true cell, of all
seams 9 %; they are 61 % of the wrong ones.
"""

DOUBTFUL_ENTROPY = 0.5
"""Mean entropy from which a seam is doubtful."""

_TWICE = np.log(2)
_DEVIATIONS = 3.0
_MAD = 1.4826  # of a normal distribution: standard deviation over median absolute deviation
_FEWEST = 10  # cells that tell what is usual


@dataclass(frozen=True)
class Flag:
    """A cell to look at, and why.

    Attributes
    ----------
    row : int
        Of the table of cells.
    reason : str
    has_odd_size : bool
        Else a seam of it is doubtful.
    """

    row: int
    reason: str
    has_odd_size: bool


def flag_cells(cells: Table, seams: Seams | None) -> list[Flag]:
    """Return the cells of one image with an odd size or a doubtful seam, the worst first.

    A size is odd if it is less than half or more than twice the median of the image, and more than
    three robust deviations from it, both on a logarithmic scale. Cells at the edge are cut and have
    no odd size. Fewer than ten whole cells do not tell what is usual.

    Parameters
    ----------
    cells : Table
        Of `measure`.
    seams : Seams, optional
    """
    flags = [(away, Flag(row, reason, True)) for row, away, reason in _odd_sizes(cells)]
    if seams is not None:
        flags += _doubtful(cells, seams)
    return [flag for _, flag in sorted(flags, key=lambda pair: -pair[0])]


def still_touching(seams: Seams, cells: Table) -> Seams:
    """Return the seams of cells that still touch: labels may have been edited since.

    Parameters
    ----------
    seams : Seams
    cells : Table
        Of `measure`, of the labels as they are now.
    """
    neighbours = [set(numbers.split()) for numbers in cells["neighbour_ids"]]
    pairs = zip(_rows(cells, seams), seams.neighbour, strict=True)
    still = np.array([row is not None and str(b) in neighbours[row] for row, b in pairs], bool)
    columns = {name: column[still] for name, column in vars(seams).items() if column is not None}
    return Seams(**columns)


def size_name(cells: Table) -> str:
    """Return the column of the size in pixels."""
    return "area_px" if "area_px" in cells else "volume_px"


def is_doubtful(seams: Seams) -> NDArray[np.bool_]:
    """Mark the seams that a person should look at."""
    doubtful: NDArray[np.bool_] = (seams.cell_probability >= DOUBTFUL_SEAM) | (
        seams.entropy >= DOUBTFUL_ENTROPY
    )
    return doubtful


def _odd_sizes(cells: Table) -> list[tuple[int, float, str]]:
    own, is_whole = cells[size_name(cells)], ~cells["touches_edge"].astype(bool)
    sizes = own[is_whole]
    if len(sizes) < _FEWEST:
        return []
    usual = np.median(sizes)
    spread = _MAD * np.median(np.abs(np.log(sizes / usual)))
    away = np.log(own / usual)
    limit = max(_TWICE, _DEVIATIONS * spread)
    is_odd = (np.abs(away) > limit) & is_whole
    return [
        (int(row), abs(float(away[row])) / limit, f"{_times(own[row] / usual)} the median size")
        for row in np.flatnonzero(is_odd)
    ]


def _times(ratio: float) -> str:
    """A ratio of sizes.

    Examples
    --------
    >>> _times(3.04), _times(0.103), _times(12.3)
    ('3.0 ×', '0.10 ×', '12 ×')
    """
    digits = sum(ratio < limit for limit in (1, 10))
    return f"{ratio:.{digits}f} ×"


def _rows(cells: Table, seams: Seams) -> list[int | None]:
    """The row of the first cell of each seam, at its time; None without such a cell."""
    none = np.zeros(len(cells), int)
    keys = zip(cells.columns.get("time", none), cells["id"], strict=True)
    row_of = {(int(time), int(number)): row for row, (time, number) in enumerate(keys)}
    times = np.zeros(len(seams.cell), int) if seams.time is None else seams.time
    pairs = zip(times, seams.cell, strict=True)
    return [row_of.get((int(time), int(cell))) for time, cell in pairs]


def _doubtful(cells: Table, seams: Seams) -> list[tuple[float, Flag]]:
    rows, flags = _rows(cells, seams), []
    for i in np.flatnonzero(is_doubtful(seams)):
        row = rows[i]
        if row is not None:
            chance, entropy = seams.cell_probability[i], seams.entropy[i]
            reason = (
                f"doubtful seam with cell {seams.neighbour[i]}: "
                f"cell {chance:.0%}, entropy {entropy:.2f}"
            )
            worst = max(chance / DOUBTFUL_SEAM, entropy / DOUBTFUL_ENTROPY)
            flags.append((float(worst), Flag(row, reason, False)))
    return flags
