"""Cells that keep their number over time: `track_cells`, through the library laptrack."""

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamwise.measure.options import Width
from seamwise.measure.table import Table

if TYPE_CHECKING:
    from networkx import DiGraph

_GAP = 2  # frames between two sightings of a cell: it may be missing in one
_LARGEST_GROWTH = 1.8  # of the daughters of a division together, over the mother
_LARGEST_DAUGHTER = 1.0  # over the mother

_Node = tuple[int, int]  # frame, and row within it


def check_laptrack() -> None:
    """Raise ValueError with what to do if laptrack is not installed."""
    if importlib.util.find_spec("laptrack") is None:
        raise ValueError(
            'tracking needs laptrack, which is not installed: pip install "seamwise[track]"'
        )


def track_cells(
    cells: Table,
    *,
    max_distance: Width = Width(0),
    divisions: bool = True,
    spacing: tuple[float, ...] | None = None,
) -> Table:
    """Link the cells of one series from frame to frame.

    The centroids are linked so that the sum of the squared distances is least (a linear assignment
    between frames). Then the pieces of tracks are linked over a gap of one frame, and, for
    divisions, to the middle of other tracks. The daughters of a division are not larger than the
    mother, and together at most 1.8 times as large.

    Parameters
    ----------
    cells : Table
        Of `measure`, with the column ``time``.
    max_distance : Width
        Farthest that a cell moves from one frame to the next; 0: the median equivalent diameter.
    divisions : bool
        Whether cells may divide. A track ends with a division, and two begin.
    spacing : tuple of float, optional
        Pixel size, for a distance in micrometres; distances along axes of unequal spacing need it,
        too.

    Returns
    -------
    Table
        With the columns ``track_id`` (1, 2, …) and ``parent_track_id`` (0 without a mother).

    Raises
    ------
    ValueError
        laptrack is not installed.
    ValueError
        The distance is in micrometres, and the pixel size is not known.

    Notes
    -----
    Source: Jaqaman et al., Nature Methods 5 (2008); laptrack: Fukai and Kawaguchi, Bioinformatics
    39 (2023).

    Examples
    --------
    >>> columns = {"time": [0, 0, 1, 1], "centroid_y_px": [5, 40, 41, 6], "area_px": [80] * 4}
    >>> columns |= {"centroid_x_px": [5] * 4, "equivalent_diameter_px": [10] * 4}
    >>> tracked = track_cells(Table({name: np.array(one) for name, one in columns.items()}))
    >>> tracked["track_id"].tolist()
    [1, 2, 2, 1]
    """
    check_laptrack()
    if not len(cells):
        nothing = np.zeros(0, np.int64)
        return cells.with_column("track_id", nothing).with_column("parent_track_id", nothing)
    steps = _steps(cells, spacing)
    reach = max_distance.in_steps_of(spacing, name="max_distance")
    if reach == 0:
        reach = float(np.median(cells["equivalent_diameter_px"]))
    places = _places(cells) * steps
    times = cells["time"].astype(int)
    rows = [np.flatnonzero(times == time) for time in range(times.max() + 1)]
    graph = _graph([places[row] for row in rows], reach, divisions)
    if divisions:
        _drop_false_divisions(graph, rows, _sizes(cells))
    tracks, parents = _numbers(graph, rows, len(cells))
    return cells.with_column("track_id", tracks).with_column("parent_track_id", parents)


def _places(cells: Table) -> NDArray[np.float64]:
    names = [f"centroid_{axis}_px" for axis in "zyx" if f"centroid_{axis}_px" in cells]
    return np.stack([cells[name].astype(float) for name in names], axis=1)


def _steps(cells: Table, spacing: tuple[float, ...] | None) -> NDArray[np.float64]:
    """Pixel size along each axis, in pixels of the finest."""
    ndim = _places(cells).shape[1]
    steps = np.ones(ndim) if spacing is None else np.array(spacing)
    finest: NDArray[np.float64] = steps / steps.min()
    return finest


def _sizes(cells: Table) -> NDArray[np.float64]:
    name = "area_px" if "area_px" in cells else "volume_px"
    sizes: NDArray[np.float64] = cells[name].astype(float)
    return sizes


def _graph(frames: list[NDArray[np.float64]], reach: float, divisions: bool) -> "DiGraph":
    """The links between cells as laptrack finds them, directed forwards in time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that it imports
        from laptrack import LapTrack

        how: dict[str, Any] = {
            "cutoff": reach**2,
            "gap_closing_cutoff": reach**2,
            "gap_closing_max_frame_count": _GAP,
            "splitting_cutoff": reach**2 if divisions else False,
        }
        return LapTrack(**how).predict(frames)


def _drop_false_divisions(
    graph: "DiGraph", rows: list[NDArray[np.int64]], sizes: NDArray[np.float64]
) -> None:
    """Remove links to daughters that are too large; a mother then keeps the largest."""

    def size(node: _Node) -> float:
        return float(sizes[rows[node[0]][node[1]]])

    for mother in [node for node in graph if graph.out_degree(node) > 1]:
        daughters = sorted(graph.successors(mother), key=size, reverse=True)
        shares = [size(daughter) / size(mother) for daughter in daughters]
        if max(shares) > _LARGEST_DAUGHTER or sum(shares) > _LARGEST_GROWTH:
            graph.remove_edges_from([(mother, daughter) for daughter in daughters[1:]])


def _numbers(
    graph: "DiGraph", rows: list[NDArray[np.int64]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Track and parent of each row, numbered by time and row."""
    track_of: dict[_Node, int] = {}
    parent_of: dict[int, int] = {0: 0}
    tracks = np.zeros(count, np.int64)
    for frame, own in enumerate(rows):
        for place, row in enumerate(own):
            node = (frame, place)
            before: list[Any] = list(graph.predecessors(node)) if node in graph else []
            if before and graph.out_degree(before[0]) == 1:
                track = track_of[before[0]]
            else:
                track = len(parent_of)
                parent_of[track] = track_of[before[0]] if before else 0
            track_of[node] = tracks[row] = track
    return tracks, np.array([parent_of[track] for track in tracks.tolist()], np.int64)
