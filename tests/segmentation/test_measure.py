import numpy as np
import pytest
import tifffile

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
    scores = score_files(pairs, thresholds=(0.5,))
    assert (scores.pooled[0].tp, scores.pooled[0].fn, scores.pooled[0].fp) == (2, 2, 0)
    assert scores.mean[0].accuracy == 0.5


def test_one_file_against_one_file(tmp_path):
    path = folder(tmp_path, "p", a=LABELS) / "a.tif"
    assert score_files(pair_files(path, path)).pooled[0].panoptic_quality == 1


def test_ignored_pixels_of_the_truth_count_nowhere(tmp_path):
    predicted = folder(tmp_path, "p", a=LABELS)
    truth = folder(tmp_path, "t", a=np.where(LABELS == 2, -1, LABELS).astype(np.int8))
    score = score_files(pair_files(predicted, truth)).pooled[0]
    assert (score.tp, score.fp, score.fn) == (1, 0, 0)


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
