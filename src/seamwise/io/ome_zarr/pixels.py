"""The pixels of one level on disk, decoded where they are indexed: see `Pixels`.

The package zarr is imported where it is needed and not before.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.io.boxes import chunk_boxes
from seamwise.io.errors import DamagedError, first_line, unreadable
from seamwise.types import Box

if TYPE_CHECKING:
    import zarr


class Pixels:
    """A zarr array on disk that is decoded where it is indexed, with errors that name the chunk.

    Parameters
    ----------
    folder : Path
        The folder of the array.

    Raises
    ------
    ValueError
        There is no array, or zarr cannot read its metadata.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._array = open_array(folder)
        self.shape: tuple[int, ...] = self._array.shape
        self.dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        self.chunks: tuple[int, ...] = self._array.chunks

    def __getitem__(self, box: Box) -> NDArray[Any]:
        """Return the pixels in a box: one slice per axis, without steps.

        A missing chunk counts as zeros (or the fill value of the array), as zarr has it.

        Raises
        ------
        DamagedError
            A chunk in the box cannot be decoded; names the array, the chunk and its file.
        """
        try:
            return np.asarray(self._array[box])
        except MemoryError as error:
            raise unreadable(self._folder, "OME-Zarr", error) from error
        except Exception as error:  # each codec has its own
            raise self._damage(box, error) from error

    def _damage(self, box: Box, error: Exception) -> DamagedError:
        """Name the first chunk in the box that cannot be decoded."""
        where, reason = "", error
        for index, part in chunk_boxes(self.shape, self._array.shards or self._array.chunks, box):
            try:
                self._array[part]
            except Exception as chunk_error:
                file = self._array.metadata.encode_chunk_key(index)
                where, reason = f" chunk {index} (file {file})", chunk_error
                break
        return DamagedError(
            f"cannot decode{where} of {self._folder}: {first_line(reason)}; copy or export it again"
        )


def open_array(folder: Path, mode: Literal["r", "r+"] = "r") -> "zarr.Array[Any]":
    """Open one array of an image, or raise ValueError if zarr cannot."""
    import zarr

    try:
        array = zarr.open_array(store=str(folder), mode=mode)
        _ = array.chunks  # not every kind of grid has them
    except Exception as error:  # zarr raises its own, ValueError, KeyError, …
        raise unreadable(folder, "OME-Zarr", error) from error
    return array
