"""Numbers of stacks: ranges, floats, NaN, and 64 bits."""

import re

import numpy as np
import pytest
import tifffile

from seamwise.fusion import (
    Burst,
    FuseOptions,
    fuse_burst,
    fuse_files,
)
from seamwise.io.images import read_image
from seamwise.io.ome_zarr import write_image
from support.focus_stacks import alone, fault, hyperstack, planes, run, save


def images_of(path, time=0):
    return read_image(path, time=time).data


@pytest.mark.parametrize(
    ("dtype", "low", "factor"), [(np.int16, -32768, 1), (np.float32, -50, 0.25), (np.int32, 5, 20)]
)
@pytest.mark.parametrize("target", ["y.tif", "y.ome.tif", "y.ome.zarr"])
def test_stacks_of_other_numbers_come_back_in_these_numbers(tmp_path, dtype, low, factor, target):
    stack = planes(0)
    stack[0, 0, :2] = 0, 65535  # as 16 bits, and by the scale, this is 0..1
    numbers = (stack.astype(np.float64) * factor + low).astype(dtype)
    sizes = {f"PhysicalSize{a}": s for a, s in zip("XYZ", (0.25, 0.5, 2.0), strict=True)}
    units = {f"PhysicalSize{a}Unit": "µm" for a in "XYZ"}
    path = tmp_path / "x.ome.tif"
    tifffile.imwrite(path, numbers, metadata={"axes": "ZYX", **sizes, **units})
    run([path], tmp_path / target, surface=target == "y.tif")
    image = read_image(tmp_path / target)
    assert (image.data.dtype, image.spacing) == (dtype, (0.5, 0.25))
    same = (image.data.astype(np.float64) - low) / factor
    np.testing.assert_allclose(same, alone(stack), rtol=0, atol=1.01)


def test_fijis_32_bit_hyperstack_is_fused_channel_by_channel(tmp_path):
    stack = hyperstack().astype(np.float32) / 10 - 700
    stack[:, :, 1] *= 20  # channels have scales of their own
    path = save(tmp_path, "x.tif", stack, "TZCYX")
    run([path], tmp_path / "y.ome.tif")
    for time in range(2):
        fused = images_of(tmp_path / "y.ome.tif", time)
        assert fused.dtype == np.float32
        for channel in range(2):
            wanted = alone(hyperstack()[time, :, channel]) / 10.0 - 700
            error = abs(fused[channel] / (1, 20)[channel] - wanted)
            assert np.median(error) < 0.2
            assert error.max() < 100  # the choice may differ where planes are equally sharp


def test_floats_in_0_to_1_stay_as_they_are(tmp_path):
    stack = planes(0).astype(np.float32) / 65535
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack")
    assert Burst([tmp_path / "x.tif"]).scale is None
    run([tmp_path / "x.tif"], tmp_path / "y.tif")
    np.testing.assert_allclose(images_of(tmp_path / "y.tif"), alone(stack), rtol=0, atol=1e-5)


def test_a_plane_with_nan_is_named_or_skipped(tmp_path):
    stack = planes(0).astype(np.float32)
    stack[1, 3, 4:6] = np.nan
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    (outcome,) = fuse_files([path], tmp_path / "y.tif", FuseOptions(model="gff"))
    assert outcome.failed
    assert outcome.messages[-1].endswith(
        f"{path} slice 2 must hold numbers, not NaN or infinity, which 2 values are: replace them, "
        "for example by the mean of their neighbours (frame 2 of 3); --skip-bad fuses the others"
    )
    (outcome,) = fuse_files([path], tmp_path / "y.tif", FuseOptions(model="gff", skip_bad=True))
    assert not outcome.failed, outcome.messages
    two = fuse_burst(
        [plane.astype(np.uint16) for plane in stack[::2]], FuseOptions(model="gff")
    ).image
    np.testing.assert_allclose(images_of(tmp_path / "y.tif"), two, rtol=0, atol=300)


@pytest.mark.parametrize(("dtype", "words"), [
    (np.float32, r"y\.png cannot hold float32 pixels: name it \.tif or \.ome\.zarr"),
    (np.int16, r"y\.png cannot hold int16 pixels: name it \.tif or \.ome\.zarr"),
])  # fmt: skip
def test_other_numbers_than_those_of_pictures_need_a_file_for_them(tmp_path, dtype, words):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, planes(0).astype(dtype), photometric="minisblack")
    assert re.search(words, fault([path], tmp_path / "y.png"))
    colours = np.stack([planes(0)] * 3, -1).astype(np.float32)
    tifffile.imwrite(path, colours, photometric="rgb", metadata={"axes": "ZYXS"})
    assert "cannot hold float32 pixels in colour: save the planes as uint8 or uint16" in fault(
        [path], tmp_path / "y.tif"
    )


def test_integers_of_64_bits_are_refused(tmp_path):
    write_image(tmp_path / "x.zarr", planes(0).astype(np.int64), axes="ZYX")
    message = fault([tmp_path / "x.zarr"], tmp_path / "y.zarr")
    assert "slice 1 must hold integers of up to 32 bits or floats, not int64: convert it" in message
