import json
import shutil
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.data import astronaut

from seamwise.engine import Listener, Resources
from seamwise.fusion import (
    Alignment,
    FuseOptions,
    FuseOutputs,
    batch,
    fuse_files,
    load,
    memory_estimate,
    memory_of_burst,
    plan,
)
from seamwise.fusion.burst import find_frames
from seamwise.fusion.depth_map import write_depth
from seamwise.fusion.jobs import FuseJob, pictures_in
from seamwise.fusion.readable import renumbered
from seamwise.fusion.result import Fusion
from seamwise.fusion.stored_alignment import stored_path, without_maps
from seamwise.fusion.surface import Surface
from seamwise.io import journal
from seamwise.io.images import read_labels
from seamwise.io.journal import unfinished
from seamwise.io.jsonfile import read_json
from seamwise.io.models import FusionInfo, model_path
from seamwise.io.photo import JPEG_EXIF_LIMIT, read_photo, write_photo
from seamwise.synth import focus_pair


def save_burst(folder, suffix=".png", count=2):
    folder.mkdir(parents=True, exist_ok=True)
    image = astronaut()[100:200, 100:220]
    for number in range(count):
        blurred = np.ones(image.shape[:2], bool)
        blurred[:, 120 * number // count : 120 * (number + 1) // count] = False
        pair = focus_pair(image, blurred, sigma=2.0)
        write_photo(folder / f"f{number}{suffix}", np.round(pair.a * 255).astype(np.uint8))
    return folder


def run(inputs, output, *, announce=lambda text: None, memory=None, **options):
    names = {field.name for field in fields(FuseOutputs)}
    files = FuseOutputs(**{name: options.pop(name) for name in names & options.keys()})
    options = FuseOptions(**{"model": "gff", **options})
    resources = Resources(memory=memory)
    listener = Listener(announce)
    return list(fuse_files(inputs, output, options, resources, files=files, listener=listener))


def test_one_burst_becomes_one_picture(tmp_path):
    folder = save_burst(tmp_path / "burst")
    (outcome,) = run([folder], tmp_path / "sharp.png")
    assert not outcome.failed
    assert read_photo(tmp_path / "sharp.png").pixels.shape == (100, 120, 3)
    assert outcome.messages[-1] == f"{tmp_path / 'sharp.png'}: 2 frames, 120 × 100 pixels"


def test_folders_of_bursts_become_a_picture_each_in_their_own_format(tmp_path):
    save_burst(tmp_path / "in" / "one", ".png")
    save_burst(tmp_path / "in" / "two", ".jpg")
    outcomes = run([tmp_path / "in"], tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["one.png", "seamwise.json", "two.jpg"]
    assert [outcome.total for outcome in outcomes] == [2, 2]


def test_a_bad_burst_is_named_and_the_others_go_on(tmp_path):
    save_burst(tmp_path / "in" / "a")
    (tmp_path / "in" / "a" / "f1.png").write_bytes(b"\x89PNG\r\n\x1a\n half a file")
    save_burst(tmp_path / "in" / "b")
    (save_burst(tmp_path / "in" / "c") / "f1.png").unlink()
    (tmp_path / "in" / "empty").mkdir()
    outcomes = run([tmp_path / "in"], tmp_path / "out")
    assert [outcome.failed for outcome in outcomes] == [True, False, True, True]
    assert "empty holds no image" in outcomes[3].messages[0]
    assert "f1.png" in outcomes[0].messages[0]
    assert "two frames or more, not 1" in outcomes[2].messages[0]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.png", "seamwise.json"}


def test_hidden_files_do_not_hide_the_bursts(tmp_path):
    save_burst(tmp_path / "in" / "a")
    (tmp_path / "in" / "._x.jpg").touch()
    (job,) = plan([tmp_path / "in"], tmp_path / "out")
    assert (job.output, job.note) == (tmp_path / "out" / "a.png", "")


def test_folders_beside_pictures_are_said_to_be_passed_over(tmp_path):
    folder = save_burst(tmp_path / "in")
    save_burst(folder / "a")
    note = (
        f"{folder} holds pictures, such as f0.png: its subfolders, such as a, are skipped; "
        "move one or the other"
    )
    for words in ("2 frames", "already exists", "two frames or more, not 1"):
        if "or more" in words:
            (folder / "f1.png").unlink()
        (outcome,) = run([folder], tmp_path / "out", overwrite="or more" in words)
        first, second = outcome.messages
        assert first == note
        assert words in second


def test_a_picture_that_is_there_is_replaced_only_if_asked(tmp_path):
    folder, target = save_burst(tmp_path / "burst"), tmp_path / "sharp.png"
    for name in ("sharp.png", "sharp_depth.png"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(
            FileExistsError, match=rf"{name} already exists: --overwrite replaces it"
        ):
            run([folder], target, depth_map=True)
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    target.write_text("mine")
    run([folder], target, overwrite=True)
    assert read_photo(target).pixels.shape == (100, 120, 3)


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_a_killed_process_left_is_replaced(tmp_path, monkeypatch, is_folder):
    burst = save_burst(tmp_path / "in" / "sharp")
    options = {"depth_map": True, "focus_maps": True}

    def output(name):
        return tmp_path / name if is_folder else tmp_path / name / "sharp.png"

    def fuse(name):
        return run([burst.parent if is_folder else burst], output(name), **options)

    fuse("whole")
    fuse("cut")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    # as it is after a kill between the maps and the picture
    picture = tmp_path / "cut" / "sharp.png"
    maps = [path for path in picture.parent.iterdir() if path.name.startswith("sharp_")]
    for path in (picture, *maps):
        path.unlink()

    def place(file, target):
        if target == picture:
            raise KeyboardInterrupt
        file.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_place", place)
        patch.setattr(journal, "_remove", lambda folder: None)
        with pytest.raises(KeyboardInterrupt):
            fuse("cut")
    assert unfinished(picture) == {*maps}
    assert [outcome.failed for outcome in fuse("cut")] == [False]
    assert {path.name: path.read_bytes() for path in (tmp_path / "cut").iterdir()} == whole


def test_of_many_bursts_those_that_are_there_are_passed_over(tmp_path):
    for name in ("a", "b"):
        save_burst(tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("mine")
    outcomes = run([tmp_path / "in"], tmp_path / "out", depth_map=True)
    assert [outcome.failed for outcome in outcomes] == [False, False]
    assert (
        outcomes[0]
        .messages[0]
        .endswith("already exists, without a_depth.png: --overwrite makes it")
    )
    assert (tmp_path / "out" / "a.png").read_text() == "mine"
    assert (tmp_path / "out" / "b_depth.png").exists()


@pytest.fixture
def two_bursts(tmp_path):
    """Two bursts, and the folder of their pictures, which exist with maps."""
    for name in ("a", "b"):
        save_burst(tmp_path / "in" / name)
    run([tmp_path / "in"], tmp_path / "out", depth_map=True, focus_maps=True)
    return tmp_path / "in", tmp_path / "out"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"align": True}, "made with align = False, not True"),
        ({"model": "dct"}, "made with method = gff, not dct"),
        ({"model": "focus-seg"}, "made with method = gff, not network"),
    ],
)
def test_a_folder_holds_pictures_of_one_way_only(two_bursts, options, words):
    bursts, out = two_bursts
    before = (out / "a.png").read_bytes()
    with pytest.raises(ValueError, match=rf"out holds a.png, {words}: choose another folder, or"):
        run([bursts], out, **options)
    with pytest.raises(ValueError, match=rf"out holds b.png, {words}"):
        run([bursts / "a"], out, overwrite=True, **options)
    assert (out / "a.png").read_bytes() == before
    (outcome, _) = run([bursts], out, memory=10**10)  # a resource
    assert outcome.messages == (f"{out / 'a.png'} already exists",)


def test_pictures_made_otherwise_and_their_maps_are_deleted_before_all_are_overwritten(two_bursts):
    bursts, out = two_bursts
    options, files = FuseOptions(model="dct"), FuseOutputs(overwrite=True)
    outcomes = fuse_files([bursts], out, options, files=files)
    assert [path.name for path in out.glob("[!.]*")] == ["seamwise.json"]
    assert [outcome.failed for outcome in outcomes] == [False, False]
    record = read_json(out / "seamwise.json")
    assert (record["method"], record["model"], record["align"]) == ("dct", "dct", False)


def test_a_folder_keeps_the_quality_of_its_jpegs(tmp_path):
    for name, suffix in (("a", ".jpg"), ("b", ".jpg"), ("c", ".png")):
        save_burst(tmp_path / name, suffix)
    png, out = tmp_path / "c", tmp_path / "out"
    for output in (out, tmp_path / "x.png"):
        with pytest.raises(ValueError, match=r"--quality is for JPEG, not for .\.png: remove it"):
            run([png], output, quality=60)
    assert not out.exists()
    run([png], out)
    assert "quality" not in read_json(out / "seamwise.json")
    run([tmp_path / "a"], out, quality=60)
    run([png], out, overwrite=True)
    assert read_json(out / "seamwise.json")["quality"] == 60
    with pytest.raises(ValueError, match=r"made with quality = 60, not 95: "):
        run([tmp_path / "b"], out)
    run([tmp_path / "b"], out, quality=60)
    assert (out / "b.jpg").exists()


def test_a_folder_of_jpegs_without_a_quality_has_the_default(tmp_path):
    save_burst(tmp_path / "in" / "a", ".jpg")
    save_burst(tmp_path / "in" / "b", ".jpg")
    out = tmp_path / "out"
    run([tmp_path / "in" / "a"], out)
    record = read_json(out / "seamwise.json")
    assert record.pop("quality") == 95
    (out / "seamwise.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"made with quality = 95, not 60: "):
        run([tmp_path / "in"], out, quality=60)
    assert len(run([tmp_path / "in"], out)) == 2


def test_another_network_of_the_same_name_is_noticed(tmp_path):
    bursts, out, model = tmp_path / "in", tmp_path / "out", tmp_path / "model.safetensors"
    save_burst(bursts / "a")
    for shipped, words in (("focus-reg", ""), ("focus-seg", "made with a different model file")):
        shutil.copy(model_path(shipped, FusionInfo), model)
        if not words:
            run([bursts], out, model=model)
            continue
        with pytest.raises(ValueError, match=rf"out holds a.png, {words}"):
            run([bursts], out, model=model)


def test_a_folder_of_pictures_without_a_record_is_not_compared(two_bursts):
    bursts, out = two_bursts
    (out / "seamwise.json").unlink()
    outcomes = run([bursts], out, model="dct")
    assert all("already exists" in outcome.messages[0] for outcome in outcomes)
    (out / "b.png").unlink()
    outcomes = run([bursts], out, model="dct")
    assert "already exists" not in outcomes[1].messages[0]
    run([bursts / "a"], out, model="dct", overwrite=True)
    assert not (out / "seamwise.json").exists()
    run([bursts], out, model="dct", overwrite=True)
    assert (out / "seamwise.json").exists()


def test_old_maps_do_not_stay_beside_a_new_picture(tmp_path):
    folder = save_burst(tmp_path / "burst", count=3)
    run([folder], tmp_path / "sharp.png", depth_map=True, focus_maps=True)
    (folder / "f2.png").unlink()
    run([folder], tmp_path / "sharp.png", overwrite=True)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["sharp.png"]


def test_frames_are_never_replaced(tmp_path):
    folder = save_burst(tmp_path / "burst")
    frames = sorted(folder.iterdir())
    with pytest.raises(ValueError, match=r"f1\.png is a frame and would be replaced"):
        plan(frames, folder / "f1.png")
    taken = [
        frame.rename(folder / name)
        for frame, name in zip(frames, ("a_focus_0.png", "b.png"), strict=True)
    ]
    with pytest.raises(ValueError, match=r"a_focus_0\.png is a frame and would be replaced"):
        plan(taken, folder / "a.png", FuseOutputs(focus_maps=True))


def test_results_never_lie_where_the_next_run_takes_them_for_frames(tmp_path):
    folder = save_burst(tmp_path / "in" / "burst")
    for inputs, output in (
        ([folder], folder / "sharp.png"),
        ([folder], folder),
        ([tmp_path / "in"], tmp_path / "in" / "out"),
        ([tmp_path / "in"], folder),
    ):
        with pytest.raises(
            ValueError, match="would be taken for frames by the next run: write outside of"
        ):
            plan(inputs, output)
    assert plan(sorted(folder.iterdir()), folder / "sharp.png")[0].output == folder / "sharp.png"


def test_two_bursts_never_write_the_same_file(tmp_path):
    save_burst(tmp_path / "x" / "s", ".png")
    save_burst(tmp_path / "y" / "s", ".jpg")
    inputs = [tmp_path / "x" / "s", tmp_path / "y" / "s"]
    assert len(plan(inputs, tmp_path / "out")) == 2
    with pytest.raises(ValueError, match=r"two bursts would both write .*s\.png"):
        plan([*inputs, save_burst(tmp_path / "z" / "s", ".png")], tmp_path / "out")


def test_pictures_that_differ_in_suffix_alone_have_maps_of_their_own(tmp_path):
    save_burst(tmp_path / "x" / "s", ".png")
    save_burst(tmp_path / "y" / "s", ".jpg")
    inputs = [tmp_path / "x" / "s", tmp_path / "y" / "s"]
    run(inputs, tmp_path / "out", depth_map=True)
    names = {"s.png", "s.jpg", "s_png_depth.png", "s_jpg_depth.png", "seamwise.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    (tmp_path / "one").mkdir()
    run(inputs[:1], tmp_path / "one" / "x.tif", depth_map=True)
    first = (tmp_path / "one" / "x_depth.png").read_bytes()
    run(inputs[1:], tmp_path / "one" / "x.png", depth_map=True, model="laplacian")
    assert (tmp_path / "one" / "x_depth.png").read_bytes() == first
    assert (tmp_path / "one" / "x_png_depth.png").exists()


def test_bad_plans_are_named(tmp_path, monkeypatch):
    folder = save_burst(tmp_path / "burst")
    with pytest.raises(ValueError, match=r"f0\.png is a frame: name the picture"):
        plan([folder / "f0.png"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no does not exist: check its name"):
        plan([tmp_path / "no"], tmp_path / "out")
    with pytest.raises(
        ValueError, match=r"z\.webp cannot be written: end the name of a picture in"
    ):
        plan([folder], tmp_path / "z.webp")
    (tmp_path / "in").mkdir()
    save_burst(tmp_path / "in" / "cup")
    with pytest.raises(FileNotFoundError) as caught:
        plan([tmp_path / "in"], tmp_path / "all.jpg")
    assert str(caught.value) == (
        f"folder {tmp_path / 'in'} holds no picture but folders of them, such as cup: "
        f"to fuse each, name a folder as output, -o {tmp_path / 'all'}"
    )
    for frame in (tmp_path / "in" / "cup").iterdir():
        frame.unlink()
    with pytest.raises(FileNotFoundError, match="holds no image: expected"):
        plan([tmp_path / "in"], tmp_path / "all.jpg")
    monkeypatch.chdir(folder)
    assert plan(["."], tmp_path / "out")[0].output.name == "burst.png"


def test_options_are_checked_at_the_call_and_nothing_is_made(tmp_path):
    folder = save_burst(tmp_path / "burst")
    for options in ({"mode": "together"}, {"tile": 300}):
        with pytest.raises(ValueError, match="is an option of networks"):
            fuse_files([folder], tmp_path / "new" / "a.png", FuseOptions(model="gff", **options))
    with pytest.raises(FileNotFoundError, match=r"cannot write .*a\.json"):
        fuse_files(
            [folder],
            tmp_path / "new" / "a.png",
            FuseOptions(model="gff", align=True),
            files=FuseOutputs(alignment=tmp_path / "no" / "a.json"),
        )
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a folder that takes no files, even of root"
)
def test_a_folder_that_takes_no_files_is_said_before_the_work(tmp_path):
    folder, said = save_burst(tmp_path / "burst"), []
    (outcome,) = run([folder], Path("/proc/sharp.png"), announce=said.append)
    assert outcome.failed
    assert outcome.messages == (
        "cannot write /proc/sharp.png: its folder takes no new files; choose another",
    )
    with pytest.raises(OSError, match=r"cannot write /proc/a\.json: its folder takes no new files"):
        run(
            [folder],
            tmp_path / "a.png",
            align=True,
            alignment=Path("/proc/a.json"),
            announce=said.append,
        )
    assert said == []


def test_what_is_about_to_be_done_is_said_with_its_memory(tmp_path):
    said = []
    run([save_burst(tmp_path / "burst")], tmp_path / "sharp.png", announce=said.append)
    assert said == [
        f"{tmp_path / 'sharp.png'}: 2 frames of 120 × 100 pixels, about 0.5 GB of memory"
    ]


def test_16_bit_frames_cannot_become_a_jpeg_and_it_is_said_before_the_work(tmp_path):
    for name in ("a.png", "b.png"):
        write_photo(tmp_path / name, np.zeros((40, 50), np.uint16))
    said = []
    (outcome,) = run(
        [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "x.jpg", announce=said.append
    )
    assert "a JPEG holds 8 bits" in outcome.messages[0]
    assert said == []


@pytest.mark.parametrize(("side", "options", "words"), [
    (65501, {}, "a JPEG holds 65500 pixels a side, the picture has 65501 × 2: name it .png"),
    (65501, {"align": True, "crop": False}, "a JPEG holds 65500 pixels a side"),
    (65501, {"align": True}, "at most 32766 pixels to be aligned"),  # what is cut might have fitted
    (65500, {}, ""),
])  # fmt: skip
def test_frames_too_wide_for_a_jpeg_are_refused_before_the_work(tmp_path, side, options, words):
    for name in ("a.png", "b.png"):
        write_photo(tmp_path / name, np.zeros((2, side), np.uint8))
    said = []
    options = {"model": "laplacian", "announce": said.append} | options
    (outcome,) = run([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "x.jpg", **options)
    assert outcome.failed == bool(words)
    assert words in outcome.messages[0]
    assert bool(said) == ("JPEG" not in words)


def test_frames_too_large_for_a_tiff_are_refused_before_the_work(tmp_path, monkeypatch):
    folder, said = save_burst(tmp_path / "burst"), []
    monkeypatch.setattr("seamwise.io.photo.CLASSIC_LIMIT", 100 * 120 * 3 - 1)
    (outcome,) = run([folder], tmp_path / "x.tiff", announce=said.append)
    assert outcome.messages == (
        f"{tmp_path / 'x.tiff'}: a TIFF holds less than 4 GB, the picture has 0.0 GB: name it .png",
    )
    assert said == []
    monkeypatch.setattr("seamwise.io.photo.CLASSIC_LIMIT", 100 * 120 * 3)
    assert not run([folder], tmp_path / "x.tiff")[0].failed


def test_a_picture_that_cannot_be_written_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    save_burst(tmp_path / "in" / "a", ".tif")
    for path in save_burst(tmp_path / "in" / "b", ".tif").iterdir():
        write_photo(path, read_photo(path).pixels[:40])
    monkeypatch.setattr("seamwise.io.photo.CLASSIC_LIMIT", 100 * 120 * 3 - 1)
    outcomes = run([tmp_path / "in"], tmp_path / "out", depth_map=True, focus_maps=True)
    assert [outcome.failed for outcome in outcomes] == [True, False]
    (message,) = outcomes[0].messages
    assert message.startswith(f"{tmp_path / 'out' / 'a.tif'}: a TIFF holds less than 4 GB")
    # maps left behind would stop the next run
    names = {path.name for path in (tmp_path / "out").iterdir()} - {"seamwise.json"}
    assert {name[0] for name in names} == {"b"}


def test_depth_and_focus_maps_say_which_frame(tmp_path):
    folder = save_burst(tmp_path / "burst", count=3)
    run([folder], tmp_path / "sharp.jpg", depth_map=True, focus_maps=True)
    depth = read_labels(tmp_path / "sharp_depth.png")
    assert [int(np.median(depth[:, 40 * i + 5 : 40 * i + 35])) for i in range(3)] == [0, 1, 2]
    for number in range(3):
        white = read_photo(tmp_path / f"sharp_focus_{number}.png").pixels
        np.testing.assert_array_equal(white == 255, depth == number)


def test_depth_maps_show_colours_and_hold_numbers(tmp_path):
    depth = np.array([[0, 1], [2, 3]], np.uint8)
    write_depth(tmp_path / "d.png", depth, 4)
    with Image.open(tmp_path / "d.png") as picture:
        assert picture.mode == "P"
        colours = np.asarray(picture.convert("RGB")).reshape(4, 3).astype(int)
    assert len(np.unique(colours, axis=0)) == 4
    assert colours[3].sum() > colours[0].sum()
    np.testing.assert_array_equal(read_labels(tmp_path / "d.png"), depth)
    many = np.array([[0, 299]], np.uint16)
    write_depth(tmp_path / "m.png", many, 300)
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png"), many)


def test_exif_and_profile_of_the_first_frame_are_kept(tmp_path):
    folder = save_burst(tmp_path / "burst", ".jpg")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    write_photo(
        folder / "f0.jpg", read_photo(folder / "f0.jpg").pixels, exif=exif.tobytes(), icc=b"profile"
    )
    run([folder], tmp_path / "sharp.jpg")
    photo = read_photo(tmp_path / "sharp.jpg")
    assert b"Maker" in photo.exif
    assert photo.icc == b"profile"


def exif_of_length(length):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * 250  # a maker note
    return exif.tobytes().ljust(length, b"\0")


def save_burst_with(exif, folder):
    save_burst(folder)
    write_photo(folder / "f0.png", read_photo(folder / "f0.png").pixels, exif=exif)
    return folder


@pytest.mark.parametrize("name", ["sharp.jpg", "sharp.JPEG"])
def test_exif_that_no_jpeg_holds_is_left_out_and_this_is_said(tmp_path, name):
    folder, target = (
        save_burst_with(exif_of_length(JPEG_EXIF_LIMIT + 1), tmp_path / "burst"),
        tmp_path / name,
    )
    (outcome,) = run([folder], target)
    assert not outcome.failed
    assert read_photo(target).exif == b""
    assert outcome.messages == (
        f"{target}: its EXIF of 65534 bytes does not fit into a JPEG and is dropped; "
        "name it .png or .tif to keep it",
        f"{target}: 2 frames, 120 × 100 pixels",
    )


@pytest.mark.parametrize(
    ("name", "length"),
    [("x.jpg", JPEG_EXIF_LIMIT), ("x.png", JPEG_EXIF_LIMIT + 1), ("x.tif", JPEG_EXIF_LIMIT + 1)],
)
def test_exif_that_fits_is_kept(tmp_path, name, length):
    exif = exif_of_length(length)
    (outcome,) = run([save_burst_with(exif, tmp_path / "burst")], tmp_path / name)
    assert len(outcome.messages) == 1
    kept, given = Image.Exif(), Image.Exif()
    kept.load(read_photo(tmp_path / name).exif)
    given.load(exif)
    assert kept[0x010F] == "Maker"
    assert kept.get_ifd(0x8769) == given.get_ifd(0x8769)


def test_a_burst_whose_exif_no_jpeg_holds_does_not_stop_the_others(tmp_path):
    save_burst_with(exif_of_length(JPEG_EXIF_LIMIT + 1), tmp_path / "in" / "a")
    save_burst(tmp_path / "in" / "b")
    for path in (tmp_path / "in").glob("*/*.png"):
        path.rename(
            path.with_suffix(".jpg")
        )  # the pictures are named like their frames, whatever these are
    assert [outcome.failed for outcome in run([tmp_path / "in"], tmp_path / "out")] == [
        False,
        False,
    ]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.jpg", "b.jpg", "seamwise.json"]


def test_an_alignment_is_written_once_and_used_again(tmp_path):
    folder, file = save_burst(tmp_path / "burst"), tmp_path / "alignment.json"
    run([folder], tmp_path / "a.png", align=True, alignment=file)
    alignment = Alignment.load(file)
    assert len(alignment.names) == 2
    before = file.read_bytes()
    run([folder], tmp_path / "b.png", align=True, alignment=file)
    assert file.read_bytes() == before
    np.testing.assert_array_equal(
        read_photo(tmp_path / "a.png").pixels, read_photo(tmp_path / "b.png").pixels
    )
    with pytest.raises(
        ValueError, match=r"^--alignment .* needs a single burst and --align: remove it$"
    ):
        run([folder], tmp_path / "c.png", align=False, alignment=file)


def test_a_burst_of_another_size_does_not_fit_the_alignment(tmp_path):
    folder, file = save_burst(tmp_path / "burst"), tmp_path / "alignment.json"
    run([folder], tmp_path / "a.png", align=True, alignment=file)
    other = save_burst(tmp_path / "other", count=3)
    (outcome,) = run([other], tmp_path / "b.png", align=True, alignment=file)
    assert outcome.failed
    assert "the burst has 3" in outcome.messages[0]


@pytest.mark.parametrize("model", ["dct", "gff"])
def test_surfaces_and_transparent_frames_count_as_memory(model):
    options, shape, pixels = FuseOptions(model=model), (3000, 4000, 3), 12e6
    plain = memory_estimate(shape, options)
    assert memory_estimate(shape, options, has_alpha=True) - plain == 50 * pixels
    # the surface comes after the picture, so only the larger of both counts
    of_surface = memory_estimate(shape, options, surface=True) - plain
    assert of_surface == (6 * pixels if model == "dct" else 0)


def test_more_memory_than_is_available_is_refused_before_the_work(tmp_path, monkeypatch):
    folder = save_burst(tmp_path / "burst")
    messages = []
    words = "GB of memory, 0.4 GB are available: make the frames smaller"
    (outcome,) = run([folder], tmp_path / "a.png", memory=400_000_000, announce=messages.append)
    assert outcome.failed
    assert words in outcome.messages[0]
    # a container's limit counts, however much memory the machine has
    monkeypatch.setattr("seamwise.engine.memory.allowed_memory", lambda: 4e8)
    (outcome,) = run([folder], tmp_path / "a.png", announce=messages.append)
    assert outcome.failed
    assert words in outcome.messages[0]
    assert messages == []
    assert not run([folder], tmp_path / "a.png", memory=600_000_000)[0].failed


def test_the_estimate_grows_with_the_picture():
    small, large = (memory_estimate((side, side, 3)) for side in (1000, 5000))
    assert small < 1.2e9 < large < 5e9


def test_the_estimate_follows_the_network_and_its_tile(selector):
    wide = selector.info.model_copy(
        update={"architecture": selector.info.architecture.model_copy(update={"width": 64})}
    )
    narrow = memory_estimate((4000, 4000, 3), model=selector)
    assert memory_estimate((4000, 4000, 3), model=replace(selector, info=wide)) > narrow + 1e9
    assert memory_estimate((4000, 4000, 3), FuseOptions(tile=4000), model=selector) > narrow + 1e9


def test_scores_count_depth_turned_frames_and_two_transparent_ones():
    model, shape, pixels = load("focus-burst"), (4000, 6000, 3), 24e6
    estimate = partial(memory_estimate, shape, model=model)
    size = estimate(FuseOptions(align=False))
    assert 1.8e9 < size < 2.3e9
    assert estimate(FuseOptions(align=True)) == size + 12 * pixels
    assert estimate(FuseOptions(align=False, tile=4000)) > size + 1e9
    assert estimate(FuseOptions(align=False), has_alpha=True) == size + 125 * pixels
    # two frames of three colours
    for bits, more in ((np.uint16, 6), (np.float32, 18)):
        assert estimate(FuseOptions(align=False), dtype=bits) == size + more * pixels
    gff = FuseOptions(model="gff")
    assert memory_estimate(shape, gff, dtype=np.uint16) == memory_estimate(shape, gff) + 3 * pixels


@pytest.mark.parametrize("count", [2, 3])
def test_auto_counts_the_memory_of_both_its_networks_and_the_first_picture(count):
    shape, pixels, auto = (2000, 3000, 3), 6e6, FuseOptions()
    first, second = auto.of_burst(count), auto.of_burst(5 - count)
    assert {first.model, second.model} == {"focus-pair", "focus-burst"}
    estimate = partial(memory_of_burst, shape, count=count)
    kept = memory_estimate(shape, second) + 13 * pixels
    assert estimate(auto) == max(memory_estimate(shape, first), kept)
    assert estimate(first) == memory_estimate(shape, first)
    large = (3000, 4000, 3)  # too many pixels for a second fusion
    assert memory_of_burst(large, auto, count=count) == memory_estimate(large, first)


def test_a_network_counts_the_same_by_its_name():
    shape = (2000, 3000, 3)
    for name in ("focus-pair", "focus-burst"):
        options, model = FuseOptions(model=name), load(name, runtime="torch")
        assert memory_estimate(shape, options) == memory_estimate(shape, options, model=model)


def test_an_alignment_follows_the_names_of_the_frames(tmp_path):
    folder, file = save_burst(tmp_path / "burst", count=3), tmp_path / "alignment.json"
    run([folder], tmp_path / "a.png", align=True, alignment=file)
    content = json.loads(file.read_text())
    content["matrices"][0][0][2] = 8.0  # so that a mistake shows
    file.write_text(json.dumps(content))
    run([folder], tmp_path / "b.png", align=True, alignment=file)
    run(sorted(folder.iterdir(), reverse=True), tmp_path / "c.png", align=True, alignment=file)
    first, second = (read_photo(tmp_path / name).pixels for name in ("b.png", "c.png"))
    assert first.shape == second.shape
    np.testing.assert_allclose(first.astype(float), second.astype(float), atol=2)


def test_pairs_with_discs_of_highlights_share_the_other_network(tmp_path, monkeypatch):
    loaded = []
    load = batch.named_network
    monkeypatch.setattr(
        batch, "named_network", lambda name, **options: loaded.append(name) or load(name, **options)
    )
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)) / np.float32(29)
    light = np.full((96, 112, 3), 0.05, np.float32)
    light[12:-12:20, 12:-12:15] = 25
    pair = [light, cv2.filter2D(light, -1, disc)]
    for name in "pq":
        (tmp_path / "in" / name).mkdir(parents=True)
        for number, frame in enumerate(pair):
            stored = np.round(255 * np.clip(frame, 0, 1) ** (1 / 2.2)).astype(np.uint8)
            write_photo(tmp_path / "in" / name / f"{number}.png", stored)
    outcomes = run([tmp_path / "in"], tmp_path / "out", model="auto")
    for outcome, name in zip(outcomes, "pq", strict=True):
        assert any("highlights grow to discs" in line for line in outcome.messages)
        fused = read_photo(tmp_path / "out" / f"{name}.png").pixels
        assert (fused > 200).sum() == 3 * 4 * 6  # the spots, a pixel each
    assert loaded == ["focus-burst"]


def test_a_folder_that_one_network_began_continues_with_it(tmp_path):
    heard, out = [], tmp_path / "out"
    save_burst(tmp_path / "bursts" / "two")
    run([tmp_path / "bursts"], out, model="focus-seg")
    before = json.loads((out / "seamwise.json").read_text())["model_sha256"]
    save_burst(tmp_path / "bursts" / "three", count=3)
    run([tmp_path / "bursts"], out, model="auto", announce=heard.append)
    assert any("was begun with focus-seg, which is used again" in line for line in heard)
    assert json.loads((out / "seamwise.json").read_text())["model_sha256"] == before
    assert (out / "three.png").exists()


def test_a_frame_that_shows_nothing_in_focus_is_not_used(tmp_path):
    folder, file = save_burst(tmp_path / "burst", count=3), tmp_path / "alignment.json"
    run([folder], tmp_path / "a.png", align=True, alignment=file)
    content = json.loads(file.read_text())
    content["matrices"] = [np.eye(3).tolist()] * 3
    content["gains"] = np.ones_like(content["gains"]).tolist()
    content["unmatched"] = [1]
    file.write_text(json.dumps(content))
    (outcome,) = run([folder], tmp_path / "b.png", align=True, alignment=file)
    assert "f1.png shows nothing in focus: it is not used" in outcome.messages
    other = save_burst(tmp_path / "other", count=3)
    (other / "f1.png").rename(other / "f1b.png")
    (outcome,) = run([other], tmp_path / "d.png", align=True, alignment=file)
    assert "f1b.png shows nothing in focus: it is not used" in outcome.messages
    two = sorted(folder.iterdir())[::2]
    run(two, tmp_path / "c.png")
    second, third = (read_photo(tmp_path / name).pixels for name in ("b.png", "c.png"))
    np.testing.assert_array_equal(second, third)


def test_a_folder_keeps_how_its_pictures_were_cut(tmp_path):
    pair = save_burst(tmp_path / "in" / "moved")
    second = read_photo(pair / "f1.png").pixels
    for name, pixels in (("f0", read_photo(pair / "f0.png").pixels[:, :-4]), ("f1", second[:, 4:])):
        write_photo(pair / f"{name}.png", pixels)
    save_burst(tmp_path / "in" / "static")
    run([tmp_path / "in"], tmp_path / "out", align=True)
    stored = tmp_path / "out" / "moved_alignment.json"
    y0, y1, x0, x1 = Alignment.load(stored).common
    assert read_photo(tmp_path / "out" / "moved.png").pixels.shape == (y1 - y0, x1 - x0, 3)
    assert not (tmp_path / "out" / "static_alignment.json").exists()
    run([tmp_path / "in"], tmp_path / "out", overwrite=True)
    assert not stored.exists()


def spoil(folder):
    """Frame 1 of 4 is cut off within its pixels, frame 2 is a note."""
    whole = (folder / "f1.png").read_bytes()
    (folder / "f1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "f2.png").write_text("a note")


def test_a_frame_that_cannot_be_read_is_named_with_its_place(tmp_path):
    folder = save_burst(tmp_path / "burst", count=4)
    spoil(folder)
    (outcome,) = run([folder], tmp_path / "sharp.png")
    assert outcome.failed
    (line,) = outcome.messages
    assert f"cannot read {folder / 'f1.png'} as PNG" in line
    assert line.endswith("(frame 2 of 4); --skip-bad fuses the others")
    assert not (tmp_path / "sharp.png").exists()


def test_frames_that_cannot_be_read_are_skipped_and_the_numbers_of_the_others_stay(tmp_path):
    folder = save_burst(tmp_path / "burst", count=4)
    good = tmp_path / "good"
    shutil.copytree(folder, good)
    for name in ("f1.png", "f2.png"):
        (good / name).unlink()
    spoil(folder)
    run([good], tmp_path / "good.png", depth_map=True)
    (outcome,) = run([folder], tmp_path / "sharp.png", skip_bad=True, depth_map=True)
    assert not outcome.failed
    assert [message.split(":")[0] for message in outcome.messages[:2]] == ["skipped"] * 2
    assert "f1.png" in outcome.messages[0]
    assert "2 frames, 120 × 100 pixels" in outcome.messages[-1]
    fused, alone = (read_photo(tmp_path / name).pixels for name in ("sharp.png", "good.png"))
    assert np.array_equal(fused, alone)
    depth, of_two = (read_labels(tmp_path / f"{name}_depth.png") for name in ("sharp", "good"))
    assert np.array_equal(depth, 3 * of_two)


def test_heights_count_the_frames_that_were_skipped(tmp_path):
    folder = save_burst(tmp_path / "burst", count=4)
    (folder / "f1.png").write_text("a note")
    run([folder], tmp_path / "x.png", skip_bad=True, surface=True, z_step=2.0)
    with tifffile.TiffFile(tmp_path / "x_height.tif") as file:
        rule = json.loads(file.pages[0].description)
        values = file.asarray()
    assert rule["scale"] == pytest.approx(3 * 2.0 / 65534)
    heights = (values[values > 0] - 1.0) * rule["scale"]
    assert heights.max() == pytest.approx(6, abs=0.7)
    position = np.array([[0, 1.5, np.nan, 2]], np.float32)
    surface = Surface(position, np.ones_like(position), 3)
    depth = np.array([[0, 1, 1, 2]], np.uint8)
    fusion = renumbered(Fusion(np.zeros((1, 4)), depth, surface=surface), [0, 2, 3], 4, [])
    assert np.array_equal(fusion.surface.position, [[0, 2.5, np.nan, 3]], equal_nan=True)
    assert (fusion.surface.count, fusion.surface.top) == (4, 3.0)


def test_one_frame_that_can_be_read_is_too_few(tmp_path):
    folder = save_burst(tmp_path / "burst", count=2)
    (folder / "f1.png").write_text("a note")
    (outcome,) = run([folder], tmp_path / "sharp.png", skip_bad=True)
    assert outcome.failed
    assert "1 of 2 can be fused; skipped: " in outcome.messages[0]


def test_a_blank_frame_is_named_whether_aligned_or_not(tmp_path):
    folder = save_burst(tmp_path / "burst", count=4)
    write_photo(folder / "f2.png", np.zeros((100, 120, 3), np.uint8))
    for align in (False, True):
        (outcome,) = run([folder], tmp_path / f"{align}.png", align=align)
        assert f"{folder / 'f2.png'} is blank: all its pixels are equal" in outcome.messages
        assert ("f2.png shows nothing in focus: it is not used" in outcome.messages) == align
    (outcome,) = run([folder / "f1.png", folder / "f2.png"], tmp_path / "two.png", align=True)
    assert "f2.png shows nothing in focus, but too few others do: it is used" in outcome.messages


def test_a_folder_of_pictures_is_a_burst_without_its_maps(tmp_path):
    for name in ("a", "b"):
        save_burst(tmp_path / "in" / name)
    run([tmp_path / "in"], tmp_path / "out", depth_map=True, focus_maps=True)
    (outcome,) = run([tmp_path / "out"], tmp_path / "final.png")
    assert "2 frames" in outcome.messages[-1]


def test_a_picture_named_like_a_map_is_a_picture(tmp_path):
    for name in ("leaf_height", "cup"):
        save_burst(tmp_path / "in" / name)
    names = ["cup.png", "leaf_height.png"]
    run([tmp_path / "in" / "leaf_height", tmp_path / "in" / "cup"], tmp_path / "out", surface=True)
    assert [path.name for path in find_frames([tmp_path / "out"])] == names
    assert sorted(path.name for path in pictures_in(tmp_path / "out")) == names
    (tmp_path / "out" / "cup.png").unlink()
    planned = plan([tmp_path / "in" / "cup"], tmp_path / "out")
    assert [path.name for path in pictures_in(tmp_path / "out", planned)] == names[1:]
    stack = [
        Path(f"y{ending}") for ending in (".ome.tif", "_t0_c1_depth.png", "_ome_tif_height.tif")
    ]
    assert without_maps(stack) == stack[:1]


def test_old_maps_stay_if_the_new_picture_cannot_be_written(tmp_path, monkeypatch):
    folder = save_burst(tmp_path / "burst")
    run([folder], tmp_path / "sharp.png", depth_map=True)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("sharp*")}
    (folder / "f1.png").write_bytes((folder / "f1.png").read_bytes()[:-2000])
    (outcome,) = run([folder], tmp_path / "sharp.png", depth_map=True, overwrite=True)
    assert outcome.failed
    assert {path.name: path.read_bytes() for path in tmp_path.glob("sharp*")} == before


def test_old_maps_stay_if_a_new_file_cannot_be_written(tmp_path, monkeypatch):
    folder = save_burst(tmp_path / "burst")
    options = {"depth_map": True, "focus_maps": True}
    run([folder], tmp_path / "sharp.png", **options)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*sharp*")}
    write = batch.write_photo

    def fail(path, *args, **kwargs):
        if path.name.startswith(name):
            raise OSError(f"cannot write {path}: no space is left")
        write(path, *args, **kwargs)

    monkeypatch.setattr(batch, "write_photo", fail)
    for name in ("sharp_focus_1", "sharp.png"):
        (outcome,) = run([folder], tmp_path / "sharp.png", overwrite=True, **options)
        assert outcome.failed
        assert f"cannot write {tmp_path / name}" in outcome.messages[0]
        assert {path.name: path.read_bytes() for path in tmp_path.glob("*sharp*")} == before


def test_a_new_picture_takes_its_own_maps_and_no_others(tmp_path):
    folder = save_burst(tmp_path / "burst")
    others = ("x1_focus_0.png", "x[1]_focus_stacked.png", "x[1]_alignment.json")
    for name in others:
        (tmp_path / name).write_text("mine")
    output = tmp_path / "x[1].png"
    run([folder], output, depth_map=True, focus_maps=True)
    run([folder], output, overwrite=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*others, "x[1].png", "burst"}


def test_an_alignment_next_to_a_picture_of_a_folder_is_replaced_only_if_asked(tmp_path):
    save_burst(tmp_path / "in" / "a")
    (tmp_path / "out").mkdir()
    alignment = tmp_path / "out" / "a_alignment.json"
    alignment.write_text("mine")
    (outcome,) = run([tmp_path / "in"], tmp_path / "out")
    assert outcome.failed
    assert "a_alignment.json already exists: --overwrite replaces it" in outcome.messages[0]
    assert alignment.read_text() == "mine"
    alignment.unlink()
    run([tmp_path / "in"], tmp_path / "out")
    (outcome,) = run([tmp_path / "in"], tmp_path / "out")
    assert outcome.messages == (f"{tmp_path / 'out' / 'a.png'} already exists",)


def test_twins_have_maps_of_their_own_whatever_the_suffix(tmp_path):
    outputs = [tmp_path / name for name in ("a.tif", "a.ome.tif")]
    for output in outputs:
        output.touch()
    names = [FuseJob((), output, has_twin=True).alignment().name for output in outputs]
    assert names == ["a_tif_alignment.json", "a_ome_tif_alignment.json"]
    for number, output in enumerate(outputs):
        folder = save_burst(tmp_path / f"burst{number}")
        (job,) = plan([folder], output)
        assert job.has_twin


def test_an_alignment_is_that_of_one_picture(tmp_path):
    matrices = np.stack([np.eye(3)] * 2)
    alignment = Alignment(matrices, np.ones((2, 1)), (4, 5), 0, ("f0", "f1"))
    path = tmp_path / "x_alignment.json"
    alignment.save(path)
    assert stored_path(tmp_path / "x.png") == stored_path(tmp_path / "x.ome.tif") == path
    alignment.save(path, picture="x.ome.tif")
    assert stored_path(tmp_path / "x.ome.tif") == path
    assert not stored_path(tmp_path / "x.png").exists()
    assert Alignment.load(path).names == ("f0", "f1")


def test_maps_from_before_a_picture_had_a_twin_do_not_stay(tmp_path):
    for name in ("x.tif", "x.png", "x_depth.png", "x_height.png", "x_png_depth.png"):
        (tmp_path / name).touch()
    job = FuseJob((), tmp_path / "x.tif", has_twin=True)
    # the heights may be those of x.png, which has no others
    assert job.old_maps() == [tmp_path / "x_depth.png"]


def test_a_picture_of_unknown_origin_is_not_silently_taken_for_the_result(tmp_path):
    save_burst(tmp_path / "in" / "a")
    (tmp_path / "out").mkdir()
    write_photo(tmp_path / "out" / "a.png", np.zeros((4, 5), np.uint8))
    write_photo(tmp_path / "out" / "other.png", np.zeros((4, 5), np.uint8))
    (outcome,) = run([tmp_path / "in"], tmp_path / "out")
    assert "how it was made is not known: --overwrite makes it again" in outcome.messages[0]


def test_parts_of_a_burst_that_were_cut_differently_are_fused_again(tmp_path):
    burst = save_burst(tmp_path / "all", count=4)
    frames = [read_photo(burst / f"f{number}.png").pixels for number in range(4)]
    for number, (frame, shift) in enumerate(zip(frames, (0, 4, 0, 7), strict=True)):
        part = tmp_path / "parts" / f"p{number // 2}"
        part.mkdir(parents=True, exist_ok=True)
        write_photo(part / f"f{number}.png", np.ascontiguousarray(frame[:, shift : shift + 112]))
    run([tmp_path / "parts"], tmp_path / "fused", align=True)
    sizes = {read_photo(path).pixels.shape for path in (tmp_path / "fused").glob("*.png")}
    assert len(sizes) == 2
    (outcome,) = run([tmp_path / "fused"], tmp_path / "final.png")
    assert not outcome.failed
    assert any("all are cut to what they share" in message for message in outcome.messages)
    boxes = [Alignment.load(tmp_path / "fused" / f"p{i}_alignment.json").common for i in range(2)]
    (y0, x0), (y1, x1) = np.max(boxes, 0)[::2], np.min(boxes, 0)[1::2]
    assert read_photo(tmp_path / "final.png").pixels.shape == (y1 - y0, x1 - x0, 3)
    (tmp_path / "fused" / "p1_alignment.json").unlink()
    (outcome,) = run([tmp_path / "fused"], tmp_path / "none.png")
    assert outcome.failed
    assert "--full-size" in outcome.messages[0]
