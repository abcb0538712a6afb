"""What a labels layer remembers of how its cells were found: `remember`, `result_of`."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import DecodeRule
from seamwise_napari.finding import NetworkOutput

_KEY = "seamwise"


@dataclass(frozen=True, eq=False)
class Result:
    """Cells as they were drawn in a layer.

    Attributes
    ----------
    labels : integer array
        A copy, with the shape of the layer: what differs from it in the layer is a correction.
    output : NetworkOutput or None
        For the sliders.
    rule : DecodeRule or None
        That which made the labels.
    """

    labels: NDArray[Any]
    output: NetworkOutput | None = None
    rule: DecodeRule | None = None


def remember(layer: Any, output: NetworkOutput | None, rule: DecodeRule | None) -> None:
    """Note in a labels layer how its cells were found."""
    layer.metadata[_KEY] = Result(np.array(layer.data), output, rule)


def remember_part(layer: Any, output: NetworkOutput, rule: DecodeRule) -> None:
    """Note that the cells of one place were drawn again; changes elsewhere stay corrections."""
    result = result_of(layer)
    if result is None:
        remember(layer, output, rule)
        return
    result.labels[output.place] = layer.data[output.place]
    layer.metadata[_KEY] = replace(result, output=output, rule=rule)


def result_of(layer: Any) -> Result | None:
    """Return what a layer remembers; None if its cells come from elsewhere."""
    result = None if layer is None else layer.metadata.get(_KEY)
    return result if isinstance(result, Result) else None


def is_corrected(layer: Any, place: tuple[int, ...] = ()) -> bool:
    """Whether somebody changed the labels of a layer, or of one place, since they were drawn."""
    result = result_of(layer)
    return result is None or not np.array_equal(result.labels[place], layer.data[place])
