"""The numbers of Figures 33, 34 and 35 in tables, and verdicts on the thesis' claims about them."""

import numpy as np

from seamwise.analysis import Claim, claim_of_fact, markdown_table, verdict_table
from simulated_scores import C1, C3, LATE, MOMENTS, PRINTED, RIGHT, SCORES, Content

TOLD = (0.5, 0.25, 0.1, 0.01)  # prevalences of the table
FITTED = 40  # the iteration at which the thesis finds the cells fitted
CONSTANT = 1e-9
MUCH = 10  # times as large a gradient is one where the other's is nearly zero


def words(content: Content) -> str:
    """Write our numbers next to the thesis', and the verdicts on its claims, in Markdown."""
    claims = [
        *claims_33(content["fig33"]),
        *claims_34(content["fig34"]),
        *claims_35(content["fig35"]),
    ]
    return "\n".join(
        [
            "Figure 33, the classifier that knows something:",
            "",
            table_33(content["fig33"]),
            "Figure 34, correlation of J and MCC; the thesis has C3:",
            "",
            table_34(content["fig34"]),
            "Figure 35, norms of the gradients with respect to the logits (equations of the "
            "simulation are ours):",
            "",
            table_35(content["fig35"]),
            verdict_table(claims),
        ]
    )


def at(figure: Content, name: str, score: str, prevalence: float) -> float:
    """Return one score of Figure 33."""
    return float(figure["scores"][name][score][figure["prevalence"].index(prevalence)])


def table_33(figure: Content) -> str:
    """Write all scores at some prevalences."""

    def line(score: str) -> list[str]:
        values = [f"{at(figure, RIGHT, score, prevalence):.3f}" for prevalence in TOLD]
        return [SCORES[score], *values]

    lines = [line(score) for score in SCORES]
    return markdown_table([RIGHT, *(f"π = {prevalence}" for prevalence in TOLD)], lines)


def claims_33(figure: Content) -> list[Claim]:
    """Judge whether J and MCC, and they alone, are invariant."""

    def ranges(scores: Content) -> dict[str, float]:
        return {score: float(np.ptp(values)) for score, values in scores.items()}

    moves = {name: ranges(scores) for name, scores in figure["scores"].items()}
    pair = ("youden", "mcc")
    blind = max(moves[name][score] for name in (C1, C3) for score in pair)
    others = {
        f"{SCORES[score]} of {name}": moves[name][score]
        for name in (C1, C3)
        for score in SCORES
        if score not in pair
    }
    invariant_scores = [name for name, range_ in others.items() if range_ < CONSTANT]
    sensitive_scores = [SCORES[score] for score in pair if moves[RIGHT][score] >= CONSTANT]
    ends = ", ".join(
        f"{SCORES[score]} {at(figure, RIGHT, score, TOLD[0]):.3f} to "
        f"{at(figure, RIGHT, score, TOLD[-1]):.3f}"
        for score in pair
    )
    return [
        claim_of_fact(
            "J and MCC of C1 and C3 do not change with π",
            blind < CONSTANT,
            f"they move by at most {blind:.2g}",
        ),
        claim_of_fact(
            "No other score of C1 and C3 is invariant",
            not invariant_scores,
            f"invariant as well: {', '.join(invariant_scores) or 'none'}",
        ),
        claim_of_fact(
            "J and MCC are invariant for a classifier that knows something",
            not sensitive_scores,
            f"{ends} ({RIGHT})",
        ),
    ]


def table_34(figure: Content) -> str:
    """Write the correlations, a line for each prevalence."""
    columns = {
        f"C3, {figure['pixels']} pixels": C3,
        "the same, empty images with TPR 0": "empty kept",
        f"C3, {figure['many_pixels']} pixels": "many pixels",
        C1: C1,
        RIGHT: RIGHT,
    }
    lines = []
    for number, prevalence in enumerate(figure["prevalence"]):
        cells = [f"{figure['correlation'][key][number]:.4f}" for key in columns.values()]
        lines.append([f"π = {prevalence:g}", f"{PRINTED[prevalence]:.2f}", *cells])
    return markdown_table(["", "thesis", *columns], lines)


def claims_34(figure: Content) -> list[Claim]:
    """Judge whether the correlation is high where a class is rare."""
    rarest = figure["prevalence"].index(min(PRINTED))
    thesis = PRINTED[min(PRINTED)]
    correlation = {name: values[rarest] for name, values in figure["correlation"].items()}
    rare = f"π = {min(PRINTED):g}"
    source = (
        f"the thesis names no number of pixels: {correlation[C3]:.3f} with {figure['pixels']}, "
        f"{correlation['many pixels']:.3f} "
        f"with {figure['many_pixels']}; {correlation['empty kept']:.3f} if the "
        f"{figure['empty'][rarest]:.1%} of images "
        "without a positive pixel count as TPR 0"
    )
    return [
        claim_of_fact(
            f"J and MCC correlate highly at {rare}, at least {thesis}",
            correlation[C3] >= thesis,
            f"C3 {correlation[C3]:.3f}",
        ),
        Claim(f"The correlation at {rare} is {thesis}", "cannot be tested here", source),
        claim_of_fact(
            "The same for a classifier that knows something (not in the thesis), at least "
            f"{thesis}",
            correlation[RIGHT] >= thesis,
            f"{correlation[RIGHT]:.3f} ({RIGHT})",
        ),
    ]


def table_35(figure: Content) -> str:
    """Write gradient norms of both losses at some iterations, by first confidence."""
    lines = []
    for start, course in figure["courses"].items():
        for name, label in (("cross_entropy_gradient", "CE"), ("youden_gradient", "J")):
            norms = [f"{course[name][moment]:.2g}" for moment in MOMENTS]
            lines.append([f"{label}, start {start}", *norms])
    return markdown_table(["", *(f"t = {moment}" for moment in MOMENTS)], lines)


def claims_35(figure: Content) -> list[Claim]:
    """Judge whether cross entropy leads first, and J at the end."""
    leads = {
        start: int(
            np.sum(np.greater(course["cross_entropy_gradient"], course["youden_gradient"])[:FITTED])
        )
        for start, course in figure["courses"].items()
    }

    def at_late(key: str) -> list[float]:
        return [course[key][LATE] for course in figure["courses"].values()]

    keys = ("cross_entropy", "youden", "cross_entropy_gradient", "youden_gradient")
    late = {key: at_late(key) for key in keys}
    ratio = min(np.divide(late["youden_gradient"], late["cross_entropy_gradient"]))
    touching, gap = figure["found"][f"{LATE}"][2:]
    shares = ", ".join(f"{count} of {FITTED} (start {start})" for start, count in leads.items())
    return [
        claim_of_fact(
            f"Cross entropy leads for the first {FITTED} iterations, J's gradient is smaller",
            min(leads.values()) == FITTED,
            f"CE's gradient is the larger in {shares}",
        ),
        claim_of_fact(
            f"At iteration {LATE} CE's gradient is near zero, J's is not, and J still has loss",
            ratio >= MUCH and min(np.subtract(late["youden"], late["cross_entropy"])) > 0,
            f"gradients {late['cross_entropy_gradient'][0]:.3g} and "
            f"{late['youden_gradient'][0]:.3g} (a factor of "
            f"{ratio:.0f}), losses {late['cross_entropy'][0]:.3g} and {late['youden'][0]:.3g}",
        ),
        Claim(
            f"At iteration {LATE} touching and the gap are not there yet",
            "cannot be tested here",
            f"a choice of the simulation, which is ours; here {touching} of {figure['pixels'][2]} "
            "touching pixels and "
            f"{gap} of {figure['pixels'][3]} of the gap are",
        ),
    ]
