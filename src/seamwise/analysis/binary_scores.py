"""Scores of a binary classification from its counts, and of simulated classifiers.

`binary_scores` gives Youden's J, MCC and four more. `expected_scores` and `sampled_scores` give
them for classifiers of known rates where one class is rare; `youden_mcc_correlation` compares J and
MCC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from seamwise.types import FloatArray


@dataclass(frozen=True, eq=False)
class BinaryClassifier:
    """How often a classifier is right, whatever it looks at.

    Attributes
    ----------
    true_positive_rate, true_negative_rate : float or array
        TPR and TNR in [0, 1]: chance that a positive, a negative pixel is taken for what it is.
        Arrays must fit the prevalences they are used with. 0.9 and 0.9 know something; where TPR +
        TNR = 1 the classifier is blind.
    """

    true_positive_rate: ArrayLike
    true_negative_rate: ArrayLike


@dataclass(frozen=True, eq=False)
class BinaryScores:
    """Six scores of a binary classification, arrays of one shape; defined in `binary_scores`."""

    youden: FloatArray
    mcc: FloatArray
    jaccard: FloatArray
    f1: FloatArray
    tversky: FloatArray
    accuracy: FloatArray


def stratified_classifier(prevalence: ArrayLike) -> BinaryClassifier:
    """Guess as often as the class occurs, TPR = π, TNR = 1 − π: C1 of Boughorbel et al. 2017."""
    positive = _as_prevalence(prevalence)
    return BinaryClassifier(positive, 1 - positive)


def uniform_classifier() -> BinaryClassifier:
    """Toss a coin: TPR = TNR = ½; the classifier C3 of Boughorbel et al. 2017."""
    return BinaryClassifier(0.5, 0.5)


def binary_scores(
    true_positive: ArrayLike,
    false_positive: ArrayLike,
    false_negative: ArrayLike,
    true_negative: ArrayLike,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
) -> BinaryScores:
    """Scores of a binary classification from its confusion matrix.

    ::

        J        = TP / (TP + FN) + TN / (TN + FP) − 1
        MCC      = (TP·TN − FP·FN) / √((TP + FP)(TP + FN)(TN + FP)(TN + FN))
        Jaccard  = TP / (TP + FP + FN)
        F1       = 2 TP / (2 TP + FP + FN)
        Tversky  = TP / (TP + α·FP + β·FN)
        accuracy = (TP + TN) / (TP + FP + FN + TN)

    Parameters
    ----------
    true_positive, false_positive, false_negative, true_negative : arrays of numbers ≥ 0
        Pixels, or shares of them; of shapes that fit each other.
    alpha, beta : float
        Prices, ≥ 0 and > 0, of a false positive and a false negative in Tversky's index.

    Returns
    -------
    BinaryScores
        J and MCC in [−1, 1], the others in [0, 1].

    Raises
    ------
    TypeError
        The counts are not real numbers.
    ValueError
        A count is negative or not finite, the shapes do not fit each other, or `alpha` or `beta` is
        out of range.

    Notes
    -----
    *Absent classes.* With only one class in the truth J and MCC are NaN: half of what they ask is
    missing. With only one class in the prediction J is 0, and so is MCC, which is 0/0 there.
    Jaccard, F1 and Tversky are NaN where neither truth nor prediction has a positive pixel.

    *J and MCC.* With π the share of positive pixels in the truth and q that in the prediction,
    MCC = J·√(π(1 − π) / (q(1 − q))): they agree where as much is found as there is, and where J =
    0.

    Source: thesis (2.10), section 5.2.2; Youden 1950; Matthews 1975.

    Examples
    --------
    >>> scores = binary_scores(9, 99, 1, 891)  # 10 of 1000 positive, 10 % errors
    >>> round(float(scores.youden), 3), round(float(scores.mcc), 3), round(float(scores.f1), 3)
    (0.8, 0.256, 0.153)
    """
    tp, fp, fn, tn = _as_counts(true_positive, false_positive, false_negative, true_negative)
    if not (0 <= alpha < np.inf and 0 < beta < np.inf):
        raise ValueError(
            f"alpha must be ≥ 0 and beta > 0, not {alpha} and {beta}: e.g. 0.3 and 0.7"
        )
    both_predicted = (tp + fp) * (tn + fn) > 0
    both_true = (tp + fn) * (tn + fp) > 0
    covariance = tp * tn - fp * fn
    mcc = _ratio(
        covariance, np.sqrt(tp + fp) * np.sqrt(tn + fn) * np.sqrt(tp + fn) * np.sqrt(tn + fp)
    )
    return BinaryScores(
        youden=_ratio(tp, tp + fn) + _ratio(tn, tn + fp) - 1,
        mcc=np.where(both_true & ~both_predicted, 0, mcc),
        jaccard=_ratio(tp, tp + fp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
        tversky=_ratio(tp, tp + alpha * fp + beta * fn),
        accuracy=_ratio(tp + tn, tp + fp + fn + tn),
    )


def expected_scores(
    prevalence: ArrayLike, classifier: BinaryClassifier, *, alpha: float = 0.3, beta: float = 0.7
) -> BinaryScores:
    """Scores of the expected confusion matrix of a classifier, for each prevalence.

    With π the prevalence, the share of positive pixels::

        TP = π·TPR,   FN = π·(1 − TPR),   TN = (1 − π)·TNR,   FP = (1 − π)·(1 − TNR)

    Parameters
    ----------
    prevalence : array of numbers in (0, 1)
    classifier : BinaryClassifier
        `stratified_classifier`, `uniform_classifier`, or one that knows something.
    alpha, beta : float
        As in `binary_scores`.

    Returns
    -------
    BinaryScores
        Of the shape of `prevalence` (and of the classifier's rates, where those are arrays).

    Raises
    ------
    TypeError
        The prevalence or a rate is not a real number.
    ValueError
        A prevalence is not in (0, 1), a rate not in [0, 1]; `alpha` or `beta` is out of range.

    Notes
    -----
    These are the scores of a large image. The mean score of small ones is the same for J and
    accuracy, and another for the rest, which are not linear in the counts: see `sampled_scores`.

    *What is invariant.* Thesis figure 33 calls J and MCC the only scores that do not depend on π.
    It shows blind classifiers, for which both are 0 by definition (and accuracy is ½ at any π for
    the one that tosses a coin). Among those that know something only J keeps its value: with TPR =
    TNR = 0.9 MCC falls from 0.80 at π = ½ to 0.26 at π = 0.01, as it should if it is to tell how
    much of what was found is right. Accuracy stays at 0.9 there, but only because the two rates are
    equal.

    *π.* The thesis prints π = n1/n0 and calls a uniform guess π = 0.5; we take n1/(n0 + n1), to
    which that fits.

    Source: thesis section 5.2.2, figure 33; Boughorbel et al. 2017, PLoS ONE 12(6).

    Examples
    --------
    >>> scores = expected_scores([0.5, 0.01], BinaryClassifier(0.9, 0.9))
    >>> scores.youden.round(2).tolist(), scores.mcc.round(2).tolist()
    ([0.8, 0.8], [0.8, 0.26])
    """
    positive, tpr, tnr = _as_rates(prevalence, classifier)
    return binary_scores(
        positive * tpr,
        (1 - positive) * (1 - tnr),
        positive * (1 - tpr),
        (1 - positive) * tnr,
        alpha=alpha,
        beta=beta,
    )


def sampled_scores(
    prevalence: ArrayLike,
    classifier: BinaryClassifier,
    *,
    rng: int | np.random.Generator,
    pixels: int = 1000,
    draws: int = 1000,
    draw_truth: bool = True,
    alpha: float = 0.3,
    beta: float = 0.7,
) -> BinaryScores:
    """Scores of a classifier on many drawn images of few pixels, for each prevalence.

    In each draw every pixel is positive with the chance π, and taken for what it is with the chance
    TPR or TNR::

        P ~ B(pixels, π),   TP ~ B(P, TPR),   TN ~ B(pixels − P, TNR)

    Parameters
    ----------
    prevalence : array of numbers in (0, 1)
    classifier : BinaryClassifier
    rng : int or numpy.random.Generator
        The same seed gives the same scores.
    pixels, draws : int ≥ 1
        Pixels in each image; images.
    draw_truth : bool
        False: every image has the same number of positive pixels, P = π·pixels rounded.
    alpha, beta : float
        As in `binary_scores`.

    Returns
    -------
    BinaryScores
        Of the shape of `prevalence`, and a last axis for the draws. NaN where an image has no
        positive or no negative pixel, see `binary_scores`.

    Raises
    ------
    TypeError
        The prevalence or a rate is not a real number, `pixels` or `draws` not an integer.
    ValueError
        A number is out of its range.

    Notes
    -----
    Source: thesis section 5.2.2, figures 33 and 34, which names neither the number of pixels nor
    that of draws.

    Examples
    --------
    >>> scores = sampled_scores([0.5, 0.1], BinaryClassifier(0.9, 0.9), rng=0, draws=500)
    >>> scores.mcc.shape, scores.mcc.mean(axis=-1).round(2).tolist()
    ((2, 500), [0.8, 0.62])
    """
    positive, tpr, tnr = (array[..., None] for array in _as_rates(prevalence, classifier))
    size, count = _checked_number("pixels", pixels), _checked_number("draws", draws)
    generator = np.random.default_rng(rng)
    shape = (*positive.shape[:-1], count)
    if draw_truth:
        positives = generator.binomial(size, positive, shape)
    else:
        positives = np.broadcast_to(np.rint(positive * size).astype(np.int64), shape)
    true_positive = generator.binomial(positives, tpr)
    true_negative = generator.binomial(size - positives, tnr)
    return binary_scores(
        true_positive,
        size - positives - true_negative,
        positives - true_positive,
        true_negative,
        alpha=alpha,
        beta=beta,
    )


def youden_mcc_correlation(scores: BinaryScores) -> FloatArray:
    """Pearson's correlation coefficient of J and MCC over the last axis.

    Parameters
    ----------
    scores : BinaryScores
        From `sampled_scores`, an axis for the draws at the end.

    Returns
    -------
    array of the shape without that axis
        In [−1, 1]. Draws without J are skipped; NaN where fewer than two are left or one of the
        scores is constant.

    Raises
    ------
    ValueError
        The scores have no axis.

    Notes
    -----
    Where every draw has the same number of positive pixels, the two are proportional but for the
    number of pixels found, and for a coin the correlation is 1 within 0.001 from 20 pixels on. What
    draws them apart is a varying number of positive pixels, where there are few.

    Thesis figure 34 prints 0.92, 0.99 and 1.0 for a coin at π = 0.01, 0.25 and 0.5. At π = 0.01 we
    find no less than 0.958, at 350 pixels; there 0.92 appears if the images without a positive
    pixel stay in, with a TPR of 0 (and the stratified guess comes down to 0.925, at 300 pixels). At
    π = 0.25 these sizes give more than 0.998.

    These are blind classifiers. For one with TPR = TNR = 0.9 it is about 1.0, 0.92 and 0.6 at π =
    0.5, 0.25 and 0.01, with 350 pixels as with 10 000.

    Source: thesis section 5.2.2, figure 34.

    Examples
    --------
    >>> scores = sampled_scores([0.5, 0.01], uniform_classifier(), rng=0, pixels=300, draws=20000)
    >>> youden_mcc_correlation(scores).round(2).tolist()
    [1.0, 0.96]
    """
    if not scores.youden.ndim:
        raise ValueError(
            "scores must have an axis of draws at the end, not a number: take those of "
            "sampled_scores"
        )
    pairs = np.stack([scores.youden, scores.mcc], axis=-2)
    correlations = [_pearson(pair) for pair in pairs.reshape(-1, *pairs.shape[-2:])]
    return np.array(correlations).reshape(pairs.shape[:-2])


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """NaN where the denominator is 0."""
    out = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _pearson(pair: FloatArray) -> float:
    finite_draws = pair[:, np.isfinite(pair).all(axis=0)]
    if finite_draws.shape[1] < 2 or not np.ptp(finite_draws, axis=1).all():
        return np.nan
    return float(np.asarray(np.corrcoef(finite_draws))[0, 1])


def _as_numbers(name: str, values: ArrayLike) -> FloatArray:
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must be real numbers, not {numbers.dtype}: give a number or an array of them"
        )
    return numbers.astype(float)


def _as_prevalence(prevalence: ArrayLike) -> FloatArray:
    shares = _as_numbers("prevalence", prevalence)
    outliers = shares[~((shares > 0) & (shares < 1))]
    if outliers.size:
        raise ValueError(
            f"prevalence must be shares in (0, 1), not {outliers[0]:g}: give the share of positive "
            "pixels, 0.01 for 1 %"
        )
    return shares


def _as_rates(prevalence: ArrayLike, classifier: BinaryClassifier) -> tuple[FloatArray, ...]:
    """π, TPR and TNR, in one shape."""
    names = ("true_positive_rate", "true_negative_rate")
    rates = [_as_numbers(name, getattr(classifier, name)) for name in names]
    for name, rate in zip(names, rates, strict=True):
        outliers = rate[~((rate >= 0) & (rate <= 1))]
        if outliers.size:
            raise ValueError(
                f"{name} must be shares in [0, 1], not {outliers[0]:g}: 1 means always right"
            )
    return _in_one_shape(("prevalence", *names), [_as_prevalence(prevalence), *rates])


def _as_counts(*counts: ArrayLike) -> tuple[FloatArray, ...]:
    names = ("true_positive", "false_positive", "false_negative", "true_negative")
    arrays = [_as_numbers(name, values) for name, values in zip(names, counts, strict=True)]
    for name, array in zip(names, arrays, strict=True):
        outliers = array[~((array >= 0) & (array < np.inf))]
        if outliers.size:
            raise ValueError(
                f"{name} must be numbers ≥ 0, not {outliers[0]:g}: "
                "give counts of pixels or shares of them"
            )
    return _in_one_shape(names, arrays)


def _in_one_shape(names: Sequence[str], arrays: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise ValueError(
            f"{', '.join(names)} must have shapes that fit each other, not {shapes}: give one "
            "number or one for each"
        ) from error


def _checked_number(name: str, value: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}: e.g. 1000") from None
    if number < 1:
        raise ValueError(f"{name} must be 1 or more, not {value}: e.g. 1000")
    return number
