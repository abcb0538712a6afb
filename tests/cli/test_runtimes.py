"""`--runtime` of `segment` and `fuse`: what is recorded, kept, refused and reported."""

import json
import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
import torch

from seamwise.engine import describe_runtime

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs openvino")


@pytest.fixture
def without_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)


def recorded(folder):
    return json.loads((folder / "seamwise.json").read_text())["runtime"]


@needs_openvino
def test_results_keep_their_runtime_and_auto_goes_on_with_it(run, images, tmp_path, model):
    out, end = tmp_path / "out", ("--model", model, "--device", "cpu")
    assert run("segment", images / "a.png", "-o", out, *end)[0] == 0
    assert recorded(out).startswith("openvino ")
    run("segment", images / "a.png", "-o", out, *end, "--runtime", "torch", "--overwrite")
    assert run("segment", images, "-o", out, *end)[0] == 0
    assert recorded(out) == "torch"
    code, _, err = run("segment", images, "-o", out, *end, "--runtime", "openvino")
    assert code == 2
    assert "made with runtime = torch, not openvino " in err
    assert run("segment", images, "-o", out, *end, "--overwrite")[0] == 0
    assert recorded(out).startswith("openvino ")


def test_a_record_without_a_precision_is_resumed(run, images, tmp_path, model):
    out, end = tmp_path / "out", ("--model", model, "--device", "cpu", "--runtime", "torch")
    assert run("segment", images / "a.png", "-o", out, *end)[0] == 0
    path = out / "seamwise.json"
    record = json.loads(path.read_text())
    assert record.pop("precision") in ("float32", "bfloat16")
    path.write_text(json.dumps(record))
    assert run("segment", images, "-o", out, *end)[0] == 0
    assert json.loads(path.read_text())["precision"]


@needs_openvino
def test_a_single_file_is_overwritten_in_the_runtime_of_the_others(run, images, tmp_path, model):
    out, end = tmp_path / "out", ("--model", model, "--device", "cpu")
    run("segment", images, "-o", out, *end, "--runtime", "torch")
    assert run("segment", images / "a.png", "-o", out, *end, "--overwrite")[0] == 0
    assert recorded(out) == "torch"


def test_a_runtime_that_only_the_record_names_is_explained(run, images, tmp_path, model):
    out, end = tmp_path / "out", ("--model", model, "--device", "cpu")
    run("segment", images / "a.png", "-o", out, *end)
    record = json.loads((out / "seamwise.json").read_text())
    record["runtime"] = "openvino bfloat16"
    (out / "seamwise.json").write_text(json.dumps(record))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        code, _, err = run("segment", images, "-o", out, *end)
    assert code == 2
    assert "out holds results made with runtime openvino bfloat16, which cannot be used" in err
    assert err.strip().endswith("write to another folder, or --overwrite all of them")
    assert run("segment", images, "-o", out, *end, "--overwrite")[0] == 0


@needs_openvino
def test_a_burst_is_fused_in_the_runtime_that_is_named_and_a_folder_keeps_it(run, burst, tmp_path):
    out, end = tmp_path / "out", ("--no-align", "--device", "cpu")
    shutil.copy(next(burst.glob("*.png")), burst / "third.png")
    (tmp_path / "bursts").mkdir()
    one = shutil.move(burst, tmp_path / "bursts" / "one")
    assert run("fuse", tmp_path / "bursts", "-o", out, *end, "--runtime", "torch")[0] == 0
    shutil.copytree(one, tmp_path / "bursts" / "two")
    assert run("fuse", tmp_path / "bursts", "-o", out, *end)[0] == 0
    assert recorded(out) == "torch"
    code, _, err = run("fuse", tmp_path / "bursts", "-o", out, *end, "--runtime", "openvino")
    assert code == 2
    assert "made with runtime = torch, not openvino float32" in err
    assert run("fuse", tmp_path / "bursts", "-o", out, *end, "--overwrite")[0] == 0
    assert recorded(out) == "openvino float32"
    # pairs in the same folder are fused in the same runtime, and the record stays
    (tmp_path / "bursts" / "two" / "third.png").unlink()
    (out / "two.png").unlink()
    assert run("fuse", tmp_path / "bursts", "-o", out, *end)[0] == 0
    assert recorded(out).startswith("openvino ")


@needs_openvino
def test_all_runtimes_find_the_same_cells(run, images, tmp_path):
    labels = []
    for runtime in ("torch", "openvino"):
        out = tmp_path / runtime
        assert run("segment", images / "a.png", "-o", out, "--runtime", runtime)[0] == 0
        labels.append(tifffile.imread(out / "a.tif"))
    assert labels[0].max() > 3
    assert np.mean(labels[0] == labels[1]) >= 0.999


@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_one_line_tells_what_it_would_bring(run, images, tmp_path, model):
    arguments = ("segment", images, "-o", tmp_path / "out", "--model", model, "--device", "cpu")
    code, _, err = run(*arguments)
    assert code == 0
    (line,) = [line for line in err.splitlines() if "OpenVINO" in line]
    assert line.endswith('pip install "seamwise[fast]"')
    assert recorded(tmp_path / "out") == "torch"
    assert "OpenVINO" not in "".join(run("-q", *arguments, "--overwrite")[1:])
    assert "OpenVINO" not in "".join(run(*arguments, "--overwrite", "--runtime", "torch")[1:])


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize("frames", [2, 3])
def test_fuse_tells_it_too(run, burst, tmp_path, frames):
    if frames == 3:
        shutil.copy(next(burst.glob("*.png")), burst / "third.png")
    arguments = ("fuse", burst, "-o", tmp_path / "sharp.png", "--no-align", "--device", "cpu")
    assert run(*arguments)[2].count("OpenVINO") == 1
    assert "OpenVINO" not in "".join(run("-q", *arguments, "--overwrite")[1:])


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize("command", ["segment", "fuse", "fuse three"])
def test_a_runtime_that_is_named_and_missing_is_an_error(run, images, burst, tmp_path, command):
    if command == "fuse three":
        shutil.copy(next(burst.glob("*.png")), burst / "third.png")
        command = "fuse"
    source = {"segment": images, "fuse": burst}[command]
    output = tmp_path / {"segment": "out", "fuse": "sharp.png"}[command]
    code, _, err = run(command, source, "-o", output, "--runtime", "openvino")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "runtime openvino is not available" in err
    assert 'pip install "seamwise[fast]"' in err
    assert not output.exists()


def test_another_word_is_refused(run, images, tmp_path):
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--runtime", "tensorrt")
    assert code == 2
    assert "--runtime must be auto, torch, openvino or onnx, not 'tensorrt'" in err


@needs_openvino
def test_fused_pictures_keep_their_runtime(run, burst, tmp_path):
    out, end = tmp_path / "out", ("--no-align", "--device", "cpu")
    (tmp_path / "bursts").mkdir()
    burst = shutil.move(burst, tmp_path / "bursts" / "one")
    assert run("fuse", tmp_path / "bursts", "-o", out, *end, "--runtime", "torch")[0] == 0
    shutil.copytree(burst, tmp_path / "bursts" / "two")
    assert run("fuse", tmp_path / "bursts", "-o", out, *end)[0] == 0
    assert recorded(out) == "torch"
    code, _, err = run("fuse", tmp_path / "bursts", "-o", out, *end, "--runtime", "openvino")
    assert code == 2
    assert "made with runtime = torch, not openvino " in err
    assert run("fuse", tmp_path / "bursts", "-o", out, *end, "--overwrite")[0] == 0
    assert recorded(out).startswith("openvino ")


def test_classical_methods_have_no_runtime(run, burst, tmp_path):
    (tmp_path / "bursts").mkdir()
    shutil.move(burst, tmp_path / "bursts" / "one")
    arguments = ("fuse", tmp_path / "bursts", "-o", tmp_path / "out", "--method", "dct")
    code, _, err = run(*arguments, "--runtime", "openvino")
    assert code == 2
    assert "runtime is an option of networks: remove it" in err
    assert run(*arguments)[0] == 0
    assert recorded(tmp_path / "out") == "torch"  # as earlier versions recorded it


@pytest.mark.parametrize("arguments", [("info",), ("-v", "segment")])
def test_what_auto_is_can_be_read(run, images, tmp_path, model, arguments):
    if "segment" in arguments:
        arguments += (images, "-o", tmp_path / "out", "--model", model, "--device", "cpu")
    _, out, err = run(*arguments)
    (line,) = [line for line in (out + err).splitlines() if line.startswith("runtime auto")]
    assert describe_runtime(torch.device("cpu")) in line


@needs_openvino
def test_results_of_another_model_are_refused_for_that_reason(run, images, tmp_path):
    arguments = ("segment", images / "a.png", "-o", tmp_path / "out", "--device", "cpu")
    assert run(*arguments)[0] == 0
    assert recorded(tmp_path / "out") == "openvino int8"
    code, _, err = run(*arguments, "--model", "phase-2d")  # it has no ranges for int8
    assert code == 2
    assert "made with a different model file" in err


@needs_openvino
def test_pictures_of_a_network_are_refused_for_that_reason(run, burst, tmp_path):
    (tmp_path / "bursts").mkdir()
    shutil.move(burst, tmp_path / "bursts" / "one")
    arguments = ("fuse", tmp_path / "bursts", "-o", tmp_path / "out", "--no-align")
    assert run(*arguments, "--device", "cpu")[0] == 0
    code, _, err = run(*arguments, "--method", "dct")
    assert code == 2
    assert "made with method = network, not dct" in err
