"""Planes of a stack whose chunks hold several, decoded once: `PlaneReader`."""

import math
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from seamwise.io.volume import Volume

_MOST_BYTES = 2**28  # of planes that are held; a chunk with more is decoded again for the others


class PlaneReader:
    """Reads planes along z, and holds those that the last chunk was decoded into.

    OME-Zarr often stores 64 planes in a chunk, and a plane alone cannot be decoded. One reader
    serves all planes of a file, and holds one set of them, of at most 256 MB or one plane. Where
    chunks hold one plane, nothing is held.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: tuple[Any, ...] | None = None
        self._planes: NDArray[Any] | None = None

    def __reduce__(self) -> tuple[type["PlaneReader"], tuple[()]]:
        """A copy for another process holds nothing yet, and has a lock of its own."""
        return PlaneReader, ()

    def read(self, volume: Volume, number: int, time: int) -> NDArray[Any]:
        """Return the pixels `(C, Y, X)` of a plane, which the caller may change."""
        depth = self._depth(volume)
        if depth == 1:
            return _read(volume, number, number + 1, time)[:, 0]
        # as many as the chunk holds, or a part of them
        chunk = volume.chunks[0]
        first = number - number % chunk % depth
        stop = min(first + depth, number - number % chunk + chunk, volume.shape[0])
        with self._lock:
            key = (volume, time, first)
            if self._planes is None or self._key != key:
                self._planes = None  # not two sets at a time
                self._planes, self._key = _read(volume, first, stop, time), key
            return self._planes[:, number - first].copy()

    def release(self) -> None:
        """Let go of what is held."""
        with self._lock:
            self._key = self._planes = None

    def held_bytes(self, volume: Volume) -> int:
        """Return how many bytes stay in use once a plane of a volume was read."""
        depth = self._depth(volume)
        return depth * _plane_bytes(volume) if depth > 1 else 0

    @staticmethod
    def _depth(volume: Volume) -> int:
        """How many planes are read at once."""
        return max(1, min(volume.chunks[0], volume.shape[0], _MOST_BYTES // _plane_bytes(volume)))


def _plane_bytes(volume: Volume) -> int:
    return volume.channels * math.prod(volume.shape[1:]) * volume.dtype.itemsize


def _read(volume: Volume, start: int, stop: int, time: int) -> NDArray[Any]:
    box = (slice(start, stop), *(slice(0, length) for length in volume.shape[1:]))
    return volume.read(box, time=time)
