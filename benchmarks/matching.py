"""Median time of matching true and predicted objects."""

from statistics import median
from time import perf_counter

import numpy as np

from seamwise.metrics import match

REPEATS = 7


def discs(side, per_axis, *, shift=0):
    """Square label image of per_axis x per_axis discs, shifted cyclically along both axes."""
    position = (np.arange(side) + shift) % side * per_axis / side
    cell = position.astype(np.int32)
    offset = position - cell - 0.5
    ids = 1 + cell[:, None] * per_axis + cell
    return np.where(np.hypot(offset[:, None], offset) < 0.47, ids, 0)


def median_seconds(labels_true, labels_pred, iou):
    seconds = []
    for _ in range(REPEATS):
        start = perf_counter()
        match(labels_true, labels_pred, iou=iou)
        seconds.append(perf_counter() - start)
    return median(seconds)


def main():
    for side, per_axis in ((1024, 22), (4096, 100)):
        labels_true, labels_pred = discs(side, per_axis), discs(side, per_axis, shift=3)
        for iou in (0.1, 0.5, 0.75):
            milliseconds = 1e3 * median_seconds(labels_true, labels_pred, iou)
            print(f"{side} x {side}, {per_axis**2} objects, IoU >= {iou}: {milliseconds:.1f} ms")


if __name__ == "__main__":
    main()
