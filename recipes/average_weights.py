"""Average the weights of snapshots of one run, into a model that has the description of the last.

python recipes/average_weights.py OUTPUT SNAPSHOT SNAPSHOT ...
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from seamwise.io import SegmentationInfo, load_model, save_model


def average(weights: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of each tensor; counts are those of the last."""
    means = dict(weights[-1])
    for name, last in means.items():
        if last.is_floating_point():
            means[name] = torch.stack([one[name].float() for one in weights]).mean(0)
    return means


def main() -> None:
    """Read the arguments, and write the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("snapshots", type=Path, nargs="+")
    options = parser.parse_args()
    models = [load_model(path, SegmentationInfo) for path in options.snapshots]
    weights = average([tensors for tensors, _ in models])
    save_model(options.output, weights, models[-1][1], stored_as=torch.float16)


if __name__ == "__main__":
    main()
