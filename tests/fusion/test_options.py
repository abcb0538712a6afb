"""The options of fusion as values."""

import json

import numpy as np
import pytest

from seamwise.fusion import FuseOptions, FuseOutputs
from support.files import one_line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": float("nan")}, "tile must be a whole number, not nan"),
        ({"tile": "512"}, "tile must be a whole number, not '512'"),
        ({"tile": 0}, "tile must be 1 or more, not 0"),
        ({"align": "no"}, "align must be True or False, not 'no'"),
        ({"nearest": 2}, "nearest must be True or False, not 2"),
        ({"crop": None}, "crop must be True or False, not None"),
        ({"exposure": np.array([0, 1])}, "exposure must be True or False"),
        ({"model": 3}, "model must be a name or a path, not 3"),
        (
            {"motion": np.array([1, 2])},
            "motion must be auto or none or shift or similarity or affine or homography",
        ),
    ],
)
def test_an_option_of_another_type_is_named(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        FuseOptions(**options)
    assert one_line(caught)


@pytest.mark.parametrize("options", [{"overwrite": "no"}, {"alignment": 3}, {"depth_map": None}])
def test_what_is_written_is_on_or_off_or_a_path(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"^{name} must be "):
        FuseOutputs(**options)


def test_numbers_of_numpy_are_recorded_as_json_and_equal_plain_ones():
    options = FuseOptions(tile=np.int64(256), align=np.True_)
    plain = FuseOptions(tile=256, align=True)
    assert options == plain
    record = json.loads(json.dumps(options.provenance(None).record()))
    assert plain.provenance(None).difference(record) == ""


def test_auto_stands_for_one_network_for_pairs_and_one_for_more():
    assert FuseOptions().of_burst(2) == FuseOptions(model="focus-pair")
    assert FuseOptions(runtime="openvino").of_burst(2).runtime == "openvino"
    burst = FuseOptions(runtime="openvino float32", nearest=True).of_burst(30)
    assert burst == FuseOptions(model="focus-burst", runtime="openvino float32", nearest=True)
    assert [FuseOptions(mode="together").of_burst(n).model for n in (2, 30)] == ["focus-seg"] * 2
    assert FuseOptions(model="gff").of_burst(30).model == "gff"


def test_a_mode_that_is_not_given_is_that_of_earlier_records():
    record = FuseOptions(model="focus-seg", mode="sequence").provenance("ab").record()
    del record["burst_model_sha256"]  # which they did not have
    assert FuseOptions(model="focus-seg").provenance("ab").difference(record) == ""
    provenance = FuseOptions().provenance("ab", burst_model_sha256="cd")
    assert provenance.difference(record) == "made with a different burst_model file"
