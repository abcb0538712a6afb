"""Files of stacks: folders, damaged ones, what a file cannot hold; how planes are read."""

import copy
import gc
import pickle
import weakref
from uuid import UUID

import numpy as np
import pytest
import tifffile

from seamwise.fusion import (
    Burst,
    FuseOptions,
    FuseOutputs,
    batch,
    fuse_files,
    plan,
)
from seamwise.fusion.stack import stack_of
from seamwise.io.images import read_image
from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.io.photo import write_photo
from seamwise.io.volume import Volume
from support.focus_stacks import (
    alone,
    assert_equal_but_rounding,
    damaged_plane,
    fault,
    hyperstack,
    planes,
    run,
    save,
)


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
