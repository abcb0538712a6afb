import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from seamwise.engine.settings import read_settings
from seamwise.labels import semantic_target
from seamwise.report import training_report
from seamwise.segmentation import TrainSettings, find_pairs, read_pair
from seamwise.segmentation.check import KINDS, advise, survey, write_settings
from seamwise.segmentation.check.advice import _sizes
from seamwise.segmentation.check.survey import _whole, brightness, touching_cells
from seamwise.segmentation.zoom import diameter_of
from seamwise.synth import crowded_cells


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number in range(3):
        scene = crowded_cells((96, 112), cells=12, radius=9, rng=number)
        for kind, array in (("images", scene.image), ("masks", scene.labels)):
            (folder / kind).mkdir(exist_ok=True)
            tifffile.imwrite(folder / kind / f"{number}.tif", array.astype(np.uint16))
    return folder


def test_counts(data):
    looks = survey(data).looks
    labels = tifffile.imread(data / "masks" / "1.tif")
    assert [look.name for look in looks] == ["0", "1", "2"]
    assert looks[1].sizes.tolist() == np.bincount(labels.ravel())[1:].tolist()
    assert looks[1].touching == touching_cells(labels) > 0
    assert looks[1].brightness > 0.9


def test_brightness_by_hand():
    labels = np.array([[1, 1, 0, 0]])
    assert brightness(np.array([[5, 3, 3, 1]]), labels) == (1 + 1 + 0.5 + 1) / 4
    assert brightness(np.array([[5, 3, 3, 1]]), np.zeros((1, 4), int)) == 0.5


def test_the_settings_are_ready_for_train(data, tmp_path):
    pairs = find_pairs(data).training
    advice = advise(survey(data), pairs, device="cpu")
    write_settings(tmp_path / "s.toml", advice, data=data)
    settings = read_settings(TrainSettings, tmp_path / "s.toml")
    assert settings.start == "nuclei-2d"
    assert settings.loss == "ce3"  # three images
    assert settings.touching_radius == 2
    assert settings.gap_radius == pytest.approx(0.3 * advice.diameters[1], abs=0.5)
    assert settings.crop == 96
    assert settings.normalization.kind in ("contrast", "deviation")
    assert advice.seconds > 0
    assert sum(advice.classes.values()) == pytest.approx(1)
    assert "# best with 5 images or fewer" in (tmp_path / "s.toml").read_text()


def test_the_page_has_pictures_and_needs_no_network(data, tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "d" / kind).mkdir(parents=True)
        for path in (data / kind).iterdir():
            (tmp_path / "d" / kind / path.name).write_bytes(path.read_bytes())
    labels = tifffile.imread(tmp_path / "d" / "masks" / "0.tif")
    labels[labels == 3] = 1
    tifffile.imwrite(tmp_path / "d" / "masks" / "0.tif", labels)
    training_report(survey(tmp_path / "d"), None, tmp_path / "r.html", command="")
    page = (tmp_path / "r.html").read_text()
    assert "One number for two places: once" in page
    assert "data:image/jpeg;base64" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_folder_without_cells_has_no_settings(data, tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    image = tifffile.imread(data / "images" / "0.tif")
    tifffile.imwrite(tmp_path / "images" / "a.tif", image)
    tifffile.imwrite(tmp_path / "masks" / "a.tif", np.zeros_like(image))
    assert advise(survey(tmp_path), find_pairs(tmp_path).training) is None


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        survey(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no image"):
        survey(tmp_path)


def test_lengths_count_pixels_of_the_finest_axis(tmp_path):
    """A cube of 8 µm in voxels of 2 × 0.5 × 0.5 µm is 16 of the finest pixels wide."""
    labels = np.zeros((8, 40, 40), np.uint16)
    labels[2:6, 10:26, 12:28] = 1
    for kind, array in (("images", labels * 100 + 5), ("masks", labels)):
        (tmp_path / kind).mkdir()
        metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"} if kind == "images" else {}
        options = {"imagej": True, "metadata": metadata, "resolution": (2.0, 2.0)}
        path = tmp_path / kind / "a.tif"
        tifffile.imwrite(path, array, **(options if kind == "images" else {}))
    (look,) = survey(tmp_path, axes="ZYX").looks
    assert look.spacing == pytest.approx((2, 0.5, 0.5))
    assert look.diameters.tolist() == pytest.approx([diameter_of(16**3, 3)])  # 19.8
    for factors, touching, gap in (((4, 1, 1), 2, 6), ((2, 0.5, 0.5), 1, 3), ((1, 1, 1), 2, 6)):
        sizes = _sizes([look], look.diameters[0], factors, look.spacing)
        assert (sizes["touching_radius"], sizes["gap_radius"]) == (touching, gap)


def test_outlines_of_a_whole_image_are_two_pixels_wide_on_the_page():
    labels = np.zeros((480, 480), np.uint16)
    labels[100:300, 100:300] = 1
    image = np.random.default_rng(0).integers(1000, size=labels.shape).astype(np.uint16)
    line = _whole(image[np.newaxis], labels)[200].astype(int)
    is_outline = np.ptp(line, axis=1) > 0
    left, right = is_outline[:200].sum(), is_outline[200:].sum()
    assert left == right
    assert left * 165 / 480 == pytest.approx(2, abs=0.2)


def test_the_picture_of_a_wide_place_is_small(tmp_path):
    labels = np.zeros((2000, 1500), np.uint16)
    labels[:40, :40] = labels[-40:, -40:] = 1
    labels[1000:1040, 700:740] = 2
    image = np.random.default_rng(0).integers(1000, size=labels.shape).astype(np.uint16)
    for kind, array in (("images", image), ("masks", labels)):
        (tmp_path / kind).mkdir()
        tifffile.imwrite(tmp_path / kind / "a.tif", array)
    pictures = [one.picture for one in survey(tmp_path).findings if one.kind == "number twice"]
    assert [picture.shape for picture in pictures] == [(500, 375, 3)]


def test_masks_of_classes_are_named(tmp_path):
    scene = crowded_cells((96, 112), cells=12, radius=9, rng=0)
    classes = semantic_target(scene.labels, classes=3).astype(np.uint8)
    labels = {"background": 0, "cell": 1, "touching": 2}
    for part in ("imagesTr", "labelsTr"):
        (tmp_path / part).mkdir()
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))

    def result_with(name, mask):
        tifffile.imwrite(tmp_path / "imagesTr" / f"{name}_0000.tif", scene.image)
        tifffile.imwrite(tmp_path / "labelsTr" / f"{name}.tif", mask.astype(np.uint8))
        result = survey(tmp_path)
        return result, [(one.name, one.kind) for one in result.findings]

    result, findings = result_with("classes", classes)
    assert findings[0] == ("classes", "classes")
    assert "holds the classes cell, touching" in result.findings[0].text
    assert not result.looks
    (tmp_path / "labelsTr" / "classes.tif").unlink()
    (tmp_path / "imagesTr" / "classes_0000.tif").unlink()
    result_with("many", scene.labels)
    result, findings = result_with("two", np.where(scene.labels > 2, 0, scene.labels))
    assert {("many", "numbers"), ("two", "numbers")} <= set(findings)
    assert [look.name for look in result.looks] == ["many", "two"]


def test_the_changelog_counts_all_kinds():
    text = (Path(__file__).parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"pictures: {len(KINDS)} kinds of faults" in text


def test_a_mask_of_classes_without_a_record_is_named(tmp_path):
    scene = crowded_cells((96, 112), cells=12, radius=9, rng=0)
    for part, array in (("images", scene.image), ("masks", semantic_target(scene.labels))):
        (tmp_path / part).mkdir()
        tifffile.imwrite(tmp_path / part / "a.tif", array)
    kinds = [finding.kind for finding in survey(tmp_path).findings]
    assert "few numbers" in kinds
    assert "cut" not in kinds


def test_numbers_may_be_far_larger_than_there_are_cells(tmp_path):
    scene = crowded_cells((64, 64), cells=5, radius=7, rng=0)
    large = np.where(scene.labels > 0, scene.labels + np.uint32(4_000_000_000), 0)
    for name, labels in (("a", scene.labels), ("b", large.astype(np.uint32))):
        for kind, array in (("images", scene.image), ("masks", labels)):
            (tmp_path / name / kind).mkdir(parents=True)
            tifffile.imwrite(tmp_path / name / kind / "ü 1.tif", array)
    small, large = (survey(tmp_path / name).looks[0] for name in "ab")
    assert large.sizes.tolist() == small.sizes.tolist()
    assert (large.touching, large.brightness, large.rim) == (
        small.touching,
        small.brightness,
        small.rim,
    )


def test_channels_of_other_sizes_are_one_line(tmp_path):
    for name, shape in (("imagesTr/a_0000", (9, 8)), ("imagesTr/a_0001", (9, 7))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros(shape, np.uint8))
    (tmp_path / "labelsTr").mkdir()
    tifffile.imwrite(tmp_path / "labelsTr" / "a.tif", np.ones((9, 8), np.uint8))
    (finding,) = survey(tmp_path).findings
    assert finding.kind == "unreadable image"
    assert "a_0001.tif must have the size (9, 8) of a_0000.tif, not (9, 7)" in finding.text
    (pair,) = find_pairs(tmp_path).training
    with pytest.raises(ValueError, match=r"a_0001\.tif must have the size \(9, 8\)"):
        read_pair(pair)
