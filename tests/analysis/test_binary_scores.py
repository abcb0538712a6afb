from dataclasses import astuple, replace
from math import nan, sqrt

import numpy as np
import pytest

from seamwise.analysis import (
    BinaryClassifier,
    BinaryScores,
    binary_scores,
    expected_scores,
    sampled_scores,
    stratified_classifier,
    uniform_classifier,
    youden_mcc_correlation,
)

PREVALENCE = np.array([0.5, 0.25, 0.1, 0.01])
GOOD = BinaryClassifier(0.9, 0.9)
SKEWED = BinaryClassifier(0.6, 0.95)


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


def test_refuses_counts_that_are_none():
    with pytest.raises(ValueError, match="false_positive must be numbers ≥ 0, not -1"):
        binary_scores(1, -1, 1, 1)
    with pytest.raises(ValueError, match="true_negative must be numbers ≥ 0, not nan"):
        binary_scores(1, 1, 1, nan)
    with pytest.raises(TypeError, match="true_positive must be real numbers, not complex128"):
        binary_scores(1j, 1, 1, 1)
    with pytest.raises(
        ValueError,
        match=r"true_positive, .* must have shapes that fit each other, not \(2,\) and \(3,\)",
    ):
        binary_scores([1, 2], [1, 2, 3], 1, 1)
    for wrong in ({"alpha": -1}, {"beta": 0}, {"beta": nan}):
        with pytest.raises(ValueError, match="alpha must be ≥ 0 and beta > 0"):
            binary_scores(1, 1, 1, 1, **wrong)


@pytest.mark.parametrize("scores", [expected_scores, lambda *given: sampled_scores(*given, rng=0)])
def test_refuses_shares_beyond_their_range(scores):
    for wrong in (0, 1, [0.5, 50], nan):
        with pytest.raises(ValueError, match=r"prevalence must be shares in \(0, 1\), not"):
            scores(wrong, GOOD)
    with pytest.raises(ValueError, match=r"prevalence must be shares in \(0, 1\), not 1"):
        stratified_classifier(1)
    with pytest.raises(TypeError, match="prevalence must be real numbers, not <U1"):
        scores("a", GOOD)
    with pytest.raises(ValueError, match=r"true_positive_rate must be shares in \[0, 1\], not 90"):
        scores(0.5, BinaryClassifier(90, 0.9))
    with pytest.raises(
        ValueError, match=r"true_negative_rate must be shares in \[0, 1\], not -0.1"
    ):
        scores(0.5, BinaryClassifier(1, [0.9, -0.1]))
    with pytest.raises(
        ValueError,
        match=r"prevalence, .* must have shapes that fit each other, not \(4,\) and \(2,\)",
    ):
        scores(PREVALENCE, BinaryClassifier([0.1, 0.2], 0.9))


def test_refuses_other_numbers_of_draws():
    with pytest.raises(ValueError, match="pixels must be 1 or more, not 0"):
        sampled_scores(0.5, GOOD, rng=0, pixels=0)
    with pytest.raises(TypeError, match="draws must be an integer, not "):
        sampled_scores(0.5, GOOD, rng=0, draws=2.0)
    with pytest.raises(ValueError, match="scores must have an axis of draws"):
        youden_mcc_correlation(expected_scores(0.5, GOOD))
