"""Train the network of `fusion.classical.cnn`, which decides which of two patches is sharp.

python recipes/focus_cnn.py DATA -o FILE [--steps N]

DATA is BSDS500, train and val (images/, labels/). Every 4th picture by name is kept for tests,
every 12th of the others is for validation. The method is that of Liu et al. 2017: patches of 16×16
pixels, each with a copy that a Gaussian blurs one to five times (σ = 2 pixels, cut to 7×7). The
sharp patch must have a variance above 25 (in 8-bit grey values). Two things differ. Adam with a
cosine schedule replaces stochastic gradient descent with momentum, so that a run takes minutes. And
the second order of a pair needs no pass of its own: exchanged inputs exchange the outputs, so that
both losses are equal.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import softplus

from seamwise import __version__
from seamwise.engine import choose_device, choose_precision, memory_format
from seamwise.fusion import (
    PictureSplit,
    SegmentedPicture,
    find_pictures,
    luminance,
    pictures_sha256,
    split,
)
from seamwise.io import atomic_path
from seamwise.nets import Siamese
from seamwise.pictures import as_unit

Levels = NDArray[np.uint8]  # (1 + blurs, Y, X): the picture, then ever more blurred

PATCH = Siamese.patch
VALIDATION_PAIRS = 1000  # for each number of blurs


@dataclass(frozen=True)
class Settings:
    """Everything that the training depends on, except the pictures."""

    steps: int = 900
    batch_size: int = 64  # pairs
    learning_rate: float = 3e-4
    weight_decay: float = 5e-4
    kernel: int = 7
    sigma: float = 2.0
    blurs: int = 5
    least_variance: float = 25.0
    leave_out_every: int = 4
    hold_out_every: int = 12
    seed: int = 0


def blurred(picture: SegmentedPicture, settings: Settings) -> Levels:
    """Return the grey picture, blurred 0, 1, 2 … times; ValueError if it has no useful patch."""
    levels = [luminance(as_unit(picture.read()))]
    if min(levels[0].shape) < PATCH:
        raise ValueError(
            f"{picture.image} has {levels[0].shape} pixels, a patch {PATCH} × {PATCH}: remove it"
        )
    size = (settings.kernel, settings.kernel)
    for _ in range(settings.blurs):
        again = cv2.GaussianBlur(levels[-1], size, settings.sigma, borderType=cv2.BORDER_REFLECT)
        levels.append(np.asarray(again, np.float32))
    stack = np.rint(255 * np.stack(levels)).astype(np.uint8)
    if not (variances(stack[0]) > settings.least_variance).any():
        raise ValueError(
            f"{picture.image} has no patch of {PATCH} × {PATCH} pixels with a variance above "
            f"{settings.least_variance:g}: remove it"
        )
    return stack


def variances(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the variance of each patch, by its upper left corner."""
    size, corner = (PATCH, PATCH), (0, 0)
    means = cv2.boxFilter(grey, cv2.CV_64F, size, anchor=corner)
    squares = cv2.sqrBoxFilter(grey, cv2.CV_64F, size, anchor=corner)
    return np.asarray(squares - means**2, np.float64)[: 1 - PATCH, : 1 - PATCH]


def draw(
    pictures: Sequence[Levels], level: int, least_variance: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a random patch with enough detail, sharp and blurred, rotated or mirrored."""
    while True:
        levels = pictures[int(rng.integers(len(pictures)))]
        y, x = (int(rng.integers(length - PATCH + 1)) for length in levels.shape[1:])
        pair = levels[[0, level], y : y + PATCH, x : x + PATCH]
        if pair[0].var() > least_variance:
            pair = np.rot90(pair, int(rng.integers(4)), axes=(1, 2))
            return pair if rng.random() < 0.5 else pair[..., ::-1]


def batch(
    pictures: Sequence[Levels], levels: Sequence[int], settings: Settings, rng: np.random.Generator
) -> Tensor:
    """Return sharp patches and their blurred copies, `(2, len(levels), 1, 16, 16)` in 0..1."""
    pairs = np.stack(
        [draw(pictures, level, settings.least_variance, rng) for level in levels], axis=1
    )
    return torch.from_numpy(pairs[:, :, np.newaxis] / np.float32(255))


def margin(net: Siamese, pairs: Tensor, device: torch.device) -> Tensor:
    """Return z_sharp − z_blurred of each pair."""
    sharp, copy = (part.to(device, memory_format=memory_format(2)) for part in pairs)
    with torch.autocast(
        device.type, torch.bfloat16, enabled=choose_precision(device) == torch.bfloat16
    ):
        logits: Tensor = net(sharp, copy)
    return (logits[:, 0] - logits[:, 1]).float().flatten()


def train(pictures: Sequence[Levels], settings: Settings, device: torch.device) -> Siamese:
    """Return the network after all steps; cross entropy of the right order of each pair."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    net: Siamese = Siamese().to(device=device, memory_format=memory_format(2))  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    for step in range(1, settings.steps + 1):
        levels = rng.integers(1, settings.blurs + 1, settings.batch_size).tolist()
        loss = softplus(-margin(net, batch(pictures, levels, settings, rng), device)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step} of {settings.steps}: loss {loss.item():.4f}", flush=True)
    return net


@torch.inference_mode()
def accuracy(
    net: Siamese, pictures: Sequence[Levels], settings: Settings, device: torch.device
) -> dict[str, float]:
    """Return for each number of blurs in what share of the pairs the sharp patch wins."""
    rng = np.random.default_rng(settings.seed)
    right = {}
    for level in range(1, settings.blurs + 1):
        pairs = batch(pictures, [level] * VALIDATION_PAIRS, settings, rng)
        right[str(level)] = (margin(net, pairs, device) > 0).float().mean().item()
    return right


def main(data: Path, output: Path, settings: Settings) -> None:
    """Train, validate and write one file: the weights in float16, and a description."""
    device = choose_device()
    pictures = find_pictures(data)
    parts = split(
        pictures, hold_out_every=settings.hold_out_every, leave_out_every=settings.leave_out_every
    )
    if not parts.training:
        raise ValueError(
            f"{data} must hold at least 3 pictures, for training, validation and tests, "
            f"not {len(pictures)}: add some"
        )
    training = [blurred(picture, settings) for picture in parts.training]
    validation = [blurred(picture, settings) for picture in parts.validation]
    sha256 = pictures_sha256([*parts.training, *parts.validation])
    # opened before the training, so that a missing or read-only folder shows at once
    with atomic_path(output) as temporary:
        start = time.perf_counter()
        # validated with weights that are rounded like those of the file
        net = train(training, settings, device).half().float()
        seconds = time.perf_counter() - start
        right = accuracy(net, validation, settings, device)
        print(
            f"{seconds:.0f} s; share right on {len(validation)} validation pictures, "
            f"by number of blurs: {right}",
            flush=True,
        )
        description = describe(parts, sha256, settings, device, right)
        weights = {
            name: tensor.half().cpu().contiguous() for name, tensor in net.state_dict().items()
        }
        temporary.write_bytes(save(weights, metadata={"description": json.dumps(description)}))


def describe(
    parts: PictureSplit,
    sha256: str,
    settings: Settings,
    device: torch.device,
    right: dict[str, float],
) -> dict[str, Any]:
    """Return the origin of the weights, for the file's metadata."""
    return {
        "network": "seamwise.nets.Siamese",
        "data": "BSDS500 train and val (non-commercial research and education)",
        "images": [picture.name for picture in parts.training],
        "validation_images": [picture.name for picture in parts.validation],
        "data_sha256": sha256,
        "settings": asdict(settings),
        "validation_accuracy": right,
        "device": device.type,
        "precision": str(choose_precision(device)).removeprefix("torch."),
        "versions": {
            "seamwise": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    options = parser.parse_args()
    main(options.data, options.output, Settings(steps=options.steps))
