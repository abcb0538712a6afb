"""The one sample that all figures of the gallery share: touching cells, two of them concave."""

import numpy as np
from scipy import ndimage

SHAPE = (96, 144)
ROW = (
    47  # the row along which every map is cut: background, notch, narrow passage, contours, a seam
)

# row, column, half axes (along the row's direction last), angle in degrees
_CELLS = [
    (29, 92, 14, 19, -20),
    (54, 78, 16, 17, 10),
    (54, 105, 17, 13, 0),
    (76, 94, 11, 22, 5),
    (24, 124, 9, 11, 40),
    (82, 134, 8, 12, 30),
]


def labels():
    """Instance labels (Y, X): a horseshoe in a crescent, and ellipses; 0 background."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    # how far from the middle of each cell, 1 on its border; a pixel belongs to the nearest
    depths = [_ellipse(y, x, *cell) for cell in _CELLS]
    depths.append(_arc(y, x, centre=(47, 33), radius=17, width=7.5, opening=(-20, 70)))
    depths.append(_arc(y, x, centre=(62, 34), radius=26.3, width=5, opening=(-200, 20)))
    nearest = np.argmin(depths, axis=0)
    return np.where(np.min(depths, axis=0) < 1, nearest + 1, 0)


def image():
    """Fluorescence image (Y, X) of the cells, 0..1, with dim seams and noise."""
    rng = np.random.default_rng(0)
    cells = labels()
    brightness = np.concatenate([[0.0], rng.uniform(0.55, 1.0, cells.max())])
    seam = (ndimage.maximum_filter(cells, 3) != cells) & (cells > 0)
    light = brightness[cells] * np.where(seam, 0.25, 1)
    light = ndimage.gaussian_filter(light, 1.0) + 0.04
    return np.clip(0.85 * light + 0.025 * rng.standard_normal(SHAPE), 0, 1).astype(np.float32)


def _ellipse(y, x, row, column, high, wide, angle):
    turn = np.deg2rad(angle)
    along = np.cos(turn) * (x - column) + np.sin(turn) * (y - row)
    across = np.cos(turn) * (y - row) - np.sin(turn) * (x - column)
    return np.hypot(across / high, along / wide)


def _arc(y, x, *, centre, radius, width, opening):
    """A ring of a half width, open at the angles `opening` (degrees, clockwise from the right)."""
    row, column = centre
    angle = np.rad2deg(np.arctan2(y - row, x - column))
    first, last = opening
    inside = (angle - first) % 360 < (last - first) % 360
    ends = np.deg2rad([first, last])
    to_end = np.min(
        [
            np.hypot(y - row - radius * np.sin(end), x - column - radius * np.cos(end))
            for end in ends
        ],
        axis=0,
    )
    return np.where(inside, to_end, np.abs(np.hypot(y - row, x - column) - radius)) / width
