import csv
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from scipy.special import expit

from seamwise.fusion import FusionSettings, Simulation, data, fuse_pair, load, make_pair, train
from seamwise.fusion.train import (
    _features_sha256,
    _FusionTask,
    _thin_out,
    fixed_pairs,
    regression_loss,
)
from seamwise.io.models import FusionInfo, load_model, save_model
from seamwise.losses import perceptual, ssim


def run(folder, pictures, settings, **options):
    folder.mkdir(exist_ok=True)
    train(pictures[:2], pictures[2:], settings, output=folder, device="cpu", **options)
    return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]


@pytest.mark.parametrize(("network", "outputs"), [("selection", 2), ("bands", 14), ("picture", 3)])
def test_a_run_writes_a_model_that_fuses(tmp_path, pictures, quick, network, outputs, selection):
    start = str(selection) if network == "bands" else None
    run(tmp_path, pictures, replace(quick, network=network, crop=64, start=start))
    weights, info = load_model(tmp_path / "model.safetensors", FusionInfo)
    assert info.output == network
    assert weights["head.weight"].shape[0] == outputs
    assert info.training["images"] == ["p0", "p1"]
    assert info.training["settings"]["simulation"]["sigma"] == [1.0, 5.0]
    (pair,) = fixed_pairs(pictures[2:], quick)
    fused = fuse_pair(pair.a, pair.b, model=load(tmp_path / "model.safetensors", device="cpu"))
    assert fused.image.shape == pair.truth.shape
    with open(tmp_path / "log.csv") as file:
        lines = list(csv.DictReader(file))
    assert [bool(line["psnr"]) for line in lines] == [False, True, False, True]
    assert float(lines[-1]["ssim"]) > 0


def test_a_training_starts_from_the_weights_of_a_model(tmp_path, pictures, quick):
    """With a learning rate too small to move them, they stay what they were."""
    run(tmp_path / "first", pictures, quick)
    model = tmp_path / "first" / "model.safetensors"
    still = replace(quick, start=str(model), learning_rate=1e-12, average=0.0, seed=7)
    weights = run(tmp_path / "second", pictures, still)
    first, _ = load_model(model, FusionInfo)
    torch.testing.assert_close(weights["head.weight"], first["head.weight"])
    drawn = run(tmp_path / "third", pictures, replace(still, start=None))
    assert not torch.allclose(drawn["head.weight"], first["head.weight"])
    assert load_model(tmp_path / "second" / "model.safetensors", FusionInfo)[1].training[
        "settings"
    ]["start"] == str(model)


@pytest.fixture
def selection(tmp_path, pictures, quick):
    """A model file of a network that selects, softened."""
    run(tmp_path / "selection", pictures, quick)
    path = tmp_path / "selection" / "model.safetensors"
    weights, info = load_model(path, FusionInfo)
    save_model(path, weights, info.model_copy(update={"temperature": 1.5, "smoothing": 2.0}))
    return path


def test_bands_start_from_a_selection(tmp_path, pictures, quick, selection):
    """All bands then have its logits, and batches show one order of each pair."""
    still = replace(
        quick, network="bands", crop=64, start=str(selection), learning_rate=1e-12, average=0.0
    )
    assert still.has_one_order
    assert not replace(still, symmetric=False).has_one_order
    weights = run(tmp_path / "second", pictures, still)
    first, _ = load_model(selection, FusionInfo)
    for name in ("head.weight", "head.bias"):
        expected = first[name].repeat_interleave(7, 0)
        torch.testing.assert_close(weights[name], expected, atol=1e-5, rtol=0)
    _, info = load_model(tmp_path / "second" / "model.safetensors", FusionInfo)
    assert (info.temperature, info.smoothing) == (1.5, 2.0)  # those of the selection


def test_bands_keep_the_decisions_of_their_selection(tmp_path, pictures, quick, selection):
    """A head that was turned round has learnt them again after some steps."""
    settings = replace(
        quick, network="bands", crop=64, start=str(selection), steps=60, validate_every=60,
        learning_rate=0.02, average=0.0,
    )  # fmt: skip
    run(tmp_path / "second", pictures, settings)
    first = load(selection, device="cpu", runtime="torch")
    second = load(tmp_path / "second" / "model.safetensors", device="cpu", runtime="torch")
    (pair,) = fixed_pairs(pictures[2:], settings)
    batch = np.concatenate([np.moveaxis(x, 2, 0) for x in (pair.a, pair.b)])[np.newaxis]
    batch = batch[:, :, :64, :64]
    kept, learnt = (model.runtime.logits(batch)[0] for model in (first, second))
    difference = expit(kept[0] - kept[1]) - expit(learnt[0] - learnt[7])
    assert np.abs(difference).mean() < 0.05


def test_resuming_bands_checks_the_network_whose_decisions_they_keep(
    tmp_path, pictures, quick, selection
):
    bands = replace(quick, network="bands", crop=64, start=str(selection))
    run(tmp_path / "bands", pictures, bands, report=lambda progress: progress.step < 3)
    run(tmp_path / "picture", pictures, replace(quick, network="picture"))
    (tmp_path / "picture" / "model.safetensors").replace(selection)
    with pytest.raises(ValueError, match="start must be a network for a selection"):
        run(tmp_path / "bands", pictures, bands, resume=True)


def test_bands_need_the_network_whose_decisions_they_keep(quick, tmp_path, pictures, selection):
    with pytest.raises(ValueError, match=r"'bands' needs start.*set start"):
        replace(quick, network="bands", crop=64)
    bands = replace(quick, network="bands", crop=64, start=str(selection))
    run(tmp_path / "bands", pictures, bands)
    again = replace(bands, start=str(tmp_path / "bands" / "model.safetensors"))
    with pytest.raises(ValueError, match="start must be a network for a selection"):
        run(tmp_path / "again", pictures, again)


def test_resuming_needs_the_first_weights_no_more(tmp_path, pictures, quick):
    run(tmp_path / "first", pictures, quick)
    model = tmp_path / "first" / "model.safetensors"
    run(
        tmp_path / "second",
        pictures,
        replace(quick, start=str(model)),
        report=lambda progress: progress.step < 3,
    )
    model.unlink()
    run(tmp_path / "second", pictures, replace(quick, start=str(model)), resume=True)


@pytest.mark.parametrize("network", ["selection", "bands"])
def test_a_run_is_not_resumed_with_another_start(tmp_path, pictures, quick, network):
    """Also one that fits: the decisions that bands keep would change in the middle of the run."""
    run(tmp_path / "first", pictures, quick)
    run(tmp_path / "other", pictures, replace(quick, seed=5))
    model = tmp_path / "first" / "model.safetensors"
    settings = replace(quick, network=network, crop=64, start=str(model))
    run(tmp_path / "second", pictures, settings, report=lambda progress: progress.step < 3)
    before = {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    own = model.read_bytes()
    (tmp_path / "other" / "model.safetensors").replace(model)
    with pytest.raises(ValueError, match=r"different start file: .*images and start, or"):
        run(tmp_path / "second", pictures, settings, resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()} == before
    model.write_bytes(own)
    run(tmp_path / "second", pictures, settings, resume=True)


def test_a_run_from_before_starts_were_recorded_resumes(tmp_path, pictures, quick):
    run(tmp_path / "first", pictures, quick)
    settings = replace(quick, start=str(tmp_path / "first" / "model.safetensors"))
    run(tmp_path / "second", pictures, settings, report=lambda progress: progress.step < 3)
    path = tmp_path / "second" / "checkpoint.pt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["provenance"]["start_sha256"]
    torch.save(checkpoint, path)
    run(tmp_path / "second", pictures, settings, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "picture"}, "must be a network for a picture .* is one for a selection"),
        ({"width": 4}, "width=4 .* width=2"),
        ({"symmetric": True}, "must have tied weights, and .* has not: set symmetric = false"),
        ({"start": "focus-none"}, "no model named 'focus-none'"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(tmp_path, pictures, quick, change, message):
    run(tmp_path / "first", pictures, replace(quick, symmetric=False))
    settings = replace(quick, symmetric=False, start=str(tmp_path / "first" / "model.safetensors"))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(tmp_path / "second", pictures, replace(settings, **change))


def test_resuming_gives_bit_identical_weights(tmp_path, pictures, quick):
    whole = run(tmp_path / "whole", pictures, quick)
    run(tmp_path / "cut", pictures, quick, report=lambda progress: progress.step < 3)
    resumed = run(tmp_path / "cut", pictures, quick, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_other_pictures_are_refused_on_resuming(tmp_path, pictures, quick):
    run(tmp_path, pictures, quick)
    with pytest.raises(ValueError, match="was made with "):
        run(tmp_path, [pictures[2], *pictures[:2]], quick, resume=True)
    with pytest.raises(ValueError, match="0 validation pictures"):
        run(tmp_path, pictures[:2], quick, resume=True)


def captured(pictures, settings):
    """The inputs of a batch, and the loss of a network that selects source 0 on the left."""
    task = _FusionTask(None, settings, pictures, [])
    batch = [
        torch.stack(parts) for parts in zip(*(task.samples()[i] for i in range(2)), strict=True)
    ]
    seen = []

    def net(images):
        seen.append(images)
        logits = torch.zeros(len(images), 2, *images.shape[2:])
        logits[:, 0, :, : images.shape[3] // 3] = 3.0
        logits[len(images) // 2 :, 0] += 1.0  # the other order looks different to it
        return logits

    return task.loss(net, batch), batch, seen[0]


def test_both_orders_of_each_pair_are_in_every_batch(pictures, quick):
    _, (a, b, _, _), seen = captured(pictures, quick)
    assert torch.equal(seen[:2], torch.cat([a, b], 1))
    assert torch.equal(seen[2:], torch.cat([b, a], 1))


def test_the_target_of_channel_0_is_1_where_source_0_is_sharp(pictures, quick):
    """Written out for each pixel: −log of the probability of the source that equals the truth."""
    loss, (a, b, truth, mask), _ = captured(pictures, quick)
    sharp_a, sharp_b = ((x == truth).all(1) for x in (a, b))
    assert torch.equal(mask.bool(), ~sharp_a | (sharp_a & sharp_b & mask.bool()))
    left = torch.zeros(mask.shape[1:])
    left[:, : mask.shape[2] // 3] = 3.0
    costs = []
    for order, extra in ((0, 0.0), (1, 1.0)):
        first = torch.sigmoid(left + extra).expand(
            mask.shape
        )  # probability of source 0 of this order
        first_is_sharp = (mask == 0) if order == 0 else (mask == 1)
        costs.append(-torch.where(first_is_sharp, first, 1 - first).log().mean())
    assert loss.item() == pytest.approx(sum(costs).item() / 2, rel=1e-5)
    swapped = -torch.where(mask == 1, torch.sigmoid(left), 1 - torch.sigmoid(left)).log().mean()
    assert abs(swapped - costs[0]) > 0.05  # so that exchanged targets would show


def test_the_selected_picture_can_take_part_in_the_loss(pictures, quick):
    """With weight 2: twice the NPS of both orders' pictures, written out."""
    plain, (a, b, truth, _), _ = captured(pictures, quick)
    with_picture, *_ = captured(pictures, replace(quick, picture_weight=2.0))
    logits = torch.zeros(truth.shape[2:])
    logits[:, : truth.shape[3] // 3] = 3.0
    costs = []
    for first, second, extra in ((a, b, 0.0), (b, a, 1.0)):
        p = torch.sigmoid(logits + extra)
        costs.append(torch.tanh(3 * (p * first + (1 - p) * second - truth).abs()).sum(1).mean())
    assert (with_picture - plain).item() == pytest.approx(2 * sum(costs).item() / 2, rel=1e-5)
    assert sum(costs) > 0.01


@pytest.mark.parametrize("network", ["selection", "picture"])
def test_the_order_of_the_sources_does_not_matter_to_symmetric_networks(
    tmp_path, pictures, quick, network
):
    """On whole pictures of a size that does not fit the network; with random weights."""
    (pair,) = fixed_pairs(pictures[2:], quick)
    differences = {}
    for symmetric in (True, False):
        folder = tmp_path / str(symmetric)
        run(folder, pictures, replace(quick, network=network, symmetric=symmetric, width=4))
        model = load(folder / "model.safetensors", device="cpu")
        there, back = (
            fuse_pair(*order, model=model, nearest=False)
            for order in ((pair.a, pair.b), (pair.b, pair.a))
        )
        differences[symmetric] = np.mean((there.image - back.image) ** 2)
    assert differences[True] < 1e-6
    assert differences[True] < 1e-3 * differences[False]


def test_the_regression_losses_are_sums_over_channels_with_bounds():
    truth = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    prediction = truth + 0.1
    settings = FusionSettings(network="picture")
    bounds = 3 * 0.2  # minimum and maximum of each channel are off by 0.1
    distances = {
        "l1": 0.3, "l2": 0.03, "nps": 3 * np.tanh(0.3), "huber": 3 * (0.05 * 0.1 - 0.05**2 / 2),
        "gradient": 0.3, "ssim": ssim(prediction, truth).item(),
    }  # fmt: skip
    settings = replace(settings, delta=0.05)
    for loss, distance in distances.items():
        for on in (True, False):
            value = regression_loss(prediction, truth, replace(settings, loss=loss, bounds=on))
            assert value.item() == pytest.approx(distance + on * bounds)


def test_added_losses_count_by_their_weight():
    truth = torch.rand(2, 3, 15, 17, dtype=torch.float64)
    prediction = truth + 0.1
    added = FusionSettings(network="picture", loss="l1", added={"l2": 2.0, "perceptual": 0.5})
    features = torch.nn.AvgPool2d(2).eval()
    expected = 0.3 + 2 * 0.03 + 0.5 * perceptual(prediction, truth, features=features)
    value = regression_loss(prediction, truth, replace(added, bounds=False), features=features)
    assert value.item() == pytest.approx(expected.item())


def test_the_perceptual_loss_takes_a_network_from_python(tmp_path, pictures, quick):
    settings = replace(quick, network="picture", loss="perceptual")
    with pytest.raises(ValueError, match="needs a feature network: call seamwise"):
        run(tmp_path, pictures, settings)
    with pytest.raises(ValueError, match="features are for the loss perceptual, which is not"):
        run(tmp_path, pictures, replace(settings, loss="l1"), features=torch.nn.Identity().eval())
    assert not list(tmp_path.iterdir())
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 2, 3).eval().requires_grad_(False)
    run(tmp_path, pictures, settings, features=network)
    run(tmp_path, pictures, settings, features=network, resume=True)
    other = torch.nn.Conv2d(3, 2, 3).eval().requires_grad_(False)
    with pytest.raises(ValueError, match="made with different features"):
        run(tmp_path, pictures, settings, features=other, resume=True)


def test_features_in_bfloat16_are_known_by_their_weights():
    networks = [torch.nn.PReLU(1, init=number).bfloat16() for number in (0.5, 0.5, 0.75)]
    first, same, other = map(_features_sha256, networks)
    assert first == same != other


@pytest.mark.parametrize("loss", ["huber", "gradient", "ssim"])
def test_a_run_with_every_loss_of_pictures(tmp_path, pictures, quick, loss):
    run(tmp_path, pictures, replace(quick, network="picture", loss=loss))
    assert (tmp_path / "model.safetensors").exists()


def test_an_epoch_has_each_picture_once(pictures, quick, monkeypatch):
    seen = []

    def watched(picture, **options):
        seen.append(picture.name)
        return make_pair(picture, **options)

    monkeypatch.setattr(data, "make_pair", watched)
    once = replace(quick, steps=3, batch_size=2, sampling="epochs")
    samples = _FusionTask(None, once, pictures, []).samples()
    assert len(pictures) == 3
    for number in range(6):
        samples[number]
    assert sorted(seen[:3]) == sorted(seen[3:]) == ["p0", "p1", "p2"]


def test_the_loss_falls_and_the_sharper_source_is_found(tmp_path, pictures):
    settings = FusionSettings(
        steps=60, batch_size=2, crop=48, width=8, depth=1, validate_every=60, warmup=0,
        learning_rate=1e-2, average=0.8,
        simulation=Simulation(sigma=(2.0, 4.0)),
    )  # fmt: skip
    losses = []
    model = train(
        pictures,
        pictures,
        settings,
        output=tmp_path,
        device="cpu",
        report=lambda p: losses.append(p.loss),
    )
    assert np.mean(losses[-10:]) < 0.75 * losses[0]
    pairs = list(fixed_pairs(pictures, settings))
    loaded = load(model, device="cpu")
    fused = np.mean(
        [np.abs(fuse_pair(p.a, p.b, model=loaded).image - p.truth).mean() for p in pairs]
    )
    mean = np.mean([np.abs((p.a + p.b) / 2 - p.truth).mean() for p in pairs])
    assert fused < 0.8 * mean


def test_validation_is_thinned_for_large_data_sets():
    assert _thin_out(range(64)) == range(64)
    assert list(_thin_out(range(130))) == list(range(0, 130, 3))


def test_a_picture_that_cannot_be_read_is_said_before_the_first_step(tmp_path, pictures, quick):
    bad = replace(pictures[0], image=tmp_path / "bad.tif")
    tifffile.imwrite(bad.image, np.zeros((72, 96), np.float32))
    with pytest.raises(ValueError, match=r"bad\.tif"):
        run(tmp_path, [bad, *pictures], quick)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_settings_are_checked():
    with pytest.raises(ValueError, match="sigma must be a range from low to high"):
        FusionSettings(simulation=Simulation(sigma=(3.0, 1.0)))
    with pytest.raises(ValueError, match="network"):
        FusionSettings(network="both")
    with pytest.raises(ValueError, match=r"loss, added, .* are options of network 'picture'"):
        FusionSettings(loss="l1")
    with pytest.raises(ValueError, match="brightness must be 0 for network 'picture'"):
        FusionSettings(network="picture", simulation=Simulation(brightness=0.1))
    with pytest.raises(ValueError, match="picture_weight is an option of network 'selection'"):
        FusionSettings(network="picture", picture_weight=1.0)
    with pytest.raises(ValueError, match="width must be even for a symmetric network, not 7"):
        FusionSettings(width=7)
    assert FusionSettings(width=7, symmetric=False).width == 7
    assert FusionSettings().alpha == 6
    assert FusionSettings().simulation.sigma == (1, 5)
