from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch

from seamwise.io.images import read_labels
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    SegmentationInfo,
    load_model,
    model_path,
    save_model,
)
from seamwise.metrics import match
from seamwise.segmentation import (
    SegmentOptions,
    load,
    segment_files,
    segment_image,
    segment_slices,
    segment_volume,
)
from seamwise.segmentation.zoom import cell_diameters, magnified_shape, resample, zoom_of
from seamwise.synth import crowded_cells
from support.files import one_line


def described(ndim=2, **fields):
    return SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=4, ndim=ndim),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        **fields,
    )


PLAIN = described()
REDUCING = described(zoom=0.5, diameters=(10, 20, 40))
SCALED = described(spacing=(0.5, 0.5), diameters=(10, 20, 40))
CUBES = described(3, isotropic=True, diameters=(10, 20, 40))


@pytest.mark.parametrize(
    ("info", "asked", "factors"),
    [
        (PLAIN, {}, (1, 1)),
        (PLAIN, {"stored": (0.1, 0.1)}, (1, 1)),
        (PLAIN, {"scale": 0.5}, (0.5, 0.5)),
        (REDUCING, {}, (0.5, 0.5)),
        (REDUCING, {"scale": 0.5}, (0.25, 0.25)),
        (REDUCING, {"diameter": 80}, (0.25, 0.25)),
        (REDUCING, {"diameter": 80, "scale": 0.5}, (0.25, 0.25)),
        (SCALED, {"stored": (0.5, 0.5)}, (1, 1)),
        (SCALED, {"stored": (0.53, 0.53)}, (1, 1)),
        (SCALED, {"stored": (0.25, 0.25)}, (0.5, 0.5)),
        (SCALED, {"stored": (0.25, 0.25), "spacing": (1, 1)}, (2, 2)),
        (SCALED, {"stored": (7, 0.25, 0.5)}, (0.5, 1)),
        (SCALED, {"stored": (0.25, 0.25), "scale": 3}, (1.5, 1.5)),
        (SCALED, {"stored": (0.25, 0.25), "diameter": 10}, (2, 2)),
        (SCALED, {"stored": (0.0001, 0.0001)}, (1, 1)),
        (CUBES, {}, (1, 1, 1)),
        (CUBES, {"stored": (2, 1, 1)}, (2, 1, 1)),
        (CUBES, {"spacing": (0.6, 0.2, 0.2)}, (3, 1, 1)),
        (CUBES, {"stored": (2, 1, 1), "diameter": 40}, (1, 0.5, 0.5)),
    ],
)
def test_factors(info, asked, factors):
    assert zoom_of(info, **asked).factors == pytest.approx(factors)


@pytest.mark.parametrize(
    ("info", "asked", "words"),
    [
        (
            SCALED,
            {"stored": (0.05, 0.05)},
            "pixel size 0.05 µm, the model's 0.5 µm: reduced 10",
        ),
        (SCALED, {"stored": (0.0001, 0.0001)}, "not believed"),
        (SCALED, {"stored": (0.5, 0.5)}, ""),
        (PLAIN, {"stored": (0.1, 0.1)}, ""),
        (CUBES, {}, "voxel size unknown"),
        (CUBES, {"stored": (2, 1, 1)}, ""),
    ],
)
def test_the_user_is_told_why(info, asked, words):
    note = zoom_of(info, **asked).note
    assert words in note
    assert bool(words) == bool(note)


@pytest.mark.parametrize(
    ("info", "asked", "words"),
    [
        (PLAIN, {"diameter": 20}, "does not"),
        (REDUCING, {"diameter": 80, "scale": 0.8}, "scale magnifies 0.4 times"),
        (SCALED, {"diameter": 80, "spacing": (0.5, 0.5)}, "spacing magnifies 1 times"),
        (PLAIN, {"spacing": (1,)}, "one number per axis"),
        (PLAIN, {"scale": 40}, "40 times"),
        (PLAIN, {"scale": 0.001}, "would be reduced 1,000 times before"),
        (REDUCING, {"diameter": 1e9}, "would be reduced 50,000,000 times before"),
    ],
)
def test_what_cannot_be_is_refused(info, asked, words):
    with pytest.raises(ValueError, match=words) as caught:
        zoom_of(info, **asked)
    assert one_line(caught)


def test_sizes_of_a_rule_count_pixels_that_the_network_sees():
    rule = DecodeRule(min_size=50, min_core=10)
    assert rule.with_zoom(1) == rule
    assert (rule.with_zoom(0.25).min_size, rule.with_zoom(0.25).min_core) == (200, 40)


@pytest.mark.parametrize("shape", [(7, 9), (14, 9), (3, 20)])
def test_a_plane_stays_a_plane_and_a_constant_stays_a_constant(shape):
    rows, columns = np.mgrid[:7, :9] + 0.5
    image = np.stack([rows + 2 * columns, np.full((7, 9), 3.0)])[np.newaxis]
    result = resample(image, shape)[0]
    y, x = (np.arange(n) + 0.5 for n in shape)
    expected = y[:, None] * 7 / shape[0] + 2 * x * 9 / shape[1]
    inner = (slice(1, -1), slice(3, -3))  # the border repeats its pixels
    np.testing.assert_allclose(result[0][inner], expected[inner], rtol=1e-9)
    np.testing.assert_allclose(result[1], 3, rtol=1e-12)


def test_a_reduced_pixel_is_a_weighted_mean_of_what_it_covers():
    image = np.zeros((1, 1, 12))
    image[0, 0, 5] = 1
    # new centres lie at 2, 6 and 10; the triangle around each reaches 4 to either side
    # at the border the weights within the image, 3.5 instead of 4, still sum to one
    np.testing.assert_allclose(resample(image, (3,))[0, 0], [0.125 / 3.5, 0.875 / 4, 0])


def test_stacks_are_resampled_along_each_axis():
    stack = np.arange(2 * 3 * 4.0).reshape(1, 1, 2, 3, 4)
    assert resample(stack, (4, 3, 8)).shape == (1, 1, 4, 3, 8)
    assert resample(stack, (2, 3, 4)) is stack
    once = resample(stack, (4, 3, 4))
    np.testing.assert_allclose(once[0, 0, :, 1, 2], [6, 9, 15, 18])


@pytest.mark.parametrize("length", [1, 2, 5, 17, 40])
@pytest.mark.parametrize("factor", [0.13, 0.4, 0.65, 0.999, 1.3, 2, 8])
def test_a_resampled_axis_is_that_of_torch(length, factor):
    image = np.random.default_rng(length).normal(size=(2, 3, 4, length)).astype(np.float32)
    (size,) = magnified_shape((length,), (factor,))
    # as the rows of one plane: torch 2.13 errs along the columns of a plane of width 1
    plane = torch.from_numpy(image.reshape(1, 1, -1, length))
    expected = torch.nn.functional.interpolate(
        plane, (plane.shape[2], size), mode="bilinear", align_corners=False, antialias=True
    )
    across = resample(image, (4, size))
    np.testing.assert_allclose(across, expected.reshape(2, 3, 4, size), atol=1e-5)
    along = resample(np.ascontiguousarray(image.swapaxes(2, 3)), (size, 4))
    assert along.dtype == np.float32
    np.testing.assert_allclose(along.swapaxes(2, 3), across, atol=1e-6)


def test_boxes_have_at_least_one_pixel():
    assert magnified_shape((10, 3, 1), (0.5, 2.2, 0.1)) == (5, 7, 1)


def test_diameters_are_those_of_discs_and_balls():
    assert cell_diameters(np.array([100] * 9), 2) == pytest.approx((11.28,) * 3, abs=0.01)
    assert cell_diameters(np.array([524] * 9), 3) == pytest.approx((10.0,) * 3, abs=0.01)
    assert cell_diameters(np.array([], int), 2) is None


@pytest.fixture(scope="module")
def model():
    return load("nuclei-2d")


@pytest.fixture(scope="module")
def large(model):
    """An image whose cells are four times as large as usual, and what is found at usual size."""
    image = crowded_cells((150, 170), cells=20, rng=4).image
    labels = segment_image(image, model=model).labels
    assert labels.max() > 9
    enlarged = (np.kron(array, np.ones((4, 4), array.dtype)) for array in (image, labels))
    return tuple(enlarged)


QUARTER = SegmentOptions(scale=1 / 4)


def found(labels, truth):
    return match(truth, labels).recognition_quality


def test_large_cells_are_found_at_their_scale_and_in_pixels_of_the_image(large, model):
    image, truth = large
    as_it_is = segment_image(image, model=model)
    reduced = segment_image(image, QUARTER, model=model)
    assert reduced.labels.shape == image.shape
    assert reduced.probabilities.shape == (4, *image.shape)
    np.testing.assert_allclose(reduced.probabilities.sum(0), 1, atol=1e-5)
    assert found(reduced.labels, truth) > 0.9 > found(as_it_is.labels, truth)


def test_tiles_and_slabs_and_blocks_find_the_same(large, model, tmp_path):
    image, _ = large
    whole = segment_image(image, QUARTER, model=model).labels
    tiles = segment_image(image, replace(QUARTER, tile=192), model=model, keep_probabilities=False)
    assert found(tiles.labels, whole) > 0.9
    tifffile.imwrite(tmp_path / "a.tif", image)
    result = segment_volume(tmp_path / "a.tif", tmp_path / "a.ome.zarr", QUARTER)
    assert found(read_labels(result.path), whole) > 0.9


def test_slices_are_reduced_too(large, model):
    image, truth = large
    options = replace(QUARTER, mode="2d-stitch")
    result = segment_slices(np.stack([image, image]), options, model=model)
    assert found(result.labels[0], truth) > 0.9


def test_files_bring_their_pixel_size_and_the_user_is_told(large, tmp_path):
    image, truth = large
    tifffile.imwrite(
        tmp_path / "a.tif", image, imagej=True, resolution=(3, 3), metadata={"unit": "um"}
    )
    path = model_with(tmp_path / "scaled.safetensors", spacing=(1.0, 1.0))
    options = SegmentOptions(model=path)
    (outcome,) = segment_files([tmp_path / "a.tif"], tmp_path / "labels", options)
    said = " ".join(outcome.messages)
    assert "pixel size 0.333 µm, the model's 1 µm: reduced 3 times" in said
    assert found(read_labels(tmp_path / "labels" / "a.tif"), truth) > 0.9


def model_with(path, **fields):
    """The shipped model with other fields in its description."""
    weights, info = load_model(model_path("nuclei-2d"), SegmentationInfo)
    save_model(path, weights, info.model_copy(update=fields), stored_as=torch.float16)
    return path


def test_a_rule_of_the_model_drops_cells_by_what_the_network_sees(large, tmp_path):
    image, _ = large
    few = model_with(
        tmp_path / "a.safetensors",
        decode=load("nuclei-2d").info.decode.model_copy(update={"min_size": 1000}),
    )
    assert segment_image(image, replace(QUARTER, model=few)).labels.max() == 0
    # the user's own sizes are in pixels of the image
    assert segment_image(image, replace(QUARTER, model=few, min_size=9)).labels.max() > 9


@pytest.mark.parametrize("mode", [None, "2d-stitch"])
def test_channels_are_not_slices(tmp_path, mode):
    pixels = crowded_cells((2, 70, 80), cells=6, rng=0).image
    tifffile.imwrite(
        tmp_path / "a.ome.tif", pixels, photometric="minisblack", metadata={"axes": "CYX"}
    )
    options = SegmentOptions(model="nuclei-2d" if mode else "walls-3d", mode=mode)
    (outcome,) = segment_files([tmp_path / "a.ome.tif"], tmp_path / "labels", options)
    assert outcome.failed
    assert "2 channels and no slices (CYX)" in outcome.messages[-1]
