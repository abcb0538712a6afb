"""How often `nuclei-2d` says that an image does not fit: on images of its kind and of others.

python benchmarks/fit.py ../shared/data [--quick] [--no-report]

The share of images with a caution among the 64 nuclei images that no training saw, the same
inverted, the phase contrast images, photographs, and noise. Then the selection images
(recipes/nuclei-2d-selection.txt) as they are and magnified, at most 1024² pixels of each.
`--no-report` leaves the 64 images alone, to choose a bound.
"""

import argparse
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nuclei_scores import pairs_of
from seamwise.io import read_image
from seamwise.segmentation import SegmentOptions, load, magnified_shape, resample, segment_image

MODEL = "nuclei-2d"
SIDE = 1024
FACTORS = (0.25, 0.5, 1, 2, 4, 8)


def grey(paths: Iterable[Path], channel: int | None = None) -> Iterator[NDArray[Any]]:
    """Read the images, or one channel of them."""
    return (read_image(path, channel=channel).data for path in paths)


def noise(count: int) -> Iterator[NDArray[Any]]:
    """Gaussian noise without any cell."""
    rng = np.random.default_rng(0)
    return (rng.normal(100, 10, (256, 256)).astype(np.float32) for _ in range(count))


def magnified(image: NDArray[Any], factor: float) -> NDArray[np.float32]:
    """The middle of an image, magnified to at most `SIDE` pixels along each axis."""
    sides = [min(n, round(SIDE / factor)) for n in image.shape]
    box = tuple(
        slice((n - side) // 2, (n - side) // 2 + side)
        for n, side in zip(image.shape, sides, strict=True)
    )
    part = image[box].astype(np.float32)[np.newaxis, np.newaxis]
    return resample(part, magnified_shape(sides, (factor, factor)))[0, 0]


def main() -> None:
    """Read the arguments and print a line for each kind of image."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true", help="every eighth image")
    parser.add_argument("--no-report", action="store_true", help="without the 64 images")
    options = parser.parse_args()
    step = 8 if options.quick else 1
    nuclei = options.data / "dsb2018/train"
    report = [pair.images[0] for pair in pairs_of(nuclei, "report")][::step]
    selection = [pair.images[0] for pair in pairs_of(nuclei, "selection")][::step]
    phase = sorted((options.data / "usiigaci/train/images").glob("*.png"))
    photos = sorted((options.data / "fusion/bsds500/images/val").iterdir())[:48]
    kinds: dict[str, Iterator[NDArray[Any]]] = {}
    if not options.no_report:
        kinds["nuclei"] = grey(report)
        kinds["nuclei, inverted"] = (255 - image for image in grey(report))
    kinds |= {
        "phase contrast": grey(phase[::step]),
        "photographs": grey(photos[::step], channel=0),
        "noise": noise(16 // step),
    }
    for factor in FACTORS:
        name = f"selection, {factor:g} times as large"
        kinds[name] = map(partial(magnified, factor=factor), grey(selection))
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
