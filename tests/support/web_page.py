"""What the tests of the page share: its address, limits and a drawn image."""

import numpy as np

from seamwise.synth import crowded_cells

PORT = 8123
TOKEN = "the-token"
ADDRESS = f"http://127.0.0.1:{PORT}/{TOKEN}/"
UPLOAD, PIXELS, PICTURES = 2**20, 1_000_000, 3


def drawn(seed=0):
    """A small image of touching cells, in 16 bits."""
    image = crowded_cells((96, 128), cells=12, radius=9, rng=seed).image
    return (image / image.max() * 50_000).astype(np.uint16)
