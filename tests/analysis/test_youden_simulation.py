from dataclasses import astuple, replace
from math import log, nan, sqrt

import numpy as np
import pytest
import torch

from oracles.losses import youden_slow
from seamwise.analysis import (
    BinaryClassifier,
    BinaryScores,
    binary_scores,
    expected_scores,
    loss_course,
    sampled_scores,
    shrinking_mask,
    stratified_classifier,
    touching_pair,
    uniform_classifier,
    youden_mcc_correlation,
)
from seamwise.labels import BACKGROUND, CELL, GAP, TOUCHING
from seamwise.losses import youden

PREVALENCE = np.array([0.5, 0.25, 0.1, 0.01])
GOOD = BinaryClassifier(0.9, 0.9)
SKEWED = BinaryClassifier(0.6, 0.95)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_counts(shape=(50,), seed=0):
    return np.random.default_rng(seed).integers(1, 90, (4, *shape))


def test_scores_written_out():
    scores = binary_scores(6, 2, 4, 8)
    assert scores.youden == pytest.approx(0.6 + 0.8 - 1)
    assert scores.mcc == pytest.approx((6 * 8 - 2 * 4) / sqrt(8 * 10 * 10 * 12))
    assert scores.jaccard == pytest.approx(6 / 12)
    assert scores.f1 == pytest.approx(12 / 18)
    assert scores.tversky == pytest.approx(6 / (6 + 0.3 * 2 + 0.7 * 4))
    assert scores.accuracy == pytest.approx(14 / 20)
    assert binary_scores(6, 2, 4, 8, alpha=2, beta=0.5).tversky == pytest.approx(6 / (6 + 4 + 2))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 0, 0, 5), (1, 1, 1, 1, 1, 1)),
        ((0, 5, 5, 0), (-1, -1, 0, 0, 0, 0)),
        ((0, 0, 4, 6), (0, 0, 0, 0, 0, 0.6)),  # nothing found
        ((4, 6, 0, 0), (0, 0, 0.4, 4 / 7, 4 / (4 + 1.8), 0.4)),  # everything found
        ((0, 0, 0, 9), (nan, nan, nan, nan, nan, 1)),  # nothing there, nothing found
        ((0, 3, 0, 6), (nan, nan, 0, 0, 0, 2 / 3)),
        ((9, 0, 0, 0), (nan, nan, 1, 1, 1, 1)),
        ((6, 0, 3, 0), (nan, nan, 2 / 3, 0.8, 6 / (6 + 2.1), 2 / 3)),
        ((0, 0, 0, 0), (nan,) * 6),
    ],
)
def test_perfect_wrong_and_absent_classes(counts, expected):
    assert astuple(binary_scores(*counts)) == pytest.approx(expected, nan_ok=True)


def test_mcc_is_the_correlation_of_truth_and_prediction():
    for counts in random_counts().T:
        truth, prediction = np.repeat([[1, 0, 1, 0], [1, 1, 0, 0]], counts, axis=1)
        assert binary_scores(*counts).mcc == pytest.approx(np.corrcoef(truth, prediction)[0, 1])


def test_shares_are_as_good_as_counts():
    counts = random_counts()
    for one, other in zip(
        astuple(binary_scores(*counts)),
        astuple(binary_scores(*(counts / counts.sum(axis=0)))),
        strict=True,
    ):
        assert one == pytest.approx(other)


def test_some_scores_ask_both_classes_alike():
    tp, fp, fn, tn = random_counts()
    one, other = binary_scores(tp, fp, fn, tn), binary_scores(tn, fn, fp, tp)
    for name in ("youden", "mcc", "accuracy"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    for name in ("jaccard", "f1", "tversky"):
        assert np.abs(getattr(one, name) - getattr(other, name)).max() > 0.1


def test_counts_of_any_number_type():
    assert binary_scores(*np.array([200, 100, 100, 200], np.uint8)).accuracy == pytest.approx(2 / 3)
    huge = binary_scores(*np.array([6, 2, 4, 8]) * 10**15)
    assert huge.mcc == pytest.approx(binary_scores(6, 2, 4, 8).mcc)
    assert binary_scores([True, False], 0, 0, 1).accuracy.tolist() == [1, 1]


def test_only_youden_keeps_its_value_when_a_class_becomes_rare():
    scores = expected_scores(PREVALENCE, GOOD)
    assert scores.youden == pytest.approx([0.8] * 4)
    assert scores.mcc.round(2).tolist() == [0.8, 0.76, 0.62, 0.26]
    assert expected_scores(PREVALENCE, SKEWED).youden == pytest.approx([0.55] * 4)
    scores = expected_scores(PREVALENCE, SKEWED)
    for name in ("mcc", "jaccard", "f1", "tversky", "accuracy"):
        assert np.ptp(getattr(scores, name)) > 0.1


def test_blind_classifiers_written_out():
    c1 = expected_scores(PREVALENCE, stratified_classifier(PREVALENCE))
    c3 = expected_scores(PREVALENCE, uniform_classifier())
    for scores in (c1, c3):
        assert scores.youden == pytest.approx(np.zeros(4), abs=1e-15)
        assert scores.mcc == pytest.approx(np.zeros(4), abs=1e-15)
    assert c1.accuracy == pytest.approx(PREVALENCE**2 + (1 - PREVALENCE) ** 2)
    assert c1.f1 == pytest.approx(PREVALENCE)
    assert c1.tversky == pytest.approx(PREVALENCE)  # as many false positives as false negatives
    assert c1.jaccard == pytest.approx(PREVALENCE / (2 - PREVALENCE))
    assert c3.accuracy == pytest.approx([0.5] * 4)
    assert c3.f1 == pytest.approx(PREVALENCE / (PREVALENCE + 0.5))
    assert c3.jaccard == pytest.approx(PREVALENCE / (PREVALENCE + 1))
    assert c3.tversky == pytest.approx(
        PREVALENCE / (PREVALENCE + 0.3 * (1 - PREVALENCE) + 0.7 * PREVALENCE)
    )


def test_mcc_is_youden_times_a_ratio_of_spreads():
    rng = np.random.default_rng(0)
    prevalence, tpr, tnr = rng.uniform(0.01, 0.99, (3, 40))
    scores = expected_scores(prevalence, BinaryClassifier(tpr, tnr))
    found = prevalence * tpr + (1 - prevalence) * (1 - tnr)
    ratio = np.sqrt(prevalence * (1 - prevalence) / (found * (1 - found)))
    assert scores.youden == pytest.approx(tpr + tnr - 1)
    assert scores.mcc == pytest.approx(scores.youden * ratio)


def test_rates_and_prevalences_span_a_table():
    scores = expected_scores(PREVALENCE[:, None], BinaryClassifier([0.5, 0.9, 1], 0.8))
    assert scores.mcc.shape == (4, 3)
    assert scores.mcc[2, 1] == pytest.approx(expected_scores(0.1, BinaryClassifier(0.9, 0.8)).mcc)
    drawn = sampled_scores(
        PREVALENCE[:, None], BinaryClassifier([0.5, 0.9, 1], 0.8), rng=0, draws=7
    )
    assert drawn.mcc.shape == (4, 3, 7)
    assert sampled_scores(0.5, GOOD, rng=0, draws=7).mcc.shape == (7,)


@pytest.mark.parametrize("draw_truth", [True, False])
@pytest.mark.parametrize(
    "classifier", [GOOD, SKEWED, stratified_classifier(PREVALENCE), uniform_classifier()]
)
def test_a_large_sample_is_as_expected(classifier, draw_truth):
    drawn = sampled_scores(
        PREVALENCE, classifier, rng=0, pixels=10**6, draws=20, draw_truth=draw_truth
    )
    for one, other in zip(
        astuple(drawn), astuple(expected_scores(PREVALENCE, classifier)), strict=True
    ):
        assert one.mean(axis=-1) == pytest.approx(other, abs=0.003)


def test_the_mean_of_small_samples_is_as_expected_for_youden_only():
    drawn = sampled_scores(0.05, GOOD, rng=0, pixels=30, draws=20_000)
    expected = expected_scores(0.05, GOOD)
    assert np.nanmean(drawn.youden) == pytest.approx(expected.youden, abs=0.003)
    assert abs(np.nanmean(drawn.mcc) - expected.mcc) > 0.01


def test_the_truth_is_drawn_or_not():
    everything = BinaryClassifier(1, 0)  # accuracy is then the share of positive pixels
    fixed = sampled_scores([0.5, 0.03], everything, rng=0, pixels=100, draws=50, draw_truth=False)
    assert fixed.accuracy.tolist() == [[0.5] * 50, [0.03] * 50]
    drawn = sampled_scores([0.5, 0.03], everything, rng=0, pixels=100, draws=4000)
    assert drawn.accuracy.mean(axis=-1) == pytest.approx([0.5, 0.03], abs=0.003)
    assert drawn.accuracy.std(axis=-1) == pytest.approx(
        [sqrt(0.5 * 0.5 / 100), sqrt(0.03 * 0.97 / 100)], rel=0.05
    )


def test_the_pixels_are_drawn_one_by_one():
    drawn = sampled_scores(0.25, SKEWED, rng=0, pixels=400, draws=10_000, draw_truth=False)
    spread = sqrt(0.6 * 0.4 / 100 + 0.95 * 0.05 / 300)
    assert drawn.youden.std() == pytest.approx(spread, rel=0.05)


def test_an_image_without_a_positive_pixel_has_no_youden():
    drawn = sampled_scores(0.01, GOOD, rng=0, pixels=20, draws=5000)
    assert np.isnan(drawn.youden).mean() == pytest.approx(0.99**20, abs=0.02)
    assert np.array_equal(np.isnan(drawn.youden), np.isnan(drawn.mcc))


def test_the_seed_decides():
    one, again, other = (
        sampled_scores(PREVALENCE, GOOD, rng=seed, draws=9).mcc for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    generator = np.random.default_rng(1)
    assert np.array_equal(sampled_scores(PREVALENCE, GOOD, rng=generator, draws=9).mcc, one)
    assert not np.array_equal(sampled_scores(PREVALENCE, GOOD, rng=generator, draws=9).mcc, one)


def scores_of(youden, mcc):
    youden = np.array(youden, float)
    return BinaryScores(youden, np.array(mcc, float), *[np.zeros_like(youden)] * 4)


def test_correlation_written_out():
    assert youden_mcc_correlation(scores_of([1, 2, 3], [2, 4, 6])) == pytest.approx(1)
    assert youden_mcc_correlation(scores_of([1, 2, 3], [5, 4, 3])) == pytest.approx(-1)
    # deviations −1 0 1 and −4/3 −1/3 5/3: 3 / √(2 · 42/9)
    assert youden_mcc_correlation(scores_of([1, 2, 3], [0, 1, 3])) == pytest.approx(
        3 / sqrt(2 * 42 / 9)
    )
    rows = youden_mcc_correlation(scores_of([[1, 2, 3]] * 2, [[2, 4, 6], [5, 4, 3]]))
    assert rows == pytest.approx([1, -1])
    assert youden_mcc_correlation(scores_of(np.ones((3, 2, 4)), np.ones((3, 2, 4)))).shape == (3, 2)


def test_correlation_leaves_out_what_has_no_score():
    assert youden_mcc_correlation(scores_of([1, nan, 2, 3], [0, nan, 1, 3])) == pytest.approx(
        3 / sqrt(2 * 42 / 9)
    )
    assert youden_mcc_correlation(scores_of([1, 9, 2, 3], [0, nan, 1, 3])) == pytest.approx(
        3 / sqrt(2 * 42 / 9)
    )
    rows = [
        ([nan, nan], [nan, nan]),
        ([1, nan, nan], [1, nan, nan]),
        ([1, 2, 3], [4, 4, 4]),
        ([2, 2, nan], [1, 2, nan]),
    ]
    for youden_values, mcc_values in rows:
        assert np.isnan(youden_mcc_correlation(scores_of(youden_values, mcc_values)))
    perfect = sampled_scores(0.5, BinaryClassifier(1, 1), rng=0, draws=8)
    assert np.isnan(youden_mcc_correlation(perfect))


def test_correlation_of_a_coin_falls_only_where_few_pixels_are_positive_and_their_number_varies():
    prevalence = [0.5, 0.25, 0.01]
    drawn = sampled_scores(prevalence, uniform_classifier(), rng=0, pixels=350, draws=20_000)
    assert youden_mcc_correlation(drawn) == pytest.approx([1, 0.9995, 0.958], abs=0.004)
    fixed = sampled_scores(
        prevalence, uniform_classifier(), rng=0, pixels=350, draws=2000, draw_truth=False
    )
    assert youden_mcc_correlation(fixed) == pytest.approx([1, 1, 1], abs=1e-4)
    large = sampled_scores(prevalence, uniform_classifier(), rng=0, pixels=10_000, draws=2000)
    assert youden_mcc_correlation(large) == pytest.approx([1, 1, 1], abs=0.003)


def test_correlation_of_a_classifier_that_knows_something_falls_far():
    for pixels in (350, 10_000):
        drawn = sampled_scores([0.5, 0.25, 0.01], GOOD, rng=0, pixels=pixels, draws=5000)
        assert youden_mcc_correlation(drawn) == pytest.approx([1, 0.92, 0.61], abs=0.03)


def test_the_printed_correlation_is_near_that_of_a_stratified_guess():
    drawn = sampled_scores(
        [0.25, 0.01], stratified_classifier([0.25, 0.01]), rng=0, pixels=300, draws=20_000
    )
    assert youden_mcc_correlation(drawn) == pytest.approx([0.9988, 0.925], abs=0.005)


def test_the_printed_correlation_counts_images_without_a_positive_pixel():
    drawn = sampled_scores(0.01, uniform_classifier(), rng=0, pixels=350, draws=100_000)
    empty = np.isnan(drawn.youden)
    false_positive_rate = 1 - drawn.accuracy
    with_empty = replace(
        drawn,
        youden=np.where(empty, -false_positive_rate, drawn.youden),
        mcc=np.where(empty, 0, drawn.mcc),
    )
    assert youden_mcc_correlation(with_empty) == pytest.approx(0.92, abs=0.005)


def test_touching_pair_has_all_classes_and_two_mirrors():
    target = touching_pair(radius=12)
    assert target.shape == (54, 72)
    assert np.unique(target).tolist() == [BACKGROUND, CELL, TOUCHING, GAP]
    assert np.array_equal(target, target[::-1])
    assert np.array_equal(target, target[:, ::-1])
    assert (target[:, 35:37] != CELL).all()  # the seam
    assert (target[27] == CELL).sum() == pytest.approx(2 * (1 + 0.85) * 12 - 4, abs=2)
    assert (target[[0, -1]] == BACKGROUND).all()
    assert np.unique(touching_pair(classes=3)).tolist() == [BACKGROUND, CELL, TOUCHING]
    assert np.unique(touching_pair(radius=4, classes=2)).tolist() == [BACKGROUND, CELL]


def test_mask_written_out():
    # background 0 0 0, cell 1, touching 2: of margin 2 at t = 0, 1 at 1, fitted at 2
    drawn = shrinking_mask(
        np.array([0, 0, 0, 1, 2]), iterations=5, fitted=2, margin=2, start=0.4, top=0.7
    )
    z = drawn.probabilities
    assert z.shape == (5, 3, 5)
    likely, other = 0.2 + 0.4, 0.2  # at first all alike: (1 − 0.4)/3, and 0.4 more
    assert z[0, 1] == pytest.approx([other, likely, likely, likely, likely])
    assert z[0, 0] == pytest.approx([likely, other, other, other, other])
    # background is the larger class and has its full confidence 0.7 at t = 1, cell 0.55
    assert z[1, 0] == pytest.approx([0.8, 0.8, 0.15, 0.15, 0.15])
    assert z[1, 1] == pytest.approx([0.1, 0.1, 0.7, 0.7, 0.7])
    # fitted; touching then takes over in two steps
    assert z[2, 1] == pytest.approx([0.1, 0.1, 0.1, 0.8, 0.8])
    assert z[3, 1] == pytest.approx([0.1, 0.1, 0.1, 0.8, 0.45])
    assert z[3, 2] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.45])
    assert z[4, 2] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.8])


def test_mask_shrinks_until_it_fits_and_only_then_the_seams_appear():
    target = touching_pair()
    z = shrinking_mask(target, margin=16).probabilities
    assert z.shape == (60, 4, *target.shape)
    assert np.allclose(z.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert z.min() > 0
    decided = z.argmax(axis=1)
    sizes = (decided == CELL).sum(axis=(1, 2))
    assert (np.diff(sizes) <= 0).all()
    assert sizes[0] > 2 * sizes[40]
    assert np.array_equal(decided[40], target > 0)
    assert np.array_equal(decided[59], target)
    assert set(np.unique(decided[:45])) == {BACKGROUND, CELL}
    # majority classes are certain first: background, cell, touching, gap
    certain = [
        (z[:, number].max(axis=(1, 2)) > 0.99).argmax()
        for number in (BACKGROUND, CELL, TOUCHING, GAP)
    ]
    assert certain == [20, 40, 50, 59]


def test_mask_in_one_and_three_dimensions_and_with_ignored_pixels():
    flat = touching_pair(radius=6)
    plane = shrinking_mask(flat).probabilities
    stack = shrinking_mask(flat[None]).probabilities
    assert np.array_equal(stack[:, :, 0], plane)
    ignored = shrinking_mask(np.array([0, 0, 1, -1, -2]), iterations=3, fitted=2, margin=0)
    assert ignored.probabilities.shape == (3, 2, 5)
    assert ignored.probabilities.argmax(axis=1)[-1].tolist() == [0, 0, 1, 0, 0]
    # two pixels of background and one of cell: background is certain first
    assert (ignored.probabilities[1, [0, 1], [0, 2]] > 0.99).tolist() == [True, False]
    assert ignored.target.tolist() == [0, 0, 1, -1, -2]


def test_course_written_out():
    # two pixels of two classes, nothing known, then three quarters
    course = loss_course(
        [[[0.5, 0.5], [0.5, 0.5]], [[0.75, 0.25], [0.25, 0.75]]], np.array([0, 1]), lam=2
    )
    assert course.cross_entropy == pytest.approx([log(2), log(4 / 3)])
    assert course.cross_entropy_gradient == pytest.approx(
        [0.5, 0.25]
    )  # of z − y over two pixels, four times
    # both pairs have log((1 + M_ii − M_ik)/2) = log z; d log z / d logit = 1 − z, halved by each of the two pixels
    assert course.youden == pytest.approx([4 * log(2), 4 * log(4 / 3)])
    assert course.youden_gradient == pytest.approx([2 * 2 * 0.5, 2 * 2 * 0.25])


def test_course_equals_plain_formulas():
    rng = np.random.default_rng(0)
    z = rng.dirichlet([1, 2, 3], (4, 30)).transpose(0, 2, 1)
    target = rng.integers(-1, 3, 30)
    course = loss_course(z, target, lam=0.3)
    valid = target >= 0
    for t in range(4):
        own = z[t][:, valid] - np.eye(3)[target[valid]].T
        assert course.cross_entropy_gradient[t] == pytest.approx(np.linalg.norm(own) / valid.sum())
        assert course.cross_entropy[t] == pytest.approx(
            -np.log(z[t, target[valid], np.flatnonzero(valid)]).mean()
        )
        logits, truth = torch.from_numpy(np.log(z[t]))[None], torch.from_numpy(target)[None]
        assert course.youden[t] == pytest.approx(youden_slow(logits, truth, lam=[[0.3] * 3] * 3))
        steps = 1e-6 * torch.eye(90, dtype=torch.float64).reshape(90, 1, 3, 30)
        slopes = [
            (youden(logits + s, truth, lam=0.3) - youden(logits - s, truth, lam=0.3)) / 2e-6
            for s in steps
        ]
        assert course.youden_gradient[t] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


def test_youden_pulls_where_cross_entropy_has_let_go():
    drawn = shrinking_mask(touching_pair())
    course = loss_course(drawn.probabilities, drawn.target)
    assert (np.diff(course.youden) < 0).all()
    # while the mask shrinks cross entropy falls to a tenth, J by less than a third
    assert course.cross_entropy[40] < 0.1 * course.cross_entropy[0]
    assert course.youden[40] > 0.7 * course.youden[0]
    # J has all but let go when the mask fits, and pulls when the seam begins to show
    assert course.youden_gradient[:50].argmin() == 40
    assert course.youden_gradient[46] > 100 * course.youden_gradient[40]
    assert course.youden_gradient[46] > 100 * course.cross_entropy_gradient[46]
    assert (
        course.cross_entropy_gradient[46]
        < course.cross_entropy_gradient[40]
        < course.cross_entropy_gradient[0] / 4
    )
    # at the very end both are done
    assert course.cross_entropy[-1] < 0.001
    assert course.youden[-1] < 0.005


def test_cross_entropy_leads_before_the_fit_only_if_the_network_starts_certain():
    target = touching_pair()
    behind = {}
    for start in (0.5, 0.99):
        course = loss_course(shrinking_mask(target, start=start).probabilities, target)
        behind[start] = np.flatnonzero(
            course.youden_gradient < course.cross_entropy_gradient
        ).tolist()
    assert behind == {0.5: [40], 0.99: list(range(41))}


def test_refuses_counts_that_are_none():
    with pytest.raises(ValueError, match="false_positive: expected numbers ≥ 0, got -1"):
        binary_scores(1, -1, 1, 1)
    with pytest.raises(ValueError, match="true_negative: expected numbers ≥ 0, got nan"):
        binary_scores(1, 1, 1, nan)
    with pytest.raises(TypeError, match="true_positive: expected real numbers, got complex128"):
        binary_scores(1j, 1, 1, 1)
    with pytest.raises(
        ValueError,
        match=r"true_positive, .*: expected shapes that fit each other, got \(2,\) and \(3,\)",
    ):
        binary_scores([1, 2], [1, 2, 3], 1, 1)
    for wrong in ({"alpha": -1}, {"beta": 0}, {"beta": nan}):
        with pytest.raises(ValueError, match="alpha, beta: expected alpha ≥ 0 and beta > 0"):
            binary_scores(1, 1, 1, 1, **wrong)


@pytest.mark.parametrize("scores", [expected_scores, lambda *given: sampled_scores(*given, rng=0)])
def test_refuses_shares_beyond_their_range(scores):
    for wrong in (0, 1, [0.5, 50], nan):
        with pytest.raises(ValueError, match=r"prevalence: expected shares in \(0, 1\), got"):
            scores(wrong, GOOD)
    with pytest.raises(ValueError, match=r"prevalence: expected shares in \(0, 1\), got 1"):
        stratified_classifier(1)
    with pytest.raises(TypeError, match="prevalence: expected real numbers, got <U1"):
        scores("a", GOOD)
    with pytest.raises(
        ValueError, match=r"true_positive_rate: expected shares in \[0, 1\], got 90"
    ):
        scores(0.5, BinaryClassifier(90, 0.9))
    with pytest.raises(
        ValueError, match=r"true_negative_rate: expected shares in \[0, 1\], got -0.1"
    ):
        scores(0.5, BinaryClassifier(1, [0.9, -0.1]))
    with pytest.raises(
        ValueError,
        match=r"prevalence, .*: expected shapes that fit each other, got \(4,\) and \(2,\)",
    ):
        scores(PREVALENCE, BinaryClassifier([0.1, 0.2], 0.9))


def test_refuses_other_numbers_of_draws():
    with pytest.raises(ValueError, match="pixels: expected 1 or more, got 0"):
        sampled_scores(0.5, GOOD, rng=0, pixels=0)
    with pytest.raises(TypeError, match="draws: expected an integer, got "):
        sampled_scores(0.5, GOOD, rng=0, draws=2.0)
    with pytest.raises(ValueError, match="scores: expected an axis of draws"):
        youden_mcc_correlation(expected_scores(0.5, GOOD))


def test_refuses_masks_that_cannot_shrink():
    target = touching_pair(radius=4)
    with pytest.raises(ValueError, match="radius: expected 4 or more, got 3"):
        touching_pair(radius=3)
    with pytest.raises(TypeError, match="target: expected class numbers as integers, got float64"):
        shrinking_mask(np.zeros((3, 3)))
    with pytest.raises(
        ValueError, match=r"target: expected pixels of background \(0\) and cell \(1\), .* \[0, 2\]"
    ):
        shrinking_mask(np.array([0, 2]))
    with pytest.raises(ValueError, match="iterations: expected more than fitted = 40, got 40"):
        shrinking_mask(target, iterations=40)
    with pytest.raises(TypeError, match="fitted: expected an integer, got "):
        shrinking_mask(target, fitted=1.5)
    with pytest.raises(ValueError, match="margin: expected a number of pixels ≥ 0, got -1"):
        shrinking_mask(target, margin=-1)
    for wrong in ({"start": -0.1}, {"top": 1}, {"start": 0.9, "top": 0.8}):
        with pytest.raises(ValueError, match="start, top: expected 0 ≤ start ≤ top < 1"):
            shrinking_mask(target, **wrong)


def test_refuses_what_are_no_probabilities():
    with pytest.raises(
        ValueError, match=r"probabilities: expected \(iterations, classes, \*S\), got \(2, 2\)"
    ):
        loss_course([[0.5, 0.5]] * 2, np.array([0, 1]))
    for wrong in ([[[1.0], [0.0]]], [[[0.5], [0.6]]], [[[nan], [0.5]]]):
        with pytest.raises(
            ValueError, match="probabilities: expected numbers > 0 whose sum over the classes"
        ):
            loss_course(wrong, np.array([0]))
    with pytest.raises(ValueError, match="target must be"):
        loss_course([[[0.5, 0.5]] * 2], np.array([0]))
    with pytest.raises(TypeError, match="target: expected class numbers as integers"):
        loss_course([[[0.5]] * 2], np.array([0.0]))
