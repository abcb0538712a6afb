"""Our modules as losses of MONAI, nnU-Net and segmentation_models, called as these call them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from seamwise.losses import (
    CrossEntropy,
    CrossEntropyAndDice,
    CrossEntropyAndYouden,
    Dice,
    DiceAndFocal,
    Focal,
    FocalTversky,
    LovaszSoftmax,
    Tversky,
    Youden,
)
from support.losses import sample

every_module = pytest.mark.parametrize(
    "module",
    [
        CrossEntropy,
        CrossEntropyAndDice,
        CrossEntropyAndYouden,
        Dice,
        DiceAndFocal,
        Focal,
        FocalTversky,
        LovaszSoftmax,
        Tversky,
        Youden,
    ],
)
planes_and_volumes = pytest.mark.parametrize("shape", [(2, 4, 16, 12), (2, 3, 8, 8, 4)])


def halved(shape, seed=0):
    """Logits at two resolutions, and a target with a channel axis, as float numbers."""
    logits, target, weight = sample(shape, seed)
    coarse = functional.avg_pool2d if logits.ndim == 4 else functional.avg_pool3d
    return [logits.float(), coarse(logits.float(), 2)], target.unsqueeze(1).float(), weight


class LikeMonai(nn.Module):
    """What `monai.losses.DeepSupervisionLoss` does: the target takes the size of each output."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, outputs, target):
        total = torch.zeros(())
        for level, logits in enumerate(outputs):
            smaller = functional.interpolate(target, size=logits.shape[2:], mode="nearest-exact")
            total = total + 0.5**level * self.loss(logits, smaller)
        return total


class LikeNNUNet(nn.Module):
    """What nnU-Net's `DeepSupervisionWrapper` does: lists, one entry for each resolution."""

    def __init__(self, loss, factors):
        super().__init__()
        self.loss, self.factors = loss, factors

    def forward(self, *arguments):
        levels = zip(*arguments, strict=True)
        return sum(
            factor * self.loss(*inputs) for factor, inputs in zip(self.factors, levels, strict=True)
        )


def by_hand(loss, outputs, target):
    """The same sum, with integer targets `(N, *S)` taken by index: one pixel of each two."""
    whole = target[:, 0].long()
    # the middle of an output's pixel lies between two of the target, of which the second is taken
    index = (slice(None), *[slice(1, None, 2)] * (whole.ndim - 1))
    return loss(outputs[0], whole) + 0.5 * loss(outputs[1], whole[index])


@every_module
@planes_and_volumes
def test_deep_supervision_as_monai_does_it(module, shape):
    outputs, target, _ = halved(shape)
    loss = module()
    found = LikeMonai(loss)(outputs, target)
    assert found.item() == pytest.approx(by_hand(loss, outputs, target).item(), rel=1e-6)


@pytest.mark.filterwarnings("ignore")  # MONAI's own
@every_module
def test_deep_supervision_of_monai_itself(module):
    losses = pytest.importorskip("monai.losses")
    outputs, target, _ = halved((2, 4, 16, 12))
    outputs = [logits.requires_grad_() for logits in outputs]
    loss = module()
    found = losses.DeepSupervisionLoss(loss)(outputs, target)
    assert found.item() == pytest.approx(by_hand(loss, outputs, target).item(), rel=1e-6)
    found.backward()
    assert all((logits.grad != 0).any() for logits in outputs)


@every_module
@planes_and_volumes
@pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
def test_deep_supervision_as_nnunet_does_it(module, shape, dtype):
    outputs, target, weight = halved(shape)
    loss = module(ignore_index=shape[1])
    target = target.masked_fill(target == -1, shape[1]).to(dtype)
    step = (slice(None), slice(None), *[slice(None, None, 2)] * (target.ndim - 2))
    targets, weights = [target, target[step]], [weight.unsqueeze(1), weight.unsqueeze(1)[step]]
    for arguments in [(outputs, targets), (outputs, targets, weights)]:
        found = LikeNNUNet(loss, (1.0, 0.5))(*arguments)
        plain = [[pixels[:, 0] for pixels in level] for level in arguments[1:]]
        plain[0] = [pixels.long() for pixels in plain[0]]
        expected = LikeNNUNet(loss, (1.0, 0.5))(outputs, *plain)
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_network_with_one_channel_hears_how_to_make_two():
    logits = torch.randn(2, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    target = (logits > 0.3).long()
    with pytest.raises(ValueError, match=r"give torch\.cat\(\[torch\.zeros_like\(x\), x\], 1\)"):
        CrossEntropy()(logits, target)
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    expected = functional.binary_cross_entropy_with_logits(logits, target.float())
    assert CrossEntropy()(two, target).item() == pytest.approx(expected.item(), rel=1e-6)
