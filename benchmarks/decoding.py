"""Time of arg-max decoding and matching: 1024², 500 cells, from class probabilities to scores."""

import statistics
import time

import numpy as np
from scipy import ndimage

from seamwise.decode import argmax
from seamwise.labels import semantic_target
from seamwise.metrics import match
from seamwise.synth import crowded_cells

ROUNDS = 11


def probabilities_of(labels: np.ndarray) -> np.ndarray:
    """What a good network would say: the classes, blurred a little."""
    target = semantic_target(labels, gap_radius=4)
    classes = np.stack([target == k for k in range(4)]).astype(np.float32)
    return np.stack([ndimage.gaussian_filter(channel, 0.5) for channel in classes])


if __name__ == "__main__":
    labels = crowded_cells((1024, 1024), cells=500, rng=0).labels
    probabilities = probabilities_of(labels)
    decoding, matching = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        found = argmax(probabilities, min_size=20)
        between = time.perf_counter()
        score = match(labels, found)
        matching.append(time.perf_counter() - between)
        decoding.append(between - begin)
    print(f"{labels.max()} cells, {found.max()} decoded, PQ {score.panoptic_quality:.3f}")
    for name, times in (("decode.argmax", decoding), ("metrics.match", matching)):
        print(f"{name:14s} {1e3 * statistics.median(times):6.1f} ms")
    together = statistics.median(a + b for a, b in zip(decoding, matching, strict=True))
    print(f"{'together':14s} {1e3 * together:6.1f} ms (median of {ROUNDS})")
