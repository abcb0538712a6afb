"""Annotated images: find them in a folder, read them, draw training samples from them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.utils.data import Dataset

from seamwise.io.images import Image, by_stem, find_images, read_image, read_labels, stem
from seamwise.io.jsonfile import read_json
from seamwise.io.models import NormalizationRule
from seamwise.labels import Labels, relabel, semantic_target
from seamwise.segmentation.augment import Augmentation, random_crop, vary_intensity
from seamwise.segmentation.normalization import normalization

_CRUMBS = 4


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
    """

    name: str
    image: NDArray[np.float32]
    labels: Labels
    channels: tuple[str, ...] = ("grey",)
    spacing: tuple[float, ...] | None = None
    note: str = ""


@dataclass(frozen=True)
class Split:
    """Pairs for training and for validation."""

    training: tuple[Pair, ...]
    validation: tuple[Pair, ...]


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


def read_pair(
    pair: Pair,
    *,
    ndim: int,
    rule: NormalizationRule,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
) -> AnnotatedImage:
    """Read and normalise an annotated image.

    Parameters
    ----------
    pair : Pair
    ndim : {2, 3}
    rule : NormalizationRule
    channel, axes
        See `io.images.read_image`.

    Raises
    ------
    ValueError
        The mask has another size than the image, the image has another number of axes than `ndim`, or
        it has no contrast; and what `read_image` and `read_labels` raise.
    """
    read = [read_image(path, axes=axes, channel=channel) for path in pair.images]
    image = np.concatenate([as_channels(part, chosen=channel is not None) for part in read])
    labels = read_labels(pair.labels)
    if image.ndim - 1 != ndim:
        raise ValueError(
            f"{pair.images[0]} has {image.ndim - 1} spatial axes, expected {ndim}: set ndim = {image.ndim - 1}, "
            "or say what the axes are, e.g. --axes CYX"
        )
    if labels.shape != image.shape[1:]:
        raise ValueError(
            f"mask {pair.labels} has size {labels.shape}, its image {pair.images[0].name} has {image.shape[1:]}: "
            "they must be equal"
        )
    normalise = normalization(image, rule)
    if not normalise.scale.any():
        raise ValueError(f"{pair.images[0]} is constant or nearly so (about {image.flat[0]}): leave it out")
    notes = dict.fromkeys(part.note for part in read if part.note)
    if not (labels > 0).any():
        notes[f"mask {pair.labels} has no cells: its image counts as background"] = None
    elif _looks_binary(labels):
        notes[
            f"mask {pair.labels} holds a single number in many pieces: if it is black and white, number its cells "
            "first (Fiji: Analyze Particles; Python: skimage.measure.label), or they count as one cell"
        ] = None
    return AnnotatedImage(
        name=pair.name,
        image=normalise(image),
        labels=relabel(labels).astype(np.int32),
        channels=_channel_names(len(image), channel),
        spacing=read[0].spacing,
        note="; ".join(notes),
    )


def _looks_binary(labels: Labels) -> bool:
    """One number in more pieces than the crumbs of one cell would be."""
    cells = labels[labels > 0]
    return bool(cells.min() == cells.max()) and ndimage.label(labels > 0)[1] > _CRUMBS


def as_channels(image: Image, *, chosen: bool = False) -> NDArray[np.generic]:
    """`(C, *S)`: add a channel axis to a grey image; one of equal channels is grey unless they were chosen."""
    if not image.axes.startswith("C"):
        return image.data[np.newaxis]
    if not chosen and all(np.array_equal(image.data[0], other) for other in image.data[1:]):
        return image.data[:1]
    return image.data


def _channel_names(count: int, chosen: int | Sequence[int] | None) -> tuple[str, ...]:
    numbers = [chosen] if isinstance(chosen, int) else list(chosen or range(count))
    if chosen is None and count == 1:
        return ("grey",)
    # one file per channel: the choice was made within each file, and the files give the order
    return tuple(f"channel {number}" for number in (numbers if len(numbers) == count else range(count)))


class Samples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
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
        target: Callable[[Labels], NDArray[np.int8]] = semantic_target,
    ) -> None:
        self.images = images
        self.seed, self.steps, self.batch_size = seed, steps, batch_size
        self.crop, self.augmentation, self.target = crop, augmentation, target

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image `(C, *crop)` float32 and target `(*crop)` int8."""
        step, index = divmod(number, self.batch_size)
        rng = np.random.default_rng((self.seed, step, index))
        source = self.images[int(rng.integers(len(self.images)))]
        image, labels = random_crop(source.image, source.labels, crop=self.crop, settings=self.augmentation, rng=rng)
        target = self.target(labels)
        image = vary_intensity(image, target, settings=self.augmentation, rng=rng)
        return torch.from_numpy(image), torch.from_numpy(target)


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
        masks = {name.removesuffix("_masks"): path for name, path in files.items() if name.endswith("_masks")}
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
