"""What else can be a frame: planes of a stack, HEIC and RAW; and what is skipped."""

import io
import sys
import tempfile

import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.io.listing import HEIF, RAW
from seamwise_web.answers import RefusalError
from seamwise_web.bursts import OpenBurst
from seamwise_web.folder import PHOTOS
from seamwise_web.pictures import Limits
from support.web_page import UPLOAD, error_of, leftovers, write_burst


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return write_burst(tmp_path_factory.mktemp("frames"))


@pytest.fixture(autouse=True)
def own_scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def burst(client, own_scratch):
    """The key of a burst without frames; once it is closed, no file of it remains."""
    key = client.post("api/bursts").json()["burst"]
    yield key
    client.delete(f"api/bursts/{key}")
    assert leftovers() == []


def drop(client, burst, content, name):
    return client.post(f"api/bursts/{burst}/frames", params={"name": name}, content=content)


def fuse(client, wait, burst, **fields):
    fields = {"method": "laplacian", "align": False, **fields}
    return wait(client.post(f"api/bursts/{burst}/fuse", json=fields).json()["job"])


def stack_file(planes, folder, axes="ZYX", **options):
    path = folder / "s.ome.tif"
    options = {"ome": True, "photometric": "minisblack", **options}
    tifffile.imwrite(path, planes, metadata={"axes": axes}, **options)
    return path


def damaged(content):
    """A file whose header can be read and whose pixels cannot."""
    middle = len(content) // 2
    return content[:middle] + bytes(50) + content[middle + 50 :]


def grey_planes(frames):
    return np.stack([np.asarray(PIL.Image.open(path).convert("L")) for path in frames])


def test_a_stack_is_fused_as_on_the_command_line(client, wait, burst, frames, run, tmp_path):
    path = stack_file(grey_planes(frames), tmp_path)
    shown = drop(client, burst, path.read_bytes(), path.name).json()
    assert [frame["name"] for frame in shown["frames"]] == [f"s.ome_z00{n}.tif" for n in (1, 2, 3)]
    assert fuse(client, wait, burst)["state"] == "done"
    output = tmp_path / "x.png"
    run("fuse", path, "-o", output, "--method", "laplacian", "--no-align")
    content = io.BytesIO(client.get(f"api/bursts/{burst}/picture.png").content)
    assert (np.asarray(PIL.Image.open(content)) == np.asarray(PIL.Image.open(output))).all()


def test_a_stack_of_the_folder_stays_there(client, burst, images, frames):
    path = stack_file(grey_planes(frames), images)
    try:
        answer = client.post(f"api/bursts/{burst}/places", json={"place": path.name})
        assert len(answer.json()["frames"]) == 3
        assert path.exists()
    finally:
        path.unlink()


def test_a_colour_stack_has_colour_frames(client, burst, frames, tmp_path):
    planes = np.stack([np.asarray(PIL.Image.open(path)) for path in frames])
    path = stack_file(planes, tmp_path, "ZYXS", photometric="rgb")
    drop(client, burst, path.read_bytes(), path.name)
    content = client.get(f"api/bursts/{burst}/frames/1/shown.jpg").content
    assert PIL.Image.open(io.BytesIO(content)).mode == "RGB"


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "status", "words"),
    [
        ((2, 3, 8, 9), "TZYX", np.uint8, 400, "has time points or channels"),
        ((3, 8, 9), "TYX", np.uint8, 400, "has time points or channels"),
        ((3, 2, 8, 9), "ZCYX", np.uint8, 400, "has time points or channels"),
        ((5, 8, 9), "ZYX", np.uint8, 413, "has 5 planes, and 4 more may come"),
        ((3, 800, 900), "ZYX", np.uint16, 413, "too large for the page"),
        ((3, 8, 9), "ZYX", np.float32, 400, ""),
    ],
)
def test_stacks_that_are_no_burst_are_refused(
    client, burst, tmp_path, shape, axes, dtype, status, words
):
    path = stack_file(np.zeros(shape, dtype), tmp_path, axes, compression="zlib")
    assert words in error_of(drop(client, burst, path.read_bytes(), path.name), status)
    assert client.get(f"api/bursts/{burst}").json()["frames"] == []
    (folder,) = leftovers()
    assert list(folder.iterdir()) == []


def test_bad_frames_are_skipped_if_the_user_wants_that(client, wait, burst, frames):
    first, second, third = (path.read_bytes() for path in frames)
    drop(client, burst, first, "a.png")
    assert drop(client, burst, damaged(second), "b.png").status_code == 200
    drop(client, burst, third, "c.png")
    assert fuse(client, wait, burst)["state"] == "failed"
    assert fuse(client, wait, burst, skip_bad=True)["state"] == "done"
    shown = client.get(f"api/bursts/{burst}").json()
    assert [frame["name"] for frame in shown["frames"]] == ["a.png", "c.png"]
    (note,) = [note for note in shown["fused"]["notes"] if "skipped" in note]
    assert note.startswith("skipped: ")
    assert "b.png" in note
    assert tempfile.gettempdir() not in note
    assert client.get(f"api/bursts/{burst}/frames/1/shown.jpg").status_code == 200


def test_too_few_good_frames_are_answered_in_words(client, wait, burst, frames):
    content = frames[0].read_bytes()
    drop(client, burst, content, "a.png")
    drop(client, burst, damaged(content), "b.png")
    end = fuse(client, wait, burst, skip_bad=True)
    assert end["state"] == "failed"
    assert "1 of 2 can be fused" in end["error"]
    assert len(client.get(f"api/bursts/{burst}").json()["frames"]) == 2


def test_a_switch_must_be_on_or_off(client, burst, frames):
    for path in frames:
        drop(client, burst, path.read_bytes(), path.name)
    fields = {"method": "gff", "skip_bad": "yes"}
    answer = client.post(f"api/bursts/{burst}/fuse", json=fields)
    assert "must be true or false" in error_of(answer, 400)


def test_a_jpeg_has_the_quality_that_is_asked_for(client, wait, burst, frames, run, tmp_path):
    for path in frames:
        drop(client, burst, path.read_bytes(), path.name)
    fuse(client, wait, burst)
    output = tmp_path / "x.jpg"
    options = ["--method", "laplacian", "--no-align", "--quality", "60"]
    run("fuse", *frames, "-o", output, *options)
    picture = f"api/bursts/{burst}/picture.jpg"
    answer = client.get(picture, params={"quality": "60"})
    assert answer.content == output.read_bytes()
    assert len(client.get(picture).content) > len(answer.content)
    for quality in ("0", "101", "x", "-1", "9" * 20):
        words = error_of(client.get(picture, params={"quality": quality}), 400)
        assert words == "quality must be a whole number from 1 to 100"


def test_photographs_have_the_endings_of_the_library():
    assert set(PHOTOS) == {*HEIF, *RAW}


def test_heic_and_raw_name_their_extra_where_it_is_missing(client, burst, images, monkeypatch):
    for module, name, extra in (
        ("pillow_heif", "x.heic", "seamwise[heic]"),
        ("rawpy", "x.nef", "seamwise[raw]"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        content = b"\0\0\0\x18ftypheic" + bytes(200)
        assert extra in error_of(drop(client, burst, content, name), 400)
        (images / name).write_bytes(content)
        try:
            fields = {"place": name}
            answer = client.post(f"api/bursts/{burst}/places", json=fields)
            assert name not in client.get("api/folder").json()["images"]
            assert name in client.get("api/folder", params={"photos": "1"}).json()["images"]
        finally:
            (images / name).unlink()
        assert extra in error_of(answer, 400)
        error_of(client.post("api/pictures", json={"place": name}), 404)


def test_a_heic_frame_is_a_frame(client, burst, frames):
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(PIL.Image.open(frames[0]).convert("RGB")).save(stream)
    shown = drop(client, burst, stream.getvalue(), "x.heic").json()
    assert [frame["name"] for frame in shown["frames"]] == ["x.heic"]
    assert client.get(f"api/bursts/{burst}/frames/0/small.jpg").status_code == 200


def test_frames_that_come_at_once_share_the_room():
    burst = OpenBurst(Limits(burst_bytes=100))
    try:
        with burst.arriving("a.png"), burst.arriving("b.png"):
            burst.grow("a.png", 60)
            burst.grow("b.png", 40)
            with pytest.raises(RefusalError, match="too large for the page"):
                burst.grow("b.png", 41)
        assert burst.room == 100
    finally:
        burst.close()


def test_an_upload_over_the_room_of_a_burst_leaves_nothing(client, burst, frames):
    large = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (560, 600, 3), np.uint8)).save(
        large, "PNG"
    )
    content = large.getvalue()
    assert UPLOAD * 0.9 < len(content) < UPLOAD
    assert drop(client, burst, content, "a.png").status_code == 200
    assert drop(client, burst, content, "b.png").status_code == 200
    error_of(drop(client, burst, content, "c.png"), 413)
    assert len(client.get(f"api/bursts/{burst}").json()["frames"]) == 2
