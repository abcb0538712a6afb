"""Bursts without the frames that cannot be read: `readable`, `renumbered`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seamwise.fusion.burst import Burst, Frame
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.io.errors import first_line


def readable(frames: Sequence[Frame]) -> tuple[list[int], tuple[str, ...]]:
    """Return the numbers of the frames that can be read, and a note for each of the others.

    Every frame is read whole: damage may show only at its end.

    Raises
    ------
    ValueError
        Fewer than two can be read.
    """
    numbers, notes = [], []
    for number, frame in enumerate(frames):
        try:
            Burst.check_frame(frame)
        except (ValueError, TypeError, OSError) as error:
            notes.append(f"skipped: {first_line(error)}")
        else:
            numbers.append(number)
    if len(numbers) < 2:
        raise ValueError(
            f"a burst has two frames or more, and {len(numbers)} of {len(frames)} can be read; "
            f"{notes[0]}"
        )
    return numbers, tuple(notes)


def renumbered(fusion: Fusion, numbers: Sequence[int], count: int, notes: Sequence[str]) -> Fusion:
    """Return the fusion of some frames of `count`, its depth in the numbers that these have.

    Positions on its surface between two frames lie equally far between their numbers.

    Examples
    --------
    >>> fusion = Fusion(np.zeros((1, 2)), np.array([[0, 1]], np.uint8))
    >>> renumbered(fusion, [0, 2], 3, ["skipped: b.png is empty"]).depth
    array([[0, 2]], dtype=uint8)
    """
    depth = np.array(numbers, depth_dtype(count))[fusion.depth]
    surface = fusion.surface
    if surface is not None:
        position = np.interp(surface.position, np.arange(len(numbers)), numbers)
        surface = replace(surface, position=position.astype(np.float32), count=count)
    return replace(fusion, depth=depth, surface=surface, notes=(*notes, *fusion.notes))
