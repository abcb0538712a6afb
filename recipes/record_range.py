"""Write into the file of a trained model what it knows: `seamwise.segmentation.record`.

python recipes/record_range.py MODEL DATA

DATA holds images/ and masks/. Those that the model's file names as its training or validation
images are read.
"""

import argparse
from pathlib import Path

from seamwise.io import describe_model
from seamwise.segmentation import find_pairs, read_pair, record_range


def main() -> None:
    """Read the arguments and the images, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    info = describe_model(options.model)
    names = {*info.training["images"], *info.training.get("validation_images", ())}
    pairs = find_pairs(options.data)
    known = [pair for pair in (*pairs.training, *pairs.validation) if pair.name in names]
    ndim, rule = info.architecture.ndim, info.normalization
    record_range(options.model, (read_pair(pair, ndim=ndim, rule=rule) for pair in known))
    info = describe_model(options.model)
    print(f"{len(known)} images: diameters {info.diameters}, {info.fit}")


if __name__ == "__main__":
    main()
