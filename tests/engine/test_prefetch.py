import threading
from itertools import count
from time import sleep

import pytest

from seamwise.engine.prefetch import drawn_ahead, one_ahead, prefetch


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(threads):
    gates = {item: threading.Event() for item in range(5)}
    gates[1].set()

    def work(item):
        # with several threads the first waits until the second is done
        assert item or threads == 1 or gates[1].wait(10)
        return -item

    assert list(prefetch(work, range(5), threads=threads)) == [0, -1, -2, -3, -4]


def test_no_more_items_are_drawn_than_there_are_threads():
    drawn = count()
    results = prefetch(lambda item: item, (next(drawn) for _ in range(9)), threads=2)
    assert next(results) == 0
    assert next(drawn) <= 3
    results.close()


def test_a_thread_that_is_done_works_on_in_a_longer_queue():
    first = threading.Event()

    def work(item):
        if item == 3:
            first.set()
        return item == 0 and first.wait(10)

    results = prefetch(work, range(6), threads=2, queue=4)
    assert list(results) == [True, *[False] * 5]
    drawn = count()
    results = prefetch(lambda item: item, (next(drawn) for _ in range(9)), threads=2, queue=4)
    assert next(results) == 0
    assert next(drawn) <= 5
    results.close()


def test_one_thread_is_the_one_that_asks_and_works_when_asked():
    names = []
    results = prefetch(lambda _: names.append(threading.get_ident()), range(3), threads=1)
    next(results)
    assert names == [threading.get_ident()]


def test_an_error_comes_in_place_of_its_result_and_nothing_new_begins():
    begun = []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("one")
        return item

    results = prefetch(work, range(9), threads=2)
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

    results = prefetch(work, range(3), threads=3, stop=has_stopped.set)
    assert next(results) == 0
    if ending == "close":
        results.close()
    elif ending == "error":
        with pytest.raises(ValueError, match="one"):
            list(results)
    else:
        assert list(results) == [1, 2]
    assert has_stopped.is_set() == (ending != "drawn")


def test_only_what_fits_the_limit_is_at_work_at_the_same_time():
    costs, at_work, most = [3, 1, 2, 2, 4], [], []

    def work(item):
        at_work.append(costs[item])
        sleep(0.05)
        most.append(sum(at_work))
        at_work.remove(costs[item])
        return item

    results = prefetch(work, range(5), threads=3, cost=costs.__getitem__, limit=4)
    assert list(results) == [0, 1, 2, 3, 4]
    assert max(most) <= 4


@pytest.mark.parametrize(("limit", "is_together"), [(5, True), (4, False)])
def test_two_that_fit_are_at_work_together(limit, is_together):
    gate = threading.Event()

    def work(item):
        if item == 1:
            gate.set()
            return True
        return gate.wait(10 if is_together else 0.2)

    results = prefetch(work, range(2), threads=2, cost=lambda item: item + 2, limit=limit)
    assert list(results) == [is_together, True]


def test_what_costs_more_than_the_limit_is_computed_alone_by_who_draws():
    threads = {}

    def work(item):
        threads[item] = threading.get_ident()
        return item

    costs = {0: 1, 1: 9, 2: 1}
    assert list(prefetch(work, range(3), threads=2, cost=costs.__getitem__, limit=4)) == [0, 1, 2]
    assert threads[1] == threading.get_ident()
    assert threads[0] != threads[1] != threads[2]


def test_the_next_one_is_in_work_while_one_is_used_and_no_other():
    begun, is_second_done = [], threading.Event()

    def work(item):
        begun.append(item)
        if item == 1:
            is_second_done.set()
        return -item

    results = one_ahead(work, range(4))
    assert next(results) == 0
    assert is_second_done.wait(10)
    assert begun == [0, 1]
    assert list(results) == [-1, -2, -3]
    assert list(one_ahead(work, [])) == []


def test_an_error_one_ahead_comes_in_place_of_its_result():
    def work(item):
        if item == 1:
            raise ValueError("one")
        return item

    results = one_ahead(work, range(9))
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)


@pytest.mark.parametrize("ending", ["close", "error", "raised by the work"])
def test_nothing_new_begins_when_results_one_ahead_are_abandoned(ending):
    begun = []

    def work(item):
        begun.append(item)
        if item == 1 and ending == "raised by the work":
            raise ValueError("one")
        return item

    def use():
        for _ in one_ahead(work, range(9)):
            if ending == "error":
                raise ValueError("of the user")

    if ending == "close":
        results = one_ahead(work, range(9))
        next(results)
        results.close()
    else:
        with pytest.raises(ValueError, match=r"one|of the user"):
            use()
    sleep(0.05)
    assert begun == [0, 1]


def test_the_next_item_is_drawn_while_one_is_used_and_no_other():
    drawn, is_second_drawn, threads = [], threading.Event(), set()

    def items():
        for number in range(4):
            drawn.append(number)
            threads.add(threading.get_ident())
            if number == 1:
                is_second_drawn.set()
            yield number

    results = drawn_ahead(items())
    assert next(results) == 0
    assert is_second_drawn.wait(10)
    assert drawn == [0, 1]
    assert list(results) == [1, 2, 3]
    assert len(threads - {threading.get_ident()}) == len(threads) == 1
    assert list(drawn_ahead([])) == []


@pytest.mark.parametrize("ending", ["close", "raised by an item"])
def test_no_item_is_drawn_when_those_ahead_are_abandoned(ending):
    drawn = []

    def items():
        for number in range(9):
            drawn.append(number)
            if number == 1 and ending == "raised by an item":
                raise ValueError("one")
            yield number

    results = drawn_ahead(items())
    assert next(results) == 0
    if ending == "close":
        results.close()
    else:
        with pytest.raises(ValueError, match="one"):
            next(results)
    sleep(0.05)
    assert drawn == [0, 1]
