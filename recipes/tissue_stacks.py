"""The stacks for training and judging the shipped model `walls-3d`: synthetic and one real one.

python recipes/tissue_stacks.py ../shared/data/gonuclear3d/train -o runs/tissue-data

writes train/ (synthetic stacks, and the upper three quarters of the real one), val/ (synthetic
stacks, and the rest of the real one), test/ (synthetic stacks that no run has seen) and unseen/
(more of these, drawn after the training), each with images/ and masks/. If less than SLIVER voxels
of a cell are within a stack, the mask ignores them: nobody could distinguish such a sliver from a
wall.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from seamwise.io import read_image, read_spaced_labels, write_labels
from seamwise.labels import relabel
from seamwise.synth import CONFOCAL, SyntheticImage, tissue

SHAPE = (64, 128, 128)
SPACING = (2.0, 1.0, 1.0)
REAL_SPACING = (0.284, 0.127, 0.127)  # micrometres, where the files do not say
COPIES = 4  # of the real stack, so that one crop in 25 is of it
SLIVER = 100  # voxels; an average cell has more than thirty times as many
SEEDS = {
    "train": range(96),
    "val": range(100, 104),
    "test": range(200, 208),
    "unseen": range(300, 308),
}


def draw(seed: int) -> SyntheticImage:
    """Return a stack with random cells, walls, depth and noise, as in confocal stacks."""
    rng = np.random.default_rng(seed)
    return tissue(
        SHAPE,
        rng=rng,
        cell_size=float(rng.uniform(18, 32)),
        filling=float(rng.choice([0.5, 0.8, 1.0])),
        gaps=float(rng.choice([0.0, 0.03])),
        wall=float(rng.uniform(0.8, 1.6)),
        faint=float(rng.uniform(0.4, 0.8)),
        cytoplasm=float(rng.uniform(0.02, 0.15)),
        attenuation=float(rng.uniform(100, 400)),
        camera=replace(
            CONFOCAL,
            spacing=SPACING,
            photons=float(np.exp(rng.uniform(np.log(25), np.log(200)))),
        ),
    )


def without_slivers(labels: np.ndarray) -> np.ndarray:
    """Number the cells 1..n; a cell at the border becomes −1 if it has less than SLIVER voxels."""
    inner = np.zeros(labels.shape, bool)
    inner[(slice(1, -1),) * labels.ndim] = True
    at_border = np.bincount(labels[~inner], minlength=labels.max() + 1) > 0
    sliver = at_border & (np.bincount(labels.ravel()) < SLIVER)
    sliver[0] = False
    return relabel(np.where(sliver[labels], -1, labels.astype(np.int64)))


def write(
    folder: Path, name: str, image: np.ndarray, labels: np.ndarray, spacing: tuple[float, ...]
) -> None:
    """Write a stack and its labels, each with its voxel size."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    z, y, x = spacing
    tifffile.imwrite(
        folder / "images" / f"{name}.tif",
        image,
        imagej=True,
        compression="zlib",
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZYX", "spacing": z, "unit": "um"},
    )
    write_labels(folder / "masks" / f"{name}.tif", without_slivers(labels), spacing=spacing)


def main() -> None:
    """Write all stacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="folder with images/ and masks/ of real stacks")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    for part, seeds in SEEDS.items():
        for seed in seeds:
            stack = draw(seed)
            write(options.output / part, f"tissue-{seed}", stack.image, stack.labels, SPACING)
    for path in sorted((options.real / "images").glob("*.tif")):
        image = read_image(path)
        labels, _ = read_spaced_labels(options.real / "masks" / path.name)
        cut = len(labels) * 3 // 4
        parts = [("train", f"{path.stem}-{copy}", slice(cut)) for copy in range(COPIES)]
        for part, name, planes in (*parts, ("val", path.stem, slice(cut, None))):
            write(
                options.output / part,
                name,
                image.data[planes],
                labels[planes],
                image.spacing or REAL_SPACING,
            )


if __name__ == "__main__":
    main()
