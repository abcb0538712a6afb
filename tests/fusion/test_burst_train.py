"""Training on bursts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise.fusion import BurstSettings, BurstSimulation, load, train_burst
from seamwise.fusion.burst_data import BurstSamples, make_burst
from seamwise.io.models import FusionInfo, load_model

QUICK = BurstSettings(
    steps=4, batch_size=2, crop=32, width=2, validate_every=2, warmup=0,
    simulation=BurstSimulation(frames=(2, 4), blur=(2.0, 5.0)),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _few_bursts(monkeypatch):
    """Three bursts to validate on: to make all 24 takes longer than the training."""
    monkeypatch.setattr("seamwise.fusion.burst_train._VALIDATED", 3)


def run(folder, pictures, settings=QUICK, **options):
    folder.mkdir(exist_ok=True)
    train_burst(pictures[:2], pictures[2:], settings, output=folder, device="cpu", **options)
    return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]


def test_a_run_writes_a_model_that_fuses(tmp_path, pictures):
    run(tmp_path, pictures)
    _, info = load_model(tmp_path / "model.safetensors", FusionInfo)
    assert (info.output, info.architecture.name, info.architecture.width) == ("scores", "burst", 2)
    assert info.training["images"] == ["p0", "p1"]
    assert info.training["settings"]["simulation"]["frames"] == [2, 4]
    assert load(tmp_path / "model.safetensors", device="cpu").runtime.scorer is not None


def test_a_run_that_was_stopped_resumes_bit_for_bit(tmp_path, pictures):
    whole = run(tmp_path / "whole", pictures)
    run(tmp_path / "parts", pictures, report=lambda progress: progress.step < 3)
    parts = run(tmp_path / "parts", pictures, resume=True)
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=0, atol=0)


def test_a_sample_depends_on_its_number_and_a_step_has_one_number_of_frames(pictures):
    samples = BurstSamples(pictures, QUICK)
    assert len(samples) == 8
    for first, second in zip(samples[5], samples[5], strict=True):
        assert torch.equal(first, second)
    shapes = [samples[number][0].shape for number in range(8)]
    assert shapes[0::2] == shapes[1::2]
    assert {shape[0] for shape in shapes} <= {2, 3, 4}
    assert len(set(shapes)) > 1
    frames, truth, gains = samples[0]
    assert frames.shape[1:] == truth.shape == (3, 32, 32)
    assert len(gains) == len(frames)
    assert frames.min() >= 0
    assert frames.max() <= 1
    assert not torch.equal(samples[0][1], samples[1][1])


def test_noise_and_hot_pixels_are_in_the_frames_and_not_in_the_truth(pictures):
    texture = [np.full((64, 64, 3), 128, np.uint8)]
    simulation = BurstSimulation(noise=(0.02, 0.02), hot=1.0, grey=0.0, blank=0.0)
    bursts = [
        make_burst(texture, 3, crop=32, simulation=simulation, rng=np.random.default_rng(seed))
        for seed in range(8)
    ]
    assert max(abs(burst.frames[0] - burst.truth).max() for burst in bursts) > 0.4
    assert all(burst.truth.shape == (32, 32, 3) for burst in bursts)


def test_settings_from_before_blank_frames_dust_and_trails_make_the_bursts_of_then():
    texture = [np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)]
    simulation = BurstSimulation(blank=0.0, dust=0.0, trails=0.0, hot=1.0)
    burst = make_burst(texture, 4, crop=32, simulation=simulation, rng=np.random.default_rng(5))
    means = [frame.mean() for frame in burst.frames]
    # printed by the version before them
    np.testing.assert_allclose(means, [0.44746, 0.44322, 0.43789, 0.4233], atol=1e-4)


def test_a_run_from_before_blank_frames_dust_and_trails_resumes(tmp_path, pictures):
    simulation = replace(QUICK.simulation, blank=0.0, dust=0.0, trails=0.0)
    settings = replace(QUICK, simulation=simulation)
    run(tmp_path, pictures, settings, report=lambda progress: progress.step < 3)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    for name in ("blank", "dust", "trails"):
        del checkpoint["provenance"]["settings"]["simulation"][name]
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    run(tmp_path, pictures, settings, resume=True)


def test_a_run_is_not_resumed_with_another_start(tmp_path, pictures):
    for name, seed in (("first", 0), ("other", 5)):
        run(tmp_path / name, pictures, replace(QUICK, seed=seed))
    model = tmp_path / "first" / "model.safetensors"
    settings = replace(QUICK, start=str(model))
    run(tmp_path / "second", pictures, settings, report=lambda progress: progress.step < 3)
    (tmp_path / "other" / "model.safetensors").replace(model)
    with pytest.raises(ValueError, match="made with a different start file"):
        run(tmp_path / "second", pictures, settings, resume=True)


def contrast(frame):
    return float(np.abs(np.diff(frame.mean(2), axis=0)).mean())


@pytest.mark.parametrize("count", [3, 9])
def test_some_frames_show_nothing_in_focus(count):
    texture = [np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)]
    clean = {"noise": (1e-4, 1e-4), "hot": 0.0, "dust": 0.0, "scale": 1.0, "blur": (2.0, 2.5)}

    def least(seed, blank):
        simulation = BurstSimulation(**clean, blank=blank, surfaces=1.0, hairs=0.0)
        rng = np.random.default_rng(seed)
        burst = make_burst(texture, count, crop=32, simulation=simulation, rng=rng)
        assert len(burst.frames) == count
        contrasts = [contrast(frame) for frame in burst.frames]
        return min(contrasts) / max(contrasts)

    pairs = [(least(seed, 0.0), least(seed, 1.0)) for seed in range(6)]
    assert sum(blank < 0.1 for _, blank in pairs) >= 4
    assert sum(plain < 0.1 for plain, _ in pairs) <= 1


def test_dust_is_dark_and_moves_between_frames():
    texture = [np.full((64, 64, 3), 200, np.uint8)]
    plain = {"hot": 0.0, "noise": (1e-4, 1e-4), "blank": 0.0, "grey": 0.0}

    def frames(seed, dust):
        simulation = BurstSimulation(**plain, dust=dust, surfaces=1.0, hairs=0.0)
        rng = np.random.default_rng(seed)
        return np.stack(make_burst(texture, 2, crop=96, simulation=simulation, rng=rng).frames)

    darkened = [(frames(seed, 1.0) - frames(seed, 0.0)).mean(3) for seed in range(8)]
    assert max(change.max() for change in darkened) < 0.01
    spots = [change < -0.05 for change in darkened]
    assert sum(of_burst.any() for of_burst in spots) >= 4
    assert any((of_burst[0] != of_burst[1]).any() for of_burst in spots)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frames": (5, 3)}, "frames must be a range from low to high"),
        ({"frames": (1, 3)}, "greater than or equal to 2"),
        ({"blur": (2.0, 30.0)}, "less than or equal to 24"),
    ],
)
def test_a_range_that_cannot_be_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        BurstSimulation(**change)


def test_sides_must_fit_the_network():
    with pytest.raises(ValueError, match="multiple of 16"):
        replace(QUICK, crop=40)


def test_pictures_are_needed(tmp_path, pictures):
    with pytest.raises(ValueError, match="0 training and 3 validation pictures"):
        train_burst([], pictures, QUICK, output=tmp_path)


def test_a_training_starts_from_the_weights_of_a_model_that_fits(tmp_path, pictures):
    run(tmp_path / "first", pictures)
    model = tmp_path / "first" / "model.safetensors"
    settings = replace(QUICK, start=str(model), learning_rate=1e-12, average=0.0, seed=7)
    weights = run(tmp_path / "second", pictures, settings)
    first, _ = load_model(model, FusionInfo)
    torch.testing.assert_close(weights["compare.weight"], first["compare.weight"])
    for start, width in ((str(model), 4), ("focus-seg", 2)):
        with pytest.raises(ValueError, match=r"start must be a network with .*remove start"):
            run(tmp_path / f"third-{width}", pictures, replace(settings, start=start, width=width))
