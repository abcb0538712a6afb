"""What a labels layer remembers of how its cells were found: `remember`, `result_of`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import DecodeRule
from seamwise_napari.finding import Kept

_KEY = "seamwise"


@dataclass(frozen=True, eq=False)
class Result:
    """Cells as they were drawn in a layer.

    Attributes
    ----------
    labels : array
        A copy: what differs from it in the layer is a correction.
    kept : Kept or None
        For the sliders.
    rule : DecodeRule or None
        That which made the labels.
    """

    labels: NDArray[Any]
    kept: Kept | None = None
    rule: DecodeRule | None = None


def remember(layer: Any, kept: Kept | None, rule: DecodeRule | None) -> None:
    """Note in a labels layer how its cells were found."""
    layer.metadata[_KEY] = Result(np.array(layer.data), kept, rule)


def result_of(layer: Any) -> Result | None:
    """Return what a layer remembers; None if its cells come from elsewhere."""
    result = None if layer is None else layer.metadata.get(_KEY)
    return result if isinstance(result, Result) else None


def is_corrected(layer: Any) -> bool:
    """Whether somebody changed the labels of a layer since they were drawn."""
    result = result_of(layer)
    return result is None or not np.array_equal(result.labels, layer.data)
