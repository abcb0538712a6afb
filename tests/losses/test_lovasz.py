import pytest
import torch

from oracles.losses import jaccard_steps_slow, lovasz_slow
from seamwise.losses import LovaszSoftmax, lovasz_softmax
from support.losses import joined, sample


def from_probabilities(*z):
    """Logits (1, C, pixels) of the softmax given pixel by pixel."""
    return torch.tensor(z, dtype=torch.float64).log().T[None]


def test_three_classes_written_out():
    logits = from_probabilities(
        (0.5, 0.3, 0.2), (0.1, 0.65, 0.25), (0.15, 0.05, 0.8), (0.35, 0.4, 0.25)
    )
    target = torch.tensor([[0, 1, 2, 0]])
    # class 0, two pixels: errors .65 (in), .5 (in), .15, .1 (out); 1 − I/U = 1/2, 1, 1, 1
    # class 1, one pixel: errors .4 (out), .35 (in), .3, .05 (out); 1 − I/U = 1/2, 1, 1, 1
    # class 2, one pixel: errors .25, .25 (out), .2 (in), .2 (out); 1 − I/U = 1/2, 2/3, 1, 1
    losses = [0.65 / 2 + 0.5 / 2, 0.4 / 2 + 0.35 / 2, 0.25 * 2 / 3 + 0.2 / 3]
    assert lovasz_softmax(logits, target).item() == pytest.approx(sum(losses) / 3)
    assert lovasz_softmax(logits, target, classes=(1, 2)).item() == pytest.approx(
        sum(losses[1:]) / 2
    )
    assert lovasz_softmax(logits, target, classes=[2]).item() == pytest.approx(losses[2])


def test_weights_written_out():
    logits = from_probabilities((0.5, 0.5), (0.7, 0.3), (0.4, 0.6), (0.2, 0.8))
    target = torch.tensor([[0, 0, 1, 0]])
    weight = torch.tensor([[2.0, 0.5, 3, 1]])
    # class 0 weighs 3.5: errors .8 (in, 1), .5 (in, 2), .4 (out, 3), .3 (in, .5); I/U = 2.5/3.5,
    # .5/3.5, .5/6.5, 0
    first = 0.8 * 1 / 3.5 + 0.5 * 2 / 3.5 + 0.4 * (0.5 / 3.5 - 0.5 / 6.5) + 0.3 * 0.5 / 6.5
    # class 1 weighs 3: errors .8 (out, 1), .5 (out, 2), .4 (in, 3), .3 (out, .5); I/U = 3/4, 3/6,
    # 0, 0
    second = 0.8 * 1 / 4 + 0.5 * (3 / 4 - 3 / 6) + 0.4 * 3 / 6
    assert lovasz_softmax(logits, target, weight=weight).item() == pytest.approx(
        (first + second) / 2
    )


@pytest.mark.parametrize("shape", [(2, 4, 30), (2, 4, 6, 5), (2, 3, 4, 3, 3)])
@pytest.mark.parametrize("classes", [None, (2, 1)])
def test_equals_a_plain_loop_in_any_rank(shape, classes):
    logits, target, weight = sample(shape)
    for given in (None, weight):
        expected = lovasz_slow(logits, target, weight=given, classes=classes)
        loss = lovasz_softmax(logits, target, weight=given, classes=classes)
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_equals_the_authors_code_in_value_and_gradient():
    # bermanmaxim/LovaszSoftmax 7d48792, pytorch/lovasz_losses.py, run in float64 (its casts to
    # float32 taken out)
    logits = torch.tensor(
        [
            [
                [0.2, -1.0, 0.7, 1.5, -0.4, 0.1],
                [1.1, 0.3, -0.6, 0.9, -1.2, 0.8],
                [-0.5, 0.6, 1.3, -0.2, 0.4, -0.9],
            ]
        ],
        dtype=torch.float64,
        requires_grad=True,
    )
    target = torch.tensor([[0, 1, 2, 1, 2, -1]])
    loss = lovasz_softmax(logits, target)
    loss.backward()
    expected = torch.tensor(
        [
            [-0.0716893592, -0.0015405391, 0.0211402898, 0.0305091070, 0.0183108768, 0],
            [0.0654488594, -0.0480228555, 0.0057614011, -0.0360826182, 0.0082276073, 0],
            [0.0062404998, 0.0495633946, -0.0269016909, 0.0055735112, -0.0265384841, 0],
        ],
        dtype=torch.float64,
    )
    assert loss.item() == pytest.approx(0.6129019146306248, rel=1e-12)
    assert lovasz_softmax(logits, target, classes=(1, 2)).item() == pytest.approx(
        0.545737145786577, rel=1e-12
    )
    torch.testing.assert_close(logits.grad[0], expected, rtol=0, atol=1e-10)


def test_hard_predictions_equal_the_jaccard_index_of_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    logits, target, _ = sample((2, 4, 9, 7))
    hard = 1e4 * torch.nn.functional.one_hot(logits.argmax(1), 4).movedim(-1, 1).double()
    # macro leaves out a class only where it is in neither truth nor prediction: here all four are
    # in both
    jaccard = torchmetrics.multiclass_jaccard_index(logits.argmax(1), target, 4, ignore_index=-1)
    assert lovasz_softmax(hard, target).item() == pytest.approx(1 - jaccard.item(), abs=1e-6)


def test_classes_do_not_drop_the_pixels_of_the_others():
    logits, target, _ = sample()
    changed = logits.clone()
    changed[:, 1] += 3.0 * (target == 0)  # background taken for class 1
    assert (
        lovasz_softmax(changed, target, classes=(1, 2))
        > lovasz_softmax(logits, target, classes=(1, 2)) + 0.01
    )


def test_an_absent_class_is_left_out_exactly():
    logits, target, _ = sample()
    target[target == 3] = -1
    expected = lovasz_softmax(logits, target, classes=(0, 1, 2)).item()
    assert lovasz_softmax(logits, target).item() == pytest.approx(expected, rel=1e-12)
    nothing = lovasz_softmax(logits.requires_grad_(), target, classes=(3,))
    nothing.backward()
    assert nothing.item() == 0
    assert (logits.grad == 0).all()


def test_sets_pool_over_the_batch_unless_per_sample():
    logits, target, weight = sample()
    target[1][target[1] == 3] = -1
    each = [
        lovasz_slow(logits[n : n + 1], target[n : n + 1], weight=weight[n : n + 1])
        for n in range(2)
    ]
    per_sample = lovasz_softmax(logits, target, weight=weight, per_sample=True)
    assert per_sample.item() == pytest.approx(sum(each) / 2, rel=1e-12)
    assert lovasz_softmax(logits, target).item() == pytest.approx(
        lovasz_softmax(*joined(logits, target)).item()
    )


def test_uniform_logits_share_the_gradient_within_each_kind():
    # what a network answers at the start: z = 1/3 everywhere, so all errors of a kind tie
    target = torch.tensor([[0, 0, 0, 0, 1, 1, 2]])
    logits = torch.zeros(1, 3, 7, dtype=torch.float64, requires_grad=True)
    loss = lovasz_softmax(logits, target)
    loss.backward()
    # each class k of n_k of the 7 pixels: inside first, error 2/3, all of the Jaccard loss; outside
    # nothing
    assert loss.item() == pytest.approx(2 / 3)
    step = {0: 1 / 4, 1: 1 / 2, 2: 1}
    for pixel, h in enumerate(target[0].tolist()):
        # dL/dz_h = −step/3, and dz_h/dlogit = z(1 − z) = 2/9 for its own logit
        assert logits.grad[0, h, pixel].item() == pytest.approx(-step[h] / 3 * 2 / 9)


def test_two_classes_at_the_start_written_out():
    # z = 1/2: inside and outside tie too. Class 0 (3 of 4 pixels), inside first 1/3 each, outside
    # 0; outside first: outside 1 − 3/4, inside 1/4 each. Means: inside 7/24, outside 1/8. Class 1
    # (1 of 4), inside first 1, 0; outside first: outside (1 − 1/4)/3 each, inside 1/4. Means 5/8,
    # 1/8.
    logits = torch.zeros(1, 2, 4, dtype=torch.float64, requires_grad=True)
    lovasz_softmax(logits, torch.tensor([[0, 0, 1, 0]])).backward()
    of_class_0 = -(7 / 24 + 1 / 8) / 2 / 4  # from both classes, mean of the two, dz/dlogit = 1/4
    of_class_1 = (1 / 8 + 5 / 8) / 2 / 4
    expected = torch.tensor([of_class_0, of_class_0, of_class_1, of_class_0], dtype=torch.float64)
    torch.testing.assert_close(logits.grad[0, 0], expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_at_ties_equals_a_plain_loop(weighted):
    logits, target, weight = sample((1, 2, 40))
    logits = (2 * logits).round() / 2
    logits[:, 1] = 0  # so that many are (0, 0), where the errors inside and outside tie too
    weight = (2 * weight).round() if weighted else None
    leaf = logits.clone().requires_grad_()
    lovasz_softmax(leaf, target, weight=weight, classes=(1,)).backward()
    z = logits.softmax(1)[
        0, 1
    ].tolist()  # not from the oracle: 1 − z and z must tie here exactly when they do there
    valid = [
        (z[p], target[0, p].item() == 1, 1.0 if weight is None else weight[0, p].item())
        for p in range(40)
    ]
    valid = [pixel for pixel, h in zip(valid, target[0].tolist(), strict=True) if h != -1]
    steps = jaccard_steps_slow([(1 - z if inside else z, w, inside) for z, inside, w in valid])
    expected = [
        (-s if inside else s) * z * (1 - z) for s, (z, inside, _) in zip(steps, valid, strict=True)
    ]
    assert leaf.grad[0, 1][target[0] != -1].tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_at_ties_no_direction_falls_faster_than_the_gradient_says(classes):
    # L is convex in the errors: the slope in each direction is at least that of every subgradient
    generator = torch.Generator().manual_seed(4)
    target = torch.tensor([[0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]])
    logits = torch.zeros(1, classes, target.numel(), dtype=torch.float64, requires_grad=True)
    loss = lovasz_softmax(logits, target)
    (gradient,) = torch.autograd.grad(loss, logits)
    directions = [
        torch.randn(logits.shape, generator=generator, dtype=torch.float64) for _ in range(200)
    ]
    alone = torch.eye(target.numel(), dtype=torch.float64)  # one pixel at a time
    directions += [
        sign * torch.stack([row, *[-row] * (classes - 1)])[None]
        for row in alone
        for sign in (1, -1)
    ]
    for direction in directions:
        slope = (lovasz_softmax(logits.detach() + 1e-7 * direction, target) - loss) / 1e-7
        assert slope >= (gradient * direction).sum() - 1e-6


def test_large_images_keep_the_digits_of_the_gradient():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 300, 300, generator=generator)
    target = torch.randint(0, 3, (1, 300, 300), generator=generator)
    single, double = logits.requires_grad_(), logits.detach().double().requires_grad_()
    lovasz_softmax(single, target).backward()
    lovasz_softmax(double, target).backward()
    scale = double.grad.abs().max()
    assert ((single.grad - double.grad).abs().max() / scale).item() < 1e-4


@pytest.mark.parametrize("per_sample", [False, True])
def test_gradcheck(per_sample):
    logits, target, weight = sample((2, 4, 4, 3))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: lovasz_softmax(z, target, weight=weight, classes=(3, 1), per_sample=per_sample),
        logits,
    )


def test_module_means_the_same():
    logits, target, weight = sample()
    options = {"classes": (1, 2), "per_sample": True}
    expected = lovasz_softmax(logits, target, weight=weight, **options)
    assert torch.equal(LovaszSoftmax(**options)(logits, target, weight), expected)


@pytest.mark.parametrize("classes", [(), (1, 1), (0, 4), (-1,)])
def test_bad_classes_are_named(classes):
    logits, target, _ = sample()
    with pytest.raises(
        ValueError, match=r"classes must be different numbers of 0\.\.3, at least one, not \("
    ):
        lovasz_softmax(logits, target, classes=classes)
