import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from seamwise.fusion.decisions import copied_share, score_of, weight_of
from seamwise.io import FusionInfo
from seamwise.io.models import Architecture


def info(temperature=1.0, smoothing=0.0, outputs=2):
    net = Architecture(in_channels=6, out_channels=outputs, width=2, depth=1)
    output = "selection" if outputs == 2 else "bands"
    return FusionInfo(architecture=net, output=output, temperature=temperature, smoothing=smoothing)


def step(height=2.0):
    """The score of a seam between columns 29 and 30."""
    return (
        np.where(np.arange(60) < 30, -height, height).astype(np.float32)[np.newaxis].repeat(40, 0)
    )


def test_a_score_is_the_difference_of_the_first_logit_of_each_source():
    logits = np.random.default_rng(0).normal(size=(8, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(score_of(logits, info(2.0, outputs=8)), (logits[0] - logits[4]) / 2)


def test_a_score_is_smoothed_by_a_gaussian():
    logits = np.random.default_rng(0).normal(size=(2, 50, 60)).astype(np.float32)
    expected = gaussian_filter(logits[0] - logits[1], 2.0)
    score = score_of(logits, info(smoothing=2.0))
    np.testing.assert_allclose(score[8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-3)


def test_a_model_that_is_not_softened_has_the_weight_of_its_score():
    np.testing.assert_array_equal(weight_of(step(), info()), expit(step()))


def test_far_from_a_seam_a_softened_model_copies():
    """There the temperature is 0.1 in place of 3; at the seam it is still 3."""
    weight = weight_of(step(0.1), info(3.0))
    np.testing.assert_allclose(weight[:, [0, 59]], expit([[-3, 3]] * 40), rtol=1e-3)
    assert expit(0.1) <= weight[20, 30] < expit(0.12)
    np.testing.assert_allclose(weight_of(-step(0.1), info(3.0)), 1 - weight, atol=1e-6)


def test_the_copied_share_is_the_root_of_the_mean_sign():
    """Pixels at both sides of a seam share its Gaussian: the mean sign is the mass at one side."""
    share = copied_share(step())
    reach = np.arange(-8, 9)
    gaussian = np.exp(-(reach**2) / (2 * 2.0**2))
    mass = (gaussian[reach <= 0].sum() - gaussian[reach > 0].sum()) / gaussian.sum()
    np.testing.assert_allclose(share[:, [29, 30]], np.sqrt(mass), rtol=1e-4)
    np.testing.assert_allclose(share[:, [0, 59]], 1, rtol=1e-6)
    np.testing.assert_array_equal(copied_share(-step()), share)


def test_without_any_score_nothing_is_copied():
    assert not copied_share(step(0.0)).any()
