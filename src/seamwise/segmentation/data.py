"""Annotated images: find them in a folder and read them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from seamwise.io.images import read_image, read_labels
from seamwise.io.jsonfile import read_json
from seamwise.io.listing import by_stem, find_images, stem
from seamwise.io.models import NormalizationRule, SegmentationInfo
from seamwise.io.outcome import amount
from seamwise.labels import Fragments, Labels, connected_components, fragments, relabel
from seamwise.segmentation.challenge_folder import annotated_frames, last_series, series_folders
from seamwise.segmentation.channels import joined_channels
from seamwise.segmentation.nnunet_classes import RECORD, ClassNames, as_annotation, class_names
from seamwise.segmentation.normalization import normalization
from seamwise.segmentation.sanity import hint
from seamwise.segmentation.zoom import magnified_shape, resample, zoom_of
from seamwise.types import AnyPath
from seamwise.words import Annotation

if TYPE_CHECKING:
    from seamwise.segmentation.settings import TrainSettings


@dataclass(frozen=True)
class Pair:
    """Files of an image and its annotation.

    Attributes
    ----------
    name : str
    images : tuple of Path
        Several files are the channels of one image.
    labels : Path
    is_corrected : bool
        A person went through the annotation after a model had made it: see `with_corrected`.
    classes : ClassNames, optional
        What nnU-Net's data set says about the numbers in the annotation.
    """

    name: str
    images: tuple[Path, ...]
    labels: Path
    is_corrected: bool = False
    classes: ClassNames | None = None


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """A normalised image and its labels.

    Attributes
    ----------
    name : str
    image : (C, *S) float32 array
    labels : (*S) array of a signed integer type
    channels : tuple of str
        Name of each channel.
    spacing : tuple of float, optional
        Pixel size in micrometres.
    note : str
        What the user should know about how the file was read.
    hint : str
        What seems wrong with the mask; `mask_notes` summarises the hints of many images.
    fragments : tuple of Fragments
        The cells that consist of several pieces, by their numbers in the file.
    weight : float
        How often the image is drawn in a training, compared with others.
    is_corrected : bool
        As of the `Pair`: background in it is background.
    """

    name: str
    image: NDArray[np.float32]
    labels: Labels
    channels: tuple[str, ...] = ("grey",)
    spacing: tuple[float, ...] | None = None
    note: str = ""
    hint: str = ""
    fragments: tuple[Fragments, ...] = ()
    weight: float = 1.0
    is_corrected: bool = False

    @property
    def ndim(self) -> Literal[2, 3]:
        """Number of spatial axes."""
        return cast(Literal[2, 3], self.labels.ndim)

    @property
    def relative_spacing(self) -> tuple[float, ...] | None:
        """Pixel size along each axis in units of the smallest: 1 along the finest axis."""
        return relative(self.spacing)


@dataclass(frozen=True)
class Split:
    """Pairs for training, for validation, and for a test that no training sees."""

    training: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...] = ()


def find_pairs(folder: AnyPath, *, hold_out_every: int = 7) -> Split:
    """Find annotated images in any of the field's folder conventions.

    - ``images/`` and ``masks/`` with the same stems; also under ``train/`` and ``val/`` (``test/``
      is not used);
    - ``x.tif`` next to ``x_masks.tif``;
    - nnU-Net: ``imagesTr/case_0000.tif`` (one file per channel), ``labelsTr/case.tif``,
      ``dataset.json``;
    - Cell Tracking Challenge: ``01/t000.tif``, ``01_GT/SEG/man_seg000.tif``, if there is a mask.

    Without a ``val/`` folder, every `hold_out_every`-th image by sorted name (the first, the
    1+k-th, …) is for validation. A single image is for both. With several series of the Cell
    Tracking Challenge, the last is for validation: frames of one series look alike.

    Raises
    ------
    FileNotFoundError
        There is no such folder, no image, or an image has no mask (the message names the first
        few).
    ValueError
        Two images or two masks have the same stem.
    """
    folder = Path(folder)
    check_is_folder(folder)
    training, *validation = (_pairs_of(part) for part in part_folders(folder))
    if validation:
        return Split(training, validation[0])
    if len(training) == 1:
        return Split(training, training)
    last = last_series(part_folders(folder)[0])
    held_out = tuple(pair for pair in training if pair.images[0].parent == last)
    held_out = held_out or training[::hold_out_every]
    return Split(tuple(pair for pair in training if pair not in held_out), held_out)


def part_folders(folder: Path) -> list[Path]:
    """Return ``train/`` and, if it exists, ``val/``; the folder itself if it has no ``train/``."""
    if not (folder / "train").is_dir():
        return [folder]
    return [folder / name for name in ("train", "val") if (folder / name).is_dir()]


def find_split(folder: AnyPath, *, hold_out_every: int = 4) -> Split:
    """Find annotated images as `find_pairs` does, and some more for a test.

    The images under ``test/`` are for the test. Without this folder, every (`hold_out_every` −
    1)-th image that is not for validation is: about as many as for validation.

    Raises
    ------
    FileNotFoundError, ValueError
        As `find_pairs`; there are fewer than three images.
    """
    folder = Path(folder)
    split = find_pairs(folder, hold_out_every=hold_out_every)
    if (folder / "test").is_dir():
        return Split(split.training, split.validation, _pairs_of(folder / "test"))
    if len({*split.training, *split.validation}) < 3 or len(split.training) < 2:
        raise ValueError(
            f"{folder} has too few images: add some, to have at least one for training, "
            "validation and test each"
        )
    test = split.training[:: hold_out_every - 1]
    return Split(tuple(pair for pair in split.training if pair not in test), split.validation, test)


def read_pair(
    pair: Pair,
    *,
    ndim: int | None = None,
    rule: NormalizationRule = NormalizationRule(),
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    annotation: Annotation = "instances",
) -> AnnotatedImage:
    """Read and normalise an annotated image.

    Parameters
    ----------
    pair : Pair
    ndim : {2, 3}, optional
        Number of spatial axes; by default either.
    rule : NormalizationRule
        By default that of a training.
    channel, axes
        See `io.images.read_image`.
    annotation : {"instances", "binary"}
        Content of the mask. "instances": a number for each cell. "binary": 0 background, positive
        cell, with lines of background between the cells; each component
        (`labels.connected_components`) becomes a cell.

    Raises
    ------
    ValueError
        The mask has another size than the image, or holds the classes of an nnU-Net data set; the
        image has another number of spatial axes than `ndim`, or neither 2 nor 3; it has no
        contrast; and as `read_image` and `read_labels`.
    """
    images = [read_image(path, axes=axes, channel=channel) for path in pair.images]
    image = joined_channels(pair.images, images, keep_all=channel is not None)
    mask = read_labels(pair.labels, one_bit=annotation == "binary")
    mask = as_annotation(mask, pair.classes, pair.labels)
    _check_axes(pair.images[0], image.ndim - 1, ndim)
    if mask.shape != image.shape[1:]:
        raise ValueError(
            f"mask {pair.labels} must have the size of its image {pair.images[0].name}, "
            f"{image.shape[1:]}, not {mask.shape}: use another mask"
        )
    normalise = normalization(image, rule, keep_noise=True)
    if normalise.is_blank:
        raise ValueError(
            f"{pair.images[0]} is constant or nearly so (about {image.flat[0]}): remove it"
        )
    notes = dict.fromkeys(part.note for part in images if part.note)
    labels = number_pieces(mask, annotation)
    mistake = (
        hint(mask, annotation) if (mask > 0).any() else "no cells; the image counts as background"
    )
    return AnnotatedImage(
        name=pair.name,
        image=normalise(image),
        labels=relabel(labels).astype(np.int32),
        channels=_channel_names(len(image), channel),
        spacing=images[0].spacing,
        note="; ".join(notes),
        hint=mistake,
        # if a mask is not a label image, every number is in pieces
        fragments=() if mistake else fragments(labels, connectivity=labels.ndim),
        is_corrected=pair.is_corrected,
    )


def read_pairs(
    pairs: Iterable[Pair],
    *,
    report: Callable[[int, int], object] = lambda count, total: None,
    **options: Any,
) -> list[AnnotatedImage]:
    """Read annotated images in the order of the pairs.

    Parameters
    ----------
    pairs : iterable of Pair
    report : function
        Called after each image with the number of images that are read, and of all.
    **options
        As for `read_pair`, which reads each of them and raises its errors.
    """
    pairs = list(pairs)
    images = []
    for number, pair in enumerate(pairs, 1):
        images.append(read_pair(pair, **options))
        report(number, len(pairs))
    return images


def read_split(
    split: Split,
    settings: "TrainSettings",
    *,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    report: Callable[[int, int], object] = lambda count, total: None,
) -> tuple[list[AnnotatedImage], list[AnnotatedImage], list[AnnotatedImage]]:
    """Read the images to train on, those to validate on and those to test, each file once.

    `settings` tell the number of axes, the normalisation and the kind of mask; `channel` and `axes`
    are those of `io.read_image`, `report` is that of `read_pairs`. Errors are those of `read_pair`.
    """
    pairs = dict.fromkeys((*split.training, *split.validation, *split.test))
    images = read_pairs(
        pairs,
        report=report,
        ndim=settings.ndim,
        rule=settings.normalization,
        channel=channel,
        axes=axes,
        annotation=settings.annotation,
    )
    images = [
        replace(image, weight=settings.corrected_weight) if image.is_corrected else image
        for image in images
    ]
    image_of = dict(zip(pairs, images, strict=True))
    return (
        [image_of[pair] for pair in split.training],
        [image_of[pair] for pair in split.validation],
        [image_of[pair] for pair in split.test],
    )


def image_notes(images: Iterable[AnnotatedImage]) -> list[str]:
    """Return what a user should know about images that were read: of the files, then of the masks.

    An image that occurs several times counts once, and so does a note.
    """
    images = list(dict.fromkeys(images))
    notes = dict.fromkeys(image.note for image in images if image.note)
    return [*notes, *mask_notes(images)]


def mask_notes(images: Sequence[AnnotatedImage]) -> list[str]:
    """Return what seems wrong with the masks: a line for each kind of fault, not for each image."""
    hints = Counter(image.hint for image in images if image.hint)
    first = {image.hint: image.name for image in reversed(images)}
    notes = [
        f"{count} of {amount(len(images), 'mask')} (e.g. of {first[hint]}): {hint}"
        for hint, count in hints.items()
    ]
    split_images = [image for image in images if image.fragments]
    if split_images:
        cells = [cell for image in split_images for cell in image.fragments]
        crumbs = [size for cell in cells for size in cell.sizes[1:]]
        count = sum(int(image.labels.max()) for image in images)
        notes.append(
            f"{len(cells)} of {count} cells are in several pieces (in {len(split_images)} of "
            f"{len(images)} images, e.g. number {cells[0].label} of {split_images[0].name}; "
            f"half of the smaller pieces have at most {amount(round(median(crumbs)), 'pixel')}, "
            f"the largest {max(crumbs)}): each piece is learned as a cell of its own; erase stray "
            "pixels, and where two cells share a number give one of them a new number"
        )
    return notes


def as_seen(image: AnnotatedImage, info: SegmentationInfo) -> AnnotatedImage:
    """Return an annotated image as the network of a model sees it: magnified by its zoom."""
    factors = zoom_of(info, stored=image.spacing).factors
    shape = magnified_shape(image.labels.shape, factors)
    if shape == image.labels.shape:
        return image
    rows = [
        ((np.arange(n) + 0.5) * old / n).astype(int)
        for n, old in zip(shape, image.labels.shape, strict=True)
    ]
    spacing = image.spacing and tuple(
        step / factor for step, factor in zip(image.spacing, factors, strict=True)
    )
    return replace(
        image,
        image=resample(image.image[np.newaxis], shape)[0],
        labels=relabel(image.labels[np.ix_(*rows)]).astype(np.int32),
        spacing=spacing,
    )


def relative(spacing: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return pixel sizes in units of the smallest one; None if there are none."""
    return spacing and tuple(step / min(spacing) for step in spacing)


def number_pieces(mask: Labels, annotation: Annotation) -> Labels:
    """Return the instance labels of a mask; for a black-and-white mask, its connected pieces."""
    return connected_components(mask.clip(-1, 1)) if annotation == "binary" else mask


def _check_axes(path: Path, count: int, ndim: int | None) -> None:
    if count not in (2, 3):
        raise ValueError(
            f"{path} has {count} spatial axes, expected 2 or 3: name the axes, e.g. --axes CYX"
        )
    if ndim not in (count, None):
        raise ValueError(
            f"{path} has {count} spatial axes, expected {ndim}: set ndim = {count}, "
            "or name the axes, e.g. --axes CYX"
        )


def _channel_names(count: int, chosen: int | Sequence[int] | None) -> tuple[str, ...]:
    numbers = [chosen] if isinstance(chosen, int) else list(chosen or range(count))
    if chosen is None and count == 1:
        return ("grey",)
    # one file per channel: the choice is within each file, and the files give the order
    return tuple(
        f"channel {number}" for number in (numbers if len(numbers) == count else range(count))
    )


def _pairs_of(folder: Path) -> tuple[Pair, ...]:
    images, masks = images_and_masks(folder)
    check_complete(images, masks, f"images in {folder} have no mask of the same name")
    classes = class_names(folder)
    return tuple(Pair(name, images[name], masks[name], classes=classes) for name in sorted(images))


def check_is_folder(folder: Path) -> None:
    """Raise an OSError unless a training folder exists."""
    if folder.is_file():
        raise NotADirectoryError(
            f"training folder {folder} is a file: give the folder of images and masks"
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"training folder {folder} does not exist: check its name")


def images_and_masks(folder: Path) -> tuple[dict[str, tuple[Path, ...]], dict[str, Path]]:
    """Return the images and the masks of one folder by their names, paired or not.

    The forms are those of `find_pairs`, but for ``train/`` and ``val/``; so are the errors.
    """
    if (folder / "imagesTr").is_dir():
        return _nnunet_images(folder), by_stem(find_images(folder / "labelsTr", masks=True))
    if series_folders(folder):
        return annotated_frames(folder)
    if (folder / "images").is_dir():
        images = by_stem(find_images(folder / "images"))
        masks = by_stem(find_images(folder / "masks", masks=True))
        return {name: (path,) for name, path in images.items()}, masks
    files = by_stem(find_images(folder, masks=True))
    return (
        {name: (path,) for name, path in files.items() if not name.endswith("_masks")},
        {
            name.removesuffix("_masks"): path
            for name, path in files.items()
            if name.endswith("_masks")
        },
    )


def check_complete(names: Collection[str], available: Collection[str], complaint: str) -> None:
    """Raise FileNotFoundError with the complaint if a wanted name is not available."""
    missing = [name for name in names if name not in available]
    if missing:
        examples = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise FileNotFoundError(f"{len(missing)} of {len(names)} {complaint}: {examples}")


def _nnunet_images(folder: Path) -> dict[str, tuple[Path, ...]]:
    record = folder / RECORD
    ending = str(read_json(record).get("file_ending", "")) if record.is_file() else ""
    cases: dict[str, list[Path]] = {}
    for path in find_images(folder / "imagesTr"):
        case, _, number = stem(path).rpartition("_")
        if path.name.endswith(ending) and case and number.isdigit():
            cases.setdefault(case, []).append(path)
    if not cases:
        raise FileNotFoundError(
            f"{folder / 'imagesTr'} has no image with a name like case_0000{ending or '.tif'}: "
            "rename the images as nnU-Net does"
        )
    return {case: tuple(sorted(files)) for case, files in cases.items()}
