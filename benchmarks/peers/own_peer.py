r"""The peers of `segment.py` that run in the environment of seamwise.

python own_peer.py seamwise IMAGES -o OUT
python own_peer.py watershed IMAGES -o OUT

`seamwise` is `segment_files` with its default options, `watershed` is Otsu's threshold with a
watershed of the distances. Each writes a label image for each TIFF, and prints a line of JSON for
each: its name and the seconds from file to file.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import watershed

from seamwise.segmentation import segment_files


def run_seamwise(images: Path, output: Path) -> Iterator[str]:
    """Segment a folder, and yield the names of the images as they are done."""
    for outcome in segment_files([images], output):
        assert not outcome.failed, outcome.messages
        yield outcome.path.name


def run_watershed(images: Path, output: Path) -> Iterator[str]:
    """The same with classical steps."""
    for path in sorted(images.glob("*.tif")):
        labels = flood(tifffile.imread(path))
        tifffile.imwrite(output / path.name, labels.astype(np.uint16), compression="zlib")
        yield path.name


def flood(image: np.ndarray) -> np.ndarray:
    smooth = gaussian(image.astype(np.float32), 1)
    foreground = smooth > threshold_otsu(smooth)
    distance = gaussian(ndimage.distance_transform_edt(foreground), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=foreground.astype(np.uint8))
    markers = np.zeros(image.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=foreground)


PEERS = {"seamwise": run_seamwise, "watershed": run_watershed}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    for name in PEERS[options.peer](options.images, options.output):
        print(json.dumps({"name": name, "seconds": time.perf_counter() - begin}), flush=True)
        begin = time.perf_counter()
