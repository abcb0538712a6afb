"""A stack as a whole or slice by slice: `walls-3d` against a 2D network on stitched slices.

python recipes/tissue_stacks.py ../shared/data/gonuclear3d/train -o runs/tissue-data
python benchmarks/stitching.py runs/tissue-data -o runs/slices [--model MODEL.safetensors …]

trains the 2D network (`recipes/walls-slices.toml`; resumes where it was stopped) and scores both
on the test stacks, next to the true slices, stitched.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from seamwise.io import read_image, read_labels, write_labels
from seamwise.metrics import match_dataset
from seamwise.segmentation import SegmentOptions, load, segment, segment_slices, stitch

RECIPE = Path(__file__).parent.parent / "recipes" / "walls-slices.toml"
EVERY = {"train": 2, "val": 8}  # neighbouring slices are nearly alike


def write_slices(data: Path, output: Path) -> None:
    """Write slices of the training and validation stacks as images and masks of their own."""
    import tifffile

    for part, every in EVERY.items():
        for kind in ("images", "masks"):
            (output / part / kind).mkdir(parents=True, exist_ok=True)
        for path in sorted((data / part / "images").glob("*.tif")):
            image, labels = read_image(path).data, read_labels(data / part / "masks" / path.name)
            for z in range(0, len(image), every):
                name = f"{path.stem}-{z:03d}.tif"
                tifffile.imwrite(
                    output / part / "images" / name, image[z], photometric="minisblack"
                )
                write_labels(output / part / "masks" / name, labels[z])


def trained(slices: Path, output: Path) -> Path:
    """Train the 2D network, or resume it, and return its file."""
    model = output / "model.safetensors"
    resume = ["--resume"] if (output / "checkpoint.pt").exists() else []
    command = [
        sys.executable,
        "-m",
        "seamwise",
        "train",
        slices,
        "--settings",
        RECIPE,
        "-o",
        output,
        *resume,
    ]
    subprocess.run([str(part) for part in command], check=True)
    return model


def score(name: str, stacks: list[tuple[np.ndarray, np.ndarray]], cells) -> None:
    """Print the scores of one way to segment all stacks."""
    begin = time.perf_counter()
    pairs = [(labels, cells(image)) for image, labels in stacks]
    seconds = (time.perf_counter() - begin) / sum(image.size for image, _ in stacks) * 1e6
    scores = match_dataset(pairs, ious=(0.5,))
    pooled, mean = scores.pooled[0], scores.mean[0]
    print(
        f"{name:34s} pooled RQ {pooled.recognition_quality:.3f} "
        f"SQ {pooled.segmentation_quality:.3f} PQ {pooled.panoptic_quality:.3f}; "
        f"mean of stacks PQ {mean.panoptic_quality:.3f}, AP {mean.accuracy:.3f}; "
        f"{pooled.tp} right, {pooled.fp} false, {pooled.fn} missed; {seconds:.2f} s a megavoxel"
    )


def main() -> None:
    """Train, then compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", nargs="*", default=["walls-3d"], help="models for stacks")
    parser.add_argument("--part", default="test", choices=["test", "unseen", "val"])
    parser.add_argument("--no-slices", action="store_true", help="only the models for stacks")
    given = parser.parse_args()
    files = sorted((given.data / given.part / "images").glob("*.tif"))
    stacks = [
        (read_image(path).data, read_labels(given.data / given.part / "masks" / path.name))
        for path in files
    ]
    for name in given.model:
        model = load(name)
        score(
            name,
            stacks,
            lambda image, model=model: segment(image, model=model, keep_probabilities=False).labels,
        )
    if given.no_slices:
        return
    write_slices(given.data, given.output / "data")
    (given.output / "run").mkdir(parents=True, exist_ok=True)
    plane = load(trained(given.output / "data", given.output / "run"))
    for iou in (0.1, 0.25, 0.5):
        score(
            f"2D, stitched at IoU {iou}",
            stacks,
            lambda image, iou=iou: (
                segment_slices(
                    image, SegmentOptions(mode="2d-stitch", stitch_iou=iou), model=plane
                ).labels
            ),
        )
        truth = [(labels, labels) for _, labels in stacks]
        score(
            f"true slices, stitched at IoU {iou}",
            truth,
            lambda labels, iou=iou: stitch(labels.clip(0), iou=iou),
        )


if __name__ == "__main__":
    main()
