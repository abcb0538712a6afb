"""Which frames of a burst add something, and which network suits them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.frames import Frames
from seamwise.fusion.highlights import discs_of_highlights, without_discs
from seamwise.fusion.result import Fusion

# Frames out of focus between two that show a scene whole have at most 0.0003 of the strength of the
# details in `benchmarks/moved.py few`; of those that add something, the third of three has 0.0008.
_LEAST_DETAIL = 0.0005
LARGEST_PAIR = 8e6  # pixels: beyond, two frames take more memory and time than many


def useful_frames(order: Sequence[int], alignment: Alignment | None) -> Sequence[int]:
    """Return the frames in an order, without those that show nothing in focus, if two others do."""
    blank = set() if alignment is None else set(alignment.unmatched)
    useful = [number for number in order if number not in blank]
    return useful if len(useful) > 1 else order


def second_opinion(
    fusion: Fusion,
    frames: Frames,
    names: Sequence[str],
    other: Callable[[Sequence[int]], Fusion],
) -> Fusion:
    """Return what the other network of "auto" makes of frames that suit it better, with a line.

    Parameters
    ----------
    fusion : Fusion
        Of all frames, by the network for their number.
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays in 0..1
        Those that were fused, in this order.
    names : sequence of str
        Of the frames.
    other : function
        Fuses some of the frames, given by their numbers here, with the other network.

    Returns
    -------
    Fusion
        With two frames, the one given; with more, that of the only two that add detail, if there
        are. Where highlights of one grow to discs in the other, which a network for pairs takes
        for sharp things, the network for bursts decides.
    """
    if fusion.depth.size > LARGEST_PAIR:
        return fusion
    if fusion.detail is None:
        if len(frames) != 2:
            return fusion
        return _repaired(fusion, frames, lambda: other(range(2)))
    pair = _pair_with_detail(fusion.detail)
    if not pair:
        return fusion
    first, second = (Path(names[number]).name for number in pair)
    words = f"only {first} and {second} add detail: focus-pair fused them as a pair"
    return _repaired(
        _noted(other(pair), words), [frames[number] for number in pair], lambda: fusion
    )


def _pair_with_detail(shares: NDArray[np.floating[Any]]) -> list[int]:
    """The only two frames that add detail; none if there are others."""
    if len(shares) == 2:  # of a longer burst, these two show anything in focus
        return [0, 1]
    pair = [number for number, share in enumerate(shares) if share > _LEAST_DETAIL]
    return pair if len(pair) == 2 else []


def _noted(fusion: Fusion, words: str) -> Fusion:
    return replace(fusion, notes=(*fusion.notes, words))


def _repaired(pair: Fusion, frames: Frames, burst: Callable[[], Fusion]) -> Fusion:
    """The fusion of a pair; that of the burst where a highlight has grown to a disc."""
    mask = discs_of_highlights(frames[0], frames[1], pair.image)
    if not mask.any():
        return pair
    of_burst = burst()
    share = max(100 * mask.mean(), 0.1)
    return replace(
        _noted(pair, f"highlights grow to discs: focus-burst fused {share:.1f} % of the picture"),
        image=without_discs(pair.image, of_burst.image, mask),
        depth=np.where(mask, of_burst.depth, pair.depth),
    )
