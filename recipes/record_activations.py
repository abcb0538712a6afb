"""Write into a model file how large the numbers in its network are, for 8-bit integers.

python recipes/record_activations.py MODEL [IMAGE …]

See `seamwise.segmentation.record_activations`. Without images it is the sample that ships. Compare
the scores afterwards: `python benchmarks/nuclei_scores.py DATA --model MODEL --runtime torch`, and
the same with `--runtime openvino`.
"""

import argparse
from pathlib import Path

from seamwise.io import describe_model, read_image
from seamwise.segmentation import as_channels, record_activations

SAMPLE = Path(__file__).parents[1] / "src" / "seamwise" / "samples" / "nuclei.png"


def main() -> None:
    """Read the arguments and the images, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, nargs="*", default=[SAMPLE])
    options = parser.parse_args()
    record_activations(options.model, (as_channels(read_image(path)) for path in options.images))
    print(describe_model(options.model).activations)


if __name__ == "__main__":
    main()
