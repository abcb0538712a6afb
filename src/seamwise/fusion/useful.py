"""Which frames of a burst add something: `useful_frames`, `pair_with_detail`, `without_discs`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.result import Fusion

# Frames out of focus between two that show a scene whole have at most 0.0003 of the strength of the
# details in `benchmarks/moved.py few`; of those that add something, the third of three has 0.0008.
_LEAST_DETAIL = 0.0005
_BRIGHT, _MORE_BRIGHT = 0.78, 1.1  # of the range; highlights that grow to discs
_LARGEST_PAIR = 8e6  # pixels: beyond, two frames take more memory and time than many


def useful_frames(order: Sequence[int], alignment: Alignment | None) -> Sequence[int]:
    """Return the frames in an order, without those that show nothing in focus, if two others do."""
    blank = set() if alignment is None else set(alignment.unmatched)
    useful = [number for number in order if number not in blank]
    return useful if len(useful) > 1 else order


def pair_with_detail(fusion: Fusion, order: Sequence[int]) -> list[int]:
    """Return the only two frames that add detail, in this order; none if there are others.

    If only two frames of a longer burst show anything in focus, these are the pair.
    """
    if fusion.detail is None or fusion.depth.size > _LARGEST_PAIR:
        return []
    if len(order) == 2:
        return list(order)
    pair = [i for i, share in zip(order, fusion.detail, strict=True) if share > _LEAST_DETAIL]
    return pair if len(pair) == 2 else []


def noted(fusion: Fusion, names: Sequence[str], pair: Sequence[int]) -> Fusion:
    """Return the fusion of a pair with a line that names the two frames."""
    first, second = (Path(names[number]).name for number in pair)
    note = f"only {first} and {second} add detail: focus-seg fused them as a pair"
    return replace(fusion, notes=(*fusion.notes, note))


def without_discs(pair: Fusion, burst: Fusion) -> Fusion:
    """Return the fusion of a pair, or that of the burst if the pair is brighter in more places.

    Out of focus, a highlight grows to a disc, which a network for pairs takes for a sharp thing.
    """
    of_pair, of_burst = (np.count_nonzero(x.image > _BRIGHT) for x in (pair, burst))
    return burst if of_pair > _MORE_BRIGHT * of_burst else pair
