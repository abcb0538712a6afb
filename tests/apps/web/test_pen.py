"""Cells that are split by a line, or drawn: pixel by pixel, and what is refused."""

import json
import time

import numpy as np
import pytest

from seamwise_web.answers import RefusalError
from seamwise_web.pen import draw, points_of, split
from support.web_page import error_of


def square(number=1):
    labels = np.zeros((12, 14), np.uint32)
    labels[2:10, 2:12] = number
    return labels


def test_an_outline_that_goes_far_outside_is_filled_at_once():
    ends = [(-999_999.0, 999_999.0), (999_999.0, -999_999.0)]
    start = time.process_time()
    draw(np.zeros((128, 160), np.uint32), (*ends * 2000, (3.0, 3.0)), 1)
    assert time.process_time() - start < 3  # it took 10
    # a corner beside the picture stays where it is
    labels = draw(np.zeros((10, 10), np.uint32), ((-10, 0), (10, 0), (10, 10)), 1)
    assert np.array_equal(labels[:, 4], [1] * 8 + [0] * 2)


def test_a_line_cuts_a_cell_and_loses_no_pixel():
    labels = square(4)
    labels[0, 0] = 9
    result = split(labels, ((5.5, 0), (5.5, 12)), 10)
    assert ((result > 0) == (labels > 0)).all()
    assert (result[2:10, 6:12] == 4).all()  # the larger part keeps the number
    assert (result[2:10, 2:5] == 10).all()
    assert result[0, 0] == 9
    assert set(np.unique(result[2:10, 5])) <= {4, 10}


def test_a_slanted_line_cuts_too():
    result = split(square(), ((0, 0), (13, 12)), 2)
    assert set(np.unique(result)) == {0, 1, 2}
    assert min(np.bincount(result.ravel())[1:]) > 25


def test_the_cell_with_most_of_the_line_is_cut():
    labels = square()
    labels[10:12, 2:12] = 2
    result = split(labels, ((7.5, 0), (7.5, 11)), 3)
    assert (result[10:12] == labels[10:12]).all()
    assert set(np.unique(result)) == {0, 1, 2, 3}


def test_a_crumb_is_no_cell():
    labels = np.zeros((40, 40), np.uint32)
    labels[5:35, 5:35] = 1
    # around the pixel in the corner, then across
    line = ((7.5, 0), (7.5, 6.5), (6.5, 7.5), (0, 7.5), (0, 20.5), (40, 20.5))
    assert np.unique(split(labels, line, 2)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (((5, 5), (8, 5)), "from side to side"),
        (((0, 0), (0, 11)), "in no cell"),
        (((500, 500), (600, 500)), "in no cell"),
        (((5.5, 5.5),), "from side to side"),
    ],
)
def test_a_line_that_cuts_nothing_is_refused(line, words):
    with pytest.raises(ValueError, match=words):
        split(square(), line, 2)


def test_a_cell_is_drawn_where_no_other_is():
    labels = square(5)
    result = draw(labels, ((8, 1), (13.9, 1), (13.9, 11), (8, 11)), 6)
    assert (result[labels > 0] == 5).all()
    assert (result[2:10, 12:14] == 6).all()
    assert (result[:, :8] == labels[:, :8]).all()


def test_of_several_pieces_the_largest_is_the_cell():
    labels = square()
    result = draw(labels, ((0, 4.5), (13.9, 4.5), (13.9, 7.5), (0, 7.5)), 2)
    drawn = result == 2
    assert drawn[4:8, :2].sum() * drawn[4:8, 12:].sum() == 0
    assert drawn.any()


@pytest.mark.parametrize("points", [((5, 5), (7, 5), (6, 7)), ((90, 90), (95, 90), (93, 95))])
def test_an_outline_without_a_free_pixel_is_refused(points):
    with pytest.raises(ValueError, match="no free pixel"):
        draw(square(), points, 2)


@pytest.mark.parametrize("points", [((1, 1),), ((1, 1), (9, 1)), ((1, 1), (9, 1), (1, 1))])
def test_an_outline_has_an_inside(points):
    with pytest.raises(ValueError, match="around the cell"):
        draw(square(), points, 2)


def test_points_are_checked():
    with pytest.raises(RefusalError, match="points"):
        points_of({"points": [[1, None]]})


def edit(client, key, action, points):
    state = client.get(f"api/pictures/{key}/labels")
    revision = json.loads(state.headers["x-seamwise-state"])["revision"]
    fields = {"action": action, "revision": revision, "points": points}
    return client.post(f"api/pictures/{key}/edit", json=fields)


def labels_of(answer):
    return np.frombuffer(answer.content, "<u2").reshape(96, 128)


def test_the_page_splits_draws_and_undoes(client, cells):
    before = labels_of(client.get(f"api/pictures/{cells}/labels"))
    rows, columns = np.nonzero(before == 1)
    middle = float(np.median(columns)) + 0.5
    answer = edit(client, cells, "split", [[middle, 0], [middle, float(rows.max()) + 1]])
    assert answer.status_code == 200, answer.text
    assert labels_of(answer).max() == before.max() + 1
    undone = edit(client, cells, "undo", [])
    assert (labels_of(undone) == before).all()
    free = np.argwhere(before == 0)[0] + 0.5
    y, x = (float(one) for one in free)
    drawn = labels_of(edit(client, cells, "draw", [[x, y], [x + 0.1, y], [x, y + 0.1]]))
    assert drawn.max() == before.max() + 1


@pytest.mark.parametrize("action", ["split", "draw"])
def test_lines_that_do_nothing_are_answered_in_words(client, cells, action):
    for points in ([[-5, -5], [-9, -5]], [], "x", [[1]], [[1e9, 1]]):
        error_of(edit(client, cells, action, points), 400)
