"""The classification losses by plain loops over samples, classes and pixels, in Python numbers."""

import math
from collections import namedtuple
from itertools import groupby

Pixel = namedtuple("Pixel", "sample z h weight")


def pixels(logits, target, weight=None, ignore_index=-1):
    """The valid pixels with their softmax, class and weight."""
    found = []
    for n, *p in [tuple(i) for i in (target != ignore_index).nonzero().tolist()]:
        powers = [math.exp(v) for v in logits[(n, slice(None), *p)].tolist()]
        z = [power / sum(powers) for power in powers]
        found.append(
            Pixel(n, z, int(target[(n, *p)]), 1.0 if weight is None else float(weight[(n, *p)]))
        )
    return found


def focal_slow(logits, target, *, weight=None, gamma):
    total, count = 0.0, 0
    for pixel in pixels(logits, target, weight):
        z = pixel.z[pixel.h]
        total += pixel.weight * (1 - z) ** gamma * -math.log(z)
        count += 1
    return total / count


def dice_slow(logits, target, *, weight=None):
    def loss(inside, outside, k):
        both = sum(p.weight * p.z[k] for p in inside)
        truth = sum(p.weight for p in inside)
        squares = sum(p.weight * p.z[k] ** 2 for p in inside + outside)
        return 1 - 2 * both / (truth + squares)

    return _mean_over_present(loss, pixels(logits, target, weight), range(logits.shape[1]))


def tversky_slow(logits, target, *, weight=None, alpha, beta):
    def loss(inside, outside, k):
        true_positive = sum(p.weight * p.z[k] for p in inside)
        false_positive = sum(p.weight * p.z[k] for p in outside)
        false_negative = sum(p.weight * (1 - p.z[k]) for p in inside)
        return 1 - true_positive / (true_positive + alpha * false_positive + beta * false_negative)

    return _mean_over_present(loss, pixels(logits, target, weight), range(logits.shape[1]))


def lovasz_slow(logits, target, *, weight=None, classes=None):
    def loss(inside, outside, k):
        errors = [(1 - p.z[k], p.weight, True) for p in inside] + [
            (p.z[k], p.weight, False) for p in outside
        ]
        return sum(
            error * step
            for (error, _, _), step in zip(errors, jaccard_steps_slow(errors), strict=True)
        )

    chosen = range(logits.shape[1]) if classes is None else classes
    return _mean_over_present(loss, pixels(logits, target, weight), chosen)


def jaccard_steps_slow(errors):
    """Step of the Jaccard loss of each (error, weight, inside), from the sets themselves.

    The pixels fall out of the prediction one by one, largest error first. Equal errors: inside
    first and outside first, each kind as one lump whose step is divided by weight, and the mean of
    the two.
    """

    def jaccard_loss(wrong):
        kept = sum(w for i, (_, w, inside) in enumerate(errors) if inside and i not in wrong)
        union = sum(w for i, (_, w, inside) in enumerate(errors) if inside or i in wrong)
        return 1 - kept / union

    steps = [0.0] * len(errors)
    falling = sorted(range(len(errors)), key=lambda i: -errors[i][0])
    wrong = set()
    for _, tied in groupby(falling, key=lambda i: errors[i][0]):
        tied = list(tied)
        for first in (True, False):
            lumps = [[i for i in tied if errors[i][2] is kind] for kind in (first, not first)]
            reached = set(wrong)
            for lump in lumps:
                step = jaccard_loss(reached | set(lump)) - jaccard_loss(reached)
                reached |= set(lump)
                total = sum(errors[i][1] for i in lump)
                for i in lump:
                    steps[i] += errors[i][1] / total * step / 2 if total else 0
        wrong |= set(tied)
    return steps


def confusion_slow(logits, target, *, weight=None):
    """M_ik, with None in the columns of absent classes."""
    classes = range(logits.shape[1])
    matrix = [[None] * len(classes) for _ in classes]
    for k in classes:
        members = [p for p in pixels(logits, target, weight) if p.h == k and p.weight]
        for i in classes:
            if members:
                matrix[i][k] = sum(p.weight * p.z[i] for p in members) / sum(
                    p.weight for p in members
                )
    return matrix


def youden_slow(logits, target, *, weight=None, lam):
    """(5.2) as printed with α, β, γ, δ and a λ of each pair; absent pairs left out."""
    matrix = confusion_slow(logits, target, weight=weight)
    total = 0.0
    for i in range(logits.shape[1]):
        for k in range(logits.shape[1]):
            if i == k or matrix[i][i] is None or matrix[k][k] is None:
                continue
            alpha, beta = matrix[i][i], 1 - matrix[i][k]
            gamma, delta = matrix[i][k], 1 - matrix[i][i]
            total -= lam[i][k] * math.log((1 + alpha * beta - gamma * delta) / 2)
    return total


def _mean_over_present(loss, valid, classes):
    losses = []
    for k in classes:
        inside = [p for p in valid if p.h == k]
        if sum(p.weight for p in inside) > 0:
            losses.append(loss(inside, [p for p in valid if p.h != k], k))
    return sum(losses) / len(losses) if losses else 0.0
