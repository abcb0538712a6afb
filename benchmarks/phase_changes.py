r"""AP of a model of phase contrast on the selection images, changed in light and sharpness.

python benchmarks/phase_changes.py ../shared/data/usiigaci/train --model phase-2d

The images are those of `phase_scores.py --images selection`; grey values are of 8 bits.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phase_scores import pairs_of
from seamwise.io import read_image, read_labels
from seamwise.metrics import match
from seamwise.segmentation import as_channels, load, segment

Grey = NDArray[np.float64]


def noisy(image: Grey) -> Grey:
    """Noise of σ = 8 grey values."""
    return image + np.random.default_rng(0).normal(0, 8, image.shape)


def sharpened(image: Grey) -> Grey:
    """Unsharp mask: 0.8 times the difference from the image blurred by σ = 8 is added."""
    return image + 0.8 * (image - ndimage.gaussian_filter(image, 8))


def sloping(image: Grey) -> Grey:
    """Slopes of 60 and 40 grey values along the axes."""
    rows, columns = (np.linspace(-0.5, 0.5, n) for n in image.shape)
    return image + 60 * rows[:, np.newaxis] + 40 * columns


CHANGES: dict[str, Callable[[Grey], Grey]] = {
    "none": lambda image: image,
    "half the contrast; another zero": lambda image: 1000 + image / 2,
    "noise of σ = 8 grey values": noisy,
    "unsharp mask (σ = 8, 0.8 times)": sharpened,
    "blur of σ = 1.5": lambda image: ndimage.gaussian_filter(image, 1.5),
    "gamma 0.6": lambda image: 255 * (image / 255) ** 0.6,
    "slopes of 60 and 40 grey values along the axes": sloping,
    "halo clipped at 150 grey values": lambda image: np.minimum(image, 150),
}


def main() -> None:
    """Read the arguments, and print a line for each change."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="phase-2d")
    options = parser.parse_args()
    model = load(options.model, device="cpu", runtime="torch")
    images: list[tuple[NDArray[Any], NDArray[np.int32]]] = [
        (
            as_channels(read_image(pair.images[0])).astype(np.float64),
            read_labels(pair.labels).astype(np.int32),
        )
        for pair in pairs_of(options.folder, "selection")
    ]
    print("| change | AP, IoU ≥ 0.5 | worst image |")
    print("|---|---|---|")
    for name, change in CHANGES.items():
        scores = [
            match(
                labels,
                segment(change(image[0]), model=model, keep_probabilities=False).labels,
            ).accuracy
            for image, labels in images
        ]
        print(f"| {name} | {np.mean(scores):.3f} | {min(scores):.3f} |", flush=True)


if __name__ == "__main__":
    main()
