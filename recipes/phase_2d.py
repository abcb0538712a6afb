r"""Train the model that ships as `phase-2d`: whole cells in phase contrast.

python recipes/phase_2d.py DATA -o runs/look --start nuclei-2d --leave-out small --steps 700
python recipes/phase_2d.py DATA -o runs/all --start runs/look/snapshot-700.safetensors
python recipes/phase_2d.py DATA -o runs/fine --start runs/all/snapshot-1500.safetensors \
    --zoom 0.65 --second --steps 2500 --learning-rate 6e-4 --validate-every 500
python recipes/average_weights.py phase-2d.safetensors runs/fine/snapshot-*00.safetensors

The average is of the snapshots from step 1,500 on. Resume an interrupted run with --resume.
DATA holds images/ and masks/: the training images of Usiigaci (Tsai et al. 2019). The images have
two looks, with large and with small cells.
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
    first_weights,
    information,
    random_crop,
    random_noise,
    run_settings,
    show,
)
from seamwise.engine import fit
from seamwise.io import DecodeRule, NormalizationRule, ReliefPair, SegmentationInfo, model_path
from seamwise.labels import Labels, connected_components, measure_guides, relabel
from seamwise.segmentation import (
    AnnotatedImage,
    Pair,
    cell_diameters,
    compress_intensities,
    find_pairs,
    magnified_shape,
    read_pair,
    resample,
)

RULE = NormalizationRule(kind="deviation")
DECODE = DecodeRule(
    rule="relief",
    relief=ReliefPair(foreground=0.5, core=0.25, peak=0.45, saddle=0.9),
    min_size=42,
    min_core=25,
    gap="background",
)
LARGE = (*range(1, 13), 17, 18, *range(21, 30))  # images of large flat cells with a faint halo
SELECTION = ("usi20", "usi34", "usi39", "usi44")  # small cells; two have walls or a dense crowd
CRUMB = 100  # pixels; smaller pieces of a label that has a larger one are slips of the pen
# median radius in pixels of the image; the two looks have 19 to 23 and 29 to 37
SMALL = 28.0
EMPTY = 0.02  # of the crops


@dataclass(frozen=True)
class Changes(Geometry):
    """How far a crop is changed: factors have logarithms uniform in ± their value."""

    contrast: float
    balance: float  # of what is brighter than the background against what is darker
    halo: float  # times the difference from a blurred image is added
    ground: float  # of the background, in units of the contrast
    blur: float  # share of crops
    noise: float
    specks: float  # share of crops


STRONG = Changes(
    scale=0.4, warp=2.0, contrast=0.8, balance=0.5, halo=1.0, ground=0.4, blur=0.35, noise=0.12,
    specks=0.1,
)  # fmt: skip
MILD = Changes(
    scale=0.35, warp=1.0, contrast=0.6, balance=0.4, halo=0.8, ground=0.3, blur=0.25, noise=0.08,
    specks=0.06,
)  # fmt: skip
WEAK = Changes(
    scale=0.25, warp=0.0, contrast=0.4, balance=0.25, halo=0.5, ground=0.15, blur=0.15, noise=0.05,
    specks=0.04,
)  # fmt: skip


class PhaseSamples(Samples):
    """Samples of phase contrast; a few of them are empty."""

    levels = (STRONG, MILD, WEAK)
    zoom = 0.5

    def changes(self, step: int) -> Geometry:
        """How far samples of a step are changed; in a second run never weakly."""
        if self.is_second:
            return STRONG if 2 * step < self.settings.steps else MILD
        return super().changes(step)

    def choose(self, step: int, rng: np.random.Generator) -> Source:
        """Training image: mostly of the small cells, which are learned later.

        In a first run this begins with the last third.
        """
        is_early = not self.is_second and 3 * step < 2 * self.settings.steps
        if is_early or rng.random() < 0.5:
            return super().choose(step, rng)
        limit = SMALL * self.zoom
        small = [source for source in self.sources if median_radius(source) < limit]
        return small[int(rng.integers(len(small)))] if small else super().choose(step, rng)

    def draw(self, source: Source, changes: Changes, rng: np.random.Generator) -> Crop:
        """Image as the network takes it, labels and guides of a random crop."""
        if rng.random() < EMPTY:
            noise = random_noise(rng)
            noise = (noise - np.median(noise)) / max(10 * noise.std(), 1e-6)
            labels, guides = np.zeros((CROP, CROP), np.int32), np.zeros((3, CROP, CROP), np.float32)
            return compress_intensities(lit(noise, changes.ground, rng)), labels, guides
        image, labels, guides = random_crop(source, changes, rng)
        return compress_intensities(vary(image, changes, rng)), labels, guides


def median_radius(source: Source) -> float:
    """Median radius of the cells, in pixels of the network."""
    return float(np.median(source.guides.radius[1:]))


def vary(
    image: NDArray[np.float32], changes: Changes, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change halo, contrast, light, sharpness and noise of a crop, and scatter specks."""
    if rng.random() < 0.6:
        smooth = ndimage.gaussian_filter(image, np.exp(rng.uniform(np.log(1.5), np.log(16))))
        image = image + np.float32(changes.halo * rng.uniform(-0.6, 1)) * (image - smooth)
    balance = np.exp(rng.uniform(-changes.balance, changes.balance, 2) / 2).astype(np.float32)
    contrast = np.float32(np.exp(rng.uniform(-changes.contrast, changes.contrast)))
    image = image * np.where(image > 0, balance[0], balance[1]) * contrast
    image = lit(image, changes.ground, rng)
    if rng.random() < changes.blur:
        image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.6))
    if rng.random() < 0.6:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        if rng.random() < 0.3:
            noise = ndimage.gaussian_filter(noise, 1.0) * np.float32(3.5)
        image = image + np.float32(changes.noise * rng.random() ** 2) * noise
    if rng.random() < changes.specks:
        image = specked(image, rng)
    return image.astype(np.float32, copy=False)


def lit(image: NDArray[np.float32], ground: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add uneven light: a smooth field, and a constant."""
    if rng.random() < 0.5:
        coarse = rng.normal(0, ground * rng.random(), (5, 5))
        image = image + ndimage.zoom(coarse, CROP / 5, order=2).astype(np.float32)
    return image + np.float32(rng.normal(0, ground / 3))


def specked(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Add up to 30 small dark or bright specks: dirt, not cells."""
    rows, columns = np.ogrid[:CROP, :CROP]
    image = image.copy()
    for _ in range(rng.integers(1, 30)):
        (y, x), radius = rng.integers(CROP, size=2), np.exp(rng.uniform(0, 1.3))
        speck = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / radius**2)
        image += np.float32(rng.uniform(-2, 2)) * speck.astype(np.float32)
    return image


def without_crumbs(labels: Labels) -> Labels:
    """Give crumbs to what is next to them, and number the other pieces of each label."""
    pieces = connected_components(labels).astype(np.int32)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), np.int64)
    owner[pieces.ravel()] = labels.ravel()
    largest = np.zeros(int(labels.max()) + 1, np.int64)
    np.maximum.at(largest, owner, sizes)
    crumb = (sizes < CRUMB) & (sizes < largest[owner])
    crumb[0] = False
    nearest = ndimage.distance_transform_edt(
        crumb[pieces], return_distances=False, return_indices=True
    )
    return relabel(pieces[tuple(nearest)]).astype(np.int32)


def source_of(read: AnnotatedImage, zoom: float) -> Source:
    """Training image as the network sees it; `read_pair` bends the intensities: undone here."""
    linear = np.sinh(2 * read.image[np.newaxis]) / 2
    shape = magnified_shape(read.labels.shape, (zoom, zoom))
    image = resample(linear, shape)[0, 0]
    labels = without_crumbs(read.labels)
    rows, columns = (
        ((np.arange(n) + 0.5) * old / n).astype(int)
        for n, old in zip(shape, labels.shape, strict=True)
    )
    labels = relabel(labels[np.ix_(rows, columns)]).astype(np.int32)
    return Source(image, labels, measure_guides(labels))


def split(pairs: Sequence[Pair], leave_out: str) -> tuple[list[Pair], list[Pair]]:
    """Pairs for training and for validation: of one look, or those of `SELECTION`."""
    large = {f"usi{number:02}" for number in LARGE}
    small = {pair.name for pair in pairs} - large
    left = {"large": large, "small": small, "selection": set(SELECTION)}[leave_out]
    training = [pair for pair in pairs if pair.name not in left]
    validation = [pair for pair in pairs if pair.name in left]
    return training, validation if leave_out == "selection" else validation[::4]


def main() -> None:
    """Read the arguments, train, and write the model to the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", default="none")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--validate-every", type=int, default=250)
    parser.add_argument("--leave-out", choices=("selection", "large", "small"), default="selection")
    parser.add_argument("--zoom", type=float, default=0.5)
    parser.add_argument("--second", action="store_true")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    folder = find_pairs(options.data)
    pairs = sorted((*folder.training, *folder.validation), key=lambda pair: pair.name)
    division = Division(*split(pairs, options.leave_out))
    settings = run_settings(
        options.steps,
        learning_rate=options.learning_rate,
        validate_every=options.validate_every,
    )
    sources = [
        source_of(read_pair(pair, ndim=2, rule=RULE), options.zoom) for pair in division.training
    ]
    areas = np.concatenate([np.bincount(source.labels.ravel())[1:] for source in sources])
    info = information(
        RULE,
        DECODE,
        division,
        settings=settings,
        start=Path(options.start).name,
        zoom=options.zoom,
        diameters=cell_diameters(areas[areas > 0], 2),
    )
    options.output.mkdir(parents=True, exist_ok=True)
    samples = PhaseSamples(sources, settings=settings, is_second=options.second)
    samples.zoom = options.zoom
    task = Guided(info, settings, samples, division.judged(RULE))
    start = None
    if options.start != "none" and not options.resume:
        start = first_weights(model_path(options.start, SegmentationInfo))
    fit(task, settings, output=options.output, resume=options.resume, report=show, start=start)


if __name__ == "__main__":
    main()
