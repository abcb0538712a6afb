"""Bursts without the frames that cannot be used: `readable`, `renumbered`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seamwise.fusion.burst import Burst
from seamwise.fusion.headers import Frame, header_of, kind_text, most_alike, name_of, source_of
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.io.errors import first_line


def readable(frames: Sequence[Frame]) -> tuple[list[int], tuple[str, ...]]:
    """Return the numbers of the frames that can be fused, and a note for each of the others.

    Every frame is read whole: damage may show only at its end. Those that can be read must be of
    one size, type and number of channels: that of most of them.

    Raises
    ------
    ValueError
        Fewer than two can be fused.
    """
    numbers, notes = [], []
    for number, frame in enumerate(frames):
        try:
            Burst.check_frame(frame)
        except (ValueError, TypeError, OSError) as error:
            notes.append(f"skipped: {first_line(error)}")
        else:
            numbers.append(number)
    if len(numbers) > 1:
        numbers, of_odd = _alike(frames, numbers)
        notes += of_odd
    if len(numbers) < 2:
        reason = f"; {notes[0]}" if notes else ""
        raise ValueError(
            f"a burst has two frames or more, and {len(numbers)} of {len(frames)} can be fused"
            f"{reason}"
        )
    return numbers, tuple(notes)


def _alike(frames: Sequence[Frame], numbers: Sequence[int]) -> tuple[list[int], list[str]]:
    """The frames of the most frequent kind, and a note for each of the others."""
    sources = [source_of(frames[number]) for number in numbers]
    names = [name_of(source, number) for source, number in zip(sources, numbers, strict=True)]
    infos = [header_of(source, name) for source, name in zip(sources, names, strict=True)]
    alike = most_alike(sources, infos)
    usual = kind_text(infos[alike[0]])
    notes = [
        f"skipped: {names[i]} has {kind_text(infos[i])}, unlike most frames, {usual}"
        for i in range(len(names))
        if i not in alike
    ]
    return [numbers[i] for i in alike], notes


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
