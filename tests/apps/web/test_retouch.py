"""Painting a fused picture from a frame: what a stroke takes, undo, and what is refused."""

import io
import tempfile
import time

import numpy as np
import PIL.Image
import pytest

from seamwise_web.answers import RefusalError
from seamwise_web.retouch import LARGEST_BRUSH, Retouch, Stroke, stroke_of
from support.web_page import BURSTS, error_of, leftovers, write_burst


def test_a_stroke_is_whole_inside_and_soft_at_its_edge():
    box, weight = Stroke(((10.5, 5.5),), 4).weight((20, 30))
    assert (box[0].start, box[1].start) == (1, 6)
    row = weight[5 - box[0].start]
    distances = np.abs(np.arange(len(row)) + box[1].start - 10)
    assert row == pytest.approx(np.clip((4 - distances) / 1.2, 0, 1), abs=0.01)
    assert (weight == weight.T).all()


def test_a_line_is_as_wide_everywhere():
    box, weight = Stroke(((5, 10), (25, 10)), 3).weight((20, 30))
    columns = (weight > 0.5).sum(0)[10 - box[1].start : 20 - box[1].start]
    assert set(columns.tolist()) == {5}


@pytest.mark.parametrize("point", [(-50, 5), (5, 1e6 - 1), (40, 40)])
def test_a_stroke_outside_of_the_picture_touches_nothing(point):
    box, weight = Stroke((point,), 4).weight((20, 30))
    assert weight.size == 0 or not weight.any()
    assert np.zeros((20, 30))[box].shape == weight.shape


def test_a_zigzag_far_outside_costs_no_more_than_the_picture_and_its_brush():
    ends = [(-999_999.0, 999_999.0), (999_999.0, -999_999.0)]
    start = time.process_time()
    box, _ = Stroke((*ends * 2000, (9.0, 9.0)), LARGEST_BRUSH).weight((128, 160))
    assert time.process_time() - start < 1  # it took 2.4
    assert box == (slice(0, 128), slice(0, 160))


def test_a_stroke_from_outside_reaches_in():
    box, weight = Stroke(((-1, 10),), 4).weight((20, 30))
    assert (box[1].start, weight[:, 0].max()) == (0, 1)


@pytest.mark.parametrize("end", [(210, 110), (1010, 510), (900_010, 450_010)])
def test_a_line_that_leaves_the_picture_keeps_its_slope(end):
    """It runs along y = 10 + (x − 10) / 2 wherever it ends."""
    (rows, columns), weight = Stroke(((10, 10), end), 2).weight((30, 100))
    painted = np.zeros((30, 100), np.float32)
    painted[rows, columns] = weight
    y, x = np.nonzero(painted > 0.5)
    distance = np.abs((y + 0.5 - 10) - (x + 0.5 - 10) / 2) / np.sqrt(1.25)
    assert distance.max() < 2.5
    assert (x.max(), y.max()) == (52, 29)  # the line leaves at (50, 30)


@pytest.fixture(params=["uint8", "uint16"])
def pictures(request):
    rng = np.random.default_rng(0)
    most = np.iinfo(request.param).max
    return [rng.integers(0, most, (20, 30, 3)).astype(request.param) for _ in range(2)]


def test_pixels_and_depth_come_from_the_frame(pictures):
    image, frame = pictures
    retouch = Retouch(image, np.zeros(image.shape[:2], np.uint8))
    retouch.paint(Stroke(((10.5, 10.5), (20.5, 10.5)), 4), frame, 3)
    assert (retouch.image[10, 10:21] == frame[10, 10:21]).all()
    assert (retouch.depth[10, 10:21] == 3).all()
    assert (retouch.image[0] == image[0]).all()
    assert retouch.depth[0].max() == 0
    edge = retouch.image[7, 15].astype(int)  # 3 pixels from the line: weight 1 / 1.2
    mixed = image[7, 15] + (frame[7, 15].astype(float) - image[7, 15]) / 1.2
    assert edge == pytest.approx(mixed, abs=1)


def test_undo_and_redo_bring_every_pixel_back(pictures):
    image, frame = pictures
    depth = np.ones(image.shape[:2], np.uint8)
    retouch = Retouch(image, depth)
    states = [retouch.image.copy()]
    for x in (5, 12, 14):
        retouch.paint(Stroke(((x, 8),), 5), frame, 2)
        states.append(retouch.image.copy())
    for state in states[-2::-1]:
        retouch.undo()
        assert (retouch.image == state).all()
    assert (retouch.depth == depth).all()
    assert not retouch.can_undo
    retouch.undo()
    for state in states[1:]:
        retouch.redo()
        assert (retouch.image == state).all()
    assert not retouch.can_redo


def test_strokes_are_unsaved_until_they_are_saved_or_undone(pictures):
    image, frame = pictures
    retouch = Retouch(image, np.zeros(image.shape[:2], np.uint8))
    stroke = Stroke(((5, 5),), 3)
    retouch.paint(stroke, frame, 1)
    assert not retouch.is_saved
    retouch.undo()
    assert retouch.is_saved
    retouch.redo()
    retouch.save()
    assert retouch.is_saved
    retouch.undo()
    assert not retouch.is_saved
    retouch.paint(stroke, frame, 1)  # another stroke than that which was saved
    assert not retouch.is_saved


def test_the_oldest_strokes_are_forgotten_when_they_take_too_much(pictures, monkeypatch):
    monkeypatch.setattr("seamwise_web.retouch._MOST_BYTES", 2000)
    image, frame = pictures
    retouch = Retouch(image, np.zeros(image.shape[:2], np.uint8))
    for _ in range(50):
        retouch.paint(Stroke(((10, 10),), 5), frame, 1)
    undone = 0
    while retouch.can_undo:
        retouch.undo()
        undone += 1
    assert 1 <= undone < 10


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"points": [[1, 2]]},
        {"points": [[1, 2]], "radius": 0},
        {"points": [[1, 2]], "radius": LARGEST_BRUSH + 1},
        {"points": [[1, 2]], "radius": True},
        {"points": [[1, 2]], "radius": float("nan")},
        {"points": [], "radius": 5},
        {"points": [[1, 2]] * 5001, "radius": 5},
        {"points": [[1]], "radius": 5},
        {"points": [1, 2], "radius": 5},
        {"points": [["1", 2]], "radius": 5},
        {"points": [[10**400, 2]], "radius": 5},
        {"points": [[float("inf"), 2]], "radius": 5},
        {"points": "12", "radius": 5},
    ],
)
def test_a_stroke_of_a_request_is_checked(fields):
    with pytest.raises(RefusalError, match=r"radius|points"):
        stroke_of(fields)


@pytest.fixture
def burst(client, wait, tmp_path, monkeypatch):
    """A burst that is fused."""
    (tmp_path / "server").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "server"))
    key = client.post("api/bursts").json()["burst"]
    for path in write_burst(tmp_path):
        content = path.read_bytes()
        client.post(f"api/bursts/{key}/frames", params={"name": path.name}, content=content)
    fields = {"method": "laplacian", "align": False}
    job = client.post(f"api/bursts/{key}/fuse", json=fields).json()["job"]
    assert wait(job)["state"] == "done"
    yield key
    client.delete(f"api/bursts/{key}")
    assert leftovers() == []


def paint(client, burst, **fields):
    stroke = {"action": "paint", "frame": 1, "radius": 6, "points": [[20, 20], [40, 20]]}
    return client.post(f"api/bursts/{burst}/retouch", json={**stroke, **fields})


def pixels(client, burst):
    content = client.get(f"api/bursts/{burst}/picture.png").content
    return np.asarray(PIL.Image.open(io.BytesIO(content)))


def test_a_picture_is_painted_from_a_frame_and_saved(client, burst, tmp_path):
    before = pixels(client, burst)
    fused = paint(client, burst).json()["fused"]
    assert (fused["can_undo"], fused["can_redo"], fused["is_saved"]) == (True, False, False)
    after = pixels(client, burst)
    frame = np.asarray(PIL.Image.open(tmp_path / "frame2.png"))
    assert (after[20, 20:41] == frame[20, 20:41]).all()
    assert (after[40:] == before[40:]).all()
    assert (before[20] != after[20]).any()
    assert client.get(f"api/bursts/{burst}").json()["fused"]["is_saved"]
    undone = client.post(f"api/bursts/{burst}/retouch", json={"action": "undo"}).json()["fused"]
    assert (undone["can_undo"], undone["can_redo"]) == (False, True)
    assert (pixels(client, burst) == before).all()


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"frame": 3}, 404), ({"frame": -1}, 400), ({"action": "erase"}, 400), ({"radius": 0}, 400)],
)
def test_a_stroke_that_cannot_be_painted_is_refused(client, burst, fields, status):
    error_of(paint(client, burst, **fields), status)
    assert not client.get(f"api/bursts/{burst}").json()["fused"]["can_undo"]


def test_a_picture_with_unsaved_strokes_is_not_closed_for_another(client, burst):
    paint(client, burst)
    others = [client.post("api/bursts").json()["burst"] for _ in range(BURSTS)]
    assert client.get(f"api/bursts/{burst}").status_code == 200
    for key in others:
        client.delete(f"api/bursts/{key}")


def test_frames_that_are_not_fused_are_not_painted(client):
    key = client.post("api/bursts").json()["burst"]
    assert "not fused yet" in error_of(paint(client, key), 409)
    client.delete(f"api/bursts/{key}")
