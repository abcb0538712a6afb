"""Youden's J and its loss on simulations: the thesis' Figures 33, 34 and 35.

python reproduction/segmentation/fig33_35.py [-o reproduction/segmentation/results] [--quick]

Needs no data. Figures 33 and 34 of the thesis show
classifiers that ignore the image. We add one that is right nine times out of ten.
"""

import argparse
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from learned_seam import loss_course, shrinking_mask, touching_pair
from seamwise import __version__
from seamwise.analysis import (
    BinaryClassifier,
    BinaryScores,
    expected_scores,
    sampled_scores,
    stratified_classifier,
    uniform_classifier,
    youden_mcc_correlation,
)
from seamwise.analysis.evidence import Claim, claim_of_fact, markdown_table, verdict_table
from seamwise.io.jsonfile import read_json, write_json
from seamwise.labels import CLASS_NAMES
from study import HERE, command

SEED = 0
SCORES = {
    "youden": "J",
    "mcc": "MCC",
    "jaccard": "Jaccard",
    "f1": "F1",
    "tversky": "Tversky",
    "accuracy": "accuracy",
}
C1, C3, RIGHT = "C1", "C3", "TPR = TNR = 0.9"
TITLES = {
    C1: "C1: guesses as often as the class occurs",
    C3: "C3: tosses a coin",
    RIGHT: f"{RIGHT}: knows something",
}
TOLD = (0.5, 0.25, 0.1, 0.01)  # prevalences of the table
PRINTED = {0.01: 0.92, 0.25: 0.99, 0.5: 1.0}  # correlations of Figure 34
PIXELS, MANY_PIXELS = 350, 10_000
DRAWS, QUICK_DRAWS = 20_000, 2_000
SHOWN = 150  # draws in the scatter
STARTS = (0.5, 0.9, 0.99)  # first confidence of the simulated network
FITTED, LATE = 40, 46  # the iterations that the thesis names
MOMENTS = (0, 20, 39, LATE, 59)  # whose masks are kept
CONSTANT = 1e-9
MUCH = 10  # times as large a gradient is one where the other's is nearly zero

Content = Mapping[str, Any]


def classifiers(prevalence: ArrayLike) -> dict[str, BinaryClassifier]:
    """Return two blind classifiers, and one that is not."""
    return {
        C1: stratified_classifier(prevalence),
        C3: uniform_classifier(),
        RIGHT: BinaryClassifier(0.9, 0.9),
    }


def measure(draws: int) -> dict[str, Any]:
    """Measure everything that the three figures show."""
    return {
        "seed": SEED,
        "versions": {
            "seamwise": __version__,
            "numpy": np.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "fig33": invariance(),
        "fig34": correlations(draws),
        "fig35": simulation(),
    }


def invariance() -> dict[str, Any]:
    """Return six scores of each classifier over the prevalence."""
    prevalence = np.arange(1, 51) / 100

    def scores_of(classifier: BinaryClassifier) -> dict[str, list[float]]:
        expected = asdict(expected_scores(prevalence, classifier))
        return {score: shortened(values) for score, values in expected.items()}

    scores = {name: scores_of(who) for name, who in classifiers(prevalence).items()}
    return {"prevalence": prevalence.tolist(), "scores": scores}


def correlations(draws: int) -> dict[str, Any]:
    """Pearson's coefficient of J and MCC at the printed prevalences, and some draws to look at."""
    prevalence = np.array(list(PRINTED))
    samples = {
        name: sampled_scores(prevalence, who, rng=SEED, pixels=PIXELS, draws=draws)
        for name, who in classifiers(prevalence).items()
    }
    large = sampled_scores(
        prevalence, uniform_classifier(), rng=SEED, pixels=MANY_PIXELS, draws=draws
    )
    correlation = {name: youden_mcc_correlation(scores) for name, scores in samples.items()}
    correlation["empty kept"] = youden_mcc_correlation(with_empty_images(samples[C3]))
    correlation["many pixels"] = youden_mcc_correlation(large)
    rows = range(len(prevalence))
    scatter_c3 = [scattered(samples[C3], row) for row in rows]
    scatter_right = [scattered(samples[RIGHT], row) for row in rows]
    return {
        "prevalence": prevalence.tolist(),
        "pixels": PIXELS,
        "many_pixels": MANY_PIXELS,
        "draws": draws,
        "empty": np.isnan(samples[C3].youden).mean(axis=1).tolist(),
        "correlation": {name: shortened(values) for name, values in correlation.items()},
        "scatter": {C3: scatter_c3, RIGHT: scatter_right},
    }


def with_empty_images(scores: BinaryScores) -> BinaryScores:
    """Count images without a positive pixel, with a TPR and an MCC of 0."""
    empty = np.isnan(scores.youden)
    # with negative pixels only, accuracy is the TNR
    return replace(
        scores,
        youden=np.where(empty, scores.accuracy - 1, scores.youden),
        mcc=np.where(empty, 0, scores.mcc),
    )


def scattered(scores: BinaryScores, row: int) -> dict[str, list[float]]:
    """Return J and MCC of the first draws that have both."""
    finite = np.flatnonzero(np.isfinite(scores.youden[row]))[:SHOWN]
    return {
        "youden": shortened(scores.youden[row, finite]),
        "mcc": shortened(scores.mcc[row, finite]),
    }


def simulation() -> dict[str, Any]:
    """Return losses and gradients while two cells are learned, from each first confidence."""
    target = touching_pair()
    courses = {}
    for start in STARTS:
        samples = shrinking_mask(target, start=start)
        course = asdict(loss_course(samples.probabilities, samples.target))
        courses[f"{start}"] = {name: shortened(values) for name, values in course.items()}
    classes = shrinking_mask(target, start=STARTS[0]).probabilities.argmax(axis=1)

    def pixels_found(t: int) -> list[int]:
        return [int((classes[t] == k)[target == k].sum()) for k in range(len(CLASS_NAMES))]

    return {
        "target": digits(target),
        "masks": {f"{t}": digits(classes[t]) for t in MOMENTS},
        "pixels": np.bincount(target.ravel()).tolist(),
        "found": {f"{t}": pixels_found(t) for t in MOMENTS},
        "courses": courses,
    }


def shortened(values: NDArray[np.float64]) -> list[float]:
    """Return five digits of each, as JSON takes them; what is 0 but for rounding is 0."""
    return [float(f"{value:.5g}") if abs(value) > 1e-12 else 0.0 for value in values.tolist()]


def digits(classes: NDArray[np.integer[Any]]) -> list[str]:
    """Write a class map, a string for each row."""
    return ["".join(map(str, row)) for row in classes.tolist()]


def from_digits(rows_of_digits: list[str]) -> NDArray[np.int64]:
    """Read the class map again."""
    return np.array([list(row) for row in rows_of_digits]).astype(np.int64)


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
    still = [who for who, range_ in others.items() if range_ < CONSTANT]
    informed = [SCORES[score] for score in pair if moves[RIGHT][score] >= CONSTANT]
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
            not still,
            f"invariant as well: {', '.join(still) or 'none'}",
        ),
        claim_of_fact(
            "J and MCC are invariant for a classifier that knows something",
            not informed,
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


def draw(content: Content, folder: Path) -> list[Path]:
    """Draw the three figures from what was measured."""
    figures = {
        "fig33.png": draw_33(content["fig33"]),
        "fig34.png": draw_34(content["fig34"]),
        "fig35.png": draw_35(content["fig35"]),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=100)
    return [folder / name for name in figures]


def draw_33(content: Content) -> Figure:
    """Draw six scores over the prevalence, a panel for each classifier."""
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    panels = figure.subplots(1, len(content["scores"]), sharey=True)
    for panel, (name, scores) in zip(panels, content["scores"].items(), strict=True):
        for score, label in SCORES.items():
            # J and MCC lie on each other where they are 0, and F1 and Tversky for C1
            style = {
                "youden": {"lw": 4, "alpha": 0.5},
                "mcc": {"lw": 1.8, "ls": "--", "color": "black"},
                "tversky": {"lw": 1.5, "ls": "--"},
            }
            panel.plot(
                content["prevalence"], scores[score], label=label, **style.get(score, {"lw": 1.5})
            )
        panel.set(
            title=TITLES[name],
            xlabel="prevalence π, the share of positive pixels",
            ylim=(-0.03, 1.03),
        )
        panel.grid(color="0.92")
    panels[0].set_ylabel("score")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(SCORES),
        frameon=False,
    )
    return figure


def draw_34(content: Content) -> Figure:
    """Plot J against MCC: above for a coin, below for a classifier that knows something."""
    figure = Figure(figsize=(10.5, 7), layout="constrained")
    names = list(content["scatter"])
    panels = figure.subplots(len(names), len(content["prevalence"]), sharex="row", sharey="row")
    for row, name in zip(panels, names, strict=True):
        for number, (panel, points) in enumerate(zip(row, content["scatter"][name], strict=True)):
            panel.plot(points["mcc"], points["youden"], ".", ms=4, alpha=0.5)
            r, prevalence = content["correlation"][name][number], content["prevalence"][number]
            note = f" (thesis {PRINTED[prevalence]:.2f})" if name == C3 else ""
            panel.set_title(f"π = {prevalence:g}: r = {r:.4f}{note}", fontsize="medium")
            panel.grid(color="0.92")
        row[0].set_ylabel(f"{TITLES[name]}\n\nJ")
        for panel in row:
            panel.set_xlabel("MCC")
    figure.suptitle(
        f"J and MCC of drawn images, each of {content['pixels']} pixels, and their correlation r"
    )
    return figure


def draw_35(content: Content) -> Figure:
    """Draw predictions at some iterations above, losses and gradients below."""
    colours = ["#30305a", "#4c9f70", "#f2c14e", "#d7263d"]
    figure = Figure(figsize=(12.5, 6.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    pictures = {
        **{f"t = {moment}": mask for moment, mask in content["masks"].items()},
        "truth": content["target"],
    }
    for panel, (title, mask) in zip(top.subplots(1, len(pictures)), pictures.items(), strict=True):
        panel.imshow(
            from_digits(mask),
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=len(colours) - 0.5,
            interpolation="nearest",
        )
        panel.set_title(title, fontsize="medium")
        panel.set_axis_off()
    patches = [
        Patch(color=colour, label=name) for colour, name in zip(colours, CLASS_NAMES, strict=True)
    ]
    top.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
    losses, gradients = bottom.subplots(1, 2)
    for suffix, panel in (("", losses), ("_gradient", gradients)):
        for start, style in zip((f"{STARTS[0]}", f"{STARTS[-1]}"), ("-", "--"), strict=True):
            course = content["courses"][start]
            for name, label, colour in (
                ("cross_entropy", "CE", "0.35"),
                ("youden", "J", "tab:red"),
            ):
                legend = f"{label}, confidence from {start}"
                panel.plot(course[name + suffix], style, color=colour, lw=1.8, label=legend)
        for moment in content["masks"]:
            panel.axvline(int(moment), color="0.8", lw=0.8, zorder=0)
        panel.set(xlabel="iteration t (grey: the masks above)", xlim=(0, None), yscale="log")
    losses.set_title("loss", fontsize="medium")
    gradients.set_title("norm of the gradient with respect to the logits", fontsize="medium")
    bottom.legend(
        *losses.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False
    )
    return figure


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    path = results / "fig33_35.json"
    if not path.exists():
        return ""
    content = read_json(path)
    pictures = [
        f"![simulation of {picture.stem}](images/{picture.name})"
        for picture in draw(content, pictures)
    ]
    return "\n\n".join([*pictures, words(content)])


def main() -> None:
    """Measure what the figures show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--results", type=Path, default=HERE / "results")
    parser.add_argument(
        "--quick", action="store_true", help="few draws, in a folder quick: does it run?"
    )
    arguments = parser.parse_args()
    results = arguments.results / "quick" if arguments.quick else arguments.results
    results.mkdir(parents=True, exist_ok=True)
    content = measure(QUICK_DRAWS if arguments.quick else DRAWS)
    write_json(results / "fig33_35.json", content)
    print(words(content))


if __name__ == "__main__":
    command(main)
