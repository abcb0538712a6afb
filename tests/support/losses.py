"""Random input for the tests of losses."""

import torch


def sample(shape=(2, 4, 6, 5), seed=0):
    """Float64 logits of this shape, a target of all classes and ignored pixels, weights of 0..3."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    target = torch.randint(-1, shape[1], (shape[0], *shape[2:]), generator=generator)
    weight = torch.rand(target.shape, generator=generator, dtype=torch.float64) * 3
    return logits, target, weight


def joined(logits, target):
    """The batch as one sample in one dimension: the same pixels."""
    return logits.flatten(2).transpose(0, 1).flatten(1)[None], target.flatten()[None]
