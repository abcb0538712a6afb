"""Tracks: by hand, and on simulated time-lapse with known truth."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from seamwise.io import read_labels, write_image, write_labels, write_png
from seamwise.io.ctc import CtcTrack, read_ctc, without_gaps, write_ctc
from seamwise.io.ome_zarr import create_labels
from seamwise.measure import (
    MeasureJob,
    MeasureOptions,
    Pairing,
    Table,
    Width,
    joined,
    measure,
    measure_files,
    pair_images,
    track_cells,
)
from seamwise.measure import series as module
from seamwise.synth import time_lapse


def table(rows):
    """Round cells from (time, y, x, area)."""
    time, y, x, area = np.array(rows, float).reshape(-1, 4).T
    return Table(
        {
            "id": np.arange(1, len(time) + 1),
            "time": time.astype(int),
            "area_px": area,
            "centroid_y_px": y,
            "centroid_x_px": x,
            "equivalent_diameter_px": np.sqrt(4 * area / np.pi),
        }
    )


def tracks(rows, **options):
    tracked = track_cells(table(rows), **options)
    return tracked["track_id"].tolist(), tracked["parent_track_id"].tolist()


def links(times, numbers, parents):
    """Pairs of rows: a cell and the same cell, or its mother, before."""
    pairs, last = set(), {}
    for row in np.argsort(times, kind="stable").tolist():
        track, parent = int(numbers[row]), int(parents[row])
        if track in last or parent in last:
            pairs.add((last.get(track, last.get(parent)), row))
        last[track] = row
    return pairs


def measured(series):
    parts = []
    for time, labels in enumerate(series.labels):
        cells = measure(labels * 0, labels, MeasureOptions(ring=Width(0), rim=Width(0)))
        parts.append(cells.with_column("time", np.full(len(cells), time)))
    return joined(parts)


def test_cells_keep_their_number_whatever_their_order():
    rows = [(0, 10, 10, 80), (0, 10, 60, 80), (1, 11, 61, 80), (1, 12, 10, 80)]
    assert tracks(rows) == ([1, 2, 2, 1], [0, 0, 0, 0])


def test_a_cell_that_divides_ends_and_two_begin():
    rows = [(0, 30, 30, 200), (1, 30, 31, 200), (2, 30, 24, 100), (2, 30, 38, 100)]
    assert tracks(rows) == ([1, 1, 2, 3], [0, 0, 1, 1])
    numbers, parents = tracks(rows, divisions=False)
    assert len(set(numbers[2:])) == 2
    assert not any(parents)


def test_a_neighbour_that_appears_is_no_daughter():
    rows = [(0, 30, 30, 200), (1, 30, 30, 200), (2, 30, 30, 200), (2, 30, 44, 190)]
    assert tracks(rows) == ([1, 1, 1, 2], [0, 0, 0, 0])


def test_a_cell_may_be_missing_for_one_frame():
    assert tracks([(0, 9, 9, 80), (2, 10, 9, 80)])[0] == [1, 1]
    assert tracks([(0, 9, 9, 80), (3, 10, 9, 80)])[0] == [1, 2]


def test_a_cell_does_not_jump_farther_than_it_may():
    rows = [(0, 9, 9, 80), (1, 9, 27, 80)]
    assert tracks(rows)[0] == [1, 2]
    assert tracks(rows, max_distance=Width(20))[0] == [1, 1]
    assert tracks(rows, max_distance=Width(10, "um"), spacing=(0.5, 0.5))[0] == [1, 1]
    with pytest.raises(ValueError, match="max_distance is in µm"):
        tracks(rows, max_distance=Width(10, "um"))


def test_without_cells_there_are_no_tracks_but_their_columns():
    assert tracks([]) == ([], [])


@pytest.mark.parametrize(("speed", "divisions"), [(0.1, 0.0), (0.2, 0.03), (0.4, 0.01)])
def test_almost_all_links_of_a_simulated_series_are_right(speed, divisions):
    series = time_lapse(
        (200, 260), frames=12, cells=35, rng=3, radius=10, speed=speed, divisions=divisions
    )
    cells = measured(series)
    mothers = np.array([series.parents[number] for number in cells["id"].tolist()])
    true = links(cells["time"], cells["id"], mothers)
    tracked = track_cells(cells)
    ours = links(cells["time"], tracked["track_id"], tracked["parent_track_id"])
    assert len(true) > 300
    assert len(true & ours) >= 0.97 * len(true)
    assert len(true & ours) >= 0.97 * len(ours)
    divided = len(set(series.parents.values()) - {0})
    assert abs(len(set(tracked["parent_track_id"].tolist()) - {0}) - divided) <= 0.25 * divided


@pytest.fixture
def series(tmp_path):
    drawn = time_lapse((60, 80), frames=4, cells=6, rng=0, radius=8, divisions=0)
    write_image(tmp_path / "a.ome.zarr", drawn.image[:, 0], axes="TYX")
    (tmp_path / "labels").mkdir()
    # the numbers of a segmentation differ from frame to frame
    labels = np.stack([np.where(one > 0, 200 + t - one, 0) for t, one in enumerate(drawn.labels)])
    write_image(tmp_path / "labels" / "a.ome.zarr", labels, axes="TYX", labels=True)
    return drawn, tmp_path


def test_a_series_becomes_a_table_and_masks_of_the_challenge(series):
    drawn, folder = series
    pairs = pair_images(folder / "a.ome.zarr", folder / "labels")
    options = MeasureOptions(track=True)
    outcomes = list(measure_files(pairs, folder / "cells.csv", options))
    assert "6 tracks, 0 divisions" in " ".join(outcomes[-1].messages)
    header = (folder / "cells.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert header.endswith("track_id,parent_track_id")
    masks, lines = read_ctc(folder / "cells_tracks" / "a_RES")
    assert lines == tuple(CtcTrack(number, 0, 3, 0) for number in range(1, 7))
    of_track = {}
    for mask, true in zip(masks, drawn.labels, strict=True):
        ours = read_labels(mask)
        assert ((ours > 0) == (true > 0)).all()
        for number, track in {*zip(ours[ours > 0].tolist(), true[true > 0].tolist(), strict=True)}:
            assert of_track.setdefault(number, track) == track
    with pytest.raises(FileExistsError, match="--overwrite"):
        measure_files(pairs, folder / "cells.csv", options)


def test_files_are_the_frames_of_a_series_and_a_bad_one_is_an_empty_frame(tmp_path):
    drawn = time_lapse((60, 80), frames=4, cells=4, rng=0, radius=8, divisions=0)
    (tmp_path / "i").mkdir()
    (tmp_path / "l").mkdir()
    for time in range(4):
        write_png(tmp_path / "i" / f"t{time}.png", (drawn.image[time, 0] >> 8).astype(np.uint8))
        write_labels(tmp_path / "l" / f"t{time}.tif", drawn.labels[time])
    (tmp_path / "i" / "t2.png").write_bytes(b"broken")
    pairs = pair_images(tmp_path / "i", tmp_path / "l")
    with pytest.raises(ValueError, match="--frames"):
        measure_files(pairs, tmp_path / "c.csv", MeasureOptions(track=True))
    options = MeasureOptions(track=True, frames=True)
    outcomes = list(measure_files(pairs, tmp_path / "c.csv", options))
    assert sum(outcome.failed for outcome in outcomes) == 1
    masks, lines = read_ctc(tmp_path / "c_tracks" / "l_RES")
    assert len(masks) == 4
    # each track is in two parts, and the second has the first as its parent
    assert [(line.begin, line.end) for line in lines] == [(0, 1), (3, 3)] * 4
    assert [line.parent for line in lines] == [0, 1, 0, 3, 0, 5, 0, 7]
    assert not read_labels(masks[2]).any()


def test_the_format_is_written_to_the_letter(tmp_path):
    frames = [np.array([[0, 1]]), np.array([[2, 3]])]
    lines = (CtcTrack(1, 0, 0, 0), CtcTrack(2, 1, 1, 1), CtcTrack(3, 1, 1, 1))
    write_ctc(tmp_path / "01_RES", frames, lines)
    names = sorted(path.name for path in (tmp_path / "01_RES").iterdir())
    assert names == ["mask000.tif", "mask001.tif", "res_track.txt"]
    text = (tmp_path / "01_RES" / "res_track.txt").read_text()
    assert text == "1 0 0 0\n2 1 1 1\n3 1 1 1\n"
    assert read_ctc(tmp_path / "01_RES")[1] == lines
    write_ctc(tmp_path / "01_RES", frames[:1], lines[:1])
    assert len(read_ctc(tmp_path / "01_RES")[0]) == 1


def test_files_of_others_stay_in_a_folder_of_tracks(tmp_path):
    others = ("man_track000.tif", "man_seg000.tif", "m001.tif", "mask000.png", "man_track.txt")
    for name in (*others, "mask0001.tif", "mask007.tif"):
        (tmp_path / name).write_bytes(b"another")
    write_ctc(tmp_path, [np.array([[0, 1]])] * 2, (CtcTrack(1, 0, 1, 0),))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*others, "mask000.tif", "mask001.tif", "res_track.txt"}
    assert all((tmp_path / name).read_bytes() == b"another" for name in others)


def test_old_masks_stay_until_there_are_new_ones(tmp_path):
    def frames():
        raise OSError("unreadable")
        yield

    write_ctc(tmp_path, [np.array([[0, 1]])] * 2, (CtcTrack(1, 0, 1, 0),))
    with pytest.raises(OSError, match="unreadable"):
        write_ctc(tmp_path, frames(), ())
    assert len(read_ctc(tmp_path)[0]) == 2


def test_labels_of_one_name_inside_of_images_have_folders_of_their_own(tmp_path):
    drawn = time_lapse((60, 80), frames=2, cells=4, rng=0, radius=8, divisions=0)
    for name in ("a", "b"):
        image = tmp_path / f"{name}.ome.zarr"
        write_image(image, drawn.image[:, 0], axes="TYX")
        with create_labels(image, "cells") as draft:
            draft.array[...] = drawn.labels
    options, table = MeasureOptions(track=True), tmp_path / "c.csv"
    list(measure_files(pair_images(tmp_path, tmp_path), table, options))
    assert {path.name for path in (tmp_path / "c_tracks").iterdir()} == {"a_RES", "b_RES"}


def test_a_width_that_no_file_explains_stops_that_file_and_not_the_tracks(series):
    _, folder = series
    pairs = pair_images(folder / "a.ome.zarr", folder / "labels")
    options = MeasureOptions(track=True, max_distance=Width(10, "um"))
    (outcome,) = measure_files(pairs, folder / "c.csv", options)
    assert outcome.failed
    assert "max_distance is in µm" in outcome.messages[0]
    assert not (folder / "c_tracks").exists()


def test_a_cell_that_grazes_the_edge_keeps_its_track_when_edges_are_excluded(tmp_path):
    cells = np.zeros((4, 30, 40), np.uint8)
    for time, x in enumerate((4, 0, 0, 4)):
        cells[time, 10:16, x : x + 6] = 1
        cells[time, 10:16, 25:31] = 2
    for name in ("i", "l"):
        write_image(tmp_path / f"{name}.ome.zarr", cells, axes="TYX", labels=name == "l")
    pairs = pair_images(tmp_path / "i.ome.zarr", tmp_path / "l.ome.zarr")
    options = MeasureOptions(track=True, exclude_edge=True)
    (outcome,) = measure_files(pairs, tmp_path / "c.csv", options)
    assert outcome.messages[-1] == "at the edge, not in the table: 2 cells"
    with (tmp_path / "c.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["id"], row["time"], row["track_id"]) for row in csv.DictReader(file)]
    inner = [("2", str(time), "2") for time in range(4)]
    assert sorted(rows) == [("1", "0", "1"), ("1", "3", "1"), *inner]
    _, lines = read_ctc(tmp_path / "c_tracks" / "i_RES")
    assert lines == (CtcTrack(1, 0, 3, 0), CtcTrack(2, 0, 3, 0))


def test_a_table_is_written_if_its_tracks_cannot_be(series, monkeypatch):
    def full(*_, **__):
        raise ValueError("x_RES cannot hold 70000 tracks")

    _, folder = series
    monkeypatch.setattr(module, "write_ctc", full)
    pairs = pair_images(folder / "a.ome.zarr", folder / "labels")
    (outcome,) = measure_files(pairs, folder / "c.csv", MeasureOptions(track=True))
    assert outcome.failed
    assert "cannot hold 70000 tracks; the table is without tracks" in outcome.messages[-1]
    header = (folder / "c.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert "area" in header
    assert "track_id" not in header


def test_two_series_of_one_name_are_refused(series):
    _, folder = series
    (folder / "more").mkdir()
    shutil.copytree(folder / "a.ome.zarr", folder / "more" / "a.ome.zarr")
    jobs = [
        MeasureJob(image, folder / "labels" / "a.ome.zarr")
        for image in (folder / "a.ome.zarr", folder / "more" / "a.ome.zarr")
    ]
    with pytest.raises(ValueError, match="have the same name 'a'"):
        measure_files(Pairing(tuple(jobs), {}), folder / "c.csv", MeasureOptions(track=True))


def test_frames_of_the_current_folder_have_its_name(tmp_path, monkeypatch):
    drawn = time_lapse((60, 80), frames=2, cells=4, rng=0, radius=8, divisions=0)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for time in range(2):
        write_png(Path(f"t{time}.png"), (drawn.image[time, 0] >> 8).astype(np.uint8))
        write_labels(Path(f"t{time}_masks.tif"), drawn.labels[time])
    jobs = [MeasureJob(Path(f"t{t}.png"), Path(f"t{t}_masks.tif")) for t in range(2)]
    options = MeasureOptions(track=True, frames=True)
    list(measure_files(Pairing(tuple(jobs), {}), Path("c.csv"), options))
    assert [path.name for path in Path("c_tracks").iterdir()] == ["here_RES"]


def test_a_gap_ends_a_track():
    labels, lines = without_gaps(np.array([0, 2]), np.array([1, 1]), np.array([0, 0]))
    assert labels.tolist() == [1, 2]
    assert lines == (CtcTrack(1, 0, 0, 0), CtcTrack(2, 2, 2, 1))


def test_damaged_tracks_and_too_many_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no masks"):
        read_ctc(tmp_path)
    write_labels(tmp_path / "mask000.tif", np.ones((3, 4), np.uint16))
    (tmp_path / "res_track.txt").write_text("1 0 x 0\n")
    with pytest.raises(ValueError, match="four whole numbers"):
        read_ctc(tmp_path)
    (tmp_path / "res_track.txt").write_text("1 0 2 0\n")
    write_labels(tmp_path / "mask002.tif", np.ones((3, 4), np.uint16))
    with pytest.raises(ValueError, match="no mask of frame 1, but one of frame 2: copy"):
        read_ctc(tmp_path)
    (tmp_path / "mask002.tif").rename(tmp_path / "mask999999999999.tif")
    with pytest.raises(ValueError, match="no mask of frame 1, but one of frame 999999999999"):
        read_ctc(tmp_path)
    (tmp_path / "mask999999999999.tif").rename(tmp_path / "mask002.tif")
    with pytest.raises(ValueError, match="65535 at most"):
        write_ctc(tmp_path / "x", [], [CtcTrack(1, 0, 0, 0)] * 70000)


def test_without_laptrack_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"seamwise\[track\]"):
        tracks([(0, 9, 9, 80)])
