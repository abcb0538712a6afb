import threading
from itertools import count

import pytest

from seamwise.engine.ahead import in_order


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(threads):
    gates = {item: threading.Event() for item in range(5)}
    gates[1].set()

    def work(item):
        # with several threads the first waits until the second is done
        assert item or threads == 1 or gates[1].wait(10)
        return -item

    assert list(in_order(work, range(5), threads=threads)) == [0, -1, -2, -3, -4]


def test_no_more_items_are_drawn_than_there_are_threads():
    drawn = count()
    results = in_order(lambda item: item, (next(drawn) for _ in range(9)), threads=2)
    assert next(results) == 0
    assert next(drawn) <= 3
    results.close()


def test_one_thread_is_the_one_that_asks_and_works_when_asked():
    names = []
    results = in_order(lambda _: names.append(threading.get_ident()), range(3), threads=1)
    next(results)
    assert names == [threading.get_ident()]


def test_an_error_comes_in_place_of_its_result_and_nothing_new_begins():
    begun = []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("one")
        return item

    results = in_order(work, range(9), threads=2)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        list(results)
    assert len(begun) <= 4


@pytest.mark.parametrize("ending", ["close", "error", "drawn"])
def test_work_in_progress_is_told_to_stop_unless_all_results_are_drawn(ending):
    has_stopped = threading.Event()

    def work(item):
        if item == 1 and ending == "error":
            raise ValueError("one")
        if item == 2 and ending != "drawn":
            assert has_stopped.wait(10)
        return item

    results = in_order(work, range(3), threads=3, stop=has_stopped.set)
    assert next(results) == 0
    if ending == "close":
        results.close()
    elif ending == "error":
        with pytest.raises(ValueError, match="one"):
            list(results)
    else:
        assert list(results) == [1, 2]
    assert has_stopped.is_set() == (ending != "drawn")
