"""Annotated images: find them in a folder, read them, draw training samples from them."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from seamwise.io.images import Image, by_stem, find_images, read_image, read_labels, stem
from seamwise.io.jsonfile import read_json
from seamwise.io.models import NormalizationRule
from seamwise.labels import Fragments, Labels, connected_components, fragments, relabel
from seamwise.segmentation.augment import Augmentation, random_crop, vary_intensity
from seamwise.segmentation.normalization import normalization
from seamwise.segmentation.sanity import hint
from seamwise.segmentation.transforms import Annotation, TargetAndWeight


@dataclass(frozen=True)
class Pair:
    """An image and its annotation on disk; several image files are the channels of one image."""

    name: str
    images: tuple[Path, ...]
    labels: Path


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """A normalised image and its labels.

    Attributes
    ----------
    name : str
    image : (C, *S) float32 array
    labels : (*S) array of a signed integer type
    channels : tuple of str
        Name of each channel; ("grey",) if empty and there is one.
    spacing : tuple of float, optional
        Pixel size in micrometres.
    note : str
        What the user should know about how the file was read.
    hint : str
        What seems wrong with the mask.
    fragmented : tuple of Fragments
        The cells that consist of several pieces, by their numbers in the file.
        `mask_notes` sums up both for many images.
    """

    name: str
    image: NDArray[np.float32]
    labels: Labels
    channels: tuple[str, ...] = ("grey",)
    spacing: tuple[float, ...] | None = None
    note: str = ""
    hint: str = ""
    fragmented: tuple[Fragments, ...] = ()

    @property
    def ndim(self) -> Literal[2, 3]:
        """Number of spatial axes."""
        return cast(Literal[2, 3], self.labels.ndim)

    @property
    def relative_spacing(self) -> tuple[float, ...] | None:
        """Pixel size along each axis in units of the smallest: lengths are then in pixels of the finest axis."""
        return relative(self.spacing)


@dataclass(frozen=True)
class Split:
    """Pairs for training, for validation, and for a test that no run sees."""

    training: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...] = ()


def find_pairs(folder: Path, *, hold_out_every: int = 7) -> Split:
    """Find annotated images in any of the field's folder conventions.

    - ``images/`` and ``masks/`` with the same stems; also under ``train/`` and ``val/`` (``test/`` is left
      alone);
    - ``x.tif`` beside ``x_masks.tif``;
    - nnU-Net: ``imagesTr/case_0000.tif`` (one file per channel), ``labelsTr/case.tif``, ``dataset.json``.

    Without a ``val/`` folder every `hold_out_every`-th image by sorted name (the first, the 1+k-th, …) is held
    out for validation; a single image is used for both.

    Raises
    ------
    FileNotFoundError
        No such folder, no images, or images without a mask (the first few are named).
    ValueError
        Two images or two masks have the same stem.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"training folder {folder} does not exist")
    if (folder / "train").is_dir():
        training = _pairs_of(folder / "train")
        if (folder / "val").is_dir():
            return Split(training, _pairs_of(folder / "val"))
    else:
        training = _pairs_of(folder)
    if len(training) == 1:
        return Split(training, training)
    held_out = training[::hold_out_every]
    return Split(tuple(pair for pair in training if pair not in held_out), held_out)


def find_split(folder: Path, *, hold_out_every: int = 4) -> Split:
    """Find annotated images as `find_pairs` does, some of them for a test.

    These are the images under ``test/``; without it, of those not held out for validation every
    (`hold_out_every` − 1)-th, which makes about as many.

    Raises
    ------
    FileNotFoundError, ValueError
        As `find_pairs`; fewer than three images.
    """
    split = find_pairs(folder, hold_out_every=hold_out_every)
    if (folder / "test").is_dir():
        return Split(split.training, split.validation, _pairs_of(folder / "test"))
    if len({*split.training, *split.validation}) < 3 or len(split.training) < 2:
        raise ValueError(
            f"{folder} has too few images: at least one to train on, one to validate on and one to test"
        )
    test = split.training[:: hold_out_every - 1]
    return Split(tuple(pair for pair in split.training if pair not in test), split.validation, test)


def read_pair(
    pair: Pair,
    *,
    ndim: int | None = None,
    rule: NormalizationRule,
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
    channel, axes
        See `io.images.read_image`.
    annotation : {"instances", "binary"}
        What the mask holds. "instances": a number for each cell. "binary": 0 background, positive = cell, lines
        of background between the cells; each component (`labels.connected_components`) becomes a cell.

    Raises
    ------
    ValueError
        The mask has another size than the image, the image has another number of axes than `ndim`
        (or neither 2 nor 3), or it has no contrast; and what `read_image` and `read_labels` raise.
    """
    read = [read_image(path, axes=axes, channel=channel) for path in pair.images]
    image = np.concatenate([as_channels(part, chosen=channel is not None) for part in read])
    mask = read_labels(pair.labels, one_bit=annotation == "binary")
    _check_axes(pair.images[0], image.ndim - 1, ndim)
    if mask.shape != image.shape[1:]:
        raise ValueError(
            f"mask {pair.labels} has size {mask.shape}, its image {pair.images[0].name} has {image.shape[1:]}: "
            "they must be equal"
        )
    normalise = normalization(image, rule)
    if not normalise.scale.any():
        raise ValueError(
            f"{pair.images[0]} is constant or nearly so (about {image.flat[0]}): leave it out"
        )
    notes = dict.fromkeys(part.note for part in read if part.note)
    labels = numbered(mask, annotation)
    wrong = (
        hint(mask, annotation) if (mask > 0).any() else "no cells; the image counts as background"
    )
    return AnnotatedImage(
        name=pair.name,
        image=normalise(image),
        labels=relabel(labels).astype(np.int32),
        channels=_channel_names(len(image), channel),
        spacing=read[0].spacing,
        note="; ".join(notes),
        hint=wrong,
        # of a mask that is no label image, every number would be in pieces
        fragmented=() if wrong else fragments(labels),
    )


def mask_notes(images: Sequence[AnnotatedImage]) -> list[str]:
    """Sum up for the user what seems wrong with the masks: a line for each kind, not for each image."""
    hints = Counter(image.hint for image in images if image.hint)
    first = {image.hint: image.name for image in reversed(images)}
    notes = [
        f"{count} of {len(images)} masks (e.g. of {first[hint]}): {hint}"
        for hint, count in hints.items()
    ]
    affected = [image for image in images if image.fragmented]
    if affected:
        cells = [cell for image in affected for cell in image.fragmented]
        crumbs = [size for cell in cells for size in cell.sizes[1:]]
        notes.append(
            f"{len(cells)} of {sum(int(image.labels.max()) for image in images)} cells are in several pieces "
            f"(in {len(affected)} of {len(images)} images, e.g. number {cells[0].label} of {affected[0].name}; half of "
            f"the smaller pieces have at most {median(crumbs):.0f} pixels, the largest {max(crumbs)}): each piece is "
            "learned as a cell of its own; erase stray pixels, and where two cells share a number give one of them "
            "a new one (seamwise.labels.fragments lists the pieces)"
        )
    return notes


def relative(spacing: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Pixel sizes in units of the smallest; None if there are none."""
    return spacing and tuple(step / min(spacing) for step in spacing)


def numbered(mask: Labels, annotation: Annotation) -> Labels:
    """Return the instance labels of a mask: of a black-and-white one, its pieces."""
    return connected_components(mask.clip(-1, 1)) if annotation == "binary" else mask


def as_channels(image: Image, *, chosen: bool = False) -> NDArray[np.generic]:
    """`(C, *S)`: add a channel axis to a grey image; one of equal channels is grey unless they were chosen."""
    if not image.axes.startswith("C"):
        return image.data[np.newaxis]
    if not chosen and all(np.array_equal(image.data[0], other) for other in image.data[1:]):
        return image.data[:1]
    return image.data


def _check_axes(path: Path, found: int, ndim: int | None) -> None:
    if found not in (2, 3):
        raise ValueError(
            f"{path} has {found} spatial axes, expected 2 or 3: say what the axes are, e.g. --axes CYX"
        )
    if ndim not in (found, None):
        raise ValueError(
            f"{path} has {found} spatial axes, expected {ndim}: set ndim = {found}, "
            "or say what the axes are, e.g. --axes CYX"
        )


def _channel_names(count: int, chosen: int | Sequence[int] | None) -> tuple[str, ...]:
    numbers = [chosen] if isinstance(chosen, int) else list(chosen or range(count))
    if chosen is None and count == 1:
        return ("grey",)
    # one file per channel: the choice was made within each file, and the files give the order
    return tuple(
        f"channel {number}" for number in (numbers if len(numbers) == count else range(count))
    )


class Samples(Dataset[tuple[torch.Tensor, ...]]):
    """Training samples numbered step·batch_size + index, each a pure function of (seed, step, index).

    Workers and resuming do not change which samples a step sees. Losses on the same classes see the same
    samples, others the same crops: touching contrast modulation follows the touching class.
    """

    def __init__(
        self,
        images: Sequence[AnnotatedImage],
        *,
        seed: int,
        steps: int,
        batch_size: int,
        crop: tuple[int, ...],
        augmentation: Augmentation,
        transform: TargetAndWeight,
    ) -> None:
        self.images = images
        self.seed, self.steps, self.batch_size = seed, steps, batch_size
        self.crop, self.augmentation, self.transform = crop, augmentation, transform

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        """Return image `(C, *crop)` float32, target `(*crop)` int8, and weight `(*crop)` float32 if there is a map."""
        step, index = divmod(number, self.batch_size)
        rng = np.random.default_rng((self.seed, step, index))
        source = self.images[int(rng.integers(len(self.images)))]
        spacing = source.relative_spacing
        image, labels = random_crop(
            source.image,
            source.labels,
            crop=self.crop,
            settings=self.augmentation,
            rng=rng,
            spacing=spacing,
        )
        target, weight = self.transform(labels, spacing=spacing)
        image = vary_intensity(image, target, settings=self.augmentation, rng=rng, spacing=spacing)
        return tuple(
            torch.from_numpy(array) for array in (image, target, weight) if array is not None
        )


def _pairs_of(folder: Path) -> tuple[Pair, ...]:
    if (folder / "imagesTr").is_dir():
        images = _nnunet_images(folder)
        masks = by_stem(find_images(folder / "labelsTr", masks=True))
    elif (folder / "images").is_dir():
        images = {name: (path,) for name, path in by_stem(find_images(folder / "images")).items()}
        masks = by_stem(find_images(folder / "masks", masks=True))
    else:
        files = by_stem(find_images(folder, masks=True))
        images = {name: (path,) for name, path in files.items() if not name.endswith("_masks")}
        masks = {
            name.removesuffix("_masks"): path
            for name, path in files.items()
            if name.endswith("_masks")
        }
    check_complete(images, masks, f"images in {folder} have no mask of the same name")
    return tuple(Pair(name, images[name], masks[name]) for name in sorted(images))


def check_complete(wanted: Collection[str], found: Collection[str], complaint: str) -> None:
    """Raise FileNotFoundError with the complaint if a wanted name was not found."""
    missing = [name for name in wanted if name not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise FileNotFoundError(f"{len(missing)} of {len(wanted)} {complaint}: {shown}")


def _nnunet_images(folder: Path) -> dict[str, tuple[Path, ...]]:
    record = folder / "dataset.json"
    ending = str(read_json(record).get("file_ending", "")) if record.is_file() else ""
    cases: dict[str, list[Path]] = {}
    for path in find_images(folder / "imagesTr"):
        case, _, number = stem(path).rpartition("_")
        if path.name.endswith(ending) and case and number.isdigit():
            cases.setdefault(case, []).append(path)
    if not cases:
        raise FileNotFoundError(
            f"no image in {folder / 'imagesTr'} is named like nnU-Net's: case_0000{ending or '.tif'}"
        )
    return {case: tuple(sorted(files)) for case, files in cases.items()}
