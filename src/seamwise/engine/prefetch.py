"""Results in order, while threads work on the next ones: `prefetch`, `one_ahead`, `drawn_ahead`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    queue: int = 0,
    cost: Callable[[Item], float] = lambda item: 0,
    limit: float = inf,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield ``work(item)`` of each item, in order, computed by some threads at the same time.

    Parameters
    ----------
    work : function
    items : iterable
        Drawn as threads become free: no more than `threads`, or `queue` if that is more, are in
        work or wait to be drawn.
    threads : int
        With 1, no thread is started: each result is computed as it is drawn.
    queue : int
        If it is more than `threads`, a thread that is done works on, while an earlier item takes
        longer.
    cost : function
        What an item takes, such as bytes of memory.
    limit : float
        Items are at work, or wait to be drawn, only while their costs add up to no more than this.
        One that costs more is computed alone, as it is drawn and by the thread that draws it.
    stop : function
        Called if the results are not drawn to their end (an error, Ctrl-C, a closed generator),
        before the threads are waited for: it may make the work that they have begun fail soon.

    Notes
    -----
    An error is raised in place of its result. What other threads have begun they finish, unless
    `stop` prevents it; nothing new begins.

    Examples
    --------
    >>> list(prefetch(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    if threads == 1:
        yield from map(work, items)
        return
    futures: deque[tuple[Future[Result], float]] = deque()
    length = max(threads, queue)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                item_cost = cost(item)
                while futures and (
                    len(futures) == length
                    or item_cost + sum(waiting for _, waiting in futures) > limit
                ):
                    yield futures.popleft()[0].result()
                if item_cost > limit:
                    yield work(item)
                else:
                    futures.append((pool.submit(work, item), item_cost))
            while futures:
                yield futures.popleft()[0].result()
        except BaseException:
            for future, _ in futures:
                future.cancel()
            stop()
            raise


def one_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` of each item, in order; one thread works on the next while one is used.

    Unlike with `prefetch`, no two items are ever in work at the same time, and they follow each
    other as in a loop. So the work may keep a state. If the results are not drawn to their end, the
    item in work is waited for, and no other begins.

    Examples
    --------
    >>> list(one_ahead(abs, [-3, 2, -1]))
    [3, 2, 1]
    """
    with ThreadPoolExecutor(1) as pool:
        futures: deque[Future[Result]] = deque()
        for item in items:
            # what is held: the result that is used, and the next one
            ready = [futures.popleft().result()] if futures else []
            futures.append(pool.submit(work, item))
            yield from ready
            ready.clear()
        while futures:
            yield futures.popleft().result()


def drawn_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items; one thread draws the next while one is used.

    All are drawn by that thread, one after the other: an iterator that computes may keep a state.
    If the items are not drawn to their end, the one in work is waited for, and no other begins.

    Examples
    --------
    >>> list(drawn_ahead(iter([3, 2, 1])))
    [3, 2, 1]
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        future: Future[Item | object] = pool.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, iterator, end)
            yield cast(Item, item)
            del item  # what is held: the next one, while this one is not used any more
