"""Random crops of stacks for `nuclei-3d` and `walls-3d`: their place, their shape, their light."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drawn_stacks import log_uniform
from seamwise.labels import IGNORE, measure_guides
from seamwise.segmentation import compress_intensities

CROP = (48, 48, 48)
BEYOND = (0.25, 8)  # a share of the crops reaches so many voxels beyond the stack


@dataclass(frozen=True, eq=False)
class Stack:
    """A training stack: linear intensities (background 0, cells about 1), and labels."""

    image: NDArray[np.float32]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Changes:
    """How far a crop is changed: factors have logarithms uniform in ± their value."""

    scale: float = 0.35
    squash: float = 0.3  # share of the crops
    contrast: float = 1.2
    gamma: float = 0.35
    blur: float = 0.25  # share of the crops
    noise: float = 0.15


STRONG, WEAK = Changes(), Changes(scale=0.25, squash=0.2, contrast=0.7, gamma=0.2, noise=0.06)


def random_matrix(changes: Changes, rng: np.random.Generator) -> NDArray[np.float64]:
    """From places in a crop to places in its stack: magnified, squashed, turned and flipped."""
    half = 1.6 * changes.scale if rng.random() < 0.2 else changes.scale
    size = np.exp(rng.uniform(-half, half, 1)) * np.exp(rng.uniform(-0.12, 0.12, 3))
    if rng.random() < changes.squash:
        size[0] *= np.exp(rng.uniform(-0.8, 0.1))  # a stack whose voxel size nobody told
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    if rng.random() < 0.15:  # any direction: shapes and sheets, though the blur is turned too
        turn = np.linalg.qr(rng.standard_normal((3, 3))).Q
    return turn @ np.diag(rng.choice([-1, 1], 3) / size)


def random_crop(
    stack: Stack, changes: Changes, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Image, labels and guides of a crop that is placed and deformed at random.

    Beyond the stack it is mirrored, as where the network pads, and the labels are ignored.
    """
    shape, crop = np.array(stack.labels.shape), np.array(CROP)
    matrix = random_matrix(changes, rng)
    reach = np.abs(matrix) @ (crop / 2)
    share, voxels = BEYOND
    if rng.random() < share:
        reach = np.maximum(reach - rng.uniform(0, voxels, 3), 0)
    middle = rng.uniform(np.minimum(shape / 2, reach), np.maximum(shape - reach, shape / 2)) - 0.5
    axes = [(np.arange(n) - (n - 1) / 2).astype(np.float32) for n in CROP]
    grid = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    where = matrix.astype(np.float32) @ grid + middle.astype(np.float32)[:, np.newaxis]
    image = ndimage.map_coordinates(stack.image, where, order=1, mode="mirror").reshape(CROP)
    places = np.rint(where).astype(np.int32)
    within = ((places >= 0) & (places < shape[:, np.newaxis])).all(0).reshape(CROP)
    cells = stack.labels[mirrored(places, shape)].reshape(CROP)
    return image, np.where(within, cells, IGNORE).astype(np.int32), crop_guides(cells)


def mirrored(places: NDArray[np.int32], shape: NDArray[Any]) -> tuple[NDArray[np.int32], ...]:
    """Places `(ndim, n)`, along each axis mirrored at the first and the last voxel."""
    periods = np.maximum(2 * (shape[:, np.newaxis] - 1), 1)  # of one voxel: itself
    places = places % periods
    return tuple(np.minimum(places, periods - places))


def crop_guides(cells: NDArray[np.int32]) -> NDArray[np.float32]:
    """Relief and offset of the labels of a crop, whose border cuts cells as that of a stack does.

    A sliver is highest at the border. What lies beyond a crop cannot be seen, so it does not
    count. Where a crop reaches beyond its stack, the mirrored labels do count.
    """
    guides = measure_guides(cells)
    cell = cells > 0
    numbers = cells[cell]
    maps = np.zeros((4, *cells.shape), np.float32)
    maps[0] = guides.relief
    away = guides.centre[numbers] - np.argwhere(cell)
    maps[1:, cell] = (away / guides.radius[numbers, np.newaxis]).T
    return maps


def empty(rng: np.random.Generator, kind: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Noise without any cell: white or smooth, on a sloping ground or not, as `kind` sees it."""
    noise = rng.standard_normal(CROP, dtype=np.float32)
    if rng.random() < 0.3:
        noise = rng.poisson(np.exp(rng.uniform(-2, 3)), CROP).astype(np.float32)
    if rng.random() < 0.6:
        noise = ndimage.gaussian_filter(noise, np.exp(rng.uniform(-0.7, 2)))
    if kind == "walls":
        low, high = np.percentile(noise, [1, 99.8])
        image = (noise - low) / (high - low)
    else:
        p5, p10, p25 = np.percentile(noise, [5, 10, 25])
        image = (noise - p10) / max(p25 - p5, 0.1 * noise.std()) / 10
    if rng.random() < 0.3:
        image = image + np.linspace(0, rng.uniform(0, 0.6), CROP[2], dtype=np.float32)
    return image.astype(np.float32), np.zeros(CROP, np.int32)


def sharpness_and_noise(
    image: NDArray[np.float32], changes: Changes, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Blur some images, more along z, and add noise, white or finely grained, to most."""
    if rng.random() < changes.blur:
        across = rng.uniform(0.3, 1.0)
        image = ndimage.gaussian_filter(image, (across * rng.uniform(1, 3.5), across, across))
    if rng.random() < 0.6:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        if rng.random() < 0.5:  # interpolation smooths noise along z
            noise = ndimage.gaussian_filter1d(noise, rng.uniform(0.3, 0.8), 0)
        strength = changes.noise * rng.random() ** 2
        bright = np.sqrt(np.abs(image) + 0.1) if rng.random() < 0.5 else np.float32(1)
        image = image + np.float32(strength) * bright * noise
    return image.astype(np.float32, copy=False)


def vary_nuclei(
    image: NDArray[np.float32], changes: Changes, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change linear intensities of nuclei, and bend them."""
    if rng.random() < 0.5:
        gamma = np.float32(np.exp(rng.uniform(-changes.gamma, changes.gamma)))
        image = np.sign(image) * np.abs(image) ** gamma
    image = image * np.float32(np.exp(rng.uniform(-changes.contrast, changes.contrast)))
    if rng.random() < 0.2:  # where haze is most of the light, nuclei are far brighter than usual
        image = image * np.float32(log_uniform(rng, 3, 30))
    if rng.random() < 0.3:  # uneven light
        slopes = [np.linspace(-1, 1, n, dtype=np.float32) * rng.normal(0, 0.3) for n in CROP]
        image = image * np.exp(sum(np.ix_(*slopes)))
    if rng.random() < 0.1:
        image = image.copy()
        places = rng.integers(image.size, size=rng.integers(1, 60))
        image.ravel()[places] = log_uniform(rng, 2, 60)
    return compress_intensities(sharpness_and_noise(image, changes, rng))


def vary_walls(
    image: NDArray[np.float32], changes: Changes, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change intensities of walls: add their glow, bend, saturate."""
    if rng.random() < 0.4:
        glow = ndimage.gaussian_filter(image, log_uniform(rng, 1.5, 6))
        image = image + np.float32(rng.uniform(0, 1.5)) * glow
        image = image / np.percentile(image, 99.8)
    if rng.random() < 0.5:
        gamma = np.float32(np.exp(2 * rng.uniform(-changes.gamma, changes.gamma)))
        image = np.sign(image) * np.abs(image) ** gamma
    image = image * np.float32(np.exp(rng.uniform(-changes.contrast, changes.contrast) / 3))
    if rng.random() < 0.3:
        image = np.minimum(image, np.float32(rng.uniform(0.5, 1)))
    return sharpness_and_noise(image, changes, rng)


VARY = {"nuclei": vary_nuclei, "walls": vary_walls}
