import json
from dataclasses import asdict

import numpy as np
import pytest

from oracles.contour import contour_shares
from seamwise.metrics import DEFAULT_RADII, contour_f1, contour_scores, summarise
from support.labels import voronoi


def square(shift, size=5):
    labels = np.zeros((10, 14), int)
    labels[2 : 2 + size, 2 + shift : 2 + shift + size] = 4
    return labels


def test_a_square_shifted_by_two_pixels_written_out():
    labels_pred = square(2)
    labels_pred[9, 13] = 1  # far from everything
    near, far = contour_scores(square(0), labels_pred, radii=(1, 2))
    assert (near.n_true, near.n_pred, near.found_true, near.right_pred) == (16, 17, 10, 10)
    assert (near.precision, near.recall) == (10 / 17, 10 / 16)
    assert near.f1 == pytest.approx(20 / 33, abs=1e-15)
    assert (far.precision, far.recall) == (16 / 17, 1)
    assert (
        contour_f1(square(0), labels_pred, radius=2) == far.f1 == pytest.approx(32 / 33, abs=1e-15)
    )


def test_a_square_within_a_square_has_its_contour_one_pixel_inside():
    inner = np.zeros((10, 14), int)
    inner[3:6, 3:6] = 1
    (score,) = contour_scores(square(0), inner, radii=(1,))
    # the 4 corners of the large square are √2 away
    assert (score.precision, score.recall) == (1, 12 / 16)
    assert contour_f1(square(0), inner, radius=1.42) == 1


def test_the_line_between_touching_cells_counts():
    two = np.array([[0, 1, 1, 1, 1, 2, 2, 2, 2, 0]])
    one = np.minimum(two, 1)
    (score,) = contour_scores(two, one, radii=(1,))
    assert (score.precision, score.recall) == (1, 2 / 4)
    assert contour_scores(one, two, radii=(1,))[0].precision == 2 / 4


@pytest.mark.parametrize("blank", [0, 7])
def test_without_a_contour_on_either_side_there_was_nothing_to_find(blank):
    for score in contour_scores(np.full((4, 5), blank), np.zeros((4, 5), int)):
        assert (score.precision, score.recall, score.f1) == (1, 1, 1)


def test_a_contour_on_one_side_only_scores_zero():
    for labels_true, labels_pred in ((square(0), square(0) * 0), (square(0) * 0, square(0))):
        for score in contour_scores(labels_true, labels_pred):
            assert (score.precision, score.recall, score.f1) == (0, 0, 0)


def test_contours_out_of_reach_score_zero():
    assert contour_f1(np.array([1, 0, 0, 0, 0, 0]), np.array([0, 0, 0, 0, 0, 1]), radius=4) == 0


def test_an_ignored_region_is_cut_out_of_both():
    labels_true = np.array([[0, 1, 1, 1, -1, -1, -1, 2, 2, 0]])
    for inside in ([1, 1, 1], [0, 0, 0], [9, 0, 8], [1, 2, 2]):
        labels_pred = np.array([[0, 1, 1, 1, *inside, 2, 2, 0]], np.uint64)
        (score,) = contour_scores(labels_true, labels_pred, radii=(0.5,))
        assert (score.n_true, score.n_pred, score.f1) == (2, 2, 1)


def test_radii_are_physical_and_reach_their_own_multiples():
    labels_true, labels_pred = np.array([1, 0, 0, 0, 0]), np.array([0, 0, 0, 1, 0])
    assert contour_f1(labels_true, labels_pred, radius=3) == 1
    assert 3 * 0.1 > 0.3
    assert contour_f1(labels_true, labels_pred, radius=0.3, spacing=[0.1]) == 1
    assert contour_f1(labels_true, labels_pred, radius=0.29, spacing=[0.1]) == 0
    assert contour_f1(labels_true[:, None], labels_pred[:, None], radius=3, spacing=[2, 1]) == 0
    assert contour_f1(labels_true[None], labels_pred[None], radius=3, spacing=[2, 1]) == 1


def scenes(shape, seed):
    rng = np.random.default_rng(seed)
    return voronoi(shape, 4, rng), voronoi(shape, 5, rng).clip(min=0)


@pytest.mark.parametrize("shape", [(31,), (13, 17), (5, 7, 9)])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_oracle(shape, seed):
    labels_true, labels_pred = scenes(shape, seed)
    spacing = (0.1, 0.2, 0.3)[: len(shape)]
    radii = (0.1, 0.3, 0.5)
    scores = contour_scores(labels_true, labels_pred, radii=radii, spacing=spacing)
    for radius, score in zip(radii, scores, strict=True):
        precision, recall = contour_shares(labels_true, labels_pred, radius=radius, spacing=spacing)
        assert (score.precision, score.recall) == (float(precision), float(recall))
        assert score.f1 == pytest.approx(
            float(2 * precision * recall / (precision + recall)), abs=1e-15
        )
    assert 0 < scores[0].f1 < scores[2].f1


@pytest.mark.parametrize("shape", [(31,), (24, 31), (5, 12, 9)])
def test_unchanged_by_relabelling_flips_and_an_axis_more(shape):
    labels_true, labels_pred = scenes(shape, 5)
    scores = contour_scores(labels_true, labels_pred)
    renumbered = np.where(labels_true > 0, 90 - labels_true, labels_true * 3)
    assert contour_scores(renumbered, labels_pred * 70000) == scores
    assert contour_scores(labels_true[::-1], labels_pred[::-1]) == scores
    assert contour_scores(labels_true.T, labels_pred.T) == scores
    assert contour_scores(labels_true[None], labels_pred[None]) == scores


def test_exchanging_true_and_predicted_exchanges_precision_and_recall():
    labels_true, labels_pred = (labels.clip(min=0) for labels in scenes((24, 31), 6))
    ahead, back = (
        contour_scores(*pair, radii=(0.5, 1))
        for pair in ((labels_true, labels_pred), (labels_pred, labels_true))
    )
    for one, other in zip(ahead, back, strict=True):
        assert (one.precision, one.recall, one.f1) == (
            other.recall,
            other.precision,
            pytest.approx(other.f1),
        )
        assert one.precision != one.recall


def test_scores_grow_with_the_radius_up_to_one():
    labels_true, labels_pred = scenes((24, 31), 7)
    scores = contour_scores(labels_true, labels_pred, radii=(0.5, *DEFAULT_RADII, 100))
    for name in ("precision", "recall", "f1"):
        values = [getattr(score, name) for score in scores]
        assert values == sorted(values)
        assert values[0] < values[1]
        assert values[-1] == 1


def test_perfect_labels_score_one_at_every_radius():
    labels_true, _ = scenes((24, 31), 8)
    assert all(
        score.f1 == 1
        for score in contour_scores(labels_true, labels_true.clip(min=0), radii=(0.01, 3))
    )


def test_arguments_are_left_alone():
    labels_true, labels_pred = scenes((13, 17), 9)
    before = labels_true.copy(), labels_pred.copy()
    contour_scores(labels_true, labels_pred)
    assert np.array_equal(labels_true, before[0])
    assert np.array_equal(labels_pred, before[1])


def test_pooled_and_mean_scores_written_out():
    inner = np.zeros((10, 14), int)
    inner[3:6, 3:6] = 1
    within = contour_scores(square(0), inner, radii=(1,))
    assert (within[0].n_true, within[0].found_true, within[0].n_pred, within[0].right_pred) == (
        16,
        12,
        8,
        8,
    )
    shifted = contour_scores(square(0, size=3), square(2, size=5), radii=(1,))
    assert (shifted[0].n_true, shifted[0].found_true, shifted[0].n_pred, shifted[0].right_pred) == (
        8,
        5,
        16,
        5,
    )
    missed = contour_scores(square(0), square(0) * 0, radii=(1,))
    summary = summarise([within, shifted, missed])
    assert summary.per_image == (within, shifted, missed)
    (pooled,), (mean,) = summary.pooled, summary.mean
    assert (pooled.n_true, pooled.n_pred, pooled.found_true, pooled.right_pred) == (40, 24, 17, 13)
    assert (pooled.precision, pooled.recall) == (13 / 24, 17 / 40)
    assert pooled.f1 == pytest.approx(2 * (13 / 24) * (17 / 40) / (13 / 24 + 17 / 40))
    assert (mean.precision, mean.recall) == pytest.approx(
        ((1 + 5 / 16 + 0) / 3, (12 / 16 + 5 / 8 + 0) / 3)
    )
    assert mean.f1 == pytest.approx((6 / 7 + 5 / 12 + 0) / 3)
    assert json.loads(json.dumps(asdict(summary)))["pooled"][0]["found_true"] == 17


@pytest.mark.parametrize(
    "per_image",
    [[], [contour_scores(square(0), square(1)), contour_scores(square(0), square(1), radii=(1,))]],
)
def test_a_summary_needs_images_scored_alike(per_image):
    with pytest.raises(
        ValueError,
        match="per_image must hold the scores of one image or more, all at the same IoUs or",
    ):
        summarise(per_image)


@pytest.mark.parametrize("radii", [(), (0,), (1, -2), (float("nan"),), (float("inf"),)])
def test_refuses_radii_that_are_not_positive(radii):
    with pytest.raises(ValueError, match="radii must be one or more positive numbers"):
        contour_scores(square(0), square(1), radii=radii)


def test_refuses_what_cannot_be_compared():
    with pytest.raises(TypeError, match="radii must be a sequence"):
        contour_scores(square(0), square(1), radii=3)
    with pytest.raises(TypeError, match=r"^labels_pred must be integers"):
        contour_scores(square(0), square(1) > 0)
    with pytest.raises(ValueError, match=r"^labels_pred must have the shape of labels_true"):
        contour_scores(square(0), square(1)[1:])
    with pytest.raises(ValueError, match=r"^labels_pred must hold values of 0 or more"):
        contour_scores(square(0), -square(1))
    with pytest.raises(ValueError, match=r"^spacing must be 2 positive numbers"):
        contour_scores(square(0), square(1), spacing=(1, 1, 1))
