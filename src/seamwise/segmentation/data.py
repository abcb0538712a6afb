"""Annotated images: find them in a folder, read them, draw training samples from them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from seamwise.io.images import Image, find_images, read_image, read_labels, stem
from seamwise.io.models import NormalizationRule
from seamwise.labels import Labels, relabel, semantic_target
from seamwise.segmentation.augment import Augmentation, random_crop, vary_intensity
from seamwise.segmentation.normalization import normalization


@dataclass(frozen=True)
class Pair:
    """An image and its annotation on disk; several image files are the channels of one image."""

    name: str
    images: tuple[Path, ...]
    labels: Path


@dataclass(frozen=True)
class AnnotatedImage:
    """A normalised image `(C, *S)` float32 and its labels `(*S)` of a signed integer type."""

    name: str
    image: NDArray[np.float32]
    labels: Labels


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
    pair: Pair, *, ndim: int, rule: NormalizationRule, channel: int | Sequence[int] | None = None
) -> AnnotatedImage:
    """Read and normalise an annotated image.

    Raises
    ------
    ValueError
        The mask has another size than the image, the image has another number of axes than `ndim`, or
        it is constant.
    """
    channels = [as_channels(read_image(path, channel=channel), path) for path in pair.images]
    image = np.concatenate(channels)
    labels = read_labels(pair.labels)
    if image.ndim - 1 != ndim:
        raise ValueError(
            f"{pair.images[0]} has {image.ndim - 1} spatial axes, expected {ndim}: set ndim = {image.ndim - 1}"
        )
    if labels.shape != image.shape[1:]:
        raise ValueError(
            f"mask {pair.labels} has size {labels.shape}, its image {pair.images[0].name} has {image.shape[1:]}: "
            "they must be equal"
        )
    if image.min() == image.max():
        raise ValueError(f"{pair.images[0]} is constant (every pixel is {image.min()}): leave it out")
    normalised = normalization(image, rule)(image)
    return AnnotatedImage(pair.name, normalised, relabel(labels).astype(np.int32))


def as_channels(image: Image, path: Path) -> NDArray[np.generic]:
    """`(C, *S)`: add a channel axis to a grey image; a colour image of equal channels is grey."""
    if not image.axes.startswith("C"):
        return image.data[np.newaxis]
    if len(image.data) > 1 and all(np.array_equal(image.data[0], other) for other in image.data[1:]):
        return image.data[:1]
    return image.data


class Samples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Training samples numbered step·batch_size + index, each a pure function of (seed, step, index).

    Workers, resuming and the loss do not change which samples a step sees.
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
        pairs = _nnunet_pairs(folder)
    elif (folder / "images").is_dir():
        masks = {stem(path): path for path in find_images(folder / "masks", masks=True)}
        pairs = [(stem(path), (path,), masks.get(stem(path))) for path in find_images(folder / "images")]
    else:
        files = find_images(folder, masks=True)
        masks = {stem(path): path for path in files}
        pairs = [
            (stem(path), (path,), masks.get(f"{stem(path)}_masks"))
            for path in files
            if not stem(path).endswith("_masks")
        ]
    missing = [name for name, _, mask in pairs if mask is None]
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise FileNotFoundError(
            f"{len(missing)} of {len(pairs)} images in {folder} have no mask of the same name: {shown}"
        )
    return tuple(Pair(name, images, mask) for name, images, mask in sorted(pairs) if mask)


def _nnunet_pairs(folder: Path) -> list[tuple[str, tuple[Path, ...], Path | None]]:
    ending = None
    if (folder / "dataset.json").is_file():
        ending = json.loads((folder / "dataset.json").read_text()).get("file_ending")
    masks = {stem(path): path for path in find_images(folder / "labelsTr", masks=True)}
    cases: dict[str, list[Path]] = {}
    for path in find_images(folder / "imagesTr"):
        if ending is None or path.name.endswith(ending):
            cases.setdefault(stem(path).rpartition("_")[0], []).append(path)
    return [(case, tuple(sorted(files)), masks.get(case)) for case, files in cases.items()]
