import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from seamwise.engine import Resources
from seamwise.io.models import DecodeRule
from seamwise.segmentation import OutputOptions, SegmentOptions
from support.files import one_line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axes": "QQ"}, "axes"),
        ({"mode": "2d"}, "mode must be 3d or 2d-stitch, not '2d'"),
        ({"runtime": "magic"}, "runtime must be auto or torch or openvino or onnx, not 'magic'"),
        ({"channel": -1}, "channel must be 0 or more, not -1"),
        ({"flood_halo": -1}, "flood_halo must be 0 or more, not -1"),
        ({"stitch_iou": 0.5}, "stitch_iou needs mode 2d-stitch"),
        ({"mode": "2d-stitch", "stitch_iou": 2}, r"stitch_iou must be an IoU in \(0, 1\], not 2"),
    ],
)
def test_options_that_no_image_could_satisfy_are_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        SegmentOptions(**options)
    assert one_line(caught)


NUMBERS = ("min_size", "tile", "flood_halo", "scale", "diameter", "channel")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, "3", b"3", {}, True, np.array([1, 2]), 1 + 2j])
def test_a_number_among_the_options_is_a_number(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be ") as caught:
        SegmentOptions(**{name: value} if np.ndim(value) == 0 else {name: [value]})
    assert one_line(caught)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": 2.5}, "tile must be a whole number, not 2.5"),
        ({"channel": ()}, "channel must be a number or several"),
        ({"spacing": 1.0}, "spacing must be 2 or 3 numbers"),
        ({"spacing": (1, 2, 3, 4)}, "spacing must be 2 or 3 numbers"),
        ({"spacing": (1, np.nan)}, "spacing must be a positive number, not nan"),
        ({"flips": "no"}, "flips must be True or False, not 'no'"),
        ({"model": None}, "model must be a name or a path, not None"),
        ({"decode": 3}, "decode must be the name of a rule"),
        ({"axes": 3}, "axes must name Y and X"),
        ({"mode": np.array([1, 2])}, "mode must be 3d or 2d-stitch"),
        ({"mode": "2d-stitch", "stitch_iou": "x"}, "stitch_iou must be an IoU"),
    ],
)
def test_an_option_of_another_type_is_named(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        SegmentOptions(**options)
    assert one_line(caught)


def test_numbers_of_numpy_are_recorded_as_json_and_equal_plain_ones():
    options = SegmentOptions(
        channel=np.array([0, 1]), min_size=np.int64(3), tile=np.float32(512), flips=np.True_,
        scale=np.float32(0.5), spacing=np.array([2, 1]), flood_halo=np.uint8(8),
    )  # fmt: skip
    plain = SegmentOptions(
        channel=(0, 1), min_size=3, tile=512, flips=True, scale=0.5, spacing=(2, 1), flood_halo=8
    )
    assert options == plain
    resources = Resources(memory=np.int64(10**9), workers=np.int64(2))
    record = json.loads(json.dumps(options.provenance("ab12", resources).record()))
    assert plain.provenance("ab12").difference(record) == ""


@pytest.mark.parametrize("name", ["", ".a", "__a", "a/b", 3])
def test_labels_have_a_plain_name(name):
    with pytest.raises(ValueError, match="plain name"):
        OutputOptions(name=name)


def test_options_are_a_value():
    options = SegmentOptions(channel=[0, 1])
    assert options == SegmentOptions(channel=(0, 1))
    assert hash(options) == hash(SegmentOptions(channel=(0, 1)))
    with pytest.raises(FrozenInstanceError):
        options.tile = 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tile": 512}, "made with tile = None, not 512"),
        ({"flood_halo": 8}, "made with flood_halo = 64, not 8"),
        ({"decode": DecodeRule()}, "made with different decode"),
        ({"model": "another name of the same file"}, ""),
    ],
)
def test_every_option_counts_when_labels_are_reused_and_no_resource_does(change, words):
    before = SegmentOptions().provenance("ab12", Resources(memory=10**9)).record()
    assert before["resources"]["memory"] == 10**9
    now = SegmentOptions(**change).provenance("ab12", Resources(device="cpu"))
    assert now.difference(before) == words


def test_records_of_the_first_version_can_be_compared():
    before = {
        "model": "nuclei-2d", "channel": None, "axes": None, "decode": None, "min_size": None,
        "tile": None, "flips": False, "mode": None, "stitch_iou": None, "zarr_version": "0.4",
        "model_sha256": "ab12",
    }  # fmt: skip
    assert SegmentOptions().provenance("ab12").difference(before) == ""
    difference = SegmentOptions(flips=True).provenance("ab12").difference(before)
    assert difference == "made with flips = False, not True"
    assert (
        SegmentOptions().provenance("cd").difference(before) == "made with a different model file"
    )
