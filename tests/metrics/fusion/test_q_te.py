import numpy as np
import pytest

from seamwise.metrics.fusion import q_te
from support.fusion_pictures import triple

NAVA, CVEJIC = 0.43137, 1.85


def test_two_independent_bits_written_out():
    a, b = np.array([[0, 0, 255, 255]]), np.array([[0, 255, 0, 255]])
    # T(A, B) = 0; T(B, B) from h = 1/2, 1/2 over products of 1/4
    itself = (1 - 2 * 0.5**NAVA * 0.25 ** (1 - NAVA)) / (1 - NAVA)
    assert q_te(a, b, b, marginals="matched") == pytest.approx(itself / 2)
    # every marginal is 1/2, so that swapping changes nothing
    assert q_te(a, b, b) == pytest.approx(itself / 2)


def test_swapped_and_matched_marginals_written_out():
    source, fused = np.array([[0, 0, 0, 255]]), np.array([[0, 0, 255, 255]])
    # pairs (0, 0) twice, (0, 255), (255, 255); source 3/4, 1/4 and fused 1/2, 1/2
    q = CVEJIC
    pairs = np.array([1 / 2, 1 / 4, 1 / 4])
    for marginals, products in (
        ("matched", [3 / 4 * 1 / 2, 3 / 4 * 1 / 2, 1 / 4 * 1 / 2]),
        ("swapped", [1 / 2 * 3 / 4, 1 / 2 * 1 / 4, 1 / 2 * 1 / 4]),
    ):
        expected = (1 - np.sum(pairs**q * np.power(products, 1 - q))) / (1 - q)
        value = q_te(source, source, fused, variant="cvejic", marginals=marginals)
        assert value == pytest.approx(2 * expected)


def test_the_denominator_written_out():
    a, b = np.array([[0, 0, 0, 255]]), np.array([[0, 0, 255, 255]])
    q = NAVA
    pairs, products = np.array([1 / 2, 1 / 4, 1 / 4]), np.array([3 / 8, 3 / 8, 1 / 8])
    t_ab = (1 - np.sum(pairs**q * products ** (1 - q))) / (1 - q)
    t_aa = (1 - (0.75**q * (9 / 16) ** (1 - q) + 0.25**q * (1 / 16) ** (1 - q))) / (1 - q)
    h_a = -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)
    expected = (t_aa + t_ab) / (h_a**q + 1 + t_ab)
    assert q_te(a, b, a, marginals="matched") == pytest.approx(expected)


def test_a_pair_whose_swapped_product_is_0_adds_nothing():
    source, fused = np.array([[0, 128, 255]]), np.array([[0, 255, 255]])
    # (128, 255): level 128 is nowhere in the fused picture
    q = CVEJIC
    expected = (1 - 2 * (1 / 3) ** q * np.sum(np.power([1 / 9, 2 / 9], 1 - q)) / 2) / (1 - q)
    assert q_te(source, source, fused, variant="cvejic") == pytest.approx(2 * expected)


@pytest.mark.parametrize("variant", ["thesis", "cvejic"])
def test_matched_marginals_are_a_divergence(variant):
    a, b, fused = triple()
    assert q_te(a, b, fused, variant=variant, marginals="matched") > 0
    # every pair of levels once: independent
    rows, columns = np.mgrid[:16, :16]
    assert q_te(rows, rows, columns, variant=variant, marginals="matched") == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("variant", ["thesis", "cvejic"])
@pytest.mark.parametrize("marginals", ["swapped", "matched"])
def test_a_constant_picture_shares_nothing(variant, marginals):
    a, b, fused = triple()
    flat = np.full_like(a, 50)
    for pictures in ((a, b, flat), (flat, flat, fused), (flat, flat, flat)):
        assert q_te(*pictures, variant=variant, marginals=marginals) == 0
    one, both = (
        q_te(a, other, fused, variant="cvejic", marginals=marginals) for other in (flat, a)
    )
    assert one == pytest.approx(both / 2)


def test_unknown_options_are_named():
    a, b, fused = triple((4, 5))
    with pytest.raises(ValueError, match="variant must be one of 'thesis', 'cvejic', not 'survey'"):
        q_te(a, b, fused, variant="survey")
    with pytest.raises(
        ValueError, match="marginals must be one of 'swapped', 'matched', not 'own'"
    ):
        q_te(a, b, fused, marginals="own")
