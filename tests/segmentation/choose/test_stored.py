"""Thresholds for probabilities that were computed before."""

import numpy as np
import pytest

from seamwise.decode import threshold
from seamwise.io import DecodeRule, ReliefPair, write_image, write_labels
from seamwise.metrics import match_dataset
from seamwise.segmentation import decode_maps, tune_stored
from seamwise.segmentation.rule_files import write_rule
from support.files import one_line
from support.leaky import leaky, tiles

SEEDS = range(3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three images as nnU-Net stores them, and their masks; and one without a mask."""
    maps, masks = (tmp_path_factory.mktemp(name) for name in ("maps", "masks"))
    for seed in SEEDS:
        labels = tiles(np.random.default_rng(seed))
        np.savez(maps / f"case{seed}.npz", probabilities=sure_sum(leaky(labels))[:, None])
        write_labels(masks / f"case{seed}.tif", labels)
    np.savez(maps / "other.npz", probabilities=np.full((3, 1, 4, 4), 1 / 3))
    return maps, masks


def sure_sum(probabilities):
    return (probabilities / probabilities.sum(0)).astype(np.float32)


def quality(pair):
    touching, cell = pair
    pairs = (
        (
            labels,
            threshold(sure_sum(leaky(labels)).astype(np.float32), touching=touching, cell=cell),
        )
        for labels in (tiles(np.random.default_rng(seed)) for seed in SEEDS)
    )
    return match_dataset(pairs, ious=(0.5,)).pooled[0].panoptic_quality


def test_the_best_pair_is_found_and_scored_as_the_decoder_scores_it(folders):
    seen = []
    tuning = tune_stored(*folders, report=seen.append)
    assert tuning.images == ("case0", "case1", "case2")
    assert tuning.best.panoptic_quality == quality(tuning.best.thresholds)
    assert tuning.best.panoptic_quality > tuning.argmax_panoptic_quality + 0.1
    for trial in seen[::25]:
        assert trial.panoptic_quality == quality(trial.thresholds)
    assert len(seen) == len(tuning.trials)
    assert tuning.rule.rule == "threshold"


def test_a_single_file_and_its_mask_need_no_equal_names(folders, tmp_path):
    maps, masks = folders
    (masks / "case1.tif").rename(tmp_path / "truth.tif")
    try:
        one = tune_stored(maps / "case1.npz", tmp_path / "truth.tif")
    finally:
        (tmp_path / "truth.tif").rename(masks / "case1.tif")
    assert one.images == ("case1",)
    assert one.best.panoptic_quality > 0.9


def test_guides_behind_the_classes_do_not_count(folders, tmp_path):
    labels = tiles(np.random.default_rng(0))
    maps = np.concatenate([sure_sum(leaky(labels)), np.zeros((3, *labels.shape))])
    np.save(tmp_path / "case0.npy", maps.astype(np.float32))
    found = tune_stored(tmp_path / "case0.npy", folders[1] / "case0.tif")
    expected = tune_stored(folders[0] / "case0.npz", folders[1] / "case0.tif")
    assert found.trials == expected.trials


def test_the_rule_of_the_labels_is_compared_and_its_sizes_apply(folders, tmp_path):
    labels = tiles(np.random.default_rng(0))
    relief = (labels > 0).astype(np.float32)
    maps = np.concatenate([sure_sum(leaky(labels)), relief[None], np.zeros((2, *labels.shape))])
    np.save(tmp_path / "case0.npy", maps.astype(np.float32))
    mask = folders[1] / "case0.tif"
    plain = tune_stored(tmp_path / "case0.npy", mask)
    assert (plain.before, plain.best.panoptic_quality > 0.9) == ("argmax", True)
    rule = DecodeRule(rule="relief", relief=ReliefPair(foreground=0.3), min_size=2)
    write_rule(tmp_path / "case0.npy", rule)
    tuning = tune_stored(tmp_path / "case0.npy", mask)
    cells = decode_maps(maps, rule)
    expected = match_dataset([(labels, cells)], ious=(0.5,)).pooled[0].panoptic_quality
    assert (tuning.before, tuning.before_panoptic_quality) == ("relief", expected)
    write_rule(tmp_path / "case0.npy", DecodeRule(min_size=labels.size))
    assert tune_stored(tmp_path / "case0.npy", mask).best.panoptic_quality == 0


def test_stored_thresholds_are_compared_with_those_of_the_same_decoder(folders, tmp_path):
    maps, mask = tmp_path / "case0.npz", folders[1] / "case0.tif"
    maps.write_bytes((folders[0] / "case0.npz").read_bytes())
    best = tune_stored(maps, mask).best
    touching, cell = best.thresholds
    for other, is_better in {touching - 0.001: False, 1.0: True}.items():  # both off the grid
        pair = {"touching": other, "cell": cell}
        stored = DecodeRule.model_validate({"rule": "threshold", "threshold": pair, "min_size": 2})
        write_rule(maps, stored)
        tuning = tune_stored(maps, mask)
        assert tuning.before == "threshold"
        assert tuning.is_better == is_better
        assert (tuning.rule == stored) == (not is_better)
        assert tuning.rule.min_size == 2


def test_rules_that_differ_are_not_compared(tmp_path):
    (tmp_path / "masks").mkdir()
    for seed in (0, 1):
        labels = tiles(np.random.default_rng(seed))
        np.save(tmp_path / f"case{seed}.npy", sure_sum(leaky(labels)))
        write_rule(tmp_path / f"case{seed}.npy", DecodeRule(min_size=1000 * seed))
        write_labels(tmp_path / "masks" / f"case{seed}.tif", labels)
    tuning = tune_stored(tmp_path, tmp_path / "masks")
    assert (tuning.before, tuning.rule.min_size) == ("argmax", 0)


def test_two_classes_have_a_threshold_of_the_cell(folders, tmp_path):
    labels = tiles(np.random.default_rng(0))
    cell = (0.3 * (labels > 0)).astype(np.float32)
    np.save(tmp_path / "case0.npy", np.stack([1 - cell, cell]))
    write_labels(tmp_path / "case0.tif", np.minimum(labels, 1))
    tuning = tune_stored(tmp_path / "case0.npy", tmp_path / "case0.tif")
    assert tuning.argmax_panoptic_quality == 0
    assert tuning.best.panoptic_quality > 0


def write(folder, maps):
    np.save(folder / "case0.npy", maps)
    return folder / "case0.npy"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda labels: (labels > 0).astype(np.uint8), "it holds classes"),
        (lambda labels: sure_sum(leaky(labels))[:, 1:], "give those of the same image"),
        (lambda labels: 3 * leaky(labels), "apply softmax"),
    ],
)
def test_files_that_do_not_fit_are_named(folders, tmp_path, make, said):
    path = write(tmp_path, make(tiles(np.random.default_rng(0))))
    with pytest.raises(ValueError, match=said) as caught:
        tune_stored(path, folders[1] / "case0.tif")
    assert one_line(caught, "case0")


def test_a_folder_is_paired_by_names_even_with_one_file(folders, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "case0.npz").write_bytes((folders[0] / "case0.npz").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"have no probabilities in .*: case1"):
        tune_stored(tmp_path / "maps", folders[1] / "case1.tif")


def test_a_series_is_named(tmp_path):
    series = np.full((2, 3, 8, 9), 1 / 3, np.float32)
    write_image(tmp_path / "a.ome.zarr", series, axes="TCYX")
    write_labels(tmp_path / "a.tif", np.ones((8, 9), np.uint8))
    with pytest.raises(ValueError, match="is a series of 2 time points") as caught:
        tune_stored(tmp_path / "a.ome.zarr", tmp_path / "a.tif")
    assert one_line(caught, "a.ome.zarr")


def test_a_mask_that_cannot_be_read_is_blamed_itself(folders, tmp_path):
    (tmp_path / "case0.tif").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"case0\.tif") as caught:
        tune_stored(folders[0] / "case0.npz", tmp_path / "case0.tif")
    assert "case0.npz" not in str(caught.value)


def test_a_mask_without_probabilities_stops_it(folders, tmp_path):
    for seed in SEEDS[1:]:
        (tmp_path / f"case{seed}.npz").write_bytes((folders[0] / f"case{seed}.npz").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"1 of 3 masks .* no probabilities .* case0"):
        tune_stored(tmp_path, folders[1])
