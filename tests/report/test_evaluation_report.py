"""The page about errors: every kind counted and coloured."""

import html

import numpy as np
import pytest
import tifffile

from seamwise.io import write_image, write_labels, write_png
from seamwise.metrics import cell_errors
from seamwise.report import evaluation_report
from seamwise.report.evaluation import COLOURS, _predicted_colours, _true_colours
from seamwise.segmentation import pair_files, score_files
from support.files import one_line

TRUE = np.array([[1, 1, 1, 1, 0, 2, 2, 3, 3, 0, 4, 0, 0, 5, 5]], np.uint8).repeat(6, 0)
PRED = np.array([[1, 1, 2, 2, 0, 3, 3, 3, 3, 0, 0, 0, 4, 5, 5]], np.uint8).repeat(6, 0)


def hexes(palette, labels):
    return ["#" + bytes(colour).hex() for colour in palette(np.array(labels))]


def test_every_cell_has_the_colour_of_what_became_of_it():
    errors = cell_errors(TRUE, PRED)
    kinds = ["split", "merged", "merged", "missed", "correct"]
    assert hexes(_true_colours(errors), [1, 2, 3, 4, 5]) == [COLOURS[kind] for kind in kinds]
    kinds = ["split", "split", "merged", "invented", "correct"]
    assert hexes(_predicted_colours(errors), [1, 2, 3, 4, 5]) == [COLOURS[kind] for kind in kinds]
    assert _true_colours(errors).wrong == {1, 2, 3, 4}


def test_a_predicted_cell_that_is_inexact_has_the_colour_of_the_key():
    errors = cell_errors(np.array([[5, 5, 5, 5, 5, 0]]), np.array([[0, 7, 0, 0, 0, 0]]))
    assert hexes(_true_colours(errors), [5]) == [COLOURS["inexact"]]
    assert hexes(_predicted_colours(errors), [7]) == [COLOURS["inexact"]]
    assert _predicted_colours(errors).wrong == {7}


@pytest.fixture
def files(tmp_path):
    for name in ("truth", "pred", "images"):
        (tmp_path / name).mkdir()
    write_labels(tmp_path / "truth" / "a.tif", TRUE)
    write_labels(tmp_path / "pred" / "a.tif", PRED)
    write_png(tmp_path / "images" / "a.png", TRUE * 40)
    return tmp_path


def test_the_page_counts_each_kind(files):
    pairs = pair_files(files / "pred", files / "truth")
    page = files / "e.html"
    assert evaluation_report(pairs, page, images=files / "images") == ()
    text = page.read_text()
    for kind, count in {"correct": 1, "split": 1, "merged": 2, "missed": 1, "invented": 1}.items():
        assert f"<b>{count}</b><span>{kind}</span>" in text
    assert text.count("<svg") == 2


def test_a_pair_that_does_not_fit_is_reported_and_the_rest_is_shown(files):
    write_labels(files / "truth" / "b.tif", TRUE[:3])
    write_labels(files / "pred" / "b.tif", PRED)
    (line,) = evaluation_report(pair_files(files / "pred", files / "truth"), files / "e.html")
    assert "b.tif" in line
    assert "<b>1</b><span>image</span>" in (files / "e.html").read_text()


def test_every_time_point_is_an_image(tmp_path):
    series = np.stack([TRUE, np.roll(TRUE, 1, axis=1)])
    for name in ("t", "p"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "s.ome.zarr", series, axes="TYX", labels=True)
    evaluation_report(pair_files(tmp_path / "p", tmp_path / "t"), tmp_path / "e.html")
    assert "s, time 1" in (tmp_path / "e.html").read_text()


def page_of(files, **options):
    pairs = pair_files(files / "pred", files / "truth")
    evaluation_report(pairs, files / "e.html", images=files / "images", **options)
    return (files / "e.html").read_text()


def test_scores_of_before_give_the_same_page_and_no_file_is_matched_again(files, monkeypatch):
    more(files, "b")
    write_labels(files / "pred" / "b.tif", PRED[:3])
    expected = page_of(files)
    pairs = pair_files(files / "pred", files / "truth")
    scores = score_files(pairs, list_errors=True)
    monkeypatch.setattr("seamwise.segmentation.measure.read_labels", None)
    assert page_of(files, scores=scores) == expected
    assert scores.skipped[0] in html.unescape(expected)


@pytest.mark.parametrize("options", [{}, {"list_errors": True, "ious": (0.5,)}])
def test_scores_that_lack_something_are_refused_in_one_line(files, options):
    scores = score_files(pair_files(files / "pred", files / "truth"), **options)
    with pytest.raises(
        ValueError, match=r"must hold errors, and the IoUs 0\.5, 0\.75, 0\.9"
    ) as caught:
        page_of(files, scores=scores)
    assert one_line(caught)


def test_the_channel_and_the_axes_of_the_images_are_chosen(files, monkeypatch):
    two = np.stack([TRUE * 0, TRUE * 40], axis=-1).astype(np.uint8)
    (files / "images" / "a.png").unlink()
    tifffile.imwrite(files / "images" / "a.tif", two, photometric="minisblack")
    pictures = []
    monkeypatch.setattr(
        "seamwise.report.pictures.picture_data", lambda picture: pictures.append(picture) or ""
    )
    brightest = []
    for channel in (0, 1):
        pictures.clear()
        page_of(files, channel=channel, axes="YXC")
        brightest.append(max(int(one.max()) for one in pictures if one.ndim == 2))
    assert brightest == [0, 255]


def more(files, name):
    write_labels(files / "truth" / f"{name}.tif", TRUE)
    write_labels(files / "pred" / f"{name}.tif", PRED)


def test_an_image_that_cannot_be_read_or_does_not_fit_leaves_the_rest(files):
    for name in ("b", "c", "d"):
        more(files, name)
    (files / "images" / "b.png").write_bytes(b"broken")
    write_png(files / "images" / "c.png", np.zeros((50, 40), np.uint8))
    text = page_of(files)
    assert text.count("<svg") == 4  # of a, and of d on black
    assert text.count("Not shown: ") == 2
    assert "b.png" in text
    assert "c.png must have the times and size (1, 6, 15) of " in text
    assert text.count("No image has this name") == 1
    assert "<b>4</b><span>images</span>" in text


def test_images_of_other_names_are_noted(files):
    more(files, "b")
    (files / "images" / "a.png").rename(files / "images" / "x.png")
    assert page_of(files).count("No image has this name") == 2


def test_outlines_of_correct_cells_are_four_pixels_wide_and_differ_from_grey(files, monkeypatch):
    pictures = []
    monkeypatch.setattr(
        "seamwise.report.pictures.picture_data", lambda picture: pictures.append(picture) or ""
    )
    page_of(files)
    outlines = next(picture for picture in pictures if picture.ndim == 3)
    zoom = 1000 // TRUE.shape[1]
    line = outlines[3 * zoom, 13 * zoom : 15 * zoom, 3]  # across the correct cell
    assert line.nonzero()[0].tolist() == [0, 1, 2, 3]  # none along the edge of the image
    red, green, blue, _ = outlines[3 * zoom, 13 * zoom].astype(int)
    assert green - max(red, blue) > 60
