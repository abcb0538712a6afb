"""Type aliases that several rooms share, each defined once."""

import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

AnyPath = str | os.PathLike[str]
"""A path as text or as a `pathlib.Path`."""

Box = tuple[slice, ...]
"""A box of an image: a slice with start and stop for each spatial axis."""

FloatArray = NDArray[np.floating[Any]]
"""An array of any floating type."""

Picture = NDArray[np.float32]
"""A camera picture, `(Y, X)` or `(Y, X, C)`, in 0..1."""

Maps = TypeVar("Maps", "Tensor", NDArray[np.float32])
"""Maps `(N, C, *S)` in torch or in numpy, for what is computed alike in both."""

Labels = NDArray[Any]
"""Instance labels of any integer type: 0 background, 1..n cells, negative = ignore."""

Target = NDArray[np.int8]
"""The semantic class of each pixel (`labels.CLASS_NAMES`), or −1 (ignore)."""
