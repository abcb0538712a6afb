r"""Cellpose as a peer of `segment.py`; runs in an environment of its own, without seamwise.

python cellpose_peer.py train DATA -o MODELS [--minutes 10]
python cellpose_peer.py segment IMAGES -o OUT --model MODELS

`train` reads images/ and masks/ of DATA and trains the network of Cellpose 3 from random weights.
`segment` writes a label image for each TIFF, and prints a line of JSON for each: its name, the
seconds from file to file, and those of the network among them. The diameter is the mean one of the
training cells, so that nothing is estimated.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from cellpose import models, train
from cellpose.io import imread

NAME = "peer"
CHANNELS = [0, 0]  # grey, no second channel
LEAST = 256  # pixels of a side
EPOCH = 32  # images
TRIAL = 2  # epochs that tell how long one takes


def learn(data: Path, folder: Path, minutes: float) -> None:
    """Train until the time is over, as far as the first epochs tell."""
    images, masks = [], []
    for path in sorted((data / "images").iterdir()):
        image = imread(str(path))
        if image.ndim == 2 and min(image.shape) >= LEAST:
            images.append(image)
            masks.append(imread(str(data / "masks" / f"{path.stem}.tif")))
    model = models.CellposeModel(gpu=False, pretrained_model=None)
    options: dict[str, Any] = {
        "channels": CHANNELS,
        "nimg_per_epoch": EPOCH,
        "save_path": folder,
        "model_name": NAME,
    }
    until = time.monotonic() + 60 * minutes
    train.train_seg(model.net, images[:EPOCH], masks[:EPOCH], n_epochs=1, **options)
    begin = time.monotonic()  # the first epoch also warms up
    train.train_seg(model.net, images[:EPOCH], masks[:EPOCH], n_epochs=TRIAL, **options)
    pace = (time.monotonic() - begin) / TRIAL
    epochs = max(1, int((until - time.monotonic()) / pace))
    train.train_seg(model.net, images, masks, n_epochs=epochs, **options)
    print(f"{epochs + 1 + TRIAL} epochs of {EPOCH} images")


def segment(images: Path, output: Path, folder: Path) -> None:
    """Label every image, with the time of the network measured apart."""
    model = models.CellposeModel(gpu=False, pretrained_model=str(folder / "models" / NAME))
    seconds = [0.0]
    plain = model.net.forward

    def timed(*arguments: object, **options: object) -> object:
        begin = time.perf_counter()
        result = plain(*arguments, **options)
        seconds[0] += time.perf_counter() - begin
        return result

    model.net.forward = timed
    for path in sorted(images.glob("*.tif")):
        begin, seconds[0] = time.perf_counter(), 0.0
        labels, *_ = model.eval(imread(str(path)), channels=CHANNELS, diameter=model.diam_labels)
        tifffile.imwrite(output / path.name, labels.astype(np.uint16), compression="zlib")
        line = {
            "name": path.name,
            "seconds": time.perf_counter() - begin,
            "network": seconds[0],
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("act", choices=("train", "segment"))
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if options.act == "train":
        learn(options.data, options.output, options.minutes)
    else:
        segment(options.data, options.output, options.model)
