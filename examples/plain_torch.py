"""Train a U-Net with the W³ weight map in plain torch.

    python examples/plain_torch.py --steps 300

A crop is cut and mirrored first, and only then turned into target and weights: `TargetAndWeight`
sees the labels as the network sees the image. Swap `map="w3"` for another weight map, or the loss
for any other of `seamwise.losses`.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch

from seamwise.decode import argmax
from seamwise.losses import cross_entropy
from seamwise.metrics import match
from seamwise.nets import UNet
from seamwise.segmentation import TargetAndWeight, count_classes
from seamwise.synth import Camera, crowded_cells

CROP, BATCH = 64, 4


def scene(seed):
    """Draw an image (Y, X) in 0..1 and its labels: 0 background, 1..n cells."""
    drawn = crowded_cells((192, 192), cells=30, rng=seed, camera=Camera(dtype=np.uint8))
    return drawn.image / np.float32(255), drawn.labels


def sample(scenes, transform, rng):
    """Cut a random crop, mirror it, and only then make its target and weights."""
    image, labels = scenes[rng.integers(len(scenes))]
    y, x = rng.integers(0, np.array(labels.shape) - CROP + 1)
    image, labels = (array[y : y + CROP, x : x + CROP] for array in (image, labels))
    for axis in range(2):
        if rng.random() < 0.5:
            image, labels = np.flip(image, axis), np.flip(labels, axis)
    target, weight = transform(labels)
    return image[np.newaxis], target, weight


def main(steps=300):
    """Train, then find the cells of a new image; return the loss of every step."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    scenes = [scene(seed) for seed in range(8)]
    transform = TargetAndWeight(map="w3")
    # the balance of all images together, so that a crop without touching pixels keeps the scale of
    # the others
    transform = replace(
        transform, counts=count_classes([labels for _, labels in scenes], transform)
    )

    net = UNet(1, 3, width=8, depth=2, norm="batch")
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for step in range(1, steps + 1):
        samples = [sample(scenes, transform, rng) for _ in range(BATCH)]
        image, target, weight = (
            torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True)
        )
        loss = cross_entropy(net(image), target, weight=weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == 1 or step % 20 == 0:
            print(f"step {step:4d}  loss {loss.item():.3f}")

    image, labels = scene(seed=100)
    with torch.no_grad():
        probabilities = net.eval()(torch.from_numpy(image)[None, None]).softmax(1)[0].numpy()
    found = match(labels, argmax(probabilities, min_size=20))
    print(f"a new image: {found.tp} of {labels.max()} cells found (IoU ≥ 0.5), {found.fp} false")
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    main(parser.parse_args().steps)
