"""Write into a model file how large the numbers in its network are, for 8-bit integers.

python recipes/record_activations.py MODEL [IMAGE …]
python recipes/record_activations.py MODEL --drawn nuclei|walls

See `seamwise.segmentation.record_activations`. Without images it is the sample that ships, and
three drawn crowds; with `--drawn` three simulated stacks of the recipe of such a model. Compare the
scores afterwards, with `--runtime torch` and `--runtime openvino`:
`python benchmarks/nuclei_scores.py DATA --model MODEL --runtime torch`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawn_stacks import DRAWINGS
from seamwise.io import describe_model, read_image
from seamwise.segmentation import as_channels, magnified_shape, record_activations, resample
from seamwise.synth import crowded_cells

SAMPLE = Path(__file__).parents[1] / "src" / "seamwise" / "samples" / "nuclei.png"
SEEDS = range(240, 243)  # of stacks that no training and no report sees


def drawn_stack(kind: str, seed: int) -> NDArray[Any]:
    """A simulated stack `(1, Z, Y, X)` of cubic voxels."""
    drawn, step = DRAWINGS[kind](seed)
    stack = drawn.image.astype(np.float32)[np.newaxis, np.newaxis]
    return resample(stack, magnified_shape(drawn.image.shape, (step, 1, 1)))[0]


def main() -> None:
    """Read the arguments and the images, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--drawn", choices=tuple(DRAWINGS))
    options = parser.parse_args()
    if options.drawn and options.images:
        parser.error("give images or --drawn, not both")
    if options.drawn:
        images = [drawn_stack(options.drawn, seed) for seed in SEEDS]
    elif options.images:
        images = [as_channels(read_image(path)) for path in options.images]
    else:
        crowds = [crowded_cells((512, 512), cells=120, rng=number).image for number in range(3)]
        images = [as_channels(read_image(SAMPLE)), *(crowd[np.newaxis] for crowd in crowds)]
    record_activations(options.model, images)
    print(describe_model(options.model).activations)


if __name__ == "__main__":
    main()
