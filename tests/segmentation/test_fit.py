import numpy as np
import pytest
import tifffile
import torch

from seamwise.io import describe_model, read_labels
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    Fit,
    NormalizationRule,
    SegmentationInfo,
    ThresholdPair,
    save_model,
)
from seamwise.nets import UNet
from seamwise.segmentation import (
    SegmentOptions,
    record_activations,
    segment,
    segment_files,
    segment_image,
    segment_slices,
    segment_volume,
    train,
)
from seamwise.segmentation.choose import combine
from seamwise.segmentation.fit import (
    Look,
    Watch,
    fit_of,
    look_at,
    misfit,
    skewness,
)
from seamwise.segmentation.predict import Model
from seamwise.segmentation.zoom import Zoom, zoom_of
from seamwise.synth import crowded_cells


def described(**fields):
    return SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=4),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        **fields,
    )


HALF = Zoom((0.5, 0.5))
KNOWN = described(fit=Fit(certainty=0.8, skewness=0.2), diameters=(10, 20, 40))
BY_RELIEF = described(fit=Fit(certainty=0.8, skewness=0.2, by_relief=True))


def test_certainty_is_the_gap_between_the_two_most_likely_classes_of_cells():
    maps = np.array([[[0.9, 0.1, 0.0]], [[0.1, 0.6, 0.3]], [[0.0, 0.3, 0.6]], [[0.0, 0.0, 0.1]]])
    look = look_at(maps, 4)
    assert (look.foreground, look.by_relief) == (2, False)
    assert look.mean == pytest.approx((0.3 + 0.3) / 2)


def test_with_guides_certainty_is_the_relief():
    classes = np.array([[[0.9, 0.1]], [[0.1, 0.6]], [[0.0, 0.3]], [[0.0, 0.0]]])
    guides = np.array([[[0.7, 0.5]], [[9, 9]], [[9, 9]]])
    look = look_at(np.concatenate([classes, guides]), 4)
    assert (look.foreground, look.by_relief) == (1, True)
    assert look.mean == pytest.approx(0.5)


def test_a_look_at_the_whole_is_the_sum_of_looks_at_its_parts():
    rng = np.random.default_rng(0)
    maps = rng.dirichlet(np.ones(4), (6, 9)).transpose(2, 0, 1)
    slabs = Watch([((slice(0, 2),), maps[:, :2]), ((slice(2, 6),), maps[:, 2:])], 4)
    passed = [slab for _, slab in slabs]
    np.testing.assert_array_equal(np.concatenate(passed, 1), maps)
    assert slabs.look.foreground == look_at(maps, 4).foreground
    assert slabs.look.mean == pytest.approx(look_at(maps, 4).mean)
    assert Look().mean == 0


def test_skewness_is_positive_for_few_bright_pixels_whatever_their_scale():
    image = np.arange(101.0) ** 2
    assert skewness(image) == pytest.approx((95**2 + 5**2 - 2 * 50**2) / (95**2 - 5**2))
    assert skewness(7 * image + 3) == pytest.approx(skewness(image))
    assert skewness(-image) == pytest.approx(-skewness(image))
    assert skewness(np.full(9, 4)) == 0


def test_what_is_kept_is_the_least_of_the_training_images():
    looks = [Look(10, 9.0), Look(10, 8.0), Look()]
    assert fit_of(looks, [0.5, 0.2, 0.3]) == Fit(certainty=0.8, skewness=0.2, by_relief=False)
    reliefs = [Look(10, 4.0, by_relief=True), Look()]
    assert fit_of(reliefs, [0.5, 0.2]) == Fit(certainty=0.4, skewness=0.2, by_relief=True)
    assert fit_of([Look()], [0.5]) is None


@pytest.mark.parametrize(
    ("info", "look", "options", "words"),
    [
        (KNOWN, Look(3140, 3140 * 0.9), {"cells": 10}, ""),
        (KNOWN, Look(3140, 3140 * 0.75), {"cells": 10}, ""),
        (KNOWN, Look(3140, 3140 * 0.7), {"cells": 10}, "unsure (certainty 0.70, in training"),
        (KNOWN, Look(3140, 3140 * 0.7), {"cells": 10, "skew": 0.1}, "another kind of image"),
        (KNOWN, Look(3140, 3140 * 0.7), {"cells": 10, "skew": -0.2}, "dark on bright"),
        (KNOWN, Look(3140, 3140 * 0.41), {"cells": 10}, "unsure"),
        (KNOWN, Look(3140, 3140 * 0.39), {"cells": 0}, "sees noise (certainty 0.39, in training"),
        (KNOWN, Look(), {"cells": 0}, "sees no cells"),
        (KNOWN, Look(3140, 3140 * 0.1, by_relief=True), {"cells": 10}, ""),
        (KNOWN, Look(70_000, 70_000.0), {"cells": 10}, "94 pixels across, the model knows 10 to"),
        (KNOWN, Look(70_000, 70_000.0), {"cells": 10}, "try --diameter 94"),
        (KNOWN, Look(70_000, 70_000.0), {"cells": 4}, ""),
        (KNOWN, Look(70_000, 70_000.0), {"cells": 10, "zoom": HALF}, ""),
        (KNOWN, Look(300_000, 300_000.0), {"cells": 10, "zoom": HALF}, "20 to 80"),
        (KNOWN, Look(200, 200.0), {"cells": 10}, "5 pixels across"),
        (KNOWN, Look(3140, 3140.0), {"cells": 10, "diameter": 11}, ""),
        (KNOWN, Look(3140, 3140.0), {"cells": 10, "diameter": 45}, "try --diameter 20, or none"),
        (KNOWN, Look(3140, 3140.0), {"cells": 10, "diameter": 9}, "diameter is 9, and the cells"),
        (KNOWN, Look(3140, 3140.0), {"cells": 4, "diameter": 45}, ""),
        (described(), Look(), {"cells": 0}, ""),
        (BY_RELIEF, Look(3140, 3140 * 0.1, by_relief=True), {"cells": 10}, "unsure"),
        (BY_RELIEF, Look(3140, 3140 * 0.1), {"cells": 10}, ""),
    ],
)
def test_cautions(info, look, options, words):
    caution = misfit(info, look, **options)
    assert words in caution
    assert bool(caution) == bool(words)
    assert "\n" not in caution


def test_the_diameter_that_a_caution_names_is_along_the_last_axis_and_fits():
    info = described(
        fit=Fit(certainty=0.8, skewness=0.2), diameters=(8, 10, 14), zoom=0.5, isotropic=True
    )
    info = info.model_copy(
        update={"architecture": Architecture(in_channels=1, out_channels=4, ndim=3)}
    )
    zoom = zoom_of(info, spacing=(4, 1, 1))
    assert zoom.factors == (2, 0.5, 0.5)
    # balls of 60 pixels along y and x, of 15 slices
    volume = 10 * np.pi / 6 * 60 * 60 * 15
    caution = misfit(info, Look(round(volume), volume), cells=10, zoom=zoom)
    assert (
        caution == "cells are about 60 pixels across, the model knows 16 to 28: try --diameter 60"
    )
    advised = zoom_of(info, spacing=(4, 1, 1), diameter=60)
    assert misfit(info, Look(round(volume), volume), cells=10, zoom=advised) == ""


def test_a_shipped_model_says_when_it_does_not_fit():
    scene = crowded_cells((200, 220), cells=25, rng=1)
    assert segment(scene.image).caution == ""
    inverted = scene.image.max() - scene.image
    assert "dark on bright" in segment(inverted, keep_probabilities=False).caution
    noise = np.random.default_rng(0).normal(100, 10, (128, 128)).astype(np.float32)
    assert "no cells" in segment(noise).caution


def test_the_caution_reaches_the_user_of_files_and_of_blocks(tmp_path):
    noise = np.random.default_rng(0).normal(100, 10, (128, 128)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", noise)
    (outcome,) = segment_files([tmp_path / "a.tif"], tmp_path / "labels")
    assert not outcome.failed
    assert "nothing can be seen: the image is constant, or noise" in " ".join(outcome.messages)
    result = segment_volume(tmp_path / "a.tif", tmp_path / "a.ome.zarr")
    assert "nothing can be seen: the image is constant, or noise alone" in result.caution


def test_noise_that_fills_a_stack_with_a_cell_becomes_none(tmp_path):
    """Arg-max decoding asks nothing of a cell: what the model is not sure of at all is not one."""
    noise = np.random.default_rng(0).poisson(1, (24, 64, 64)).astype(np.uint16)  # skewed
    tifffile.imwrite(tmp_path / "a.tif", noise, metadata={"axes": "ZYX"})
    options = SegmentOptions(model="walls-3d", spacing=(1, 1, 1))
    for keep in (True, False):
        found = segment_image(noise, options, keep_probabilities=keep)
        assert found.labels.max() == 0
        assert "sees noise (certainty 0.1" in found.caution
    volume = segment_volume(tmp_path / "a.tif", tmp_path / "a.ome.zarr", options)
    assert volume.cells == (0,)
    assert "no cells are kept" in volume.caution
    assert read_labels(tmp_path / "a.ome.zarr").max() == 0


class Dim(torch.nn.Module):
    """A network that gives bright pixels 0.42 of a cell and 0.03 of touching cells."""

    ndim, multiple = 2, 1

    def forward(self, image):
        bright = (image[:, :1] > 0.5).float()
        background = 0.97 * (1 - bright) + 0.53 * bright
        maps = [background, 0.01 + 0.41 * bright, 0.01 + 0.02 * bright, 0.01 + 0.01 * bright]
        return torch.cat(maps, 1).log()


def test_cells_below_a_half_are_kept_by_a_rule_with_thresholds_of_its_own():
    rule = DecodeRule(rule="threshold", threshold=ThresholdPair(touching=0.1, cell=0.3))
    fit = Fit(certainty=0.8, skewness=0.2)
    info = described(fit=fit, decode=rule, diameters=(4, 8, 16))
    model = Model(Dim, info, "cpu", "float32")
    plane = np.zeros((40, 48), np.uint8)
    plane[8:20, 10:30] = 200
    for keep in (True, False):
        assert segment_image(plane, model=model, keep_probabilities=keep).labels.max() == 1
    options = SegmentOptions(mode="2d-stitch")
    slices = segment_slices(plane[None], options, model=model)
    assert slices.labels.max() == 1
    assert "no cells" not in slices.caution
    assert "the model is unsure" in slices.caution


def test_a_stack_segmented_by_slices_has_a_caution_too():
    flats = [crowded_cells((200, 220), cells=25, rng=rng).image for rng in (1, 2)]
    options = SegmentOptions(mode="2d-stitch")
    assert segment_slices(np.stack(flats), options).caution == ""
    inverted = np.stack([flat.max() - flat for flat in flats])
    assert "dark on bright" in segment_slices(inverted, options).caution


def test_training_records_what_the_model_knows(tmp_path, annotated, quick):
    info = describe_model(train(annotated[:2], annotated[2:], quick, output=tmp_path))
    sizes = np.concatenate([np.bincount(image.labels.ravel())[1:] for image in annotated])
    assert info.diameters[1] == pytest.approx(np.sqrt(4 * np.median(sizes) / np.pi))
    assert info.fit is None or 0 <= info.fit.certainty <= 1


@pytest.fixture
def small_model(tmp_path):
    torch.manual_seed(0)
    net, path = UNet(1, 4, width=2, depth=1), tmp_path / "model.safetensors"
    identity = NormalizationRule(kind="percentiles", low=0, high=100)
    small = Architecture(in_channels=1, out_channels=4, width=2, depth=1)
    info = described(normalization=identity).model_copy(update={"architecture": small})
    save_model(path, net.state_dict(), info)
    return net, path


@pytest.mark.parametrize("images", [[], [np.ones((1, 8, 8))]])
def test_activations_of_nothing_leave_the_file_as_it_was(small_model, images):
    path = small_model[1]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="must have contrast"):
        record_activations(path, images)
    assert path.read_bytes() == before


def test_the_mean_of_networks_has_no_activations(small_model, tmp_path):
    path = tmp_path / "mean.safetensors"
    combine([small_model[1], small_model[1]], path)
    with pytest.raises(ValueError, match="must hold one network, not the mean of 2"):
        record_activations(path, [np.eye(16)[np.newaxis]])


@pytest.mark.usefixtures("in_float32")
def test_activations_are_the_largest_numbers_that_convolutions_read(small_model):
    net, path = small_model
    images = [np.arange(64.0).reshape(1, 8, 8), np.eye(16)[np.newaxis]]
    record_activations(path, images)
    first, second, *others = describe_model(path).activations
    assert first == 1
    assert len(others) == 5
    seen = [torch.from_numpy(image / image.max()).float()[None] for image in images]
    expected = max(net.down[0][1](net.down[0][0](image)).max().item() for image in seen)
    assert second == pytest.approx(expected, rel=1e-5)


def test_skewness_beyond_float64_is_zero_without_a_warning():
    image = np.where(np.arange(100).reshape(10, 10) % 2, 1.7e308, -1.7e308)
    assert skewness(image) == 0
