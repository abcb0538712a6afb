"""Alignments kept next to pictures, for later use: `stored_path`, `load_for`, `of_pair`.

`next_to` names what lies next to a picture; `without_maps` tells pictures from maps.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seamwise.fusion.alignment import Alignment, picture_of
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.listing import stem

_KIND_OF_PARTS = "seamwise stack alignment 1"
# see `jobs.FuseJob`
_MAP = re.compile(r"(.+_)((depth|focus_\d+|height|confidence|relief)\.png|height\.tif)")
_TAG = re.compile(r"(_t\d+)?(_c\d+)?_$")

if TYPE_CHECKING:
    from seamwise.fusion.fused_pairs import FusedPair


def next_to(picture: Path, ending: str, *, has_twin: bool = False) -> Path:
    """Return a file that belongs to a picture.

    If x.tif and x.png lie in a folder (`has_twin`), the name tells which of them.

    Examples
    --------
    >>> next_to(Path("x.ome.tif"), "depth.png").name
    'x_depth.png'
    >>> next_to(Path("x.ome.tif"), "depth.png", has_twin=True).name
    'x_ome_tif_depth.png'
    """
    name = stem(picture)
    suffix = picture.name.removeprefix(name).replace(".", "_") if has_twin else ""
    return picture.with_name(f"{name}{suffix}_{ending}")


def without_maps(paths: Sequence[Path], *, planned: Iterable[Path] = ()) -> list[Path]:
    """Return the pictures of a folder without the maps of those among them, or of planned ones.

    Examples
    --------
    >>> names = "cup.png", "cup_depth.png", "leaf_height.tif"
    >>> [path.name for path in without_maps([Path(name) for name in names])]
    ['cup.png', 'leaf_height.tif']
    """
    pictures = [*paths, *planned]
    stems = {next_to(path, "").name for path in pictures}
    stems |= {next_to(path, "", has_twin=True).name for path in pictures}
    return [path for path in paths if not _is_map(path, stems)]


def _is_map(path: Path, stems: Collection[str]) -> bool:
    match = _MAP.fullmatch(path.name)
    if match is None:
        return False
    return match[1] in stems or _TAG.sub("_", match[1]) in stems


def stored_path(picture: Path) -> Path:
    """Return the file that holds the alignment of a picture's frames, which may not exist.

    If x.tif and x.png lie in a folder, it may be ``x_png_alignment.json`` for x.png. A file that
    tells that it belongs to x.tif is not that of x.png.

    Examples
    --------
    >>> stored_path(Path("fused/cup.ome.tif")).name
    'cup_alignment.json'
    """
    of_twin = next_to(picture, "alignment.json", has_twin=True)
    path = next_to(picture, "alignment.json")
    is_of_twin = path.exists() and picture_of(path) not in ("", picture.name)
    return of_twin if of_twin.exists() or is_of_twin else path


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
    return in_order_of(names, Alignment.load(path))


def save_parts(path: Path, alignments: Sequence[Alignment]) -> None:
    """Write the alignments of the time points and channels of a stack; see `load_parts`."""
    parts = [alignment.fields() for alignment in alignments]
    write_json(path, {"kind": _KIND_OF_PARTS, "parts": parts})


def load_parts(path: Path, count: int) -> list[Alignment]:
    """Read the alignments of so many time points and channels that `save_parts` wrote.

    Raises
    ------
    OSError
        The file is missing or not readable.
    ValueError
        It is something else, such as the alignment of one burst, damaged, or has another count.
    """
    content = read_json(path)
    if content.get("kind") != _KIND_OF_PARTS:
        raise ValueError(
            f"{path} is not the alignment of a stack: its kind must be {_KIND_OF_PARTS!r}, "
            f"not {content.get('kind')!r}: name another file"
        )
    parts = content.get("parts")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"{path} is a damaged alignment: parts must be a list: delete it")
    if len(parts) != count:
        raise ValueError(
            f"{path} is the alignment of {len(parts)} time points and channels, not of {count}: "
            "name another file"
        )
    return [Alignment.from_fields(part, path) for part in parts]


def in_order_of(names: Sequence[str], alignment: Alignment) -> Alignment:
    """Return an alignment in the order of these names if it has the same."""
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
