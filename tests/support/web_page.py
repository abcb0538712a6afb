"""What the tests of the page share: its address, limits, drawn images and answers."""

import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
from scipy.ndimage import gaussian_filter

from seamwise.io import write_photo
from seamwise.synth import crowded_cells

PORT = 8123
TOKEN = "the-token"
ADDRESS = f"http://127.0.0.1:{PORT}/{TOKEN}/"
UPLOAD, PIXELS, PICTURES = 2**20, 1_000_000, 3
BURSTS, FRAMES = 2, 4


def drawn(seed=0):
    """A small image of touching cells, in 16 bits."""
    image = crowded_cells((96, 128), cells=12, radius=9, rng=seed).image
    return (image / image.max() * 50_000).astype(np.uint16)


def write_burst(folder, suffix=".png", shape=(96, 132)):
    """Three frames of one scene, each sharp in another third, with EXIF and a colour profile."""
    grey = gaussian_filter(np.random.default_rng(3).random(shape), 1)
    grey = (grey - grey.min()) / np.ptp(grey)
    scene = np.stack([grey, grey[::-1], 1 - grey], axis=-1)
    third = np.arange(shape[1]) * 3 // shape[1]
    exif = PIL.Image.Exif()
    exif[272] = "camera of the tests"
    icc = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    paths = [folder / f"frame{number}{suffix}" for number in (1, 2, 3)]
    for number, path in enumerate(paths):
        is_sharp = (third == number)[:, np.newaxis]
        picture = np.where(is_sharp, scene, gaussian_filter(scene, (3, 3, 0)))
        pixels = np.round(255 * picture).astype(np.uint8)
        write_photo(path, pixels, exif=exif.tobytes(), icc=icc)
    return paths


def error_of(answer, status):
    """The words of a refusal: one line, which tells no folder of this computer."""
    assert answer.status_code == status, answer.text
    words = answer.json()["error"]
    assert "\n" not in words
    assert tempfile.gettempdir() not in words
    return words


def leftovers():
    """Temporary files of the server."""
    return list(Path(tempfile.gettempdir()).glob("seamwise-*"))
