"""What is measured, as a value: `MeasureOptions`; and widths in pixels or micrometres, `Width`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from seamwise.io.outcome import amount
from seamwise.plain_values import positive_number, switch
from seamwise.words import CellMean, check_word


@dataclass(frozen=True)
class Width:
    """A width in pixels or micrometres.

    Attributes
    ----------
    value : float
        0 or more.
    unit : {"px", "um"}
        A pixel is as wide as the image's finest axis.
    """

    value: float
    unit: str = "px"

    def in_steps_of(self, spacing: Sequence[float] | None, *, name: str) -> float:
        """Return the width in pixels of the finest axis.

        Raises
        ------
        ValueError
            It is in micrometres, and the pixel size is not known.

        Examples
        --------
        >>> Width(3, "um").in_steps_of((2.0, 0.5, 0.5), name="ring")
        6.0
        """
        if self.unit == "px":
            return float(self.value)
        if spacing is None:
            raise ValueError(
                f"{name} is in µm, but the file gives no pixel size: say --spacing, or give pixels"
            )
        return self.value / min(spacing)


def parse_width(name: str, text: str | float) -> Width:
    """Read a width such as ``5``, ``5px``, ``2.5um`` or ``2.5µm``; without a unit it is in pixels.

    Raises
    ------
    ValueError
        The text is not a width.

    Examples
    --------
    >>> parse_width("ring", "2.5µm"), parse_width("ring", 5)
    (Width(value=2.5, unit='um'), Width(value=5.0, unit='px'))
    """
    parts = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(px|um|µm|μm)?\s*", str(text))
    if parts is None:
        raise ValueError(f"{name} must be a width such as 5, 5px or 2.5um, not {str(text)!r}")
    return Width(float(parts[1]), "px" if parts[2] in (None, "px") else "um")


@dataclass(frozen=True)
class MeasureOptions:
    """How cells are measured: all that a table depends on.

    Attributes
    ----------
    channel : int or tuple of int, optional
        Channels to measure, counted from 0; by default all.
    axes : str, optional
        Meaning of the axes of the images as they are stored, as in `io.read_image`.
    spacing : tuple of float, optional
        Pixel size in micrometres along (z,) y, x; by default what the image says, else the labels.
    names : tuple of str
        A name for each channel, for the columns; by default ``ch0``, ``ch1``, … with the numbers
        that the channels have in the file.
    exclude_edge : bool
        Drop cells that touch the edge of the image.
    shape : bool
        Also measure perimeter, hull and solidity, cell by cell, which is slow.
    ring, ring_gap : Width
        Background of a cell is the median of the pixels outside all cells that are nearest to it,
        further from it than `ring_gap` and at most `ring` further than that. 0: not measured.
    rim : Width
        The rim of a cell holds the pixels that are nearer to its outermost pixels than this: 1 px
        is these pixels alone. 0: not measured.
    positive : str, optional
        Name of the channel by which cells are marked as positive.
    threshold : float, optional
        A cell is positive if its value is above this; by default Otsu's threshold of all cells.
    positive_by : {"mean", "median", "max", "mean_corrected", "nucleus_mean", "cytoplasm_mean"}
        Which value of the channel decides.
    frames : bool
        The files are the time points of one series, in the order of their names.
    track : bool
        Link the cells from frame to frame; see `track_cells`.
    max_distance : Width
        For `track`: farthest that a cell moves from one frame to the next; 0: the median diameter.
    divisions : bool
        For `track`: whether cells may divide.

    Raises
    ------
    ValueError
        An option is out of range, or needs another.
    """

    channel: int | tuple[int, ...] | None = None
    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    names: tuple[str, ...] = ()
    exclude_edge: bool = False
    shape: bool = False
    ring: Width = Width(5)
    ring_gap: Width = Width(1)
    rim: Width = Width(3)
    positive: str | None = None
    threshold: float | None = None
    positive_by: CellMean = "mean"
    frames: bool = False
    track: bool = False
    max_distance: Width = Width(0)
    divisions: bool = True

    def __post_init__(self) -> None:
        for name in ("exclude_edge", "shape", "frames", "track", "divisions"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        check_word("positive_by", self.positive_by, get_args(CellMean))
        if self.spacing is not None:
            steps = tuple(positive_number("spacing", step) for step in self.spacing)
            if len(steps) not in (2, 3):
                raise ValueError(
                    "spacing must be 2 or 3 numbers, (z,) y, x, such as 0.5,0.5, "
                    f"not {len(steps)} of them"
                )
            object.__setattr__(self, "spacing", steps)
        if len(set(self.names)) < len(self.names) or not all(self.names):
            raise ValueError(f"names of channels must differ, and none is empty, not {self.names}")
        if self.threshold is not None and self.positive is None:
            raise ValueError("threshold needs positive: name the channel that it is for")
        if self.positive_by == "mean_corrected" and self.ring.value == 0:
            raise ValueError("positive_by mean_corrected needs a ring: make ring larger than 0")

    def channel_names(self, numbers: Sequence[int]) -> tuple[str, ...]:
        """Return the name of each channel, from their numbers in the file.

        Raises
        ------
        ValueError
            There are more or fewer channels than names.
        """
        if not self.names:
            return tuple(f"ch{number}" for number in numbers)
        if len(self.names) != len(numbers):
            raise ValueError(
                f"it has {amount(len(numbers), 'channel')}, {len(self.names)} with a name: "
                "give one name for each channel, or choose channels"
            )
        return self.names
