from itertools import combinations
from math import exp, sqrt

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import friedmanchisquare

from seamwise.analysis import critical_difference_diagram, friedman, nemenyi

# Demšar 2006, Table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf, with the ranks printed beside
# them
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],  # printed 0.975 twice, ranked 2 and 3
        [0.957, 0.978, 0.946, 0.970],
    ]
)
NAMES = [
    "focus-seg",
    "focus-reg",
    "laplacian pyramid",
    "GFF",
    "DCT",
    "DCT+CV",
    "CNN",
    "matting",
    "guided filter",
]


def random_scores(shape=(12, 5), seed=0, *, ties=True):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=shape) + np.linspace(0, 1.5, shape[1])
    return np.round(scores) if ties else scores


def test_ranks_and_statistic_written_out():
    test = friedman([[5, 5, 1], [9, 7, 7]])
    # ranks 1.5 1.5 3 and 1 2.5 2.5: 2·2·2 (0.75² + 0² + 0.75²) / (2·1.5)
    assert test.mean_ranks.tolist() == [1.25, 2, 2.75]
    assert test.statistic == 3
    assert test.p_value == pytest.approx(exp(-3 / 2), rel=1e-12)


def test_the_statistic_is_largest_where_all_cases_agree_and_zero_where_they_cancel():
    agreed = friedman([[3, 2, 1], [30, 20, 10]])
    assert (agreed.mean_ranks.tolist(), agreed.statistic) == ([1, 2, 3], 4)
    cancelled = friedman([[3, 2, 1], [1, 2, 3]])
    assert (cancelled.mean_ranks.tolist(), cancelled.statistic, cancelled.p_value) == (
        [2, 2, 2],
        0,
        1,
    )


def test_where_all_is_tied_nothing_differs():
    scores = np.full((4, 3), 0.7)
    test = friedman(scores)
    assert (test.statistic, test.p_value, test.mean_ranks.tolist()) == (0, 1, [2, 2, 2])
    result = nemenyi(scores)
    assert result.p_values.tolist() == np.ones((3, 3)).tolist()
    assert result.groups == ((0, 1, 2),)


def test_a_tied_case_draws_the_mean_ranks_together_and_leaves_the_statistic():
    without, tied = [[3, 2, 1], [3, 1, 2]], [[3, 2, 1], [3, 1, 2], [5, 5, 5]]
    assert friedman(without).mean_ranks.tolist() == [1, 2.5, 2.5]
    assert friedman(tied).mean_ranks.tolist() == pytest.approx([4 / 3, 7 / 3, 7 / 3])
    assert friedman(without).statistic == pytest.approx(3)
    assert friedman(tied).statistic == pytest.approx(3)


def test_published_example():
    test = friedman(AUC)
    assert test.mean_ranks.round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    # the paper does not correct for ties: three pairs and one case of four among 14
    ties = 3 * (2**3 - 2) + (4**3 - 4)
    assert test.statistic * (1 - ties / (14 * (4**3 - 4))) == pytest.approx(9.28, abs=0.005)
    assert nemenyi(AUC).critical_difference == pytest.approx(1.25, abs=0.005)
    assert nemenyi(AUC).groups == ((3, 1, 2, 0),)
    at_ten = nemenyi(AUC, alpha=0.1)
    assert at_ten.critical_difference == pytest.approx(1.12, abs=0.005)
    assert at_ten.groups == ((3, 1, 2), (2, 0))  # C4.5+cf belongs to neither


@pytest.mark.parametrize(
    ("alpha", "published"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_values_of_the_published_table(alpha, published):
    for methods, value in enumerate(published, start=2):
        result = nemenyi(random_scores((7, methods)), alpha=alpha)
        # the last digit of the table is not always rounded: 2.3437, 2.4595
        assert result.critical_difference / sqrt(methods * (methods + 1) / 42) == pytest.approx(
            value, abs=8e-4
        )


def test_p_values_as_scikit_posthocs_computed_them():
    # posthoc_nemenyi_friedman of scikit-posthocs 0.17.1 with scipy 1.17.1: the example of its
    # documentation, and AUC
    documented = nemenyi(
        [[31, 27, 24], [31, 28, 31], [45, 29, 46], [21, 18, 48], [42, 36, 46], [32, 17, 40]]
    )
    expected = [
        [1, 0.14553487, 0.83222922],
        [0.14553487, 1, 0.03760991],
        [0.83222922, 0.03760991, 1],
    ]
    assert documented.p_values == pytest.approx(np.array(expected), abs=1e-7)
    expected = [
        [1, 0.08867271, 0.95617718, 0.0741848],
        [0.08867271, 1, 0.25922807, 0.99985945],
        [0.95617718, 0.25922807, 1, 0.22669689],
        [0.0741848, 0.99985945, 0.22669689, 1],
    ]
    assert nemenyi(AUC).p_values == pytest.approx(np.array(expected), abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_posthocs(seed):
    posthocs = pytest.importorskip(
        "scikit_posthocs"
    )  # brings pandas, seaborn, statsmodels: not among the extras
    scores = random_scores((11, 6), seed)
    assert nemenyi(scores).p_values == pytest.approx(
        posthocs.posthoc_nemenyi_friedman(scores).to_numpy(), abs=1e-12
    )


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_equals_scipy(ties, seed):
    scores = random_scores((9, 4), seed, ties=ties)
    test, oracle = friedman(scores), friedmanchisquare(*scores.T)
    assert (test.statistic, test.p_value) == pytest.approx(
        (oracle.statistic, oracle.pvalue), rel=1e-10
    )


def maximal_groups(mean_ranks, critical_difference):
    """All sets of methods without a pair that differs, less those within another."""
    alike = [
        set(members)
        for size in range(2, len(mean_ranks) + 1)
        for members in combinations(range(len(mean_ranks)), size)
        if np.ptp(mean_ranks[list(members)]) < critical_difference
    ]
    return {frozenset(group) for group in alike if not any(group < other for other in alike)}


@pytest.mark.parametrize("methods", [2, 3, 7])
@pytest.mark.parametrize("seed", range(4))
def test_groups_are_the_largest_without_a_difference(methods, seed):
    result = nemenyi(random_scores((60, methods), seed), alpha=0.2)
    assert {frozenset(group) for group in result.groups} == maximal_groups(
        result.mean_ranks, result.critical_difference
    )
    for group in result.groups:
        assert result.mean_ranks[list(group)].tolist() == sorted(result.mean_ranks[list(group)])
    together = {pair for group in result.groups for pair in combinations(sorted(group), 2)}
    for pair in combinations(range(methods), 2):
        assert (result.p_values[pair] > 0.2) == (pair in together)


def test_groups_overlap_stand_alone_or_are_absent():
    overlapping = nemenyi([[3, 2, 1]] * 4)  # CD 1.66
    assert overlapping.groups == ((0, 1), (1, 2))
    apart = nemenyi([[3, 2, 1]] * 12)  # CD 0.96
    assert apart.groups == ()
    alone = nemenyi([[9, 2, 1], [9, 1, 2]] * 12)  # ranks 1 2.5 2.5
    assert alone.groups == ((1, 2),)


def test_p_values_are_a_symmetric_table_of_chances():
    result = nemenyi(random_scores((200, 6)))
    assert np.array_equal(result.p_values, result.p_values.T)
    assert np.diag(result.p_values).tolist() == [1] * 6
    assert ((result.p_values >= 0) & (result.p_values <= 1)).all()
    assert result.p_values.min() < 1e-6


def test_alike_methods_are_told_apart_as_seldom_as_alpha_says():
    rng = np.random.default_rng(3)
    found = [len(nemenyi(rng.random((40, 4)), alpha=0.1).groups) != 1 for _ in range(200)]
    assert 0.06 < np.mean(found) < 0.14


@pytest.mark.parametrize("seed", range(3))
def test_permuting_methods_permutes_and_permuting_cases_changes_nothing(seed):
    scores = random_scores(seed=seed)
    order = np.random.default_rng(seed).permutation(5)
    cases = np.random.default_rng(seed).permutation(12)
    for changed in (scores[:, order], scores[cases][:, order]):
        before, after = friedman(scores), friedman(changed)
        assert after.mean_ranks.tolist() == before.mean_ranks[order].tolist()
        assert after.statistic == pytest.approx(before.statistic, rel=1e-12)
        before, after = nemenyi(scores), nemenyi(changed)
        assert np.array_equal(after.p_values, before.p_values[np.ix_(order, order)])
        assert {frozenset(order[list(group)].tolist()) for group in after.groups} == set(
            map(frozenset, before.groups)
        )


def test_only_the_order_within_a_case_matters():
    scores = random_scores(seed=1)
    changed = scores.copy()
    changed[0] = np.exp(changed[0])
    changed[1] = 5 * changed[1] - 100
    changed[2] = changed[2] ** 3
    changed[3] = np.where(changed[3] == changed[3].max(), np.inf, changed[3])
    changed[4] = np.where(changed[4] == changed[4].min(), -np.inf, changed[4])
    assert not np.array_equal(scores, changed)
    before, after = friedman(scores), friedman(changed)
    assert (after.statistic, after.p_value) == (before.statistic, before.p_value)
    assert np.array_equal(nemenyi(scores).p_values, nemenyi(changed).p_values)


def test_errors_are_negated_scores():
    scores = random_scores(seed=2)
    one, other = friedman(scores), friedman(-scores, higher_is_better=False)
    assert one.mean_ranks.tolist() == other.mean_ranks.tolist()
    turned = friedman(scores, higher_is_better=False)
    assert turned.mean_ranks.tolist() == pytest.approx((6 - one.mean_ranks).tolist())
    assert turned.mean_ranks.tolist() != one.mean_ranks.tolist()
    assert turned.statistic == pytest.approx(one.statistic)
    assert nemenyi(-scores, higher_is_better=False).groups == nemenyi(scores).groups
    assert nemenyi(scores, higher_is_better=False).mean_ranks.tolist() == turned.mean_ranks.tolist()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32])
def test_any_number_will_do_and_is_left_alone(dtype):
    scores = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1]], dtype)
    before = scores.copy()
    assert friedman(scores).mean_ranks.tolist() == pytest.approx([7 / 3, 7 / 3, 4 / 3])
    assert nemenyi(scores.tolist()).mean_ranks.tolist() == friedman(scores).mean_ranks.tolist()
    assert np.array_equal(scores, before)


@pytest.mark.parametrize("test", [friedman, nemenyi])
def test_refuses_what_is_not_a_table_of_scores(test):
    with pytest.raises(TypeError, match="scores must be real numbers, not <U1"):
        test([["a", "b", "c"]] * 2)
    with pytest.raises(TypeError, match="scores must be real numbers, not complex128"):
        test(np.ones((3, 4), complex))
    with pytest.raises(ValueError, match="scores must be a table"):
        test([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"scores must have 2 cases \(rows\) or more, not 1"):
        test([[1, 2, 3]])
    with pytest.raises(ValueError, match="scores must not hold NaN, as in row 1"):
        test([[1, 2, 3], [1, np.nan, 3]])


def test_refuses_too_few_methods():
    with pytest.raises(
        ValueError, match=r"scores must have 3 methods .*, not 2: for two methods use scipy.stats"
    ):
        friedman(np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"scores must have 2 methods .*, not 1"):
        nemenyi(np.ones((5, 1)))


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5, float("nan")])
def test_refuses_an_alpha_that_is_no_chance(alpha):
    with pytest.raises(ValueError, match=r"alpha must be a number in \(0, 1\)"):
        nemenyi(AUC, alpha=alpha)


class Drawn:
    """A diagram, rendered, and what it consists of."""

    def __init__(self, names, result):
        figure = critical_difference_diagram(names, result)
        (self.axes,) = figure.axes
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        self.pixels = np.asarray(canvas.buffer_rgba())[..., 0]
        by_width = {line: line.get_linewidth() for line in self.axes.lines}
        self.leaders = [line.get_xydata() for line, width in by_width.items() if width < 1]
        (self.ruler,) = (line.get_xydata() for line, width in by_width.items() if width == 1)
        self.bars = [line.get_xydata() for line, width in by_width.items() if width > 2]
        self.labels = [tick.label2 for tick in self.axes.xaxis.get_major_ticks()]
        self.texts = list(self.axes.texts)
        self.boxes = [text.get_window_extent() for text in self.texts + self.labels]

    def ink(self, box):
        height = len(self.pixels)
        rows = slice(round(height - box.y1), round(height - box.y0))
        return 255 - self.pixels[rows, round(box.x0) : round(box.x1)].astype(int)

    def texts_at(self, point):
        return [text.get_text() for text in self.texts if getattr(text, "xy", None) == tuple(point)]


def distinct(methods=9, cases=40):
    return nemenyi(
        np.random.default_rng(4).normal(size=(cases, methods)) + np.linspace(2.6, 0, methods)
    )


RESULTS = {
    "distinct": distinct(),
    "coinciding": nemenyi([[1, 1, 1, 2, 2, 2, 3, 3, 3]] * 12),
    "all tied": nemenyi(np.ones((12, 9))),
    "difference beyond the axis": nemenyi(random_scores((2, 9)), alpha=0.01),
    "no groups": nemenyi([range(9)] * 1000),
}
LONG = [f"{name}, trained with a long list of options" for name in NAMES]


@pytest.mark.parametrize(
    "names", [NAMES, LONG, list("abcdefghi"), [""] * 9], ids=["usual", "long", "short", "none"]
)
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_diagram_is_readable(names, result):
    drawn = Drawn(names, result)
    assert len(drawn.texts) == 9 + 9 + 1
    for text, box in zip(drawn.texts + drawn.labels, drawn.boxes, strict=True):
        if text.get_text():
            assert drawn.ink(box).max() > 120, f"{text} is not drawn"
    for one, other in combinations([box for box in drawn.boxes if box.width > 1], 2):
        assert not one.overlaps(other)
    border = np.ones(drawn.pixels.shape, bool)
    border[4:-4, 4:-4] = False
    assert (drawn.pixels[border] == 255).all()


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_a_line_leads_from_each_mean_rank_to_its_name(result):
    drawn = Drawn(NAMES, result)
    shown = {}
    for leader in drawn.leaders:
        (rank, top), (down, corner), end = leader
        assert (top, down, corner) == (0, rank, end[1])
        name, number = drawn.texts_at(end)
        assert number == f"{rank:.2f}"
        shown[name] = rank
    assert shown == dict(zip(NAMES, result.mean_ranks, strict=True))
    left = {
        name
        for leader in drawn.leaders
        if leader[2, 0] < 1
        for name in drawn.texts_at(leader[2])[:1]
    }
    assert len(left) == 5
    assert max(shown[name] for name in left) <= min(shown[name] for name in shown.keys() - left)


def test_lines_do_not_cross():
    drawn = Drawn(NAMES, RESULTS["distinct"])
    for one in drawn.leaders:
        (rank, _), (_, height), (end, _) = one
        for other in drawn.leaders:
            between = min(rank, end) < other[0, 0] < max(rank, end)
            assert not (between and other[1, 1] < height)


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_a_bar_joins_each_group(result):
    drawn = Drawn(NAMES, result)
    assert [bar[:, 0].tolist() for bar in drawn.bars] == [
        result.mean_ranks[list(g)].tolist() for g in result.groups
    ]
    lowest_name = max(leader[1, 1] for leader in drawn.leaders)
    for bar in drawn.bars:
        assert len(set(bar[:, 1])) == 1
        assert lowest_name < bar[0, 1] < 0
    for one, other in combinations(drawn.bars, 2):
        if one[0, 1] == other[0, 1]:
            assert one[-1, 0] + 0.1 < other[0, 0]


def test_bars_side_by_side_share_a_row():
    drawn = Drawn(list("abcd"), nemenyi([[4, 4, 1, 1]] * 30))
    assert [bar[:, 0].tolist() for bar in drawn.bars] == [[1.5, 1.5], [3.5, 3.5]]
    assert drawn.bars[0][0, 1] == drawn.bars[1][0, 1]


@pytest.mark.parametrize("methods", [2, 3, 4, 60])
def test_the_axis_is_that_of_the_ranks_and_the_ruler_is_as_long_as_the_difference(methods):
    result = distinct(methods)
    drawn = Drawn([f"method {number}" for number in range(methods)], result)
    assert drawn.axes.get_xlim() == (1, methods)
    assert [label.get_text() for label in drawn.labels] == [
        str(rank) for rank in range(1, methods + 1)
    ]
    (start, height), (stop, _) = drawn.ruler
    assert (start, stop) == (1, 1 + result.critical_difference)
    ruler = drawn.axes.transData.transform((start, height))[1]
    assert ruler > max(box.y1 for box in drawn.boxes[len(drawn.texts) :]) + 3
    assert f"CD = {result.critical_difference:.2f}" in [text.get_text() for text in drawn.texts]
    for one, other in combinations(drawn.boxes, 2):
        assert not one.overlaps(other)


def test_refuses_names_of_other_methods():
    with pytest.raises(
        ValueError,
        match="names must hold 4, one for each method, not 3: give them in the order",
    ):
        critical_difference_diagram(["a", "b", "c"], nemenyi(AUC))
