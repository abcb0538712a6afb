"""What a network says of one tile, perhaps of its mirror images too; see `tile_probabilities`."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.networks import ReadyNetwork
from seamwise.io.models import SegmentationInfo
from seamwise.metrics.entropy import entropy_of
from seamwise.segmentation.zoom import magnified_shape, resample

Flips = bool | Literal["compare"]
"""Average over mirror images, and perhaps tell how far they disagree."""


def tile_probabilities(
    block: NDArray[np.float32],
    model: ReadyNetwork[SegmentationInfo],
    *,
    flips: Flips = False,
    guides: bool = False,
    offsets: bool = True,
    factors: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Return the class probabilities `(classes, *S)` of a normalised block `(C, *S)`, at once.

    The network sees the block magnified by `factors`, to whole pixels; by default as it is.

    With `guides`, which the model must have, relief and offsets follow behind the classes:
    `(classes + 1 + ndim, *S)`; without `offsets` only the relief.

    With `flips` the maps are means over all mirror images. If it is "compare", a last map says how
    far these disagree: the Jensen–Shannon divergence of their M class probabilities p_m (Lin,
    1991), with the entropy H of `metrics.seam_doubt`, between 0 and 1::

        H(Σ p_m / M) − Σ H(p_m) / M
    """
    shape = block.shape[1:]
    batch = block[np.newaxis]
    if factors is not None:
        batch = resample(batch, magnified_shape(shape, factors))
    classes = model.info.architecture.out_channels
    channels = classes + guides * (1 + (batch.ndim - 2) * offsets)
    axes = range(2, batch.ndim)
    subsets = [subset for n in range(len(axes) + 1) for subset in combinations(axes, n)]
    mirrors = subsets if flips else [()]
    total: NDArray[np.float32] | None = None
    entropy: Any = np.float32(0)
    for mirror in mirrors:
        seen = np.ascontiguousarray(np.flip(batch, mirror))
        maps = np.flip(model.runtime.maps(seen, classes), mirror)
        if guides and offsets:
            for axis in mirror:  # an offset points the other way in a mirror
                maps[:, classes + axis - 1] *= -1
        maps = maps[:, :channels]
        total = maps if total is None else total + maps
        if flips == "compare":
            entropy = entropy + entropy_of(maps[0, :classes])
    assert total is not None  # one mirror at least is the image itself
    mean = total / np.float32(len(mirrors)) if flips else total
    if flips == "compare":
        apart = entropy_of(mean[0, :classes]) - entropy / np.float32(len(mirrors))
        mean = np.concatenate([mean, np.maximum(apart, 0)[np.newaxis, np.newaxis]], axis=1)
    probabilities: NDArray[np.float32] = resample(mean, shape)[0]
    return probabilities
