"""What holds for every regression loss, whatever the order, the dtype and the weights."""

import inspect
from functools import partial

import pytest
import torch

from seamwise.losses.gradient import Gradient, gradient, gradient_map
from seamwise.losses.nps import NPS, intensity_bounds, nps, nps_map
from seamwise.losses.perceptual import Perceptual, perceptual
from seamwise.losses.pixel import L1, L2, Huber, huber, huber_map, l1, l1_map, l2, l2_map
from seamwise.losses.ssim import SSIM, ssim, ssim_map
from support.regression import features, pair

MODULES = {
    gradient: Gradient,
    huber: Huber,
    l1: L1,
    l2: L2,
    nps: NPS,
    perceptual: Perceptual,
    ssim: SSIM,
}
# the mean of a map over batch, channels and pixels; the last is the sum over channels
MAPS = {
    l1: l1_map,
    l2: l2_map,
    huber: huber_map,
    gradient: gradient_map,
    ssim: ssim_map,
    partial(nps, bounds=False): nps_map,
}
LOSSES = {
    "l1": l1,
    "l2": l2,
    "huber": partial(huber, delta=0.3),
    "gradient": gradient,
    "ssim": ssim,
    "perceptual": partial(perceptual, features=features),
    "nps": nps,
    "nps without bounds": partial(nps, bounds=False, alpha=8.0),
    "intensity_bounds": intensity_bounds,
}
# what weights do to a minimum or maximum: nothing, unless they are 0
WEIGHED = [name for name in LOSSES if name not in ("nps", "intensity_bounds")]
SUMMED = ["nps", "nps without bounds", "intensity_bounds"]

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def some(names):
    return pytest.mark.parametrize("loss", [LOSSES[name] for name in names], ids=names)


def evaluate(loss, prediction, truth, **options):
    """Value and gradient of the loss."""
    leaf = prediction.detach().clone().requires_grad_()
    value = loss(leaf, truth, **options)
    value.backward()
    return value.detach(), leaf.grad


def assert_nothing(value, slope):
    assert value.item() == 0
    assert (slope == 0).all()


def assert_close(found, expected, tolerance=1e-12):
    """Value and gradient differ by less than the tolerance times the largest of each."""
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() < tolerance * b.abs().max()


# --- nothing there -------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_equal_images_are_0_with_a_gradient_of_0(loss, dtype):
    textured, _, weight = pair((2, 3, 14, 17))
    flat = torch.full_like(textured, 0.7)
    half_flat = torch.where(torch.arange(17) < 8, flat, textured)
    for image in (textured, flat, half_flat, flat / 2e3):
        image = image.to(dtype)
        assert_nothing(*evaluate(loss, image, image))
        assert_nothing(*evaluate(loss, image, image, weight=weight))


@every_loss
def test_weights_of_0_are_0_with_a_gradient_of_0_whatever_is_there(loss):
    prediction, truth, weight = pair()
    for garbage in (truth, truth * torch.nan, truth * torch.inf):
        assert_nothing(*evaluate(loss, prediction, garbage, weight=0 * weight))
        assert_nothing(*evaluate(loss, prediction.half(), garbage.half(), weight=0 * weight))


@every_loss
def test_an_image_that_weighs_nothing_spoils_no_other(loss):
    prediction, truth, weight = pair((3, 2, 6, 5))
    weight[1] = 0
    truth[1] = torch.nan
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    rest, expected = evaluate(loss, prediction[[0, 2]], truth[[0, 2]], weight=weight[[0, 2]])
    assert (slope[1] == 0).all()
    assert_close((value, slope[[0, 2]]), (rest * 2 / 3, expected * 2 / 3))


@every_loss
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, -1e30])
def test_what_is_at_pixels_of_weight_0_changes_nothing(loss, garbage):
    prediction, truth, weight = pair((2, 3, 14, 17))
    weight[0, 3:9, 2:7] = weight[1, :, 12:] = 0
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    nothing = (weight == 0).unsqueeze(1).expand_as(truth)
    assert (slope[nothing] == 0).all()
    spoiled = truth.masked_fill(nothing, garbage)
    for also in (prediction, prediction.masked_fill(nothing, garbage)):
        again, other = evaluate(loss, also, spoiled, weight=weight)
        assert again.item() == value.item()
        assert torch.equal(other, slope)


@every_loss
def test_a_batch_of_nothing_is_0(loss):
    nothing = torch.zeros(0, 3, 4, 5)
    assert_nothing(*evaluate(loss, nothing, nothing))
    assert_nothing(*evaluate(loss, nothing, nothing, weight=torch.zeros(0, 4, 5)))


# --- compiled ------------------------------------------------------------------------------------


# torch.compile itself makes the object that its own deprecation warns of
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@every_loss
def test_a_compiled_loss_has_no_graph_break_and_the_same_value_and_gradient(loss):
    prediction, truth, weight = pair()
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    found = evaluate(compiled, prediction, truth, weight=weight)
    assert_close(found, evaluate(loss, prediction, truth, weight=weight))


# --- extremes and precision ----------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize(
    ("dtype", "size"),
    [(torch.float16, 6e4), (torch.bfloat16, 1e15), (torch.float32, 1e15), (torch.float64, 1e100)],
)
def test_huge_errors_stay_finite(loss, dtype, size):
    prediction, truth, weight = pair()
    for given in (None, weight):
        for far in (
            size * (prediction - 0.5),
            torch.full_like(truth, size),
            torch.full_like(truth, -size),
        ):
            value, slope = evaluate(loss, far.to(dtype), truth.to(dtype), weight=given)
            assert torch.isfinite(value)
            assert torch.isfinite(slope).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_that_of_float32_also_under_autocast(loss, dtype):
    prediction, truth, weight = pair((2, 3, 32, 40))
    prediction, truth = prediction.to(dtype), truth.to(dtype)
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    expected, full = evaluate(loss, prediction.float(), truth.float(), weight=weight)
    assert value.dtype == torch.float32
    assert value.item() == expected.item()
    torch.testing.assert_close(slope, full.to(dtype))
    assert value.item() == pytest.approx(
        loss(prediction.double(), truth.double(), weight=weight).item(), rel=1e-5
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(prediction, truth, weight=weight).item() == expected.item()
        assert loss(prediction.float(), truth, weight=weight).item() == expected.item()


@every_loss
def test_a_million_pixels_alike_keep_their_digits(loss):
    # adding one number a million times, a running float32 sum rounds to the same side every time
    prediction, truth = (
        torch.full((1, 1, 2**20 + 1023), 0.3),
        torch.full((1, 1, 2**20 + 1023), 0.55),
    )
    expected = loss(prediction.double(), truth.double()).item()
    assert loss(prediction, truth).item() == pytest.approx(expected, rel=1e-5)


@every_loss
def test_float64_stays_and_the_truth_follows_the_prediction(loss):
    prediction, truth, weight = pair()
    assert loss(prediction, truth.float(), weight=weight.float()).dtype == torch.float64
    assert loss(prediction.float(), truth, weight=weight).dtype == torch.float32


@every_loss
@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 2, 4, 3), (1, 2, 2, 3, 2)])
def test_gradcheck_in_any_rank(loss, shape):
    prediction, truth, weight = pair(shape, seed=1)
    prediction.requires_grad_()
    truth.requires_grad_()
    assert torch.autograd.gradcheck(loss, (prediction, truth))
    assert torch.autograd.gradcheck(lambda z, y: loss(z, y, weight=weight), (prediction, truth))


# --- the grid and the order ----------------------------------------------------------------------


@every_loss
def test_a_slice_is_its_image(loss):
    prediction, truth, weight = pair()
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    for axis in (2, 3, 4):
        found, other = evaluate(
            loss,
            prediction.unsqueeze(axis),
            truth.unsqueeze(axis),
            weight=weight.unsqueeze(axis - 1),
        )
        assert_close((found, other.squeeze(axis)), (value, slope))


@some([name for name in LOSSES if name != "perceptual"])
def test_four_axes_are_no_harder_than_three(loss):
    prediction, truth, weight = pair((1, 2, 4, 3, 2, 1))
    expected = evaluate(loss, prediction[..., 0], truth[..., 0], weight=weight[..., 0])
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    assert_close((value, slope[..., 0]), expected)


@every_loss
@pytest.mark.parametrize("axes", [(-1,), (-2,), (-1, -2)])
def test_flipping_does_not_matter(loss, axes):
    prediction, truth, weight = pair((2, 2, 14, 13))
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    found, other = evaluate(loss, prediction.flip(axes), truth.flip(axes), weight=weight.flip(axes))
    assert_close((found, other.flip(axes)), (value, slope))


@every_loss
def test_which_axis_is_which_does_not_matter(loss):
    prediction, truth, weight = pair((2, 2, 14, 9))
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    found, other = evaluate(loss, prediction.mT, truth.mT, weight=weight.mT)
    assert_close((found, other.mT), (value, slope))


@every_loss
def test_the_loss_of_a_batch_is_the_mean_of_its_images(loss):
    prediction, truth, weight = pair((3, 2, 6, 5))
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    single = [
        evaluate(loss, z[None], y[None], weight=w[None])
        for z, y, w in zip(prediction, truth, weight, strict=True)
    ]
    values, slopes = zip(*single, strict=True)
    assert_close((value, slope), (torch.stack(values).mean(), torch.cat(slopes) / 3))


@every_loss
def test_prediction_and_truth_are_alike(loss):
    prediction, truth, weight = pair()
    swapped = loss(truth, prediction, weight=weight)
    assert loss(prediction, truth, weight=weight).item() == pytest.approx(swapped.item(), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_channels_are_averaged_but_summed_in_nps_and_its_bounds(name):
    loss, factor = LOSSES[name], 2 if name in SUMMED else 1
    prediction, truth, weight = pair((2, 2, 6, 5))
    once = loss(prediction, truth, weight=weight).item()
    twice = loss(prediction.repeat(1, 2, 1, 1), truth.repeat(1, 2, 1, 1), weight=weight).item()
    assert twice == pytest.approx(factor * once, rel=1e-12)


# --- weights -------------------------------------------------------------------------------------


@every_loss
def test_weights_of_1_are_no_weights(loss):
    prediction, truth, weight = pair()
    expected = evaluate(loss, prediction, truth)
    for dtype in (torch.float32, torch.long, torch.bool):
        assert_close(
            evaluate(loss, prediction, truth, weight=torch.ones_like(weight, dtype=dtype)), expected
        )


@some(WEIGHED)
def test_doubling_all_weights_doubles_the_loss(loss):
    prediction, truth, weight = pair()
    value, slope = evaluate(loss, prediction, truth, weight=weight)
    assert_close(evaluate(loss, prediction, truth, weight=2 * weight), (2 * value, 2 * slope))


@pytest.mark.parametrize(
    ("loss", "loss_map"), MAPS.items(), ids=lambda x: getattr(x, "__name__", "nps")
)
def test_the_loss_is_the_mean_of_its_map(loss, loss_map):
    prediction, truth, weight = pair()
    channels = 3 if loss_map is nps_map else 1
    for given in (None, weight):
        found = loss_map(prediction, truth, weight=given)
        assert found.shape == prediction.shape
        assert loss(prediction, truth, weight=given).item() == pytest.approx(
            channels * found.mean().item(), rel=1e-12
        )
    assert (found[(weight == 0).unsqueeze(1).expand_as(found)] == 0).all()


# --- memory layout and the one convention --------------------------------------------------------


@every_loss
def test_memory_layout_does_not_matter_and_the_input_is_left_alone(loss):
    prediction, truth, weight = pair()
    before = [x.clone() for x in (prediction, truth, weight)]
    expected = evaluate(loss, prediction, truth, weight=weight)
    assert all(torch.equal(x, y) for x, y in zip((prediction, truth, weight), before, strict=True))
    apart = prediction.mT.contiguous().mT
    last = prediction.contiguous(memory_format=torch.channels_last)
    for other in (apart, last):
        assert_close(evaluate(loss, other, truth, weight=weight), expected)


@every_loss
def test_bad_input_is_named(loss):
    prediction, truth, weight = pair()
    with pytest.raises(
        TypeError, match=r"prediction must hold floating-point numbers, not torch\.int64"
    ):
        loss(prediction.long(), truth)
    with pytest.raises(
        TypeError,
        match=r"truth must hold floating-point numbers, not torch\.uint8: convert and scale",
    ):
        loss(prediction, truth.to(torch.uint8))
    with pytest.raises(
        ValueError,
        match=r"truth must have the prediction's shape \(2, 3, 6, 5\), not \(2, 1, 6, 5\)",
    ):
        loss(prediction, truth[:, :1])
    with pytest.raises(
        ValueError, match=r"weight must be \(N, \*S\) = \(2, 6, 5\), .* not \(2, 1, 6, 5\)"
    ):
        loss(prediction, truth, weight=weight.unsqueeze(1))
    with pytest.raises(
        ValueError,
        match=r"prediction must be \(N, C, \*S\) and have pixels, not \(6, 5\): .* N = 1",
    ):
        loss(prediction[0, 0], truth[0, 0])
    with pytest.raises(ValueError, match=r"have pixels, not \(2, 3, 0, 5\)"):
        loss(prediction[:, :, :0], truth[:, :, :0])


@pytest.mark.parametrize(("function", "module"), MODULES.items(), ids=lambda x: x.__name__)
def test_one_convention_and_a_module_with_the_same_options(function, module):
    first, second, *options = inspect.signature(function).parameters.values()
    assert [first.name, second.name] == ["prediction", "truth"]
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    defaults = {option.name: option.default for option in options}
    assert defaults["weight"] is None
    parameters = inspect.signature(module).parameters.values()
    if "__init__" in vars(module):  # the others have no options
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
        assert {parameter.name: parameter.default for parameter in parameters} | {
            "weight": None
        } == defaults
    else:
        assert defaults == {"weight": None}
    needed = {"features": features} if function is perceptual else {}
    prediction, truth, weight = pair()
    found = module(**needed)
    assert torch.equal(found(prediction, truth), function(prediction, truth, **needed))
    assert torch.equal(
        found(prediction, truth, weight), function(prediction, truth, weight=weight, **needed)
    )
