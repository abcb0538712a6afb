"""Make the pictures, and train the model that ships as `focus-burst`.

python recipes/focus_burst.py pictures FOLDER
    photographs that scikit-image ships (for moon and motorcycle it states no licence), and drawn
    pictures
python recipes/focus_burst.py train FOLDER -o RUN [--resume]
    2,000 steps, then again with --start RUN/model.safetensors and another folder for RUN: 1,000
    steps more, with more thin structures; 40 minutes each on a busy core
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from seamwise.engine import TrainProgress
from seamwise.fusion import (
    BurstSettings,
    BurstSimulation,
    find_pictures,
    split,
    train_burst,
)
from seamwise.io import write_photo
from seamwise.synth import drawn_picture

PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket",
)  # fmt: skip
DRAWN, SIDE = 60, 420


def pictures(folder: Path) -> None:
    """Write the pictures; every 9th by name will be for validation."""
    folder.mkdir(parents=True)
    photographs = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS}
    photographs["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    for name, pixels in photographs.items():
        write_photo(folder / f"{name}.png", np.ascontiguousarray(pixels))
    for number in range(DRAWN):
        drawn = drawn_picture((SIDE, SIDE), rng=np.random.default_rng((3, number)))
        write_photo(folder / f"drawn-{number:02}.png", np.round(255 * drawn).astype(np.uint8))


def train(folder: Path, output: Path, settings: BurstSettings, *, resume: bool) -> None:
    """Train on a folder of pictures, and print how it goes."""
    parts = split(find_pictures(folder), hold_out_every=9)
    output.mkdir(parents=True, exist_ok=True)

    def report(progress: TrainProgress) -> None:
        if progress.step % 10 == 0 or progress.scores:
            print(
                f"step {progress.step} loss {progress.loss:.2f} {progress.seconds:.0f} s "
                f"{dict(progress.scores) or ''}",
                flush=True,
            )

    train_burst(
        parts.training, parts.validation, settings, output=output, resume=resume, report=report
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["pictures", "train"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--start", type=Path, help="model of the first run")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    if given.what == "pictures":
        pictures(given.folder)
        sys.exit()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    settings = BurstSettings(
        steps=2000,
        optimizer="adamw",
        weight_decay=0.01,
        schedule="cosine",
        average=0.995,
        validate_every=100,
        stored_as="float16",
        simulation=BurstSimulation(blank=0.0, dust=0.0, trails=0.0),
    )
    if given.start:
        settings = replace(
            settings,
            start=str(given.start),
            steps=1000,
            learning_rate=1e-3,
            seed=1,
            simulation=replace(settings.simulation, surfaces=0.3, hairs=0.4),
        )
    train(given.folder, given.output, settings, resume=given.resume)
