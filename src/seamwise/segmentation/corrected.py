"""Masks that a person corrected, added to a training folder; see `with_corrected`."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from seamwise.io.listing import by_stem, find_images
from seamwise.segmentation.data import Pair, Split, find_pairs


def with_corrected(split: Split, folder: Path) -> Split:
    """Return a split in which the corrected masks of a folder replace others, or are added.

    Parameters
    ----------
    split : Split
        Of the training folder.
    folder : Path
        Corrected masks, named like images of the split (``a.tif`` or ``a_masks.tif``); or images
        and masks in one of the forms of `data.find_pairs`.

    Returns
    -------
    Split
        A corrected image of the same name stands where the other stood. New ones are for training.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no image for a mask.
    ValueError
        Two masks have the same name, or two images of the split the name of a mask.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder {folder} of corrected masks does not exist: check its name"
        )
    known = {pair.name: pair for pair in (*split.training, *split.validation, *split.test)}
    pairs = {pair.name: replace(pair, is_corrected=True) for pair in _pairs(folder, known)}
    _check_names(split, pairs)
    news = tuple(pair for name, pair in pairs.items() if name not in known)

    def replaced(part: Sequence[Pair]) -> tuple[Pair, ...]:
        return tuple(pairs.get(pair.name, pair) for pair in part)

    return Split(
        (*replaced(split.training), *news), replaced(split.validation), replaced(split.test)
    )


def _check_names(split: Split, names: Collection[str]) -> None:
    """Raise if a corrected mask could be that of two images, e.g. in ``train/`` and ``val/``."""
    images: dict[str, Path] = {}
    for pair in (*split.training, *split.validation, *split.test):
        other = images.setdefault(pair.name, pair.images[0])
        if pair.name in names and other != pair.images[0]:
            raise ValueError(
                f"corrected mask {pair.name} could be for {other} or for {pair.images[0]}: "
                "rename one of these images and its mask"
            )


def _pairs(folder: Path, known: dict[str, Pair]) -> Sequence[Pair]:
    has_parts = any((folder / name).is_dir() for name in ("images", "imagesTr", "train"))
    if not has_parts:
        masks = by_stem(find_images(folder, masks=True), ending="_masks")
        if masks.keys() <= known.keys():
            return [replace(known[name], labels=path, classes=None) for name, path in masks.items()]
        if not any(path.stem.endswith("_masks") for path in masks.values()):
            name = min(masks.keys() - known.keys())
            raise FileNotFoundError(
                f"corrected mask {masks[name]} has no image named {name} in the training folder: "
                f"rename it, or put images into {folder / 'images'} and masks into "
                f"{folder / 'masks'}"
            )
    split = find_pairs(folder)
    return list(dict.fromkeys((*split.training, *split.validation)))
