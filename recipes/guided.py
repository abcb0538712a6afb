"""What the recipes of `nuclei-2d` and `phase-2d` share: samples, loss and task of guided cells."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from seamwise.engine import RunSettings, TrainProgress, run_identity
from seamwise.io import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    SegmentationInfo,
    load_model,
    read_image,
)
from seamwise.labels import IGNORE, Guides, Labels, semantic_target
from seamwise.losses import (
    count_members,
    guide_losses,
    indicator,
    mean_over_present,
    pairwise_loss,
)
from seamwise.metrics import match_dataset
from seamwise.segmentation import Model, Pair, as_channels, read_pair, segment
from seamwise.weights import pieces

CROP = 256


@dataclass(frozen=True, eq=False)
class Source:
    """A training image: linear intensities (background 0, cells about 1), labels and guides."""

    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    guides: Guides


@dataclass(frozen=True)
class Geometry:
    """How far the place of a crop's pixels is changed; `scale` is as in `Changes` of a recipe."""

    scale: float
    warp: float


Crop = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]


class Samples(Dataset[tuple[Tensor, ...]]):
    """Image, target, weight and guides, each a pure function of (seed, step, index)."""

    levels: ClassVar[tuple[Geometry, Geometry, Geometry]]  # strong, mild and weak changes

    def __init__(
        self, sources: Sequence[Source], *, settings: RunSettings, is_second: bool = False
    ) -> None:
        self.sources, self.settings, self.is_second = sources, settings, is_second

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def changes(self, step: int) -> Geometry:
        """How far samples of a step are changed: strongly in the first half, weakly in the end.

        In a second run they are changed weakly from the beginning, and mildly in every third step.
        """
        strong, mild, weak = self.levels
        if self.is_second:
            return weak if step % 3 else mild
        share = step / self.settings.steps
        if share < 0.5:
            return strong
        return mild if share < 0.75 else weak

    def choose(self, step: int, rng: np.random.Generator) -> Source:
        """Training image of a sample."""
        return self.sources[int(rng.integers(len(self.sources)))]

    @abstractmethod
    def draw(self, source: Source, changes: Geometry, rng: np.random.Generator) -> Crop:
        """Image as the network takes it, labels and guides of a random crop."""

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        step, index = divmod(number, self.settings.batch_size)
        rng = np.random.default_rng((self.settings.seed, step, index))
        changes = self.changes(step)
        source = self.choose(step, rng)
        image, labels, guides = self.draw(source, changes, rng)
        target = semantic_target(labels, classes=4, touching_radius=1, gap_radius=3)
        weight = pieces(labels, target)
        arrays = (image[np.newaxis], target, weight, guides)
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def random_crop(source: Source, changes: Geometry, rng: np.random.Generator) -> Crop:
    """Image, labels and guides of a crop that is placed, turned, magnified and warped at random."""
    shape = np.array(source.labels.shape)
    half = 2 * changes.scale if rng.random() < 0.3 else changes.scale
    zoom = np.exp(rng.uniform(-half, half))
    zoom = max(zoom, 0.95 * CROP / shape.max())
    turned = rng.random() < 0.4
    angle = rng.uniform(-np.pi, np.pi) if turned else rng.integers(4) * np.pi / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    flip = rng.choice([-1, 1])
    matrix = np.array([[cosine, -sine], [sine, cosine]]) * [1, flip] / zoom
    reach = CROP / 2 / zoom
    middle = [rng.uniform(min(n / 2, reach), max(n - reach, n / 2)) - 0.5 for n in shape]
    axis = (np.arange(CROP) - (CROP - 1) / 2).astype(np.float32)
    rows, columns = axis[:, np.newaxis], axis[np.newaxis]
    matrix = matrix.astype(np.float32)
    where = np.stack(
        [m[0] * rows + m[1] * columns + c for m, c in zip(matrix, middle, strict=True)]
    )
    if changes.warp and rng.random() < 0.5:
        coarse = rng.normal(0, changes.warp / zoom, (2, 9, 9))
        where += np.stack([ndimage.zoom(c, CROP / 9, order=1) for c in coarse]).astype(np.float32)
    image = ndimage.map_coordinates(source.image, where, order=1, mode="mirror")
    nearest = np.rint(where).astype(np.int32)
    within = (nearest >= 0).all(0) & (nearest[0] < shape[0]) & (nearest[1] < shape[1])
    y, x = (np.clip(n, 0, s - 1) for n, s in zip(nearest, shape, strict=True))
    labels = np.where(within, source.labels[y, x], IGNORE)
    cell = labels > 0
    guides = np.zeros((3, CROP, CROP), np.float32)
    numbers = labels[cell]
    guides[0][cell] = source.guides.relief[y, x][cell]
    # from the image's axes to the crop's: the inverse of the matrix, without its magnification
    inverse = np.array([[cosine, sine], [-sine, cosine]]) * np.array([[1], [flip]])
    away = source.guides.centre[numbers] - where[:, cell].T
    guides[1:, cell] = inverse @ (away / source.guides.radius[numbers][:, np.newaxis]).T
    return image, labels, guides


def random_noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """A crop of noise: white or smooth, symmetric or not."""
    noise = rng.standard_normal((CROP, CROP), dtype=np.float32)
    if rng.random() < 0.3:
        noise = rng.poisson(np.exp(rng.uniform(-2, 3)), (CROP, CROP)).astype(np.float32)
    if rng.random() < 0.6:
        noise = ndimage.gaussian_filter(noise, np.exp(rng.uniform(-0.7, 2.5)))
    return noise


def loss(logits: Tensor, target: Tensor, weight: Tensor, guides: Tensor) -> Tensor:
    """Cross entropy + J + Dice of the classes, and the distance of the guides from theirs."""
    with torch.autocast(logits.device.type, enabled=False):
        log_probabilities = logits[:, :4].float().log_softmax(1).flatten(2)
        probabilities = log_probabilities.exp()
        members = indicator(target, log_probabilities, ignore_index=IGNORE)
        valid = members.sum().clamp(min=1)
        entropy = -(log_probabilities * members).sum() / valid
        flat = weight.flatten(1).unsqueeze(1)
        joint = pairwise_loss(count_members(probabilities, members * flat), 1 / 12)
        truth = members.sum((0, 2))
        overlap = 2 * (probabilities * members).sum((0, 2))
        known = members.sum(1, keepdim=True)
        mass = truth + (probabilities.square() * known).sum((0, 2))
        dice = mean_over_present(1 - overlap / mass.clamp(min=1), truth > 0)
        relief, offset = guide_losses(logits[:, 4:], guides, target, weight=weight)
        return entropy + joint + 0.5 * dice + 2 * relief + 0.5 * offset


@dataclass(frozen=True)
class Guided:
    """A `Task`: classes and guides of cells."""

    info: SegmentationInfo
    settings: RunSettings
    data: Samples
    selection: Sequence[tuple[NDArray[np.generic], Labels]]

    def samples(self) -> Samples:
        """Samples of all steps."""
        return self.data

    def loss(self, net: Callable[[Tensor], Tensor], batch: Sequence[Tensor]) -> Tensor:
        """Loss of a batch."""
        image, *rest = batch
        return loss(net(image.contiguous(memory_format=torch.channels_last)), *rest)

    def validate(self, model: Model) -> Mapping[str, float]:
        """Mean AP and pooled PQ of the selection images."""
        pairs = (
            (labels, segment(image, model=model, keep_probabilities=False).labels)
            for image, labels in self.selection
        )
        scores = match_dataset(pairs, ious=(0.5, 0.7, 0.9))
        names = {f"ap{100 * mean.iou:.0f}": mean.accuracy for mean in scores.mean}
        return {**names, "pq": scores.pooled[0].panoptic_quality}


def run_settings(
    steps: int, *, learning_rate: float, validate_every: int, average: float = 0.995
) -> RunSettings:
    """Settings of a run with batches of 4 crops, and a snapshot with every validation."""
    return RunSettings(
        steps=steps,
        batch_size=4,
        optimizer="adamw",
        learning_rate=learning_rate,
        weight_decay=0.01,
        schedule="cosine",
        warmup=40,
        average=average,
        validate_every=validate_every,
        snapshot_every=validate_every,
        stored_as="float16",
    )


@dataclass(frozen=True)
class Division:
    """Pairs for training and for every choice."""

    training: Sequence[Pair]
    selection: Sequence[Pair]

    def judged(self, rule: NormalizationRule) -> list[tuple[NDArray[np.generic], Labels]]:
        """Image and labels of the pairs for every choice, as `Guided` takes them."""
        return [
            (as_channels(read_image(pair.images[0])), read_pair(pair, ndim=2, rule=rule).labels)
            for pair in self.selection
        ]


def information(
    rule: NormalizationRule,
    decode: DecodeRule,
    division: Division,
    *,
    settings: RunSettings,
    start: str,
    depth: int = 4,
    **fields: Any,
) -> SegmentationInfo:
    """Description of a model for one grey channel; `fields` are further ones of it."""
    return SegmentationInfo(
        architecture=Architecture(
            in_channels=1, out_channels=4, width=16, depth=depth, norm="batch", guides=True
        ),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        normalization=rule,
        decode=decode,
        training={
            "settings": run_identity(settings),
            "images": [pair.name for pair in division.training],
            "validation_images": [pair.name for pair in division.selection],
            "start": start,
        },
        **fields,
    )


def first_weights(path: Path) -> dict[str, Tensor]:
    """Weights of an earlier model, with rows of zeros for the guides in its head."""
    weights, _ = load_model(path, SegmentationInfo)
    weights = {name: w.float() if w.is_floating_point() else w for name, w in weights.items()}
    for name in ("head.weight", "head.bias"):
        missing = 7 - len(weights[name])
        weights[name] = torch.cat([weights[name], torch.zeros(missing, *weights[name].shape[1:])])
    return weights


def deepened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the same network with one more level at its bottom, which does nothing yet.

    The new level of the way up hands on the skipped features; its other inputs weigh 0. What was
    batch-normalised keeps its mean and deviation: those of a rectified normal distribution.
    """
    lowest = max(int(name.split(".")[1]) for name in weights if name.startswith("down."))
    width = len(weights[f"down.{lowest}.3.weight"])
    deeper = {}
    for name, value in weights.items():
        part, number, rest = [*name.split(".", 2), ""][:3]
        deeper[f"up.{int(number) + 1}.{rest}" if part == "up" else name] = value
    for part, inputs, outputs in (
        (f"down.{lowest + 1}", width, 2 * width),
        ("up.0", 3 * width, width),
    ):
        for layer, channels in ((0, inputs), (3, outputs)):
            kernel = torch.empty(outputs, channels, 3, 3)
            deeper[f"{part}.{layer}.weight"] = torch.nn.init.xavier_normal_(kernel)
            for name, value in (
                ("weight", 1),
                ("bias", 0),
                ("running_mean", 0),
                ("running_var", 1),
            ):
                deeper[f"{part}.{layer + 1}.{name}"] = torch.full((outputs,), float(value))
            deeper[f"{part}.{layer + 1}.num_batches_tracked"] = torch.tensor(0)
    scale, shift = (weights[f"down.{lowest}.4.{name}"] for name in ("weight", "bias"))
    mean, variance = rectified(shift, scale.abs())
    for layer, channels in ((0, 3 * width), (3, width)):
        kernel = torch.zeros(width, channels, 3, 3)
        kernel[torch.arange(width), torch.arange(channels - width, channels), 1, 1] = 1
        deeper[f"up.0.{layer}.weight"] = kernel
        deeper[f"up.0.{layer + 1}.running_mean"] = mean.clone()
        deeper[f"up.0.{layer + 1}.running_var"] = variance.clone()
        deeper[f"up.0.{layer + 1}.weight"] = (variance + 1e-5).sqrt()
        deeper[f"up.0.{layer + 1}.bias"] = mean.clone()
    return deeper


def rectified(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of max(x, 0) for a normal x."""
    normal = torch.distributions.Normal(0.0, 1.0)
    ratio = mean / deviation.clamp(min=1e-6)
    density, share = normal.log_prob(ratio).exp(), normal.cdf(ratio)
    first = mean * share + deviation * density
    second = (mean.square() + deviation.square()) * share + mean * deviation * density
    return first, (second - first.square()).clamp(min=1e-6)


def show(progress: TrainProgress) -> None:
    """Print every 20th step, and every validation."""
    if progress.scores or progress.step % 20 == 0:
        scores = " ".join(f"{name} {score:.4f}" for name, score in progress.scores.items())
        line = f"{progress.step} loss {progress.loss:.4f} {progress.seconds:.0f} s {scores}"
        print(line, flush=True)
