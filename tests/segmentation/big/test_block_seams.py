"""From disk to disk: doubts along the seams, equal to those of the whole image."""

import numpy as np
import pytest
import tifffile

from seamwise.io import open_labels, read_image, read_labels
from seamwise.io.ome_zarr import write_image
from seamwise.io.scratch import open_scratch
from seamwise.metrics import seam_doubt
from seamwise.segmentation import OutputOptions, SegmentOptions, segment_files
from seamwise.segmentation.big import blocks
from seamwise.segmentation.big.stages import Stages
from seamwise.segmentation.seam_files import read_seams, seams_path
from support.block_runs import Stop, hidden, run, stop_at, work_of
from support.volumes import blobs

pytestmark = pytest.mark.usefixtures("small_blocks")


def maps_of(output, time=0):
    """The probabilities that a run left in its work folder."""
    return np.asarray(open_scratch(work_of(output) / f"t{time}" / "maps.zarr")[...])


def assert_same(seams, expected):
    assert len(expected.cell) > 3
    for name in ("cell", "neighbour", "faces"):
        np.testing.assert_array_equal(getattr(seams, name), getattr(expected, name))
    for name in ("entropy", "cell_probability"):
        np.testing.assert_allclose(getattr(seams, name), getattr(expected, name), rtol=1e-12)


def run_with_maps(path, output, **options):
    """Run to the end; return the probabilities that were there before the seams were written."""
    with pytest.raises(Stop):
        run(path, output, **options, seams=True, report=stop_at("seams"))
    times = len(list(work_of(output).glob("t*")))
    maps = [maps_of(output, time) for time in range(times)]
    run(path, output, **options, seams=True)
    assert hidden(output.parent) == []
    return maps


@pytest.mark.parametrize("decode", ["argmax", "watershed"])
@pytest.mark.parametrize("tile", [40, 80, 200])
def test_seams_are_those_of_the_whole_image_whatever_the_blocks(
    tmp_path, image, models, tile, decode
):
    output = tmp_path / "out" / "a.ome.zarr"
    output.parent.mkdir()
    (maps,) = run_with_maps(image, output, model=models[2], tile=tile, decode=decode)
    seams = read_seams(tmp_path / "out" / "seams" / "a.csv")
    assert seams.time is None
    assert_same(seams, seam_doubt(maps, read_labels(output)))
    assert not (tmp_path / "out" / "probabilities").exists()  # nobody asked for them
    run(image, tmp_path / "plain.ome.zarr", model=models[2], tile=tile, decode=decode)
    np.testing.assert_array_equal(read_labels(output), read_labels(tmp_path / "plain.ome.zarr"))


@pytest.mark.parametrize("tile", [16, 32])
def test_those_of_stacks_too(tmp_path, models, tile):
    path, output = tmp_path / "a.tif", tmp_path / "out.ome.zarr"
    tifffile.imwrite(path, blobs((20, 30, 40)), photometric="minisblack", metadata={"axes": "ZYX"})
    (maps,) = run_with_maps(path, output, model=models[3], tile=tile, decode="watershed")
    assert_same(read_seams(tmp_path / "seams" / "a.csv"), seam_doubt(maps, read_labels(output)))


@pytest.fixture
def series(tmp_path):
    """Three time points of 70 × 100 pixels, the second of one grey."""
    frames = np.stack([blobs((70, 100), seed) for seed in range(3)])
    frames[1] = 7
    path = tmp_path / "s.ome.zarr"
    write_image(path, frames, axes="TYX")
    return path


def test_each_time_point_of_a_series_has_its_own(tmp_path, series, models):
    output = tmp_path / "out.ome.zarr"
    options = {"model": models[2], "tile": 40, "decode": "watershed"}
    maps = run_with_maps(series, output, **options)
    seams = read_seams(tmp_path / "seams" / "s.csv")
    assert set(seams.time) == {0, 2}
    on_disk = open_labels(output)
    for time in (0, 2):
        labels = on_disk.read((slice(0, 70), slice(0, 100)), time=time)[0]
        rows = {name: column[seams.time == time] for name, column in vars(seams).items()}
        assert_same(type(seams)(**rows), seam_doubt(maps[time], labels))


@pytest.mark.parametrize("name", ["cells", "nuclei"])
def test_labels_within_an_image_have_a_file_next_to_it(tmp_path, image, models, name):
    files = OutputOptions(seams=True, name=name)
    list(segment_files([image], image, SegmentOptions(model=models[2]), files=files))
    expected = image.parent / "seams" / f"a_{name}.csv"
    assert seams_path(image / "labels" / name, image) == expected
    assert len(read_seams(expected).cell) > 3


def test_seams_that_are_missing_are_those_of_labels_that_were_edited(tmp_path, image, models):
    out, options = tmp_path / "out", SegmentOptions(model=models[2], decode="watershed")
    (first,) = segment_files([image], out, options)
    assert not (out / "seams").exists()
    labels = read_labels(out / "a.ome.zarr")
    seams = seam_doubt(np.zeros((2, *labels.shape)), labels)
    one, two = int(seams.cell[0]), int(seams.neighbour[0])
    labels[labels == two] = one  # a person merged the two,
    labels[labels == next(n for n in np.unique(labels) if n not in (0, one))] = (
        200  # renumbered one
    )
    labels[labels == labels[labels < 200].max()] = 0  # and deleted another
    open_scratch(out / "a.ome.zarr" / "0")[...] = labels
    files = OutputOptions(seams=True, probabilities=True)
    (again,) = segment_files([image], out, options, files=files)
    assert not again.failed
    # cells are counted, whatever their numbers are
    count = len(np.unique(labels)) - 1
    assert first.messages[-1] == f"{image}: {count + 2} cells"
    assert again.messages[-1] == f"{image}: {count} cells"
    maps = read_image(out / "probabilities" / "a.ome.zarr").data
    assert_same(read_seams(out / "seams" / "a.csv"), seam_doubt(maps, labels))
    np.testing.assert_array_equal(read_labels(out / "a.ome.zarr"), labels)
    (done,) = segment_files([image], out, options, files=files)
    assert "already exists" in done.messages[0]


def test_labels_of_another_size_get_no_seams_but_a_line(tmp_path, image, models):
    out, options = tmp_path / "out", SegmentOptions(model=models[2])
    out.mkdir()
    list(segment_files([image], out, options))
    other = tmp_path / "other.ome.zarr"
    write_image(other, np.zeros((9, 9), np.uint16), axes="YX")
    (out / "a.ome.zarr" / "zarr.json").write_bytes((other / "zarr.json").read_bytes())
    (out / "a.ome.zarr" / "0" / "zarr.json").write_bytes((other / "0" / "zarr.json").read_bytes())
    (outcome,) = segment_files([image], out, options, files=OutputOptions(seams=True))
    assert outcome.failed
    assert "must have the size (70, 100)" in outcome.messages[0]
    assert not (out / "seams").exists()


def test_if_seams_cannot_be_measured_old_labels_and_their_seams_stay(
    tmp_path, image, models, monkeypatch
):
    output = tmp_path / "out.ome.zarr"
    run(image, output, model=models[2], tile=40, seams=True)

    def content():
        files = [*output.rglob("*"), seams_path(output, image)]
        return {path: path.read_bytes() for path in files if path.is_file()}

    def seams(*arguments):
        raise OSError(28, "No space left on device")

    old = content()
    again = {"model": models[2], "tile": 40, "decode": "watershed", "seams": True}
    with monkeypatch.context() as patch:
        patch.setattr(Stages, "seams", seams)
        with pytest.raises(OSError, match="No space left"):
            run(image, output, **again, overwrite=True)
    assert content() == old
    run(image, output, **again, overwrite=True)
    assert content() != old


def test_without_seams_no_probabilities_are_kept_and_old_seams_go(tmp_path, image, models):
    output, seen = tmp_path / "out.ome.zarr", []
    run(image, output, model=models[2], tile=40, seams=True)

    def spy(progress):
        seen.append(progress.stage)
        assert not (work_of(output) / "t0" / "maps.zarr").exists()

    run(image, output, model=models[2], tile=40, overwrite=True, report=spy)
    assert "seams" not in seen
    assert not seams_path(output, image).exists()


def test_a_block_holds_the_probabilities_of_itself_and_one_neighbour(
    tmp_path, image, models, monkeypatch
):
    reads = []

    class Spy:
        def __init__(self, array):
            self.array = array

        def __getitem__(self, place):
            reads.append([s.stop - s.start for s in place[1:]])
            return self.array[place]

        def __setitem__(self, place, values):
            self.array[place] = values

    plain = blocks.open_scratch
    monkeypatch.setattr(
        blocks,
        "open_scratch",
        lambda path: Spy(plain(path)) if path.name == "maps.zarr" else plain(path),
    )
    run(image, tmp_path / "out.ome.zarr", model=models[2], tile=40, seams=True)
    # six blocks; beyond each, a plane or a corner of those behind it
    assert sorted(reads, reverse=True)[:2] == [[40, 40], [40, 40]]
    assert all(min(lengths) == 1 or max(lengths) <= 40 for lengths in reads)
    assert len(reads) == 4 + 4 + 2 + 2 + 2 + 1
