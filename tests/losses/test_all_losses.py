"""What holds for every classification loss, whatever the order, the dtype and what is ignored."""

import inspect
from functools import partial

import pytest
import torch
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
    cross_entropy,
    cross_entropy_and_dice,
    cross_entropy_and_youden,
    dice,
    dice_and_focal,
    focal,
    focal_tversky,
    lovasz_softmax,
    tversky,
    youden,
)
from seamwise.losses.inputs import as_target
from support.long_tests import nightly
from support.losses import joined, sample

MODULES = {
    cross_entropy: CrossEntropy,
    cross_entropy_and_dice: CrossEntropyAndDice,
    cross_entropy_and_youden: CrossEntropyAndYouden,
    dice: Dice,
    dice_and_focal: DiceAndFocal,
    focal: Focal,
    focal_tversky: FocalTversky,
    lovasz_softmax: LovaszSoftmax,
    tversky: Tversky,
    youden: Youden,
}
LOSSES = {
    **{loss.__name__: loss for loss in MODULES},
    "focal, gamma 1/2": partial(focal, gamma=0.5),
    "dice per sample": partial(dice, per_sample=True),
    "focal_tversky per sample": partial(focal_tversky, gamma=0.7, per_sample=True),
    "tversky per sample": partial(tversky, alpha=0.1, beta=2.0, per_sample=True),
    "lovasz_softmax per sample": partial(lovasz_softmax, per_sample=True),
    "lovasz_softmax, two classes": partial(lovasz_softmax, classes=(2, 1)),
    "youden per sample": partial(youden, per_sample=True),
}
POOLED = [name for name in LOSSES if "per sample" not in name]
# with nothing but the cross entropy weighted, the other term remains when all weights are 0
WEIGHTED_THROUGHOUT = [name for name in LOSSES if "_and_" not in name]
# counts of pixels: a weight of 2 is two pixels
_REGION = ("dice", "focal_tversky", "tversky", "lovasz", "youden")
REGION = [name for name in WEIGHTED_THROUGHOUT if name.startswith(_REGION)]

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def some(names):
    return pytest.mark.parametrize("loss", [LOSSES[name] for name in names], ids=names)


def evaluate(loss, logits, target, **options):
    """Value and gradient of the loss."""
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf, target, **options)
    value.backward()
    return value.detach(), leaf.grad


def assert_finite(loss, logits, target, **options):
    value, gradient = evaluate(loss, logits, target, **options)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    return value, gradient


def assert_nothing(value, gradient):
    assert value.item() == 0
    assert (gradient == 0).all()


def assert_close(found, expected, tolerance):
    """Value and gradient differ by less than the tolerance times the largest of each."""
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() < tolerance * b.abs().max()


# --- nothing there -------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("ignore_index", [-1, 2, 255])
def test_everything_ignored_is_0_with_a_gradient_of_0(loss, dtype, ignore_index):
    logits, target, weight = sample()
    target = torch.full_like(target, ignore_index)
    assert_nothing(*evaluate(loss, logits.to(dtype), target, ignore_index=ignore_index))
    weight = torch.full_like(weight, torch.nan)
    assert_nothing(
        *evaluate(loss, logits.to(dtype), target, weight=weight, ignore_index=ignore_index)
    )


@some(WEIGHTED_THROUGHOUT)
def test_weights_of_0_are_0_with_a_gradient_of_0(loss):
    logits, target, weight = sample()
    assert_nothing(*evaluate(loss, logits, target, weight=0 * weight))
    assert_nothing(*evaluate(loss, logits.half(), target, weight=0 * weight))


@every_loss
def test_a_sample_with_nothing_valid_has_no_gradient_and_spoils_none(loss):
    logits, target, weight = sample((3, 4, 6, 5))
    target[1] = -1
    _, gradient = assert_finite(loss, logits, target, weight=weight)
    assert (gradient[1] == 0).all()
    assert (gradient[[0, 2]] != 0).any()


@some([name for name in LOSSES if "per sample" in name])
def test_per_sample_a_sample_with_nothing_valid_counts_as_0(loss):
    logits, target, weight = sample((3, 4, 6, 5))
    target[1] = -1
    rest = loss(logits[[0, 2]], target[[0, 2]], weight=weight[[0, 2]])
    assert loss(logits, target, weight=weight).item() == pytest.approx(rest.item() * 2 / 3)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("present", [(0,), (3,), (1, 2), (0, 1, 3)])
def test_absent_classes_give_no_nan(loss, dtype, present):
    logits, target, weight = sample()
    target[~torch.isin(target, torch.tensor(present))] = -1
    assert_finite(loss, logits.to(dtype), target)
    assert_finite(loss, logits.to(dtype), target, weight=weight)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_class_of_one_pixel_gives_no_nan_and_is_trained(loss, dtype):
    logits, target, weight = sample((2, 4, 16, 16))
    target = target.masked_fill(target == 2, 0)
    target[1, 5, 5] = 2
    for given in (None, weight):
        _, gradient = assert_finite(loss, logits.to(dtype), target, weight=given)
        assert gradient[1, 2, 5, 5] < 0


@some(POOLED)
def test_a_batch_of_nothing_is_0(loss):
    assert_nothing(*evaluate(loss, torch.zeros(0, 4, 5, 5), torch.zeros(0, 5, 5).long()))


# --- extremes and precision ----------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["right", "wrong", "one class", "random"])
def test_huge_logits_stay_finite(loss, dtype, kind):
    logits, target, weight = sample()
    if kind != "random":
        predicted = {"right": target, "wrong": target + 1, "one class": torch.full_like(target, 2)}[
            kind
        ]
        logits = functional.one_hot(predicted % 4, 4).movedim(-1, 1)
    for given in (None, weight):
        assert_finite(loss, (1e4 * logits).to(dtype), target, weight=given)
        assert_finite(loss, (-1e4 * logits).to(dtype), target, weight=given)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_that_of_float32_logits_also_under_autocast(loss, dtype):
    logits, target, weight = sample((2, 4, 96, 80))
    logits = logits.to(dtype)
    value, gradient = evaluate(loss, logits, target, weight=weight)
    expected, slope = evaluate(loss, logits.float(), target, weight=weight)
    assert value.dtype == torch.float32
    assert value.item() == expected.item()
    torch.testing.assert_close(gradient, slope.to(dtype))
    assert value.item() == pytest.approx(
        loss(logits.double(), target, weight=weight).item(), rel=1e-5
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(logits, target, weight=weight).item() == expected.item()


@every_loss
def test_a_million_pixels_alike_keep_their_digits(loss):
    # adding one number a million times, a running float32 sum rounds to the same side every time
    logits = torch.tensor([0.3, -1.2, 0.55, 0.1]).view(1, 4, 1).expand(1, 4, 2**20 + 1023)
    target = torch.arange(logits.shape[2])[None] % 5 - 1
    weight = 0.1 + target % 3
    expected = loss(logits.double(), target, weight=weight.double()).item()
    assert loss(logits, target, weight=weight).item() == pytest.approx(expected, rel=1e-5)


@every_loss
def test_float64_stays(loss):
    logits, target, _ = sample()
    assert loss(logits, target).dtype == torch.float64


@every_loss
@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 4, 3, 2), (1, 3, 2, 3, 2)])
def test_gradcheck_in_any_rank(loss, shape):
    logits, target, weight = sample(shape, seed=1)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)
    assert torch.autograd.gradcheck(lambda z: loss(z, target, weight=weight), logits)


@every_loss
def test_the_grid_does_not_matter_only_its_pixels(loss):
    logits, target, weight = sample((2, 4, 24))
    flat = evaluate(loss, logits, target, weight=weight)
    for grid in [(4, 6), (2, 3, 4), (1, 4, 6)]:
        value, gradient = evaluate(
            loss,
            logits.reshape(2, 4, *grid),
            target.reshape(2, *grid),
            weight=weight.reshape(2, *grid),
        )
        assert_close((value, gradient.flatten(2)), flat, 1e-12)


# --- compiled ------------------------------------------------------------------------------------


# torch.compile itself makes the object that its own deprecation warns of
compiling = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
# its code for the processor calls more of what is deprecated
INDUCTOR = pytest.param("inductor", marks=[nightly, pytest.mark.filterwarnings("ignore")])


@compiling
@every_loss
@pytest.mark.parametrize("backend", ["eager", "aot_eager", INDUCTOR])
def test_a_compiled_loss_has_no_graph_break_and_the_same_value_and_gradient(loss, backend):
    logits, target, weight = sample()
    torch.compiler.reset()
    compiled = torch.compile(loss, backend=backend, fullgraph=True)
    found = evaluate(compiled, logits, target, weight=weight)
    assert_close(found, evaluate(loss, logits, target, weight=weight), 1e-12)


@compiling
@pytest.mark.parametrize("loss", [cross_entropy, youden, cross_entropy_and_youden])
def test_a_compiled_loss_refuses_a_class_that_the_network_does_not_have(loss):
    logits, target, _ = sample()
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    expected = loss(logits, target)
    torch.testing.assert_close(compiled(logits, target.unsqueeze(1).float()), expected)
    with pytest.raises(RuntimeError, match=r"target must hold 0\.\.3 or -1 \(ignored\)"):
        compiled(logits, target.masked_fill(target == 2, 4).unsqueeze(1).float())


def test_a_device_that_cannot_be_asked_is_told_what_to_expect(monkeypatch):
    """What a GPU does: the assertion goes to the device, and nothing waits for its answer."""
    told = []
    monkeypatch.setattr(torch, "_assert_async", lambda right, text: told.append((right, text)))
    logits, target, _ = sample()
    assert as_target(logits.to("meta"), target.to("meta"), ignore_index=-1).device.type == "meta"
    assert [text for _, text in told] == ["target must hold 0..3 or -1 (ignored)"]
    monkeypatch.setattr("seamwise.losses.inputs._ASYNCHRONOUS", ("cpu",))
    for wrong, is_right in [(target, True), (target.masked_fill(target == 2, 4), False)]:
        told.clear()
        as_target(logits, wrong, ignore_index=-1)
        assert [bool(right) for right, _ in told] == [is_right]
    told.clear()
    as_target(logits, target + 0.5, ignore_index=-1)
    assert [bool(right) for right, _ in told] == [False]


# --- order ---------------------------------------------------------------------------------------


def tied(kind):
    """Odd-sized float32 input with the ties that occur: none, rounded logits, all pixels alike."""
    logits, target, weight = sample((3, 4, 61, 67))
    if kind == "rounded":
        logits = logits.to(torch.bfloat16)
    elif kind == "alike":
        logits = torch.tensor([0.3, -1.2, 0.55, 0.1]).view(1, 4, 1, 1).expand(logits.shape)
    elif kind == "uniform":
        logits = torch.zeros(logits.shape)
    return logits.float().contiguous(), target, weight.float()


@every_loss
@pytest.mark.parametrize("kind", ["distinct", "rounded", "alike", "uniform"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_pixels_does_not_matter(loss, kind, weighted):
    logits, target, weight = tied(kind)
    order = torch.randperm(61 * 67, generator=torch.Generator().manual_seed(7))

    def permuted(x):
        return x.flatten(-2)[..., order].view(x.shape)

    first = evaluate(loss, logits, target, weight=weight if weighted else None)
    value, gradient = evaluate(
        loss, permuted(logits), permuted(target), weight=permuted(weight) if weighted else None
    )
    assert_close((value, gradient), (first[0], permuted(first[1])), 1e-5)


@every_loss
@pytest.mark.parametrize("kind", ["distinct", "rounded", "alike", "uniform"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_the_batch_does_not_matter(loss, kind, weighted):
    logits, target, weight = tied(kind)
    order = [2, 0, 1]
    first = evaluate(loss, logits, target, weight=weight if weighted else None)
    found = evaluate(loss, logits[order], target[order], weight=weight[order] if weighted else None)
    assert_close(found, (first[0], first[1][order]), 1e-5)


@some(POOLED)
def test_how_pixels_are_spread_over_the_batch_does_not_matter(loss):
    logits, target, _ = sample((3, 4, 6, 5))
    value, gradient = evaluate(loss, logits, target)
    together, slope = evaluate(loss, *joined(logits, target))
    assert_close((together, slope), (value, joined(gradient, target)[0]), 1e-12)


# --- ignored regions and weights -----------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-1, 1, 255])
def test_an_ignored_region_changes_nothing_elsewhere(loss, weighted, ignore_index):
    logits, truth, weight = sample((2, 4, 12, 11))
    truth = truth.clamp(min=0)
    region = torch.zeros(truth.shape, dtype=torch.bool)
    region[0, 3:9, 2:7] = region[1, :, 8:] = True

    def weak(logits, truth, weight):
        target = truth.masked_fill(region, ignore_index)
        return evaluate(
            loss, logits, target, weight=weight if weighted else None, ignore_index=ignore_index
        )

    inside = region.unsqueeze(1).expand_as(logits)
    value, gradient = weak(logits, truth, weight)
    assert (gradient[inside] == 0).all()
    for garbage in (0.0, 3.0, -1e4, 1e30):
        for unused in (torch.nan, torch.inf, -5.0):
            changed = logits.clone()
            changed[inside] = garbage
            changed[:, 2][region] = -garbage
            again, slope = weak(
                changed, truth.masked_fill(region, 3), weight.masked_fill(region, unused)
            )
            assert again.item() == value.item()
            assert torch.equal(slope, gradient)


@some(POOLED)
def test_ignored_pixels_might_as_well_not_be_there(loss):
    logits, target, weight = sample((1, 4, 60))
    valid = target[0] != -1
    value, gradient = evaluate(loss, logits, target, weight=weight)
    found = evaluate(loss, logits[..., valid], target[:, valid], weight=weight[:, valid])
    assert_close(found, (value, gradient[..., valid]), 1e-12)


@every_loss
@pytest.mark.parametrize("ignore_index", [2, 255, -100])
def test_another_ignore_index_means_the_same(loss, ignore_index):
    logits, target, weight = sample()
    target = target.masked_fill(target == 2, -1)
    renamed = target.masked_fill(target == -1, ignore_index)
    found = evaluate(loss, logits, renamed, weight=weight, ignore_index=ignore_index)
    assert_close(found, evaluate(loss, logits, target, weight=weight), 1e-12)


@every_loss
def test_weights_of_1_are_no_weights(loss):
    logits, target, _ = sample()
    expected = evaluate(loss, logits, target)
    for ones in (
        torch.ones(target.shape),
        torch.ones(target.shape).long(),
        torch.ones(target.shape).bool(),
    ):
        assert_close(evaluate(loss, logits, target, weight=ones), expected, 1e-12)


@some([name for name in REGION if "per sample" not in name])
def test_a_pixel_of_weight_2_is_two_pixels_and_one_of_weight_0_none(loss):
    logits, target, _ = sample((1, 4, 60))
    weight = torch.arange(60) % 3
    copies = torch.arange(60).repeat_interleave(weight)
    value, gradient = evaluate(loss, logits, target, weight=weight[None])
    expected, slope = evaluate(loss, logits[..., copies], target[:, copies])
    summed = torch.zeros_like(logits).index_add_(2, copies, slope)
    assert_close((value, gradient), (expected, summed), 1e-12)


@some(REGION)
def test_doubling_all_weights_changes_no_region_loss(loss):
    logits, target, weight = sample()
    expected = evaluate(loss, logits, target, weight=weight)
    for factor in (2, 1e-6, 1e6):
        assert_close(evaluate(loss, logits, target, weight=factor * weight), expected, 1e-9)


# --- types, memory layout and the one convention -------------------------------------------------


@every_loss
@pytest.mark.parametrize("shape", [(2, 4, 6, 5), (2, 3, 4, 3, 5), (1, 2, 7), (2, 4, 1, 5)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float16])
def test_a_channel_axis_and_whole_floats_mean_the_same(loss, shape, dtype):
    if shape[1] == 2:
        loss = loss.func if isinstance(loss, partial) else loss
    logits, target, weight = sample(shape)
    expected = evaluate(loss, logits, target, weight=weight)
    for pixels, weights in [
        (target.to(dtype), weight),
        (target.to(dtype).unsqueeze(1), weight),
        (target.to(dtype), weight.unsqueeze(1)),
        (target.to(dtype).unsqueeze(1), weight.unsqueeze(1)),
    ]:
        found = evaluate(loss, logits, pixels, weight=weights)
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])
    found = evaluate(loss, logits, target.to(dtype).unsqueeze(1))
    assert torch.equal(found[0], evaluate(loss, logits, target)[0])


@every_loss
def test_the_ignored_number_of_a_float_target_is_ignored(loss):
    logits, target, weight = sample()
    renamed = target.masked_fill(target == -1, 255).float().unsqueeze(1)
    found = evaluate(loss, logits, renamed, weight=weight, ignore_index=255)
    assert_close(found, evaluate(loss, logits, target, weight=weight), 1e-12)


@every_loss
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
def test_targets_of_any_integer_type(loss, dtype):
    logits, target, _ = sample()
    assert torch.equal(loss(logits, target.to(dtype)), loss(logits, target))


@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64])
def test_targets_of_unsigned_types(loss, dtype):
    logits, target, _ = sample()
    unsigned = target.masked_fill(target == -1, 255).to(dtype)
    assert torch.equal(loss(logits, unsigned, ignore_index=255), loss(logits, target))
    with pytest.raises(ValueError, match=r"target must hold 0\.\.3 or -1 \(ignored\), not 255"):
        loss(logits, unsigned)


@every_loss
def test_the_largest_unsigned_number_is_not_the_ignored_one(loss):
    logits, target, _ = sample()
    assert (target == -1).any()
    with pytest.raises(ValueError, match=r"target must hold 0\.\.3 or -1 \(ignored\), not \d+"):
        loss(logits, target.to(torch.uint64))


@every_loss
def test_complex_targets_are_refused(loss):
    logits, target, _ = sample()
    with pytest.raises(TypeError, match=r"target must hold whole numbers, not torch\.complex"):
        loss(logits, target.to(torch.complex64))


@every_loss
def test_memory_layout_does_not_matter_and_the_input_is_left_alone(loss):
    logits, target, weight = sample()
    before = [x.clone() for x in (logits, target, weight)]
    expected = evaluate(loss, logits, target, weight=weight)
    assert all(torch.equal(x, y) for x, y in zip((logits, target, weight), before, strict=True))
    apart = logits.transpose(2, 3).contiguous().transpose(2, 3)
    last = logits.contiguous(memory_format=torch.channels_last)
    for other in (apart, last):
        assert_close(evaluate(loss, other, target, weight=weight), expected, 1e-12)


@every_loss
def test_bad_input_is_named(loss):
    logits, target, weight = sample()
    with pytest.raises(
        ValueError, match=r"target must be \(N, \*S\) for logits .* do not fit target \(2, 5, 5\)"
    ):
        loss(logits, target[:, 1:])
    with pytest.raises(ValueError, match="do not fit"):
        loss(logits[:, :, 0, 0], target[:, 0, 0])
    with pytest.raises(
        ValueError, match=r"weight must have the target's shape \(2, 6, 5\), not \(2, 5, 5\)"
    ):
        loss(logits, target, weight=weight[:, 1:])
    for stranger in (0.5, torch.nan, torch.inf):
        with pytest.raises(
            ValueError, match=rf"target must hold whole numbers, the classes, not {stranger}: "
        ):
            loss(logits, target.double().masked_fill(target == 2, stranger))
    with pytest.raises(ValueError, match=r"do not fit .*: of a one-hot target take target\.argmax"):
        loss(logits, functional.one_hot(target.clamp(min=0), 4).movedim(-1, 1))
    with pytest.raises(ValueError, match=r"weight must have the target's shape"):
        loss(logits, target, weight=torch.stack([weight, weight], 1))
    with pytest.raises(
        ValueError, match=r"logits must have a channel for each class, 2 or more, not 1: .* sigmoid"
    ):
        loss(logits[:, :1], target.clamp(0, 0))
    with pytest.raises(ValueError, match=r"target must hold 0\.\.3 or -1 \(ignored\), not 4"):
        loss(logits, target.masked_fill(target == 2, 4))
    with pytest.raises(ValueError, match=r"not 57: of numbers of cells, TargetAndWeight makes"):
        loss(logits, target.masked_fill(target == 2, 57).unsqueeze(1).float())
    with pytest.raises(ValueError, match=r"target must hold 0\.\.3 or -100 \(ignored\), not -1"):
        loss(logits, target, ignore_index=-100)


@pytest.mark.parametrize(("function", "module"), MODULES.items(), ids=lambda x: x.__name__)
def test_one_convention_and_a_module_with_the_same_options(function, module):
    first, second, *options = inspect.signature(function).parameters.values()
    assert [first.name, second.name] == ["logits", "target"]
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    defaults = {option.name: option.default for option in options}
    assert defaults["weight"] is None
    assert defaults["ignore_index"] == -1
    parameters = inspect.signature(module).parameters.values()
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    assert {parameter.name: parameter.default for parameter in parameters} | {
        "weight": None
    } == defaults
    logits, target, weight = sample()
    assert torch.equal(module()(logits, target), function(logits, target))
    assert torch.equal(module()(logits, target, weight), function(logits, target, weight=weight))
    other = module(ignore_index=2)
    target = target.clamp(min=0)
    assert torch.equal(other(logits, target), function(logits, target, ignore_index=2))
