r"""Train the model that ships as `nuclei-2d`, on from an earlier one.

python recipes/nuclei_2d.py DATA -o runs/first --start MODEL
python recipes/nuclei_2d.py DATA -o runs/second --start runs/first/snapshot-2700.safetensors \
    --second --steps 540 --learning-rate 2e-4 --validate-every 180

MODEL is what `recipes/nuclei-2d.toml` makes. Resume an interrupted run with --resume.
DATA holds images/ and masks/: fluorescence nuclei of the 2018 Data Science Bowl, StarDist subset.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from guided import (
    CROP,
    Crop,
    Division,
    Geometry,
    Guided,
    Samples,
    Source,
    deepened,
    first_weights,
    information,
    random_crop,
    random_noise,
    run_settings,
    show,
)
from seamwise.engine import fit
from seamwise.io import DecodeRule, NormalizationRule, ReliefPair
from seamwise.labels import measure_guides
from seamwise.segmentation import Pair, compress_intensities, find_pairs, read_pair

SELECTION = Path(__file__).with_name("nuclei-2d-selection.txt")
RULE = NormalizationRule(kind="contrast")
DECODE = DecodeRule(
    rule="relief",
    relief=ReliefPair(foreground=0.6, peak=0.3, saddle=0.8),
    min_size=20,
    min_core=20,
    gap="second",
)
EMPTY = 0.02  # of the crops
CROWDED = 0.3  # of the crops with `--crowds`
DIMMED = 0.35  # of the crops of a deeper network: some nuclei are dimmed, some brightened


def split(folder: Path) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Pairs for training, for every choice, and for the report."""
    pairs = find_pairs(folder)
    names = set(SELECTION.read_text().split())
    training = [pair for pair in pairs.training if pair.name not in names]
    selection = [pair for pair in pairs.training if pair.name in names]
    return training, selection, list(pairs.validation)


@dataclass(frozen=True)
class Changes(Geometry):
    """How far a crop is changed: factors have logarithms uniform in ± their value."""

    contrast: float
    gamma: float
    blur: float  # share of crops
    noise: float
    specks: float  # share of crops


STRONG = Changes(scale=0.45, warp=1.5, contrast=1.0, gamma=0.3, blur=0.3, noise=0.12, specks=0.06)
MILD = Changes(scale=0.2, warp=0.0, contrast=0.5, gamma=0.15, blur=0.15, noise=0.05, specks=0.05)
WEAK = Changes(scale=0.12, warp=0.0, contrast=0.3, gamma=0.1, blur=0.08, noise=0.03, specks=0.03)


class NucleiSamples(Samples):
    """Samples of nuclei; a few of them are empty."""

    levels = (STRONG, MILD, WEAK)
    dims = False
    crowds: Sequence[Source] = ()

    def choose(self, step: int, rng: np.random.Generator) -> Source:
        """Training image of a sample: a crowd made of its own cells, or the image as it is."""
        if self.crowds and rng.random() < CROWDED:
            return self.crowds[int(rng.integers(len(self.crowds)))]
        return super().choose(step, rng)

    def draw(self, source: Source, changes: Changes, rng: np.random.Generator) -> Crop:
        """Image as the network takes it, labels and guides of a random crop."""
        if rng.random() < EMPTY:
            image, labels = empty(rng)
            guides = np.zeros((3, CROP, CROP), np.float32)
        else:
            image, labels, guides = random_crop(source, changes, rng)
            if self.dims and rng.random() < DIMMED:
                image = image * brightness(labels, rng)
        return compress_intensities(vary(image, changes, rng)), labels, guides


def empty(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Noise without any cell: white or smooth, symmetric or not, on flat or sloping ground."""
    noise = random_noise(rng)
    p5, p10, p25 = np.percentile(noise, [5, 10, 25])
    image = (noise - p10) / max(p25 - p5, 0.1 * noise.std()) / 10
    if rng.random() < 0.3:
        slope = np.linspace(0, rng.uniform(0, 0.6), CROP, dtype=np.float32)
        image = image + (slope if rng.random() < 0.5 else slope[:, np.newaxis])
    return image.astype(np.float32), np.zeros((CROP, CROP), np.int32)


def brightness(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Factor of each pixel: one for each cell, most of them below 1, blurred at outlines."""
    numbers = np.maximum(labels, 0)
    factors = np.exp(rng.uniform(-1.2, 0.4, numbers.max() + 1) * rng.random()).astype(np.float32)
    factors[0] = 1
    cell = (numbers > 0).astype(np.float32)
    sigma = rng.uniform(0.7, 2)
    near = ndimage.gaussian_filter(cell, sigma)
    spread = ndimage.gaussian_filter(factors[numbers] * cell, sigma) / np.maximum(near, 1e-3)
    # what lies around a cell, its haze, has the factor of the cell
    return np.where(near > 1e-3, spread + (1 - spread) * np.exp(-20 * near), 1).astype(np.float32)


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


def crowded(source: Source, rng: np.random.Generator) -> Source:
    """The image with copies of its cells pushed against others.

    Twice as many copies as cells are tried, 150 at most; a fifth to a third find a place. A copy is
    turned by a multiple of 90 degrees, and slides in from one side of another cell until it covers
    a little of what is there. Light adds up; of two cells, either one may lie on top.
    """
    image, labels = source.image.copy(), source.labels.copy()
    boxes = ndimage.find_objects(np.maximum(source.labels, 0))
    whole = [
        (number, box)
        for number, box in enumerate(boxes, start=1)
        if box is not None and has_margin(box, labels.shape)
    ]
    if not whole:
        return source
    for _ in range(min(2 * len(whole), 150)):
        number, box = whole[int(rng.integers(len(whole)))]
        wide = tuple(slice(max(b.start - 3, 0), b.stop + 3) for b in box)
        turn = int(rng.integers(4))
        cell = np.rot90(source.labels[wide] == number, turn)
        alone = np.rot90((source.labels[wide] == 0) | (source.labels[wide] == number), turn)
        light = np.rot90(source.image[wide], turn)
        push_in(image, labels, cell, light * soft(cell, alone), rng)
    return Source(image, labels, measure_guides(labels))


def has_margin(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    """Whether a box keeps three pixels from the borders, the reach of its light."""
    return all(b.start > 3 and b.stop < n - 3 for b, n in zip(box, shape, strict=True))


def soft(cell: NDArray[np.bool_], alone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 in the cell, falling to 0 within about three pixels around it, 0 in its neighbours."""
    distance = ndimage.distance_transform_edt(~cell)
    return (np.clip(1 - distance / 3, 0, 1) * alone).astype(np.float32)


def push_in(
    image: NDArray[np.float32],
    labels: NDArray[np.int32],
    cell: NDArray[np.bool_],
    light: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Put a cell where little of it covers others, in place; nothing if it finds no place.

    What is covered counts by the area of the new cell: a small cell below it may vanish.
    """
    numbers = np.unique(labels[labels > 0])
    other = labels == rng.choice(numbers)
    y, x = (float(axis.mean()) for axis in np.nonzero(other))
    angle = rng.uniform(0, 2 * np.pi)
    area, most = int(cell.sum()), rng.uniform(0.02, 0.12)
    for reach in range(2, 3 * max(cell.shape)):
        top = round(y + reach * np.sin(angle) - cell.shape[0] / 2)
        left = round(x + reach * np.cos(angle) - cell.shape[1] / 2)
        place = (slice(top, top + cell.shape[0]), slice(left, left + cell.shape[1]))
        if top < 0 or left < 0 or labels[place].shape != cell.shape:
            return
        covered = cell & (labels[place] != 0)
        if covered.sum() > most * area:
            continue
        if not covered.any() or (labels[place][cell] < 0).any():
            return
        free = cell if rng.random() < 0.5 else cell & ~covered
        labels[place][free] = numbers.max() + 1
        image[place] += light
        return


def sources_of(pairs: Sequence[Pair]) -> list[Source]:
    """Read the training images; `read_pair` bends the intensities, which is undone here."""
    sources = []
    for pair in pairs:
        read = read_pair(pair, ndim=2, rule=RULE)
        linear = np.sinh(2 * read.image[0]) / 2
        sources.append(Source(linear.astype(np.float32), read.labels, measure_guides(read.labels)))
    return sources


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
    parser.add_argument("--crowds", action="store_true", help="mix in crowds made of the cells")
    parser.add_argument("--average", type=float, default=0.995)
    parser.add_argument("--deeper", action="store_true", help="a network of one more level")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    training, selection, _ = split(options.data)
    settings = run_settings(
        options.steps,
        learning_rate=options.learning_rate,
        validate_every=options.validate_every,
        average=options.average,
    )
    division = Division(training, selection)
    info = information(
        RULE,
        DECODE,
        division,
        settings=settings,
        start=options.start.name,
        depth=4 + options.deeper,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    sources = sources_of(training)
    samples = NucleiSamples(sources, settings=settings, is_second=options.second)
    if options.crowds:
        rng = np.random.default_rng(0)
        samples.crowds = [crowded(source, rng) for source in sources]
    samples.dims = options.deeper
    task = Guided(info, settings, samples, division.judged(RULE))
    start = first_weights(options.start)
    if options.deeper and not options.second:
        start = deepened(start)
    fit(task, settings, output=options.output, resume=options.resume, report=show, start=start)


if __name__ == "__main__":
    main()
