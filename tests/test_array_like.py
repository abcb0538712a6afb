"""Tensors are taken as arrays are, wherever they are and whatever is computed for them."""

import numpy as np
import pytest
import torch

from seamwise import decode, labels, metrics, weights
from seamwise.array_like import as_array
from support.probabilities import random_probabilities

PROBABILITIES = random_probabilities((20, 30), np.random.default_rng(0))
CELLS = np.array([[1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [0, 0, 0, 3, 3]])


def test_arrays_and_tensors_are_taken():
    assert as_array([[1, 2]], name="x").tolist() == [[1, 2]]
    assert as_array(torch.arange(3), name="x").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.full((2,), 0.5, dtype=torch.bfloat16),
        torch.full((2,), 0.5, requires_grad=True),
        torch.full((2,), 0.5, dtype=torch.bfloat16, requires_grad=True),
        torch.full((2,), 0.25, requires_grad=True) * 2,
    ],
)
def test_a_tensor_in_training_is_taken(tensor):
    array = as_array(tensor, name="maps", real=True)
    assert array.tolist() == [0.5, 0.5]
    assert array.dtype == np.float32


def test_a_tensor_elsewhere_is_copied():
    class Elsewhere:
        """Like a tensor of a GPU: only what `cpu` returns can be read."""

        def detach(self):
            return self

        def cpu(self):
            return torch.arange(3)

    assert as_array(Elsewhere(), name="x").tolist() == [0, 1, 2]


def test_numbers_of_cells_are_refused_where_they_were_rounded():
    with pytest.raises(TypeError, match="cells must be a tensor of integers, not of bfloat16"):
        as_array(torch.ones(2, dtype=torch.bfloat16), name="cells")


def test_other_errors_stay():
    with pytest.raises(ValueError, match="inhomogeneous"):
        as_array([[1, 2], [3]], name="x")


@pytest.mark.parametrize(
    "decoder", [decode.argmax, decode.threshold, decode.watershed, decode.semantic_classes]
)
def test_decoders_take_the_output_of_a_network_as_it_comes(decoder):
    tensor = torch.from_numpy(PROBABILITIES).requires_grad_()
    np.testing.assert_array_equal(decoder(tensor), decoder(PROBABILITIES))
    short = tensor.bfloat16()
    np.testing.assert_array_equal(decoder(short), decoder(short.detach().float().numpy()))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: metrics.match(x, x),
        lambda x: labels.semantic_target(x, classes=3),
        lambda x: weights.w3(x, CELLS.clip(0, 1)),
    ],
)
def test_labels_of_bfloat16_are_refused(call):
    call(torch.from_numpy(CELLS))
    with pytest.raises(TypeError, match=r"integers, not of bfloat16"):
        call(torch.from_numpy(CELLS).to(torch.bfloat16))
