import numpy as np
import pytest

from oracles.fusion_metrics import q_s_slow
from seamwise.metrics.fusion import q_s
from support.fusion_pictures import triple

C1, C2 = 6.5025, 58.5225
x = np.arange(-5, 6)
GAUSSIAN = np.exp(-(x[:, None] ** 2 + x**2) / 4.5) / np.sum(np.exp(-(x[:, None] ** 2 + x**2) / 4.5))
BOX = np.full((8, 8), 1 / 64)


def test_equals_a_plain_loop():
    pictures = triple((14, 17))
    thesis = q_s_slow(*pictures, GAUSSIAN, C1, C2)
    survey = q_s_slow(*pictures, BOX, (1e-6 * 255) ** 2, (1e-6 * 255) ** 2)
    for variant, (plain, weighted) in (("thesis", thesis), ("survey", survey)):
        assert q_s(*pictures, variant=variant) == pytest.approx(plain, rel=1e-9)
        assert q_s(*pictures, variant=variant, form="W") == pytest.approx(weighted, rel=1e-9)


def test_flat_pictures_written_out():
    a, b, fused = (np.full((11, 13), level) for level in (100, 60, 90))
    terms = [(2 * m * 90 + C1) / (m**2 + 90**2 + C1) for m in (100, 60)]
    for form in "SW":
        assert q_s(a, b, fused, form=form) == pytest.approx(sum(terms) / 2)


def test_only_the_livelier_source_counts():
    lively = triple()[2]
    flat = np.full_like(lively, 60)
    assert q_s(lively, flat, lively) == pytest.approx(1, abs=1e-12)
    assert q_s(flat, lively, lively) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("variant", ["thesis", "survey"])
@pytest.mark.parametrize("form", ["S", "W", "E"])
def test_three_alike_pictures_score_1(variant, form):
    fused = triple()[2]
    assert q_s(fused, fused, fused, variant=variant, form=form) == pytest.approx(1, abs=1e-9)


def test_form_e_is_w_of_the_pictures_times_w_of_their_edges():
    pictures = triple()

    def edges(picture):
        p = np.pad(picture, 1)
        across = sum(
            p[i : i + picture.shape[0], 2:] - p[i : i + picture.shape[0], :-2] for i in range(3)
        )
        down = sum(
            p[2:, i : i + picture.shape[1]] - p[:-2, i : i + picture.shape[1]] for i in range(3)
        )
        return np.hypot(across, down)

    # / 8 keeps the edges within 0..255; the survey's constants are too small for it to matter
    of_edges = q_s(*(edges(x) / 8 for x in pictures), variant="survey", form="W")
    expected = q_s(*pictures, variant="survey", form="W") * of_edges
    assert q_s(*pictures, variant="survey", form="E") == pytest.approx(expected, abs=1e-8)


def test_a_flat_window_of_floats_is_flat():
    # rounding leaves variances of −2e-12 and 7e-12, whose ratio must not be taken for λ
    a, b, fused = (np.full((20, 20), level) for level in (77.7, 254.9, 50.7))
    terms = [(2 * m * 50.7 + C1) / (m**2 + 50.7**2 + C1) for m in (77.7, 254.9)]
    assert q_s(a, b, fused) == pytest.approx(sum(terms) / 2, rel=1e-9)


def test_a_picture_below_the_window_is_refused():
    with pytest.raises(ValueError, match=r"at least 11 × 11 pixels, not \(10, 40\)"):
        q_s(*triple((10, 40)))
    assert np.isfinite(q_s(*triple((11, 11))))


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="variant must be one of 'thesis', 'survey', not 'liu'"):
        q_s(*triple(), variant="liu")
    with pytest.raises(ValueError, match="form must be one of 'S', 'W', 'E', not 's'"):
        q_s(*triple(), form="s")
