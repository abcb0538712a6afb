"""Which cells a person should look at: `flag_cells`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.measure import Table
from seamwise.metrics import CellDoubts, Seams

DOUBTFUL_SEAM = 0.05
"""Mean probability of cell from which a seam is doubtful.

Measured by ``benchmarks/seam_doubt.py`` on 478 seams of ``nuclei-2d`` on 64 images of dsb2018 that
it was not trained on: 21 % of the seams reach it. 25 % of these cut through one true cell, of all
seams 9 %; they are 61 % of the wrong ones.
"""

DOUBTFUL_ENTROPY = 0.5
"""Mean entropy from which a seam is doubtful."""

UNSURE_CELL = 0.25
"""Mean entropy from which a cell is unsure.

The limits of cells were chosen on 40 images of dsb2018 that ``nuclei-2d`` was not trained on, and
measured by ``benchmarks/cell_flags.py`` on 64 others, with 2,387 cells, of which 141 are wrong (IoU
of 0.5 with no true cell) and 49 hold two true cells. This one names 145 cells, 63 of them wrong.
"""

UNSURE_FLIPS = 0.02
"""Mean disagreement of mirror images from which a cell is unsure.

With flips it names 121 cells of 2,385, 41 of 140 wrong ones. The entropy of the same runs names 100
cells from 0.3 on, 49 of them wrong: mirror images tell no more.
"""

DEEP_VALLEY = 0.2
"""Valley from which a cell may be two.

It names 51 cells: 17 are two, 26 are two or wrong.
"""

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
    kind : {"size", "seam", "unsure", "two"}
        "size": an odd size; "seam": a doubtful seam; "unsure": the network is unsure of the cell;
        "two": it may be two cells.
    """

    row: int
    reason: str
    kind: Literal["size", "seam", "unsure", "two"]


def flag_cells(cells: Table, seams: Seams | None, doubts: CellDoubts | None = None) -> list[Flag]:
    """Return the cells of one image that a person should look at, the worst first.

    Those are cells with an odd size or a doubtful seam, cells of which the network is unsure, by
    entropy or because its mirror images disagree, and cells that may be two, with a deep valley.

    A size is odd if it is less than half or more than twice the median of the image, and more than
    three robust deviations from it, both on a logarithmic scale. Cells at the edge are cut and have
    no odd size. Fewer than ten whole cells do not tell what is usual.

    Parameters
    ----------
    cells : Table
        Of `measure`.
    seams : Seams, optional
    doubts : CellDoubts, optional
        Cells that were edited since, and have another size now, are not flagged by them.
    """
    flags = [(away, Flag(row, reason, "size")) for row, away, reason in _odd_sizes(cells)]
    if seams is not None:
        flags += _doubtful(cells, seams)
    if doubts is not None:
        flags += _unsure(cells, doubts)
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
            flags.append((float(worst), Flag(row, reason, "seam")))
    return flags


def _unsure(cells: Table, doubts: CellDoubts) -> list[tuple[float, Flag]]:
    row_of = {(int(n), int(s)): row for row, (n, s) in enumerate(_numbers_and_sizes(cells))}
    flags = []
    for i, key in enumerate(zip(doubts.cell, doubts.pixels, strict=True)):
        row = row_of.get((int(key[0]), int(key[1])))
        if row is None:
            continue
        entropy, valley = doubts.entropy[i], doubts.valley[i]
        disagreement = 0.0 if doubts.disagreement is None else doubts.disagreement[i]
        if valley >= DEEP_VALLEY:
            reason = f"may be two cells: a valley of {valley:.0%} between two hills"
            flags.append((valley / DEEP_VALLEY, Flag(row, reason, "two")))
        if entropy >= UNSURE_CELL or disagreement >= UNSURE_FLIPS:
            reason = f"unsure: entropy {entropy:.2f}"
            reason += (
                f", flips disagree by {disagreement:.3f}" if doubts.disagreement is not None else ""
            )
            worst = max(entropy / UNSURE_CELL, disagreement / UNSURE_FLIPS)
            flags.append((float(worst), Flag(row, reason, "unsure")))
    return flags


def _numbers_and_sizes(cells: Table) -> Iterator[tuple[int, int]]:
    return zip(cells["id"], cells[size_name(cells)], strict=True)
