import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import seamwise.fusion.data as data_module
from seamwise.fusion import Simulation, find_pictures, make_pair, split
from seamwise.fusion.data import FocusSamples, SegmentedPicture, _random_crop, pictures_sha256
from seamwise.io.images import read_labels, write_labels, write_png
from seamwise.synth.focus import FocusPair, focus_pair

SHARED = Path(__file__).parents[2] / "../shared/data/fusion"


def samples(pictures, **change):
    options = {
        "seed": 0,
        "steps": 5,
        "batch_size": 4,
        "crop": 32,
        "simulation": Simulation(),
    } | change
    return FocusSamples(pictures, **options)


def test_pictures_find_the_segments_of_all_annotators(data, pictures):
    assert [picture.name for picture in pictures] == ["p0", "p1", "p2"]
    assert [path.name for path in pictures[0].segments] == ["p0_h0.png", "p0_h1.png"]
    assert pictures[0].read().shape == (72, 96, 3)
    expected = read_labels(data / "labels" / "p1_h0.png")
    np.testing.assert_array_equal(pictures[1].read_segments(pictures[1].segments[0]), expected)


def test_subfolders_of_images_pair_with_those_of_labels(tmp_path):
    for part, name in (("train", "b"), ("val", "a")):
        for kind in ("images", "labels"):
            (tmp_path / kind / part).mkdir(parents=True)
        write_png(tmp_path / "images" / part / f"{name}.png", np.zeros((4, 5, 3), np.uint8))
        write_labels(tmp_path / "labels" / part / f"{name}.png", np.eye(4, 5, dtype=int))
    found = find_pictures(tmp_path)
    assert [(picture.name, picture.image.parent.name) for picture in found] == [
        ("a", "val"),
        ("b", "train"),
    ]


def test_a_folder_of_pictures_alone_has_no_segments(tmp_path):
    write_png(tmp_path / "x.png", np.zeros((4, 5), np.uint8))
    (picture,) = find_pictures(tmp_path)
    assert picture.segments == ()
    assert picture.read().shape == (4, 5, 3)  # grey becomes three equal colours


def write_panoptic(folder):
    """Two pictures, written as MS COCO's panoptic format is: number = R + 256 G + 256² B."""
    (folder / "pictures").mkdir()
    (folder / "panoptic").mkdir()
    content = {"images": [], "annotations": []}
    for number in (7, 3):
        name = f"{number:06d}"
        write_png(folder / "pictures" / f"{name}.png", np.full((4, 5, 3), number, np.uint8))
        coded = np.zeros((4, 5, 3), np.uint8)
        coded[:, 2:] = (1, 2, 3)
        write_png(folder / "panoptic" / f"{name}.png", coded)
        content["images"].append({"id": number, "file_name": f"{name}.png"})
        content["annotations"].append(
            {"image_id": number, "file_name": f"{name}.png", "segments_info": []}
        )
    path = folder / "panoptic.json"
    path.write_text(json.dumps(content))
    return path


def test_panoptic_numbers_are_decoded(tmp_path):
    found = find_pictures(write_panoptic(tmp_path), images=tmp_path / "pictures")
    assert [picture.name for picture in found] == ["000003", "000007"]
    segments = found[0].read_segments(found[0].segments[0])
    assert np.unique(segments).tolist() == [0, 1 + 256 * 2 + 256**2 * 3]
    assert found[0].read()[0, 0].tolist() == [3, 3, 3]


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_the_real_panoptic_format_is_read():
    folder = SHARED / "coco_panoptic_sample/sample_data"
    content = json.loads((folder / "panoptic_examples.json").read_text())
    found = find_pictures(folder / "panoptic_examples.json", images=folder / "input_images")
    assert [picture.name for picture in found] == ["000000142238", "000000439180"]
    for picture in found:
        segments = picture.read_segments(picture.segments[0])
        assert segments.shape == picture.read().shape[:2]
        number = int(picture.name)
        (listed,) = [
            entry["segments_info"]
            for entry in content["annotations"]
            if entry["image_id"] == number
        ]
        areas = {segment["id"]: segment["area"] for segment in listed}
        names, counts = np.unique(segments, return_counts=True)
        assert {int(n): int(c) for n, c in zip(names, counts, strict=True) if n} == areas
        pair = make_pair(picture, crop=64, simulation=Simulation(), rng=np.random.default_rng(0))
        assert pair.a.shape == (64, 64, 3)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_the_300_pictures_of_bsds500_are_found_and_split():
    parts = split(find_pictures(SHARED / "bsds500"), hold_out_every=12, leave_out_every=4)
    assert [len(part) for part in (parts.training, parts.validation, parts.test)] == [
        206,
        19,
        75,
    ]
    assert all(picture.segments for picture in parts.training)


def test_what_is_missing_or_no_panoptic_file_is_said(tmp_path):
    path = write_panoptic(tmp_path)
    with pytest.raises(ValueError, match="not their folder: give it with --images"):
        find_pictures(path)
    with pytest.raises(
        FileNotFoundError, match=r"panoptic\.json names .*000007\.png, which does not exist"
    ):
        find_pictures(path, images=tmp_path)
    content = json.loads(path.read_text())
    content["images"][1]["file_name"] = content["images"][0]["file_name"]
    (tmp_path / "twice.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="the same name"):
        find_pictures(tmp_path / "twice.json", images=tmp_path / "pictures")
    path.write_text(json.dumps({"images": []}))
    with pytest.raises(ValueError, match="panoptic format: it lacks 'annotations'"):
        find_pictures(path, images=tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist: check its name and folder"):
        find_pictures(tmp_path / "no.json", images=tmp_path)
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    write_png(tmp_path / "set/images/a.png", np.zeros((4, 5), np.uint8))
    write_labels(tmp_path / "set/labels/b.png", np.eye(4, dtype=int))
    with pytest.raises(
        FileNotFoundError, match=r"1 of 1 pictures in .* have no segments of the same name in .*: a"
    ):
        find_pictures(tmp_path / "set")
    (tmp_path / "set/images/a.png").unlink()
    with pytest.raises(FileNotFoundError, match="holds no picture"):
        find_pictures(tmp_path / "set")


def test_segments_of_another_size_are_said(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    write_labels(tmp_path / "s.png", np.eye(4, dtype=int))
    picture = SegmentedPicture("a", tmp_path / "a.png", (tmp_path / "s.png",))
    with pytest.raises(ValueError, match=r"a\.png has 5 × 4 pixels, its segments have 4 × 4:"):
        make_pair(picture, crop=4, simulation=Simulation(), rng=np.random.default_rng(0))


def test_a_sample_depends_on_seed_step_and_index_only(pictures):
    sample = samples(pictures)[4 * 3 + 1]
    for other, same in (
        (samples(pictures)[13], True),
        (samples(pictures, batch_size=8)[8 * 3 + 1], True),
        (samples(pictures)[14], False),
        (samples(pictures, seed=1)[13], False),
    ):
        assert all(torch.equal(x, y) for x, y in zip(sample, other, strict=True)) == same


def test_a_sample_is_two_sources_the_truth_and_the_mask(pictures):
    for number in range(8):
        a, b, truth, mask = samples(pictures)[number]
        assert a.shape == b.shape == truth.shape == (3, 32, 32)
        assert mask.dtype == torch.int64
        blurred = mask.bool().expand(3, -1, -1)
        assert torch.equal(a[~blurred], truth[~blurred])
        assert torch.equal(b[blurred], truth[blurred])
        assert not torch.equal(a[blurred], truth[blurred])


def test_every_change_of_the_simulation_keeps_size_and_range(pictures):
    wild = Simulation(
        matte=0.5, disc=0.5, shapes=0.5, noise=0.1, brightness=0.2, scale=1.0, gamma=0.5, grey=0.5
    )
    drawn = samples(pictures, simulation=wild, steps=10)
    grey = 0
    for number in range(len(drawn)):
        a, b, truth, _ = drawn[number]
        assert a.shape == b.shape == truth.shape == (3, 32, 32)
        assert all(x.min() >= 0 and x.max() <= 1 for x in (a, b, truth))
        grey += torch.equal(truth[0], truth[1])
    assert 8 < grey < 32


def plain_simulation(**change):
    """A simulation that leaves the picture as it is, but for `change`."""
    return Simulation(**{"mirror": False} | change)


def crops(image, segments, crop, count=60, **change):
    """Random crops, their colours made numbers again."""
    for seed in range(count):
        pixels, names = _random_crop(
            np.stack([image] * 3, 2),
            segments,
            crop,
            plain_simulation(**change),
            np.random.default_rng(seed),
        )
        yield pixels[..., 0], names


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("crop", [4, 8, 11])
def test_segments_are_cropped_as_their_picture(mirror, crop):
    numbers = np.arange(60, dtype=np.uint8).reshape(6, 10)
    for image, segments in crops(numbers, numbers.astype(np.int64), crop, mirror=mirror):
        assert image.shape == (crop, crop)
        np.testing.assert_array_equal(image, segments)


def test_every_place_in_every_position_is_drawn_and_only_upright_ones_without_mirror():
    numbers = np.arange(20, dtype=np.uint8).reshape(4, 5)
    places = [numbers[y : y + 3, x : x + 3] for y in range(2) for x in range(3)]
    drawn = {image.tobytes() for image, _ in crops(numbers, None, 3)}
    assert drawn == {place.tobytes() for place in places}
    drawn = {image.tobytes() for image, _ in crops(numbers, None, 3, 600, mirror=True)}
    turned = [turn for place in places for turn in (place, place.T)]
    assert drawn == {turn[::i, ::j].tobytes() for turn in turned for i in (1, -1) for j in (1, -1)}


def test_a_small_picture_is_mirrored_with_its_edge():
    (image, segments), *_ = crops(np.uint8([[1, 2]]), np.array([[1, 2]]), 4)
    np.testing.assert_array_equal(image, [[1, 2, 2, 1]] * 4)
    np.testing.assert_array_equal(segments, [[1, 2, 2, 1]] * 4)


def test_pictures_shrink_by_means_and_grow_linearly_and_segments_stay_whole_numbers(monkeypatch):
    resized, grown = data_module._resize, []

    def watched(image, size, interpolation):
        if image.ndim == 3 and len(image) != size:
            grown.append(size / len(image))
            assert interpolation == (cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR)
        return resized(image, size, interpolation)

    monkeypatch.setattr(data_module, "_resize", watched)
    numbers = np.random.default_rng(0).integers(0, 2, (64, 64)).astype(np.uint8) * 200
    for _, segments in crops(numbers, numbers.astype(np.int64), 16, scale=1.0):
        assert set(np.unique(segments)) <= {0, 200}
    assert 0.5 <= min(grown) < 0.6
    assert 1.7 < max(grown) <= 2


def drawn_pairs(picture, count=40, **change):
    for seed in range(count):
        yield make_pair(
            picture,
            crop=None,
            simulation=plain_simulation(**change),
            rng=np.random.default_rng(seed),
        )


def test_gamma_is_drawn_around_1(pictures):
    sharp = pictures[0].read() / 255
    middle = (sharp > 0.1) & (sharp < 0.9)
    exponents = [
        np.log(pair.truth[middle]) / np.log(sharp[middle])
        for pair in drawn_pairs(pictures[0], gamma=0.5)
    ]
    assert all(np.ptp(exponent) < 1e-3 for exponent in exponents)
    assert 1 / 1.5 - 1e-3 < min(map(np.mean, exponents)) < 0.8
    assert 1.25 < max(map(np.mean, exponents)) < 1.5 + 1e-3


@pytest.mark.parametrize("grey", [0.0, 1.0])
def test_grey_is_the_share_of_pictures_whose_colours_are_averaged(pictures, grey):
    sharp = pictures[0].read() / np.float32(255)
    expected = np.repeat(sharp.mean(2, keepdims=True), 3, 2) if grey else sharp
    for pair in drawn_pairs(pictures[0], 5, grey=grey):
        np.testing.assert_allclose(pair.truth, expected, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_simulation_is_that_of_the_pair(pictures, monkeypatch, share):
    given = []

    def watched(image, mask, **options):
        given.append(options)
        return focus_pair(image, mask, **options)

    monkeypatch.setattr(data_module, "focus_pair", watched)
    change = {"matte": share, "disc": share, "noise": 0.03, "brightness": 0.07, "sigma": (1.5, 2.5)}
    for _ in drawn_pairs(pictures[0], 5, **change):
        options = given.pop()
        assert (options["edges"], options["kernel"]) == (
            ("matte", "disc") if share else ("hard", "gaussian")
        )
        assert (options["noise"], options["brightness"], options["sigma"]) == (
            0.03,
            0.07,
            (1.5, 2.5),
        )


def test_the_sources_change_places_in_half_of_the_pairs(pictures, monkeypatch):
    def named(image, mask, **_):
        return FocusPair("a", "b", image, np.ones(mask.shape, bool))

    monkeypatch.setattr(data_module, "focus_pair", named)
    pairs = list(drawn_pairs(pictures[0], 100))
    assert {(pair.a, pair.b, bool(pair.mask.all())) for pair in pairs} == {
        ("a", "b", True),
        ("b", "a", False),
    }
    assert 35 < sum(pair.a == "b" for pair in pairs) < 65


def test_every_picture_and_every_annotator_is_drawn(pictures, monkeypatch):
    seen = set()
    read = SegmentedPicture.read_segments
    monkeypatch.setattr(
        SegmentedPicture, "read_segments", lambda self, path: seen.add(path) or read(self, path)
    )
    drawn = samples(pictures, simulation=plain_simulation())
    assert len(drawn) == 20
    for number in range(len(drawn)):
        drawn[number]
    assert seen == {path for picture in pictures for path in picture.segments}


def test_random_shapes_take_the_place_of_segments_as_often_as_asked(pictures, tmp_path):
    nowhere = replace(pictures[0], segments=(tmp_path / "not there.png",))
    assert len(list(drawn_pairs(nowhere, 5, shapes=1.0))) == 5
    with pytest.raises(FileNotFoundError, match="not there"):
        list(drawn_pairs(nowhere, 1))


def test_pictures_smaller_than_the_crop_are_mirrored(pictures):
    pair = make_pair(pictures[0], crop=200, simulation=Simulation(), rng=np.random.default_rng(0))
    assert pair.truth.shape == (200, 200, 3)


def test_the_whole_picture_is_taken_without_a_crop(pictures):
    pair = make_pair(pictures[0], crop=None, simulation=Simulation(), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(pair.truth, pictures[0].read() / np.float32(255))


def test_a_crop_within_one_segment_gets_random_shapes(pictures, tmp_path):
    write_labels(tmp_path / "one.png", np.ones((72, 96), int))
    picture = replace(pictures[0], segments=(tmp_path / "one.png",))
    pair = make_pair(picture, crop=32, simulation=Simulation(), rng=np.random.default_rng(0))
    assert 0 < pair.mask.mean() < 1


def test_the_digest_follows_every_file(pictures, tmp_path):
    changed = tmp_path / "p0.png"
    changed.write_bytes(pictures[0].image.read_bytes() + b" ")
    assert pictures_sha256(pictures) == pictures_sha256(list(pictures))
    assert pictures_sha256([replace(pictures[0], image=changed)]) != pictures_sha256(pictures[:1])
    assert pictures_sha256([replace(pictures[0], segments=(changed,))]) != pictures_sha256(
        [replace(pictures[0], segments=())]
    )
