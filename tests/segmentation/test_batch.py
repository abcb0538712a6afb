import errno
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event, current_thread
from time import sleep
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from seamwise.engine import Listener, Resources, Runtime
from seamwise.engine.networks import ReadyNetwork
from seamwise.io.images import read_labels, write_labels, write_png
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import Architecture, SegmentationInfo, describe_model, model_path
from seamwise.io.provenance import file_sha256
from seamwise.segmentation import batch, predict, segment
from seamwise.segmentation.batch import segment_files
from seamwise.segmentation.big.memory import whole_image_bytes
from seamwise.segmentation.doubt_files import read_doubts
from seamwise.segmentation.options import OutputOptions, SegmentOptions
from seamwise.segmentation.outputs import check_outputs
from seamwise.segmentation.overlay import overlay
from seamwise.segmentation.predict import Prediction
from seamwise.segmentation.seam_files import read_seams
from seamwise.synth import crowded_cells


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Three images, and a stand-in for the network that labels bright pixels one by one."""
    for name in "abc":
        image = np.zeros((8, 9), np.uint8)
        image[3, 4:7:2] = 200
        tifffile.imwrite(tmp_path / f"{name}.tif", image)

    def segment_image(image, options, **_):
        labels = np.zeros(image.shape[1:], np.uint8)
        labels[image[0] > 100] = np.arange(1, (image[0] > 100).sum() + 1)
        return Prediction(labels, None)

    architecture = Architecture(in_channels=1, out_channels=2)
    info = SegmentationInfo(
        architecture=architecture, classes=("background", "cell"), channels=("grey",)
    )
    plane = stand_in(info)
    monkeypatch.setattr(batch, "load_for", lambda model, runtime, resources: plane)
    monkeypatch.setattr(batch, "segment_image", segment_image)
    return [tmp_path / f"{name}.tif" for name in "abc"]


def stand_in(info):
    runtime, sha256 = Runtime("torch", None), file_sha256(model_path("nuclei-2d"))
    return ReadyNetwork(lambda: None, info, "cpu", "float32", compiled=runtime, sha256=sha256)


def test_a_network_that_cannot_be_compiled_for_streams_has_one_lane():
    def fail():
        raise RuntimeError("out of memory")

    info = SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=2),
        classes=("background", "cell"),
        channels=("grey",),
    )
    plane = stand_in(info)
    whole = replace(plane, compiled=replace(plane.compiled, in_streams=fail))
    with whole.shared(in_streams=True) as network:
        assert network.compiled is whole.compiled
        assert network.call(abs, -1) == 1


def one_cell(image):
    return Prediction(np.ones(image.shape[1:], np.uint8), None)


def test_outcomes_come_file_by_file_and_labels_are_there_when_they_do(images, tmp_path):
    for number, outcome in enumerate(segment_files(images, tmp_path / "out", SegmentOptions()), 1):
        assert (outcome.total, outcome.failed) == (3, False)
        assert (tmp_path / "out" / outcome.path.name).exists()
        done = len(list((tmp_path / "out").glob("*.tif")))
        assert number <= done <= number + batch._QUEUE - 1  # the next images are in work
    assert tifffile.imread(tmp_path / "out" / "a.tif").max() == 2


def test_an_earlier_name_of_a_model_is_noted(images, tmp_path):
    notes = []
    options = SegmentOptions(model="tissue-3d")
    listener = Listener(announce=notes.append)
    assert len(list(segment_files(images, tmp_path / "out", options, listener=listener))) == 3
    assert len(notes) == 1
    assert "tissue-3d is now named walls-3d" in notes[0]


def test_what_stops_the_whole_job_is_said_at_the_call(images, tmp_path):
    with pytest.raises(ValueError, match="would replace"):
        segment_files(images, tmp_path, SegmentOptions())
    with pytest.raises(ValueError, match="is the input folder"):
        segment_files([tmp_path], tmp_path, SegmentOptions())
    with pytest.raises(FileNotFoundError, match="nothing"):
        segment_files([tmp_path / "nothing.tif"], tmp_path / "out", SegmentOptions())
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_the_job_and_leaves_nothing_half_written(images, tmp_path, monkeypatch):
    for name in "defghi":
        shutil.copy(images[0], tmp_path / f"{name}.tif")
    outcomes = segment_files([tmp_path / "*.tif"], tmp_path / "out", SegmentOptions())
    next(outcomes)

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", full)
    with pytest.raises(OSError, match=r"[b-f]\.tif"):  # the next images were in work already
        list(outcomes)
    begun = {f"{name}.tif" for name in "abcdef"}
    assert {path.name for path in (tmp_path / "out").glob("*tif*")} <= begun


def spy_on_counts(monkeypatch):
    """How many of the first two images of each call may be in work at a time."""
    counts = []

    def spy(work, items, *, threads, cost, limit, **_):
        first = sum(cost(item) for item in items[:2])
        counts.append(min(threads, 2 if first <= limit else 1))
        return map(work, items)

    monkeypatch.setattr(batch, "prefetch", spy)
    return counts


@pytest.mark.parametrize(("images_in_memory", "count"), [(1.5, 1), (2.1, 2)])
def test_two_images_are_in_work_if_they_fit_the_memory(
    images, tmp_path, monkeypatch, images_in_memory, count
):
    counts = spy_on_counts(monkeypatch)
    memory = images_in_memory * whole_image_bytes(72, pixel_bytes=1)
    list(segment_files(images, tmp_path / "out", resources=Resources(memory=int(memory))))
    assert counts == [count]


def in_lanes(images, output, *, memory=None):
    """How the network was shared for these images: the threads of the lane, and `in_streams`."""
    seen = []
    share = ReadyNetwork.shared

    def shared(self, *, in_streams):
        seen.append(in_streams)
        return share(self, in_streams=in_streams)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReadyNetwork, "shared", shared)
        resources = Resources(memory=memory)
        assert not any(o.failed for o in segment_files(images, output, resources=resources))
    return seen


def test_images_of_one_size_go_through_halves_of_the_cores_others_through_all(images, tmp_path):
    assert in_lanes(images, tmp_path / "out") == [True]
    assert in_lanes(images, tmp_path / "out") == [False]  # nothing is left to do
    assert in_lanes(images[:2], tmp_path / "two") == [False]
    room = int(1.5 * whole_image_bytes(72, pixel_bytes=1))
    assert in_lanes(images, tmp_path / "little", memory=room) == [False]
    tifffile.imwrite(tmp_path / "large.tif", np.zeros((800, 900), np.uint8))
    assert in_lanes([*images, tmp_path / "large.tif"], tmp_path / "uneven") == [False]


def test_an_image_that_only_lacks_its_probabilities_counts_with_them(images, tmp_path, monkeypatch):
    counts = spy_on_counts(monkeypatch)
    list(segment_files(images, tmp_path / "out"))
    whole = whole_image_bytes(72, pixel_bytes=1, maps=2)
    assert whole == whole_image_bytes(72, pixel_bytes=1) + 2 * 10 * 72
    for memory in (2 * whole - 2, 2 * whole):
        files, resources = OutputOptions(probabilities=True), Resources(memory=memory)
        list(segment_files(images, tmp_path / "out", resources=resources, files=files))
    assert counts[1:] == [1, 2]


def test_a_large_image_makes_only_its_neighbours_wait(images, tmp_path, monkeypatch):
    tifffile.imwrite(images[0], np.eye(2000, dtype=np.uint8))
    small, large = (whole_image_bytes(n, pixel_bytes=1) for n in (72, 2000**2))
    at_work, most, both = [], {}, Event()
    segment_image = batch.segment_image

    def spy(image, options, **others):
        at_work.append(image.size)
        most[image.size] = max(most.get(image.size, 0), len(at_work))
        if len(at_work) == 2:
            both.set()
        both.wait(10 if image.size == 72 else 0.2)  # the large one is not joined
        at_work.remove(image.size)
        return segment_image(image, options, **others)

    monkeypatch.setattr(batch, "segment_image", spy)
    limit = Resources(memory=max(small + large - 1, 2 * small))
    list(segment_files(images, tmp_path / "out", resources=limit))
    assert most == {2000**2: 1, 72: 2}


def test_one_thread_computes_the_network_of_all_images(tmp_path, monkeypatch):
    names = []
    plain = predict.tile_probabilities

    def spy(*arguments, **options):
        names.append(current_thread().name)
        return plain(*arguments, **options)

    monkeypatch.setattr(predict, "tile_probabilities", spy)
    scene = crowded_cells((64, 80), cells=5, rng=0)
    for number in range(4):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.roll(scene.image, 9 * number, 0))
    outcomes = list(segment_files([tmp_path], tmp_path / "out"))
    assert [outcome.path.name for outcome in outcomes] == [f"{number}.tif" for number in range(4)]
    assert len(names) == 4
    assert len(set(names)) == 1
    alone = segment(np.roll(scene.image, 9, 0)).labels
    assert np.array_equal(read_labels(tmp_path / "out" / "1.tif"), alone)


def test_an_overlay_that_was_not_asked_for_before_is_drawn_from_the_labels(images, tmp_path):
    list(segment_files(images, tmp_path / "out", SegmentOptions()))
    before = (tmp_path / "out" / "a.tif").stat().st_mtime_ns
    again = list(
        segment_files(images, tmp_path / "out", SegmentOptions(), files=OutputOptions(overlay=True))
    )
    assert not any(outcome.failed for outcome in again)
    assert len(list((tmp_path / "out").glob("*_overlay.png"))) == 3
    assert (tmp_path / "out" / "a.tif").stat().st_mtime_ns == before


@pytest.fixture
def doubtful(images, monkeypatch):
    """The three images, and a network that keeps its probabilities."""

    def segment_image(image, options, *, keep_probabilities=False, **_):
        cell = (image[0] > 100).astype(np.float32)
        labels = np.cumsum(cell, axis=1).astype(np.uint8) * cell.astype(np.uint8)
        return Prediction(labels, np.stack([1 - cell, cell]) if keep_probabilities else None)

    monkeypatch.setattr(batch, "segment_image", segment_image)
    return images


@pytest.mark.parametrize("files", [OutputOptions(seams=True), OutputOptions(probabilities=True)])
def test_overlays_stay_when_other_files_are_made_up_for(doubtful, tmp_path, files):
    out = tmp_path / "out"
    list(segment_files(doubtful, out, files=OutputOptions(overlay=True)))
    before = (out / "a_overlay.png").read_bytes()
    assert not any(outcome.failed for outcome in segment_files(doubtful, out, files=files))
    assert (out / "a_overlay.png").read_bytes() == before


def test_seams_and_overlay_are_those_of_labels_that_were_edited(doubtful, tmp_path):
    out = tmp_path / "out"
    list(segment_files(doubtful[:1], out))
    edited = np.zeros((8, 9), np.uint8)
    edited[3, 4:7] = (5, 7, 7)
    write_labels(out / "a.tif", edited)
    files = OutputOptions(overlay=True, seams=True)
    (outcome,) = segment_files(doubtful[:1], out, files=files)
    assert outcome.messages[-1].endswith("7 cells")
    assert (read_labels(out / "a.tif") == edited).all()
    seams = read_seams(out / "seams" / "a.csv")
    assert (seams.cell.tolist(), seams.neighbour.tolist()) == ([5], [7])
    drawn = overlay(tifffile.imread(doubtful[0]), edited)
    assert (iio.imread(out / "a_overlay.png") == drawn).all()


def test_doubts_of_cells_are_written_and_those_of_flips_where_they_were_made(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", crowded_cells((64, 80), cells=5, rng=0).image)
    files = OutputOptions(seams=True)
    for flips in (False, True):
        out, options = tmp_path / str(flips), SegmentOptions(flips=flips)
        list(segment_files([tmp_path / "a.tif"], out, options, files=files))
        doubts, labels = read_doubts(out / "doubts" / "a.csv"), read_labels(out / "a.tif")
        assert doubts.cell.tolist() == np.unique(labels[labels > 0]).tolist()
        assert (doubts.disagreement is not None) == flips
        before = (out / "a.tif").read_bytes()
        (out / "doubts" / "a.csv").unlink()  # as in a folder of an earlier version
        list(segment_files([tmp_path / "a.tif"], out, options, files=files))
        assert (out / "doubts" / "a.csv").exists()
        assert (out / "a.tif").read_bytes() == before


def test_slices_that_are_joined_have_no_seams_and_count_as_done(images, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "segment_slices", lambda image, *_, **__: one_cell(image))
    options, files = SegmentOptions(mode="2d-stitch"), OutputOptions(seams=True)
    list(segment_files(images, tmp_path / "out", options, files=files))
    monkeypatch.setattr(batch, "segment_slices", None)
    again = list(segment_files(images, tmp_path / "out", options, files=files))
    assert all("already exists" in outcome.messages[0] for outcome in again)


def test_an_overlay_never_replaces_an_input(images, tmp_path):
    precious = tmp_path / "out" / "a_overlay.png"
    precious.parent.mkdir()
    precious.write_bytes(b"precious")
    with pytest.raises(ValueError, match=r"would replace .*a_overlay\.png"):
        segment_files(
            [*images, precious],
            tmp_path / "out",
            SegmentOptions(),
            files=OutputOptions(overlay=True),
        )


def test_overwriting_some_with_other_options_is_refused_and_all_is_allowed(images, tmp_path):
    list(segment_files(images, tmp_path / "out", SegmentOptions()))
    other = SegmentOptions(min_size=3)
    with pytest.raises(ValueError, match="min_size = None, not 3"):
        segment_files(images[:1], tmp_path / "out", other, files=OutputOptions(overwrite=True))
    assert (
        len(
            list(
                segment_files(images, tmp_path / "out", other, files=OutputOptions(overwrite=True))
            )
        )
        == 3
    )
    list(segment_files(images, tmp_path / "out", other))


def test_the_rule_is_recorded_and_checked_at_the_call(images, tmp_path, monkeypatch):
    with monkeypatch.context() as real:
        description = describe_model(model_path("nuclei-2d"))
        real.setattr(batch, "load_for", lambda model, runtime, resources: stand_in(description))
        with pytest.raises(ValueError, match="seamwise tune"):
            segment_files(images, tmp_path / "out", SegmentOptions(decode="watershed"))
        assert not (tmp_path / "out").exists()
        asked = []
        real.setattr(
            batch,
            "segment_image",
            lambda image, options, **_: asked.append(options) or one_cell(image),
        )
        list(segment_files(images, tmp_path / "out", SegmentOptions(decode="argmax")))
        assert [options.decode for options in asked] == ["argmax"] * 3
    assert read_json(tmp_path / "out" / "seamwise.json")["decode"] == "argmax"
    with pytest.raises(ValueError, match="with decode = argmax, not None"):
        segment_files(images, tmp_path / "out", SegmentOptions())


def test_labels_from_before_rules_could_be_chosen_are_gone_on_with(images, tmp_path):
    list(segment_files(images[:1], tmp_path / "out", SegmentOptions()))
    record = tmp_path / "out" / "seamwise.json"
    write_json(
        record, {name: value for name, value in read_json(record).items() if name != "decode"}
    )
    assert len(list(segment_files(images, tmp_path / "out", SegmentOptions()))) == 3


def test_a_folder_of_the_first_version_is_read(images, tmp_path):
    options = SegmentOptions(min_size=9)
    list(segment_files(images[:1], tmp_path / "out", options))
    record = tmp_path / "out" / "seamwise.json"
    old = {
        "model": "nuclei-2d", "channel": None, "axes": None, "decode": None, "min_size": 9,
        "tile": None, "flips": False, "mode": None, "stitch_iou": None, "zarr_version": None,
        "model_sha256": read_json(record)["model_sha256"],
    }  # fmt: skip
    write_json(record, old)
    with pytest.raises(ValueError, match="made with min_size = 9, not 12: choose") as caught:
        segment_files(images, tmp_path / "out", SegmentOptions(min_size=12))
    assert "\n" not in str(caught.value)
    assert read_json(record) == old
    first, *_ = segment_files(images, tmp_path / "out", options)
    assert "already exists" in first.messages[0]


def test_a_first_attempt_without_results_does_not_bind_the_second(images, tmp_path, monkeypatch):
    def fail(image, options, **_):
        raise ValueError("no")

    with monkeypatch.context() as broken:
        broken.setattr(batch, "segment_image", fail)
        assert all(
            outcome.failed
            for outcome in segment_files(images, tmp_path / "out", SegmentOptions(channel=0))
        )
    assert not any(
        outcome.failed for outcome in segment_files(images, tmp_path / "out", SegmentOptions())
    )


def test_another_model_of_the_same_name_is_noticed(images, tmp_path, monkeypatch):
    list(segment_files(images[:1], tmp_path / "out", SegmentOptions()))
    model = replace(batch.load_for("nuclei-2d", "auto", Resources()), sha256="retrained")
    monkeypatch.setattr(batch, "load_for", lambda *_: model)
    with pytest.raises(ValueError, match="a different model file"):
        segment_files(images, tmp_path / "out", SegmentOptions())


def test_options_that_no_file_could_satisfy_are_refused_at_once(images, tmp_path):
    with pytest.raises(ValueError, match="axes"):
        segment_files(images, tmp_path / "out", SegmentOptions(axes="QQ"))


def test_an_interrupted_overwrite_leaves_no_mixture(images, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "_QUEUE", 1)
    monkeypatch.setattr(batch, "STREAMS", 1)
    list(
        segment_files(images, tmp_path / "out", SegmentOptions(), files=OutputOptions(overlay=True))
    )
    next(
        segment_files(
            images,
            tmp_path / "out",
            SegmentOptions(min_size=3),
            files=OutputOptions(overwrite=True),
        )
    )
    # two threads: the second image may be in work
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} in (
        {"a.tif"},
        {"a.tif", "b.tif"},
    )
    assert not list((tmp_path / "out").glob("*_overlay.png"))
    assert len(list(segment_files(images, tmp_path / "out", SegmentOptions(min_size=3)))) == 3


def test_labels_of_something_else_are_not_adopted(images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.tif").write_bytes(b"a mask")
    with pytest.raises(ValueError, match=r"holds b\.tif, not made by seamwise"):
        segment_files(images, tmp_path / "out", SegmentOptions())
    assert (tmp_path / "out" / "b.tif").read_bytes() == b"a mask"


def test_a_model_is_its_content_not_its_name(images, tmp_path):
    list(segment_files(images, tmp_path / "out", SegmentOptions()))
    list(
        segment_files(images, tmp_path / "out", SegmentOptions(model=str(model_path("nuclei-2d"))))
    )


def test_an_overlay_that_no_longer_fits_its_image_is_a_failure_of_that_file(images, tmp_path):
    list(segment_files(images, tmp_path / "out", SegmentOptions()))
    tifffile.imwrite(images[0], np.zeros((5, 5), np.uint8))
    outcomes = list(
        segment_files(images, tmp_path / "out", SegmentOptions(), files=OutputOptions(overlay=True))
    )
    assert [outcome.failed for outcome in outcomes] == [True, False, False]
    assert "labels must have the size" in outcomes[0].messages[0]


def test_results_never_lie_among_the_inputs(tmp_path):
    with pytest.raises(
        ValueError, match=r"a\.tif would be among the inputs: choose another output folder"
    ):
        check_outputs({tmp_path / "a.png": (tmp_path / "a.tif",)})


# ---- block by block


@pytest.fixture
def volumes(tmp_path, monkeypatch):
    """Two pictures, and a stand-in for the segmentation block by block, which counts its calls."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, rng.integers(0, 255, (40, 50), np.uint8))
    calls = []

    def segment_volume(image, output, options, resources, **_):
        calls.append(image.name)
        output.mkdir(exist_ok=True)
        return SimpleNamespace(note="", caution="", cells=(1,), damaged=())

    architecture = Architecture(in_channels=1, out_channels=2)
    info = SegmentationInfo(
        architecture=architecture, classes=("background", "cell"), channels=("grey",)
    )
    plane = stand_in(info)
    monkeypatch.setattr(batch, "load_for", lambda model, runtime, resources: plane)
    monkeypatch.setattr(batch, "segment_image", lambda image, options, **_: one_cell(image))
    monkeypatch.setattr(batch, "segment_volume", segment_volume)
    return tmp_path, calls


LITTLE, ENOUGH = Resources(memory=1000), Resources(memory=10**12)


def test_done_is_done_whatever_the_memory(volumes):
    folder, calls = volumes
    inputs = [folder / "a.png", folder / "b.png"]
    list(segment_files(inputs[:1], folder / "out", SegmentOptions(), LITTLE))
    list(segment_files(inputs, folder / "out", SegmentOptions(), ENOUGH))
    list(segment_files(inputs, folder / "out", SegmentOptions(), LITTLE))
    assert calls == ["a.png"]
    assert {path.name for path in (folder / "out").glob("[ab]*")} == {"a.ome.zarr", "b.tif"}


@pytest.mark.parametrize(
    ("options", "overwrite", "by_block"),
    [
        (SegmentOptions(), False, True),
        (SegmentOptions(), True, False),
        (SegmentOptions(mode="2d-stitch"), False, False),
    ],
)
def test_what_was_begun_block_by_block_goes_on_so(
    volumes, monkeypatch, options, overwrite, by_block
):
    folder, calls = volumes
    monkeypatch.setattr(batch, "segment_slices", lambda image, options, **_: one_cell(image))
    (folder / "out" / ".a.ome.zarr.cells.work").mkdir(parents=True)
    (outcome,) = segment_files(
        [folder / "a.png"],
        folder / "out",
        options,
        ENOUGH,
        files=OutputOptions(overwrite=overwrite),
    )
    assert not outcome.failed
    assert calls == ["a.png"] * by_block


def test_pictures_are_not_decoded_before_their_turn(volumes, monkeypatch):
    folder, calls = volumes
    monkeypatch.setattr(batch, "open_volume", lambda *_, **__: pytest.fail("opened"))
    for resources in (LITTLE, ENOUGH):
        segment_files([folder / "a.png"], folder / "out", SegmentOptions(), resources)
    assert calls == []


def test_a_scheduler_that_is_lost_stops_the_job(volumes, monkeypatch):
    folder, _ = volumes

    def lost(*arguments, **options):
        raise ConnectionError("the dask scheduler was lost")

    monkeypatch.setattr(batch, "segment_volume", lost)
    outcomes = segment_files([folder], folder / "out", SegmentOptions(), LITTLE)
    with pytest.raises(ConnectionError, match="scheduler"):
        next(outcomes)


def test_the_work_on_an_image_itself_waits_for_its_turn_too(volumes):
    folder, calls = volumes
    image = folder / "c.zarr"
    image.mkdir()
    (image / ".zattrs").write_text("{}")
    outcomes = segment_files([image], image, SegmentOptions())
    assert calls == []
    assert [(outcome.path, outcome.failed) for outcome in outcomes] == [(image, False)]
    assert calls == ["c.zarr"]


def test_an_interrupt_waits_for_a_tile_of_the_other_image_not_for_all_of_it(
    images, tmp_path, monkeypatch
):
    begun, calls = Event(), []
    tifffile.imwrite(images[0], np.eye(8, dtype=np.uint8) * 7)

    def segment_image(image, options, *, model, **_):
        if image.max() == 7:
            assert begun.wait(10)
            raise KeyboardInterrupt
        for _ in range(500):
            model.call(lambda: calls.append(sleep(0.01)))
            begun.set()
        return one_cell(image)

    monkeypatch.setattr(batch, "segment_image", segment_image)
    with pytest.raises(KeyboardInterrupt):
        list(segment_files(images, tmp_path / "out", SegmentOptions()))
    assert len(calls) < 100
    assert not list((tmp_path / "out").glob("*.tif"))


def test_a_name_too_long_for_its_results_fails_alone(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a" * 244, "b", "c"):
        write_png(source / f"{name}.png", np.zeros((16, 16), np.uint8))
    files = OutputOptions(overlay=True)
    outcomes = list(segment_files([source], tmp_path / "out", files=files))
    assert [outcome.failed for outcome in outcomes] == [True, False, False]
    assert "is too long: rename it" in outcomes[0].messages[0]
    assert {"b.tif", "c.tif"} <= {path.name for path in (tmp_path / "out").iterdir()}
    # without an overlay its name fits
    again = list(segment_files([source], tmp_path / "other"))
    assert [outcome.failed for outcome in again] == [False, False, False]


def test_files_that_cannot_be_read_are_named_once(images, tmp_path):
    folder = images[0].parent
    (folder / "scan.lif").write_bytes(b"x")
    heard = []
    list(segment_files([folder], tmp_path / "out", listener=Listener(announce=heard.append)))
    assert [line for line in heard if "scan.lif" in line] == [
        f"{folder} holds a file that is not read (scan.lif): export it as OME-TIFF, e.g. with Fiji"
    ]


def test_a_folder_on_a_read_only_disk_is_named_so(images, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    unlink, opened = Path.unlink, Path.open

    def read_only(function):
        def refuse(path, *arguments, **options):
            if path.parent == out:
                raise OSError(errno.EROFS, "Read-only file system", str(path))
            return function(path, *arguments, **options)

        return refuse

    monkeypatch.setattr(Path, "unlink", read_only(unlink))
    monkeypatch.setattr(Path, "open", read_only(opened))
    with pytest.raises(OSError, match=r"cannot write .*: the disk is read-only; choose another"):
        segment_files(images, out)
