"""Stacks with time points and channels: each is fused as a burst of its planes."""

import numpy as np
import pytest
import tifffile

from seamwise.engine.resources import Resources
from seamwise.fusion import (
    Burst,
    FuseOptions,
    FuseOutputs,
    fuse_burst,
    fuse_files,
    memory_estimate,
)
from seamwise.fusion.jobs import FuseJob
from seamwise.fusion.stack import stack_of
from seamwise.io.images import read_image
from support.focus_stacks import (
    HEIGHT,
    WIDTH,
    alone,
    assert_equal_but_rounding,
    damaged_plane,
    hyperstack,
    planes,
    run,
    save,
)


@pytest.mark.parametrize("source", ["x.tif", "x.ome.tif", "x.ome.zarr"])
@pytest.mark.parametrize("target", ["y.tif", "y.ome.tif", "y.ome.zarr"])
def test_each_time_point_and_channel_is_fused_and_axes_and_pixel_size_stay(
    tmp_path, source, target
):
    stack = hyperstack()
    path = save(tmp_path, source, stack, "TZCYX")
    (outcome,) = run([path], tmp_path / target)
    assert ": 4 planes, each of 3 frames, " in outcome.messages[-1]
    for time in range(2):
        image = read_image(tmp_path / target, time=time)
        assert (image.axes, image.spacing) == ("CYX", (0.5, 0.25))
        assert image.data.dtype == np.uint16
        for channel in range(2):
            assert_equal_but_rounding(image.data[channel], alone(stack[time, :, channel]))


def test_channels_are_not_taken_for_colours_and_colours_are(tmp_path):
    three = np.stack([planes(c) for c in range(3)], 1)
    path = save(tmp_path, "c.ome.tif", three, "ZCYX")
    assert [len(burst) for burst in stack_of(path).bursts] == [3, 3, 3]
    run([path], tmp_path / "y.tif")
    assert read_image(tmp_path / "y.tif").data.shape == (3, HEIGHT, WIDTH)
    colours = np.moveaxis(three // 256, 1, 3).astype(np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", colours, photometric="rgb", metadata={"axes": "ZYXS"})
    assert len(stack_of(tmp_path / "s.tif").bursts) == 1
    assert Burst([tmp_path / "s.tif"]).shape == (HEIGHT, WIDTH, 3)


def test_pages_without_a_meaning_are_planes(tmp_path):
    stack = planes(0)
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack")
    with tifffile.TiffWriter(tmp_path / "p.tif") as file:
        for page in stack:
            file.write(page, photometric="minisblack", metadata=None)
    for name in ("x.tif", "p.tif"):
        run([tmp_path / name], tmp_path / f"y_{name}")
        assert_equal_but_rounding(tifffile.imread(tmp_path / f"y_{name}"), alone(stack))


def test_maps_are_named_by_time_point_and_channel(tmp_path):
    path = save(tmp_path, "x.tif", hyperstack(), "TZCYX")
    run([path], tmp_path / "out" / "y.tif", depth_map=True)
    names = {f"y_t{t}_c{c}_depth.png" for t in range(2) for c in range(2)} | {"y.tif"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names


def test_a_line_names_the_maps_of_every_part(tmp_path):
    path = save(tmp_path, "x.tif", np.concatenate([hyperstack()[:, :, :1]] * 2, 1), "TZCYX")
    output = tmp_path / "out" / "y.tif"
    (outcome,) = run([path], output, depth_map=True, focus_maps=True)
    (line,) = [note for note in outcome.messages if " comes with " in note]
    assert line == "y.tif comes with " + ", ".join(
        f"y_t{t}_depth.png, y_t{t}_focus_0.png to y_t{t}_focus_5.png" for t in range(2)
    )
    assert len(list(output.parent.iterdir())) == 1 + 2 * (1 + 6)


def test_a_picture_may_have_a_name_like_those_of_focus_maps(tmp_path):
    job = FuseJob((tmp_path,) * 4, tmp_path / "cup_focus_a.png")
    files = FuseOutputs(depth_map=True, focus_maps=True)
    for path in job.outputs(files):
        path.touch()
    assert job.names_next_to(files) == [
        "cup_focus_a_depth.png",
        "cup_focus_a_focus_0.png to cup_focus_a_focus_3.png",
    ]


def test_a_plane_that_one_channel_lacks_is_skipped_in_all(tmp_path):
    stack = hyperstack()[0]
    path = damaged_plane(tmp_path, "ZCYX", stack, 3)  # plane 1 of channel 1
    options = FuseOptions(model="gff", skip_bad=True)
    (outcome,) = fuse_files([path], tmp_path / "y.tif", options)
    assert not outcome.failed, outcome.messages
    assert "2 frames" in outcome.messages[-1]
    image = read_image(tmp_path / "y.tif").data
    for channel in range(2):
        two = fuse_burst([stack[0, channel], stack[2, channel]], FuseOptions(model="gff")).image
        assert_equal_but_rounding(image[channel], two)


def test_the_number_of_time_points_does_not_count_as_memory(tmp_path):
    stack = np.repeat(hyperstack(), 3, 0)
    path = save(tmp_path, "x.tif", stack, "TZCYX")
    one = memory_estimate((HEIGHT, WIDTH), FuseOptions(model="gff", align=True), dtype=stack.dtype)
    for limit, is_enough in ((one - 1, False), (one, True)):
        outcomes = fuse_files(
            [path], tmp_path / "y.tif", FuseOptions(model="gff", align=True),
            Resources(memory=limit),
        )  # fmt: skip
        assert [not outcome.failed for outcome in outcomes] == [is_enough]
