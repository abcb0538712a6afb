import json
from contextlib import nullcontext
from itertools import combinations

import cv2
import numpy as np
import pytest
import tifffile
from matplotlib.figure import Figure
from PIL import Image

from seamwise.fusion import FuseOptions, FuseOutputs, Surface, find_surface, fuse_burst, fuse_files
from seamwise.fusion.surface_files import (
    draw_height,
    draw_relief,
    write_confidence,
    write_height,
    write_ply,
)

HEIGHT, WIDTH, COUNT = 60, 90, 6
RNG = np.random.default_rng(1)


def ramp(noise=0.0):
    """A texture on a ramp from the first to the last frame; the last 30 columns show nothing."""
    scene = RNG.random((HEIGHT, WIDTH)).astype(np.float32)
    scene[:, 60:] = 0.5
    depth = np.minimum(np.arange(WIDTH) / 59, 1) * (COUNT - 1)
    frames = []
    for number in range(COUNT):
        frame = np.empty_like(scene)
        for column in range(WIDTH):
            sigma = 0.6 + 0.8 * abs(depth[column] - number)
            part = slice(max(0, column - 20), column + 21)
            blurred = cv2.GaussianBlur(scene[:, part], (0, 0), sigma)
            frame[:, column] = blurred[:, min(column, 20)]
        frames.append((frame + RNG.normal(0, noise, frame.shape)).clip(0, 1).astype(np.float32))
    return frames, depth


def test_a_ramp_is_measured_to_a_part_of_a_step():
    frames, depth = ramp()
    surface = find_surface(frames)
    inside = surface.position[:, 5:55]
    assert np.isfinite(inside).mean() > 0.99
    assert np.nanmedian(abs(inside - depth[5:55])) < 0.15
    assert (surface.unit, surface.top) == ("frames", 5)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_where_nothing_is_sharp_the_position_is_missing(noise):
    frames, _ = ramp(noise)
    surface = find_surface(frames)
    plain = np.s_[:, 75:]
    assert np.isnan(surface.position[plain]).mean() > 0.97
    assert surface.confidence[plain].mean() < 0.05
    assert (surface.confidence[np.isnan(surface.position)] == 0).all()
    assert surface.confidence[:, 5:55].mean() > 0.4


def test_a_texture_everywhere_is_nowhere_missing():
    scene = RNG.random((50, 70)).astype(np.float32)
    frames = [cv2.GaussianBlur(scene, (0, 0), 0.6 + abs(i - 1)) for i in range(4)]
    surface = find_surface(frames)
    assert np.isfinite(surface.position).mean() > 0.99
    assert abs(np.nanmedian(surface.position) - 1) < 0.1


def test_micrometres_are_steps_times_positions():
    position = np.float32([[0, 1.5], [np.nan, 3]])
    surface = Surface(position, np.ones_like(position), 4, z_step=2.0)
    assert (surface.unit, surface.top) == ("µm", 6)
    np.testing.assert_array_equal(surface.height, [[0, 3], [np.nan, 6]])


def test_the_file_of_heights_tells_how_to_return_to_them(tmp_path):
    position = np.float32([[0, 1.5], [np.nan, 3]])
    surface = Surface(position, np.ones_like(position), 4, z_step=2.0, spacing=(0.25, 0.5))
    write_height(tmp_path / "h.tif", surface)
    with tifffile.TiffFile(tmp_path / "h.tif") as file:
        values, page = file.asarray(), file.pages[0]
    assert values.tolist() == [[1, 32768], [0, 65535]]
    about = json.loads(page.description)
    assert about["unit"] == "µm"
    heights = (values - about["offset"]) * about["scale"]
    np.testing.assert_allclose(heights[values > 0], [0, 3, 6], atol=1e-4)
    assert page.tags["XResolution"].value == (20000, 1)
    assert page.tags["YResolution"].value == (40000, 1)


def read_ply(path):
    head, _, body = path.read_bytes().partition(b"end_header\n")
    counts = [int(line.split()[2]) for line in head.decode().splitlines() if "element" in line]
    points = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)], counts[0])
    size = counts[0] * points.itemsize
    faces = np.frombuffer(body[size:], [("n", "u1"), ("points", "<i4", 3)], counts[1])
    assert len(body) == size + counts[1] * faces.itemsize
    return points, faces


def test_a_mesh_has_the_points_that_are_known_and_triangles_between_them(tmp_path):
    position = np.float32([[0, 1, 2], [3, 4, np.nan]])
    surface = Surface(position, np.ones_like(position), 5, spacing=(3.0, 2.0))
    picture = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    write_ply(tmp_path / "m.ply", surface, picture)
    points, faces = read_ply(tmp_path / "m.ply")
    assert points["xyz"].tolist() == [[0, 0, 0], [2, 0, 1], [4, 0, 2], [0, -3, 3], [2, -3, 4]]
    assert points["rgb"].tolist() == picture.reshape(6, 3)[:5].tolist()
    assert sorted(map(sorted, faces["points"].tolist())) == [[0, 1, 3], [1, 2, 4], [1, 3, 4]]
    # counted against the clock from above, so that the normal points up
    a, b, c = points["xyz"][faces["points"][0]]
    assert np.cross(b - a, c - a)[2] > 0


@pytest.mark.parametrize(
    ("low", "high", "black", "white"),
    [(0, 4000, 0, 255), (1000, 1200, 0, 255), (0, 60000, 0, 233)],
    ids=["12 bits", "on an offset", "the whole range"],
)
def test_a_mesh_of_dim_frames_is_not_black(tmp_path, low, high, black, white):
    position = np.zeros((20, 50), np.float32)
    surface = Surface(position, np.ones_like(position), 5)
    picture = np.linspace(low, high, position.size).round().astype(np.uint16).reshape(20, 50)
    write_ply(tmp_path / "m.ply", surface, picture)
    colours = read_ply(tmp_path / "m.ply")[0]["rgb"]
    assert abs(int(colours.min()) - black) <= 1
    assert abs(int(colours.max()) - white) <= 1


def test_drawings_have_a_scale_and_holes(tmp_path):
    frames, _ = ramp()
    surface = find_surface(frames, z_step=2.0, spacing=(0.5, 0.25))
    picture = np.round(255 * frames[2]).astype(np.uint8)
    draw_height(tmp_path / "h.png", surface)
    draw_relief(tmp_path / "r.png", surface, picture)
    write_confidence(tmp_path / "c.png", surface)
    drawn = np.asarray(Image.open(tmp_path / "h.png").convert("RGB"))
    assert (drawn == 153).all(2).mean() > 0.1  # grey: missing
    assert np.asarray(Image.open(tmp_path / "r.png").convert("L")).std() > 10
    assert np.asarray(Image.open(tmp_path / "c.png")).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("count", "z_step", "most"), [(9, 0.01, 4), (8, None, 4), (2, None, 2), (100, 110.0, 4)]
)
def test_labels_of_the_heights_do_not_lie_on_each_other(tmp_path, monkeypatch, count, z_step, most):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: figures.append(figure))
    monkeypatch.setattr("seamwise.fusion.surface_files.atomic_path", nullcontext)
    position = np.linspace(0, count - 1, 300, dtype=np.float32).reshape(15, 20)
    surface = Surface(position, np.ones_like(position), count, z_step=z_step, spacing=(1.0, 1.0))
    draw_relief(tmp_path / "r.png", surface, np.zeros((15, 20), np.uint8))
    (figure,) = figures
    figure.canvas.draw()
    axis = figure.axes[0].zaxis
    labels = [label for label in axis.get_ticklabels() if label.get_text()] + [axis.label]
    assert len(labels) - 1 <= most
    boxes = [label.get_window_extent() for label in labels]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def save_stack(folder):
    frames, depth = ramp()
    pixels = np.round(np.stack(frames) * 65535).astype(np.uint16)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 3.0}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
    path = folder / "z.ome.tif"
    tifffile.imwrite(path, pixels, metadata={"axes": "ZYX", **sizes, **units})
    return path, depth


def test_a_stack_gives_micrometres_and_all_files(tmp_path):
    path, depth = save_stack(tmp_path)
    (outcome,) = fuse_files(
        [path], tmp_path / "s.png", FuseOptions(model="gff"), files=FuseOutputs(surface=True)
    )
    assert not outcome.failed, outcome.messages
    endings = {"height.tif", "height.png", "confidence.png", "relief.png", "relief.ply"}
    assert {name.name for name in tmp_path.glob("s_*")} == {f"s_{end}" for end in endings}
    with tifffile.TiffFile(tmp_path / "s_height.tif") as file:
        about, values = json.loads(file.pages[0].description), file.asarray()
    assert about["unit"] == "µm"
    column = (values[:, 30].astype(float) - 1) * about["scale"]
    assert abs(np.median(column) - 3 * depth[30]) < 1


def test_a_surface_is_only_found_if_asked_for_and_in_the_numbers_of_the_order():
    frames, depth = ramp()
    assert fuse_burst(frames, FuseOptions(model="gff")).surface is None
    surface = fuse_burst(frames, FuseOptions(model="gff"), surface=True).surface
    assert surface is not None
    assert abs(np.nanmedian(surface.position[:, 30]) - depth[30]) < 0.3


@pytest.mark.parametrize(("options", "words"), [
    ({"z_step": 2.0}, "z_step is for surface"),
    ({"surface": True, "z_step": 0.0}, "z_step must be a positive number of micrometres"),
    ({"quality": 101}, "quality must be"),
])  # fmt: skip
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        FuseOutputs(**options)


def test_dim_frames_of_16_bits_have_a_surface():
    frames, depth = ramp()
    dim = [np.round(frame * 262).astype(np.uint16) for frame in frames]
    surface = fuse_burst(dim, FuseOptions(model="gff"), surface=True).surface
    assert abs(np.nanmedian(surface.position[:, 30]) - depth[30]) < 0.3
    assert np.isfinite(surface.position[:, 5:55]).mean() > 0.9
    assert np.isnan(surface.position[:, 75:]).mean() > 0.97


def test_a_note_tells_that_a_surface_is_empty():
    plain = [np.full((40, 50), 20 + number, np.uint8) for number in range(3)]
    fusion = fuse_burst(plain, FuseOptions(model="gff"), surface=True)
    assert "the surface is empty: no frame is sharp anywhere" in fusion.notes
