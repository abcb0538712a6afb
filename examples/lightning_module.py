"""Train with Lightning: four classes, cross entropy with a weight map, and Youden's J.

    python examples/lightning_module.py --steps 40

The data set makes target and weights, the module calls the loss; the Trainer does not know of
either. Needs Lightning: pip install lightning.
"""

import argparse

try:
    import lightning
except ModuleNotFoundError:
    raise SystemExit("this example needs Lightning: pip install lightning") from None
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from seamwise.losses import cross_entropy_and_youden
from seamwise.nets import UNet
from seamwise.segmentation import TargetAndWeight
from seamwise.synth import Camera, crowded_cells

CROP, BATCH = 64, 4


class Crops(Dataset):
    """Random mirrored crops, one of each drawing; number n is the same in every run and worker."""

    def __init__(self, length, transform):
        self.length, self.transform = length, transform

    def __len__(self):
        return self.length

    def __getitem__(self, number):
        """Return image (1, Y, X), target (Y, X) and weight (Y, X)."""
        rng = np.random.default_rng((0, number))
        drawn = crowded_cells((CROP, CROP), cells=6, rng=rng, camera=Camera(dtype=np.uint8))
        mirror = (slice(None, None, rng.choice([-1, 1])), slice(None, None, rng.choice([-1, 1])))
        target, weight = self.transform(
            drawn.labels[mirror]
        )  # the labels that belong to the mirrored image
        image = np.ascontiguousarray(drawn.image[mirror], np.float32) / 255
        return image[np.newaxis], target, weight


class Segmentation(lightning.LightningModule):
    """A U-Net that learns background, cell, touching and gap."""

    def __init__(self):
        super().__init__()
        self.net = UNet(1, 4, width=8, depth=2, norm="batch")
        self.losses = []

    def training_step(self, batch, batch_index):
        """Weighted cross entropy plus J; 1/12 makes J the mean over the twelve pairs of classes."""
        image, target, weight = batch
        loss = cross_entropy_and_youden(self.net(image), target, weight=weight, lam=1 / 12)
        self.losses.append(loss.item())
        if batch_index == 0 or (batch_index + 1) % 10 == 0:
            print(f"step {batch_index + 1:4d}  loss {loss.item():.3f}")
        return loss

    def configure_optimizers(self):
        """AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def main(steps=40):
    """Train; return the loss of every step."""
    lightning.seed_everything(0)
    crops = Crops(
        steps * BATCH, TargetAndWeight(map="dwm", classes=4, gap_radius=4, options={"beta": 20})
    )
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Segmentation()
    trainer.fit(module, DataLoader(crops, batch_size=BATCH))
    print(f"{trainer.global_step} steps done")
    return module.losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    main(parser.parse_args().steps)
