"""Models for other programs: the numbers of the file are those of torch."""

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from seamwise.io.models import Architecture, SegmentationInfo, load_model, save_model
from seamwise.segmentation import export_onnx, load, tile_probabilities
from seamwise.segmentation.export import DESCRIPTION

if find_spec("onnxruntime") is None or find_spec("onnx") is None:
    pytest.skip("needs onnxruntime, onnx", allow_module_level=True)

CLASSES = ("background", "cell", "touching", "gap")


def saved(path, **architecture):
    """A model file with random weights."""
    from seamwise.engine.networks import build_network

    arch = Architecture(
        **{"in_channels": 1, "out_channels": 3, "width": 4, "depth": 2, "norm": "batch"}
        | architecture
    )
    torch.manual_seed(0)
    net = build_network(arch)
    channels = tuple(f"c{i}" for i in range(arch.in_channels))
    info = SegmentationInfo(
        architecture=arch, classes=CLASSES[: arch.out_channels], channels=channels
    )
    save_model(path, net.state_dict(), info)
    return path


def session(path):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"ndim": 3, "depth": 1},
        {"guides": True, "out_channels": 4},
        {"members": 2, "in_channels": 2},
    ],
    ids=["flat", "stack", "guides", "average of two"],
)
def test_probabilities_of_any_size_are_those_of_torch(tmp_path, architecture):
    path = saved(tmp_path / "m.safetensors", **architecture)
    info = export_onnx(path, tmp_path / "m.onnx")
    model = load(path, device="cpu", runtime="torch")
    run = session(tmp_path / "m.onnx")
    ndim, guides = info.architecture.ndim, info.architecture.guides
    for shape in ((8, 12, 16)[-ndim:], (4, 24, 8)[-ndim:]):
        block = np.random.default_rng(1).random((info.architecture.in_channels, *shape))
        block = block.astype(np.float32)
        expected = tile_probabilities(block, model, guides=guides)
        (ours,) = run.run(None, {"image": block[np.newaxis]})
        np.testing.assert_allclose(ours[0], expected, atol=1e-4)
    assert [entry.name for entry in run.get_outputs()] == ["probabilities"]
    assert json.loads(run.get_modelmeta().custom_metadata_map[DESCRIPTION]) == json.loads(
        load_model(path, SegmentationInfo)[1].model_dump_json()
    )


@pytest.mark.usefixtures("in_float32")
def test_a_shipped_model_is_exported(tmp_path):
    export_onnx("nuclei-2d", tmp_path / "n.onnx")
    block = np.random.default_rng(1).random((1, 64, 96)).astype(np.float32)
    model = load("nuclei-2d", device="cpu", runtime="torch")
    (ours,) = session(tmp_path / "n.onnx").run(None, {"image": block[np.newaxis]})
    np.testing.assert_allclose(ours[0, :4], tile_probabilities(block, model), atol=1e-4)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    from seamwise.engine import onnx

    path = saved(tmp_path / "m.safetensors")
    monkeypatch.setattr(onnx.Operations, "relu", lambda self, x: x)
    with pytest.raises(ValueError, match="differs from torch"):
        export_onnx(path, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_other_endings_models_and_a_missing_library_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"ending in \.onnx"):
        export_onnx("nuclei-2d", tmp_path / "m.pt")
    with pytest.raises(ValueError, match="focus-seg"):
        export_onnx("focus-seg", tmp_path / "m.onnx")
    with pytest.raises(FileNotFoundError):
        export_onnx("nothing", tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r'pip install "seamwise\[onnx\]"'):
        export_onnx("nuclei-2d", tmp_path / "m.onnx")
