import json

import pytest
import torch
from safetensors.torch import save_file

from seamwise.io.models import (
    FORMAT_VERSION,
    Architecture,
    DecodeRule,
    FusionInfo,
    NormalizationRule,
    SegmentationInfo,
    ThresholdPair,
    TuningRecord,
    WatershedPair,
    describe_model,
    load_arrays_of_model,
    load_model,
    model_path,
    renamed_note,
    save_model,
    shipped_models,
)

INFO = SegmentationInfo(
    architecture=Architecture(in_channels=1, out_channels=4, width=2, norm="batch"),
    classes=("background", "cell", "touching", "gap"),
    channels=("DAPI",),
    spacing=(0.5, 0.5),
    decode=DecodeRule(min_size=20),
    training={"settings": {"steps": 3}, "images": ["a", "b"]},
)
WEIGHTS = {"head.weight": torch.randn(4, 2, 1, 1), "steps": torch.tensor(3)}


def test_a_segmentation_has_four_classes_at_most():
    net = INFO.architecture.model_copy(update={"out_channels": 5})
    with pytest.raises(ValueError, match="at most 4 items"):
        SegmentationInfo(architecture=net, classes=tuple("abcde"), channels=("DAPI",))


@pytest.fixture
def path(tmp_path):
    save_model(tmp_path / "m.safetensors", WEIGHTS, INFO)
    return tmp_path / "m.safetensors"


def test_what_is_saved_comes_back(path):
    weights, info = load_model(path, SegmentationInfo)
    assert info == INFO
    assert weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_channels_last_weights_are_saved_by_value(tmp_path):
    weight = torch.randn(3, 4, 3, 3).to(memory_format=torch.channels_last)
    save_model(tmp_path / "m.safetensors", {"w": weight}, INFO)
    assert torch.equal(load_model(tmp_path / "m.safetensors", SegmentationInfo)[0]["w"], weight)


def rewrite(path, **changes):
    fields = json.loads(INFO.model_dump_json()) | changes
    save_file({"w": torch.zeros(1)}, path, metadata={"seamwise": json.dumps(fields)})


def test_a_newer_version_asks_for_an_update(path):
    rewrite(path, format_version=99)
    with pytest.raises(ValueError, match=r"format version 99, this seamwise reads up to 4: update"):
        load_model(path, SegmentationInfo)


def test_version_1_is_read_and_written_again_as_the_present_one(path):
    old = json.loads(INFO.model_dump_json())
    del (
        old["architecture"]["members"],
        old["decode"]["threshold"],
        old["decode"]["watershed"],
        old["task"],
    )
    save_file(
        {"w": torch.zeros(1)}, path, metadata={"seamwise": json.dumps(old | {"format_version": 1})}
    )
    weights, info = load_model(path, SegmentationInfo)
    assert info == INFO.model_copy(update={"format_version": 1})
    save_model(path, weights, info)
    assert load_model(path, SegmentationInfo)[1] == INFO
    assert FORMAT_VERSION == INFO.format_version == 4


def test_the_shipped_models_of_nuclei_decode_by_relief_and_are_small():
    path = model_path("nuclei-2d")
    _, info = load_model(path, SegmentationInfo)
    assert (info.format_version, info.architecture.guides) == (4, True)
    assert (info.decode.rule, info.normalization.kind) == ("relief", "contrast")
    assert path.stat().st_size < 16e6


def older_file(path):
    """A file as the first version wrote it: fewer fields, no task."""
    fields = {
        "format_version": 1,
        "architecture": {"name": "unet", "in_channels": 1, "out_channels": 4, "width": 2},
        "classes": ["background", "cell", "touching", "gap"],
        "channels": ["grey"],
        "spacing": None,
        "normalization": {"low": 1.0, "high": 99.8},
        "decode": {"rule": "argmax", "gap": "second", "min_size": 9},
        "training": {},
    }
    save_file({"a": torch.zeros(1)}, path, metadata={"seamwise": json.dumps(fields)})
    return path


def test_a_model_of_an_older_version_decodes_as_it_did(tmp_path):
    _, info = load_model(older_file(tmp_path / "old.safetensors"), SegmentationInfo)
    assert info.format_version == 1 < FORMAT_VERSION
    assert not info.architecture.guides
    assert info.normalization == NormalizationRule(kind="percentiles", low=1, high=99.8)
    assert not info.decode.is_guided


TUNED = DecodeRule(
    rule="watershed",
    min_size=9,
    threshold=ThresholdPair(touching=0.1, cell=0.5),
    watershed=WatershedPair(
        background=0.3,
        cell=0.9,
        background_as="mask",
        tuning=TuningRecord(
            panoptic_quality=0.8,
            argmax_panoptic_quality=0.7,
            images=3,
            grid="0.1 to 0.9 by 0.1",
            decodings=30,
        ),
    ),
)


def test_tuned_thresholds_and_members_come_back(path):
    architecture = INFO.architecture.model_copy(update={"members": 3})
    info = INFO.model_copy(update={"decode": TUNED, "architecture": architecture})
    save_model(path, WEIGHTS, info)
    assert load_model(path, SegmentationInfo)[1] == info


def test_the_pair_is_that_of_the_rule():
    assert TUNED.pair == TUNED.watershed
    assert TUNED.with_name("threshold").pair == TUNED.threshold
    assert TUNED.with_name("argmax").pair is None
    assert TUNED.with_name("argmax").watershed == TUNED.watershed
    assert TUNED.rule == "watershed"


def test_a_rule_without_its_thresholds_is_refused():
    with pytest.raises(ValueError, match="rule 'threshold' needs its thresholds"):
        DecodeRule(rule="threshold", watershed=TUNED.watershed)
    with pytest.raises(
        ValueError,
        match=r"no thresholds for decode 'watershed'.*`seamwise tune MODEL DATA --decode w",
    ):
        DecodeRule(threshold=TUNED.threshold).with_name("watershed")
    with pytest.raises(
        ValueError, match="decode must be one of argmax, threshold, watershed, relief, not 'otsu'"
    ):
        TUNED.with_name("otsu")


@pytest.mark.parametrize(
    "pair", [{"touching": 1.5, "cell": 0.5}, {"touching": 0.1, "cell": -0.1}, {"touching": 0.1}]
)
def test_thresholds_are_probabilities(path, pair):
    rewrite(path, decode={"rule": "threshold", "threshold": pair})
    with pytest.raises(ValueError, match=r"damaged: decode\.threshold\.(touching|cell)"):
        load_model(path, SegmentationInfo)


def test_a_file_whose_rule_has_no_thresholds_is_damaged(path):
    rewrite(path, decode={"rule": "watershed"})
    with pytest.raises(ValueError, match=r"damaged: decode: .*watershed"):
        load_model(path, SegmentationInfo)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"architecture": {"in_channels": 0, "out_channels": 4}}, "in_channels"),
        ({"classes": None}, "classes"),
        ({"surprise": 1}, "surprise"),
        ({"spacing": [0, 0.5]}, "spacing"),
        ({"spacing": [0.5]}, "spacing must have 2 numbers, not 1"),
        ({"spacing": [0.5, float("inf")]}, "spacing"),
        ({"diameters": [0, 0, 0]}, "diameters"),
        ({"diameters": [30, 20, 10]}, "diameters must ascend"),
        ({"activations": [1.5, 2.5]}, "activations must have .* numbers .* not 2 and 1"),
        ({"activations": []}, "activations must have .* not 0 and 1"),
        ({"activations": [1, 2, float("nan")]}, "activations.2"),
        ({"activations": [0, 2]}, "activations.0"),
    ],
)
def test_a_wrong_description_is_named(path, change, word):
    rewrite(path, **change)
    with pytest.raises(ValueError, match=rf"damaged: .*{word}"):
        load_model(path, SegmentationInfo)


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_truncated_files_are_said(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"cannot read model file .*m\.safetensors"):
        load_model(path, SegmentationInfo)


def test_another_programs_file_is_said(path):
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="without seamwise's description"):
        load_model(path, SegmentationInfo)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_model(tmp_path / "no.safetensors", SegmentationInfo)


def test_names_of_shipped_models_and_paths():
    assert {"nuclei-2d", "phase-2d"} <= set(shipped_models())
    assert model_path("nuclei-2d").name == "nuclei-2d.safetensors"
    with pytest.raises(FileNotFoundError, match="nuclei-2d"):
        model_path("nothing")


def test_every_shipped_model_has_a_card_and_fits_its_description():
    from seamwise.engine.networks import load_network

    for name, path in shipped_models().items():
        assert path.stat().st_size <= 16_000_000
        card = path.with_suffix(".md").read_text()
        assert name in card
        assert "Licence" in card
        load_network(name, type(describe_model(path)))


def test_an_earlier_name_stands_for_the_present_one_and_is_noted(tmp_path, monkeypatch):
    assert model_path("tissue-3d") == model_path("walls-3d") == shipped_models()["walls-3d"]
    assert renamed_note("tissue-3d").startswith("tissue-3d is now named walls-3d")
    assert renamed_note("walls-3d") == renamed_note(tmp_path / "mine.safetensors") == ""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tissue-3d").touch()
    assert model_path("tissue-3d").name == "tissue-3d"
    assert renamed_note("tissue-3d") == ""


def test_the_shipped_model_of_nuclei_in_stacks_takes_cubic_voxels():
    path = model_path("nuclei-3d")
    _, info = load_model(path, SegmentationInfo)
    assert (info.architecture.ndim, info.architecture.guides) == (3, True)
    assert (info.isotropic, info.zoom) == (True, 0.5)
    assert (info.decode.rule, info.normalization.kind) == ("relief", "contrast")
    assert path.stat().st_size < 16e6


def test_a_task_that_is_not_a_word_is_unknown(path):
    rewrite(path, task=["segmentation"])
    with pytest.raises(ValueError, match="does not know: update seamwise"):
        load_model(path, SegmentationInfo)


def test_known_diameters_are_those_of_an_image_that_is_not_magnified_yet():
    info = describe_model(shipped_models()["nuclei-2d"])
    half = info.model_copy(update={"zoom": 0.5, "diameters": (8.0, 20.0, 50.0)})
    assert half.known_diameters == (16, 40, 100)
    assert info.model_copy(update={"diameters": None}).known_diameters is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("load", [load_model, load_arrays_of_model])
def test_weights_that_are_not_finite_are_damaged(path, load, value):
    save_model(path, WEIGHTS | {"bias": torch.tensor([1, value])}, INFO)
    with pytest.raises(ValueError, match=r"m\.safetensors is damaged \(bias has NaN or infinite"):
        load(path, SegmentationInfo)


def test_a_network_of_bands_has_a_logit_that_decides_and_more_for_each_source(tmp_path):
    net = Architecture(in_channels=6, out_channels=5, width=2, depth=1)
    with pytest.raises(ValueError, match="6 input and 4, 6, 8 … output channels"):
        FusionInfo(architecture=net, output="bands")
    fields = json.loads(
        FusionInfo(
            architecture=net.model_copy(update={"out_channels": 4}), output="bands"
        ).model_dump_json()
    )
    fields["architecture"]["out_channels"] = 5
    save_file({"w": torch.zeros(1)}, tmp_path / "m", metadata={"seamwise": json.dumps(fields)})
    with pytest.raises(ValueError, match=r"m is damaged: a fusion network .* copy it again"):
        load_model(tmp_path / "m", FusionInfo)


@pytest.mark.parametrize(
    ("output", "outputs", "words"),
    [
        ("bands", 13, "for bands must have 2D, 2 input and 4, 6, 8 … output channels"),
        ("selection", 3, "for selection must have 2D, 2 input and 2 output channels"),
    ],
)
def test_a_fusion_network_with_other_outputs_is_told_which_it_may_have(output, outputs, words):
    net = Architecture(in_channels=2, out_channels=outputs)
    with pytest.raises(ValueError, match=words):
        FusionInfo(architecture=net, output=output, colours=1)
