"""Stacks in NIfTI files, through nibabel, which is an extra: `write_nifti`."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path

_SAFE = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def check_nifti() -> None:
    """Raise ValueError if nibabel is not installed."""
    if find_spec("nibabel") is None:
        raise ValueError(
            "NIfTI needs nibabel, which is not installed: pip install 'seamwise[nifti]', or "
            "choose tiff"
        )


def write_nifti(path: Path, stack: NDArray[Any], *, spacing: Sequence[float] | None = None) -> None:
    """Write a stack as a compressed NIfTI-1 file, whole or not at all.

    A NIfTI file has the axes x, y, z; those who read it for nnU-Net turn them into z, y, x again.

    Parameters
    ----------
    path : Path
        A name ending in .nii.gz.
    stack : (Z, Y, X) array
        Booleans become uint8, float16 becomes float32; other types that few readers know, float64.
    spacing : sequence of float, optional
        Voxel size in micrometres along z, y and x. It goes into the file's header, with its unit;
        by default it is 1 along each axis, without a unit.

    Raises
    ------
    ValueError
        nibabel is not installed, or the stack has other than three axes.
    OSError
        The file cannot be written.
    """
    check_nifti()
    if stack.ndim != 3:
        raise ValueError(f"stack must have the axes z, y and x, not shape {stack.shape}")
    import nibabel

    steps = (1.0, 1.0, 1.0) if spacing is None else tuple(spacing)
    values = np.ascontiguousarray(stack.astype(_dtype(stack.dtype), copy=False).transpose(2, 1, 0))
    image = nibabel.Nifti1Image(values, np.diag([*steps[::-1], 1.0]))
    image.header.set_xyzt_units("unknown" if spacing is None else "micron")
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)


def _dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in the file."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype == np.float16:
        return np.dtype(np.float32)
    return dtype.newbyteorder("=") if dtype.name in _SAFE else np.dtype(np.float64)
