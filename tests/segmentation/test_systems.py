from functools import partial

import pytest
import torch

from seamwise import losses
from seamwise.labels import CLASS_NAMES
from seamwise.segmentation.systems import BUILDERS, options_of, system
from seamwise.segmentation.transforms import MAPS


def by_cells(logits, target, weight=None):
    """Weights act on J, not on the cross entropy."""
    j = losses.youden(logits, target, weight=weight, lam=0.25)
    return losses.cross_entropy(logits, target) + j


# classes, loss and weight map as the thesis' chapters 3 to 5 define them
THESIS = {
    "unet2": (2, losses.cross_entropy, "unet"),
    "unet3": (3, losses.cross_entropy, "unet"),
    "fl": (3, losses.focal, "balance"),
    "dwm": (3, losses.cross_entropy, "dwm"),
    "saw": (3, losses.cross_entropy, "saw"),
    "lsmax": (
        3,
        lambda *args, **options: losses.lovasz_softmax(*args, classes=(1, 2), **options),
        None,
    ),
    "bwm": (3, losses.cross_entropy, "balance"),
    "unet": (3, losses.cross_entropy, "unet"),
    "w3": (3, losses.cross_entropy, "w3"),
    "dsc": (
        3,
        lambda *args, **options: losses.cross_entropy(*args, **options) + losses.dice(*args[:2]),
        None,
    ),
    "j3": (
        3,
        lambda *args, **options: (
            losses.cross_entropy(*args, **options) + losses.youden(*args[:2], lam=0.25)
        ),
        None,
    ),
    "j4": (
        4,
        lambda *args, **options: (
            losses.cross_entropy(*args, **options) + losses.youden(*args[:2], lam=0.25)
        ),
        None,
    ),
    "j3_cells": (3, by_cells, "pieces"),
    "j4_cells": (4, by_cells, "pieces"),
    "ce2": (2, losses.cross_entropy, None),
    "ce3": (3, losses.cross_entropy, None),
    "ce4": (4, losses.cross_entropy, None),
    "dice": (3, losses.dice, None),
    "dice_focal": (
        3,
        lambda *args, **options: losses.dice(*args) + losses.focal(*args, **options),
        None,
    ),
    "tversky": (3, losses.tversky, None),
    "focal_tversky": (3, losses.focal_tversky, None),
    "youden": (3, partial(losses.youden, lam=0.25), None),
}


def test_every_system_is_checked():
    assert BUILDERS.keys() == THESIS.keys()


@pytest.mark.parametrize("name", THESIS)
def test_classes_loss_and_map_of_every_system(name):
    classes, loss, weight_map = THESIS[name]
    chosen = system(name, lam=0.25)
    assert chosen.classes == classes <= len(CLASS_NAMES)
    assert chosen.map == weight_map
    assert weight_map is None or weight_map in MAPS
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 9, 8, generator=generator)
    target = torch.randint(-1, classes, (2, 9, 8), generator=generator)
    weight = torch.rand(2, 9, 8, generator=generator)
    for options in ({}, {"weight": weight}):
        torch.testing.assert_close(
            chosen.loss(logits, target, **options), loss(logits, target, **options)
        )


@pytest.mark.parametrize(
    ("name", "pairs"), [("j3", 6), ("j4", 12), ("j3_cells", 6), ("j4_cells", 12)]
)
def test_by_default_j_is_the_mean_over_the_pairs_of_classes(name, pairs):
    chosen = system(name)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, chosen.classes, 9, 8, generator=generator)
    target = torch.randint(0, chosen.classes, (2, 9, 8), generator=generator)
    mean = losses.youden(logits, target, lam=1.0) / pairs
    torch.testing.assert_close(
        chosen.loss(logits, target), losses.cross_entropy(logits, target) + mean
    )


def test_a_matrix_weighs_each_pair_of_classes():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 9, 8, generator=generator)
    target = torch.randint(0, 3, (2, 9, 8), generator=generator)
    rows = ((0.0, 0.5, 0.1), (0.2, 0.0, 0.4), (0.3, 0.0, 0.0))
    expected = losses.cross_entropy(logits, target) + losses.youden(
        logits, target, lam=torch.tensor(rows)
    )
    torch.testing.assert_close(system("j3", lam=rows).loss(logits, target), expected)
    single = tuple(tuple(float(i != k) * 0.25 for k in range(3)) for i in range(3))
    torch.testing.assert_close(
        system("j3", lam=single).loss(logits, target), system("j3", lam=0.25).loss(logits, target)
    )


def test_an_unknown_system_is_named():
    with pytest.raises(ValueError, match=r"loss must be one of unet2, .*, youden, not 'w4'"):
        system("w4")


OPTIONS = {
    "fl": (losses.focal, {"gamma": 0.5}),
    "dice_focal": (losses.dice_and_focal, {"gamma": 1.5, "focal_weight": 3.0}),
    "tversky": (losses.tversky, {"alpha": 0.9, "beta": 0.2}),
    "focal_tversky": (losses.focal_tversky, {"alpha": 0.9, "beta": 0.2, "gamma": 2.5}),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_loss_takes_its_options(name):
    loss, options = OPTIONS.get(name, (None, {}))
    assert options_of(name) == tuple(options)
    with pytest.raises(ValueError, match=f"loss {name} has no option 'sigma'"):
        system(name, options={"sigma": 1.0})
    if loss is None:
        return
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 9, 8, generator=generator)
    target = torch.randint(0, 3, (2, 9, 8), generator=generator)
    chosen = system(name, options=options).loss(logits, target)
    assert torch.equal(chosen, loss(logits, target, **options))
    assert not torch.equal(chosen, loss(logits, target))
