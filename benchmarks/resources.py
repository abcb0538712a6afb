"""What changes with the resources of a run: classes and cells in other blocks.

python benchmarks/resources.py                              # 1024 × 1024 pixels, drawn
python benchmarks/resources.py --model walls-3d             # 128 × 192 × 192 voxels, drawn
python benchmarks/resources.py IMAGES --memory 900MB --workers 2

Each limit of memory is compared with a run that has all the memory it can use. Images are pooled.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seamwise.engine import Listener, Resources, StageProgress, parse_memory
from seamwise.io import describe_model, model_path, open_scratch, read_labels, write_image
from seamwise.metrics import match
from seamwise.segmentation import (
    OutputOptions,
    SegmentOptions,
    segment_volume,
    work_folder,
)
from seamwise.synth import CONFOCAL, crowded_cells, tissue

ALL = 10**12  # bytes: more than any plan takes
LIMITS = {2: ("850MB", "1GB"), 3: ("960MB", "1.3GB")}


@dataclass(frozen=True)
class Run:
    """The classes and labels of one run, and its blocks in words."""

    classes: np.ndarray
    labels: np.ndarray
    blocks: str


def run(image: Path, output: Path, options: SegmentOptions, resources: Resources) -> Run:
    """Segment an image block by block; keep the classes, which the run removes at its end."""
    classes: list[np.ndarray] = []
    lines: list[str] = []

    def report(progress: StageProgress) -> None:
        if progress.stage == "classify" and progress.done == progress.total:
            array = open_scratch(work_folder(output) / "t0" / "classes.zarr")
            classes.append(np.asarray(array[...]))

    segment_volume(
        image,
        output,
        options,
        resources,
        files=OutputOptions(overwrite=True),
        listener=Listener(lines.append, report),
    )
    return Run(classes[0], read_labels(output), lines[0].rpartition("; ")[2])


def compare(
    images: list[Path], options: SegmentOptions, limits: list[Resources], folder: Path
) -> Iterator[str]:
    """Yield a line for each limit: pixels and cells of all images that differ."""
    output = folder / "labels.ome.zarr"
    whole = [run(image, output, options, Resources(memory=ALL)) for image in images]
    yield f"{len(images)} images in {whole[0].blocks}"
    for resources in limits:
        different = pixels = missed = new = cells = 0
        blocks = set()
        for image, reference in zip(images, whole, strict=True):
            parts = run(image, output, options, resources)
            blocks.add(parts.blocks)
            different += int((parts.classes != reference.classes).sum())
            pixels += parts.classes.size
            matched = match(reference.labels, parts.labels, iou=0.9)
            missed, new, cells = missed + matched.fn, new + matched.fp, cells + matched.n_true
        yield (
            f"{resources.memory / 1e9:g} GB, {resources.workers} workers, "
            f"{' or '.join(sorted(blocks))}: "
            f"{1e6 * different / pixels:.0f} pixels of a million differ; {missed} of {cells} cells "
            f"have no match at IoU 0.9, {new} new ones"
        )


def draw(ndim: int, path: Path) -> Path:
    """Write a crowd of cells, or a tissue for a model of stacks."""
    if ndim == 2:
        image = crowded_cells((1024, 1024), cells=500, rng=1, radius=13).image
    else:
        camera = replace(CONFOCAL, spacing=(2, 1, 1))
        image = tissue((128, 192, 192), rng=1, filling=1.0, camera=camera).image
    write_image(path, image, axes="ZYX"[-ndim:])
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--model", default="nuclei-2d")
    parser.add_argument("--memory", nargs="+", help="limits such as 800MB")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    options = SegmentOptions(model=arguments.model)
    ndim = describe_model(model_path(arguments.model)).architecture.ndim
    limits = [
        Resources(memory=parse_memory(memory), workers=arguments.workers)
        for memory in arguments.memory or LIMITS[ndim]
    ]
    with tempfile.TemporaryDirectory() as name:
        images = arguments.images or [draw(ndim, Path(name) / "drawn.ome.zarr")]
        for line in compare(images, options, limits, Path(name)):
            print(line, flush=True)
