"""The recipe of `nuclei-3d` and `walls-3d`: its stacks, its samples and its first weights."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seamwise.engine.networks import ReadyNetwork, build_network
from seamwise.engine.settings import RunSettings
from seamwise.io.images import write_labels
from seamwise.io.models import (
    Architecture,
    SegmentationInfo,
    describe_model,
    load_model,
    model_path,
    save_model,
)
from seamwise.labels import IGNORE
from seamwise.synth import CONFOCAL, Nucleus, nuclei
from support.recipes import script

RECIPE = Path(__file__).parent.parent / "recipes" / "stacks_3d.py"
pytestmark = pytest.mark.skipif(not RECIPE.is_file(), reason="needs recipes/")
CROP = (16, 20, 24)


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPE.parent))
    specification = importlib.util.spec_from_file_location("stacks_3d", RECIPE)
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "stacks_3d", module)
    specification.loader.exec_module(module)
    for one in (module, sys.modules["stack_crops"]):
        monkeypatch.setattr(one, "CROP", CROP)
    return module


def balls(recipe, kind="nuclei"):
    """Two balls, of radius 5 and 4, and their light."""
    z, y, x = np.ogrid[:28, :30, :32]
    labels = np.zeros((28, 30, 32), np.int32)
    labels[(z - 9) ** 2 + (y - 10) ** 2 + (x - 10) ** 2 <= 25] = 1
    labels[(z - 17) ** 2 + (y - 18) ** 2 + (x - 20) ** 2 <= 16] = 2
    image = 100 + 900 * (labels > 0) + np.random.default_rng(0).integers(9, size=labels.shape)
    return recipe.source(image.astype(np.uint16), labels, (1, 1, 1), kind)


@pytest.mark.parametrize("kind", ["nuclei", "walls"])
def test_a_sample_depends_on_its_number_alone(recipe, kind):
    settings = RunSettings(steps=4, batch_size=2)
    samples = recipe.Samples([balls(recipe, kind)], kind=kind, settings=settings)
    for number in (1, 6):
        for first, second in zip(samples[number], samples[number], strict=True):
            assert torch.equal(first, second)
    image, target, weight, guides = samples[3]
    assert (image.shape, target.shape, weight.shape) == ((1, *CROP), CROP, CROP)
    assert guides.shape == (4, *CROP)
    assert torch.isfinite(image).all()
    assert weight.min() > 0


@pytest.mark.parametrize("kind", ["nuclei", "walls"])
def test_a_share_of_the_crops_is_noise_without_a_cell(recipe, kind, monkeypatch):
    settings = RunSettings(steps=20, batch_size=2)
    reals = [balls(recipe, kind)]
    for share in (0.0, 1.0):
        monkeypatch.setitem(recipe.EMPTY, kind, share)
        samples = recipe.Samples(reals, kind=kind, settings=settings)
        cells = [bool((samples[number][1] == 1).any()) for number in range(8)]
        assert any(cells) if share == 0 else not any(cells)


def test_offsets_of_a_crop_lead_to_the_middle_of_the_cell(recipe):
    source, rng, compared = balls(recipe), np.random.default_rng(1), 0
    for _ in range(40):
        _, labels, guides = recipe.random_crop(source, recipe.WEAK, rng)
        for number in (1, 2):
            inside = labels == number
            edge = np.ones(CROP, bool)
            edge[1:-1, 1:-1, 1:-1] = False
            if (inside & edge).any() or inside.sum() < 100:
                continue
            places = np.argwhere(inside)
            radius = (inside.sum() * 3 / 4 / np.pi) ** (1 / 3)
            ends = places + radius * guides[1:, inside].T
            np.testing.assert_allclose(ends - places.mean(0), 0, atol=0.15 * radius + 0.5)
            compared += 1
    assert compared > 10


def test_beyond_the_stack_labels_are_ignored(recipe):
    far = replace(recipe.STRONG, scale=1.0)
    rng = np.random.default_rng(0)
    crops = [recipe.random_crop(balls(recipe), far, rng)[1] for _ in range(8)]
    assert any((labels == IGNORE).any() for labels in crops)


def test_a_sliver_is_highest_at_the_border_that_cuts_it(recipe):
    crops = sys.modules["stack_crops"]
    cells = np.zeros((5, 5, 6), np.int32)
    cells[1:4, 1:4, :2] = 1
    relief, *offset = crops.crop_guides(cells)
    assert relief[2, 2].tolist() == [1, 0.5, 0, 0, 0, 0]
    assert [axis[2, 2, 0] for axis in offset[:2]] == [0, 0]
    radius = (18 * 3 / 4 / np.pi) ** (1 / 3)
    assert offset[2][2, 2, :2] == pytest.approx([0.5 / radius, -0.5 / radius])


def test_beyond_its_ends_a_stack_is_mirrored(recipe):
    crops = sys.modules["stack_crops"]
    places = np.array([[-2, -1, 0, 3, 4, 5, 8], [0, 1, 2, 3, -1, -3, 4]], np.int32)
    first, second = crops.mirrored(places, np.array([4, 3]))
    assert first.tolist() == [2, 1, 0, 3, 2, 1, 2]
    assert second.tolist() == [0, 1, 2, 1, 1, 1, 0]


def test_one_slice_is_mirrored_to_itself(recipe):
    (slices,) = sys.modules["stack_crops"].mirrored(np.array([[-2, 0, 3]]), np.array([1]))
    np.testing.assert_array_equal(slices, [0, 0, 0])


def test_a_reduced_stack_keeps_its_mean_and_a_magnified_one_its_ends(recipe):
    image = np.random.default_rng(0).random((4, 6, 8), dtype=np.float32)
    half = recipe.resampled(image, (1, 0.5, 0.5))
    assert half.shape == (4, 3, 4)
    assert half.mean() == pytest.approx(image.mean(), abs=0.03)
    line = np.arange(4, dtype=np.float32)[:, np.newaxis, np.newaxis]
    assert recipe.resampled(line, (2, 1, 1)).ravel().tolist() == [
        0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3,
    ]  # fmt: skip
    assert recipe.nearest(line.astype(int), (2, 1, 1)).ravel().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_last_rows_of_a_real_stack_are_for_the_report(recipe, tmp_path):
    labels = np.zeros((4, 20, 12), np.uint16)
    labels[:, 2:6], labels[:, 14:18] = 1, 2
    for name in ("image", "mask"):
        write_labels(tmp_path / f"{name}.tif", labels)
    paths = tmp_path / "image.tif", tmp_path / "mask.tif"
    training, report = recipe.real(*paths, "2,1,1", kind="nuclei", zoom=0.5, share=0.6)
    # magnified by 0.5, and along z by 2 more
    assert training.labels.shape == (4, 6, 6)
    assert report.labels.shape == (4, 4, 6)
    assert training.labels.max() == report.labels.max() == 1
    everything, nothing = recipe.real(*paths, "2,1,1", kind="nuclei", zoom=0.5, share=1)
    assert everything.labels.shape == (4, 10, 6)
    assert nothing.labels.size == 0


def test_a_thick_kernel_sees_in_a_uniform_stack_what_the_flat_one_sees_in_a_plane(recipe, tmp_path):
    architecture = Architecture(
        in_channels=1, out_channels=4, width=2, depth=0, norm="batch", guides=True
    )
    info = SegmentationInfo(
        architecture=architecture,
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
    )
    torch.manual_seed(0)
    flat = build_network(architecture).eval()
    save_model(tmp_path / "flat.safetensors", flat.state_dict(), info)
    thick = build_network(architecture.model_copy(update={"ndim": 3})).eval()
    thick.load_state_dict(recipe.first_weights(tmp_path / "flat.safetensors"))
    plane = torch.rand(1, 1, 8, 9)
    expected = flat(plane)
    output = thick(plane[:, :, None].repeat(1, 1, 7, 1, 1))[:, :, 3]
    torch.testing.assert_close(output[:, :5], expected[:, :5])
    assert not output[:, 5].any()  # nothing is known about the offset along z
    torch.testing.assert_close(output[:, 6:], expected[:, 5:])


def test_hills_count_in_cells_only(recipe):
    truth = torch.tensor([[0.0, 0.5, 1.0, 0.0]])
    assert recipe.hills(truth + torch.tensor([[9.0, 0, 0, -9]]), truth) == 0
    assert recipe.hills(truth + 0.3, truth) == pytest.approx(0.25)
    assert recipe.hills(truth * 0 + 1, truth * 0) == 0


class Threshold(torch.nn.Module):
    """A network that knows the cells: all that is brighter than 0.5."""

    ndim, multiple = 3, 1

    def forward(self, image):
        is_cell = (image > 0.5).float()
        nothing = torch.zeros_like(image)
        classes = [1 - is_cell, is_cell, nothing, nothing]
        guides = [is_cell, nothing, nothing, nothing]
        return torch.cat([20 * probability for probability in classes] + guides, 1)


@pytest.mark.parametrize(("kind", "decode"), [("nuclei", "relief"), ("walls", "argmax")])
def test_validation_sees_the_voxels_of_the_network_as_they_are(recipe, kind, decode):
    labels = np.zeros((12, 12, 13), np.int32)
    labels[2:10, 2:10, 1:6], labels[2:10, 2:10, 7:12] = 1, 2  # halved again, they would be one
    image = (labels > 0).astype(np.float32)
    stack = recipe.Stack(image, labels)
    info = recipe.information(kind, [stack], {})
    assert (info.zoom, info.decode.rule) == (0.5, decode)
    assert info.decode == describe_model(model_path(f"{kind}-3d")).decode
    task = recipe.Stacks(info, RunSettings(steps=1), kind, [stack], [], [stack])
    model = ReadyNetwork(Threshold, info, "cpu", "float32")
    assert task.validate(model) == {"ap50": 1.0, "ap70": 1.0, "pq": 1.0}


def drawn_nuclei(seed):
    """Clear nuclei, or noise with the labels of nuclei."""
    camera = replace(CONFOCAL, spacing=(1.0, 1.0, 1.0), photons=200)
    nucleus = Nucleus(radius=9, brightness=(0.6, 1))
    drawn = nuclei((48, 72, 72), cells=8, rng=5, cluster=1, nucleus=nucleus, camera=camera)
    if seed == 1:
        noise = np.random.default_rng(0).normal(1000, 30, drawn.image.shape).astype(np.uint16)
        drawn = replace(drawn, image=noise)
    return drawn, 1.0


def copied_model(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_path("nuclei-3d").read_bytes())
    return path


def test_a_stack_says_what_a_model_knows_if_half_of_its_cells_are_found(
    tmp_path, monkeypatch, capsys
):
    record, path = script("record_stack_range"), copied_model(tmp_path)
    monkeypatch.setattr(record, "DRAWINGS", {"nuclei": drawn_nuclei})
    command = ["record", "nuclei", str(path), "--seeds", "0-1"]
    monkeypatch.setattr(sys, "argv", [*command, "--least", "1.01"])
    record.main()
    assert "\n0 stacks: diameters None" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", command)
    record.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["nuclei 0", "nuclei 1", "1 stacks"]
    info = describe_model(path)
    low, middle, high = info.diameters
    assert 5 < low <= middle <= high < 11  # of 18 voxels, halved; some are cut by the border
    assert info.fit.by_relief
    assert 0.2 < info.fit.certainty < 1
    before = load_model(model_path("nuclei-3d"), SegmentationInfo)[0]
    after = load_model(path, SegmentationInfo)[0]
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_ranges_for_integers_come_from_drawn_stacks_of_cubic_voxels(tmp_path, monkeypatch, capsys):
    record, path = script("record_activations"), copied_model(tmp_path)
    monkeypatch.setattr(record, "DRAWINGS", {"nuclei": lambda seed: (drawn_nuclei(0)[0], 2.0)})
    monkeypatch.setattr(record, "SEEDS", range(1))
    assert record.drawn_stack("nuclei", 0).shape == (1, 96, 72, 72)
    monkeypatch.setattr(sys, "argv", ["record", str(path), "--drawn", "nuclei"])
    record.main()
    activations = describe_model(path).activations
    assert len(activations) == 4 * 4 + 3
    assert min(activations) > 0
    assert str(activations) in capsys.readouterr().out


def test_record_activations_takes_images_or_drawn_stacks(monkeypatch, capsys):
    arguments = ["record_activations.py", "model", "my.tif", "--drawn", "walls"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as error:
        script("record_activations").main()
    assert error.value.code == 2
    assert "give images or --drawn, not both" in capsys.readouterr().err
