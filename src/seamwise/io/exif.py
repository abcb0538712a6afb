"""EXIF as bytes, as in a JPEG, and as tags of a TIFF.

`split_orientation` and `broken_tags` check it, `capture_time` looks into it. `upright` turns pixels
by its orientation. `tiff_exif` reads it from a TIFF, `add_tags` writes it into one.
"""

import mmap
import struct
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tifffile
from numpy.typing import NDArray

from seamwise.io.tiff_checks import TAG_BYTES

EXIF = b"Exif\0\0"  # what a JPEG puts before the TIFF structure that EXIF is
TIFF_ORDERS: Mapping[bytes, Literal["<", ">"]] = {b"II*\0": "<", b"MM\0*": ">"}

PROFILE_DAMAGED = "colour profile of {} is damaged and not kept"

ORIENTATION, PROFILE, _DESCRIPTION = 274, 34675, 270
_EXIF_IFD, _TIME, _FRACTION = 34665, 36867, 37521  # Exif directory, DateTimeOriginal, its fraction
_NEUTRAL = frozenset({ORIENTATION, 282, 283, 296})  # every TIFF has a resolution
_SUB_IFDS: Mapping[int, Any] = {
    34665: {40965: {}},
    34853: {},
}  # Exif with Interoperability in it, GPS
# the tags that do not lay out pixels: title, camera, software, date, author, rating, copyright, XP…
_DESCRIPTIVE = _NEUTRAL | {
    269,
    _DESCRIPTION,
    271,
    272,
    285,
    305,
    306,
    315,
    316,
    18246,
    18249,
    33432,
}
_DESCRIPTIVE |= frozenset({*range(40091, 40096), *_SUB_IFDS})
_KIND_BYTES = TAG_BYTES | {129: 1}  # UTF-8, since EXIF 3.0


@dataclass(frozen=True)
class _Entry:
    """What a tag holds: kind and count by the TIFF standard, and its value.

    The value is packed bytes, or the directory that the tag points to.
    """

    kind: int
    count: int
    value: "bytes | dict[int, _Entry]"


def add_tags(path: Path, exif: bytes) -> None:
    """Give a TIFF a new directory at its end: the old tags, at the old offsets, and those of EXIF.

    Tags that `broken_tags` reports are skipped.
    """
    with path.open("rb+") as stream:
        data = stream.read()
        end = len(data) + len(data) % 2
        order, place = _ifd_place(data)
        tags = _tags(data, order, place, {}, []) | _descriptive_tags(exif, [])
        stream.seek(end)
        stream.write(_pack(tags, order, end))
        stream.seek(4)
        stream.write(struct.pack(order + "I", end))


def _descriptive_tags(tiff: Any, faults: list[int]) -> dict[int, _Entry]:
    """The tags in the first directory of a TIFF structure that describe the photograph.

    Broken ones as in `_tags`.
    """
    return _tags(tiff, *_ifd_place(tiff), _SUB_IFDS, faults, only=_DESCRIPTIVE)


def tiff_exif(path: Path, file: tifffile.TiffFile) -> tuple[bytes, list[str]]:
    """Return the tags of a TIFF that describe the photograph as EXIF, and notes on what is lost.

    The orientation in it is 1.
    """
    page: Any = file.pages.first
    # the description may be the layout of the pixels
    own_tags = {_DESCRIPTION} if page.is_shaped or page.is_ome or page.is_imagej else set()
    if file.is_bigtiff:
        missing_tags = _DESCRIPTIVE.intersection(page.tags.keys()) - _NEUTRAL - own_tags
        return b"", [f"EXIF of {path.name} is not kept: it is a BigTIFF"] * bool(missing_tags)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order, _ = _ifd_place(data)
        head = data[:4] + struct.pack(order + "I", 8)
        faults: list[int] = []
        tags = {
            tag: entry
            for tag, entry in _descriptive_tags(data, faults).items()
            if tag not in own_tags
        }
        broken_profile: list[int] = []
        _tags(data, *_ifd_place(data), {}, broken_profile, only={PROFILE})
    has_tags = bool(tags.keys() - _NEUTRAL)
    _, exif, notes = split_orientation(
        (EXIF + head + _pack(tags, order, len(head))) * has_tags, path.name
    )
    notes += [f"EXIF of {path.name} is damaged and not all kept"] * bool(faults)
    return exif, notes + [PROFILE_DAMAGED.format(path.name)] * bool(broken_profile)


def split_orientation(exif: bytes, name: str) -> tuple[int, bytes, list[str]]:
    """Return the orientation in EXIF, the EXIF with 1 in its place, and a note if it is damaged."""
    if not exif:
        return 1, b"", []
    orientation, upright = 1, bytearray(exif)
    body = memoryview(upright)[len(EXIF) :]
    try:
        order, place = _ifd_place(body)
        for at in _entries(body, order, place):
            tag, kind = struct.unpack_from(order + "HH8x", body, at)
            if (tag, kind) == (ORIENTATION, 3):
                (orientation,) = struct.unpack_from(order + "H", body, at + 8)
                struct.pack_into(order + "H", body, at + 8, 1)
    except (ValueError, struct.error):
        return 1, b"", [f"EXIF of {name} is damaged and not kept"]
    return known_orientation(orientation), bytes(upright), []


def broken_tags(exif: bytes, name: str) -> list[str]:
    """Return a note if settled EXIF has tags that `add_tags` skips, unknown or outside."""
    faults: list[int] = []
    if exif:
        _descriptive_tags(memoryview(exif)[len(EXIF) :], faults)
    return [f"EXIF of {name} has broken tags: a TIFF would not keep them"] * bool(faults)


def capture_time(exif: bytes) -> str:
    """Return when a photograph was taken, to be sorted as text; empty if EXIF does not tell.

    DateTimeOriginal with its fraction of a second, such as ``2026:05:04 12:30:00.25``.
    """
    tiff = memoryview(exif)[len(EXIF) :]
    try:
        tags = _tags(tiff, *_ifd_place(tiff), {_EXIF_IFD: {}}, [], only={_EXIF_IFD})
    except (ValueError, struct.error):
        return ""
    inner = tags[_EXIF_IFD].value if _EXIF_IFD in tags else {}
    if not isinstance(inner, dict):
        return ""
    time, fraction = (
        entry.value.rstrip(b"\0 ").decode("ascii", "replace")
        if (entry := inner.get(tag)) is not None and isinstance(entry.value, bytes)
        else ""
        for tag in (_TIME, _FRACTION)
    )
    return f"{time}.{fraction}" if time and fraction else time


def known_orientation(orientation: int) -> int:
    """Return the orientation, 1 if it is not one of 1..8."""
    return orientation if 1 <= orientation <= 8 else 1


def turned_shape(shape: tuple[int, ...], orientation: int) -> tuple[int, ...]:
    """Return the shape of stored pixels that are turned upright, or the other way round."""
    return (*shape[1::-1], *shape[2:]) if orientation >= 5 else shape


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn pixels whose first row and column are where EXIF's `orientation` (1..8) says; a view."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def as_stored(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn upright pixels back to how they are stored; a view."""
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def _ifd_place(tiff: Any) -> tuple[Literal["<", ">"], int]:
    """Byte order and place of the first directory of a TIFF structure."""
    order = TIFF_ORDERS.get(bytes(tiff[:4]))
    if order is None:
        raise ValueError("no TIFF header")
    return order, struct.unpack_from(order + "I", tiff, 4)[0]


def _entries(tiff: Any, order: str, place: int) -> range:
    """Places of the entries of the directory at `place`."""
    (count,) = struct.unpack_from(order + "H", tiff, place)
    return range(place + 2, place + 2 + 12 * count, 12)


def _tags(
    tiff: Any,
    order: str,
    place: int,
    links: Mapping[int, Any],
    faults: list[int],
    *,
    only: Set[int] | None = None,
) -> dict[int, _Entry]:
    """Read the directory at `place`, or `only` some of its tags, and what its `links` point to.

    Tags whose kind is unknown or whose values lie outside are skipped and appended to `faults`. If
    the values of a directory are larger than the whole structure, they overlap: so are the last.
    """
    tags = {}
    room = len(tiff)
    for at in _entries(tiff, order, place):
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, at)
        if only is not None and tag not in only:
            continue
        size = count * _KIND_BYTES.get(kind, 0)
        start = at + 8 if size <= 4 else struct.unpack_from(order + "I", tiff, at + 8)[0]
        try:
            if not 0 < size <= room:
                raise ValueError(f"tag {tag} is broken")
            room -= size
            value = bytes(tiff[start : start + size])
            if len(value) < size:
                raise ValueError(f"tag {tag} is broken")
            if tag in links:
                (below,) = struct.unpack(order + "I", value)
                tags[tag] = _Entry(kind, count, _tags(tiff, order, below, links[tag], faults))
            else:
                tags[tag] = _Entry(kind, count, value)
        except (ValueError, struct.error):
            faults.append(tag)
    return tags


def _pack(tags: Mapping[int, _Entry], order: str, place: int) -> bytes:
    """A directory that stands at `place` of a TIFF structure, followed by all that it points to."""
    table, below = struct.pack(order + "H", len(tags)), b""
    after_table = place + 2 + 12 * len(tags) + 4
    for tag, entry in sorted(tags.items()):
        position = after_table + len(below)
        table += struct.pack(order + "HHI", tag, entry.kind, entry.count)
        value = (
            _pack(entry.value, order, position) if isinstance(entry.value, dict) else entry.value
        )
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", position)
            below += value + bytes(len(value) % 2)
    return table + bytes(4) + below
