"""The recipes run, on pictures made up, and refuse before the work what would fail after it."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from seamwise.fusion import find_pictures, fuse_pair
from seamwise.io.images import write_png
from seamwise.io.models import (
    Architecture,
    FusionInfo,
    NormalizationRule,
    SegmentationInfo,
    load_model,
    save_model,
)
from seamwise.nets import Siamese, UNet
from seamwise.segmentation import find_pairs, read_pair

RECIPES = Path(__file__).parent.parent / "recipes"
pytestmark = pytest.mark.skipif(
    not RECIPES.is_dir(), reason="needs recipes/, which the source distribution lacks"
)


def loaded(name):
    specification = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recipe():
    return loaded("focus_cnn")


@pytest.fixture(scope="module")
def settings(recipe):
    return recipe.Settings(steps=2, batch_size=4)


@pytest.fixture
def data(tmp_path):
    """Three pictures of noise: one to leave out, one to validate and one to train on."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        write_png(folder / f"{name}.png", rng.integers(0, 256, (30, 41, 3), np.uint8))
    return folder


def test_focus_cnn_writes_the_weights_that_it_validated(
    tmp_path, recipe, settings, data, monkeypatch, capsys
):
    validated = {}

    def watched(net, *others):
        validated.update(net.state_dict())
        return accuracy(net, *others)

    accuracy = recipe.accuracy
    monkeypatch.setattr(recipe, "accuracy", watched)
    monkeypatch.setattr(recipe, "VALIDATION_PAIRS", 40)
    recipe.main(data, tmp_path / "x.safetensors", settings)
    weights = load_file(tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        description = json.loads(file.metadata()["description"])
    Siamese().load_state_dict(weights)
    for name, tensor in weights.items():
        assert tensor.dtype == torch.float16
        assert torch.equal(tensor.float(), validated[name].cpu())
    assert (description["images"], description["validation_images"]) == (["c"], ["b"])
    assert description["settings"]["steps"] == 2
    assert description["device"] in ("cpu", "cuda", "mps")
    assert description["precision"] in ("float32", "bfloat16")
    assert list(description["validation_accuracy"]) == ["1", "2", "3", "4", "5"]
    assert "right on 1 validation pictures" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "x.safetensors"]


def test_focus_cnn_says_before_the_training_that_it_could_not_write(
    tmp_path, recipe, settings, data, monkeypatch
):
    monkeypatch.setattr(recipe, "train", lambda *_: pytest.fail("it trained"))
    with pytest.raises(
        FileNotFoundError,
        match=r"cannot write .*none.*: its folder does not exist; create it first",
    ):
        recipe.main(data, tmp_path / "none" / "x.safetensors", settings)
    with pytest.raises(IsADirectoryError, match=r"cannot write .*: it is a folder"):
        recipe.main(data, tmp_path, settings)


@pytest.mark.parametrize("name", ["b", "c"])
def test_focus_cnn_names_a_picture_that_it_cannot_draw_patches_from(
    tmp_path, recipe, settings, data, name
):
    for picture, said in (
        (np.zeros((15, 40), np.uint8), r"has \(15, 40\) pixels, a patch 16 × 16: remove it"),
        (
            np.full((40, 50), 90, np.uint8),
            "has no patch of 16 × 16 pixels with a variance above 25: remove it",
        ),
    ):
        write_png(data / f"{name}.png", picture)
        with pytest.raises(ValueError, match=f"{name}.png {said}"):
            recipe.main(data, tmp_path / "x.safetensors", settings)


def test_focus_cnn_needs_a_picture_for_each_purpose(tmp_path, recipe, settings, data):
    (data / "a.png").unlink()
    with pytest.raises(ValueError, match=r"data must hold at least 3 pictures, .* not 2: add"):
        recipe.main(data, tmp_path / "x.safetensors", settings)


@pytest.mark.parametrize("shape", [(16, 16), (16, 29), (37, 21)])
def test_the_variances_are_those_of_all_patches(recipe, shape):
    grey = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    patches = np.lib.stride_tricks.sliding_window_view(grey, (16, 16))
    np.testing.assert_allclose(recipe.variances(grey), patches.var(axis=(2, 3)), rtol=1e-9)


def test_a_picture_with_one_patch_of_detail_is_drawn_from(recipe, settings, data):
    grey = np.full((20, 33), 90, np.uint8)
    grey[-1, -1] = 255  # in the last patch alone: 165²·(1/256 − 1/256²) = 106
    write_png(data / "c.png", grey)
    levels = recipe.blurred(find_pictures(data)[2], replace(settings, blurs=1))
    rng = np.random.default_rng(0)
    assert recipe.draw([levels], 1, settings.least_variance, rng).shape == (2, 16, 16)


@pytest.fixture
def selector(tmp_path):
    """A model file whose network has random weights, validated on pictures a and c."""
    torch.manual_seed(0)
    net = UNet(6, 2, width=2, depth=1)
    info = FusionInfo(
        architecture=Architecture(in_channels=6, out_channels=2, width=2, depth=1),
        output="selection",
        training={"validation_images": ["a", "c"], "settings": {"stored_as": "float16"}},
    )  # fmt: skip
    save_model(tmp_path / "model.safetensors", net.state_dict(), info)
    return tmp_path / "model.safetensors"


def test_soften_keeps_the_weights_and_writes_the_best_of_its_grid(
    tmp_path, data, selector, monkeypatch
):
    soften = loaded("soften")
    seen = {}

    def scored(model, pairs):
        """The best for matte edges, which are scored first, is in the middle of the grid."""
        grid = (model.info.temperature, model.info.smoothing)
        assert len(pairs) == 2
        seen[grid] = seen.get(grid, 0) + 1
        return 40 - abs(grid[0] - 1.5) - abs(grid[1] - 2) if seen[grid] == 1 else 10 * grid[0]

    monkeypatch.setattr(soften, "mean_psnr", scored)
    soften.main(selector, data, tmp_path / "soft.safetensors")
    weights, info = load_model(tmp_path / "soft.safetensors", FusionInfo)
    assert (info.temperature, info.smoothing) == (1.5, 2.0)
    assert info.training["softened"] == {
        "psnr": {"matte": 40, "hard": 15},
        "psnr_before": {"matte": 37.5, "hard": 10},
    }
    before, _ = load_model(selector, FusionInfo)
    assert all(torch.equal(weights[name], before[name].half()) for name in before)
    assert len(seen) == len(soften.TEMPERATURES) * len(soften.SMOOTHINGS)


def test_soften_scores_the_clipped_picture_against_the_truth(data, selector):
    soften = loaded("soften")
    _, info = load_model(selector, FusionInfo)
    pairs = soften.validation_pairs(info, data, soften.SIMULATIONS["matte"])
    model = soften.load(selector, device="cpu")
    errors = [
        np.mean((fuse_pair(p.a, p.b, model=model).image.clip(0, 1) - p.truth) ** 2) for p in pairs
    ]
    assert soften.mean_psnr(model, pairs) == pytest.approx(
        np.mean([-10 * np.log10(e) for e in errors]), abs=1e-3
    )


def test_soften_names_a_picture_that_is_missing(tmp_path, data, selector):
    (data / "c.png").unlink()
    with pytest.raises(SystemExit, match=r"lacks 1 validation pictures of the model, e\.g\. c: "):
        loaded("soften").main(selector, data, tmp_path / "soft.safetensors")
    assert not (tmp_path / "soft.safetensors").exists()


def test_slivers_at_the_border_of_a_stack_are_ignored(monkeypatch):
    recipe = loaded("tissue_stacks")
    monkeypatch.setattr(recipe, "SLIVER", 3)
    plane = np.array(
        [[4, 4, 0, 0, 9, 9, 9], [0, 0, 7, 7, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]], np.uint16
    )
    # 4 has two pixels at the border, 9 three; 7 has two inside
    expected = [[-1, -1, 0, 0, 2, 2, 2], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]]
    assert recipe.without_slivers(plane).tolist() == expected


def test_tissue_stacks_writes_made_up_stacks_and_parts_of_the_real_one(tmp_path, monkeypatch):
    recipe = loaded("tissue_stacks")
    monkeypatch.setattr(recipe, "SHAPE", (6, 34, 35))
    monkeypatch.setattr(
        recipe, "SEEDS", {"train": range(2), "val": range(100, 101), "test": range(200, 201)}
    )
    real = tmp_path / "real"
    for kind in ("images", "masks"):
        (real / kind).mkdir(parents=True)
        numbers = np.arange(8 * 5 * 7, dtype=np.uint16).reshape(8, 5, 7)
        tifffile.imwrite(real / kind / "x.tif", numbers, imagej=True, metadata={"axes": "ZYX"})
    monkeypatch.setattr("sys.argv", ["tissue_stacks.py", str(real), "-o", str(tmp_path / "data")])
    recipe.main()
    split = find_pairs(tmp_path / "data")
    assert [pair.name for pair in split.training] == [
        "tissue-0",
        "tissue-1",
        "x-0",
        "x-1",
        "x-2",
        "x-3",
    ]
    assert [pair.name for pair in split.validation] == ["tissue-100", "x"]
    below, above = (
        read_pair(part[-1], rule=NormalizationRule()) for part in (split.training, split.validation)
    )
    assert (len(below.labels), len(above.labels)) == (6, 2)
    assert below.relative_spacing == pytest.approx((0.284 / 0.127, 1, 1), rel=1e-3)
    made = read_pair(split.training[0], rule=NormalizationRule())
    assert made.labels.shape == (6, 34, 35)
    assert made.relative_spacing == (2, 1, 1)


def test_averaged_weights_are_the_means_and_the_description_that_of_the_last(tmp_path):
    info = SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=4),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
    )
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 3)]
    for path, number in zip(paths, (1, 3), strict=True):
        weights = {"a": torch.full((2,), float(number)), "count": torch.tensor(number)}
        save_model(path, weights, info.model_copy(update={"zoom": number / 4}))
    averaging = loaded("average_weights")
    means = averaging.average([load_model(path, SegmentationInfo)[0] for path in paths])
    assert means["a"].tolist() == [2, 2]
    assert means["count"] == 3
    weights, last = load_model(paths[-1], SegmentationInfo)
    assert last.zoom == 0.75
    assert weights["a"].tolist() == [3, 3]  # the snapshots stay
