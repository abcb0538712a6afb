"""Which frames of a burst add something, and which network suits them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.frames import Frames
from seamwise.fusion.result import Fusion

# Frames out of focus between two that show a scene whole have at most 0.0003 of the strength of the
# details in `benchmarks/moved.py few`; of those that add something, the third of three has 0.0008.
_LEAST_DETAIL = 0.0005
_BRIGHT, _DARKER, _WHITE = 0.78, 0.6, 0.97  # of the brightest: a disc of a highlight, none, a core
_IN_ONE, _DISCS, _LOST = 0.2, 0.1, 1.5  # shares of what is bright; of what is white
_FEW = 10  # values: hot pixels are not discs
_LARGEST_PAIR = 8e6  # pixels: beyond, two frames take more memory and time than many


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
        With two frames, that of the network for bursts if highlights of one grow to discs in the
        other, which a network for pairs takes for sharp things. With more, that of the only two
        that add detail, unless it has such discs. Otherwise the one given.
    """
    if fusion.depth.size > _LARGEST_PAIR:
        return fusion
    if fusion.detail is None:
        if not _may_have_discs(fusion, frames):
            return fusion
        words = (
            "what look like highlights grow to discs: focus-burst fused both frames; "
            "the model focus-pair would fuse them as a pair"
        )
        return _without_discs(fusion, _noted(other(range(len(frames))), words))
    pair = _pair_with_detail(fusion.detail)
    if not pair:
        return fusion
    first, second = (Path(names[number]).name for number in pair)
    words = f"only {first} and {second} add detail: focus-pair fused them as a pair"
    return _without_discs(_noted(other(pair), words), fusion)


def _pair_with_detail(shares: NDArray[np.floating[Any]]) -> list[int]:
    """The only two frames that add detail; none if there are others."""
    if len(shares) == 2:  # of a longer burst, these two show anything in focus
        return [0, 1]
    pair = [number for number, share in enumerate(shares) if share > _LEAST_DETAIL]
    return pair if len(pair) == 2 else []


def _noted(fusion: Fusion, words: str) -> Fusion:
    return replace(fusion, notes=(*fusion.notes, words))


def _may_have_discs(fusion: Fusion, frames: Frames) -> bool:
    """Whether much of what is bright in the picture is bright in one of two frames alone."""
    if len(frames) != 2:
        return False
    white = fusion.image.max()
    is_bright = fusion.image > _BRIGHT * white
    in_one = np.count_nonzero(is_bright & (np.minimum(frames[0], frames[1]) < _DARKER * white))
    return bool(in_one > _IN_ONE * np.count_nonzero(is_bright))


def _without_discs(pair: Fusion, burst: Fusion) -> Fusion:
    """The fusion of a pair; that of the burst if the pair has discs, or lacks cores that it has."""
    white = max(pair.image.max(), burst.image.max())
    of_pair, of_burst = pair.image / white, burst.image / white
    discs = np.count_nonzero((of_pair > _BRIGHT) & (of_burst < _DARKER))
    has_discs = discs > _FEW + _DISCS * np.count_nonzero(of_burst > _BRIGHT)
    cores = np.count_nonzero(of_burst > _WHITE)
    has_lost = cores > _FEW + _LOST * np.count_nonzero(of_pair > _WHITE)
    return burst if has_discs or has_lost else pair
