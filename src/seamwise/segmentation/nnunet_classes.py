"""What the ``dataset.json`` of nnU-Net says about the numbers in masks; see `ClassNames`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.io.images import read_labels
from seamwise.io.jsonfile import read_json
from seamwise.io.listing import find_images
from seamwise.labels import IGNORE, Labels

RECORD = "dataset.json"
_IGNORE = "ignore"


@dataclass(frozen=True)
class ClassNames:
    """Names of the numbers in the masks of an nnU-Net data set.

    Attributes
    ----------
    names : tuple of str
        Of the classes that are not background, by their number.
    highest : int
        The highest number among them; 0 without one.
    ignore : int, optional
        The number of pixels to ignore, which nnU-Net wants to be the highest of all.
    has_cells : bool
        The masks of the data set number cells, so that no number is that of a class.
    """

    names: tuple[str, ...]
    highest: int
    ignore: int | None = None
    has_cells: bool = False

    def is_numbering(self, mask: Labels) -> bool:
        """Whether a mask numbers cells: it, or one of its data set, has more numbers than classes.

        A mask of a few cells has no higher number than one of classes, so its neighbours decide.
        """
        last = self.highest if self.ignore is None else max(self.highest, self.ignore)
        return self.has_cells or int(mask.max(initial=0)) > last

    def has_classes(self, mask: Labels) -> bool:
        """Whether a mask holds classes of which several are not background."""
        return len(self.names) > 1 and bool((mask > 0).any()) and not self.is_numbering(mask)


def class_names(folder: Path) -> ClassNames | None:
    """Read the class names of an nnU-Net data set; None for another folder of images.

    Where a number may be a class or a cell, all masks are read: one with more numbers than there
    are classes shows that they number cells.
    """
    names = read_class_names(folder / RECORD) if (folder / "imagesTr").is_dir() else None
    if names is None or (len(names.names) < 2 and names.ignore is None):
        return names
    paths = find_images(folder / "labelsTr", masks=True)
    return replace(names, has_cells=any(_is_numbering(path, names) for path in paths))


def _is_numbering(path: Path, names: ClassNames) -> bool:
    """As `ClassNames.is_numbering`; False for a file that cannot be read, which is told later."""
    try:
        return names.is_numbering(read_labels(path, one_bit=True))
    except (ValueError, TypeError, OSError, MemoryError):
        return False


def read_class_names(record: Path) -> ClassNames | None:
    """Read the class names of a ``dataset.json``; None if it does not exist, or has none.

    Both forms are read: ``{"cell": 1}``, also with several numbers for a region, and the
    ``{"1": "cell"}`` of nnU-Net's first version.
    """
    entries = read_json(record).get("labels") if record.is_file() else None
    numbers: dict[str, int] = {}
    for name, value in entries.items() if isinstance(entries, dict) else ():
        for number in _numbers(value):
            numbers[str(name)] = max(number, numbers.get(str(name), 0))
        if str(name).isdecimal() and isinstance(value, str):
            numbers[value] = int(name)
    ignore = numbers.pop(_IGNORE, None)
    cells = sorted((number, name) for name, number in numbers.items() if number > 0)
    if not cells and ignore is None:
        return None
    return ClassNames(
        tuple(name for _, name in cells), max((number for number, _ in cells), default=0), ignore
    )


def as_annotation(mask: Labels, names: ClassNames | None, path: Path) -> Labels:
    """Return a mask with −1 where nnU-Net ignores, after a check that it numbers cells.

    Parameters
    ----------
    mask : (*S) integer array
    names : ClassNames, optional
        Of its data set.
    path : Path
        Of the mask, for the message.

    Raises
    ------
    ValueError
        The mask holds classes, such as cell and touching.
    """
    if names is None or names.is_numbering(mask):
        return mask
    is_ignored = mask == names.ignore if names.ignore is not None else np.zeros(mask.shape, bool)
    valid = np.where(is_ignored, 0, mask)
    if names.has_classes(valid):
        raise ValueError(
            f"{path} holds the classes {', '.join(names.names)} of {RECORD}, not a number for each "
            "cell: give the masks that they were made from, or make cells of them with "
            f"seamwise decode {path.parent} -o masks"
        )
    return np.where(is_ignored, IGNORE, mask.astype(np.int64)) if is_ignored.any() else mask


def _numbers(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [number for number in values if isinstance(number, int) and number >= 0]
