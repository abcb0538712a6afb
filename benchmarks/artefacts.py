"""What artefacts change of the cells elsewhere, and how many cells are seen in noise.

python benchmarks/artefacts.py ../shared/data/dsb2018/train [--model nuclei-2d]

Each artefact is added to the selection images of at most 400 pixels a side
(recipes/nuclei-2d-selection.txt). Cells that meet it do not count in either. The change is the
sum over the images of |count with it − count without it|, in units of all cells found without it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nuclei_scores import pairs_of
from seamwise.io import read_image, read_labels
from seamwise.labels import Labels
from seamwise.segmentation import as_channels, load, segment

LARGEST = 400
Image = NDArray[np.float64]


def contrast_of(image: Image, labels: Labels) -> tuple[float, float]:
    """Median of the background, and the cells' median above it."""
    background = float(np.median(image[labels == 0]))
    return background, float(np.median(image[labels > 0])) - background


def speck(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """A disc of 0.07 % of the pixels, 50 times as bright as the cells."""
    background, contrast = contrast_of(image, labels)
    height, width = image.shape
    y, x = np.ogrid[:height, :width]
    disc = np.hypot(y - 0.7 * height, x - 0.6 * width) <= np.sqrt(0.0007 * image.size / np.pi)
    image[disc] = background + 50 * contrast


def hot_pixels(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """100 single pixels, 50 times as bright as the cells."""
    background, contrast = contrast_of(image, labels)
    image.ravel()[rng.choice(image.size, 100, replace=False)] = background + 50 * contrast


def scale_bar(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """A bar of 60 × 5 pixels, 10 times as bright as the cells."""
    background, contrast = contrast_of(image, labels)
    image[-12:-7, -70:-10] = background + 10 * contrast


def bright_cell(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """One cell of median size, 50 times as bright as it was."""
    background, _ = contrast_of(image, labels)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    number = np.argsort(sizes)[-(np.count_nonzero(sizes) + 1) // 2]
    cell = labels == number
    image[cell] = background + 50 * (image[cell] - background)


def bright_border(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Three rows along the upper border, 10 times as bright as the cells."""
    background, contrast = contrast_of(image, labels)
    image[:3] = background + 10 * contrast


def twelve_bits(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Another unit."""
    image *= 16


def negative_offset(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Another zero."""
    image -= 1000


def overflow(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """One pixel of 1e300."""
    image[0, 0] = 1e300


ARTEFACTS: tuple[Callable[[Image, Labels, np.random.Generator], None], ...] = (
    speck,
    hot_pixels,
    scale_bar,
    bright_cell,
    bright_border,
    twelve_bits,
    negative_offset,
    overflow,
)


def noise_images(rng: np.random.Generator) -> dict[str, Any]:
    """Fields of noise, each of 256 × 256 pixels."""
    white = rng.normal(100, 5, (256, 256))
    images: dict[str, Any] = {"gaussian": white.round().astype(np.uint16)}
    for mean in (0.1, 1, 3, 100):
        images[f"poisson {mean}"] = rng.poisson(mean, (256, 256)).astype(np.uint16)
    for sigma in (0.7, 1, 2, 4, 8):
        images[f"smooth {sigma}"] = ndimage.gaussian_filter(20 * white, sigma)
    return images


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="nuclei-2d")
    options = parser.parse_args()
    model = load(options.model, device="cpu")

    def cells(image: NDArray[Any]) -> Labels:
        return segment(image, model=model, keep_probabilities=False).labels

    changes, total = dict.fromkeys((a.__name__ for a in ARTEFACTS), 0), 0
    images = 0
    for pair in pairs_of(options.folder, "selection"):
        image = as_channels(read_image(pair.images[0]))[0].astype(np.float64)
        if max(image.shape) > LARGEST:
            continue
        labels, before = read_labels(pair.labels), cells(image)
        images, total = images + 1, total + int(before.max())
        for artefact in ARTEFACTS:
            changed = image.copy()
            artefact(changed, labels, np.random.default_rng(0))
            after = cells(changed)
            # 12 bits and an offset touch every pixel
            touched = changed != image if artefact not in (twelve_bits, negative_offset) else None
            spots = np.zeros(image.shape, bool) if touched is None else touched
            near = ndimage.binary_dilation(spots, iterations=2)
            untouched = [len(np.setdiff1d(found, found[near])) for found in (before, after)]
            changes[artefact.__name__] += abs(untouched[1] - untouched[0])
    print(f"{total} cells in {images} images")
    for name, change in changes.items():
        print(f"{name:16} {100 * change / total:.1f} %")
    for name, image in noise_images(np.random.default_rng(0)).items():
        print(f"{name:16} {cells(image).max()} cells in noise")


if __name__ == "__main__":
    main()
