r"""Train the model that ships as `nuclei-2d`, on from an earlier one.

python recipes/nuclei_2d.py DATA -o runs/first --start MODEL
python recipes/nuclei_2d.py DATA -o runs/second --start runs/first/snapshot-2700.safetensors \
    --second --steps 540 --learning-rate 2e-4 --validate-every 180

MODEL is what `recipes/nuclei-2d.toml` makes. Resume an interrupted run with --resume.
DATA holds images/ and masks/: fluorescence nuclei of the 2018 Data Science Bowl, StarDist subset.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from torch.utils.data import Dataset

from seamwise.engine.history import TrainProgress
from seamwise.engine.loop import fit, run_identity
from seamwise.engine.settings import RunSettings
from seamwise.io.images import read_image
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    ReliefPair,
    SegmentationInfo,
    load_model,
)
from seamwise.labels import BACKGROUND, CELL, GAP, IGNORE, TOUCHING, Labels, semantic_target
from seamwise.labels.guides import Guides, measure_guides
from seamwise.losses.confusion import count, indicator, mean_over_present
from seamwise.losses.youden import pairwise_loss
from seamwise.metrics import match_dataset
from seamwise.segmentation.data import Pair, as_channels, find_pairs, read_pair
from seamwise.segmentation.normalization import compress
from seamwise.segmentation.predict import Model, segment

SELECTION = Path(__file__).with_name("nuclei-2d-selection.txt")
RULE = NormalizationRule(kind="contrast")
DECODE = DecodeRule(
    rule="relief",
    relief=ReliefPair(foreground=0.7, peak=0.3, saddle=0.8),
    min_size=20,
    min_core=20,
    gap="second",
)
CROP = 256
EMPTY = 0.02  # of the crops


def split(folder: Path) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Pairs for training, for every choice, and for the report."""
    pairs = find_pairs(folder)
    names = set(SELECTION.read_text().split())
    training = [pair for pair in pairs.training if pair.name not in names]
    selection = [pair for pair in pairs.training if pair.name in names]
    return training, selection, list(pairs.validation)


@dataclass(frozen=True, eq=False)
class Source:
    """A training image: linear intensities (background 0, cells about 1), labels and guides."""

    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    guides: Guides


@dataclass(frozen=True)
class Changes:
    """How far a crop is changed: factors have logarithms uniform in ± their value."""

    scale: float
    warp: float
    contrast: float
    gamma: float
    blur: float  # share of crops
    noise: float
    specks: float  # share of crops


STRONG = Changes(scale=0.45, warp=1.5, contrast=1.0, gamma=0.3, blur=0.3, noise=0.12, specks=0.06)
MILD = Changes(scale=0.2, warp=0.0, contrast=0.5, gamma=0.15, blur=0.15, noise=0.05, specks=0.05)
WEAK = Changes(scale=0.12, warp=0.0, contrast=0.3, gamma=0.1, blur=0.08, noise=0.03, specks=0.03)


class Samples(Dataset[tuple[Tensor, ...]]):
    """Image, target, weight and guides, each a pure function of (seed, step, index)."""

    def __init__(
        self, sources: Sequence[Source], *, settings: RunSettings, is_second: bool = False
    ) -> None:
        self.sources, self.settings, self.is_second = sources, settings, is_second

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def changes(self, step: int) -> Changes:
        """How far samples of a step are changed: strongly in the first half, weakly in the end.

        In a second run they are changed weakly from the beginning, and mildly in every third step.
        """
        if self.is_second:
            return WEAK if step % 3 else MILD
        share = step / self.settings.steps
        if share < 0.5:
            return STRONG
        return MILD if share < 0.75 else WEAK

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        step, index = divmod(number, self.settings.batch_size)
        rng = np.random.default_rng((self.settings.seed, step, index))
        changes = self.changes(step)
        source = self.sources[int(rng.integers(len(self.sources)))]
        if rng.random() < EMPTY:
            image, labels = empty(rng)
            guides = np.zeros((3, CROP, CROP), np.float32)
        else:
            image, labels, guides = random_crop(source, changes, rng)
        image = compress(vary(image, changes, rng))
        target = semantic_target(labels, classes=4, touching_radius=1, gap_radius=3)
        weight = piece_weight(labels, target)
        arrays = (image[np.newaxis], target, weight, guides)
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def random_crop(
    source: Source, changes: Changes, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
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


def empty(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Noise without any cell: white or smooth, symmetric or not, on flat or sloping ground."""
    noise = rng.standard_normal((CROP, CROP), dtype=np.float32)
    if rng.random() < 0.3:
        noise = rng.poisson(np.exp(rng.uniform(-2, 3)), (CROP, CROP)).astype(np.float32)
    if rng.random() < 0.6:
        noise = ndimage.gaussian_filter(noise, np.exp(rng.uniform(-0.7, 2.5)))
    p5, p10, p25 = np.percentile(noise, [5, 10, 25])
    image = (noise - p10) / max(p25 - p5, 0.1 * noise.std()) / 10
    if rng.random() < 0.3:
        slope = np.linspace(0, rng.uniform(0, 0.6), CROP, dtype=np.float32)
        image = image + (slope if rng.random() < 0.5 else slope[:, np.newaxis])
    return image.astype(np.float32), np.zeros((CROP, CROP), np.int32)


def vary(
    image: NDArray[np.float32], changes: Changes, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change gamma, contrast, sharpness and noise of linear intensities, and scatter specks."""
    if rng.random() < 0.5:
        gamma = np.float32(np.exp(rng.uniform(-changes.gamma, changes.gamma)))
        image = np.sign(image) * np.abs(image) ** gamma
    exponent = rng.uniform(-changes.contrast, changes.contrast) * rng.random()
    image = image * np.float32(np.exp(exponent))
    if rng.random() < changes.blur:
        image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.5))
    if rng.random() < 0.6:
        deviation = np.float32(changes.noise * rng.random() ** 2)
        image = image + deviation * rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < changes.specks:
        image = specked(image, rng)
    return image.astype(np.float32, copy=False)


def specked(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Add hot pixels, bright specks or a bar."""
    image = image.copy()
    kind = rng.integers(3)
    height = np.float32(np.exp(rng.uniform(np.log(3), np.log(80))))
    y, x = rng.integers(CROP, size=2)
    if kind == 0:
        image.ravel()[rng.integers(image.size, size=rng.integers(1, 100))] = height
    elif kind == 1:
        rows, columns = np.ogrid[:CROP, :CROP]
        image[(rows - y) ** 2 + (columns - x) ** 2 <= rng.uniform(0.5, 4.5) ** 2] = height
    else:
        image[y : y + rng.integers(2, 7), x : x + rng.integers(20, 90)] = height
    return image


def piece_weight(labels: NDArray[np.int32], target: NDArray[np.int8]) -> NDArray[np.float32]:
    """1/√n for each pixel, with n the pixels of its piece, so that small pieces count more.

    A piece is what is of class cell in a cell, what is of class touching in a cell, and a component
    of the gap. Background weighs 1. `youden` compares rates: the scale of a class does not matter.
    """
    weight = np.ones(labels.shape, np.float32)
    for kind in (CELL, TOUCHING):
        chosen = target == kind
        numbers = labels[chosen]
        weight[chosen] = 1 / np.sqrt(np.bincount(numbers)[numbers]) if numbers.size else 1
    gap = target == GAP
    if gap.any():
        pieces, _ = ndimage.label(gap)
        numbers = pieces[gap]
        weight[gap] = 1 / np.sqrt(np.bincount(numbers)[numbers])
    weight[(target == BACKGROUND) | (target == IGNORE)] = 1
    return weight


def loss(logits: Tensor, target: Tensor, weight: Tensor, guides: Tensor) -> Tensor:
    """Cross entropy + J + Dice of the classes, and the distance of the guides from theirs."""
    with torch.autocast(logits.device.type, enabled=False):
        log_probabilities = logits[:, :4].float().log_softmax(1).flatten(2)
        probabilities = log_probabilities.exp()
        members = indicator(target, log_probabilities, ignore_index=IGNORE)
        valid = members.sum().clamp(min=1)
        entropy = -(log_probabilities * members).sum() / valid
        flat = weight.flatten(1).unsqueeze(1)
        joint = pairwise_loss(count(probabilities, members * flat), 1 / 12)
        truth = members.sum((0, 2))
        overlap = 2 * (probabilities * members).sum((0, 2))
        known = members.sum(1, keepdim=True)
        mass = truth + (probabilities.square() * known).sum((0, 2))
        dice = mean_over_present(1 - overlap / mass.clamp(min=1), truth > 0)
        relief = smooth_l1_loss(logits[:, 4].float(), guides[:, 0], beta=0.1, reduction="none")
        relief = (relief * (target != IGNORE)).sum() / valid
        cell = (target == CELL) | (target == TOUCHING)
        pull = cell * weight
        offset = smooth_l1_loss(logits[:, 5:].float(), guides[:, 1:], beta=0.25, reduction="none")
        offset = (offset.sum(1) * pull).sum() / pull.sum().clamp(min=1)
        return entropy + joint + 0.5 * dice + 2 * relief + 0.5 * offset


@dataclass(frozen=True)
class Nuclei:
    """A `Task`: classes and guides of nuclei."""

    info: SegmentationInfo
    settings: RunSettings
    sources: Sequence[Source]
    selection: Sequence[tuple[NDArray[np.generic], Labels]]
    is_second: bool = False

    def samples(self) -> Samples:
        """Samples of all steps."""
        return Samples(self.sources, settings=self.settings, is_second=self.is_second)

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
        scores = match_dataset(pairs, thresholds=(0.5, 0.7, 0.9))
        names = {f"ap{100 * mean.thresh:.0f}": mean.accuracy for mean in scores.mean}
        return {**names, "pq": scores.pooled[0].panoptic_quality}


def sources_of(pairs: Sequence[Pair]) -> list[Source]:
    """Read the training images; `read_pair` bends the intensities, which is undone here."""
    sources = []
    for pair in pairs:
        read = read_pair(pair, ndim=2, rule=RULE)
        linear = np.sinh(2 * read.image[0]) / 2
        sources.append(Source(linear.astype(np.float32), read.labels, measure_guides(read.labels)))
    return sources


def first_weights(path: Path) -> dict[str, Tensor]:
    """Weights of an earlier model, with rows of zeros for the guides in its head."""
    weights, _ = load_model(path, SegmentationInfo)
    weights = {name: w.float() if w.is_floating_point() else w for name, w in weights.items()}
    for name in ("head.weight", "head.bias"):
        missing = 7 - len(weights[name])
        weights[name] = torch.cat([weights[name], torch.zeros(missing, *weights[name].shape[1:])])
    return weights


def show(progress: TrainProgress) -> None:
    """Print every 20th step, and every validation."""
    if progress.scores or progress.step % 20 == 0:
        scores = " ".join(f"{name} {score:.4f}" for name, score in progress.scores.items())
        line = f"{progress.step} loss {progress.loss:.4f} {progress.seconds:.0f} s {scores}"
        print(line, flush=True)


def main() -> None:
    """Read the arguments, train, and write the model to the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2700)
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--validate-every", type=int, default=450)
    parser.add_argument("--second", action="store_true", help="change samples little")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    training, selection, _ = split(options.data)
    settings = RunSettings(
        steps=options.steps,
        batch_size=4,
        optimizer="adamw",
        learning_rate=options.learning_rate,
        weight_decay=0.01,
        schedule="cosine",
        warmup=40,
        average=0.995,
        validate_every=options.validate_every,
        snapshot_every=options.validate_every,
        stored_as="float16",
    )
    info = SegmentationInfo(
        architecture=Architecture(
            in_channels=1, out_channels=4, width=16, norm="batch", guides=True
        ),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        normalization=RULE,
        decode=DECODE,
        training={
            "settings": run_identity(settings),
            "images": [pair.name for pair in training],
            "validation_images": [pair.name for pair in selection],
            "start": options.start.name,
        },
    )
    chosen = [
        (as_channels(read_image(pair.images[0])), read_pair(pair, ndim=2, rule=RULE).labels)
        for pair in selection
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    task = Nuclei(info, settings, sources_of(training), chosen, options.second)
    start = None if options.resume else first_weights(options.start)
    fit(task, settings, output=options.output, resume=options.resume, report=show, start=start)


if __name__ == "__main__":
    main()
