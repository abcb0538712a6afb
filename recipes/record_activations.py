"""Write into a model file how large the numbers in its network are, for 8-bit integers.

python recipes/record_activations.py MODEL [IMAGE …]

See `seamwise.segmentation.record_activations`. Without images it is the sample that ships, and
three drawn crowds. Compare the scores afterwards, with `--runtime torch` and `--runtime openvino`:
`python benchmarks/nuclei_scores.py DATA --model MODEL --runtime torch`.
"""

import argparse
from pathlib import Path

import numpy as np

from seamwise.io import describe_model, read_image
from seamwise.segmentation import as_channels, record_activations
from seamwise.synth import crowded_cells

SAMPLE = Path(__file__).parents[1] / "src" / "seamwise" / "samples" / "nuclei.png"


def main() -> None:
    """Read the arguments and the images, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    options = parser.parse_args()
    images = [as_channels(read_image(path)) for path in options.images or [SAMPLE]]
    if not options.images:
        crowds = [crowded_cells((512, 512), cells=120, rng=number).image for number in range(3)]
        images += [crowd[np.newaxis] for crowd in crowds]
    record_activations(options.model, images)
    print(describe_model(options.model).activations)


if __name__ == "__main__":
    main()
