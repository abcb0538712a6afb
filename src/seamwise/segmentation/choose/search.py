"""The highest point of a grid from a part of its points; see `coarse_to_fine`."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product

Point = tuple[int, int]

_STRIDES = (8, 4, 2, 1)
_PEAKS = 3  # points that the search continues from: with one, it may stay on a side peak


def coarse_to_fine(score: Callable[[Sequence[Point]], Sequence[float]], length: int) -> Point:
    """Find the highest point of a square grid from a part of its points.

    The search begins with every 8th point of every 8th row. Then it scores the neighbours of the
    best three at distance 4, 2 and 1, each until none of them is new. So the result is at least as
    high as its eight neighbours.

    Parameters
    ----------
    score : function
        From points (i, j) to their heights; called once for each point.
    length : int
        The grid is 0 … length − 1 along both axes.

    Returns
    -------
    (i, j)
        Among equally high points, the one nearest to the middle by the sum of both distances, then
        the first.
    """
    middle = (length - 1) / 2
    heights: dict[Point, float] = {}

    def explore(points: Iterable[Point]) -> bool:
        new_points = [point for point in dict.fromkeys(points) if point not in heights]
        heights.update(zip(new_points, score(new_points), strict=True))
        return bool(new_points)

    def rank(point: Point) -> tuple[float, float, Point]:
        return -heights[point], sum(abs(index - middle) for index in point), point

    def highest() -> list[Point]:
        return sorted(heights, key=rank)[:_PEAKS]

    coarse = range(0, length, _STRIDES[0])
    explore((i, j) for i in coarse for j in coarse)
    for stride in _STRIDES[1:]:
        while explore(
            neighbour for point in highest() for neighbour in _around(point, stride, length)
        ):
            pass
    return highest()[0]


def _around(point: Point, stride: int, length: int) -> Iterable[Point]:
    for i, j in product((-stride, 0, stride), repeat=2):
        if 0 <= point[0] + i < length and 0 <= point[1] + j < length:
            yield point[0] + i, point[1] + j
