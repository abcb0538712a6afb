import dataclasses
import json
import math
import tracemalloc
import weakref

import numpy as np
import pytest

from oracles.matching import best_matching, overlap_counts
from seamwise.metrics import (
    DEFAULT_IOUS,
    match,
    match_dataset,
    match_many,
    summarise,
)

IOUS = (0.05, 0.2, 0.35, 0.5, 0.55, 0.8, 1.0)
SCORES = (
    "precision",
    "recall",
    "accuracy",
    "f1",
    "mean_true_score",
    "mean_matched_score",
    "panoptic_quality",
)


def runs(*pairs):
    """Flat label array from (label, length) pairs."""
    return np.concatenate([np.full(length, label) for label, length in pairs])


def random_pair(rng, shape):
    """Touching blocks with odd ids and ignored pixels; the prediction merges and scatters them."""
    ids = np.array([0, 4, 9, 300, 77, 12])
    coarse = rng.integers(0, 6, [-(-size // 3) for size in shape])
    blocks = np.kron(coarse, np.ones([3] * len(shape), dtype=int))[
        tuple(slice(size) for size in shape)
    ]
    noisy = np.where(rng.random(shape) < 0.3, rng.integers(0, 6, shape), blocks)
    labels_true = np.where(rng.random(shape) < 0.1, -1, ids[blocks])
    labels_pred = (rng.permutation(6) * 11)[noisy]
    return labels_true, labels_pred


def assert_scores_follow(matching, n_true, n_pred, tp, iou_sum):
    fp, fn = n_pred - tp, n_true - tp
    assert (matching.n_true, matching.n_pred) == (n_true, n_pred)
    assert (matching.tp, matching.fp, matching.fn) == (tp, fp, fn)
    expected = {
        "precision": tp / max(n_pred, 1),
        "recall": tp / max(n_true, 1),
        "accuracy": tp / max(tp + fp + fn, 1),
        "f1": 2 * tp / max(2 * tp + fp + fn, 1),
        "mean_true_score": iou_sum / max(n_true, 1),
        "mean_matched_score": iou_sum / max(tp, 1),
        "panoptic_quality": 2 * iou_sum / max(2 * tp + fp + fn, 1),
    }
    for name, value in expected.items():
        assert getattr(matching, name) == pytest.approx(float(value), rel=1e-12, abs=1e-12), name


def assert_same(matching, expected):
    for name in ("iou", "tp", "fp", "fn", "n_true", "n_pred"):
        assert getattr(matching, name) == getattr(expected, name), name
    for name in SCORES:
        assert getattr(matching, name) == pytest.approx(getattr(expected, name), rel=1e-12), name


def test_scores_written_out():
    # IoU: 1-10 has 3/4, 2-20 has 1/3, 3-30 has 2/2; object 40 is invented
    labels_true = np.array([[1, 1, 0, 2, 2, 0], [1, 1, 0, 0, 3, 3]])
    labels_pred = np.array([[10, 10, 0, 0, 20, 20], [10, 0, 40, 0, 30, 30]])
    matching = match(labels_true, labels_pred)
    assert matching.overlap_measure == "iou"
    assert matching.iou == 0.5
    assert (matching.tp, matching.fp, matching.fn) == (2, 2, 1)
    assert (matching.n_true, matching.n_pred) == (3, 4)
    assert matching.precision == 2 / 4
    assert matching.recall == 2 / 3
    assert matching.accuracy == 2 / 5
    assert matching.f1 == 2 / 3.5
    assert matching.mean_true_score == 1.75 / 3
    assert matching.mean_matched_score == matching.segmentation_quality == 1.75 / 2
    assert matching.recognition_quality == matching.f1
    assert matching.panoptic_quality == 1.75 / 3.5
    assert matching.panoptic_quality == matching.segmentation_quality * matching.recognition_quality


@pytest.mark.parametrize(("iou", "tp"), [(0.59, 1), (0.6, 1), (0.61, 0)])
def test_iou_at_the_threshold_matches(iou, tp):
    assert match(runs((1, 5)), runs((1, 3), (0, 2)), iou=iou).tp == tp


def test_default_thresholds_are_the_nearest_floats():
    assert DEFAULT_IOUS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_two_halves_tie_at_exactly_one_half():
    whole, halves = runs((1, 4)), runs((5, 2), (6, 2))
    split = match(whole, halves, iou=0.5)
    assert (split.tp, split.fp, split.fn, split.mean_matched_score) == (1, 1, 0, 0.5)
    merged = match(halves, whole, iou=0.5)
    assert (merged.tp, merged.fp, merged.fn, merged.mean_matched_score) == (1, 0, 1, 0.5)


def test_number_of_matches_comes_before_iou():
    # IoU: 1-5 and 2-6 have 17/23, 1-4 and 3-6 have 3/20, 2-5 has 3/37
    labels_true = runs((1, 20), (2, 20), (3, 3))
    labels_pred = runs((4, 3), (5, 20), (6, 20))
    all_matched = match(labels_true, labels_pred, iou=0.08)
    assert (all_matched.tp, all_matched.fp, all_matched.fn) == (3, 0, 0)
    assert all_matched.mean_matched_score == pytest.approx(
        (3 / 20 + 3 / 37 + 3 / 20) / 3, rel=1e-15
    )
    best_two = match(labels_true, labels_pred, iou=0.16)
    assert (best_two.tp, best_two.fp, best_two.fn, best_two.mean_matched_score) == (
        2,
        1,
        1,
        17 / 23,
    )


def test_iou_decides_between_as_many_matches():
    # IoU with 1: 5 has 3/10, 6 has 4/10, 7 has 3/10
    matching = match(runs((1, 10)), runs((5, 3), (6, 4), (7, 3)), iou=0.25)
    assert (matching.tp, matching.fp, matching.mean_matched_score) == (1, 2, 4 / 10)


@pytest.mark.parametrize("shape", [(40,), (9, 14), (4, 6, 7)])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_oracle(shape, seed):
    labels_true, labels_pred = random_pair(np.random.default_rng(seed), shape)
    true_areas, pred_areas, _ = overlap_counts(labels_true, labels_pred)
    for iou, matching in zip(IOUS, match_many(labels_true, labels_pred, ious=IOUS), strict=True):
        tp, iou_sum = best_matching(labels_true, labels_pred, iou)
        assert_scores_follow(matching, len(true_areas), len(pred_areas), tp, iou_sum)


@pytest.mark.parametrize("iou", IOUS)
def test_unchanged_by_relabelling_and_flips(iou):
    labels_true, labels_pred = random_pair(np.random.default_rng(3), (12, 17))
    expected = match(labels_true, labels_pred, iou=iou)
    renamed = np.where(labels_pred > 0, 2**41 - 5 * labels_pred, 0)
    changes = [
        (labels_true, renamed),
        (labels_true[::-1], labels_pred[::-1]),
        (labels_true.T, labels_pred.T),
        (labels_true[None], labels_pred[None]),
    ]
    for changed_true, changed_pred in changes:
        assert_same(match(changed_true, changed_pred, iou=iou), expected)


@pytest.mark.parametrize("iou", IOUS)
def test_exchanging_true_and_predicted_exchanges_precision_and_recall(iou):
    labels_true, labels_pred = random_pair(np.random.default_rng(1), (12, 17))
    labels_true = np.maximum(labels_true, 0)
    labels_pred[labels_pred == 44] = 0
    forth = match(labels_true, labels_pred, iou=iou)
    back = match(labels_pred, labels_true, iou=iou)
    assert (forth.n_true, forth.n_pred) == (5, 4)
    assert (forth.precision, forth.recall, forth.fp, forth.fn) == (
        back.recall,
        back.precision,
        back.fn,
        back.fp,
    )
    for name in ("accuracy", "f1", "mean_matched_score", "panoptic_quality"):
        assert getattr(forth, name) == pytest.approx(getattr(back, name), rel=1e-12)


def test_a_perfect_prediction_scores_one():
    labels_true, _ = random_pair(np.random.default_rng(0), (9, 14))
    labels_pred = np.maximum(labels_true, 0)
    for matching in match_many(labels_true, labels_pred, ious=(0.3, 0.5, 1.0)):
        assert all(getattr(matching, name) == 1 for name in SCORES)


def test_ignored_pixels_change_nothing():
    labels_true, labels_pred = runs((1, 4), (0, 2), (-1, 4)), runs((1, 3), (0, 3), (1, 2), (7, 2))
    assert match(labels_true, labels_pred) == match(labels_true[:6], labels_pred[:6])


def test_a_blank_image_predicted_blank_is_right():
    blank = np.zeros((3, 4), dtype=int)
    for matching in match_many(blank, blank, ious=(0.5, 0.75)):
        assert (matching.tp, matching.fp, matching.fn, matching.n_true, matching.n_pred) == (
            0,
            0,
            0,
            0,
            0,
        )
        assert [getattr(matching, name) for name in SCORES] == [1, 1, 1, 1, 0, 0, 1]


def test_objects_on_one_side_only_score_zero():
    blank, object_ = np.zeros(3, dtype=int), np.array([0, 1, 1])
    for iou in (0.5, 0.75):
        missed, invented = (match(*p, iou=iou) for p in ((object_, blank), (blank, object_)))
        assert (missed.fp, missed.fn) == (0, 1)
        assert (invented.fp, invented.fn) == (1, 0)
        assert all(getattr(missed, name) == getattr(invented, name) == 0 for name in SCORES)


def test_one_threshold_equals_many():
    labels_true, labels_pred = random_pair(np.random.default_rng(5), (9, 14))
    many = match_many(labels_true, labels_pred)
    assert tuple(matching.iou for matching in many) == DEFAULT_IOUS
    assert many == tuple(match(labels_true, labels_pred, iou=each) for each in DEFAULT_IOUS)


def test_pooled_and_mean_scores_written_out():
    crowded = np.array([1, 1, 2, 2, 3, 3, 4, 4]), np.array([1, 1, 2, 2, 3, 3, 0, 0])
    sparse = np.array([1, 1, 1, 1]), np.array([9, 9, 9, 0])
    blank = np.zeros((2, 2), dtype=int), np.zeros((2, 2), dtype=int)
    result = match_dataset([crowded, sparse, blank], ious=(0.5, 0.8))
    assert result.per_image == tuple(
        match_many(*each, ious=(0.5, 0.8)) for each in (crowded, sparse, blank)
    )

    assert_scores_follow(result.pooled[0], n_true=5, n_pred=4, tp=4, iou_sum=3.75)
    assert_scores_follow(result.pooled[1], n_true=5, n_pred=4, tp=3, iou_sum=3)
    assert (
        [pooled.iou for pooled in result.pooled] == [mean.iou for mean in result.mean] == [0.5, 0.8]
    )

    at_half, at_eight_tenths = result.mean
    assert at_half.precision == 1
    assert at_half.recall == at_half.accuracy == pytest.approx((3 / 4 + 1 + 1) / 3)
    assert at_half.f1 == at_half.recognition_quality == pytest.approx((6 / 7 + 1 + 1) / 3)
    assert at_half.mean_true_score == pytest.approx((3 / 4 + 3 / 4 + 0) / 3)
    assert at_half.segmentation_quality == pytest.approx((1 + 3 / 4 + 0) / 3)
    assert at_half.panoptic_quality == pytest.approx((6 / 7 + 3 / 4 + 1) / 3)
    assert at_eight_tenths.accuracy == pytest.approx((3 / 4 + 0 + 1) / 3)


def test_one_image_is_its_own_summary():
    pair = random_pair(np.random.default_rng(2), (9, 14))
    result = match_dataset([pair])
    for single, pooled, mean in zip(match_many(*pair), result.pooled, result.mean, strict=True):
        assert_same(pooled, single)
        assert all(getattr(mean, name) == getattr(single, name) for name in SCORES)


def test_dataset_holds_one_pair_at_a_time():
    previous = []

    def fresh_pair():
        labels = np.ones((4, 5), dtype=int)
        previous.append(weakref.ref(labels))
        return labels, labels

    def pairs():
        for _ in range(3):
            assert all(array() is None for array in previous)
            yield fresh_pair()

    assert match_dataset(pairs()).pooled[0].tp == 3


def test_results_are_plain_json():
    pair = random_pair(np.random.default_rng(0), (9, 14))
    result = dataclasses.asdict(
        match_dataset([pair, pair], ious=np.array([0.4, 0.5], dtype=np.float32))
    )
    assert json.loads(json.dumps(result))["pooled"][1]["iou"] == 0.5
    for value in result["pooled"][0].values():
        assert type(value) in (int, float, str)


@pytest.mark.parametrize("iou", [0.05, 0.3, 0.6])
def test_ten_thousand_objects_fit_in_little_memory(iou):
    labels_true = np.kron(np.arange(1, 10_001).reshape(100, 100), np.ones((4, 4), dtype=int))
    labels_pred = np.roll(labels_true, 1, axis=1)
    tracemalloc.start()
    matching = match(labels_true, labels_pred, iou=iou)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (matching.tp, matching.mean_matched_score) == (10_000, pytest.approx(12 / 20))
    # a dense table of 10,000 x 10,000 bytes alone would be 100 MB
    assert peak < 20e6


@pytest.mark.parametrize("iou", [0, -0.5, 1.01, float("nan")])
def test_refuses_thresholds_outside_zero_to_one(iou):
    labels = np.array([0, 1])
    with pytest.raises(ValueError, match=r"^iou must be in \(0, 1\], not "):
        match(labels, labels, iou=iou)
    with pytest.raises(ValueError, match=r"^ious must be in \(0, 1\], not "):
        match_many(labels, labels, ious=(0.5, iou))


def test_refuses_other_types_of_thresholds():
    labels = np.array([0, 1])
    with pytest.raises(TypeError, match=r"^iou must be a number .* not \(0\.5, 0\.6\): match_many"):
        match(labels, labels, iou=(0.5, 0.6))
    with pytest.raises(
        TypeError, match=r"^ious must be a sequence of numbers, not 0\.5: use match"
    ):
        match_many(labels, labels, ious=0.5)
    with pytest.raises(TypeError, match=r"^ious must be a number"):
        match_many(labels, labels, ious=("0.5",))
    with pytest.raises(ValueError, match=r"^ious must hold at least one"):
        match_dataset([(labels, labels)], ious=())


def test_refuses_a_mask():
    with pytest.raises(TypeError, match=r"^labels_pred must be integers .* not bool"):
        match(np.array([0, 1]), np.array([False, True]))


def test_dataset_names_the_pair_at_fault():
    good = np.array([0, 1])
    with pytest.raises(ValueError, match=r"^pairs\[1\]: labels_pred must have the shape"):
        match_dataset([(good, good), (good, good[:1])])
    with pytest.raises(TypeError, match=r"^pairs\[0\]: labels_true must be integers"):
        match_dataset([(good > 0, good)])


def test_refuses_a_dataset_without_images():
    with pytest.raises(ValueError, match=r"^pairs must hold at least one"):
        match_dataset(iter([]))


def test_the_thesis_excludes_exactly_one_half():
    labels_true, labels_pred = np.array([1, 1, 0, 2]), np.array([1, 0, 0, 2])  # IoU 1/2 and 1
    assert match(labels_true, labels_pred).precision == 1
    assert match(labels_true, labels_pred, iou=math.nextafter(0.5, 1)).precision == 0.5


def test_a_summary_needs_images_matched_alike():
    labels = np.array([1, 0, 2])
    for per_image in (
        [],
        [match_many(labels, labels), match_many(labels, labels, ious=(0.5,))],
    ):
        with pytest.raises(ValueError, match="per_image must hold the scores of one image or more"):
            summarise(per_image)
