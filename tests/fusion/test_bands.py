"""Bands of a picture, and scores that follow its edges."""

import numpy as np
import pytest
import torch

from seamwise.fusion.bands import (
    enlarged,
    follow_edges,
    join,
    joined_pair,
    log_detail,
    of_bands,
    smaller,
    split,
    weighted,
)


def picture(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_bands_add_up_to_the_picture(count):
    whole = picture(2, 3, 32, 48)
    bands = split(whole, count)
    assert [tuple(band.shape[2:]) for band in bands] == [
        (32 >> number, 48 >> number) for number in range(count)
    ]
    torch.testing.assert_close(join(bands), whole)


def test_two_bands_by_hand():
    detail, coarse = split(torch.tensor([[[[0.0, 2, 4, 6], [0, 2, 4, 6]]]]), 2)
    assert coarse.tolist() == [[[[1.0, 5.0]]]]
    # linear between the centres of 1 and 5: 1, 2, 4, 5
    assert detail.tolist() == [[[[-1.0, 0, 0, 1], [-1, 0, 0, 1]]]]


def test_equal_scores_are_the_mean_and_a_large_one_is_its_frame():
    burst = picture(1, 3, 1, 16, 16)
    bands = [band.unflatten(0, (1, 3)) for band in split(burst.flatten(0, 1), 2)]
    scores = [torch.zeros_like(band[:, :, :1]) for band in bands]
    torch.testing.assert_close(weighted(bands, scores), burst.mean(1))
    for score in scores:
        score[:, 1] = 50
    torch.testing.assert_close(weighted(bands, scores), burst[:, 1])


def test_a_constant_score_stays_whatever_the_guide():
    score = torch.full((1, 1, 16, 16), 2.5)
    torch.testing.assert_close(
        follow_edges(score, picture(1, 1, 32, 32)), torch.full((1, 1, 32, 32), 2.5)
    )


def test_a_score_that_changes_near_an_edge_changes_at_the_edge():
    """The edge lies within a pixel of half the size: there, the guide decides."""
    guide = torch.zeros(1, 1, 32, 32)
    guide[..., 17:] = 4.0
    score = torch.zeros(1, 1, 16, 16)
    score[..., 9:] = 1.0
    row = follow_edges(score, guide)[0, 0, 16].numpy()
    assert np.abs(row[:17]).max() < 0.3
    assert np.abs(1 - row[17:]).max() < 0.3
    plain = follow_edges(score, torch.zeros_like(guide))[0, 0, 16].numpy()
    assert np.diff(row)[16] > 3 * np.diff(plain).max()


def test_a_guide_may_be_larger_by_any_factor():
    guide = picture(1, 1, 64, 64)
    assert follow_edges(torch.zeros(1, 1, 16, 16), guide).shape == guide.shape


@pytest.mark.parametrize("size", [(32, 48), (16, 112)])
def test_without_slopes_it_is_computed_by_other_means_to_the_same_numbers(size):
    """As a training computes it, with torch, and as a fusion does, with OpenCV."""
    whole = picture(2, 3, *size)
    score, guide = picture(2, 1, size[0] // 2, size[1] // 2), whole[:, :1]
    trained = whole.clone().requires_grad_()
    for bands in zip(split(whole, 4), split(trained, 4), strict=True):
        torch.testing.assert_close(*bands, atol=1e-6, rtol=0)
    torch.testing.assert_close(smaller(whole, 4), smaller(trained, 4), atol=1e-6, rtol=0)
    larger = [enlarged(x, (2 * size[0], 3 * size[1])) for x in (whole, trained)]
    torch.testing.assert_close(*larger, atol=1e-5, rtol=0)
    followed = follow_edges(score, guide), follow_edges(score.requires_grad_(), guide)
    torch.testing.assert_close(*followed, atol=1e-5, rtol=0)
    followed[1].sum().backward()
    assert torch.isfinite(score.grad).all()


def test_details_of_a_pixel_by_hand():
    """Stripes of one pixel next to a plain part; means of 6×6 pixels."""
    grey = torch.full((1, 1, 8, 24), 0.25)
    grey[..., :12:2], grey[..., 1:12:2] = 0.0, 0.5
    expected = torch.tensor([0.25, 0.25, 0.25, 0.25, 0.25, 0.25 * 2 / 3, 0.25 / 3, 0, 0, 0, 0, 0])
    for brightness in (1.0, 0.01):
        detail = log_detail(brightness * grey, torch.tensor(brightness * 0.25).reshape(1, 1, 1, 1))
        assert detail.shape == (1, 1, 4, 12)
        torch.testing.assert_close(
            detail[0, 0, 1], torch.log(expected / 0.25 + 0.02), atol=1e-3, rtol=0
        )


def test_no_contrast_at_all_is_finite():
    assert log_detail(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 1, 1)).isfinite().all()


def test_each_band_of_a_pair_has_its_own_weights():
    """Three bands: the details of a pixel from a, of two from b, a quarter of the rest from a."""
    a, b = picture(2, 1, 3, 16, 24)
    logits = torch.zeros(1, 6, 16, 24)
    logits[:, 0], logits[:, 4], logits[:, 5] = 50, 50, np.log(3)
    (finest, _, rest), (_, middle, other_rest) = split(a, 3), split(b, 3)
    expected = join([finest, middle, 0.25 * rest + 0.75 * other_rest])
    torch.testing.assert_close(joined_pair(a, b, logits), expected)
    arrays = joined_pair(a.numpy(), b.numpy(), logits.numpy())
    np.testing.assert_allclose(arrays, expected.numpy(), atol=1e-6)


def test_the_weight_of_a_coarse_band_is_that_of_the_mean_score():
    a, b = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    logits = torch.zeros(1, 4, 4, 4)
    logits[0, 1, 0, 0], logits[0, 3, 1, 1] = 8, 4  # of the coarse band, of one of its pixels
    weight = 1 / (1 + np.exp(-1))
    assert float(joined_pair(a, b, logits)[0, 0, 0, 0]) == pytest.approx(weight)


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_the_logits_of_bands_are_those_without_the_first_of_each_source(kind):
    logits = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    batch = torch.from_numpy(logits)[None] if kind == "tensor" else logits
    assert of_bands(batch)[..., 0, 0].reshape(-1).tolist() == [1, 2, 3, 5, 6, 7]
