r"""Otsu's threshold and a watershed of the distances, as a peer of `segment.py`.

python watershed_peer.py IMAGES -o OUT

Writes a label image for each TIFF, and prints a line of JSON for each, as `stardist_peer.py` does.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import watershed


def cells(image: np.ndarray) -> np.ndarray:
    smooth = gaussian(image.astype(np.float32), 1)
    foreground = smooth > threshold_otsu(smooth)
    distance = gaussian(ndimage.distance_transform_edt(foreground), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=foreground.astype(np.uint8))
    markers = np.zeros(image.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=foreground)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for path in sorted(options.images.glob("*.tif")):
        begin = time.perf_counter()
        labels = cells(tifffile.imread(path))
        tifffile.imwrite(options.output / path.name, labels.astype(np.uint16), compression="zlib")
        seconds = time.perf_counter() - begin
        print(json.dumps({"name": path.name, "seconds": seconds, "network": 0}), flush=True)
