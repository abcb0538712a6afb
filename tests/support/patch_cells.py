"""Which cells of a patch have a counterpart: see `counterparts`."""

import numpy as np

SMALL = 20  # pixels of a cell that the border of the patch cuts off


def counterparts(labels, others):
    """Of the cells of `labels`, how many have one of `others` with an IoU above one half."""
    matches = total = 0
    for cell in np.unique(labels[labels > 0]):
        region = labels == cell
        if region.sum() < SMALL:
            continue
        total += 1
        overlap = np.bincount(others[region])
        overlap[0] = 0
        union = (region | (others == overlap.argmax())).sum()
        matches += overlap.max() > 0.5 * union
    return matches, total
