import copy
import gc
import json
import pickle
import re
import weakref
from uuid import UUID

import cv2
import numpy as np
import pytest
import tifffile
from skimage.data import coffee

from seamwise.engine.resources import Resources
from seamwise.fusion import (
    Burst,
    FuseOptions,
    FuseOutputs,
    batch,
    fuse_burst,
    fuse_files,
    memory_estimate,
    plan,
)
from seamwise.fusion.jobs import FuseJob
from seamwise.fusion.stack import stack_of
from seamwise.io.images import read_image
from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.io.photo import write_photo
from seamwise.io.volume import Volume

HEIGHT, WIDTH, COUNT = 40, 60, 3


def planes(seed):
    """Three planes `(Z, Y, X)`, each in focus in a third of the picture."""
    scene = np.random.default_rng(seed).random((HEIGHT, WIDTH)).astype(np.float32)
    blurred = cv2.GaussianBlur(scene, (0, 0), 3)
    stack = np.stack([blurred] * COUNT)
    for number in range(COUNT):
        third = np.s_[:, 20 * number : 20 * number + 20]
        stack[number][third] = scene[third]
    return np.round(stack * 60000).astype(np.uint16)


def hyperstack():
    """`(T, Z, C, Y, X)`: two time points, two channels."""
    return np.stack([np.stack([planes(2 * t + c) for c in range(2)], 1) for t in range(2)])


def run(inputs, output, *, overwrite=False, **files):
    options = FuseOptions(model="gff", align=True)
    files = FuseOutputs(overwrite=overwrite, **files)
    outcomes = list(fuse_files(inputs, output, options, files=files))
    assert not any(outcome.failed for outcome in outcomes), outcomes
    return outcomes


def assert_equal_but_rounding(picture, wanted):
    """Arrays are summed in an order of their own, and sums round differently."""
    np.testing.assert_allclose(picture.astype(int), wanted.astype(int), rtol=0, atol=1)


def alone(stack):
    return fuse_burst(list(stack), FuseOptions(model="gff", align=True)).image


def save(folder, name, pixels, axes):
    path = folder / name
    if name.endswith(".zarr"):
        order = ["TCZYX".index(a) for a in "TCZYX" if a in axes]
        assert order == sorted(order)
        pixels = pixels.transpose([axes.index(a) for a in "TCZYX" if a in axes])
        write_image(
            path, pixels, axes="".join(a for a in "TCZYX" if a in axes), spacing=(2, 0.5, 0.25)
        )
    elif name.endswith(".ome.tif"):
        sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
        units = {f"PhysicalSize{a}Unit": "µm" for a in "XYZ"}
        tifffile.imwrite(path, pixels, metadata={"axes": axes, **sizes, **units})
    else:
        tifffile.imwrite(
            path, pixels, imagej=True, resolution=(4, 2),
            metadata={"axes": axes, "unit": "um", "spacing": 2.0},
        )  # fmt: skip
    return path


@pytest.mark.parametrize("source", ["x.tif", "x.ome.tif", "x.ome.zarr"])
@pytest.mark.parametrize("target", ["y.tif", "y.ome.tif", "y.ome.zarr"])
def test_each_time_point_and_channel_is_fused_and_axes_and_pixel_size_stay(
    tmp_path, source, target
):
    stack = hyperstack()
    path = save(tmp_path, source, stack, "TZCYX")
    (outcome,) = run([path], tmp_path / target)
    assert outcome.messages[-1].endswith("of 4 planes")
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


@pytest.mark.parametrize("name", ["y.tif", "y.ome.zarr"])
def test_old_files_of_a_stack_stay_if_a_plane_cannot_be_written(tmp_path, monkeypatch, name):
    path, folder = save(tmp_path, "x.tif", hyperstack(), "TZCYX"), tmp_path / "out"

    def contents():
        return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    run([path], folder / name, depth_map=True)
    before = contents()

    def fail(path, *args):
        if "t1" in path.name:
            raise OSError(f"cannot write {path}: no space is left")
        write(path, *args)

    write = batch.write_depth
    with monkeypatch.context() as patch:
        patch.setattr(batch, "write_depth", fail)
        files = FuseOutputs(depth_map=True, overwrite=True)
        options = FuseOptions(model="gff", align=True)
        (outcome,) = fuse_files([path], folder / name, options, files=files)
    assert outcome.failed
    assert f"cannot write {folder / 'y_t1_c0_depth.png'}" in outcome.messages[0]
    assert contents() == before
    (outcome,) = run([path], folder / name, overwrite=True)
    assert not outcome.failed
    assert [file.name for file in folder.iterdir()] == [name]


def test_a_folder_of_stacks_is_as_many_bursts(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(2):
        save(tmp_path / "in", f"s{number}.ome.tif", planes(number), "ZYX")
    save(tmp_path / "in", "v.ome.zarr", planes(3), "ZYX")
    run([tmp_path / "in"], tmp_path / "out")
    names = {"s0.ome.tif", "s1.ome.tif", "v.ome.zarr", "seamwise.json"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    image = read_image(tmp_path / "out" / "s1.ome.tif")
    assert_equal_but_rounding(image.data, alone(planes(1)))
    assert image.spacing == (0.5, 0.25)
    again = run([tmp_path / "in"], tmp_path / "out")
    assert all("already exists" in outcome.messages[0] for outcome in again)
    run([tmp_path / "in"], tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("is_named", [False, True])
def test_a_damaged_stack_fails_alone(tmp_path, is_named):
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [save(folder, f"{name}.ome.tif", planes(0), "ZYX") for name in "abc"]
    paths[0].write_bytes(paths[0].read_bytes()[:-3000])
    options, inputs = FuseOptions(model="gff"), paths if is_named else [folder]
    outcomes = list(fuse_files(inputs, tmp_path / "out", options))
    assert [outcome.failed for outcome in outcomes] == [True, False, False]
    assert "a.ome.tif" in outcomes[0].messages[0]
    names = {"b.ome.tif", "c.ome.tif", "seamwise.json"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names


def test_one_stack_in_each_folder_has_the_name_of_the_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        save(tmp_path / "in" / name, "z.tif", planes(0), "ZYX")
    outputs = [job.output.name for job in plan([tmp_path / "in"], tmp_path / "out")]
    assert outputs == ["a.tif", "b.tif"]


def test_stacks_as_an_argument_with_a_folder_as_output(tmp_path):
    path = save(tmp_path, "x.tif", planes(0), "ZYX")
    run([path], tmp_path / "out")
    assert (tmp_path / "out" / "x.tif").exists()


def fault(inputs, output):
    try:
        (outcome,) = list(fuse_files(inputs, output, FuseOptions(model="gff")))
    except ValueError as error:
        return str(error)
    assert outcome.failed
    return outcome.messages[-1]


def test_what_a_file_cannot_hold_is_refused_before_the_work(tmp_path):
    path = save(tmp_path, "x.tif", hyperstack(), "TZCYX")
    assert "cannot hold 2 time points of 2 channels: name it .tif" in fault(
        [path], tmp_path / "y.png"
    )
    for name in "ab":
        write_photo(tmp_path / f"{name}.png", np.zeros((5, 6), np.uint8))
    frames = [tmp_path / "a.png", tmp_path / "b.png"]
    assert "holds planes of a stack, not a photograph" in fault(frames, tmp_path / "y.zarr")
    series = save(tmp_path, "t.ome.tif", hyperstack()[:, 0], "TCYX")
    assert "must have planes along z" in fault([series], tmp_path / "y.tif")
    assert not list(tmp_path.glob("y*"))


def damaged_plane(folder, axes, pixels, page):
    """A compressed stack of which one page cannot be decoded."""
    path = folder / "d.ome.tif"
    tifffile.imwrite(path, pixels, compression="zlib", metadata={"axes": axes})
    with tifffile.TiffFile(path) as file:
        offset, length = (file.pages[page].dataoffsets[0], file.pages[page].databytecounts[0])
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = bytes(length)
    path.write_bytes(content)
    return path


def test_a_plane_that_cannot_be_read_is_named_or_skipped(tmp_path):
    path = damaged_plane(tmp_path, "ZYX", planes(0), 1)
    options, target = FuseOptions(model="gff"), tmp_path / "y.tif"
    (outcome,) = fuse_files([path], target, options)
    assert outcome.failed
    assert "(frame 2 of 3)" in outcome.messages[-1]
    assert outcome.messages[-1].endswith("; --skip-bad fuses the others")
    (outcome,) = fuse_files([path], target, FuseOptions(model="gff", skip_bad=True))
    assert not outcome.failed
    assert "d.ome.tif" in outcome.messages[0]
    assert "2 frames" in outcome.messages[-1]


def test_channels_move_alike_and_all_is_cut_to_what_every_plane_shows(tmp_path):
    size = (120, 160)
    rng = np.random.default_rng(2)
    scenes = [cv2.GaussianBlur(rng.random((140, 180)), (0, 0), 1.5) for _ in range(2)]
    scenes = [np.round(60000 * (s - s.min()) / np.ptp(s)) for s in scenes]
    # the second channel is dim, and in focus in another plane
    stack = np.zeros((3, 2, *size), np.uint16)
    for plane, shift in enumerate((0, 0, 6)):
        for channel, scene in enumerate(scenes):
            shown = scene[8 : 8 + size[0], 8 + shift : 8 + shift + size[1]]
            sigma = 0.1 + 2 * (plane != 2 * channel)
            stack[plane, channel] = cv2.GaussianBlur(shown, (0, 0), sigma) / (1 + 9 * channel)
    path = save(tmp_path, "m.ome.tif", stack, "ZCYX")
    (outcome,) = run([path], tmp_path / "y.ome.tif", depth_map=True)
    fused = read_image(tmp_path / "y.ome.tif").data
    assert fused.shape == (2, 120, 154)
    assert "moved by up to 6" in outcome.messages[-1]
    for channel, scene in enumerate(scenes):
        # what every plane shows, seen from the plane in the middle
        wanted = scene[8:128, 14:168] / (1 + 9 * channel)
        inside = np.s_[20:-20, 20:-20]
        assert np.corrcoef(fused[channel][inside].ravel(), wanted[inside].ravel())[0, 1] > 0.9
    (outcome,) = fuse_files(
        [path], tmp_path / "full.ome.tif", FuseOptions(model="gff", align=True, crop=False)
    )
    assert not outcome.failed, outcome.messages
    assert read_image(tmp_path / "full.ome.tif").data.shape == (2, *size)


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
        f"{path} plane 1 must hold numbers, not NaN or infinity, which 2 values are: replace them, "
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
    assert "plane 0 must hold integers of up to 32 bits or floats, not int64: convert it" in message


def test_a_chunk_of_several_planes_is_decoded_once_for_each_reading(tmp_path, monkeypatch):
    stack = np.concatenate([planes(0) // 2 + np.uint16(99 * i) for i in range(4)])
    path = tmp_path / "x.zarr"
    write_image(path, stack, axes="ZYX", storage=ZarrStorage(chunks=(5, 64, 64)))
    read, boxes = Volume.read, []

    def counting(volume, box, *, time=0):
        boxes.append((box[0].start, box[0].stop))
        return read(volume, box, time=time)

    monkeypatch.setattr(Volume, "read", counting)
    burst = Burst([path])
    for number in range(12):
        np.testing.assert_array_equal(burst.frames[number].read(), stack[number])
    assert boxes == [(0, 5), (5, 10), (10, 12)]
    boxes.clear()
    run([path], tmp_path / "y.tif")
    # the alignment goes both ways, from the middle, and twice, for the stack stores light
    assert len(boxes) <= 4 * 3 + 5
    assert plane_bytes(path) == 5 * stack[0].nbytes
    # of a chunk that is too large, a part is held; it is decoded again for the next part
    boxes.clear()
    monkeypatch.setattr("seamwise.fusion.plane_reader._MOST_BYTES", 2 * stack[0].nbytes)
    for plane in Burst([path]).frames:
        plane.read()
    assert boxes == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 9), (9, 10), (10, 12)]
    monkeypatch.setattr("seamwise.fusion.plane_reader._MOST_BYTES", 0)
    assert plane_bytes(path) == 0


def plane_bytes(path):
    return Burst([path]).frames[0].held_bytes


@pytest.mark.parametrize("name", ["y.tif", "y.ome.tif", "y.ome.zarr"])
def test_fused_planes_are_written_one_by_one(tmp_path, monkeypatch, name):
    path = save(tmp_path, "x.tif", np.repeat(hyperstack(), 2, 0), "TZCYX")
    events, alive, fuse_part, write = [], [], batch.fuse_burst, batch.write_planes

    def watched_fusion(*arguments, **options):
        gc.collect()
        # the one that was just written
        assert sum(reference() is not None for reference in alive) <= 1
        fusion = fuse_part(*arguments, **options)
        alive.append(weakref.ref(fusion.image))
        events.append("fused")
        return fusion

    def watched_writing(output, images, *arguments, **options):
        def noted():
            for image in images:
                events.append("written")
                yield image

        write(output, noted(), *arguments, **options)

    monkeypatch.setattr(batch, "fuse_burst", watched_fusion)
    monkeypatch.setattr(batch, "write_planes", watched_writing)
    run([path], tmp_path / name)
    assert events == 8 * ["fused", "written"]


def test_a_stack_that_lacks_a_file_is_told_which_not_to_be_split(tmp_path):
    """Two planes in each of three files of one OME image."""
    parts = [(f"s{number}.ome.tif", f"urn:uuid:{UUID(int=number + 1)}") for number in range(3)]
    planes_of_set = "".join(
        f'<TiffData FirstZ="{2 * i + j}" FirstC="0" FirstT="0" IFD="{j}" PlaneCount="1">'
        f'<UUID FileName="{name}">{uuid}</UUID></TiffData>'
        for i, (name, uuid) in enumerate(parts)
        for j in range(2)
    )
    for number, (name, uuid) in enumerate(parts):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
            f'SizeX="9" SizeY="8" SizeZ="6" SizeC="1" SizeT="1">{planes_of_set}</Pixels></Image>'
            "</OME>"
        )
        pixels = np.full((2, 8, 9), number, np.uint8)
        tifffile.imwrite(
            tmp_path / name, pixels, photometric="minisblack", description=xml, metadata=None
        )
    first, second = tmp_path / "s0.ome.tif", tmp_path / "s1.ome.tif"
    assert len(stack_of(first).bursts[0]) == 6
    content = second.read_bytes()
    second.write_bytes(content[: len(content) // 2])
    for inputs in ([first], [tmp_path]):
        with pytest.raises(ValueError, match=rf"^cannot read {second} as TIFF: .*\(s0\.ome\.tif"):
            next(fuse_files(inputs, tmp_path / "out" / "y.tif", FuseOptions(model="gff")))
    second.unlink()
    with pytest.raises(ValueError, match=rf"^{second} is missing, and s0\.ome\.tif is one image"):
        stack_of(first)


@pytest.mark.parametrize("name", ["x.tif", "x.ome.zarr"])
def test_a_stack_can_be_handed_to_other_processes(tmp_path, name):
    burst = Burst([save(tmp_path, name, planes(0), "ZYX")])
    for other in (pickle.loads(pickle.dumps(burst)), copy.deepcopy(burst)):
        np.testing.assert_array_equal(other[1], burst[1])


def moved_hyperstack():
    """`(T, Z, C, Y, X)`: planes that moved, each time otherwise, and both channels alike."""
    rng = np.random.default_rng(5)
    noise = rng.random((2, 2, 120, 160)).astype(np.float32)
    scenes = [[cv2.GaussianBlur(scene, (0, 0), 1.5) for scene in channels] for channels in noise]
    stack = np.empty((2, 3, 2, 96, 128), np.uint16)
    for time, z, channel in np.ndindex(2, 3, 2):
        y, x = 10 + (2 + time) * z, 12 - 3 * z
        stack[time, z, channel] = 60000 * scenes[time][channel][y : y + 96, x : x + 128]
    return stack


def test_the_alignment_of_a_stack_is_written_and_used_again(tmp_path):
    stack, again = tmp_path / "cells.ome.tif", tmp_path / "other.ome.tif"
    tifffile.imwrite(stack, moved_hyperstack(), metadata={"axes": "TZCYX"})
    file, first, second = (tmp_path / name for name in ("a.json", "1.ome.tif", "2.ome.tif"))
    (outcome,) = run([stack], first, alignment=file)
    assert any("a.json" in line for line in outcome.messages)
    written = file.read_bytes()
    tifffile.imwrite(again, moved_hyperstack(), metadata={"axes": "TZCYX"})
    (outcome,) = run([again], second, alignment=file)
    assert not any("a.json" in line for line in outcome.messages)
    assert file.read_bytes() == written
    assert np.array_equal(tifffile.imread(first), tifffile.imread(second))
    # it is the file that decides: without motion, nothing is cut
    content = json.loads(written)
    assert len(content["parts"]) == 4
    assert tifffile.imread(first).shape[-2:] < (96, 128)
    for part in content["parts"]:
        part["matrices"] = np.tile(np.eye(3), (3, 1, 1)).tolist()
    file.write_text(json.dumps(content))
    run([again], second, alignment=file, overwrite=True)
    assert tifffile.imread(second).shape[-2:] == (96, 128)


def test_a_stack_without_an_alignment_leaves_no_file_of_it(tmp_path):
    stack, file, fused = (tmp_path / name for name in ("cells.ome.tif", "a.json", "fused.ome.tif"))
    tifffile.imwrite(stack, hyperstack(), metadata={"axes": "TZCYX"})
    options = FuseOptions(model="gff", align=True, motion="none", exposure=False)
    for overwrite in (False, True):
        files = FuseOutputs(alignment=file, overwrite=overwrite)
        (outcome,) = fuse_files([stack], fused, options, files=files)
        assert not outcome.failed
        assert not any("a.json" in line for line in outcome.messages)
        assert not file.exists()


def test_if_the_alignment_of_a_stack_cannot_be_written_no_picture_appears(tmp_path, monkeypatch):
    stack, fused = tmp_path / "cells.ome.tif", tmp_path / "fused.ome.tif"
    tifffile.imwrite(stack, hyperstack(), metadata={"axes": "TZCYX"})

    def save_parts(path, alignments):
        raise OSError(28, "No space left on device")

    options, files = (
        FuseOptions(model="gff", align=True),
        FuseOutputs(alignment=tmp_path / "a.json"),
    )
    with monkeypatch.context() as patch:
        patch.setattr(batch, "save_parts", save_parts)
        (outcome,) = fuse_files([stack], fused, options, files=files)
    assert outcome.failed
    assert not fused.exists()
    (outcome,) = fuse_files([stack], fused, options, files=files)  # the same call works
    assert not outcome.failed
    assert (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parts": []}, "is the alignment of 0 time points and channels, not of 4"),
        ({"parts": 3}, "is a damaged alignment: parts must be a list"),
        ({"parts": [{}] * 4}, "is a damaged alignment: 'shape' is missing"),
        ({"kind": "seamwise alignment 1"}, "is not the alignment of a stack"),
    ],
)
def test_another_file_is_not_the_alignment_of_a_stack(tmp_path, change, words):
    stack, file = tmp_path / "cells.ome.tif", tmp_path / "a.json"
    tifffile.imwrite(stack, hyperstack(), metadata={"axes": "TZCYX"})
    content = {"kind": "seamwise stack alignment 1", "parts": []}
    file.write_text(json.dumps(content | change))
    options, files = FuseOptions(model="gff", align=True), FuseOutputs(alignment=file)
    (outcome,) = fuse_files([stack], tmp_path / "fused.ome.tif", options, files=files)
    assert outcome.failed
    assert words in outcome.messages[0]
    assert not (tmp_path / "fused.ome.tif").exists()


def drift(axis_of_channels):
    """`(T, Z, Y, X)`, or with channels: still scenes whose planes drift."""
    scene = coffee()[..., :2].astype(np.uint16) * 200
    drifted = [scene[4 * i : 4 * i + 360, 6 * i : 6 * i + 560] for i in range(6)]
    stack = np.moveaxis(np.stack(drifted), 3, axis_of_channels)
    return np.ascontiguousarray(stack)


def test_mirrored_borders_of_aligned_time_points_do_not_move(tmp_path):
    path = save(tmp_path, "x.ome.tif", drift(0), "TZYX")
    pictures, messages = [], []
    for moving in (False, True):
        options = FuseOptions(model="laplacian", align=True, motion="shift", moving=moving)
        (outcome,) = fuse_files([path], tmp_path / f"{moving}.ome.tif", options)
        assert not outcome.failed, outcome
        pictures.append(tifffile.imread(tmp_path / f"{moving}.ome.tif"))
        messages.append([line.replace(str(moving), "") for line in outcome.messages])
    assert np.array_equal(*pictures)
    assert messages[0] == messages[1]


def test_a_thing_that_moves_is_not_taken_from_other_frames_in_each_channel(tmp_path):
    path = save(tmp_path, "x.ome.tif", drift(1), "ZCYX")
    options = FuseOptions(model="laplacian", align=True, moving=True)
    (outcome,) = fuse_files([path], tmp_path / "y.ome.tif", options)
    assert outcome.failed
    assert outcome.messages == (
        f"{tmp_path / 'y.ome.tif'}: --moving takes one channel, and {path} has 2: "
        "fuse each channel alone, or remove --moving",
    )
    assert list(tmp_path.iterdir()) == [path]
