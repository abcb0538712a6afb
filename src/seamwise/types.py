"""Type aliases that several rooms share, each defined once."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyPath = str | os.PathLike[str]
"""A path as text or as a `pathlib.Path`."""

Box = tuple[slice, ...]
"""A box of an image: a slice with start and stop for each spatial axis."""

FloatArray = NDArray[np.floating[Any]]
"""An array of any floating type."""
