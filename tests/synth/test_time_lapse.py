"""Simulated time-lapse: what is true of it holds in its labels."""

import numpy as np
import pytest

from seamwise.synth import time_lapse

OPTIONS = {"frames": 10, "cells": 12, "radius": 8, "divisions": 0.1, "activation": 0.2}


def test_the_same_seed_draws_the_same_series():
    one, other = (time_lapse((80, 90), rng=5, **OPTIONS) for _ in range(2))
    assert (one.image == other.image).all()
    assert (one.labels == other.labels).all()
    assert not (one.labels == time_lapse((80, 90), rng=6, **OPTIONS).labels).all()


def test_a_mother_ends_where_her_two_daughters_begin():
    series = time_lapse((80, 90), rng=5, **OPTIONS)
    seen = {
        number: [t for t, frame in enumerate(series.labels) if (frame == number).any()]
        for number in series.parents
    }
    mothers = set(series.parents.values()) - {0}
    assert mothers
    for mother in mothers:
        daughters = [number for number, parent in series.parents.items() if parent == mother]
        assert len(daughters) == 2
        assert {min(seen[daughter]) for daughter in daughters} == {max(seen[mother]) + 1}
        areas = [(series.labels[min(seen[d])] == d).sum() for d in daughters]
        before = (series.labels[max(seen[mother])] == mother).sum()
        assert 0.5 * before < sum(areas) < 1.5 * before


@pytest.mark.parametrize("shape", [(20, 30), (8, 20, 30)])
def test_a_series_without_cells_is_empty(shape):
    series = time_lapse(shape, frames=3, cells=0, rng=0, radius=4)
    assert series.labels.shape == (3, *shape)
    assert not series.labels.any()
    assert series.active.shape == (3, 1)


def test_active_cells_stay_active_and_are_bright_in_the_second_channel():
    series = time_lapse((80, 90), rng=5, **{**OPTIONS, "divisions": 0})
    assert (series.active[1:] >= series.active[:-1]).all()
    assert not series.active[0].any()
    assert series.active[-1].any()
    last, marker = series.labels[-1], series.image[-1, 1].astype(float)
    is_active = series.active[-1][last]
    assert np.median(marker[is_active]) > 2.5 * np.median(marker[(last > 0) & ~is_active])


def test_cells_move_by_their_speed():
    still = time_lapse((80, 90), rng=5, **{**OPTIONS, "divisions": 0, "speed": 0, "cells": 3})
    assert (still.labels[-1] == still.labels[3]).mean() > 0.97
    moving = time_lapse((80, 90), rng=5, **{**OPTIONS, "divisions": 0, "speed": 0.5, "cells": 3})
    assert (moving.labels[-1] == moving.labels[3]).mean() < 0.97


def test_stacks_and_no_cells_are_drawn_too():
    stack = time_lapse((12, 40, 50), rng=0, frames=2, cells=4, radius=6)
    assert stack.image.shape == (2, 2, 12, 40, 50)
    assert not time_lapse((40, 50), rng=0, frames=2, cells=0).labels.any()


@pytest.mark.parametrize("option", [{"speed": 2}, {"divisions": -1}, {"frames": 0}, {"radius": 1}])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        time_lapse((40, 50), rng=0, **{"frames": 2, "cells": 2, **option})
