import numpy as np

from seamwise.labels.runs import row_runs


def test_runs_end_with_their_row_and_cover_every_pixel():
    labels = np.random.default_rng(0).integers(-1, 2, (3, 4, 5))
    runs = row_runs(labels)
    assert (runs.starts // 5 == (runs.starts + runs.lengths - 1) // 5).all()
    np.testing.assert_array_equal(np.repeat(runs.labels, runs.lengths), labels.ravel())


def test_an_image_of_one_column_has_a_run_for_each_pixel():
    assert row_runs(np.ones((3, 1), int)).lengths.tolist() == [1, 1, 1]
