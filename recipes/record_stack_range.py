r"""Write into the file of a model for stacks what it knows: `seamwise.segmentation.record_range`.

python recipes/record_stack_range.py nuclei MODEL \
    --real STACK.tif MASK.tif 0.284,0.127,0.127 [--seeds 216-231] [--least 0.65]

It takes the real stacks and simulated ones that no training saw. A stack counts if the model finds
at least half of its cells at IoU 0.5 (or another share, `--least`): of the others it knows too
little to tell what is usual.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from drawn_stacks import DRAWINGS
from seamwise.io import describe_model, read_image, read_labels
from seamwise.metrics import match
from seamwise.segmentation import (
    AnnotatedImage,
    Model,
    load,
    normalization,
    record_range,
    segment_normalized,
)


def real_stacks(paths: list[list[str]]) -> Iterator[AnnotatedImage]:
    """Stacks from files."""
    for image, mask, spacing in paths:
        size = tuple(float(part) for part in spacing.split(","))
        stack = read_image(Path(image)).data[np.newaxis]
        yield AnnotatedImage(Path(image).name, stack, read_labels(Path(mask)), spacing=size)


def simulated_stacks(kind: str, seeds: str) -> Iterator[AnnotatedImage]:
    """Simulated stacks, from one seed to another."""
    first, last = map(int, seeds.split("-"))
    for seed in range(first, last + 1):
        drawn, step = DRAWINGS[kind](seed)
        image = drawn.image[np.newaxis]
        yield AnnotatedImage(f"{kind} {seed}", image, drawn.labels, spacing=(step, 1.0, 1.0))


def normalized(stack: AnnotatedImage, model: Model) -> AnnotatedImage:
    """A stack as the model takes it, with signed labels."""
    image = normalization(stack.image, model.info.normalization)(stack.image)
    return replace(stack, image=image, labels=stack.labels.astype(np.int32))


def share_found(stack: AnnotatedImage, model: Model) -> float:
    """Share of the cells of a normalised stack that the model finds."""
    labels = segment_normalized(stack.image, model, spacing=stack.spacing)
    return match(stack.labels, labels).recall


def main() -> None:
    """Read the arguments and the stacks, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=tuple(DRAWINGS))
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--real", nargs=3, action="append", default=[], metavar=("STACK", "MASK", "Z,Y,X")
    )
    parser.add_argument("--seeds", default="216-231", help="of simulated stacks")
    parser.add_argument("--least", type=float, default=0.5, help="share of cells to find")
    options = parser.parse_args()
    model = load(options.model, device="cpu", runtime="torch")
    known = []
    for stack in (*real_stacks(options.real), *simulated_stacks(options.kind, options.seeds)):
        one = normalized(stack, model)
        share = share_found(one, model)
        print(f"{one.name}: {share:.2f} of {len(np.unique(one.labels)) - 1} cells", flush=True)
        known += [one] if share >= options.least else []
    record_range(options.model, known)
    info = describe_model(options.model)
    print(f"{len(known)} stacks: diameters {info.diameters}, {info.fit}")


if __name__ == "__main__":
    main()
