"""Several TIFFs that hold one OME image together: `set_of_files`, `bad_part`."""

import html
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import tifffile

from seamwise.io.tiff_checks import check_chain, check_inside, without_log
from seamwise.types import AnyPath

_MOST_PLANES = 2**22
_PIXELS = r"<(?:\w+:)?Pixels\b[^>]*>"


def set_of_files(path: AnyPath) -> tuple[str, ...]:
    """Return the names of the files that hold one OME image together, in its order; often one.

    Empty if the file names none, or is not an OME-TIFF that can be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> tifffile.imwrite(path, [[1, 2]])
    >>> set_of_files(path)
    ()
    """
    path = Path(path)
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            return _names_of_set(file)
    except Exception:  # tifffile raises TiffFileError, struct.error, …: reading it will tell
        return ()


def _names_of_set(file: tifffile.TiffFile) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, _ in _parts_of_set(file)))


def _parts_of_set(file: tifffile.TiffFile) -> list[tuple[str, str]]:
    """Name and identifier of the file of each plane. Attached files have names too: no parts."""
    found = re.findall(
        r'<(?:\w+:)?UUID\b[^>]*\bFileName="([^"]+)"[^>]*>([^<]*)<', file.ome_metadata or ""
    )
    return [(html.unescape(name), identifier.strip()) for name, identifier in found]


def check_set(file: tifffile.TiffFile) -> None:
    """Raise if the image has parts in another folder, which tifffile would read."""
    own = re.search(r'<(?:\w+:)?OME\b[^>]*\bUUID="([^"]+)"', file.ome_metadata or "")
    for name, identifier in _parts_of_set(file):
        if own is not None and identifier == own[1]:
            continue  # tifffile opens no file for it
        if _leads_out(name):
            raise ValueError(f"it names {name!r} as a part of its image, outside of its folder")


def check_planes(file: tifffile.TiffFile) -> None:
    """Raise if the OME metadata name millions of planes: tifffile would list each of them."""
    text = file.ome_metadata or ""
    for pixels in re.finditer(_PIXELS, text):
        first = re.search(r"""<(?:\w+:)?TiffData\b[^>]*?\bIFD=["'](\d+)""", text[pixels.end() :])
        sizes = [int(size) for size in re.findall(r"""\bSize[A-Z]=["'](\d+)""", pixels[0])]
        with suppress(IndexError):  # tifffile does without the page
            page = file.pages[int(first[1]) if first else 0]
            _check_planes(math.prod(sizes) // max(math.prod(page.shape), 1))
    for count in re.findall(r"""\bPlaneCount=["'](\d+)""", text):
        _check_planes(int(count))


def _check_planes(planes: int) -> None:
    if planes > _MOST_PLANES:
        raise ValueError(
            f"its OME metadata name {planes} planes of the size of a page: export it again"
        )


def size_note(file: tifffile.TiffFile, page: Any, *, name: str) -> str:
    """Return a line if no image of the OME metadata has the size of a page; else ""."""
    sizes = [_size_of(pixels) for pixels in re.findall(_PIXELS, file.ome_metadata or "")]
    sizes = [size for size in sizes if size]
    size = f"{page.imagewidth} × {page.imagelength}"
    if not sizes or size in sizes:
        return ""
    return f"{name} has {size} pixels, though its OME metadata say {sizes[0]}: all are read"


def _size_of(pixels: str) -> str:
    """Width and height in a tag of OME metadata; "" if it lacks one."""
    lengths = [re.search(rf"""\bSize{axis}=["'](-?\d+)""", pixels) for axis in "XY"]
    return " × ".join(length[1] for length in lengths if length) if all(lengths) else ""


def _leads_out(name: str) -> bool:
    return name in ("", ".", "..") or "/" in name or "\\" in name


def bad_part(path: Path) -> tuple[Path, Exception] | None:
    """Return which file of the set of an OME-TIFF cannot be read, and why; None if all can.

    None as well if it is the file itself. A name that leads out of the folder is not followed. The
    pixels of each page are decoded, one page at a time.
    """
    others = [name for name in set_of_files(path) if name != path.name and not _leads_out(name)]
    for name in [path.name, *others] if others else []:
        part = path.with_name(name)
        try:
            _read_whole(part)
        except Exception as error:  # each codec has its own
            return None if name == path.name else (part, error)
    return None


def _read_whole(path: Path) -> None:
    with without_log(), tifffile.TiffFile(path) as file:
        check_chain(file)
        page: Any
        for page in file.pages:
            ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
            check_inside(page, max(ends, default=0))
            page.asarray()
