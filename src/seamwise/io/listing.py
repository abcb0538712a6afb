"""Which files are images, their names and order: `find_images`, `by_stem`; how a file begins."""

import glob
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from seamwise.io.ome_zarr import is_ome_zarr, plate_fields
from seamwise.io.tiff import OME_SUFFIXES
from seamwise.io.tiff_set import set_of_files
from seamwise.types import AnyPath

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
ZARR = ".zarr"  # of a folder that is one image
MICROSCOPES = (
    *(".czi", ".dv", ".ims", ".lif", ".lsm", ".mrxs", ".nd2"),
    *(".oib", ".oif", ".stk", ".svs", ".vsi", ".xlef"),
)
_PICTURES = (".bmp", ".gif", ".webp")  # that are not read
HEIF = (".heic", ".heif", ".hif")
RAW = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".kdc", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srw"),
)
_EXPORT = "as OME-TIFF, e.g. with Fiji"
_SHOWN = 4  # names in a line
_KINDS = f"{', '.join(SUFFIXES)} or an OME-Zarr folder ({ZARR})"


def find_images(
    inputs: AnyPath | Iterable[AnyPath], *, masks: bool = False, photos: bool = False
) -> list[Path]:
    """List the image files that files, folders and glob patterns stand for, sorted, each once.

    A folder stands for the images in it, without hidden files and ``*_masks.*``. A pattern (``*``,
    ``?``, ``[..]``, ``**``) stands for the images that match it. An OME-Zarr folder is one image
    and is listed as a file; a plate stands for its fields. If several files hold one OME image
    together, the first is listed.

    Parameters
    ----------
    inputs : path or iterable of paths
        Files, folders and patterns, mixed.
    masks : bool
        List the ``*_masks.*`` files of a folder too.
    photos : bool
        List HEIC and camera RAW, too; in a folder unless a picture of the same name lies next to
        them.

    Raises
    ------
    FileNotFoundError
        A file is missing, a folder holds no image, or a pattern matches none.
    ValueError
        A file is not of a supported kind, or `inputs` is empty.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.png", "a.PNG", "a_masks.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_images(folder)]
    ['a.PNG', 'b.png']
    """
    names = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not names:
        raise ValueError("inputs is empty: give at least one image, folder or pattern")
    if "" in names:
        raise ValueError("inputs has an empty name: give an image, folder or pattern")
    paths = {}
    for name in names:
        images = _images_of(Path(name), masks, (*SUFFIXES, *HEIF, *RAW) if photos else SUFFIXES)
        paths.update({os.path.abspath(path): path for path in images})
    return _once_per_set(sorted(paths.values()))


def unread_files(inputs: AnyPath | Iterable[AnyPath]) -> str:
    """Return a line about files of microscopes, and pictures, in folders that are not read, or "".

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "day1"
    >>> folder.mkdir()
    >>> for name in ("a.tif", "b.czi", "c.ND2"):
    ...     (folder / name).touch()
    >>> unread_files(folder).replace(str(folder), "day1")
    'day1 holds 2 files that are not read (b.czi, c.ND2): export them as OME-TIFF, e.g. with Fiji'
    """
    names = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    folders = [Path(name) for name in names if os.path.isdir(name) and not is_ome_zarr(name)]
    found = sorted(path for folder in folders for path in folder.iterdir() if _is_unread(path))
    if not found:
        return ""
    shown = ", ".join(path.name for path in found[:_SHOWN])
    shown += f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    files, them = f"{len(found)} files that are", "them"
    if len(found) == 1:
        files, them = "a file that is", "it"
    is_picture = all(path.suffix.lower() in _PICTURES for path in found)
    remedy = f"save {them} as PNG" if is_picture else f"export {them} {_EXPORT}"
    return f"{found[0].parent} holds {files} not read ({shown}): {remedy}"


def find_labels(inputs: AnyPath | Iterable[AnyPath]) -> list[Path]:
    """List label images as `find_images` lists images.

    If a folder holds ``x.tif`` and ``x_masks.tif``, the latter is the label image. Overlays that
    `segment_files` draws next to labels do not count.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.tif", "a_masks.tif", "b.tif", "b_overlay.png"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_labels(folder)]
    ['a_masks.tif', 'b.tif']
    """
    files = find_images(inputs, masks=True)
    places = [path.parent / stem(path) for path in files]
    masked = {_without(place, "_masks") for place in places if place.name.endswith("_masks")}
    labelled = {_without(place, "_masks") for place in places}
    return [
        path
        for path, place in zip(files, places, strict=True)
        if place not in masked
        and not (place.name.endswith("_overlay") and _without(place, "_overlay") in labelled)
    ]


def by_stem(paths: Iterable[Path], *, ending: str = "") -> dict[str, Path]:
    """Return the paths by their stems, without `ending` where a stem ends so.

    Raises
    ------
    ValueError
        Two paths have the same stem.

    Examples
    --------
    >>> sorted(by_stem([Path("a.tif"), Path("b_masks.tif")], ending="_masks"))
    ['a', 'b']
    """
    path_of: dict[str, Path] = {}
    for path in paths:
        name = stem(path).removesuffix(ending)
        if name in path_of:
            raise ValueError(
                f"{path_of[name]} and {path} have the same name {name!r}: keep one of them"
            )
        path_of[name] = path
    return path_of


def stem(path: AnyPath) -> str:
    """Return the name of a file without its suffix; ``.ome.tif`` and ``.ome.zarr`` count as one.

    A field of a plate has the names of plate, row, column and field.

    Examples
    --------
    >>> stem("plate1/a01.ome.tif"), stem("day.2.PNG"), stem("screen.zarr/A/3/0")
    ('a01', 'day.2', 'screen_A_3_0')
    """
    path = Path(path)
    if _is_field(path):
        return "_".join([stem(path.parents[2]), *path.parts[-3:]])
    is_double = path.name.lower().endswith((*OME_SUFFIXES, ".ome.zarr"))
    return Path(path.stem).stem if is_double else path.stem


def image_name(path: AnyPath) -> str:
    """Return the name of an image in tables and pages: that of its file, or the stem of a field.

    Examples
    --------
    >>> image_name("plate1/a01.ome.tif"), image_name("screen.zarr/A/3/0")
    ('a01.ome.tif', 'screen_A_3_0')
    """
    path = Path(path)
    return stem(path) if _is_field(path) else path.name


def first_bytes(path: Path, *, photos: bool = False) -> bytes:
    """Return the first eight bytes of a file; `photos` as in `find_images`.

    Raises
    ------
    OSError
        The file is missing, a folder, or not readable by this user.
    ValueError
        The file is empty.
    """
    _check_named(path, (*SUFFIXES, *HEIF, *RAW) if photos else SUFFIXES)
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise type(error)(f"cannot open {path}: {error.strerror}; check its permissions") from error
    if not head:
        raise ValueError(f"{path} is empty (0 bytes): copy or export it again")
    return head


def _is_field(path: Path) -> bool:
    """Whether an image is a field of a plate."""
    plate = path.parents[2:3]
    return bool(plate) and plate[0].suffix.lower() == ZARR and path.parent.name.isalnum()


def _is_unread(path: Path) -> bool:
    return path.suffix.lower() in (*MICROSCOPES, *_PICTURES) and path.name[0] != "."


def _once_per_set(paths: list[Path]) -> list[Path]:
    """The paths, without the further files of an OME image that is spread over several."""
    listed = {os.path.abspath(path) for path in paths}
    further: set[str] = set()
    for place in sorted(listed):
        if len(listed) > 1 and place not in further:
            further.update(_others_of_set(place, listed))
    return [path for path in paths if os.path.abspath(path) not in further]


def _others_of_set(place: str, listed: Collection[str]) -> list[str]:
    """The listed files that hold an image together with one, all but the first."""
    if not place.lower().endswith(OME_SUFFIXES):
        return []
    folder = os.path.dirname(place)
    members = [os.path.join(folder, name) for name in set_of_files(Path(place))]
    members = [member for member in members if member in listed]
    return members[1:] if place in members else []


def _without(place: Path, ending: str) -> Path:
    return place.with_name(place.name.removesuffix(ending) or place.name)


def _images_of(name: Path, masks: bool, suffixes: tuple[str, ...]) -> list[Path]:
    """The images that one file, folder or pattern stands for."""
    if is_ome_zarr(name):
        return plate_fields(name) or [name]
    if name.is_dir() and name.suffix.lower() != ZARR:
        paths = [path for path in name.iterdir() if _is_listed(path, masks)]
        complaint = f"folder {name} holds no image"
    elif name.exists() or not glob.has_magic(str(name)):
        _check_named(name, suffixes)
        return [name]
    else:
        paths = [Path(path) for path in glob.glob(str(name), recursive=True)]
        complaint = f"no image matches {name}"
    found = [path for path in paths if _is_image(path, suffixes)]
    images = _preferred([image for path in found for image in plate_fields(path) or [path]])
    if not images:
        raise FileNotFoundError(f"{complaint}: expected files ending in {_KINDS}")
    return images


def _is_listed(path: Path, masks: bool) -> bool:
    return path.name[0] != "." and (masks or not stem(path).endswith("_masks"))


def _preferred(paths: list[Path]) -> list[Path]:
    """The paths, without HEIC and RAW that lie next to a picture of the same name."""
    pictures = {path.with_suffix("") for path in paths if path.suffix.lower() in SUFFIXES}
    others = (*HEIF, *RAW)
    return [
        path
        for path in paths
        if path.suffix.lower() not in others or path.with_suffix("") not in pictures
    ]


def _is_image(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Tell by its name, for a folder by its content, whether this is an image."""
    if path.suffix.lower() == ZARR:
        return is_ome_zarr(path)
    # links that lead nowhere and folders are listed, so that whoever opens them hears of it
    return path.suffix.lower() in suffixes


def _check_named(path: Path, suffixes: tuple[str, ...]) -> None:
    if path.is_dir() and path.suffix.lower() == ZARR:
        raise ValueError(
            f"{path} is not an OME-Zarr folder (it holds no zarr.json, .zattrs or .zgroup): "
            "copy or export it again"
        )
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give an image file")
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist: it is a link that leads nowhere; is its drive connected?"
        )
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: check its name and folder")
    if not path.is_file():
        raise ValueError(f"{path} is a pipe or a device: give an image file")
    if path.suffix.lower() in MICROSCOPES:
        raise ValueError(f"{path} cannot be read: export it {_EXPORT}")
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{path} is not of a supported kind: expected one of {_KINDS}")


def natural_order(path: Path) -> tuple[Any, ...]:
    """Sorting key that takes numbers in names by their value."""
    return tuple(
        (int(part), part) if part.isdigit() else (-1, part)
        for part in re.split(r"(\d+)", path.name.lower())
    )
