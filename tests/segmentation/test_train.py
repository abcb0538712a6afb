import csv
import errno
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from seamwise.engine import loop, read_settings
from seamwise.engine.history import plot_curve
from seamwise.io.models import SegmentationInfo, load_model
from seamwise.io.provenance import Provenance
from seamwise.segmentation import AnnotatedImage, Augmentation, TrainSettings, segment, train
from seamwise.segmentation.samples import Samples
from seamwise.segmentation.systems import BUILDERS, System
from seamwise.segmentation.train import describe, training_task
from seamwise.segmentation.transforms import TargetAndWeight, count_classes
from seamwise.weights import class_weights


def weights_of(folder):
    checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
    return checkpoint["weights"] | {f"average.{k}": v for k, v in checkpoint["average"].items()}


def run(folder, images, settings, **options):
    folder.mkdir(exist_ok=True)
    train(images[:2], images[2:], settings, output=folder, device="cpu", **options)
    return weights_of(folder)


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resuming_gives_bit_identical_weights(tmp_path, annotated, quick, stop):
    whole = run(tmp_path / "whole", annotated, quick)
    run(tmp_path / "cut", annotated, quick, report=lambda progress: progress.step < stop)
    assert load_steps(tmp_path / "cut") == stop
    resumed = run(tmp_path / "cut", annotated, quick, resume=True)
    assert_same(whole, resumed)
    assert (tmp_path / "whole" / "model.safetensors").exists()
    first, second = (
        load_model(tmp_path / name / "model.safetensors", SegmentationInfo)[0]
        for name in ("whole", "cut")
    )
    assert_same(first, second)


def load_steps(folder):
    return len(torch.load(folder / "checkpoint.pt", weights_only=True)["history"])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, annotated, quick):
    first = run(tmp_path / "a", annotated, quick)
    assert_same(first, run(tmp_path / "b", annotated, quick))
    other = run(tmp_path / "c", annotated, replace(quick, seed=1))
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_sample_depends_on_seed_step_and_index_only(annotated):
    def sample(number, *, seed=0, batch_size=4):
        samples = Samples(
            annotated,
            seed=seed,
            steps=9,
            batch_size=batch_size,
            crop=(32, 32),
            augmentation=Augmentation(),
            transform=TargetAndWeight(map="dwm"),
        )
        return samples[number]

    image, target, weight = sample(4 * 3 + 1)
    for number, options, same in [
        (13, {}, True),
        (8 * 3 + 1, {"batch_size": 8}, True),
        (14, {}, False),
        (13, {"seed": 1}, False),
    ]:
        others = sample(number, **options)
        assert (
            all(torch.equal(a, b) for a, b in zip((image, target, weight), others, strict=True))
            == same
        )


def test_the_loss_falls_and_the_model_segments(tmp_path, annotated):
    settings = TrainSettings(
        steps=120, batch_size=2, crop=64, width=8, depth=2, learning_rate=5e-3, validate_every=120,
        gap_radius=3, touching_radius=1, lam=1 / 12, average=0.9,
        augmentation=Augmentation(warp=0, noise=0, scale=0),
    )  # fmt: skip
    losses = []
    model = train(
        annotated,
        annotated,
        settings,
        output=tmp_path,
        device="cpu",
        report=lambda p: losses.append(p.loss),
    )
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])
    labels = segment(annotated[0].image, model=model).labels
    assert 4 <= labels.max() <= 16  # eight cells were drawn


def test_log_curve_and_description(tmp_path, annotated, quick, monkeypatch):
    monkeypatch.setattr(loop, "plot_curve", plot_curve)
    run(tmp_path, annotated, quick)
    with open(tmp_path / "log.csv") as file:
        lines = list(csv.DictReader(file))
    assert [line["step"] for line in lines] == ["1", "2", "3", "4"]
    assert [bool(line["panoptic_quality"]) for line in lines] == [False, True, False, True]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    weights, info = load_model(tmp_path / "model.safetensors", SegmentationInfo)
    assert info.classes == ("background", "cell", "touching", "gap")
    assert info.training["settings"]["gap_radius"] == 3
    assert info.training["images"] == ["cells0", "cells1"]
    assert info.training["validation"]["panoptic_quality"] is not None
    assert weights["head.weight"].shape == (4, 2, 1, 1)
    assert not list(tmp_path.glob("*tmp*"))


@pytest.mark.parametrize(
    ("loss", "classes"), [(name, build().classes) for name, build in BUILDERS.items()]
)
def test_every_system_train_and_predict(tmp_path, annotated, quick, loss, classes):
    run(tmp_path, annotated, replace(quick, loss=loss))
    prediction = segment(annotated[0].image, model=tmp_path / "model.safetensors")
    assert prediction.probabilities.shape == (classes, 72, 80)


def test_an_epoch_has_each_image_once(annotated, quick):
    assert len(annotated) == 3
    settings = replace(quick, steps=3, batch_size=2, sampling="epochs")
    marked = [
        replace(image, image=np.full_like(image.image, number))
        for number, image in enumerate(annotated)
    ]
    names = ("rotate", "scale", "warp", "gamma", "brightness", "noise", "touching_contrast")
    still = replace(settings, augmentation=Augmentation(mirror=False, **dict.fromkeys(names, 0.0)))
    samples = training_task(marked, marked, still)[0].samples()
    numbers = [round(samples[number][0].mean().item()) for number in range(6)]
    assert sorted(numbers[:3]) == sorted(numbers[3:]) == [0, 1, 2]
    heavier = [replace(annotated[0], weight=3.0), *annotated[1:]]
    with pytest.raises(ValueError, match="sampling must be random, not epochs, for images that"):
        training_task(heavier, heavier, settings)[0].samples()


def test_the_weights_of_a_map_reach_the_loss(tmp_path, annotated, quick):
    """Balanced classes and none at all see the same samples and differ by the weights alone."""
    losses = {}
    for loss in ("ce3", "bwm"):
        (tmp_path / loss).mkdir()
        steps = losses.setdefault(loss, [])
        settings = replace(quick, loss=loss, steps=1, learning_rate=1e-9)
        train(
            annotated,
            annotated,
            settings,
            output=tmp_path / loss,
            report=lambda p, steps=steps: steps.append(p.loss),
        )
    transform = quick.transform()
    samples = Samples(
        annotated, seed=0, steps=1, batch_size=2, crop=(48, 48), augmentation=quick.augmentation,
        transform=replace(transform, classes=3),
    )  # fmt: skip
    target = torch.stack([samples[0][1], samples[1][1]])
    counts = count_classes((image.labels for image in annotated), replace(transform, classes=3))
    mean = torch.from_numpy(class_weights(counts))[target[target >= 0].long()].mean().item()
    # untrained logits are about equal everywhere, so the loss is about log 3 times the mean weight
    assert losses["bwm"][0] / losses["ce3"][0] == pytest.approx(mean, rel=0.2)


def test_black_and_white_masks_give_their_own_target(annotated, quick):
    settings = replace(quick, loss="ce3", annotation="binary")
    labels = np.array([[1, 1, 1, 0, 2, 2, 0, 0]] * 5)
    target, weight = settings.transform()(labels)
    assert weight is None
    assert target[2].tolist() == [1, 1, 2, 2, 2, 1, 0, 0]


def test_options_of_the_weight_map_are_checked_with_the_settings():
    assert TrainSettings(loss="w3", weights={"beta": 12}).transform().options == {"beta": 12}
    scaled = TrainSettings(loss="w3", weights={"beta": 12, "scale": "mean"})
    assert scaled.transform().options == {"beta": 12}
    assert scaled.transform().scale == "mean"
    assert scaled.weights["scale"] == "mean"
    with pytest.raises(
        ValueError, match="weight map w3 has no option 'tau': it has balance, beta, nu, sigma"
    ):
        TrainSettings(loss="w3", weights={"tau": 12})
    with pytest.raises(
        ValueError,
        match=r"loss j4 has no weight map for \[weights\]: .* choose unet2, unet3, fl, dwm, saw, "
        "bwm, unet, w3",
    ):
        TrainSettings(loss="j4", weights={"beta": 12})


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    labels = np.zeros((12, 24, 24), np.int32)
    labels[3:9, 4:12, 4:20], labels[3:9, 12:20, 4:20] = 1, 2
    grey = (labels > 0)[None] + rng.normal(0, 0.1, (1, 12, 24, 24)).astype(np.float32)
    return AnnotatedImage("stack", grey, labels, spacing=(1.0, 0.5, 0.5))


@pytest.mark.parametrize("crop", [16, (8, 16, 24)])
def test_stacks_train_too(tmp_path, quick, stack, crop):
    settings = replace(quick, crop=crop, depth=1)
    stop = {"report": lambda progress: progress.step < 2}
    model = train([stack], [stack], settings, output=tmp_path, device="cpu", **stop)
    train([stack], [stack], settings, output=tmp_path, device="cpu", resume=True)
    assert segment(stack.image, model=model).labels.shape == stack.labels.shape
    _, info = load_model(model, SegmentationInfo)
    assert (info.architecture.ndim, info.training["settings"]["ndim"]) == (3, 3)
    assert info.training["settings"]["crop"] == (crop if crop == 16 else list(crop))


def test_samples_of_a_stack_follow_its_spacing(stack):
    still = Augmentation(
        rotate=0, mirror=False, scale=0, gamma=0, brightness=0, noise=0, touching_contrast=0
    )
    options = {"seed": 0, "steps": 1, "batch_size": 1, "crop": (12, 24, 24), "augmentation": still}
    samples, plain = (
        Samples([image], **options, transform=TargetAndWeight())[0]
        for image in (stack, replace(stack, spacing=None))
    )
    assert samples[0].shape == plain[0].shape == (1, 12, 24, 24)
    assert not torch.equal(samples[0], plain[0])


@pytest.mark.parametrize(
    ("ndim", "crop", "shape"),
    [(2, None, (256, 256)), (3, None, (64,) * 3), (3, 32, (32,) * 3), (2, (16, 48), (16, 48))],
)
def test_a_crop_is_a_number_or_one_per_axis(ndim, crop, shape):
    settings = TrainSettings(crop=crop)
    assert settings.crop_shape(ndim) == shape
    fill_in = settings.fill_in(ndim)
    assert (fill_in.ndim, fill_in.crop) == (ndim, crop or shape[0])
    assert fill_in.crop_shape(ndim) == shape


@pytest.mark.parametrize("crop", [0, "a", (16, 0), 5000, 16.5])
def test_a_bad_crop_is_named_with_what_it_may_be(crop):
    with pytest.raises(
        ValidationError, match=r"crop\n.*expected 1 to 4096 pixels, or a number for each axis"
    ):
        TrainSettings(crop=crop)


def test_a_crop_with_another_number_of_axes_than_the_images_is_refused(tmp_path, quick, stack):
    with pytest.raises(
        ValueError, match=r"crop has 2 sizes, the images have 3 spatial axes"
    ) as said:
        train([stack], [stack], replace(quick, crop=(16, 16)), output=tmp_path)
    assert "\n" not in str(said.value)
    with pytest.raises(ValidationError, match="crop has 2 sizes"):
        TrainSettings(ndim=3, crop=(16, 16))


def test_planes_and_stacks_do_not_mix(tmp_path, annotated, quick, stack):
    with pytest.raises(
        ValueError,
        match="image stack has 3 spatial axes, cells0 has 2: train on planes or on stacks",
    ):
        run(tmp_path, [*annotated[:2], stack], quick)
    with pytest.raises(
        ValueError, match="image cells0 has 2 spatial axes, expected 3: remove ndim"
    ):
        run(tmp_path, annotated, replace(quick, ndim=3))
    line = replace(stack, image=stack.image[:, 0, 0], labels=stack.labels[0, 0])
    with pytest.raises(ValueError, match="image stack has 1 spatial axes, expected 2 or 3"):
        train([line], [line], quick, output=tmp_path)


def test_resuming_with_other_settings_or_images_is_refused(tmp_path, annotated, quick):
    run(tmp_path, annotated, quick)
    with pytest.raises(ValueError, match=r"was made with settings\.lam = None, not 0\.1"):
        run(tmp_path, annotated, replace(quick, lam=0.1), resume=True)
    with pytest.raises(ValueError, match="was made with images = "):
        run(tmp_path, annotated[1:] + annotated[:1], quick, resume=True)


def test_nothing_to_resume_is_said(tmp_path, annotated, quick):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        run(tmp_path, annotated, quick, resume=True)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path, annotated, quick):
    whole = run(tmp_path / "whole", annotated, quick)
    killed = tmp_path / "killed"
    killed.mkdir()
    shutil.copy(tmp_path / "whole" / "model.safetensors", killed)
    with pytest.raises(ValueError, match=r"model\.safetensors was made with settings\.lam = "):
        run(killed, annotated, replace(quick, lam=0.1), resume=True)
    assert_same(whole, run(killed, annotated, quick, resume=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "w3", "lam": 0.5}, "loss w3 has no J term for the setting lam: remove it"),
        ({"loss": "ce3", "lam": [[0, 0, 0]] * 3}, "loss ce3 has no J term"),
        ({"loss": "youden", "lam": 1e300}, "with this setting lam the loss youden is not finite"),
        ({"loss": "fl", "loss_options": {"gamma": 1e300}}, "setting loss_options the loss fl"),
        ({"learning_rate": np.inf}, "setting learning_rate"),
        ({"weight_decay": np.inf}, "setting weight_decay"),
        ({"gap_radius": np.inf}, "setting gap_radius"),
    ],
)
def test_settings_that_cannot_train_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        read_settings(TrainSettings, None, settings)


def test_usual_numbers_of_a_loss_are_taken():
    for name, options in (("fl", {"gamma": 2.0}), ("focal_tversky", {"gamma": 0.75})):
        read_settings(TrainSettings, None, {"loss": name, "loss_options": options})
    read_settings(TrainSettings, None, {"loss": "youden", "lam": 0.25})


def test_a_damaged_checkpoint_is_said(tmp_path, annotated, quick):
    (tmp_path / "checkpoint.pt").write_bytes(b"PK half a file")
    with pytest.raises(ValueError, match=r"cannot read checkpoint .*checkpoint\.pt"):
        run(tmp_path, annotated, quick, resume=True)


def test_masks_without_any_cell_are_refused(tmp_path, annotated, quick):
    empty = [replace(image, labels=np.minimum(image.labels, 0)) for image in annotated]
    with pytest.raises(ValueError, match="no training mask holds a cell"):
        run(tmp_path, empty, quick)


def test_a_diverging_loss_is_said_and_keeps_the_last_checkpoint(
    tmp_path, annotated, quick, monkeypatch
):
    losses = iter([1.0, 1.0, np.nan])

    def broken(logits, target):
        return logits.mean() * 0 + next(losses)

    monkeypatch.setattr(
        sys.modules["seamwise.segmentation.settings"],
        "system",
        lambda name, **options: System(4, broken),
    )
    with pytest.raises(ValueError, match=r"the loss is nan at step 3: lower learning_rate"):
        run(tmp_path, annotated, quick)
    assert load_steps(tmp_path) == 2
    assert (tmp_path / "model.safetensors").exists()


def test_a_finished_run_is_not_overwritten(tmp_path, annotated, quick):
    before = run(tmp_path, annotated, quick)
    with pytest.raises(FileExistsError, match="already holds a run"):
        run(tmp_path, annotated, replace(quick, seed=1))
    assert_same(before, weights_of(tmp_path))


def test_bad_validation_images_are_reported_before_the_first_step(tmp_path, annotated, quick):
    two_channels = replace(annotated[2], image=annotated[2].image.repeat(2, 0))
    flat = replace(annotated[2], image=np.zeros_like(annotated[2].image))
    for image, word in ((two_channels, "cells2 has 2 channels"), (flat, "cells2 is constant")):
        with pytest.raises(ValueError, match=word):
            run(tmp_path, [*annotated[:2], image], quick)
    with pytest.raises(ValueError, match="one training and one validation image, not 2 and 0"):
        run(tmp_path, annotated[:2], quick)


def test_a_run_of_w3_with_the_earlier_balance_is_not_resumed(annotated, quick):
    w3 = replace(quick, loss="w3")
    record = describe(w3, annotated, annotated).training
    assert record["settings"]["weights"] == {"balance": "frequency"}
    before = {**record, "settings": {**record["settings"], "weights": {}}}
    assert "weights.balance = None, not frequency" in Provenance(record).difference(before)
    plain = describe(quick, annotated, annotated).training
    assert plain["settings"]["weights"] == {}
    dropped = {**plain, "settings": {**plain["settings"], "weights": {"beta": 20}}}
    assert Provenance(plain).difference(dropped) == "made with settings.weights.beta = 20, not None"


def test_a_checkpoint_of_a_version_with_percentiles_only_resumes(tmp_path, annotated, quick):
    run(tmp_path, annotated, quick)
    path = tmp_path / "checkpoint.pt"
    saved = torch.load(path, weights_only=True)
    assert saved["provenance"]["settings"]["normalization"].pop("kind") == "percentiles"
    torch.save(saved, path)
    run(tmp_path, annotated, quick, resume=True)
    saved["provenance"]["settings"]["normalization"]["high"] = 99.0
    torch.save(saved, path)
    with pytest.raises(ValueError, match=r"settings.normalization.high = 99.0, not 99.8"):
        run(tmp_path, annotated, quick, resume=True)


def test_resuming_on_corrected_masks_is_refused(tmp_path, annotated, quick):
    run(tmp_path, annotated, quick)
    corrected = replace(
        annotated[0], labels=np.where(annotated[0].labels == 1, 0, annotated[0].labels)
    )
    with pytest.raises(ValueError, match="made with different images or masks"):
        run(tmp_path, [corrected, *annotated[1:]], quick, resume=True)


def test_a_checkpoint_of_another_program_is_reported(tmp_path, annotated, quick):
    torch.save({"weights": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="cannot read checkpoint"):
        run(tmp_path, annotated, quick, resume=True)


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.safetensors"])
def test_a_full_disk_is_said_in_one_line(tmp_path, annotated, quick, monkeypatch, name):
    write = Path.write_bytes

    def full(path, content):
        if path.suffix == Path(name).suffix:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=rf"cannot write .*{name}: no space is left"):
        run(tmp_path, annotated, quick)
    assert not (tmp_path / name).exists()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_change_nothing(tmp_path, annotated, quick):
    alone = run(tmp_path / "alone", annotated, quick)
    assert_same(alone, run(tmp_path / "helped", annotated, replace(quick, workers=1)))


def test_pixel_size_and_channel_go_into_the_model_file(tmp_path, annotated, quick):
    images = [replace(image, spacing=(0.5, 0.5), channels=("channel 2",)) for image in annotated]
    run(tmp_path, images, quick)
    _, info = load_model(tmp_path / "model.safetensors", SegmentationInfo)
    assert (info.spacing, info.channels) == ((0.5, 0.5), ("channel 2",))


def test_snapshots_are_the_weights_of_their_step_and_change_nothing(tmp_path, annotated, quick):
    plain = run(tmp_path / "plain", annotated, quick)
    settings = replace(quick, snapshot_every=3)
    assert_same(plain, run(tmp_path / "snapped", annotated, settings))
    assert [path.name for path in (tmp_path / "snapped").glob("snapshot*")] == [
        "snapshot-3.safetensors"
    ]
    run(tmp_path / "three", annotated, quick, report=lambda progress: progress.step < 3)
    after_three = weights_of(tmp_path / "three")
    weights, info = load_model(tmp_path / "snapped" / "snapshot-3.safetensors", SegmentationInfo)
    assert all(
        torch.equal(tensor, after_three[f"average.module.{name}"])
        for name, tensor in weights.items()
    )
    assert info.training["step"] == 3
    assert segment(
        annotated[0].image, model=tmp_path / "snapped" / "snapshot-3.safetensors"
    ).labels.shape == (72, 80)


def test_a_run_goes_on_from_its_last_snapshot(tmp_path, annotated, quick):
    settings = replace(quick, snapshot_every=1, validate_every=4)

    def killed(progress):
        if progress.step == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(tmp_path / "killed", annotated, settings, report=killed)
    seen = []
    run(
        tmp_path / "killed",
        annotated,
        settings,
        resume=True,
        report=lambda progress: seen.append(progress.step),
    )
    assert seen == [3, 4]


def test_a_resumed_run_writes_the_same_snapshots(tmp_path, annotated, quick):
    run(tmp_path / "whole", annotated, replace(quick, snapshot_every=1))
    run(tmp_path / "cut", annotated, quick, report=lambda progress: progress.step < 2)
    run(tmp_path / "cut", annotated, replace(quick, snapshot_every=1), resume=True)
    names = {path.name for path in (tmp_path / "cut").glob("snapshot*")}
    assert names == {"snapshot-3.safetensors", "snapshot-4.safetensors"}
    for name in names:
        whole, cut = (
            load_model(tmp_path / folder / name, SegmentationInfo)[0] for folder in ("whole", "cut")
        )
        assert_same(whole, cut)
