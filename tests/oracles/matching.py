"""Slow, plain overlap counts and one-to-one matching: loops over pixels and all matchings."""

from fractions import Fraction

import numpy as np


def overlap_counts(labels_true, labels_pred):
    """Areas of true objects, areas of predicted objects and shared pixels as three dicts."""
    true_areas, pred_areas, shared = {}, {}, {}
    for index in np.ndindex(labels_true.shape):
        i, j = int(labels_true[index]), int(labels_pred[index])
        if i < 0:
            continue
        if i > 0:
            true_areas[i] = true_areas.get(i, 0) + 1
        if j > 0:
            pred_areas[j] = pred_areas.get(j, 0) + 1
        if i > 0 and j > 0:
            shared[i, j] = shared.get((i, j), 0) + 1
    return true_areas, pred_areas, shared


def best_matching(labels_true, labels_pred, threshold):
    """(number of matches, sum of their IoU as a fraction) of the best one-to-one matching."""
    true_areas, pred_areas, shared = overlap_counts(labels_true, labels_pred)
    iou = {}
    for i, true_area in true_areas.items():
        for j, pred_area in pred_areas.items():
            pixels = shared.get((i, j), 0)
            union = true_area + pred_area - pixels
            if pixels / union >= threshold:
                iou[i, j] = Fraction(pixels, union)

    def best(remaining_true, free_pred):
        if not remaining_true:
            return 0, Fraction(0)
        first, rest = remaining_true[0], remaining_true[1:]
        candidates = [best(rest, free_pred)]
        for j in free_pred:
            if (first, j) in iou:
                matches, iou_sum = best(rest, free_pred - {j})
                candidates.append((matches + 1, iou_sum + iou[first, j]))
        return max(candidates)

    return best(tuple(true_areas), frozenset(pred_areas))
