"""Alignments kept next to pictures, for later use: `stored_path`, `load_for`, `of_pair`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seamwise.fusion.alignment import Alignment

if TYPE_CHECKING:
    from seamwise.fusion.fused_pairs import FusedPair


def stored_path(picture: Path) -> Path:
    """Return the file that holds the alignment of a picture's frames.

    If x.tif and x.png lie in a folder, it may be ``x_png_alignment.json`` for x.png.

    Examples
    --------
    >>> stored_path(Path("fused/cup.png")).name
    'cup_alignment.json'
    """
    of_twin = picture.with_name(f"{picture.stem}_{picture.suffix[1:]}_alignment.json")
    return of_twin if of_twin.exists() else picture.with_name(f"{picture.stem}_alignment.json")


def changes_frames(alignment: Alignment | None) -> bool:
    """Whether an alignment does anything to a frame."""
    return alignment is not None and not all(
        map(alignment.is_untouched, range(len(alignment.names)))
    )


def load_for(path: Path, names: Sequence[str]) -> Alignment:
    """Read an alignment, for frames of these file names in this order if it has the same names.

    Raises
    ------
    OSError, ValueError
        As in `Alignment.load`.
    """
    alignment = Alignment.load(path)
    if sorted(names) == sorted(alignment.names) and len(set(names)) == len(names):
        return alignment.reordered([alignment.names.index(name) for name in names])
    return alignment


def of_pair(pair: "FusedPair") -> Alignment | None:
    """Return the alignment that the fused pictures of a pair were made with; None for none.

    Raises
    ------
    ValueError
        A file is damaged or of other sources, or not all pictures were aligned alike.
    """
    names = [path.name for path in pair.sources]
    alignments: dict[Path, Alignment] = {}
    for picture in pair.fused.values():
        path = stored_path(picture)
        if path.exists():
            alignments[picture] = load_for(path, names)
            alignments[picture].check_names(names)
    if not alignments:
        return None
    first, alignment = next(iter(alignments.items()))
    for picture in pair.fused.values():
        if picture not in alignments or not _is_equal(alignments[picture], alignment):
            raise ValueError(
                f"{picture} was aligned otherwise than {first}: fuse both with equal options"
            )
    return alignment


def _is_equal(a: Alignment, b: Alignment) -> bool:
    return np.array_equal(a.matrices, b.matrices) and np.array_equal(a.gains, b.gains)
