import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from oracles.regression_losses import ssim_slow
from seamwise.losses.ssim import ssim, ssim_map
from support.regression import pair


def blobs(shape, seed=0):
    """Smooth truth of 0..1 in float64, and a prediction that is noisy, paler and brighter."""
    rng = np.random.default_rng(seed)
    waves = [
        np.sin(np.arange(length) * rng.uniform(0.2, 0.9) + rng.uniform(0, 6)) for length in shape
    ]
    truth = 0.5 + 0.5 * np.prod(np.meshgrid(*waves, indexing="ij"), axis=0)
    return 0.8 * truth + 0.15 + 0.05 * rng.standard_normal(shape), truth


def as_batch(image):
    return torch.from_numpy(image)[None, None]


def test_flat_images_have_only_a_luminance():
    a, b = torch.full((1, 2, 12, 3), 0.2), torch.full((1, 2, 12, 3), 0.6)
    expected = 1 - (2 * 0.2 * 0.6 + 0.0001) / (0.2**2 + 0.6**2 + 0.0001)
    torch.testing.assert_close(ssim_map(a, b), torch.full_like(a, expected))
    assert ssim(a, b).item() == pytest.approx(expected)


def test_a_window_of_two_pixels_written_out():
    # the taps at steps 0 and 1 are in the ratio 1 to q = e^(−1/4.5); window means for y = (0, 1), z
    # = (1, 0)
    q = np.exp(-1 / 4.5)
    near, far = 1 / (1 + q), q / (1 + q)
    variance = near * far
    expected = 1 - (2 * near * far + 0.0001) / (near**2 + far**2 + 0.0001) * (
        (-2 * variance + 0.0009) / (2 * variance + 0.0009)
    )
    y = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    assert ssim_map(1 - y, y).flatten().tolist() == pytest.approx([expected, expected], rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 2, 14), (2, 2, 13, 4), (1, 2, 12, 3, 2)])
def test_equals_a_plain_loop_in_any_rank(shape):
    prediction, truth, weight = pair(shape)
    for given in (None, weight):
        expected = ssim_slow(prediction, truth, weight=given)
        assert ssim(prediction, truth, weight=given).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shape", [(40,), (23, 31), (13, 17, 15)])
def test_equals_scikit_image_away_from_the_border(shape):
    prediction, truth = blobs(shape)
    _, theirs = structural_similarity(
        truth,
        prediction,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        full=True,
    )
    ours = 1 - ssim_map(as_batch(prediction), as_batch(truth))[0, 0].numpy()
    inner = (slice(5, -5),) * len(shape)
    np.testing.assert_allclose(ours[inner], theirs[inner], rtol=0, atol=1e-12)
    assert 0.1 < theirs[inner].mean() < 0.98


@pytest.mark.parametrize("shape", [(23, 31), (13, 17, 15)])
def test_equals_torchmetrics_away_from_the_border(shape):
    image = pytest.importorskip("torchmetrics.functional.image")
    prediction, truth = (as_batch(x) for x in blobs(shape, seed=1))
    _, theirs = image.structural_similarity_index_measure(
        prediction, truth, data_range=1.0, return_full_image=True
    )
    inner = (..., *(slice(5, -5),) * len(shape))
    torch.testing.assert_close(
        1 - ssim_map(prediction, truth)[inner], theirs[inner], rtol=0, atol=1e-6
    )


def test_a_border_is_a_window_cut_off_and_so_is_an_edge_of_pixels_left_out():
    prediction, truth, weight = pair((1, 2, 20, 9))
    weight = torch.ones_like(weight)
    weight[:, 12:] = 0
    found = ssim_map(prediction, truth, weight=weight)
    torch.testing.assert_close(found[:, :, :12], ssim_map(prediction[:, :, :12], truth[:, :, :12]))
    assert (found[:, :, 12:] == 0).all()


def test_weights_that_are_not_0_do_not_change_the_windows():
    prediction, truth, weight = pair()
    weight = weight + 0.1
    expected = weight.unsqueeze(1) * ssim_map(prediction, truth)
    torch.testing.assert_close(ssim_map(prediction, truth, weight=weight), expected)


def test_range_1_for_no_likeness_and_up_to_2_for_the_opposite():
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand((1, 1, 64, 64), generator=generator)
    assert 0.95 < ssim(torch.rand((1, 1, 64, 64), generator=generator), noise) < 1.05
    assert 1.9 < ssim(1 - noise, noise) < 2
    assert ssim(noise, noise) == 0


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e15])
def test_rounding_far_outside_0_to_1_keeps_the_range(size):
    generator = torch.Generator().manual_seed(4)
    truth = torch.rand((1, 1, 32, 32), generator=generator)
    flat = torch.full_like(truth, size)
    for prediction in (flat, flat + truth, -flat, size * truth):
        loss_map = ssim_map(prediction, truth)
        assert loss_map.min() >= 0
        assert loss_map.max() <= 2.00001
        # float32 cannot tell the pixels of the two apart any more
        between = ssim_map(prediction, flat)
        assert between.min() >= 0
        assert between.max() <= 2.00001


def test_small_differences_keep_their_digits_in_float32():
    _, truth = (as_batch(x) for x in blobs((24, 24)))
    prediction = truth + 1e-3 * torch.sin(torch.arange(24) * 2.0)
    prediction, truth = prediction.float(), truth.float()
    expected = ssim(prediction.double(), truth.double()).item()
    assert expected < 1e-3
    assert ssim(prediction, truth).item() == pytest.approx(expected, rel=1e-4)


def test_it_trains_a_picture():
    _, truth = (as_batch(x).float() for x in blobs((24, 24)))
    picture = (
        torch.full_like(truth, 0.5).add_(0.01 * torch.sin(torch.arange(24.0))).requires_grad_()
    )
    optimizer = torch.optim.Adam([picture], lr=0.03)
    first = ssim(picture, truth).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = ssim(picture, truth)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 * first
