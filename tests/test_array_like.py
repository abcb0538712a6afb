"""Tensors that NumPy cannot take are refused with the call that helps."""

import numpy as np
import pytest
import torch

from seamwise import decode, labels, metrics, weights
from seamwise.array_like import as_array


def test_arrays_and_tensors_are_taken():
    assert as_array([[1, 2]], name="x").tolist() == [[1, 2]]
    assert as_array(torch.arange(3), name="x").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("tensor", "advice"),
    [
        (torch.ones(2, dtype=torch.bfloat16), r"\.float\(\) first"),
        (torch.ones(2, requires_grad=True), r"\.detach\(\) first"),
        (torch.ones(2, dtype=torch.bfloat16, requires_grad=True), r"\.detach\(\)\.float\(\) first"),
        (torch.ones(2, device="meta"), r"\.cpu\(\) first"),
    ],
)
def test_the_call_that_helps_is_named(tensor, advice):
    with pytest.raises(TypeError, match=rf"maps is a tensor .*: call {advice}"):
        as_array(tensor, name="maps")


def test_other_errors_stay():
    with pytest.raises(ValueError, match="inhomogeneous"):
        as_array([[1, 2], [3]], name="x")


@pytest.mark.parametrize(
    "call",
    [
        lambda x: metrics.match(x, x),
        lambda x: labels.semantic_target(x, classes=3),
        lambda x: weights.w3(x, np.zeros((4, 4), int)),
        lambda x: decode.argmax(x[None].expand(3, 4, 4)),
    ],
)
def test_public_functions_say_it(call):
    with pytest.raises(TypeError, match=r"bfloat16 .*\.float\(\)"):
        call(torch.zeros(4, 4, dtype=torch.bfloat16))
