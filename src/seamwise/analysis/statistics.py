"""Do methods differ over many cases, and which ones? See `friedman` and `nemenyi`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its part stats takes half a second: imported at its first use
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# sizes of the diagram, in inches
_AXIS = 4.2
_TICK = 0.35  # at least, from one rank to the next
_GAP = 0.4  # from the names to the axis, room for a mean rank
_EDGE = 0.2
_ABOVE = 0.75  # the axis' numbers, and the critical difference above them
_ROW = 0.2
_BAR = 0.1
_APART = 0.15  # at least, from one bar to the next

_FONT, _SMALL = 9, 7  # in points


@dataclass(frozen=True, eq=False)
class FriedmanTest:
    """What `friedman` found.

    Attributes
    ----------
    statistic : float
        χ², in [0, n (k − 1)].
    p_value : float
        In [0, 1].
    mean_ranks : (k,) float64 array
        In [1, k], 1 = best on every case.
    """

    statistic: float
    p_value: float
    mean_ranks: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NemenyiTest:
    """What `nemenyi` found.

    Attributes
    ----------
    mean_ranks : (k,) float64 array
        In [1, k], 1 = best on every case.
    critical_difference : float
        Mean ranks at least this far apart differ at the level alpha.
    p_values : (k, k) float64 array
        Symmetric, 1 on the diagonal; corrected for the number of comparisons.
    groups : tuple of tuple of int
        Methods (columns of `scores`) that do not differ from each other, from the best to the
        worst; two or more in each group, and no group within another. Two methods differ where no
        group holds both.
    """

    mean_ranks: NDArray[np.float64]
    critical_difference: float
    p_values: NDArray[np.float64]
    groups: tuple[tuple[int, ...], ...]


def friedman(scores: ArrayLike, *, higher_is_better: bool = True) -> FriedmanTest:
    """Friedman's test: are k methods, each applied to the same n cases, all alike?

    With r_ij the rank of method j on case i, R_j its mean over the cases and R = (k + 1) / 2 the
    mean of all ranks::

        χ² = n (k − 1) · n Σ_j (R_j − R)² / Σ_ij (r_ij − R)²
        p  = P(χ²_{k−1} ≥ χ²)

    Parameters
    ----------
    scores : (n, k) array of numbers
        A row for each case, n ≥ 2, and a column for each method, k ≥ 3. Only the order within a row
        matters. Infinite values have their place in that order.
    higher_is_better : bool
        False for an error or a time.

    Returns
    -------
    FriedmanTest

    Raises
    ------
    TypeError
        The scores are not real numbers.
    ValueError
        The scores are not a table, have too few rows or columns, or hold NaN.

    Notes
    -----
    *Ties.* Equal scores share the mean of their ranks. The equation above allows for them; without
    ties it is Friedman's 12 n / (k (k + 1)) · Σ_j (R_j − R)², which Demšar uses also where there
    are some. Scores that differ by rounding are not equal: round them first.

    *All tied.* A row of equal scores draws the mean ranks together and leaves χ² and p as they are.
    Where every row is such, χ² is 0/0: it is taken as 0, and p as 1.

    *Small tables.* p is that of large n; with few cases and methods (n < 10, k < 6, say) tables of
    the exact distribution serve better.

    Source: thesis section 6.3.4; Friedman 1937, JASA 32; 1940, Annals of Mathematical Statistics
    11; Demšar 2006, JMLR 7, section 3.2.2.

    Examples
    --------
    >>> test = friedman([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.9, 0.2, 0.3]])
    >>> test.mean_ranks.round(2).tolist(), round(test.statistic, 2), round(test.p_value, 3)
    ([1.0, 2.33, 2.67], 4.67, 0.097)
    """
    table = _as_table(scores, min_methods=3, instead="for two methods use scipy.stats.wilcoxon")
    ranks = _ranks(table, higher_is_better)
    mean_ranks = ranks.mean(axis=0)
    if (ranks == ranks[:, :1]).all():  # every case is a tie, which makes the statistic 0/0
        return FriedmanTest(0.0, 1.0, mean_ranks)
    test = scipy.stats.friedmanchisquare(*ranks.T)
    return FriedmanTest(float(test.statistic), float(test.pvalue), mean_ranks)


def nemenyi(
    scores: ArrayLike, *, alpha: float = 0.05, higher_is_better: bool = True
) -> NemenyiTest:
    """Nemenyi's test: which of k methods, each applied to the same n cases, differ?

    To be asked after `friedman` found that not all are alike. With R_j the mean rank of method j
    and Q_k the range of k standard normal variables (the studentized range with infinite degrees of
    freedom)::

        SE   = √(k (k + 1) / (6 n))
        CD   = q_α SE,   P(Q_k ≥ √2 q_α) = α
        p_ij = P(Q_k ≥ √2 |R_i − R_j| / SE)

    Methods i and j differ at the level α where |R_i − R_j| ≥ CD, which is where p_ij ≤ α.

    Parameters
    ----------
    scores : (n, k) array of numbers
        A row for each case, n ≥ 2, and a column for each method, k ≥ 2. Only the order within a row
        matters. Infinite values have their place in that order.
    alpha : float
        Chance, in (0, 1), of finding any difference where all methods are alike.
    higher_is_better : bool
        False for an error or a time.

    Returns
    -------
    NemenyiTest

    Raises
    ------
    TypeError
        The scores are not real numbers.
    ValueError
        The scores are not a table, have too few rows or columns, or hold NaN; `alpha` is out of
        range.

    Notes
    -----
    *Ties.* Equal scores share the mean of their ranks. The test makes no further allowance for
    them, which errs on the side of finding no difference. Where all scores are tied every p is 1.

    *Groups* overlap where a method is between two that differ: the data do not tell to which of
    them it belongs.

    Source: thesis section 6.3.4; Nemenyi 1963, PhD thesis, Princeton; Demšar 2006, JMLR 7, section
    3.2.2.

    Examples
    --------
    >>> test = nemenyi([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.9, 0.2, 0.1], [0.7, 0.5, 0.3]])
    >>> test.mean_ranks.tolist(), round(test.critical_difference, 2), test.groups
    ([1.0, 2.0, 3.0], 1.66, ((0, 1), (1, 2)))
    >>> test.p_values.round(3).tolist()
    [[1.0, 0.333, 0.013], [0.333, 1.0, 0.333], [0.013, 0.333, 1.0]]
    """
    table = _as_table(scores, min_methods=2, instead="one method has nothing to be compared with")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be a number in (0, 1), not {alpha}: e.g. 0.05")
    cases, methods = table.shape
    mean_ranks = _ranks(table, higher_is_better).mean(axis=0)
    standard_error = np.sqrt(methods * (methods + 1) / (6 * cases))
    critical = float(
        scipy.stats.studentized_range.isf(alpha, methods, np.inf) / np.sqrt(2) * standard_error
    )
    differences = np.abs(np.subtract.outer(mean_ranks, mean_ranks))
    p_values = scipy.stats.studentized_range.sf(
        np.sqrt(2) * differences / standard_error, methods, np.inf
    )
    return NemenyiTest(mean_ranks, critical, p_values, _groups(mean_ranks, critical))


def critical_difference_diagram(names: Sequence[str], result: NemenyiTest) -> "Figure":
    """Draw the mean ranks of methods, and which of them do not differ.

    The axis holds the mean ranks, the best at the left. A thick bar joins the methods of a group,
    with a dot on each of them: those do not differ. The critical difference is drawn above the
    axis.

    Parameters
    ----------
    names : sequence of k str
        One for each column of the scores.
    result : NemenyiTest
        What `nemenyi` returned.

    Returns
    -------
    matplotlib.figure.Figure
        As wide and as high as the names and bars need; save it with
        ``figure.savefig("ranks.pdf")``.

    Raises
    ------
    ValueError
        There is not one name for each method.

    Notes
    -----
    Methods of equal mean rank share their line down from the axis, and each has its own name.

    Source: Demšar 2006, JMLR 7, section 3.2.4. There the best method is at the right; here ranks
    grow as numbers do on any other axis.

    Examples
    --------
    >>> result = nemenyi([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.9, 0.2, 0.1]])
    >>> figure = critical_difference_diagram(["HF-Seg", "GFF", "DCT"], result)
    >>> [text.get_text() for text in figure.axes[0].texts if "CD" in text.get_text()]
    ['CD = 1.91']
    """
    from matplotlib.figure import Figure  # slow to import, needed only here

    ranks, methods = result.mean_ranks, len(result.mean_ranks)
    if len(names) != methods:
        raise ValueError(
            f"names must hold {methods}, one for each method, not {len(names)}: "
            "give them in the order of the columns"
        )
    best_first = np.argsort(ranks, kind="stable").tolist()
    left = best_first[: (methods + 1) // 2]
    right = best_first[len(left) :][
        ::-1
    ]  # the outermost on top: no line crosses another's way to its name

    axis = max(_AXIS, _TICK * (methods - 1))
    inch = (methods - 1) / axis  # in ranks
    bars = [ranks[list(group)] for group in result.groups]
    depths = _depths(bars, gap=_APART * inch)
    first_row = -_BAR * (max(depths, default=0) + 1) - _ROW
    bottom = first_row - _ROW * len(left)
    left_margin = _EDGE + max(_width(names[method]) for method in left) + _GAP
    right_margin = _EDGE + max(
        _GAP + max(_width(names[method]) for method in right),
        (1 + result.critical_difference - methods) / inch,
    )
    width, height = left_margin + axis + right_margin, _ABOVE - bottom

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left_margin / width, 0, axis / width, 1))
    axes.set(xlim=(1, methods), ylim=(bottom, _ABOVE))  # ranks across, inches down
    _draw_axis(axes, methods)
    _draw_critical_difference(axes, result.critical_difference)
    for bar, depth in zip(bars, depths, strict=True):
        axes.plot(
            bar,
            np.full(len(bar), -_BAR * (depth + 1)),
            "o-",
            color="black",
            lw=2.5,
            ms=4.5,
            clip_on=False,
        )
    for side, end, align in (
        (left, 1 - _GAP * inch, "right"),
        (right, methods + _GAP * inch, "left"),
    ):
        for row, method in enumerate(side):
            _draw_name(
                axes,
                names[method],
                float(ranks[method]),
                end=end,
                height=first_row - _ROW * row,
                align=align,
            )
    return figure


def _draw_axis(axes: "Axes", methods: int) -> None:
    for side in ("left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["top"].set_position(("data", 0))
    axes.yaxis.set_visible(False)
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, methods + 1))
    axes.set_xticks(np.arange(1.5, methods), minor=True)
    axes.tick_params(labelsize=_FONT)


def _draw_critical_difference(axes: "Axes", critical_difference: float) -> None:
    stop = 1 + critical_difference
    axes.plot([1, stop], [0.45, 0.45], "|-", color="black", lw=1, ms=6, clip_on=False)
    axes.text(
        1 + critical_difference / 2,
        0.52,
        f"CD = {critical_difference:.2f}",
        size=_FONT,
        ha="center",
    )


def _draw_name(
    axes: "Axes", name: str, rank: float, *, end: float, height: float, align: str
) -> None:
    axes.plot([rank, rank, end], [0, height, height], color="black", lw=0.8, clip_on=False)
    outwards, other = (-1, "left") if align == "right" else (1, "right")
    for text, shift, side, valign, size, color in (
        (name, (4 * outwards, 0), align, "center_baseline", _FONT, "black"),
        (f"{rank:.2f}", (-outwards, 1.5), other, "bottom", _SMALL, "0.35"),
    ):
        axes.annotate(
            text, (end, height), xytext=shift, textcoords="offset points", annotation_clip=False,
            ha=side, va=valign, size=size, color=color,
        )  # fmt: skip


def _width(text: str) -> float:
    """Width of a name in the diagram, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=_FONT), ismath=False
    )
    return 1.05 * float(width) / 72  # on a screen letters are fitted to its pixels


def _groups(
    mean_ranks: NDArray[np.float64], critical_difference: float
) -> tuple[tuple[int, ...], ...]:
    best_first = np.argsort(mean_ranks, kind="stable")
    sorted_ranks = mean_ranks[best_first]
    groups = []
    last_stop = 0
    for first, rank in enumerate(sorted_ranks):
        stop = int(np.searchsorted(sorted_ranks, rank + critical_difference))
        # a group that reaches no further than the one before lies within it
        if stop > max(last_stop, first + 1):
            groups.append(tuple(best_first[first:stop].tolist()))
        last_stop = stop
    return tuple(groups)


def _depths(bars: Sequence[NDArray[np.float64]], gap: float) -> list[int]:
    """For each bar, from left to right, the first row from the axis in which it has room."""
    ends: list[float] = []
    depths = []
    for bar in bars:
        depth = next((row for row, end in enumerate(ends) if end + gap <= bar[0]), len(ends))
        ends[depth : depth + 1] = [bar[-1]]
        depths.append(depth)
    return depths


def _ranks(table: NDArray[Any], higher_is_better: bool) -> NDArray[np.float64]:
    ascending = scipy.stats.rankdata(table, axis=1)
    # not the ranks of −scores: unsigned integers wrap
    ranks: NDArray[np.float64] = table.shape[1] + 1 - ascending if higher_is_better else ascending
    return ranks


def _as_table(scores: ArrayLike, *, min_methods: int, instead: str) -> NDArray[Any]:
    table = np.asarray(scores)
    if table.dtype.kind not in "biuf":
        raise TypeError(
            f"scores must be real numbers, not {table.dtype}: give a table (cases, methods)"
        )
    if table.ndim != 2:
        raise ValueError(
            f"scores must be a table (cases, methods), not {table.ndim} dimensions {table.shape}"
        )
    cases, methods = table.shape
    if methods < min_methods:
        raise ValueError(
            f"scores must have {min_methods} methods (columns) or more, not {methods}: {instead}"
        )
    if cases < 2:
        raise ValueError(f"scores must have 2 cases (rows) or more, not {cases}: add cases")
    rows = np.flatnonzero(np.isnan(table).any(axis=1))
    if rows.size:
        raise ValueError(
            f"scores must not hold NaN, as in row {rows[0]}: remove the case for all methods"
        )
    return table
