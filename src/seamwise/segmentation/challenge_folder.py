"""Training folders of the Cell Tracking Challenge: series of frames, of which some are annotated.

::

    DIC-C2DH-HeLa/01/t000.tif    01_GT/SEG/man_seg000.tif    masks that people made
    DIC-C2DH-HeLa/02/t000.tif    02_ST/SEG/man_seg000.tif    or programs, where there are no others
"""

import re
from pathlib import Path

_SERIES = re.compile(r"\d+")
_FRAME = re.compile(r"t(\d+)\.tiff?", re.IGNORECASE)
_MASK = re.compile(r"man_seg(\d+)\.tiff?", re.IGNORECASE)
_TRUTHS = ("GT", "ST")


def series_folders(folder: Path) -> list[Path]:
    """List the series of a folder that have masks: ``01`` next to ``01_GT/SEG`` or ``01_ST/SEG``.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("01", "01_GT/SEG", "02", "02_GT/TRA"):
    ...     (folder / name).mkdir(parents=True)
    >>> [path.name for path in series_folders(folder)]
    ['01']
    """
    return [series for series in _all_series(folder) if _masks_folder(series)]


def series_without_masks(folder: Path) -> list[Path]:
    """List the series of a folder that have frames and no masks, next to others that have some.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("01", "01_GT/SEG", "02", "03"):
    ...     (folder / name).mkdir(parents=True)
    >>> (folder / "02" / "t000.tif").touch()
    >>> [path.name for path in series_without_masks(folder)]
    ['02']
    """
    series = _all_series(folder)
    without = [one for one in series if not _masks_folder(one) and _by_number(one, _FRAME)]
    return without if any(map(_masks_folder, series)) else []


def last_series(folder: Path) -> Path | None:
    """Return the last series of several; None if there are fewer than two."""
    series = series_folders(folder)
    return series[-1] if len(series) > 1 else None


def annotated_frames(
    folder: Path,
) -> tuple[dict[str, tuple[Path, ...]], dict[str, Path]]:
    """Return the frames that have a mask, and their masks, by names such as ``01-t012``.

    Frames without a mask are not used.

    Raises
    ------
    FileNotFoundError
        A mask has no frame, or a series has no mask of whole frames.
    """
    images: dict[str, tuple[Path, ...]] = {}
    masks: dict[str, Path] = {}
    for series in series_folders(folder):
        frames = _by_number(series, _FRAME)
        truth = _masks_folder(series)
        numbered = _by_number(truth, _MASK) if truth else {}
        if not numbered:
            raise FileNotFoundError(
                f"{truth} holds no man_seg000.tif: masks of single slices of a stack are not read"
            )
        for number, mask in sorted(numbered.items()):
            if number not in frames:
                raise FileNotFoundError(
                    f"{mask} has no frame t{mask.stem.removeprefix('man_seg')}.tif in {series}"
                )
            name = f"{series.name}-{frames[number].stem}"
            images[name], masks[name] = (frames[number],), mask
    return images, masks


def _all_series(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if _SERIES.fullmatch(path.name) and path.is_dir())
    return sorted(found)


def _masks_folder(series: Path) -> Path | None:
    folders = (series.with_name(f"{series.name}_{truth}") / "SEG" for truth in _TRUTHS)
    return next((folder for folder in folders if folder.is_dir()), None)


def _by_number(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    matches = ((pattern.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
    return {int(match[1]): path for match, path in matches if match}
