"""Random crops of a training image, a pure function of image and generator; see `random_crop`."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from scipy import ndimage

from seamwise.labels import IGNORE, TOUCHING, Guides, Labels, Target
from seamwise.labels.spacing import checked_spacing, window_reach

_MEDIAN_RADIUS = 3
_WARP_GRID = 32  # pixels of the finest axis between the nodes of the displacement grid


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Augmentation:
    """Random changes of a training crop; 0 or False turns one off.

    Attributes
    ----------
    rotate : float
        Largest rotation in degrees, in the plane of the last two axes. If their spacings differ,
        true lengths are rotated.
    mirror : bool
        Each axis is mirrored with probability 1/2.
    scale : float
        The crop is magnified by a factor whose logarithm is uniform in ±log(1 + scale), the same
        along all axes.
    warp : float
        Standard deviation of a smooth random displacement, in pixels of the finest axis. An axis of
        a single pixel has no displacement.
    gamma : float
        Intensities are raised to a power whose logarithm is uniform in ±log(1 + gamma).
    brightness : float
        Intensities are multiplied by a factor whose logarithm is uniform in ±log(1 + brightness).
    noise : float
        Largest standard deviation of added Gaussian noise, in units of the normalised image.
    touching_contrast : float
        Largest |a| of the touching contrast modulation (see `modulate_touching`).
    """

    rotate: Annotated[float, Field(ge=0, le=180)] = 180.0
    mirror: bool = True
    scale: Annotated[float, Field(ge=0)] = 0.3
    warp: Annotated[float, Field(ge=0)] = 2.0
    gamma: Annotated[float, Field(ge=0)] = 0.4
    brightness: Annotated[float, Field(ge=0)] = 0.2
    noise: Annotated[float, Field(ge=0)] = 0.03
    touching_contrast: Annotated[float, Field(ge=0, le=1)] = 1.0


def random_crop(
    image: NDArray[np.float32],
    labels: Labels,
    *,
    crop: tuple[int, ...],
    settings: Augmentation,
    rng: np.random.Generator,
    spacing: Sequence[float] | None = None,
) -> tuple[NDArray[np.float32], Labels]:
    """Cut a randomly placed, rotated, mirrored, scaled and warped crop from image and labels.

    Parameters
    ----------
    image : (C, *S) float32 array
    labels : (*S) integer array of a signed type
    crop : size of the result along each axis
    settings : Augmentation
    rng : numpy random generator
        The only source of randomness.
    spacing : sequence of float, optional
        Pixel size along each axis in units of the finest. Rotation, magnification and warp are
        those of true lengths, so that a cell keeps its shape for any thickness of the slices. By
        default all axes are equal.

    Returns
    -------
    image : (C, *crop) float32 array
        Linear interpolation; outside the image, its mirror image.
    labels : (*crop) array
        Nearest neighbour; outside the image, ignored (−1): half a mirrored cell is not a cell.
    """
    where, _ = _sampling_grid(labels.shape, crop, _steps(labels, spacing), settings, rng)
    return _sampled(image, labels, where)


def random_guided_crop(
    image: NDArray[np.float32],
    labels: Labels,
    guides: Guides,
    *,
    crop: tuple[int, ...],
    settings: Augmentation,
    rng: np.random.Generator,
    spacing: Sequence[float] | None = None,
) -> tuple[NDArray[np.float32], Labels, NDArray[np.float32]]:
    """Cut a crop as `random_crop` does, and the guides with it.

    Parameters
    ----------
    guides : Guides
        Those of `labels`: a cell that the crop cuts keeps its relief and its centre.

    Returns
    -------
    image, labels
        As of `random_crop`.
    guides : (1 + ndim, *crop) float32 array
        Relief; offset to the centre of the cell along each axis of the crop, in units of the cell's
        radius. The warp moves both but does not bend the offsets. 0 where there is no cell.
    """
    where, matrix = _sampling_grid(labels.shape, crop, _steps(labels, spacing), settings, rng)
    pixels, numbers = _sampled(image, labels, where)
    is_cell = numbers > 0
    chosen, place = numbers[is_cell], where[:, is_cell]
    result = np.zeros((1 + labels.ndim, *crop), np.float32)
    result[0, is_cell] = ndimage.map_coordinates(guides.relief, place, order=0)
    inverse = np.linalg.inv(matrix)  # from pixels of the image to those of the crop
    radius = guides.radius[chosen] * abs(np.linalg.det(inverse)) ** (1 / labels.ndim)
    result[1:, is_cell] = inverse @ (guides.centre[chosen].T - place) / radius
    return pixels, numbers, result


def _steps(labels: Labels, spacing: Sequence[float] | None) -> NDArray[np.float64]:
    return np.ones(labels.ndim) if spacing is None else np.asarray(spacing, float)


def _sampled(
    image: NDArray[np.float32], labels: Labels, where: NDArray[np.float64]
) -> tuple[NDArray[np.float32], Labels]:
    """Image and labels at places of the image."""
    pixels = np.stack(
        [ndimage.map_coordinates(channel, where, order=1, mode="mirror") for channel in image]
    )
    return pixels, ndimage.map_coordinates(labels, where, order=0, mode="constant", cval=IGNORE)


def vary_intensity(
    image: NDArray[np.float32],
    target: Target,
    *,
    settings: Augmentation,
    rng: np.random.Generator,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Change touching contrast, then gamma, brightness and noise of a crop `(C, *S)`."""
    amount = rng.uniform(-settings.touching_contrast, settings.touching_contrast)
    image = modulate_touching(image, target, amount=amount, spacing=spacing)
    low, high = image.min(), image.max()
    gamma = _factor(settings.gamma, rng)
    if high > low:
        image = low + (high - low) * ((image - low) / (high - low)) ** np.float32(gamma)
    image = image * np.float32(_factor(settings.brightness, rng))
    deviation = np.float32(rng.uniform(0, settings.noise))
    return image + deviation * rng.standard_normal(image.shape, dtype=np.float32)


def modulate_touching(
    image: NDArray[np.float32],
    target: Target,
    *,
    amount: float,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Raise or lower the contrast of touching pixels.

    ::

        x_a(p) = (1 − a)·x(p) + a·x̃(p)   where h(p) = 2,    x_a(p) = x(p) elsewhere

    with x̃ the median of the window around p, 7^d pixels if all axes have the same spacing. The
    result is clipped to the range of x. a > 0 weakens the seam, a < 0 strengthens it.

    Parameters
    ----------
    image : (C, *S) float32 array
    target : (*S) array of classes
    amount : float in −1..1
        a.
    spacing : sequence of float, optional
        Pixel size along each axis: the window reaches equally far along each.

    Notes
    -----
    Source: thesis section 4.2.2 (touching contrast modulation) and Fig. 22.
    """
    touching = np.nonzero(target == TOUCHING)
    if amount == 0 or not len(touching[0]):
        return image
    reach = window_reach(_MEDIAN_RADIUS, checked_spacing(spacing, target.ndim))
    result = image.copy()
    for channel, new_channel in zip(image, result, strict=True):
        padded = np.pad(channel, [(n, n) for n in reach], mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, [2 * n + 1 for n in reach])
        values = windows[touching].reshape(len(touching[0]), -1)
        middle = values.shape[1] // 2
        values.partition(middle, axis=1)  # np.median takes twice the time, since it looks for NaN
        seam = (1 - amount) * channel[touching] + amount * values[:, middle]
        new_channel[touching] = np.clip(seam, channel.min(), channel.max())
    return result


def _sampling_grid(
    shape: tuple[int, ...],
    crop: tuple[int, ...],
    spacing: NDArray[np.float64],
    settings: Augmentation,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position in the image of each pixel of the crop, `(ndim, *crop)`, and its linear part."""
    dimensions = len(shape)
    middle = [
        rng.uniform(min(n, c) / 2, max(n - c / 2, n / 2)) - 0.5
        for n, c in zip(shape, crop, strict=True)
    ]
    centre = np.reshape(middle, (-1,) + (1,) * dimensions)
    axes = [np.arange(c) - (c - 1) / 2 for c in crop]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"))
    matrix = _rotation(dimensions, np.deg2rad(rng.uniform(-settings.rotate, settings.rotate)))
    matrix = matrix / _factor(settings.scale, rng)
    flips = rng.integers(0, 2, dimensions) if settings.mirror else np.zeros(dimensions)
    matrix = matrix * np.where(flips, -1, 1)
    # pixels of the crop → true lengths → pixels of the image
    matrix = matrix * spacing / spacing[:, np.newaxis]
    where: NDArray[np.float64] = np.tensordot(matrix, offsets, 1)
    where += centre
    thick = np.reshape([n > 1 for n in shape], centre.shape)
    where += thick * _displacement(crop, spacing, settings.warp, rng)
    return where, matrix


def _rotation(dimensions: int, angle: float) -> NDArray[np.float64]:
    matrix = np.eye(dimensions)
    if dimensions > 1:
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix[-2:, -2:] = [[cosine, -sine], [sine, cosine]]
    return matrix


def _displacement(
    crop: tuple[int, ...], spacing: NDArray[np.float64], deviation: float, rng: np.random.Generator
) -> Any:
    nodes = tuple(
        max(2, math.ceil(c * step / _WARP_GRID) + 1) for c, step in zip(crop, spacing, strict=True)
    )
    grid = rng.normal(0, deviation, (len(crop), *nodes))
    if deviation == 0:
        return 0.0
    return np.stack(
        [_zoom(lengths, crop) / step for lengths, step in zip(grid, spacing, strict=True)]
    )


def _zoom(grid: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """`ndimage.zoom` of order 3 by axes: 4 products per pixel and axis, not 4^d per pixel."""
    for axis, (nodes, pixels) in enumerate(zip(grid.shape, shape, strict=True)):
        spline = ndimage.zoom(
            np.eye(nodes), (pixels / nodes, 1), order=3, mode="nearest", grid_mode=True
        )
        grid = np.moveaxis(np.tensordot(spline, grid, (1, axis)), 0, axis)
    return grid


def _factor(range_: float, rng: np.random.Generator) -> float:
    """A random factor whose logarithm is uniform in ±log(1 + range_)."""
    return float(np.exp(rng.uniform(-1, 1) * np.log1p(range_)))
