"""Tiles computed where one can hear of them and stop them: `Lane`."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from math import prod
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")


class Lane(Executor):
    """Computes tiles in the thread that asks, and reports before each; for the `lane` of a model.

    Parameters
    ----------
    report : function
        Called before each tile with the pixels that are done; those in which tiles overlap count
        twice. An exception that it raises stops the work.

    Examples
    --------
    >>> lane = Lane(lambda done: print(done, "pixels"))
    >>> tile = np.ones((1, 20, 30))
    >>> lane.submit(np.negative, tile).result().shape, lane.submit(np.sum, tile).result()
    0 pixels
    600 pixels
    ((1, 20, 30), np.float64(600.0))
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report, self._done = report, 0

    def submit(
        self, function: Callable[..., Result], /, *arguments: Any, **options: Any
    ) -> Future[Result]:
        """Report, compute, and return the result; a tile `(C, *S)` is the first argument."""
        self._report(self._done)
        future: Future[Result] = Future()
        future.set_result(function(*arguments, **options))
        if arguments and isinstance(arguments[0], np.ndarray):
            self._done += prod(arguments[0].shape[1:])
        return future
