"""The Fuse door: frames come in, the picture equals that of the command line, nothing stays."""

import io
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from threading import Event

import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.fusion import FuseOptions
from seamwise_web import fusing
from seamwise_web.answers import RefusalError
from seamwise_web.bursts import OpenBurst
from seamwise_web.jobs import Job
from seamwise_web.pictures import Limits
from support.web_page import (
    ADDRESS,
    BURSTS,
    FRAMES,
    UPLOAD,
    error_of,
    leftovers,
    write_burst,
)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return write_burst(tmp_path_factory.mktemp("frames"))


@pytest.fixture(autouse=True)
def own_scratch(tmp_path, monkeypatch):
    """Temporary files of the server go to an empty folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def burst(client, own_scratch):
    """The key of a burst without frames; once it is closed, no file of it remains."""
    key = client.post("api/bursts").json()["burst"]
    yield key
    client.delete(f"api/bursts/{key}")
    assert leftovers() == []


def drop(client, burst, path, name=None):
    content = path if isinstance(path, bytes) else path.read_bytes()
    name = path.name if name is None else name
    return client.post(f"api/bursts/{burst}/frames", params={"name": name}, content=content)


@pytest.fixture
def full(client, burst, frames):
    """A burst of three frames."""
    for path in frames:
        assert drop(client, burst, path).status_code == 200
    return burst


def fuse(client, wait, burst, method="auto", **fields):
    job = client.post(f"api/bursts/{burst}/fuse", json={"method": method, **fields})
    assert job.status_code == 200, job.text
    return wait(job.json()["job"])


@pytest.mark.parametrize("method", ["auto", "gff"])
def test_the_picture_is_that_of_the_command_line(client, wait, full, frames, run, tmp_path, method):
    assert fuse(client, wait, full, method)["state"] == "done"
    outputs = tmp_path / "cli"
    for suffix in (".png", ".tif", ".jpg"):
        output = outputs / f"x{suffix}"
        code, *_ = run("fuse", *frames, "-o", output, "--method", method, "--depth-map")
        assert code == 0
        answer = client.get(f"api/bursts/{full}/picture{suffix}")
        assert answer.content == output.read_bytes(), suffix
        assert f"frame1_fused{suffix}" in answer.headers["content-disposition"]
    depth = client.get(f"api/bursts/{full}/depth.png").content
    assert depth == next(outputs.glob("x*_depth.png")).read_bytes()


def test_switches_of_the_page_are_those_of_the_command_line(
    client, wait, full, frames, run, tmp_path
):
    fuse(client, wait, full, "laplacian", align=False, moving=True)
    output = tmp_path / "x.png"
    run("fuse", *frames, "-o", output, "--method", "laplacian", "--no-align", "--moving")
    assert client.get(f"api/bursts/{full}/picture.png").content == output.read_bytes()


def test_each_switch_reaches_the_option_of_its_name():
    default = FuseOptions(model="gff", align=True)
    assert fusing.options_of("gff", align=True, moving=False) == default
    assert fusing.options_of("gff", align=False, moving=False) == replace(default, align=False)
    assert fusing.options_of("gff", align=True, moving=True) == replace(default, moving=True)


def test_the_picture_keeps_exif_and_colour_profile(client, wait, full):
    fuse(client, wait, full, "gff")
    for suffix in (".jpg", ".png", ".tif"):
        content = client.get(f"api/bursts/{full}/picture{suffix}").content
        with PIL.Image.open(io.BytesIO(content)) as picture:
            assert picture.getexif()[272] == "camera of the tests"
            assert picture.info["icc_profile"]


def test_a_frame_is_shown_as_it_lies_on_the_picture(client, wait, full, frames):
    before = client.get(f"api/bursts/{full}/frames/1/shown.jpg")
    with PIL.Image.open(io.BytesIO(before.content)) as shown, PIL.Image.open(frames[1]) as frame:
        assert np.abs(np.asarray(shown).astype(int) - np.asarray(frame)).mean() < 3
    fuse(client, wait, full, "gff")
    fused = client.get(f"api/bursts/{full}").json()["fused"]
    for path in ("shown.jpg", "frames/0/shown.jpg"):
        answer = client.get(f"api/bursts/{full}/{path}")
        with PIL.Image.open(io.BytesIO(answer.content)) as shown:
            assert shown.size == (fused["width"], fused["height"])
    small = client.get(f"api/bursts/{full}/frames/2/small.jpg")
    assert small.headers["content-type"] == "image/jpeg"


def test_frames_of_the_folder_are_taken_and_stay(client, burst, images):
    answer = client.post(f"api/bursts/{burst}/places", json={"place": "day 1/blue.png"}).json()
    assert answer["frames"] == [{"name": "blue.png", "width": 50, "height": 40}]
    again = client.post(f"api/bursts/{burst}/places", json={"place": "day 1/blue.png"})
    assert error_of(again, 409) == "blue.png is already a frame of this burst"
    assert client.delete(f"api/bursts/{burst}/frames/0").json()["frames"] == []
    assert (images / "day 1" / "blue.png").is_file()


def test_a_frame_that_is_removed_is_deleted_and_the_picture_is_old(client, wait, full):
    fuse(client, wait, full, "laplacian")
    (folder,) = leftovers()
    assert client.delete(f"api/bursts/{full}/frames/0").json()["fused"] is None
    assert sorted(path.name for path in folder.iterdir()) == ["frame2.png", "frame3.png"]
    error_of(client.get(f"api/bursts/{full}/shown.jpg"), 409)
    error_of(client.delete(f"api/bursts/{full}/frames/2"), 404)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "x.jpg", "x.jpg is empty"),
        (b"no image", "x.png", "x.png"),
        (b"text", "notes.txt", "notes.txt is not an image that the page reads"),
        (b"x", "../x.tif", "plain name"),
        (b"x", "..\\x.tif", "plain name"),
        (b"x", ".tif", "plain name"),
        (b"x", "", "plain name"),
        (b"x", "n" * 300 + ".tif", "too long"),
    ],
)
def test_what_is_not_a_frame_is_answered_in_words_and_removed(client, burst, content, name, words):
    assert words in error_of(drop(client, burst, content, name), 400)
    (folder,) = leftovers()
    assert list(folder.iterdir()) == []
    assert client.get(f"api/bursts/{burst}").json()["frames"] == []


def test_large_frames_are_refused_while_they_come(client, burst):
    too_much = bytes(UPLOAD + 1)
    assert "larger than 1 MiB" in error_of(drop(client, burst, too_much, "x.tif"), 413)
    parts = (too_much[start : start + 2**16] for start in range(0, len(too_much), 2**16))
    answer = client.post(f"api/bursts/{burst}/frames", params={"name": "x.tif"}, content=parts)
    assert "larger than 1 MiB" in error_of(answer, 413)
    (folder,) = leftovers()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["bomb.tif", "bomb.png"])
def test_a_small_file_of_a_huge_frame_is_not_unpacked(client, burst, name):
    stream = io.BytesIO()
    if name == "bomb.tif":
        tifffile.imwrite(stream, np.zeros((3000, 3000), np.uint8), compression="zlib")
    else:
        PIL.Image.new("L", (3000, 3000)).save(stream, "PNG")
    assert len(stream.getvalue()) < 50_000
    words = error_of(drop(client, burst, stream.getvalue(), name), 413)
    assert words == f"{name} has more than 1 million pixels: `seamwise fuse` takes it"


def test_a_burst_has_room_for_so_many_frames_and_bytes(client, burst, frames):
    noise = io.BytesIO()
    tifffile.imwrite(noise, np.random.default_rng(0).integers(0, 256, (900, 1000), np.uint8))
    for number in range(2):
        assert drop(client, burst, noise.getvalue(), f"{number}.tif").status_code == 200
    assert "larger than 0 MiB" in error_of(drop(client, burst, noise.getvalue(), "2.tif"), 413)
    for number in range(2, FRAMES):
        drop(client, burst, frames[0], f"{number}.png")
    words = error_of(drop(client, burst, frames[0], "one-more.png"), 413)
    assert words == f"the page takes {FRAMES} frames: `seamwise fuse` takes more"


@pytest.mark.parametrize("place", ["../secret.tif", "link.tif", "way/secret.tif", "/etc", 3, None])
def test_no_frame_comes_from_outside_of_the_folder(client, burst, place):
    answer = client.post(f"api/bursts/{burst}/places", json={"place": place})
    error_of(answer, 403 if isinstance(place, str) else 400)
    assert client.get(f"api/bursts/{burst}").json()["frames"] == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"method": "/etc/passwd"}, "no method"),
        ({"method": ["gff"]}, "no method"),
        ({"method": "gff", "align": 1}, "true or false"),
        ({}, "no method None"),
    ],
)
def test_options_that_the_page_does_not_have(client, full, fields, words):
    assert words in error_of(client.post(f"api/bursts/{full}/fuse", json=fields), 400)


@pytest.fixture
def open_burst(own_scratch):
    burst = OpenBurst(Limits())
    yield burst
    burst.close()


def test_a_name_is_taken_while_its_frame_comes(open_burst):
    with open_burst.arriving("a.png"):
        with pytest.raises(RefusalError, match="is already a frame"):
            open_burst.arriving("a.png").__enter__()
        with open_burst.arriving("b.png"):
            pass
    with open_burst.arriving("a.png"):  # it did not come
        pass


def test_frames_that_come_are_counted(open_burst):
    with ExitStack() as stack:
        for number in range(Limits().frames):
            stack.enter_context(open_burst.arriving(f"{number}.png"))
        with pytest.raises(RefusalError, match="takes 200 frames"):
            open_burst.arriving("a.png").__enter__()


def test_a_frame_that_comes_when_the_burst_is_being_fused_is_refused(open_burst, frames):
    with open_burst.arriving(frames[0].name):
        open_burst.job = Job()
        with pytest.raises(RefusalError, match="being fused"):
            open_burst.add(frames[0])
    assert open_burst.frames == []


def test_one_frame_is_not_fused(client, burst, frames):
    drop(client, burst, frames[0])
    answer = client.post(f"api/bursts/{burst}/fuse", json={"method": "gff"})
    assert "one frame needs no fusion" in error_of(answer, 409)


def test_frames_that_do_not_fit_fail_in_words(client, wait, burst, frames, tmp_path):
    drop(client, burst, frames[0])
    (tmp_path / "own").mkdir()
    drop(client, burst, write_burst(tmp_path / "own", shape=(40, 60))[1])
    job = fuse(client, wait, burst)
    assert job["state"] == "failed"
    assert "frame2.png" in job["error"]
    assert tempfile.gettempdir() not in job["error"]


def test_frames_of_one_pixel(client, wait, burst):
    for number in range(2):
        stream = io.BytesIO()
        PIL.Image.new("RGB", (1, 1), (number, 9, 9)).save(stream, "PNG")
        drop(client, burst, stream.getvalue(), f"{number}.png")
    job = fuse(client, wait, burst, "gff")
    assert job["state"] == "done"
    assert client.get(f"api/bursts/{burst}").status_code == 200


def test_a_cancelled_work_leaves_no_picture(client, wait, full, monkeypatch):
    has_begun, gate, inner = Event(), Event(), fusing.fuse_burst

    def slow(*arguments, **options):
        has_begun.set()
        gate.wait(20)
        return inner(*arguments, **options)

    monkeypatch.setattr(fusing, "fuse_burst", slow)
    job = client.post(f"api/bursts/{full}/fuse", json={"method": "gff"}).json()["job"]
    assert has_begun.wait(9)
    assert "being fused" in error_of(client.delete(f"api/bursts/{full}/frames/0"), 409)
    client.delete(f"api/jobs/{job}")
    gate.set()
    assert wait(job)["state"] == "cancelled"
    assert client.get(f"api/bursts/{full}").json()["fused"] is None


def test_the_work_tells_how_far_it_is(client, wait, full, monkeypatch):
    seen, inner = [], fusing.Job.begin

    def begin(job, stage, share=None):
        seen.append((stage, share))
        inner(job, stage, share)

    monkeypatch.setattr(fusing.Job, "begin", begin)
    fuse(client, wait, full, "laplacian")
    assert ("aligning", 1.0) in seen
    assert [share for stage, share in seen if stage == "fusing"] == [1 / 3, 2 / 3, 1]


def test_the_oldest_burst_is_closed_with_its_files(client, own_scratch):
    keys = [client.post("api/bursts").json()["burst"] for _ in range(BURSTS + 1)]
    assert "was closed" in error_of(client.get(f"api/bursts/{keys[0]}"), 404)
    assert len(leftovers()) == BURSTS
    for key in keys:
        client.delete(f"api/bursts/{key}")
    assert leftovers() == []


def test_a_picture_of_another_kind_is_refused(client, wait, full):
    assert error_of(client.get(f"api/bursts/{full}/picture.png"), 409).endswith("fuse them")
    fuse(client, wait, full, "laplacian")
    assert "not .exe" in error_of(client.get(f"api/bursts/{full}/picture.exe"), 404)


@pytest.mark.parametrize("path", ["api/bursts", "api/bursts/x/fuse", "api/bursts/x/frames"])
def test_the_door_is_guarded(client, path):
    foreign = client.post(path, json={}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    stranger = client.post(f"{ADDRESS.replace('the-token', 'wrong')}{path}", json={})
    assert stranger.status_code == 403
    assert "lacks the right key" in stranger.text
