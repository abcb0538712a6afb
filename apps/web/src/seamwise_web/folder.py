"""The folder whose images the page lists: `Folder`."""

import os
from dataclasses import dataclass
from pathlib import Path

from seamwise_web.answers import RefusalError

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
PHOTOS = (
    *(".heic", ".heif", ".hif", ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".kdc", ".mos"),
    *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srw"),
)
"""HEIC and the raw data of cameras, which need an extra."""
ZARR = ".zarr"  # of a folder that is one image
_MOST = 2000  # entries of a list
_LONGEST_NAME, _LONGEST_PLACE = 255, 2000  # bytes, signs
_NO_NAME = ("\\", ":", "\0") if os.name == "nt" else ("\0",)  # signs that no name has


def open_folder(path: Path) -> "Folder":
    """Return a folder to list.

    Raises
    ------
    OSError
        It does not exist, or is not a folder.
    """
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise NotADirectoryError(f"{path} {what}: give the folder of your images")
    return Folder(path.resolve())


@dataclass(frozen=True)
class Folder:
    """A folder, and nothing outside of it.

    Attributes
    ----------
    root : Path
        Absolute, without links.
    """

    root: Path

    def list(self, place: str = "", *, photos: bool = False) -> dict[str, object]:
        """Return the folders and images in a folder below the root, sorted; links are skipped.

        With `photos` HEIC and camera RAW are images too.

        Raises
        ------
        RefusalError
            The place is outside of the root, or is not a folder.
        """
        folder = self._inside(place)
        if not folder.is_dir():
            raise RefusalError(404, f"{place} is not a folder: choose another")
        try:
            with os.scandir(folder) as entries:
                names = [
                    entry for entry in entries if entry.name[0] != "." and not entry.is_symlink()
                ]
        except OSError as error:
            raise RefusalError(
                403, f"{place or 'the folder'} cannot be read: {error.strerror}"
            ) from error
        shown = [entry for entry in names if _is_text(entry.name)]
        folders = sorted(entry.name for entry in shown if _is_plain_folder(entry))
        suffixes = _suffixes(photos)
        images = sorted(entry.name for entry in shown if _is_image(entry, suffixes))
        notes = []
        if len(folders) + len(images) > _MOST:
            notes.append(f"the first {_MOST} of {len(folders) + len(images)} entries")
        if len(shown) < len(names):
            notes.append(f"without {len(names) - len(shown)} whose names are not UTF-8")
        note = "; ".join(notes)
        folders = folders[:_MOST]
        images = images[: _MOST - len(folders)]
        return {"place": place.strip("/"), "folders": folders, "images": images, "note": note}

    def image(self, place: str, *, photos: bool = False) -> Path:
        """Return the path of an image below the root; `photos` as in `list`.

        Raises
        ------
        RefusalError
            The place is outside of the root, is hidden, or is not an image.
        """
        path = self._inside(place)
        is_hidden = any(name[0] == "." for name in place.split("/"))
        if is_hidden or not place.lower().endswith((*_suffixes(photos), ZARR)):
            raise RefusalError(404, f"{place} is not an image that the page lists: choose another")
        if not (path.is_dir() if place.lower().endswith(ZARR) else path.is_file()):
            raise RefusalError(404, f"{place} is not a file of this folder: choose another")
        return path

    @property
    def name(self) -> str:
        """Name of the root for the page."""
        return self.root.name.encode(errors="replace").decode()

    def _inside(self, place: str) -> Path:
        """The path of a place; refused if it leads elsewhere, by its name or by a link."""
        if len(place) > _LONGEST_PLACE:
            raise RefusalError(404, f"a place of {len(place)} signs is too long: choose another")
        names = place.strip("/").split("/") if place.strip("/") else []
        if place.startswith("/") or any(not _is_plain(name) for name in names):
            raise RefusalError(
                403, f"{place[:200]!r} is not below the folder of this page: choose another"
            )
        path = self.root
        for name in names:
            path = path / name
            if path.is_symlink():
                raise RefusalError(403, f"{place} is a link, which the page does not follow")
        if not path.resolve().is_relative_to(self.root):
            raise RefusalError(403, f"{place} is not below the folder of this page")
        return path


def _is_plain(name: str) -> bool:
    """Whether a part of a path can be a name, and is not a way out of a folder."""
    if name in ("", ".", "..") or any(sign in name for sign in _NO_NAME) or not _is_text(name):
        return False
    return len(name.encode()) <= _LONGEST_NAME


def _is_text(name: str) -> bool:
    """Whether a name can be sent to the page: those that are not UTF-8 hold surrogates."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _is_plain_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False) and not _is_zarr(entry)


def _is_zarr(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False) and entry.name.lower().endswith(ZARR)


def _is_image(entry: "os.DirEntry[str]", suffixes: tuple[str, ...]) -> bool:
    is_file = entry.is_file(follow_symlinks=False)
    return (is_file and entry.name.lower().endswith(suffixes)) or _is_zarr(entry)


def _suffixes(photos: bool) -> tuple[str, ...]:
    return (*SUFFIXES, *PHOTOS) if photos else SUFFIXES
