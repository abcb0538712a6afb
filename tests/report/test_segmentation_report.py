"""The page about a segmentation: every number of it counted by hand."""

import base64
import re
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest

from seamwise.io import open_labels, write_image, write_labels, write_png
from seamwise.measure import measure, pair_images
from seamwise.metrics import CellDoubts, Seams
from seamwise.report import segmentation as module
from seamwise.report import segmentation_report
from seamwise.report.flags import flag_cells
from seamwise.report.pictures import close_up
from seamwise.segmentation.doubt_files import write_doubts
from seamwise.segmentation.seam_files import write_seams

SIDE = 6


def squares(count=12, sides=None):
    """Cells in a row that do not touch the edge, with the sides given for some."""
    labels = np.zeros((30, 4 + 24 * count), np.uint16)
    for i in range(count):
        side = (sides or {}).get(i + 1, SIDE)
        labels[2 : 2 + side, 2 + 24 * i : 2 + 24 * i + side] = i + 1
    return labels


def seams(rows):
    cell, neighbour, faces, entropy, chance = np.array(rows, float).reshape(-1, 5).T
    whole = (part.astype(int) for part in (cell, neighbour, faces))
    return Seams(*whole, entropy, chance)


def test_odd_sizes_are_flagged_and_the_worst_comes_first():
    table = measure(np.zeros((30, 292)), squares(sides={3: 20, 7: 2, 9: 7}))
    flags = flag_cells(table, None)
    assert [int(table["id"][flag.row]) for flag in flags] == [3, 7]
    assert flags[0].reason == "11 × the median size"
    assert flags[1].reason == "0.11 × the median size"


def test_a_cell_at_the_edge_and_few_cells_have_no_odd_size():
    labels = squares(sides={3: 20})
    labels[:, 2:8] = 0
    labels[0, 2:8] = 1  # small, but cut by the edge
    assert [flag.row for flag in flag_cells(measure(np.zeros(labels.shape), labels), None)] == [2]
    few = squares(9, {3: 20})
    assert not flag_cells(measure(np.zeros(few.shape), few), None)


def test_doubtful_seams_are_flagged_by_either_measure():
    table = measure(np.zeros((30, 292)), squares())
    rows = [(1, 2, 9, 0.1, 0.01), (3, 4, 9, 0.1, 0.2), (5, 6, 9, 0.6, 0.01), (99, 100, 9, 1, 1)]
    flags = flag_cells(table, seams(rows))
    assert [int(table["id"][flag.row]) for flag in flags] == [3, 5]
    assert flags[0].reason == "doubtful seam with cell 4: cell 20%, entropy 0.10"


def test_unsure_cells_and_cells_that_may_be_two_are_flagged():
    table = measure(np.zeros((30, 292)), squares())
    size = SIDE**2
    doubts = CellDoubts(
        cell=np.array([1, 2, 3, 4, 5, 99]),
        pixels=np.array([size, size, size, size, size + 1, size]),
        entropy=np.array([0.1, 0.3, 0.1, 0.2, 0.9, 0.9]),
        valley=np.array([0.19, 0.9, 0.1, 0.1, 0.9, 0.9]),
    )
    flags = flag_cells(table, None, doubts)
    named = [(int(table["id"][flag.row]), flag.kind) for flag in flags]
    assert named == [(2, "two"), (2, "unsure")]  # 5 was edited since, and 99 is gone
    assert flags[0].reason == "may be two cells: a valley of 90% between two hills"
    assert flags[1].reason == "unsure: entropy 0.30"
    doubts = replace(doubts, disagreement=np.array([0, 0.001, 0.04, 0, 0, 0]))
    flags = flag_cells(table, None, doubts)
    named = [(int(table["id"][flag.row]), flag.kind) for flag in flags]
    assert named == [(2, "two"), (3, "unsure"), (2, "unsure")]
    assert flags[1].reason == "unsure: entropy 0.10, flips disagree by 0.040"


def test_the_report_counts_doubts_of_cells(folders):
    images, labels = folders
    one = np.ones(12)
    doubts = CellDoubts(
        np.arange(1, 13), np.full(12, SIDE**2), 0.1 * one, np.where(np.arange(12) == 4, 0.8, 0)
    )
    write_doubts(labels / "doubts" / "a & b.csv", doubts)
    _, text = page_of((images, labels))
    assert "<b>0</b><span>unsure cells</span>" in text
    assert "<b>1</b><span>may be two</span>" in text
    assert "5: may be two cells: a valley of 80%" in text


def test_a_seam_of_a_series_flags_the_cell_of_its_time(tmp_path):
    labels = np.zeros((3, 9, 20), np.uint16)
    labels[:, 2:6, 2:6], labels[:, 2:6, 6:10] = 1, 2
    labels[1, 2:6, 6:10] = 0  # it is gone for a while
    write_image(tmp_path / "s.ome.zarr", labels * np.uint16(9), axes="TYX")
    out = tmp_path / "labels"
    out.mkdir()
    write_image(out / "s.ome.zarr", labels, axes="TYX")
    rows = [(1, 2, 4, 0.1, 0.2), (1, 2, 4, 0.1, 0.3), (1, 2, 4, 0.1, 0.01)]
    write_seams(out / "seams" / "s.csv", replace(seams(rows), time=np.array([0, 1, 2])))
    _, text = page_of((tmp_path / "s.ome.zarr", out))
    assert "<b>2</b><span>seams</span>" in text  # at time 1 the two no longer touch
    assert "<b>1</b><span>doubtful seam</span>" in text
    assert "1 at time 0: doubtful seam with cell 2: cell 20%" in text
    assert text.count("doubtful seam with") == 1


def test_seams_of_cells_that_no_longer_touch_are_dropped(tmp_path):
    labels = np.zeros((9, 20), np.uint16)
    labels[2:6, 2:6], labels[2:6, 6:10], labels[2:6, 10:14] = 1, 2, 3
    (tmp_path / "labels").mkdir()
    write_png(tmp_path / "x.png", (labels > 0).astype(np.uint8) * 200)
    rows = [(1, 2, 4, 0.1, 0.2), (2, 3, 4, 0.1, 0.3)]
    write_seams(tmp_path / "labels" / "seams" / "x.csv", seams(rows))
    write_labels(tmp_path / "labels" / "x.tif", labels)
    _, text = page_of((tmp_path / "x.png", tmp_path / "labels"))
    assert "<b>2</b><span>doubtful seams</span>" in text
    labels[labels == 2] = 1  # a person merged the two
    write_labels(tmp_path / "labels" / "x.tif", labels)
    _, text = page_of((tmp_path / "x.png", tmp_path / "labels"))
    assert "<b>0</b><span>seams</span>" in text
    assert "doubtful seam with" not in text


@pytest.fixture
def folders(tmp_path):
    """Two images and their labels; what is odd is one cell of each."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for name, side in (("a & b", 20), ("größe", 2)):
        cells = squares(sides={3: side})
        write_png(images / f"{name}.png", (cells > 0).astype(np.uint8) * 200)
        write_labels(labels / f"{name}.tif", cells)
    return images, labels


def page_of(folders, **options):
    images, labels = folders
    page = labels / "report.html"
    outcomes = list(segmentation_report(pair_images(images, labels), page, **options))
    return outcomes, page.read_text(encoding="utf-8")


def test_the_page_counts_and_shows(folders):
    outcomes, text = page_of(folders)
    assert [outcome.failed for outcome in outcomes] == [False, False]
    assert "<b>24</b><span>cells</span>" in text
    assert "<b>2</b><span>odd sizes</span>" in text
    assert text.count("Cells to look at") == 2
    assert "a &amp; b.png" in text
    assert "größe.png" in text
    assert "doubtful seams</span>" not in text  # nobody asked the network
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    # a number for each of the cells
    assert len(re.findall(r"<text [^>]*font-size[^>]*>\d+</text>", text)) == 24


def test_a_bad_file_is_reported_and_the_rest_is_shown(folders):
    images, labels = folders
    (images / "c.png").write_bytes(b"no picture")
    write_labels(labels / "c.tif", squares())
    outcomes, text = page_of(folders)
    assert [outcome.failed for outcome in outcomes] == [False, True, False]
    assert "Not shown: " in text
    assert "größe.png" in text


def test_an_image_without_cells_is_shown(folders):
    images, labels = folders
    write_png(images / "c.png", np.zeros((20, 30), np.uint8))
    write_labels(labels / "c.tif", np.zeros((20, 30), np.uint8))
    outcomes, text = page_of(folders)
    assert not any(outcome.failed for outcome in outcomes)
    assert "0 cells" in text


def test_stacks_and_series_show_one_plane_and_say_which(tmp_path):
    (tmp_path / "labels").mkdir()
    cells = np.zeros((2, 5, 40, 50), np.uint8)
    cells[:, 1:4, 5:15, 5:15] = 7
    write_image(tmp_path / "s.ome.zarr", cells, axes="TZYX")
    write_image(tmp_path / "labels" / "s.ome.zarr", cells, axes="TZYX", labels=True)
    _, text = page_of((tmp_path / "s.ome.zarr", tmp_path / "labels"))
    assert "slice 3 of 5" in text
    assert "time 0 of 0 to 1" in text
    assert "time 1 of 0 to 1" in text


def test_a_large_image_is_thinned_out(tmp_path):
    (tmp_path / "labels").mkdir()
    cells = np.zeros((2500, 1300), np.uint8)
    cells[100:300, 100:300] = 1
    write_png(tmp_path / "x.png", cells)
    write_labels(tmp_path / "labels" / "x.tif", cells)
    _, text = page_of((tmp_path / "x.png", tmp_path / "labels"))
    assert "one pixel in 3 is shown along each axis" in text


def test_a_series_shows_three_times_and_each_marks_its_own_cells(tmp_path):
    (tmp_path / "labels").mkdir()
    # cell 5 is odd at a time that is not shown, cell 7 at the middle, cell 9 is gone in the end
    odd = [squares(sides=sides) for sides in ({}, {5: 20}, {7: 20})]
    cells = np.stack([*odd, squares(), squares()])
    cells[4][cells[4] == 9] = 0
    write_image(tmp_path / "s.ome.zarr", cells, axes="TYX")
    write_image(tmp_path / "labels" / "s.ome.zarr", cells, axes="TYX", labels=True)
    _, text = page_of((tmp_path / "s.ome.zarr", tmp_path / "labels"))
    assert "5 at time 1: 11 × the median size" in text
    assert "7 at time 2: 11 × the median size" in text
    titles = re.findall(r'aria-label="(s\.ome\.zarr, [^"]*)"', text)
    assert titles == ["s.ome.zarr, time 0", "s.ome.zarr, time 2", "s.ome.zarr, time 4"]
    assert re.findall(r"<figcaption>(\d+ cells, time \d) of 0 to 4<", text) == [
        "12 cells, time 0", "12 cells, time 2", "11 cells, time 4",
    ]  # fmt: skip
    assert re.findall(r'font-weight="bold">(\d+)<', text) == ["7"]


def test_an_image_that_goes_away_leaves_the_rest(folders, monkeypatch):
    real = module.read_plane

    def read_plane(image, labels, *, time):
        if image.path.name.startswith("a"):
            raise OSError("it no longer exists")
        return real(image, labels, time=time)

    monkeypatch.setattr(module, "read_plane", read_plane)
    _, text = page_of(folders)
    assert text.count("Not shown: ") == 1
    assert "it no longer exists" in text
    assert text.count('class="digits" text-anchor') == 1


def test_a_name_that_is_not_utf8_is_shown_with_a_question_mark(folders):
    images, labels = folders
    cells = squares()
    write_labels(labels / "g\udce4.tif", cells)
    write_labels(images / "g\udce4.tif", cells)
    outcomes, text = page_of(folders)
    assert len(outcomes) == 3
    assert "g?.tif" in text
    assert "größe.png" in text


def test_the_close_up_of_a_wide_cell_is_small(tmp_path):
    cells = np.zeros((2000, 1500), np.uint8)
    cells[:40, :40] = cells[-40:, -40:] = 1
    write_labels(tmp_path / "x.tif", cells)
    box = {"bbox_y_start_px": 0, "bbox_y_stop_px": 2000, "bbox_x_start_px": 0}
    columns = {**box, "bbox_x_stop_px": 1500, "id": 1, "time": 0}
    cells = {name: np.array([number]) for name, number in columns.items()}
    drawing = close_up(None, open_labels(tmp_path / "x.tif"), cells, 0, (0, 1))
    data = re.search(r"base64,([^\"]*)", drawing)[1]
    assert iio.imread(base64.b64decode(data)).shape[:2] == (334, 250)
