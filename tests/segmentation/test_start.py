"""Training that begins with a model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from seamwise.engine.networks import build_network
from seamwise.engine.settings import read_settings
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    ReliefPair,
    SegmentationInfo,
    ThresholdPair,
    load_model,
    save_model,
)
from seamwise.labels import CLASS_NAMES, connected_components
from seamwise.segmentation import TrainSettings, find_pairs, segment, start_defaults, train
from seamwise.segmentation.data import as_seen
from seamwise.segmentation.record import record_rule
from seamwise.segmentation.start import (
    description_from,
    read_start,
    rules_from,
    settings_for,
    weights_from,
)
from seamwise.segmentation.train import _Segmentation, describe

RELIEF = DecodeRule(rule="relief", relief=ReliefPair(peak=0.4), min_size=7, min_core=6)


def write_start(folder, *, classes=4, channels=1, ndim=2, guides=True, members=1, **fields):
    torch.manual_seed(5)
    path = folder / f"start{classes}{channels}{ndim}{guides}{members}.safetensors"
    info = SegmentationInfo(
        architecture=Architecture(
            in_channels=channels, out_channels=classes, ndim=ndim, width=2, depth=2, norm="batch",
            guides=guides, members=members,
        ),
        classes=CLASS_NAMES[:classes],
        channels=("grey",) * channels,
        **{"decode": RELIEF if guides else DecodeRule(), **fields},
    )  # fmt: skip
    save_model(path, build_network(info.architecture).state_dict(), info, stored_as=torch.float16)
    return str(path)


def settings_from(path, images, **changes):
    defaults = settings_for(read_start(path), images, count=len(images))
    quick = {"steps": 2, "validate_every": 1, "crop": 48, "batch_size": 2, "start": path}
    return read_settings(TrainSettings, None, {**quick, **changes}, defaults=defaults)


def run(folder, images, settings, **options):
    folder.mkdir(exist_ok=True)
    return train(images[:2], images[2:], settings, output=folder, device="cpu", **options)


def test_what_the_new_model_takes_from_the_start(tmp_path, annotated):
    path = write_start(
        tmp_path, normalization=NormalizationRule(kind="contrast"), diameters=(5, 20, 30)
    )
    settings = settings_from(path, annotated)
    assert (settings.loss, settings.touching_radius, settings.gap_radius) == ("j4", 1, 3)
    assert (settings.width, settings.depth, settings.min_size) == (2, 2, 7)
    model = run(tmp_path / "run", annotated, settings)
    weights, info = load_model(model, SegmentationInfo)
    assert info.architecture.guides
    assert info.decode in rules_from(DecodeRule(**{**RELIEF.model_dump(), "gap": settings.gap}))
    assert info.training["start_sha256"] == read_start(path).sha256
    assert info.training["settings"]["start"] == path
    assert len(weights["head.weight"]) == 7
    assert segment(annotated[0].image, model=model).labels.shape == annotated[0].labels.shape


def test_the_first_weights_are_those_of_the_start(tmp_path, annotated):
    path = write_start(tmp_path)
    still = settings_from(path, annotated, learning_rate=1e-12, average=0, weight_decay=0)
    model = run(tmp_path / "run", annotated, still)
    before, _ = load_model(Path(path), SegmentationInfo)
    after, _ = load_model(model, SegmentationInfo)
    for name in ("head.weight", "down.0.0.weight"):
        assert torch.allclose(before[name].float(), after[name].float(), atol=1e-3)


def test_the_relief_is_trained_too(tmp_path, annotated):
    path = write_start(tmp_path)
    settings = settings_from(path, annotated, learning_rate=1e-2, average=0, warmup=0)
    before, _ = load_model(Path(path), SegmentationInfo)
    after, _ = load_model(run(tmp_path / "run", annotated, settings), SegmentationInfo)
    change = (after["head.weight"].float() - before["head.weight"].float()).abs().flatten(1)
    assert (change.max(1).values > 1e-3).all()


@pytest.mark.parametrize(("loss", "rows"), [("ce2", 2), ("j3", 3), ("j4", 4)])
def test_other_class_counts(tmp_path, annotated, loss, rows):
    start = read_start(write_start(tmp_path, classes=3))
    info = describe(TrainSettings(loss=loss, width=2, depth=2), annotated, annotated)
    info = description_from(start, info, annotated)
    weights = weights_from(start, info.architecture, seed=0)
    build_network(info.architecture).load_state_dict(weights)
    kept = min(rows, 3)
    assert info.classes == CLASS_NAMES[:rows]
    assert torch.equal(weights["head.weight"][:kept], start.weights["head.weight"][:kept])
    assert torch.equal(weights["head.weight"][rows:], start.weights["head.weight"][3:])


def test_one_channel_becomes_three_and_three_become_one(tmp_path, annotated):
    colour = [replace(image, image=np.repeat(image.image, 3, 0)) for image in annotated]
    grey, three = write_start(tmp_path), write_start(tmp_path, channels=3)
    for path, images, others in ((grey, annotated, colour), (three, colour, annotated)):
        start = read_start(path)
        outputs = []
        for pictures, count in ((images, start.info.architecture.in_channels), (others, None)):
            net = start.info.architecture.model_copy(
                update={"in_channels": count or len(others[0].image)}
            )
            network = build_network(net).eval()
            network.load_state_dict(weights_from(start, net, seed=0))
            outputs.append(network(torch.from_numpy(pictures[0].image[None, :, :64, :64])))
        assert torch.allclose(*outputs, atol=1e-5)


def test_tuned_thresholds_do_not_fit_the_new_classes(tmp_path, annotated):
    rule = DecodeRule(rule="threshold", threshold=ThresholdPair(touching=0.2, cell=0.4))
    start = read_start(write_start(tmp_path, guides=False, decode=rule))
    info = describe(TrainSettings(width=2, depth=2), annotated, annotated)
    decode = description_from(start, info, annotated).decode
    assert (decode.rule, decode.threshold) == ("argmax", None)


@pytest.mark.parametrize(
    ("diameters", "zoom"),
    [((7, 21, 50), 1.0), ((30, 60, 90), 45.0), ((2, 5, 9), 6.0), (None, 1.0)],
)
def test_cells_are_shown_at_a_size_that_the_start_knows(tmp_path, annotated, diameters, zoom):
    start = read_start(write_start(tmp_path, diameters=diameters))
    info = describe(TrainSettings(width=2, depth=2), annotated, annotated)
    result = description_from(start, info, annotated)
    areas = np.concatenate([np.bincount(image.labels.ravel())[1:] for image in annotated])
    median = np.sqrt(4 * np.median(areas) / np.pi)
    assert result.zoom == pytest.approx(1 if zoom == 1 else zoom / median)
    seen = as_seen(annotated[0], result)
    assert seen.labels.shape == tuple(round(n * result.zoom) for n in annotated[0].labels.shape)
    assert seen.image.shape[1:] == seen.labels.shape
    assert seen.labels.max() == annotated[0].labels.max()


def test_intensities(tmp_path, annotated):
    """Bright cells on dark ground keep "contrast"; grey ground with dark and bright cells not."""
    start = read_start(write_start(tmp_path, normalization=NormalizationRule(kind="contrast")))
    rng = np.random.default_rng(0)
    values = {"contrast": rng.random((1, 72, 80)) ** 6, "deviation": rng.normal(size=(1, 72, 80))}
    for kind, array in values.items():
        images = [replace(image, image=array.astype(np.float32)) for image in annotated]
        assert settings_for(start, images, count=3)["normalization"]["kind"] == kind


def test_steps_grow_with_the_data_within_limits(tmp_path, annotated):
    start = read_start(write_start(tmp_path))
    steps = [settings_for(start, annotated, count=count)["steps"] for count in (1, 500, 10**6)]
    assert steps == [192, 660, 1992]


def test_what_does_not_fit_is_refused_in_one_line(tmp_path, annotated):
    path = write_start(tmp_path, guides=False)
    colour = [replace(image, image=np.repeat(image.image, 2, 0)) for image in annotated]
    deep = [
        replace(image, image=image.image[:, None], labels=image.labels[None]) for image in annotated
    ]
    three = write_start(tmp_path, channels=3, guides=False)
    for start, images, message in [
        (path, deep, "is for 2 spatial axes, image cells0 has 3: start from a model for stacks"),
        (write_start(tmp_path, ndim=3, guides=False), annotated, "start from a model for planes"),
        (three, colour, "has 3 channels, image cells0 has 2: choose as many with --channel"),
    ]:
        with pytest.raises(ValueError, match=message):
            settings_for(read_start(start), images, count=3)
    with pytest.raises(ValueError, match=r"width must be 2, that of start model .*, not 5: remove"):
        run(tmp_path / "run", annotated, settings_from(path, annotated, width=5))
    with pytest.raises(ValueError, match="must be one network, not the mean of 2"):
        read_start(write_start(tmp_path, guides=False, members=2))
    with pytest.raises(ValueError, match="is for fusion: use it with `seamwise fuse`"):
        read_start("focus-seg")
    with pytest.raises(FileNotFoundError, match="no model named 'nucleus'"):
        read_start("nucleus")


def test_it_resumes_bit_for_bit_and_not_from_another_start(tmp_path, annotated):
    path = write_start(tmp_path)
    settings = settings_from(path, annotated, steps=4)
    whole = load_model(run(tmp_path / "a", annotated, settings), SegmentationInfo)[0]
    run(tmp_path / "b", annotated, settings, report=lambda progress: progress.step < 2)
    cut = load_model(run(tmp_path / "b", annotated, settings, resume=True), SegmentationInfo)[0]
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    other = write_start(tmp_path, diameters=(1, 2, 3))
    assert other == path
    with pytest.raises(ValueError, match="made with a different start file"):
        run(tmp_path / "b", annotated, settings, resume=True)


def test_it_ends_early_when_nothing_improves_and_stays_so(tmp_path, annotated, monkeypatch):
    scores = iter([0, 0, 0, 0.5, 0.5, 0.4, 0.9])
    monkeypatch.setattr(
        _Segmentation, "validate", lambda task, model: {"panoptic_quality": next(scores)}
    )
    path = write_start(tmp_path)
    settings = settings_from(path, annotated, steps=50, patience=2)
    steps = []
    run(tmp_path / "run", annotated, settings, report=lambda p: steps.append(p.step))
    assert steps == [1, 2, 3, 4, 5, 6]  # 0 is not yet a score
    run(tmp_path / "run", annotated, settings, resume=True, report=lambda p: steps.append(p.step))
    assert steps == [1, 2, 3, 4, 5, 6]  # 0 is not yet a score


@pytest.mark.parametrize(("name", "cells"), [("nuclei-2d", 4), ("phase-2d", 0)])
def test_shipped_models_are_starts(tmp_path, annotated, name, cells):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for image in annotated:
        tifffile.imwrite(tmp_path / "images" / f"{image.name}.tif", image.image[0])
        tifffile.imwrite(tmp_path / "masks" / f"{image.name}.tif", image.labels.astype(np.uint8))
    defaults = start_defaults(find_pairs(tmp_path).training, start=name)
    options = {"steps": 1, "batch_size": 1, "crop": 64, "start": name}
    settings = read_settings(TrainSettings, None, options, defaults=defaults)
    model = run(tmp_path / "run", annotated, settings)
    labels = segment(annotated[0].image, model=model).labels
    assert labels.max() >= cells  # one step does not spoil it


def test_nothing_follows_without_a_start(tmp_path):
    (tmp_path / "s.toml").write_text("steps = 3\n")
    assert start_defaults([], tmp_path / "s.toml") == {}


def test_the_rule_that_suits_the_validation_images_is_recorded(tmp_path, annotated):
    """The network sees its cells; only the arg max of these three rules lets them be."""
    path = Path(write_start(tmp_path, diameters=(5, 20, 30)))
    _, info = load_model(path, SegmentationInfo)
    architecture = info.architecture.model_copy(update={"depth": 0, "norm": "none"})
    net = build_network(architecture)
    state = {name: torch.zeros_like(w) for name, w in net.state_dict().items()}
    state["down.0.0.weight"][0, 0, 1, 1] = state["down.0.2.weight"][0, 0, 1, 1] = 1
    state["head.weight"][1, 0] = 20
    state["head.bias"][0] = 10
    state["head.bias"][2:4] = -50
    save_model(path, state, info.model_copy(update={"architecture": architecture}))
    images = [
        replace(image, image=(image.labels > 0).astype(np.float32)[None], labels=pieces(image))
        for image in annotated
    ]
    never = RELIEF.model_copy(update={"relief": ReliefPair(peak=0.9)})
    largest = RELIEF.model_copy(update={"rule": "argmax", "min_size": 10**6})
    argmax = RELIEF.model_copy(update={"rule": "argmax", "min_size": 0})
    record_rule(path, images, [never, largest, argmax], device="cpu")
    assert load_model(path, SegmentationInfo)[1].decode == argmax
    record_rule(path, images, [never, largest], device="cpu")  # both find nothing: the first
    assert load_model(path, SegmentationInfo)[1].decode == never


def pieces(image):
    return connected_components(image.labels > 0).astype(np.int32)
