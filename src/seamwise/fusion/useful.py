"""Which frames of a burst add something: `useful_frames`, `pair_with_detail`."""

from collections.abc import Sequence

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.result import Fusion

# Frames out of focus between two that show a scene whole have at most 0.0003 of the strength of the
# details in `benchmarks/moved.py few`; of those that add something, the third of three has 0.0008.
_LEAST_DETAIL = 0.0005
_LARGEST_PAIR = 8e6  # pixels: beyond, two frames take more memory and time than many


def useful_frames(order: Sequence[int], alignment: Alignment | None) -> Sequence[int]:
    """Return the frames in an order, without those that show nothing in focus, if two others do."""
    blank = set() if alignment is None else set(alignment.unmatched)
    useful = [number for number in order if number not in blank]
    return useful if len(useful) > 1 else order


def pair_with_detail(fusion: Fusion, order: Sequence[int]) -> list[int]:
    """Return the only two frames that add detail, in this order; none if there are others."""
    if fusion.detail is None or len(order) < 3 or fusion.depth.size > _LARGEST_PAIR:
        return []
    pair = [i for i, share in zip(order, fusion.detail, strict=True) if share > _LEAST_DETAIL]
    return pair if len(pair) == 2 else []
