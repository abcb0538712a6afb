import pytest
import torch

from seamwise.losses import cross_entropy, youden
from seamwise.segmentation.systems import CLASS_NAMES, system


@pytest.mark.parametrize(
    ("name", "classes", "j"), [("ce2", 2, 0), ("ce3", 3, 0), ("ce4", 4, 0), ("j3", 3, 1), ("j4", 4, 1)]
)
def test_classes_and_loss_of_every_system(name, classes, j):
    chosen = system(name, lam=0.25)
    assert chosen.classes == classes <= len(CLASS_NAMES)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 9, 8, generator=generator)
    target = torch.randint(0, classes, (2, 9, 8), generator=generator)
    expected = cross_entropy(logits, target) + j * youden(logits, target, lam=0.25)
    assert chosen.loss(logits, target).item() == pytest.approx(expected.item())
