"""What the user should know about an alignment: `alignment_notes`."""

from collections.abc import Sequence

import numpy as np

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.exposure import GAINS
from seamwise.fusion.registration import GOOD_CORRELATION

_MOST_NAMED = 3  # frames in a line; of more, their number is told


def alignment_notes(alignment: Alignment) -> list[str]:
    """Return lines on the frames whose place or brightness is not well matched.

    They show nothing in focus; fit the others weakly, with a correlation below 0.5; may have moved
    although nothing proves it; or differ in brightness by more than can be matched.

    Examples
    --------
    >>> places = np.stack([np.eye(3)] * 2)
    >>> alignment = Alignment(
    ...     places, np.ones((2, 1)), (4, 5), 0, ("a.png", "b.png"), correlations=(None, 0.42)
    ... )
    >>> alignment_notes(alignment)
    ['weak match of b.png with the others: correlation 0.42, 0.50 is good; look for double edges']
    """
    notes = [*_unmatched(alignment), *_weak(alignment), *_doubtful(alignment)]
    reference, at_bound = alignment.names[alignment.reference], np.isin(alignment.gains, GAINS)
    return notes + [
        f"{name}: its brightness differs from that of {reference} by one stop or more and is "
        "matched by one stop only; where this shows in the picture, expose the frames alike"
        for name, channels in zip(alignment.names, at_bound, strict=True)
        if channels.any()
    ]


def _unmatched(alignment: Alignment) -> list[str]:
    is_enough = len(alignment.names) - len(alignment.unmatched) > 1
    effect = ": it is not used" if is_enough else ", but too few others do: it is used"
    return [f"{alignment.names[i]} shows nothing in focus{effect}" for i in alignment.unmatched]


def _weak(alignment: Alignment) -> list[str]:
    weak = {
        name: correlation
        for name, correlation in zip(alignment.names, alignment.correlations, strict=False)
        if correlation is not None and correlation < GOOD_CORRELATION
    }
    if not weak:
        return []
    return [
        f"weak match of {_listed([*weak])} with the others: correlation {min(weak.values()):.2f}, "
        f"{GOOD_CORRELATION:.2f} is good; look for double edges"
    ]


def _doubtful(alignment: Alignment) -> list[str]:
    shifts = {n: s for n, s in zip(alignment.names, alignment.hints, strict=False) if s > 0}
    if not shifts:
        return []
    return [
        f"{_listed([*shifts])} may have moved by up to {max(shifts.values()):.1f} px, too "
        "uncertain to be corrected; a chosen motion moves what it finds (--motion similarity, "
        "motion='similarity')"
    ]


def _listed(names: Sequence[str]) -> str:
    """Names in a line; of many, the first ones.

    Examples
    --------
    >>> _listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
