"""Normalisation as a part of an ONNX model: that of `segmentation.normalization`."""

import re
import sys

import numpy as np
import pytest

from seamwise.engine.onnx import Operations
from seamwise.engine.onnx_normalization import normalize
from seamwise.io.models import NormalizationRule
from seamwise.segmentation import normalization
from seamwise.synth import crowded_cells

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(image, rule):
    ndim = image.ndim - 1
    nodes = Operations(ndim)
    output = normalize("image", rule, nodes, ndim)
    axes = ["n", "c", *"zyx"[-ndim:]]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, axes)
        for name in ("image", output)
    ]
    graph = onnx.helper.make_graph(
        nodes.nodes, "test", ends[:1], ends[1:], initializer=nodes.constants
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": image[np.newaxis]})[0][0]


def images(shape):
    rng = np.random.default_rng(0)
    cells = np.clip(crowded_cells(shape, cells=8, rng=0).image * 60, 0, 255).astype(np.float32)
    corner = np.indices(shape).sum(0) < 6
    return {
        "cells": cells,
        "whole numbers": cells.round(),
        "noise": rng.random(shape, np.float32),
        "flat": np.full(shape, 7, np.float32),
        "hot pixels": np.where(rng.random(shape) > 0.999, 6e4, cells).astype(np.float32),
        "few cells": np.where(corner, 200, 3).astype(np.float32),
        "saturated": np.minimum(cells.round() * 3, 255),
    }


@pytest.mark.parametrize("kind", ["percentiles", "contrast", "deviation", "range", "standard"])
@pytest.mark.parametrize("shape", [(48, 60), (16, 28, 24)], ids=["flat", "stack"])
def test_each_channel_is_normalised_as_in_numpy(kind, shape):
    rule = NormalizationRule(kind=kind)
    for name, image in images(shape).items():
        both = np.stack([image, image[::-1] * 2 + 1])
        expected = normalization(both, rule)(both)
        np.testing.assert_allclose(run(both, rule), expected, atol=1e-5, rtol=1e-5, err_msg=name)


def test_its_numbers_are_those_of_the_normalisation():
    from seamwise.engine import onnx_normalization

    original = sys.modules["seamwise.segmentation.normalization"]
    numbers = [name for name in vars(onnx_normalization) if re.fullmatch("_[A-Z_]+", name)]
    shared = [name for name in numbers if hasattr(original, name)]
    assert len(shared) == 9
    for name in shared:
        assert getattr(onnx_normalization, name) == getattr(original, name), name
