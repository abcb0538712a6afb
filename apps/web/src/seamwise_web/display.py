"""What the page shows of the pixels of an image: `Display`, `plain_channel`,
`in_16_bits`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 2**20  # pixels, at most, that a contrast is measured on


class Display:
    """The channels of an image in 8 or 16 bits, each with one contrast for all its planes.

    Wider types are mapped from the smallest to the largest value of the channel to 0..65535. The
    contrast goes from the 1st to the 99.8th percentile.

    Parameters
    ----------
    pixels : (T, C, Y, X) or (T, C, Z, Y, X) array
    """

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels
        self._facts: dict[int, dict[str, Any]] = {}

    @property
    def first_channel(self) -> int:
        """The first channel with any contrast; 0 if none has."""
        channels = range(self._pixels.shape[1])
        return next((one for one in channels if self._range(one)[0] < self._range(one)[1]), 0)

    def plane(self, channel: int, time: int, z: int) -> tuple[bytes, dict[str, Any]]:
        """Return a plane of a channel, little-endian, with bits and the contrast to begin with.

        `z` does not count for an image without slices.
        """
        stack = self._pixels[time, channel]
        shown = self._plain(channel, stack[z] if stack.ndim == 3 else stack)
        if channel not in self._facts:
            pixels = self._pixels[:, channel]
            step = max(1, pixels.size // _FEW)
            few = self._plain(channel, pixels.reshape(-1)[::step])
            low, high = (float(value) for value in np.percentile(few, [1, 99.8]))
            bits = 8 * few.dtype.itemsize
            self._facts[channel] = {"bits": bits, "low": low, "high": max(high, low + 1)}
        return shown.astype(shown.dtype.newbyteorder("<")).tobytes(), self._facts[channel]

    def _range(self, channel: int) -> tuple[float, float]:
        pixels = self._pixels[:, channel]
        return float(pixels.min()), float(pixels.max())

    def _plain(self, channel: int, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels if is_plain(pixels) else in_16_bits(pixels, *self._range(channel))


def plain_channel(channel: NDArray[Any]) -> NDArray[Any]:
    """Return a channel in 8 or 16 bits.

    Wider types are mapped from their smallest to their largest value to 0..65535.
    """
    if is_plain(channel):
        return channel
    return in_16_bits(channel, float(channel.min()), float(channel.max()))


def is_plain(pixels: NDArray[Any]) -> bool:
    """Whether pixels have 8 or 16 bits, without a sign."""
    return pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2


def in_16_bits(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.uint16]:
    """Return pixels from 0 where they are low to 65535 where they are high."""
    step = (high - low) / 65535 or 1.0
    shown = np.round((pixels.astype(np.float64) - low) / step)
    return shown.clip(0, 65535).astype(np.uint16)
