"""Pairs of sources on disk, what methods made of them, and the truth; see `find_fused_pairs`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seamwise.fusion.burst import burst_folders, find_frames
from seamwise.io.links import real_path
from seamwise.io.listing import by_stem, find_images, stem

DUMMIES = ("source A", "source B")
"""Methods that return one of the two sources as it is."""

_FRAME = re.compile(r"(.+)[-_]([a-zA-Z]|\d)")  # x-A, x_1
_ENDINGS = (["A", "B"], ["1", "2"])
_ONLY_TWO = "the metrics are defined for two sources"


@dataclass(frozen=True)
class FusedPair:
    """Two sources, one fused picture for each method, and the truth; or why they cannot be scored.

    Attributes
    ----------
    name : str
    sources : tuple of Path
        A and B; empty if there are not two.
    fused : mapping of str to Path
        By method; for a pair with a fault they need not exist.
    truth : Path or None
        Likewise.
    fault : str
        Why the pair cannot be scored; empty if nothing is missing.
    note : str
        What the user should know, in one line; empty if nothing. What concerns all pairs of a
        folder, the first has.
    """

    name: str
    sources: tuple[Path, ...]
    fused: Mapping[str, Path] = field(default_factory=dict)
    truth: Path | None = None
    fault: str = ""
    note: str = ""


def split_inputs(inputs: Sequence[Path]) -> tuple[Sequence[Path], Sequence[Path]]:
    """Split a list of paths into sources and fused pictures.

    A folder of pairs comes first, or the two pictures of one pair.

    Raises
    ------
    ValueError
        Nothing is left for the fused pictures.
    FileNotFoundError
        If the first path does not exist.

    Examples
    --------
    >>> sources, fused = split_inputs([Path("near.jpg"), Path("far.jpg"), Path("sharp.png")])
    >>> [path.name for path in sources], [path.name for path in fused]
    (['near.jpg', 'far.jpg'], ['sharp.png'])
    """
    count = 1 if inputs[0].is_dir() else 2
    if len(inputs) <= count:
        if not inputs[0].exists():
            raise FileNotFoundError(f"{inputs[0]} does not exist: check its name and folder")
        raise ValueError(
            "give the sources (a folder of pairs, or two pictures), "
            "then one fused picture or folder for each method"
        )
    return inputs[:count], inputs[count:]


def find_fused_pairs(
    sources: Sequence[Path], fused: Sequence[Path], *, truth: Path | None = None
) -> tuple[FusedPair, ...]:
    """Find the pairs, and for each its fused pictures and its truth.

    Parameters
    ----------
    sources : sequence of Path
        The two pictures of one pair, or one folder:

        - of subfolders, each with the two frames of a pair, which has the subfolder's name;
        - of pictures ``x-A.jpg`` and ``x-B.jpg``, or ``x_A``, ``x-1`` …: pair ``x``;
        - of two pictures with other names: a pair with the folder's name.

        Hidden ones do not count. Subfolders next to pictures are skipped, and `FusedPair.note`
        tells so.
    fused : sequence of Path
        For each method a folder with ``x.png``, ``x.jpg`` or ``x.tif`` for pair x; or for one pair
        a picture. A method has the folder's name or the picture's stem; if two are equal, the name
        of the folder above is added.
    truth : Path, optional
        A folder, or for one pair a picture.

    Returns
    -------
    tuple of FusedPair
        A pair that does not have two frames, or lacks a fused picture or its truth, has a `fault`.
        It is skipped for every method, so that all are compared on the same pairs. All name the
        same methods, and all or none a truth.

    Raises
    ------
    FileNotFoundError
        One of the paths does not exist, or a folder holds no picture.
    ValueError
        A picture is given for more than one pair, or several as a pattern; two methods have equal
        names, or two files of a folder differ in the suffix alone.
    """
    pairs = _pairs(sources)
    names = _method_names(fused)
    pictures = {place: _pictures(place, pairs, "fused") for place in fused}
    if truth is not None:
        pictures[truth] = _pictures(truth, pairs, "truth")
    places = dict(zip(names, fused, strict=True))
    return tuple(_complete(pair, places, truth, pictures) for pair in pairs)


def _pairs(sources: Sequence[Path]) -> list[FusedPair]:
    if len(sources) > 1:
        frames = find_frames(sources)
        return [_pair(_common_name(frames) or ", ".join(map(stem, frames)), frames)]
    (folder,) = sources
    folders, note = burst_folders(folder)
    if folders != [folder]:
        return [_pair_of_folder(path) for path in folders]
    first, *others = _pairs_of_files(folder, find_frames([folder]))
    return [replace(first, note=note), *others]


def _pair_of_folder(folder: Path) -> FusedPair:
    try:
        return _pair(folder.name, find_frames([folder]))
    except (ValueError, OSError) as error:
        return FusedPair(folder.name, (), fault=str(error))


def _pairs_of_files(folder: Path, frames: Sequence[Path]) -> Iterator[FusedPair]:
    parts = [_FRAME.fullmatch(stem(frame)) for frame in frames]
    if not any(parts) or (len(frames) == 2 and not _common_name(frames)):
        yield _pair(real_path(folder).name, frames)
        return
    groups: dict[str, list[Path]] = {}
    for frame, match in zip(frames, parts, strict=True):
        groups.setdefault(match[1] if match else "", []).append(frame)
    for stray in groups.pop("", []):
        yield FusedPair(stem(stray), (), fault=f"{stray} is neither x-A nor x-B of a pair x")
    for name, group in groups.items():
        is_alone = len(group) <= 2 and _common_name(group) is None
        fault = f"{group[0]} has no partner: the frames of a pair end in -A and -B, or in -1 and -2"
        yield FusedPair(name, (), fault=fault) if is_alone else _pair(name, group)


def _pair(name: str, frames: Sequence[Path]) -> FusedPair:
    if len(frames) != 2:
        return FusedPair(
            name, (), fault=f"it has {len(frames)} frame{'s' * (len(frames) > 1)}: {_ONLY_TWO}"
        )
    return FusedPair(name, tuple(frames))


def _common_name(frames: Sequence[Path]) -> str | None:
    """Return x of x-A and x-B; None if the frames have other names."""
    matches = [match for frame in frames if (match := _FRAME.fullmatch(stem(frame)))]
    has_common_name = len({match[1] for match in matches}) == 1
    return (
        matches[0][1]
        if has_common_name and sorted(match[2].upper() for match in matches) in _ENDINGS
        else None
    )


def _method_names(fused: Sequence[Path]) -> list[str]:
    short = [real_path(path).name if path.is_dir() else stem(path) for path in fused]
    names_in_use = [*short, *DUMMIES]
    names = [
        name if names_in_use.count(name) == 1 else f"{real_path(path).parent.name}/{name}"
        for name, path in zip(short, fused, strict=True)
    ]
    for number, name in enumerate(names):
        if name in names[:number]:
            twin = fused[names.index(name)]
            raise ValueError(
                f"{twin} and {fused[number]} would both be called {name}: "
                "rename one, or name it once"
            )
    return names


def _pictures(place: Path, pairs: Sequence[FusedPair], argument: str) -> dict[str, Path]:
    """Return the pictures of a place by the names of pairs."""
    if place.is_dir():
        return by_stem(find_images(place))
    path, *surplus = find_images([place])
    if surplus:
        raise ValueError(
            f"{argument} must be a folder or one picture, "
            f"not a pattern of {1 + len(surplus)} pictures, {place}: give the folder they are in"
        )
    if len(pairs) > 1:
        raise ValueError(
            f"{path} is one picture, and there are {len(pairs)} pairs: "
            "give a folder with one of each"
        )
    return {pairs[0].name: path}


def _complete(
    pair: FusedPair,
    places: Mapping[str, Path],
    truth: Path | None,
    pictures: Mapping[Path, Mapping[str, Path]],
) -> FusedPair:
    def picture(place: Path) -> Path:
        return pictures[place].get(pair.name, place / pair.name)

    wanted_places = [*places.values(), *([] if truth is None else [truth])]
    absent_files = [
        str(picture(place)) for place in wanted_places if pair.name not in pictures[place]
    ]
    fault = f"missing: {' and '.join(absent_files)} (.png, .jpg or .tif)" if absent_files else ""
    fused = {method: picture(place) for method, place in places.items()}
    return replace(pair, fused=fused, truth=truth and picture(truth), fault=pair.fault or fault)
