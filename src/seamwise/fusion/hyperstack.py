"""Time points and channels of one file, aligned so that they fit together: `aligned_parts`,
`known_parts`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seamwise.engine.listener import StageProgress
from seamwise.fusion.alignment import AlignedFrames, Alignment
from seamwise.fusion.alignment_notes import alignment_notes
from seamwise.fusion.burst import Burst
from seamwise.fusion.exposure import shrink
from seamwise.fusion.frames import luminance
from seamwise.fusion.homography import PixelBox, corner_shifts
from seamwise.fusion.methods import estimated_alignment
from seamwise.fusion.options import FuseOptions
from seamwise.fusion.pyramid import WORK_PIXELS, focus_pyramid
from seamwise.fusion.readable import readable
from seamwise.fusion.register import estimate_alignment
from seamwise.fusion.result import Fusion
from seamwise.fusion.stack import Plane, Stack
from seamwise.fusion.stored_alignment import in_order_of

Report = Callable[[StageProgress], None]


@dataclass(frozen=True)
class Part:
    """One time point and channel of a stack, ready to be fused.

    Attributes
    ----------
    numbers : sequence of int
        Of the planes that are used.
    alignment : Alignment, optional
        Of these planes.
    notes : tuple of str
    """

    numbers: Sequence[int]
    alignment: Alignment | None
    notes: tuple[str, ...]


def aligned_parts(stack: Stack, options: FuseOptions, report: Report) -> list[Part]:
    """Align the planes of each time point, all channels alike.

    The motion is that of the channel with most contrast at the first time point. Brightness is
    matched for each channel. With `options.skip_bad`, a plane that cannot be read in one channel is
    skipped in all channels of its time point.

    Raises
    ------
    ValueError
        `options.moving` and several channels.
    """
    _check_moving(stack, options)
    parts: list[Part] = []
    leader: int | None = None
    for time in range(stack.times):
        channels = stack.bursts[time * stack.channels : (time + 1) * stack.channels]
        numbers, notes = _usable_alike(channels, skip_bad=options.skip_bad)
        bursts = [_burst(planes, numbers) for planes in channels]
        if leader is None:
            leader = int(np.argmax([_contrast(burst) for burst in bursts]))
        alignments = _alike(bursts, leader, options, report)
        shared = alignments[leader]
        if shared is not None:
            notes = (*notes, *alignment_notes(shared))
        parts += [Part(numbers, alignment, notes) for alignment in alignments]
    return parts


def known_parts(stack: Stack, alignments: Sequence[Alignment], options: FuseOptions) -> list[Part]:
    """Return the parts of a stack whose alignments are known, one for each.

    Raises
    ------
    ValueError
        An alignment is of planes of another number or size; `options.moving` and several channels.
    """
    _check_moving(stack, options)
    parts: list[Part] = []
    for time in range(stack.times):
        of_time = slice(time * stack.channels, (time + 1) * stack.channels)
        channels = stack.bursts[of_time]
        numbers, notes = _usable_alike(channels, skip_bad=options.skip_bad)
        for planes, alignment in zip(channels, alignments[of_time], strict=True):
            burst = _burst(planes, numbers)
            ordered = in_order_of([Path(name).name for name in burst.names], alignment)
            ordered.check_fits(burst)
            parts.append(Part(numbers, ordered, notes))
    return parts


def shared_box(parts: Sequence[Part], shape: tuple[int, ...]) -> PixelBox:
    """Return the box ``[y0:y1, x0:x1]`` that every plane of every part covers.

    Raises
    ------
    ValueError
        There is none.
    """
    boxes = [part.alignment.common for part in parts if part.alignment is not None]
    boxes.append((0, shape[0], 0, shape[1]))
    (y0, x0), (y1, x1) = np.max(boxes, 0)[::2].tolist(), np.min(boxes, 0)[1::2].tolist()
    if y0 >= y1 or x0 >= x1:
        raise ValueError(
            "the time points moved so differently that no pixel is shown by all: "
            "keep the full size (--full-size, crop=False)"
        )
    return y0, y1, x0, x1


def cut(fusion: Fusion, box: PixelBox) -> Fusion:
    """Return the part of a fusion in a box.

    Examples
    --------
    >>> cut(Fusion(np.array([[1, 2], [3, 4]]), np.zeros((2, 2), np.uint8)), (0, 2, 1, 2)).image
    array([[2],
           [4]])
    """
    y0, y1, x0, x1 = box
    inside = np.s_[y0:y1, x0:x1]
    surface = fusion.surface
    if surface is not None:
        surface = replace(
            surface, position=surface.position[inside], confidence=surface.confidence[inside]
        )
    return replace(fusion, image=fusion.image[inside], depth=fusion.depth[inside], surface=surface)


def most_moved(parts: Sequence[Part]) -> Alignment | None:
    """Return the alignment that moves a plane farthest; None if nothing was aligned."""
    alignments = [part.alignment for part in parts if part.alignment is not None]
    return max(alignments, key=_farthest, default=None)


def _farthest(alignment: Alignment) -> float:
    return max(float(corner_shifts(m, alignment.shape).max()) for m in alignment.matrices)


def _check_moving(stack: Stack, options: FuseOptions) -> None:
    if options.moving and stack.channels > 1:  # each would show a thing where it chooses
        raise ValueError(
            f"--moving takes one channel, and {stack.bursts[0][0].volume.path} has "
            f"{stack.channels}: fuse each channel alone, or remove --moving"
        )


def _usable_alike(
    channels: Sequence[Sequence[Plane]], *, skip_bad: bool
) -> tuple[list[int], tuple[str, ...]]:
    """Numbers of the planes that can be read in every channel, and notes on the others."""
    numbers = list(range(len(channels[0])))
    if not skip_bad:
        return numbers, ()
    notes: list[str] = []
    for planes in channels:
        whole, of_bad = readable(planes)
        numbers = [i for i in numbers if i in whole]
        notes += of_bad
    if len(numbers) < 2:
        raise ValueError(
            f"a burst has two frames or more, and {len(numbers)} of {len(channels[0])} can be read "
            f"in every channel; {notes[0]}"
        )
    return numbers, tuple(dict.fromkeys(notes))


def _burst(planes: Sequence[Plane], numbers: Sequence[int]) -> Burst:
    return Burst([planes[i] for i in numbers])


def _contrast(burst: Burst) -> float:
    """The mean contrast of all planes, on small copies."""
    copies = (shrink(luminance(burst[i]), WORK_PIXELS) for i in range(len(burst)))
    return float(np.mean([focus_pyramid(copy).contrast.mean() for copy in copies]))


def _alike(
    bursts: Sequence[Burst], leader: int, options: FuseOptions, report: Report
) -> list[Alignment | None]:
    """The alignment of each channel, all with the motion of one."""
    motion = estimated_alignment(bursts[leader], options, report)
    if motion is None or not options.align or options.motion == "none":
        # nothing moves: each channel has its brightness
        return [
            motion if number == leader else estimated_alignment(burst, options, report)
            for number, burst in enumerate(bursts)
        ]
    return [
        motion if number == leader else _follower(burst, motion, exposure=options.exposure)
        for number, burst in enumerate(bursts)
    ]


def _follower(burst: Burst, motion: Alignment, *, exposure: bool) -> Alignment:
    """The motion of another channel, with the brightness of this one."""
    # what shows nothing in focus in one channel may do so in another; how well frames match is told
    # of the channel that the motion is of
    still = replace(
        motion, gains=np.ones_like(motion.gains), unmatched=(), correlations=(), hints=()
    )
    if not exposure:
        return still
    gains = estimate_alignment(
        AlignedFrames(burst, still, crop=False),
        motion="none",
        reference=motion.reference,
        names=motion.names,
    ).gains
    return replace(still, gains=gains)
