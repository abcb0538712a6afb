"""What the thesis' Figures 33, 34 and 35 show, measured on simulations.

Figures 33 and 34 of the thesis show classifiers that ignore the image. We add one that is right
nine times out of ten.
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
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
from seamwise.labels import CLASS_NAMES

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
PRINTED = {0.01: 0.92, 0.25: 0.99, 0.5: 1.0}  # correlations of Figure 34
PIXELS, MANY_PIXELS = 350, 10_000
DRAWS, QUICK_DRAWS = 20_000, 2_000
SHOWN = 150  # draws in the scatter
STARTS = (0.5, 0.9, 0.99)  # first confidence of the simulated network
LATE = 46  # an iteration that the thesis names
MOMENTS = (0, 20, 39, LATE, 59)  # whose masks are kept

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
        return {score: round_values(values) for score, values in expected.items()}

    scores = {name: scores_of(classifier) for name, classifier in classifiers(prevalence).items()}
    return {"prevalence": prevalence.tolist(), "scores": scores}


def correlations(draws: int) -> dict[str, Any]:
    """Pearson's coefficient of J and MCC at the printed prevalences, and some draws to look at."""
    prevalence = np.array(list(PRINTED))
    samples = {
        name: sampled_scores(prevalence, classifier, rng=SEED, pixels=PIXELS, draws=draws)
        for name, classifier in classifiers(prevalence).items()
    }
    large = sampled_scores(
        prevalence, uniform_classifier(), rng=SEED, pixels=MANY_PIXELS, draws=draws
    )
    correlation = {name: youden_mcc_correlation(scores) for name, scores in samples.items()}
    correlation["empty kept"] = youden_mcc_correlation(with_empty_images(samples[C3]))
    correlation["many pixels"] = youden_mcc_correlation(large)
    rows = range(len(prevalence))
    scatter_c3 = [scatter(samples[C3], row) for row in rows]
    scatter_right = [scatter(samples[RIGHT], row) for row in rows]
    return {
        "prevalence": prevalence.tolist(),
        "pixels": PIXELS,
        "many_pixels": MANY_PIXELS,
        "draws": draws,
        "empty": np.isnan(samples[C3].youden).mean(axis=1).tolist(),
        "correlation": {name: round_values(values) for name, values in correlation.items()},
        "scatter": {C3: scatter_c3, RIGHT: scatter_right},
    }


def with_empty_images(scores: BinaryScores) -> BinaryScores:
    """Count images without a positive pixel, with a TPR and an MCC of 0."""
    is_empty = np.isnan(scores.youden)
    # with negative pixels only, accuracy is the TNR
    return replace(
        scores,
        youden=np.where(is_empty, scores.accuracy - 1, scores.youden),
        mcc=np.where(is_empty, 0, scores.mcc),
    )


def scatter(scores: BinaryScores, row: int) -> dict[str, list[float]]:
    """Return J and MCC of the first draws that have both."""
    finite = np.flatnonzero(np.isfinite(scores.youden[row]))[:SHOWN]
    return {
        "youden": round_values(scores.youden[row, finite]),
        "mcc": round_values(scores.mcc[row, finite]),
    }


def simulation() -> dict[str, Any]:
    """Return losses and gradients while two cells are learned, from each first confidence."""
    target = touching_pair()
    courses = {}
    for start in STARTS:
        samples = shrinking_mask(target, start=start)
        course = asdict(loss_course(samples.probabilities, samples.target))
        courses[f"{start}"] = {name: round_values(values) for name, values in course.items()}
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


def round_values(values: NDArray[np.float64]) -> list[float]:
    """Return five digits of each, as JSON takes them; what is 0 but for rounding is 0."""
    return [float(f"{value:.5g}") if abs(value) > 1e-12 else 0.0 for value in values.tolist()]


def digits(classes: NDArray[np.integer[Any]]) -> list[str]:
    """Write a class map, a string for each row."""
    return ["".join(map(str, row)) for row in classes.tolist()]


def from_digits(rows_of_digits: list[str]) -> NDArray[np.int64]:
    """Read the class map again."""
    return np.array([list(row) for row in rows_of_digits]).astype(np.int64)
