"""Train a MONAI U-Net with the SAW weight map, from MONAI's dictionary transforms.

    python examples/monai_training.py --steps 40

`TargetAndWeightd` stands behind the last geometric transform. The labels were rotated with nearest
neighbours, so that they are still whole numbers, one for each cell. Needs MONAI: pip install monai.
"""

import argparse

import numpy as np
import torch

try:
    from monai.data import DataLoader, Dataset
    from monai.networks.nets import UNet
    from monai.transforms import (
        CenterSpatialCropd,
        Compose,
        EnsureChannelFirstd,
        RandFlipd,
        RandRotated,
        RandSpatialCropd,
        ScaleIntensityRanged,
    )
    from monai.utils import set_determinism
except ModuleNotFoundError:
    raise SystemExit("this example needs MONAI: pip install monai") from None

from seamwise.losses import cross_entropy
from seamwise.segmentation import TargetAndWeight, TargetAndWeightd
from seamwise.synth import Camera, crowded_cells

BATCH = 4


def main(steps=40):
    """Train; return the loss of every step."""
    set_determinism(0)
    both = ["image", "label"]
    transforms = Compose(
        [
            EnsureChannelFirstd(both, channel_dim="no_channel"),
            ScaleIntensityRanged("image", 0, 255, 0, 1),
            RandFlipd(both, prob=0.5, spatial_axis=0),
            RandRotated(both, range_x=np.pi, prob=1, mode=["bilinear", "nearest"]),
            CenterSpatialCropd(
                both, 128
            ),  # what a rotation draws in from beyond the image is cut off again
            RandSpatialCropd(both, 64, random_size=False),
            TargetAndWeightd("label", TargetAndWeight(map="saw")),
        ]
    )
    scenes = [
        crowded_cells((192, 192), cells=30, rng=seed, camera=Camera(dtype=np.uint8))
        for seed in range(8)
    ]
    data = [{"image": scene.image, "label": scene.labels} for scene in scenes]
    loader = DataLoader(Dataset(data, transforms), batch_size=BATCH, shuffle=True)

    net = UNet(spatial_dims=2, in_channels=1, out_channels=3, channels=(8, 16, 32), strides=(2, 2))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    while len(losses) < steps:
        for batch in loader:
            target, weight = batch["target"], batch["weight"]
            loss = cross_entropy(net(batch["image"]), target, weight=weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == 1 or len(losses) % 10 == 0:
                print(f"step {len(losses):4d}  loss {losses[-1]:.3f}")
            if len(losses) == steps:
                break
    print(
        f"classes {target.unique().tolist()}, "
        f"weights {weight.min():.2f} to {weight.max():.2f} in the last batch"
    )
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    main(parser.parse_args().steps)
