import numpy as np
import pytest
import tifffile

from seamwise.metrics import contour_scores, match_many
from seamwise.segmentation import measure
from seamwise.segmentation.measure import pair_files, score_files

LABELS = np.array([[0, 1, 1, 2], [0, 1, 1, 2]], np.uint8)


def folder(tmp_path, name, **arrays):
    (tmp_path / name).mkdir()
    for stem, array in arrays.items():
        tifffile.imwrite(tmp_path / name / f"{stem}.tif", array)
    return tmp_path / name


def test_folders_pair_by_stem_and_extra_predictions_do_not_count(tmp_path):
    predicted = folder(tmp_path, "p", a=LABELS, b=LABELS * 0, extra=LABELS)
    truth = folder(tmp_path, "t", a_masks=LABELS, b=LABELS)
    (truth / "a_overlay.png").write_bytes(b"a picture")
    pairs = pair_files(predicted, truth)
    assert [pair.name for pair in pairs] == ["a", "b"]
    scores = score_files(pairs, ious=(0.5,)).matching
    assert (scores.pooled[0].tp, scores.pooled[0].fn, scores.pooled[0].fp) == (2, 2, 0)
    assert scores.mean[0].accuracy == 0.5


def test_one_file_against_one_file(tmp_path):
    path = folder(tmp_path, "p", a=LABELS) / "a.tif"
    assert score_files(pair_files(path, path)).matching.pooled[0].panoptic_quality == 1


def test_ignored_pixels_of_the_truth_count_nowhere(tmp_path):
    predicted = folder(tmp_path, "p", a=LABELS)
    truth = folder(tmp_path, "t", a=np.where(LABELS == 2, -1, LABELS).astype(np.int8))
    score = score_files(pair_files(predicted, truth)).matching.pooled[0]
    assert (score.tp, score.fp, score.fn) == (1, 0, 0)


def test_contours_are_scored_beside_the_objects(tmp_path):
    shifted = np.roll(LABELS, 1, axis=1)
    predicted = folder(tmp_path, "p", a=LABELS, b=shifted)
    truth = folder(tmp_path, "t", a=LABELS, b=LABELS)
    scores = score_files(pair_files(predicted, truth), radii=(0.5, 1))
    assert scores.matching.per_image == (match_many(LABELS, LABELS), match_many(LABELS, shifted))
    assert scores.contours.per_image == tuple(
        contour_scores(LABELS, p, radii=(0.5, 1)) for p in (LABELS, shifted)
    )
    # true contour: columns 1, 2 and 3 of both rows; shifted, the labels are 2 0 1 1: columns 0
    # and 2
    assert (scores.contours.pooled[0].found_true, scores.contours.pooled[0].n_true) == (6 + 2, 12)
    assert scores.contours.mean[0].recall == (1 + 2 / 6) / 2
    assert score_files(pair_files(predicted, truth)).contours is None


def test_every_file_is_read_once(tmp_path, monkeypatch):
    predicted, truth = (
        folder(tmp_path, "p", a=LABELS, b=LABELS),
        folder(tmp_path, "t", a=LABELS, b=LABELS),
    )
    read, real = [], measure.read_labels
    monkeypatch.setattr(measure, "read_labels", lambda path: read.append(path) or real(path))
    score_files(pair_files(predicted, truth), radii=(1, 2))
    assert sorted(read) == [
        folder / f"{name}.tif" for folder in (predicted, truth) for name in "ab"
    ]


def test_files_that_do_not_look_like_labels_are_said_and_scored(tmp_path):
    photograph = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    spots = np.zeros((40, 50), np.uint8)
    spots[::4, ::5] = 255
    predicted = folder(tmp_path, "p", a=photograph, b=photograph, c=LABELS)
    truth = folder(tmp_path, "t", a=spots, b=photograph, c=LABELS)
    scores = score_files(pair_files(predicted, truth))
    binary, photographs = scores.hints
    assert photographs.startswith(
        f"3 of 6 files (e.g. {predicted}/a.tif): scattered numbers, as in a photograph; "
    )
    assert binary.startswith(f"1 of 6 files (e.g. {truth}/a.tif): a single number in many pieces; ")
    assert "\n" not in binary + photographs
    assert scores.matching.per_image[0][0].n_true == 1
    assert score_files(pair_files(predicted / "c.tif", truth / "c.tif")).hints == ()


def test_a_pair_that_does_not_fit_is_skipped_and_named(tmp_path):
    predicted = folder(tmp_path, "p", a=LABELS, b=LABELS[:1], c=LABELS)
    truth = folder(tmp_path, "t", a=LABELS, b=LABELS, c=LABELS)
    (predicted / "c.tif").write_text("no image")
    scores = score_files(pair_files(predicted, truth))
    assert scores.images == ("a",)
    assert [line.partition(" ")[0] for line in scores.skipped] == [f"{predicted}/b.tif", "cannot"]
    assert all("\n" not in line for line in scores.skipped)


def test_every_time_point_is_scored_as_an_image(tmp_path):
    series = np.stack([LABELS, LABELS * 0, LABELS])
    for name, pixels in (("p", series), ("t", np.stack([LABELS, LABELS, LABELS * 0]))):
        (tmp_path / name).mkdir()
        options = {"photometric": "minisblack", "metadata": {"axes": "TYX"}}
        tifffile.imwrite(tmp_path / name / "a.tif", pixels, **options)
        tifffile.imwrite(tmp_path / name / "b.tif", pixels[: 2 if name == "p" else 3], **options)
    scores = score_files(pair_files(tmp_path / "p", tmp_path / "t"), ious=(0.5,), radii=(1,))
    assert scores.images == ("a, time 0", "a, time 1", "a, time 2")
    assert [
        (one.tp, one.fp, one.fn) for (one,) in scores.matching.per_image
    ] == [(2, 0, 0), (0, 0, 2), (0, 2, 0)]  # fmt: skip
    assert len(scores.contours.per_image) == 3
    (line,) = scores.skipped
    assert "b.tif must have the 3 time points of" in line


def test_masks_next_to_images_are_the_truth(tmp_path):
    predicted = folder(tmp_path, "p", a=LABELS)
    truth = folder(tmp_path, "t", a=LABELS * 9, a_masks=LABELS)
    (pair,) = pair_files(predicted, truth)
    assert pair.truth.name == "a_masks.tif"


def test_what_cannot_be_paired_or_scored_is_named(tmp_path):
    predicted = folder(tmp_path, "p", a=-LABELS.astype(np.int8))
    truth = folder(tmp_path, "t", a=LABELS)
    with pytest.raises(ValueError, match=r"a\.tif has negative labels"):
        score_files(pair_files(predicted, truth))
    tifffile.imwrite(predicted / "a.tiff", LABELS)
    with pytest.raises(ValueError, match="have the same name 'a'"):
        pair_files(predicted, truth)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pair_files(tmp_path / "nowhere", truth)
