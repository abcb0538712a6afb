import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise.decode import argmax, threshold, watershed
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    SegmentationInfo,
    ThresholdPair,
    check_model_output,
    load_model,
    save_model,
    shipped_models,
)
from seamwise.labels import inner_contour
from seamwise.metrics import match_dataset
from seamwise.nets import UNet
from seamwise.segmentation import AnnotatedImage, Trial, Tuning, segment, tune
from seamwise.segmentation.choose.search import coarse_to_fine
from seamwise.segmentation.choose.surface import plot_surface
from seamwise.segmentation.choose.tune import (
    FEW_IMAGES,
    GRID,
    THRESHOLD_NAMES,
    cautions,
    save_tuned,
    trained_on,
    with_pair,
)
from seamwise.segmentation.predict import Model
from support.leaky import leaky, tiles

MODULE = importlib.import_module("seamwise.segmentation.choose.tune")


def info_of(classes=3, **decode):
    return SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=classes, width=2, depth=1),
        classes=("background", "cell", "touching", "gap")[:classes],
        channels=("grey",),
        decode=DecodeRule(min_size=5, **decode),
    )


def model_of(info):
    torch.manual_seed(0)
    net = UNet(1, info.architecture.out_channels, width=2, depth=1).eval()
    return Model(lambda: net, info, "cpu", "float32")


@pytest.fixture(scope="module")
def images():
    labels = [tiles(np.random.default_rng(seed)) for seed in range(3)]
    return [
        AnnotatedImage(f"cells{number}", leaky(each), each) for number, each in enumerate(labels)
    ]


def sure(images):
    """The same with probabilities 0 and 1, and each cell with background around it."""
    apart = [
        replace(image, labels=np.where(inner_contour(image.labels), 0, image.labels))
        for image in images
    ]
    return [
        replace(image, image=np.eye(3, dtype=np.float32)[:, np.minimum(image.labels, 1)])
        for image in apart
    ]


@pytest.fixture
def given(monkeypatch):
    """The network's answer is what the image holds."""
    monkeypatch.setattr(MODULE, "_probabilities", lambda image, model, zoom: image.image)


def quality(images, decode):
    pairs = ((image.labels, decode(image.image)) for image in images)
    return match_dataset(pairs, ious=(0.5,)).pooled[0].panoptic_quality


def test_the_best_pair_beats_arg_max_and_its_score_is_that_of_the_decoder(given, images):
    tuning = tune(iter(images), model_of(info_of()))
    touching, cell = tuning.best.thresholds
    assert tuning.best.panoptic_quality == quality(
        images, lambda z: threshold(z, touching=touching, cell=cell, min_size=5)
    )
    assert tuning.argmax_panoptic_quality == quality(images, lambda z: argmax(z, min_size=5))
    assert tuning.best.panoptic_quality > tuning.argmax_panoptic_quality + 0.1
    assert tuning.images == ("cells0", "cells1", "cells2")
    assert str(tuning) == (
        f"argmax PQ {tuning.argmax_panoptic_quality:.3f}, "
        f"best threshold PQ {tuning.best.panoptic_quality:.3f} "
        f"at touching {touching:.2f}, cell {cell:.2f}"
    )


def test_no_pair_of_the_whole_grid_is_better(given, images):
    tuning = tune(images[:1], model_of(info_of()))
    best = max(
        quality(
            images[:1],
            lambda z, pair=(touching, cell): threshold(
                z, touching=pair[0], cell=pair[1], min_size=5
            ),
        )
        for touching in GRID[::3]
        for cell in GRID[::3]
    )
    assert tuning.best.panoptic_quality >= best


def test_thousands_of_pairs_do_not_cost_thousands_of_decodings(given, images):
    seen = []
    tuning = tune(images[:1], model_of(info_of()), report=seen.append)
    assert len(GRID) ** 2 == 2401
    assert len(tuning.trials) <= 160
    assert tuple(seen) == tuning.trials
    assert len({trial.thresholds for trial in tuning.trials}) == len(tuning.trials)
    assert tuning.best.panoptic_quality == max(trial.panoptic_quality for trial in tuning.trials)


def test_a_cell_counts_as_found_from_an_iou_of_one_half(given, images):
    # cells of 10 × 11 pixels, moved by 2: IoU 8/12
    moved = [replace(image, labels=np.roll(image.labels, 2, axis=0)) for image in images]
    assert tune(moved, model_of(info_of())).best.panoptic_quality > 0.5


@pytest.mark.parametrize("background_as", ["marker", "mask"])
def test_the_watershed_is_tuned_too(given, images, background_as):
    tuning = tune(images, model_of(info_of()), decode="watershed", background_as=background_as)
    background, cell = tuning.best.thresholds
    options = {
        "background": background,
        "cell": cell,
        "background_as": background_as,
        "min_size": 5,
    }
    assert tuning.best.panoptic_quality == quality(images, lambda z: watershed(z, **options))
    assert tuning.rule.watershed.background_as == background_as
    assert (tuning.rule.watershed.background, tuning.rule.watershed.cell) == (background, cell)


def test_the_pair_and_how_it_was_found_are_in_the_rule(given, images):
    tuning = tune(images, model_of(info_of(gap="background", min_core=3)))
    rule = tuning.rule
    assert (rule.rule, rule.gap, rule.min_size, rule.min_core) == ("threshold", "background", 5, 3)
    assert (rule.threshold.touching, rule.threshold.cell) == tuning.best.thresholds
    record = rule.threshold.tuning
    assert (record.panoptic_quality, record.argmax_panoptic_quality) == (
        tuning.best.panoptic_quality,
        tuning.argmax_panoptic_quality,
    )
    assert (record.images, record.grid, record.decodings) == (
        3,
        "0.02 to 0.98 by 0.02",
        len(tuning.trials),
    )
    assert (GRID[0], GRID[-1], len(GRID)) == (0.02, 0.98, 49)


def test_a_rule_that_is_no_better_than_before_does_not_become_the_default(given, images):
    tuning = tune(sure(images), model_of(info_of()))
    assert tuning.best.panoptic_quality == tuning.argmax_panoptic_quality
    assert tuning.best.thresholds == (0.5, 0.5)  # all pairs are equal: the middle
    assert tuning.rule.rule == "argmax"
    assert tuning.rule.threshold is not None


def test_the_line_for_the_user_names_the_default_it_had_to_beat(given, images):
    first = tune(images, model_of(info_of())).rule
    tuning = tune(
        images, model_of(info_of().model_copy(update={"decode": first})), decode="watershed"
    )
    assert (tuning.before, tuning.before_panoptic_quality) == (
        "threshold",
        first.threshold.tuning.panoptic_quality,
    )
    assert (
        f", threshold as it is PQ {tuning.before_panoptic_quality:.3f}, best watershed PQ"
        in str(tuning)
    )


def test_cautions_are_said_where_they_hold(given, images):
    info = info_of().model_copy(update={"training": {"images": ["cells1", "other"]}})
    tuning = tune(images, model_of(info))
    known, few = cautions(tuning, info)
    assert known.startswith("1 of 3 images have names of training images (e.g. cells1)")
    assert few.startswith(f"fewer than {FEW_IMAGES} images")
    many = replace(tuning, images=tuple(map(str, range(FEW_IMAGES))))
    assert cautions(many, info) == []
    nothing = replace(many, best=Trial((0.5, 0.5), 0.0))
    assert cautions(nothing, info) == [
        "no pair of thresholds finds a cell: train the model longer before you tune it"
    ]


def test_an_image_that_does_not_fit_the_model_is_named(images):
    colour = replace(images[0], image=np.zeros((3, *images[0].labels.shape), np.float32))
    with pytest.raises(ValueError, match="cells0: the model expects 1 channel"):
        tune([colour], model_of(info_of()))


def test_what_was_tuned_before_stays_and_the_better_rule_is_the_default(given, images):
    first = tune(images, model_of(info_of())).rule
    tuning = tune(
        images, model_of(info_of().model_copy(update={"decode": first})), decode="watershed"
    )
    assert tuning.rule.threshold == first.threshold
    better = tuning.best.panoptic_quality > first.threshold.tuning.panoptic_quality
    assert tuning.rule.rule == ("watershed" if better else "threshold")


def test_tuning_again_does_not_compare_with_the_thresholds_it_replaces(given, images):
    again = DecodeRule(
        rule="threshold", min_size=5, threshold=ThresholdPair(touching=0.9, cell=0.9)
    )
    tuning = tune(images, model_of(info_of().model_copy(update={"decode": again})))
    assert tuning.rule == tune(images, model_of(info_of())).rule
    # arg max is as good as any pair here, and better than the pair that goes
    assert (
        tune(sure(images), model_of(info_of().model_copy(update={"decode": again}))).rule.rule
        == "argmax"
    )


def test_segmenting_with_the_tuned_rule_gives_the_score_that_was_promised(annotated):
    model = model_of(info_of(classes=4))
    tuning = tune(annotated, model)
    tuned = replace(model, info=model.info.model_copy(update={"decode": tuning.rule}))
    pairs = [
        (image.labels, segment(image.image, model=tuned, decode="threshold").labels)
        for image in annotated
    ]
    score = match_dataset(pairs, ious=(0.5,)).pooled[0].panoptic_quality
    assert score == tuning.best.panoptic_quality


def test_nothing_is_left_in_the_temporary_folder(given, images, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tune(images[:1], model_of(info_of()))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_tuned_is_said(given, images):
    model = model_of(info_of())
    empty = replace(images[0], labels=images[0].labels * 0)
    for bad, word in (([], "the 0 to tune on have none"), ([empty], "must have annotated cells")):
        with pytest.raises(ValueError, match=word):
            tune(bad, model)
    with pytest.raises(
        ValueError, match="decode must be one of threshold, watershed, not 'argmax'"
    ):
        tune(images, model, decode="argmax")
    with pytest.raises(ValueError, match="background_as must be 'marker' or 'mask', not 'both'"):
        tune(images, model, background_as="both")


def heights(function, length=49):
    """A surface, and a counting look at it."""
    surface = np.array([[function(i, j) for j in range(length)] for i in range(length)])
    asked = []

    def score(points):
        asked.extend(points)
        return [surface[point] for point in points]

    return surface, score, asked


@pytest.mark.parametrize("peak", [(0, 0), (48, 48), (24, 24), (5, 43), (1, 17), (47, 30)])
@pytest.mark.parametrize("slope", [(1, 1), (1, 6), (7, 2)])
def test_a_single_peak_is_found_exactly(peak, slope):
    _, score, asked = heights(
        lambda i, j: (
            -(slope[0] * (i - peak[0]) ** 2)
            - slope[1] * (j - peak[1]) ** 2
            - (i - peak[0]) * (j - peak[1])
        )
    )
    assert coarse_to_fine(score, 49) == peak
    assert len(asked) == len(set(asked)) <= 160


@pytest.mark.parametrize("seed", range(10))
def test_on_a_rough_surface_the_result_is_higher_than_its_neighbours(seed):
    noise = np.random.default_rng(seed).normal(size=(49, 49))
    surface, score, asked = heights(
        lambda i, j: -((i - 20) ** 2 + (j - 30) ** 2) / 100 + noise[i, j]
    )
    i, j = coarse_to_fine(score, 49)
    around = surface[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
    assert surface[i, j] == around.max()
    assert surface[i, j] == max(surface[point] for point in asked)


def test_of_equal_points_the_nearest_to_the_middle_wins():
    _, score, _ = heights(lambda i, j: 1.0)
    assert coarse_to_fine(score, 49) == (24, 24)
    _, score, _ = heights(lambda i, j: float(j >= 32))
    assert coarse_to_fine(score, 49) == (24, 32)
    assert coarse_to_fine(heights(lambda i, j: 0.0, 1)[1], 1) == (0, 0)


@pytest.fixture
def path(tmp_path):
    model = model_of(info_of())
    save_model(tmp_path / "m.safetensors", model.net.state_dict(), model.info)
    return tmp_path / "m.safetensors"


def test_the_tuned_rule_is_written_into_the_file_and_the_weights_stay(path, tmp_path):
    before, info = load_model(path, SegmentationInfo)
    rule = with_pair(info.decode, "watershed", (0.3, 0.7), "mask")
    for output in (tmp_path / "copy.safetensors", path):
        save_tuned(path, rule, output)
        weights, tuned = load_model(output, SegmentationInfo)
        assert tuned == info.model_copy(update={"decode": rule})
        assert all(torch.equal(before[name], weights[name]) for name in before)


def test_a_shipped_model_is_not_changed(path, tmp_path):
    (shipped,) = [file for name, file in shipped_models().items() if name == "nuclei-2d"]
    (tmp_path / "link.safetensors").symlink_to(shipped)
    for file in (shipped, tmp_path / "link.safetensors"):
        with pytest.raises(
            ValueError, match=r"nuclei-2d ships with seamwise and stays as it is.*-o"
        ):
            check_model_output(file)
    check_model_output(path)


def test_the_names_of_training_images_come_from_the_model_or_its_members():
    info = info_of().model_copy(update={"training": {"images": ["a", "b"]}})
    assert trained_on(info) == {"a", "b"}
    members = [{"file": "x", "images": ["a"]}, {"file": "y", "images": ["c"]}, {"file": "z"}]
    assert trained_on(info.model_copy(update={"training": {"members": members}})) == {"a", "c"}
    assert trained_on(info_of()) == set()


@pytest.mark.parametrize("decode", THRESHOLD_NAMES)
@pytest.mark.parametrize("surface", [lambda a, b: a * (1 - b), lambda a, b: 0.7])
def test_the_surface_is_drawn_sloping_and_flat(tmp_path, decode, surface):
    trials = tuple(Trial((a, b), surface(a, b)) for a in GRID[::8] for b in GRID[::8])
    best = max(trials, key=lambda trial: trial.panoptic_quality)
    plot_surface(
        tmp_path / "s.png", Tuning(decode, best, 0.6, "argmax", 0.6, DecodeRule(), ("a",), trials)
    )
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_rule_survives_its_trip_through_json():
    rule = with_pair(DecodeRule(min_size=3), "threshold", (0.1, 0.5))
    assert DecodeRule.model_validate(json.loads(rule.model_dump_json())) == rule
