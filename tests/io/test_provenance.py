"""Whether an earlier result may be reused: one comparison, one wording."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from seamwise.io.models import DecodeRule
from seamwise.io.provenance import Provenance, file_sha256


@dataclass(frozen=True)
class Settings:
    """As those of a training."""

    crop: tuple[int, ...] = (64, 64)
    rate: float = 0.1
    folder: Path = Path("a")


def kept(provenance):
    return json.loads(json.dumps(provenance.record()))


def test_a_record_that_json_has_held_is_equal_to_itself():
    provenance = Provenance({"settings": Settings(), "rule": DecodeRule(), "images": ("a", "b")})
    assert provenance.difference(kept(provenance)) == ""


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"tile": 512}, {"tile": 256}, "made with tile = 512, not 256"),
        ({"tile": None}, {"tile": 256}, "made with tile = None, not 256"),
        ({"a": 1, "b": 1}, {"b": 2, "a": 2}, "made with b = 1, not 2"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, "made with a.b.c = 1, not 2"),
        ({"a": None}, {"a": {"b": 1}}, "made with different a"),
        ({"crop": [64, 64]}, {"crop": (64, 32)}, "made with crop = [64, 64], not [64, 32]"),
        ({"images": list("abcdefgh")}, {"images": list("abcdefg")}, "made with different images"),
        ({"images": [["a", "1"]]}, {"images": [["a", "2"]]}, "made with different images"),
        ({"model_sha256": "a"}, {"model_sha256": "b"}, "made with a different model file"),
        ({"image_written": 1}, {"image_written": 2}, "made with a different image file"),
    ],
)
def test_the_first_difference_is_named_with_before_and_now(before, now, words):
    assert Provenance(now).difference(kept(Provenance(before))) == words


def test_notes_are_recorded_and_never_compared():
    before = Provenance({"tile": 1}, notes={"model": "a"}).record()
    assert before == {"tile": 1, "model": "a"}
    assert Provenance({"tile": 1}, notes={"model": "b"}).difference(before) == ""


def test_fields_that_an_older_record_lacks_have_their_old_defaults():
    defaults = {"runtime": "torch", "settings": {"rate": 0.1}}

    def now(runtime, rate):
        return Provenance({"runtime": runtime, "settings": Settings(rate=rate)}, defaults=defaults)

    before = {"settings": {"crop": [64, 64], "folder": "a"}}
    assert now("torch", 0.1).difference(before) == ""
    assert now("onnx", 0.1).difference(before) == "made with runtime = torch, not onnx"
    assert now("torch", 0.2).difference(before) == "made with settings.rate = 0.1, not 0.2"
    assert now("torch", 0.1).difference({**before, "runtime": "onnx"}) != ""


def test_fields_that_are_gone_are_ignored():
    assert Provenance({"tile": 1}).difference({"tile": 1, "zarr_version": "0.4"}) == ""


def test_the_fingerprint_is_that_of_the_inputs_in_any_order():
    one = Provenance({"a": 1, "b": (2, 3)}, notes={"c": 4})
    assert one.fingerprint() == Provenance({"b": [2, 3], "a": 1}).fingerprint()
    assert one.fingerprint() != Provenance({"a": 1, "b": [3, 2]}).fingerprint()


def test_a_file_is_its_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "a") == expected
