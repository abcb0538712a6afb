"""Arrays that a long job keeps on disk between its stages: `create_scratch`, `open_scratch`."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import DTypeLike

if TYPE_CHECKING:
    import zarr


def create_scratch(
    path: Path, shape: Sequence[int], *, block: Sequence[int], dtype: DTypeLike
) -> None:
    """Make an array of zeros in compressed chunks of one block each; replace an older one.

    It appears whole: a process that is killed meanwhile leaves nothing at `path`.

    Parameters
    ----------
    path : Path
        The folder it will be.
    shape, block : sequence of int
        Of the array and of its chunks.
    dtype : dtype

    Raises
    ------
    OSError
        The array cannot be written.
    """
    import zarr
    from zarr.codecs import BloscCodec

    draft = path.with_name(f".{path.name}.part")
    for folder in (draft, path):
        shutil.rmtree(folder, ignore_errors=True)
    zarr.create_array(
        str(draft),
        shape=tuple(shape),
        chunks=tuple(block),
        dtype=dtype,
        compressors=BloscCodec(cname="lz4", clevel=1, shuffle="shuffle"),
        fill_value=0,
    )
    os.replace(draft, path)


def open_scratch(path: Path) -> "zarr.Array[Any]":
    """Open an array that `create_scratch` made, to read and write boxes of it.

    Processes may write different blocks at the same time.

    Raises
    ------
    FileNotFoundError
        There is no such array.
    """
    import zarr

    return zarr.open_array(str(path), mode="r+")
