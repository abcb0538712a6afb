from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise.io.models import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    SegmentationInfo,
    ThresholdPair,
    load_model,
    save_model,
    shipped_models,
)
from seamwise.nets import UNet
from seamwise.segmentation import combine, load, segment, train, tune
from seamwise.segmentation.choose.tune import save_tuned

INFO = SegmentationInfo(
    architecture=Architecture(in_channels=1, out_channels=3, width=2, depth=1, norm="batch"),
    classes=("background", "cell", "touching"),
    channels=("grey",),
    spacing=(0.5, 0.5),
    decode=DecodeRule(
        min_size=4, min_core=2, threshold=ThresholdPair(touching=0.1, cell=0.5), rule="threshold"
    ),
    training={"images": ["a"], "settings": {"seed": 1}},
)


def write(path, info=INFO, seed=0):
    torch.manual_seed(seed)
    kind = info.architecture
    net = UNet(
        kind.in_channels,
        kind.out_channels,
        ndim=kind.ndim,
        width=kind.width,
        depth=kind.depth,
        norm=kind.norm,
    )
    save_model(path, net.state_dict(), info)
    return path


@pytest.fixture
def files(tmp_path):
    return [write(tmp_path / f"{seed}.safetensors", seed=seed) for seed in range(3)]


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(37, 45))


def test_the_combined_file_segments_by_the_mean_of_the_probabilities(files, image, tmp_path):
    combine(files, tmp_path / "comb.safetensors")
    mean = np.mean(
        [segment(image, model=file, device="cpu").probabilities for file in files], axis=0
    )
    combined = segment(image, model=tmp_path / "comb.safetensors", device="cpu").probabilities
    # members of a file compute in the device's precision, whose rounding is the same in both
    np.testing.assert_allclose(combined, mean, atol=1e-5)
    tiled = segment(
        image,
        model=tmp_path / "comb.safetensors",
        device="cpu",
        keep_probabilities=False,
        flips=True,
    )
    assert tiled.labels.shape == image.shape


def test_the_description_of_the_combination(files, tmp_path):
    info = combine(files, tmp_path / "comb.safetensors")
    weights, read = load_model(tmp_path / "comb.safetensors", SegmentationInfo)
    assert read == info
    assert info.architecture == INFO.architecture.model_copy(update={"members": 3})
    assert (info.classes, info.channels, info.spacing) == (INFO.classes, INFO.channels, (0.5, 0.5))
    # thresholds of a member are not those of the mean
    assert info.decode == DecodeRule(min_size=4, min_core=2)
    assert info.training["members"][1] == {
        "file": f"{tmp_path.name}/1.safetensors",
        **INFO.training,
    }
    member, _ = load_model(files[2], SegmentationInfo)
    assert all(torch.equal(weights[f"members.2.{name}"], tensor) for name, tensor in member.items())


def test_pixel_sizes_that_differ_are_left_out(files, tmp_path):
    other = write(tmp_path / "o.safetensors", INFO.model_copy(update={"spacing": None}))
    assert combine([files[0], other], tmp_path / "comb.safetensors").spacing is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"architecture": INFO.architecture.model_copy(update={"width": 3})},
            "its width is 3, not 2",
        ),
        (
            {
                "architecture": INFO.architecture.model_copy(update={"out_channels": 4}),
                "classes": (*INFO.classes, "gap"),
            },
            "its classes is background, cell, touching, gap, not background, cell, touching;",
        ),
        (
            {"classes": ("background", "cell", "edge")},
            "its classes is background, cell, edge, not background, cell, touching;",
        ),
        ({"channels": ("DAPI",)}, r"its channels is \('DAPI',\), not \('grey',\)"),
        ({"normalization": NormalizationRule(low=5)}, "its normalization is .*5.0"),
    ],
)
def test_members_that_do_not_fit_are_named_with_the_difference(files, tmp_path, change, words):
    other = write(tmp_path / "other.safetensors", INFO.model_copy(update=change))
    with pytest.raises(
        ValueError, match=rf"other\.safetensors does not fit .*0\.safetensors: {words}"
    ) as caught:
        combine([*files, other], tmp_path / "comb.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "comb.safetensors").exists()


def test_a_single_model_a_combination_and_a_missing_file_are_refused(files, tmp_path):
    combine(files[:2], tmp_path / "comb.safetensors")
    with pytest.raises(ValueError, match="models must be two or more, not 1"):
        combine(files[:1], tmp_path / "again.safetensors")
    with pytest.raises(ValueError, match=r"comb\.safetensors is itself a combination of 2 models"):
        combine([tmp_path / "comb.safetensors", files[0]], tmp_path / "again.safetensors")
    with pytest.raises(FileNotFoundError, match="none"):
        combine([files[0], tmp_path / "none.safetensors"], tmp_path / "again.safetensors")
    assert not (tmp_path / "again.safetensors").exists()


def test_weights_that_do_not_fit_the_number_of_members_are_damage(files, tmp_path):
    combine(files, tmp_path / "comb.safetensors")
    weights, info = load_model(tmp_path / "comb.safetensors", SegmentationInfo)
    lying = info.model_copy(
        update={"architecture": info.architecture.model_copy(update={"members": 2})}
    )
    save_model(tmp_path / "lie.safetensors", weights, lying)
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path / "lie.safetensors")


def test_snapshots_of_a_run_are_combined_tuned_and_used(tmp_path, annotated, quick):
    settings = replace(quick, snapshot_every=2, validate_every=4)
    train(annotated[:2], annotated[2:], settings, output=tmp_path, device="cpu")
    snapshots = sorted(tmp_path.glob("snapshot-*.safetensors"))
    assert [path.name for path in snapshots] == ["snapshot-2.safetensors", "snapshot-4.safetensors"]
    comb = tmp_path / "comb.safetensors"
    info = combine(snapshots, comb)
    assert [member["step"] for member in info.training["members"]] == [2, 4]
    tuning = tune(annotated[2:], load(comb, device="cpu"))
    save_tuned(comb, tuning.rule, comb)
    model = load(comb, device="cpu")
    assert model.info.decode == tuning.rule
    assert model.info.architecture.members == 2
    assert (
        segment(annotated[0].image, model=model, decode="threshold").labels.shape
        == annotated[0].labels.shape
    )


def test_members_images_and_shipped_models_are_never_replaced(files, tmp_path):
    before = files[0].read_bytes()
    with pytest.raises(ValueError, match="is one of the models to combine"):
        combine(files, files[0])
    assert files[0].read_bytes() == before
    with pytest.raises(ValueError, match=r"expected a name ending in \.safetensors"):
        combine(files, tmp_path / "photo.tif")
    with pytest.raises(ValueError, match="ships with seamwise and stays as it is"):
        combine(files, shipped_models()["nuclei-2d"])
