"""Results in order, while threads work on the next ones; see `in_order`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield ``work(item)`` of each item, in order, computed by some threads at the same time.

    Parameters
    ----------
    work : function
    items : iterable
        Drawn as threads become free: no more than `threads` are in work or wait to be drawn.
    threads : int
        With 1, no thread is started: each result is computed as it is drawn.
    stop : function
        Called if the results are not drawn to their end (an error, Ctrl-C, a closed generator),
        before the threads are waited for: it may make the work that they have begun fail soon.

    Notes
    -----
    An error is raised in place of its result. What other threads have begun they finish, unless
    `stop` prevents it; nothing new begins.

    Examples
    --------
    >>> list(in_order(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    if threads == 1:
        yield from map(work, items)
        return
    futures: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                if len(futures) == threads:
                    yield futures.popleft().result()
                futures.append(pool.submit(work, item))
            while futures:
                yield futures.popleft().result()
        except BaseException:
            for future in futures:
                future.cancel()
            stop()
            raise
