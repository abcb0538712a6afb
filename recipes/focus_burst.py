"""Make the pictures, and train the model that ships as `focus-burst`.

python recipes/focus_burst.py pictures FOLDER
    photographs that scikit-image ships and whose licence it states, and drawn pictures
python recipes/focus_burst.py train FOLDER -o RUN [--resume]
    2,000 steps
python recipes/focus_burst.py train FOLDER -o RUN2 --start RUN/model.safetensors --run 2 [--resume]
    400 steps more, with more thin structures; so do runs 3 and 4, each from the one before
"""

import argparse
import sys
from pathlib import Path
from typing import Any

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
    "hubble_deep_field", "immunohistochemistry", "retina", "rocket",
)  # fmt: skip
DRAWN, SIDE = 60, 420
# what changes from run to run, beginning with the first
RUNS: tuple[tuple[dict[str, Any], BurstSimulation], ...] = (
    ({"steps": 2000}, BurstSimulation(surfaces=0.35, hairs=0.36)),
    (
        {"steps": 400, "learning_rate": 1e-3, "seed": 1},
        BurstSimulation(frames=(2, 16), surfaces=0.2, hairs=0.55),
    ),
    (
        {"steps": 300, "learning_rate": 1e-3, "seed": 2},
        BurstSimulation(frames=(2, 16), surfaces=0.1, hairs=0.75),
    ),
    (
        {"steps": 800, "learning_rate": 8e-4, "seed": 4},
        BurstSimulation(surfaces=0.2, hairs=0.5),
    ),
)


def pictures(folder: Path) -> None:
    """Write the pictures; every 9th by name will be for validation."""
    folder.mkdir(parents=True)
    photographs = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS}
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
    parser.add_argument("--start", type=Path, help="model of the run before")
    parser.add_argument("--run", type=int, default=1, choices=range(1, len(RUNS) + 1))
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    if given.what == "pictures":
        pictures(given.folder)
        sys.exit()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    changes, simulation = RUNS[given.run - 1]
    settings = BurstSettings(
        optimizer="adamw",
        weight_decay=0.01,
        schedule="cosine",
        average=0.995,
        validate_every=100,
        stored_as="float16",
        start=None if given.start is None else str(given.start),
        simulation=simulation,
        **changes,
    )
    train(given.folder, given.output, settings, resume=given.resume)
