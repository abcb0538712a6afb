from math import log, nan

import numpy as np
import pytest
import torch

from oracles.losses import youden_slow
from seamwise.labels import BACKGROUND, CELL, GAP, TOUCHING
from seamwise.losses import youden


@pytest.fixture(scope="module")
def seam(scripts):
    return scripts.learned_seam


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_touching_pair_has_all_classes_and_two_mirrors(seam):
    target = seam.touching_pair(radius=12)
    assert target.shape == (54, 72)
    assert np.unique(target).tolist() == [BACKGROUND, CELL, TOUCHING, GAP]
    assert np.array_equal(target, target[::-1])
    assert np.array_equal(target, target[:, ::-1])
    assert (target[:, 35:37] != CELL).all()  # the seam
    assert (target[27] == CELL).sum() == pytest.approx(2 * (1 + 0.85) * 12 - 4, abs=2)
    assert (target[[0, -1]] == BACKGROUND).all()
    assert np.unique(seam.touching_pair(classes=3)).tolist() == [BACKGROUND, CELL, TOUCHING]
    assert np.unique(seam.touching_pair(radius=4, classes=2)).tolist() == [BACKGROUND, CELL]


def test_mask_written_out(seam):
    # background 0 0 0, cell 1, touching 2: of margin 2 at t = 0, 1 at 1, fitted at 2
    drawn = seam.shrinking_mask(
        np.array([0, 0, 0, 1, 2]), iterations=5, fitted=2, margin=2, start=0.4, top=0.7
    )
    z = drawn.probabilities
    assert z.shape == (5, 3, 5)
    likely, other = 0.2 + 0.4, 0.2  # at first all alike: (1 − 0.4)/3, and 0.4 more
    assert z[0, 1] == pytest.approx([other, likely, likely, likely, likely])
    assert z[0, 0] == pytest.approx([likely, other, other, other, other])
    # background is the larger class and has its full confidence 0.7 at t = 1, cell 0.55
    assert z[1, 0] == pytest.approx([0.8, 0.8, 0.15, 0.15, 0.15])
    assert z[1, 1] == pytest.approx([0.1, 0.1, 0.7, 0.7, 0.7])
    # fitted; touching then takes over in two steps
    assert z[2, 1] == pytest.approx([0.1, 0.1, 0.1, 0.8, 0.8])
    assert z[3, 1] == pytest.approx([0.1, 0.1, 0.1, 0.8, 0.45])
    assert z[3, 2] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.45])
    assert z[4, 2] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.8])


def test_mask_shrinks_until_it_fits_and_only_then_the_seams_appear(seam):
    target = seam.touching_pair()
    z = seam.shrinking_mask(target, margin=16).probabilities
    assert z.shape == (60, 4, *target.shape)
    assert np.allclose(z.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert z.min() > 0
    decided = z.argmax(axis=1)
    sizes = (decided == CELL).sum(axis=(1, 2))
    assert (np.diff(sizes) <= 0).all()
    assert sizes[0] > 2 * sizes[40]
    assert np.array_equal(decided[40], target > 0)
    assert np.array_equal(decided[59], target)
    assert set(np.unique(decided[:45])) == {BACKGROUND, CELL}
    # majority classes are certain first: background, cell, touching, gap
    certain = [
        (z[:, number].max(axis=(1, 2)) > 0.99).argmax()
        for number in (BACKGROUND, CELL, TOUCHING, GAP)
    ]
    assert certain == [20, 40, 50, 59]


def test_mask_in_one_and_three_dimensions_and_with_ignored_pixels(seam):
    flat = seam.touching_pair(radius=6)
    plane = seam.shrinking_mask(flat).probabilities
    stack = seam.shrinking_mask(flat[None]).probabilities
    assert np.array_equal(stack[:, :, 0], plane)
    ignored = seam.shrinking_mask(np.array([0, 0, 1, -1, -2]), iterations=3, fitted=2, margin=0)
    assert ignored.probabilities.shape == (3, 2, 5)
    assert ignored.probabilities.argmax(axis=1)[-1].tolist() == [0, 0, 1, 0, 0]
    # two pixels of background and one of cell: background is certain first
    assert (ignored.probabilities[1, [0, 1], [0, 2]] > 0.99).tolist() == [True, False]
    assert ignored.target.tolist() == [0, 0, 1, -1, -2]


def test_course_written_out(seam):
    # two pixels of two classes, nothing known, then three quarters
    course = seam.loss_course(
        [[[0.5, 0.5], [0.5, 0.5]], [[0.75, 0.25], [0.25, 0.75]]], np.array([0, 1]), lam=2
    )
    assert course.cross_entropy == pytest.approx([log(2), log(4 / 3)])
    assert course.cross_entropy_gradient == pytest.approx(
        [0.5, 0.25]
    )  # of z − y over two pixels, four times
    # both pairs have log((1 + M_ii − M_ik)/2) = log z; d log z / d logit = 1 − z, halved by each of
    # the two pixels
    assert course.youden == pytest.approx([4 * log(2), 4 * log(4 / 3)])
    assert course.youden_gradient == pytest.approx([2 * 2 * 0.5, 2 * 2 * 0.25])


def test_course_equals_plain_formulas(seam):
    rng = np.random.default_rng(0)
    z = rng.dirichlet([1, 2, 3], (4, 30)).transpose(0, 2, 1)
    target = rng.integers(-1, 3, 30)
    course = seam.loss_course(z, target, lam=0.3)
    valid = target >= 0
    for t in range(4):
        own = z[t][:, valid] - np.eye(3)[target[valid]].T
        assert course.cross_entropy_gradient[t] == pytest.approx(np.linalg.norm(own) / valid.sum())
        assert course.cross_entropy[t] == pytest.approx(
            -np.log(z[t, target[valid], np.flatnonzero(valid)]).mean()
        )
        logits, truth = torch.from_numpy(np.log(z[t]))[None], torch.from_numpy(target)[None]
        assert course.youden[t] == pytest.approx(youden_slow(logits, truth, lam=[[0.3] * 3] * 3))
        steps = 1e-6 * torch.eye(90, dtype=torch.float64).reshape(90, 1, 3, 30)
        slopes = [
            (youden(logits + s, truth, lam=0.3) - youden(logits - s, truth, lam=0.3)) / 2e-6
            for s in steps
        ]
        assert course.youden_gradient[t] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


def test_youden_pulls_where_cross_entropy_has_let_go(seam):
    drawn = seam.shrinking_mask(seam.touching_pair())
    course = seam.loss_course(drawn.probabilities, drawn.target)
    assert (np.diff(course.youden) < 0).all()
    # while the mask shrinks cross entropy falls to a tenth, J by less than a third
    assert course.cross_entropy[40] < 0.1 * course.cross_entropy[0]
    assert course.youden[40] > 0.7 * course.youden[0]
    # J has all but let go when the mask fits, and pulls when the seam begins to show
    assert course.youden_gradient[:50].argmin() == 40
    assert course.youden_gradient[46] > 100 * course.youden_gradient[40]
    assert course.youden_gradient[46] > 100 * course.cross_entropy_gradient[46]
    assert (
        course.cross_entropy_gradient[46]
        < course.cross_entropy_gradient[40]
        < course.cross_entropy_gradient[0] / 4
    )
    # at the very end both are done
    assert course.cross_entropy[-1] < 0.001
    assert course.youden[-1] < 0.005


def test_cross_entropy_leads_before_the_fit_only_if_the_network_starts_certain(seam):
    target = seam.touching_pair()
    behind = {}
    for start in (0.5, 0.99):
        course = seam.loss_course(seam.shrinking_mask(target, start=start).probabilities, target)
        behind[start] = np.flatnonzero(
            course.youden_gradient < course.cross_entropy_gradient
        ).tolist()
    assert behind == {0.5: [40], 0.99: list(range(41))}


def test_refuses_masks_that_cannot_shrink(seam):
    target = seam.touching_pair(radius=4)
    with pytest.raises(ValueError, match="radius must be 4 or more, not 3"):
        seam.touching_pair(radius=3)
    with pytest.raises(TypeError, match="target must be class numbers as integers, not float64"):
        seam.shrinking_mask(np.zeros((3, 3)))
    with pytest.raises(
        ValueError, match=r"target must have pixels of background \(0\) and cell \(1\), .* \[0, 2\]"
    ):
        seam.shrinking_mask(np.array([0, 2]))
    with pytest.raises(ValueError, match="iterations must be more than fitted = 40, not 40"):
        seam.shrinking_mask(target, iterations=40)
    with pytest.raises(TypeError, match="fitted must be an integer, not "):
        seam.shrinking_mask(target, fitted=1.5)
    with pytest.raises(ValueError, match="margin must be a number of pixels ≥ 0, not -1"):
        seam.shrinking_mask(target, margin=-1)
    for wrong in ({"start": -0.1}, {"top": 1}, {"start": 0.9, "top": 0.8}):
        with pytest.raises(ValueError, match="start and top must be in 0 ≤ start ≤ top < 1"):
            seam.shrinking_mask(target, **wrong)


def test_refuses_what_are_no_probabilities(seam):
    with pytest.raises(
        ValueError, match=r"probabilities must have axes \(iterations, classes, \*S\), not \(2, 2\)"
    ):
        seam.loss_course([[0.5, 0.5]] * 2, np.array([0, 1]))
    for wrong in ([[[1.0], [0.0]]], [[[0.5], [0.6]]], [[[nan], [0.5]]]):
        with pytest.raises(
            ValueError, match="probabilities must be numbers > 0 whose sum over the classes"
        ):
            seam.loss_course(wrong, np.array([0]))
    with pytest.raises(ValueError, match="target must be"):
        seam.loss_course([[[0.5, 0.5]] * 2], np.array([0]))
    with pytest.raises(TypeError, match="target must be class numbers as integers"):
        seam.loss_course([[[0.5]] * 2], np.array([0.0]))
