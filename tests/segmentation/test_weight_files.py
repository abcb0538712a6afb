from dataclasses import replace

import numpy as np
import pytest
import tifffile

from seamwise import weights
from seamwise.io.images import map_fingerprint, read_image, write_labels
from seamwise.labels import semantic_target
from seamwise.segmentation import weight_files
from seamwise.segmentation.transforms import TargetAndWeight
from seamwise.segmentation.weight_files import _provenance, weigh_files
from seamwise.synth import crowded_cells
from support.files import one_line

SCENES = [crowded_cells((40, 50), cells=7, radius=7, rng=seed).labels for seed in range(3)]
DWM = TargetAndWeight(map="dwm", options={"beta": 5})


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "labels"
    source.mkdir()
    for name, labels in zip("abc", SCENES, strict=True):
        write_labels(source / f"{name}.tif", labels)
    return source


def outcomes(*arguments, **options):
    return list(weigh_files(*arguments, **options))


def test_every_file_gets_its_map(folder, tmp_path):
    done = outcomes([folder], tmp_path / "out", DWM)
    assert [outcome.path.name for outcome in done] == ["a.tif", "b.tif", "c.tif"]
    assert not any(outcome.failed for outcome in done)
    for name, labels in zip("abc", SCENES, strict=True):
        written = tifffile.imread(tmp_path / "out" / f"{name}.tif")
        assert written.dtype == np.float32
        np.testing.assert_array_equal(written, weights.dwm(labels, beta=5))
    assert not list((tmp_path / "out").glob("*.png"))


def test_maps_are_made_again_only_if_labels_or_options_changed(folder, tmp_path):
    out = tmp_path / "out"
    outcomes([folder], out, DWM)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    def changed(transform):
        made = [
            outcome.path.name
            for outcome in outcomes([folder], out, transform)
            if "already exists" not in outcome.messages[0]
        ]
        return made, {
            path.name for path in out.iterdir() if path.stat().st_mtime_ns != before[path.name]
        }

    assert changed(DWM) == ([], set())
    write_labels(folder / "b.tif", SCENES[0])
    assert changed(DWM) == (["b.tif"], {"b.tif"})
    made, _ = changed(TargetAndWeight(map="dwm", options={"beta": 6}))
    assert made == ["a.tif", "b.tif", "c.tif"]
    np.testing.assert_array_equal(tifffile.imread(out / "b.tif"), weights.dwm(SCENES[0], beta=6))


def test_previews_are_drawn_and_drawn_again(folder, tmp_path):
    out = tmp_path / "out"
    outcomes([folder / "a.tif"], out, DWM)
    (done,) = outcomes([folder / "a.tif"], out, DWM, preview=True)
    assert "drawn" in done.messages[0]
    assert (out / "a_preview.png").read_bytes().startswith(b"\x89PNG")
    (done,) = outcomes([folder / "a.tif"], out, TargetAndWeight(map="dwm"), preview=False)
    assert not (out / "a_preview.png").exists()  # it showed the old map


def test_stacks_take_their_anisotropy_from_the_file_or_the_caller(tmp_path):
    labels = crowded_cells((10, 30, 32), cells=5, radius=6, rng=0).labels
    write_labels(tmp_path / "stack.tif", labels, spacing=(1.0, 0.25, 0.25))
    for spacing, expected in ((None, (4, 1, 1)), ((2, 1, 1), (2, 1, 1))):
        outcomes([tmp_path / "stack.tif"], tmp_path / "out", DWM, spacing=spacing)
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "out" / "stack.tif"),
            weights.dwm(labels, beta=5, spacing=expected),
        )
    assert read_image(tmp_path / "out" / "stack.tif").spacing == pytest.approx((1.0, 0.25, 0.25))


def test_classes_may_be_balanced_over_all_files(folder, tmp_path):
    outcomes([folder], tmp_path / "out", TargetAndWeight(map="balance"), over_all=True)
    targets = [semantic_target(labels, classes=3) for labels in SCENES]
    counts = [sum(int((target == k).sum()) for target in targets) for k in range(3)]
    for name, labels in zip("abc", SCENES, strict=True):
        expected = weights.balance(labels, counts=counts)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / f"{name}.tif"), expected)


def test_counts_over_all_files_know_the_anisotropy_of_stacks(tmp_path):
    labels = np.zeros((9, 12, 12), np.uint8)
    labels[1:3, 3:9, 3:9], labels[5:7, 3:9, 3:9] = 1, 2
    write_labels(tmp_path / "stack.tif", labels, spacing=(4.0, 1.0, 1.0))
    transform = TargetAndWeight(map="balance", classes=4, gap_radius=4)
    maps = []
    for over_all in (False, True):
        outcomes([tmp_path / "stack.tif"], tmp_path / str(over_all), transform, over_all=over_all)
        maps.append(tifffile.imread(tmp_path / str(over_all) / "stack.tif"))
    np.testing.assert_array_equal(*maps)


def test_a_bad_file_is_named_and_the_others_go_on(folder, tmp_path):
    (folder / "b.tif").write_bytes(b"II*\0nothing")
    for over_all in (False, True):
        good, bad, last = outcomes([folder], tmp_path / f"out{over_all}", DWM, over_all=over_all)
        assert not good.failed
        assert not last.failed
        assert bad.failed
        assert "b.tif" in bad.messages[0]
        assert not (tmp_path / f"out{over_all}" / "b.tif").exists()


def test_black_and_white_masks(tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 3:14] = mask[5:15, 15:26] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    transform = TargetAndWeight(map="w3", annotation="binary", options={"balance": "rarest"})
    outcomes([tmp_path / "mask.tif"], tmp_path / "out", transform)
    weights = tifffile.imread(tmp_path / "out" / "mask.tif")
    assert weights.max() >= 10
    assert weights[10, 14] == 10  # the line is touching


def test_the_masks_beside_images_are_the_labels(tmp_path):
    write_labels(tmp_path / "x_masks.tif", SCENES[0])
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((40, 50), np.float32))
    (done,) = outcomes([tmp_path], tmp_path / "out", DWM)
    assert done.path.name == "x_masks.tif"
    assert not done.failed


def test_a_photograph_is_said_and_done(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif", np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8)
    )
    (done,) = outcomes([tmp_path / "x.tif"], tmp_path / "out", DWM)
    assert "x.tif: scattered numbers, as in a photograph" in done.messages[1]


def test_what_would_stop_the_job_is_said_before_it_starts(folder, tmp_path):
    with pytest.raises(ValueError, match="transform must have a weight map") as caught:
        weigh_files([folder], tmp_path / "out", TargetAndWeight())
    assert one_line(caught)
    with pytest.raises(ValueError, match="choose another output folder"):
        weigh_files([folder], folder, DWM)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        weigh_files([tmp_path / "nowhere"], tmp_path / "out", DWM)
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_never_replaced(folder, tmp_path):
    out = tmp_path / "images"
    out.mkdir()
    for name in ("a.tif", "b_preview.png"):
        (out / name).write_text("an image of yours")
        with pytest.raises(ValueError, match=f"{name} exists and is not a weight map of seamwise"):
            weigh_files([folder], out, DWM)
        assert (out / name).read_text() == "an image of yours"
        (out / name).unlink()


def test_a_file_that_is_gone_is_named_and_the_others_go_on(folder, tmp_path):
    running = weigh_files([folder], tmp_path / "out", DWM)
    (folder / "b.tif").unlink()
    good, bad, last = running
    assert bad.failed
    assert "cannot read" in bad.messages[0]
    assert not good.failed
    assert not last.failed


def test_a_spacing_that_is_none_is_said_at_once(folder, tmp_path):
    with pytest.raises(ValueError, match="spacing must be 2 positive numbers"):
        weigh_files([folder], tmp_path / "out", DWM, spacing=(0, 1))
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_the_job(folder, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weight_files, "write_map", full)
    with pytest.raises(OSError, match="No space"):
        outcomes([folder], tmp_path / "out", DWM)


def test_files_that_are_no_maps_of_ours_have_no_fingerprint(tmp_path):
    (tmp_path / "text.tif").write_text("no TIFF")
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((4, 5), np.float32))
    for name in ("text.tif", "other.tif", "missing.tif"):
        assert map_fingerprint(tmp_path / name) == ""


def test_a_scale_is_recorded_only_if_there_is_one(folder, tmp_path):
    plain = _provenance(folder / "a.tif", DWM, None)
    assert "scale" not in plain.inputs  # so that maps of earlier versions are kept
    scaled = _provenance(folder / "a.tif", replace(DWM, scale="mean"), None)
    assert scaled.fingerprint() != plain.fingerprint()
