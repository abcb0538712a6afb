"""What became of every cell, counted by hand."""

import math

import numpy as np
import pytest

from seamwise.metrics import cell_errors, match


def names(true, pred):
    errors = cell_errors(np.array(true), np.array(pred))
    return {name: getattr(errors, name).tolist() for name, n in errors.counts().items() if n}


def test_every_kind_by_hand():
    assert names([5, 5, 5, 0], [7, 7, 7, 7]) == {"correct": [5], "partners": [7]}
    assert names([5, 5, 0, 0], [0, 0, 0, 7]) == {"missed": [5], "invented": [7]}
    assert names([5, 5, 5, 5], [1, 1, 2, 2]) == {"split": [5], "pieces": [1, 2]}
    assert names([1, 1, 2, 2], [5, 5, 5, 5]) == {"merged": [1, 2], "merges": [5]}
    # the outline is far too small: seen, but not correct
    assert names([5, 5, 5, 5, 5], [0, 7, 0, 0, 0]) == {"inexact": [5], "near_misses": [7]}


def test_a_crumb_does_not_split_a_cell():
    true = [1] * 20
    assert names(true, [1] * 18 + [2] * 2) == {"split": [1], "pieces": [1, 2]}
    crumb = {"correct": [1], "partners": [1], "near_misses": [2]}
    assert names(true, [1] * 19 + [2]) == crumb


def test_a_small_cell_that_a_large_one_has_eaten_is_merged_though_the_large_one_matches():
    true, pred = [1] * 9 + [2] * 3, [4] * 12
    assert names(true, pred) == {"merged": [1, 2], "merges": [4]}
    assert match(np.array(true), np.array(pred)).tp == 1


def test_every_cell_is_counted_once():
    rng = np.random.default_rng(0)
    for _ in range(20):
        true = np.repeat(rng.integers(-1, 9, (6, 8)), 2, axis=1)
        pred = np.repeat(rng.integers(0, 9, (6, 8)), 2, axis=1)
        counts = cell_errors(true, pred).counts()
        of_true = sum(counts[name] for name in ("correct", "split", "merged", "inexact", "missed"))
        assert of_true == len(np.unique(true[true > 0]))
        errors = cell_errors(true, pred)
        others = (errors.invented, errors.partners, errors.near_misses)
        of_pred = np.concatenate([*others, np.union1d(errors.merges, errors.pieces)])
        assert sorted(of_pred) == np.unique(pred[(pred > 0) & (true >= 0)]).tolist()


def test_empty_images_have_no_errors():
    empty = np.zeros((3, 3), int)
    assert not any(cell_errors(empty, empty).counts().values())


@pytest.mark.parametrize("iou", [0, -1, 1.5, math.nan])
def test_the_smallest_iou_is_checked(iou):
    with pytest.raises(ValueError, match="iou must be in"):
        cell_errors(np.array([1]), np.array([1]), iou=iou)
