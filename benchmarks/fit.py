"""How often `nuclei-2d` says that an image does not fit: on images of its kind and of others.

python benchmarks/fit.py ../shared/data [--quick]

The share of images with a caution among the 64 nuclei images that no training saw, the same
inverted, the phase contrast images, photographs, and noise.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import read_image
from seamwise.segmentation import SegmentOptions, find_pairs, load, segment_image

MODEL = "nuclei-2d"


def grey(paths: Iterable[Path], channel: int | None = None) -> Iterator[NDArray[Any]]:
    """Read the images, or one channel of them."""
    return (read_image(path, channel=channel).data for path in paths)


def noise(count: int) -> Iterator[NDArray[Any]]:
    """Gaussian noise without any cell."""
    rng = np.random.default_rng(0)
    return (rng.normal(100, 10, (256, 256)).astype(np.float32) for _ in range(count))


def main() -> None:
    """Read the arguments and print a line for each kind of image."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true", help="every eighth image")
    options = parser.parse_args()
    step = 8 if options.quick else 1
    report = [pair.images[0] for pair in find_pairs(options.data / "dsb2018/train").validation]
    phase = sorted((options.data / "usiigaci/train/images").glob("*.png"))
    photos = sorted((options.data / "fusion/bsds500/images/val").iterdir())[:48]
    kinds = {
        "nuclei": grey(report[::step]),
        "nuclei, inverted": (255 - image for image in grey(report[::step])),
        "phase contrast": grey(phase[::step]),
        "photographs": grey(photos[::step], channel=0),
        "noise": noise(16 // step),
    }
    model = load(MODEL)
    for kind, images in kinds.items():
        cautions = [
            segment_image(image, SegmentOptions(), model=model, keep_probabilities=False).caution
            for image in images
        ]
        warned = [caution for caution in cautions if caution]
        example = f", e.g. “{warned[0]}”" if warned else ""
        print(f"{kind}: {len(warned)} of {len(cautions)}{example}", flush=True)


if __name__ == "__main__":
    main()
