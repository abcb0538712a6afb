r"""StarDist as a peer of `segment.py`; runs in an environment of its own, without seamwise.

python stardist_peer.py train DATA -o MODELS [--minutes 10]
python stardist_peer.py segment IMAGES -o OUT --model MODELS

`train` reads images/ and masks/ of DATA and trains the default network of StarDist's 2D example
(32 rays, grid 2) from random weights. `segment` writes a label image for each TIFF, and prints a
line of JSON for each: its name, the seconds from file to file, and those of the network among them.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import tifffile
from csbdeep.utils import normalize
from skimage.io import imread
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D

NAME = "peer"
EPOCH = 25  # steps
CROP = 256
RNG = np.random.default_rng(0)


def train(data: Path, models: Path, minutes: float) -> None:
    """Train until the time is over, then choose the thresholds."""
    images, masks = [], []
    for path in sorted((data / "images").iterdir()):
        image = imread(path)
        if image.ndim == 2 and min(image.shape) >= CROP:
            images.append(normalize(image, 1, 99.8))
            masks.append(fill_label_holes(imread(data / "masks" / f"{path.stem}.tif")))
    config = Config2D(
        n_rays=32, grid=(2, 2), train_patch_size=(CROP, CROP), train_batch_size=4,
        train_steps_per_epoch=EPOCH, train_tensorboard=False,
    )  # fmt: skip
    model = StarDist2D(config, name=NAME, basedir=str(models))
    model.prepare_for_training()
    until = time.monotonic() + 60 * minutes

    class Clock(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.stop_training = time.monotonic() > until

    model.callbacks.append(Clock())
    validation = images[::8], masks[::8]
    for every in (images, masks):
        del every[::8]
    model.train(images, masks, validation_data=validation, augmenter=augment, epochs=10_000)
    model.optimize_thresholds(*validation)


def augment(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn and mirror at random, and change the intensities."""
    turns = RNG.integers(4)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if RNG.random() < 0.5:
        image, labels = image[::-1], labels[::-1]
    return image * RNG.uniform(0.6, 2) + RNG.uniform(-0.2, 0.2), labels


def segment(images: Path, output: Path, models: Path) -> None:
    """Label every image, with the time of the network measured apart."""
    model = StarDist2D(None, name=NAME, basedir=str(models))
    seconds = [0.0]
    plain = model.keras_model.predict

    def timed(*arguments: object, **options: object) -> object:
        begin = time.perf_counter()
        result = plain(*arguments, **options)
        seconds[0] += time.perf_counter() - begin
        return result

    model.keras_model.predict = timed
    for path in sorted(images.glob("*.tif")):
        begin, seconds[0] = time.perf_counter(), 0.0
        image = normalize(imread(path), 1, 99.8)
        labels, _ = model.predict_instances(image)
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
        train(options.data, options.output, options.minutes)
    else:
        segment(options.data, options.output, options.model)
