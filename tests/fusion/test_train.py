import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise.fusion import FusionSettings, Simulation, fuse_pair, load, train
from seamwise.fusion.train import _Fusion, fixed_pairs, regression_loss
from seamwise.io.models import FusionInfo, load_model


def run(folder, pictures, settings, **options):
    folder.mkdir(exist_ok=True)
    train(pictures[:2], pictures[2:], settings, output=folder, device="cpu", **options)
    return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]


@pytest.mark.parametrize("output", ["selection", "picture"])
def test_a_run_writes_a_model_that_fuses(tmp_path, pictures, quick, output):
    run(tmp_path, pictures, replace(quick, output=output))
    weights, info = load_model(tmp_path / "model.safetensors", FusionInfo)
    assert info.output == output
    assert weights["head.weight"].shape[0] == (2 if output == "selection" else 3)
    assert info.training["images"] == ["p0", "p1"]
    assert info.training["settings"]["simulation"]["sigma"] == [1.0, 5.0]
    (pair,) = fixed_pairs(pictures[2:], quick)
    fused = fuse_pair(pair.a, pair.b, model=load(tmp_path / "model.safetensors", device="cpu"))
    assert fused.image.shape == pair.truth.shape
    with open(tmp_path / "log.csv") as file:
        lines = list(csv.DictReader(file))
    assert [bool(line["psnr"]) for line in lines] == [False, True, False, True]
    assert float(lines[-1]["ssim"]) > 0


def test_resuming_gives_bit_identical_weights(tmp_path, pictures, quick):
    whole = run(tmp_path / "whole", pictures, quick)
    run(tmp_path / "cut", pictures, quick, report=lambda progress: progress.step < 3)
    resumed = run(tmp_path / "cut", pictures, quick, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_other_pictures_are_refused_on_resuming(tmp_path, pictures, quick):
    run(tmp_path, pictures, quick)
    with pytest.raises(ValueError, match="images differ"):
        run(tmp_path, [pictures[2], *pictures[:2]], quick, resume=True)
    with pytest.raises(ValueError, match="0 validation pictures"):
        run(tmp_path, pictures[:2], quick, resume=True)


def captured(pictures, settings):
    """What goes into the network for one batch, with a network that says that source 0 is sharp everywhere."""
    task = _Fusion(None, settings, pictures, [])
    batch = [torch.stack(parts) for parts in zip(*(task.samples()[i] for i in range(2)), strict=True)]
    seen = []

    def net(images):
        seen.append(images)
        logits = torch.zeros(len(images), 2, *images.shape[2:])
        logits[:, 0] = 3.0
        return logits

    return task.loss(net, batch), batch, seen[0]


def test_both_orders_of_each_pair_are_in_every_batch_with_opposite_targets(pictures, quick):
    loss, (a, b, _, mask), seen = captured(pictures, quick)
    assert torch.equal(seen[:2], torch.cat([a, b], 1))
    assert torch.equal(seen[2:], torch.cat([b, a], 1))
    # −log z of the right source: 1 where the mask says that source 0 is blurred, and the reverse in the other order
    z = torch.tensor([3.0, 0.0]).softmax(0).log()
    expected = -(z[mask].mean() + z[1 - mask].mean()) / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_target_of_channel_0_is_1_where_source_0_is_sharp(pictures, quick):
    _, (a, b, truth, mask), _ = captured(pictures, quick)
    sharp_a = (a == truth).all(1)
    assert sharp_a[mask == 0].all()
    assert (b == truth).all(1)[mask == 1].all()


def test_the_regression_losses_are_sums_over_channels_with_bounds():
    truth = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    prediction = truth + 0.1
    settings = FusionSettings(output="picture")
    bounds = 3 * 0.2  # minimum and maximum of each channel are off by 0.1
    for loss, distance in (("l1", 0.3), ("l2", 0.03), ("nps", 3 * np.tanh(0.3))):
        for on in (True, False):
            value = regression_loss(prediction, truth, replace(settings, loss=loss, bounds=on))
            assert value.item() == pytest.approx(distance + on * bounds)


def test_the_loss_falls_and_the_sharper_source_is_found(tmp_path, pictures):
    settings = FusionSettings(
        steps=60, batch_size=2, crop=48, width=8, depth=1, validate_every=60, warmup=0, learning_rate=1e-2, average=0.8,
        simulation=Simulation(sigma=(2.0, 4.0)),
    )  # fmt: skip
    losses = []
    model = train(pictures, pictures, settings, output=tmp_path, device="cpu", report=lambda p: losses.append(p.loss))
    assert np.mean(losses[-10:]) < 0.75 * losses[0]
    pairs = fixed_pairs(pictures, settings)
    loaded = load(model, device="cpu")
    fused = np.mean([np.abs(fuse_pair(p.a, p.b, model=loaded).image - p.truth).mean() for p in pairs])
    mean = np.mean([np.abs((p.a + p.b) / 2 - p.truth).mean() for p in pairs])
    assert fused < 0.8 * mean


def test_settings_are_checked():
    with pytest.raises(ValueError, match="sigma must be a range from low to high"):
        FusionSettings(simulation=Simulation(sigma=(3.0, 1.0)))
    with pytest.raises(ValueError, match="output"):
        FusionSettings(output="both")
    assert FusionSettings().alpha == 6
    assert FusionSettings().simulation.sigma == (1, 5)
