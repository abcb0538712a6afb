"""Synthetic fluorescence images of crowded cells with exact labels; see `crowded_cells`."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from scipy import ndimage

from seamwise.labels import Labels, smallest_dtype
from seamwise.synth.camera import WIDEFIELD, Camera, SyntheticImage
from seamwise.synth.checks import check_range, checked_shape
from seamwise.types import FloatArray

# Closeness of two cells: 1 where two undeformed ellipsoids just touch, less where they overlap.
CLOSEST = 0.72
TOUCHING = (0.76, 0.92)
ALONE = 1.25
TRIES = 64
WAVES = 4
# The dim line at a shared border is this wide, in cell radii, and is followed this far outside the
# cell.
BORDER_WIDTH = 0.2
REACH = 1.4
# The edge of a cell is this much darker than its middle, because a cell is thinner there.
EDGE_FALL = 0.35
# Standard deviation of the filter that makes the texture, in mean cell radii.
TEXTURE_GRAIN = 0.13


@dataclass(frozen=True, eq=False)
class Shapes:
    """n deformed ellipsoids: `metric` maps one to the unit ball, `waves` and `phases` dent it."""

    metric: FloatArray
    waves: FloatArray
    phases: FloatArray
    amplitude: float


def crowded_cells(
    shape: Sequence[int],
    *,
    cells: int,
    rng: int | np.random.Generator,
    radius: float = 12.0,
    radius_spread: float = 0.2,
    irregularity: float = 0.2,
    cluster: float = 4.0,
    brightness: tuple[float, float] = (0.3, 1.0),
    texture: float = 0.25,
    border_dimming: float = 0.5,
    illumination: float = 0.3,
    camera: Camera = WIDEFIELD,
) -> SyntheticImage:
    """Draw crowded fluorescent cells in touching clusters, in 2D or 3D, with exact labels.

    Cell k has the normalised distance ρ_k(x) = |M_k(x − c_k)| / (1 + a·Σ_w cos(w·u + φ_w)), u the
    direction of M_k(x − c_k): a dented ellipsoid about the centre c_k. A pixel belongs to the cell
    of the smallest ρ_k if that is below 1, so cells grow until they meet and share a border without
    a gap. The picture is ::

        f = b_k · (1 − 0.35·ρ²) · exp(texture·t − texture²/2) · (1 − border_dimming·e)
        s = illumination field · (PSF ∗ f) + background
        image = gain · (Poisson(photons · s) + N(0, read_noise²)) / photons

    with b_k the brightness of the cell, t a smooth noise field of variance 1 and e = exp(−((ρ₂ −
    ρ)/0.2)²), which is 1 on a border between two cells (ρ₂ belongs to the second nearest cell). The
    labels are those before the blur.

    Parameters
    ----------
    shape : 2 or 3 ints
        Size of the image in pixels.
    cells : int ≥ 0
        Number of cells asked for. Filling stops at the first cell that finds no room, so a crowded
        image may hold fewer: read the number from `labels.max()`.
    rng : int or numpy.random.Generator
        The same seed gives the same image bit for bit.
    radius : float
        Mean cell radius in units of the camera's `spacing`, from the largest spacing to half the
        longest side of the image.
    radius_spread : float in [0, 0.5]
        Relative standard deviation of the radius (log-normal).
    irregularity : float in [0, 0.5]
        0 draws balls; larger values stretch and dent them.
    cluster : float in [1, 1e6]
        Mean number of cells in a cluster (geometric distribution). 1 draws separate cells while
        there is room. Cells of a cluster are set to touch; dents may leave a narrow gap between
        some of them.
    brightness : (float, float)
        Lowest and highest brightness of a cell (uniform distribution), 0 < low ≤ high ≤ 1.
    texture : float in [0, 1]
        Standard deviation of the internal texture before the blur.
    border_dimming : float in [0, 1]
        Share of the light that is missing on shared borders before the blur.
    illumination : float in [0, 1]
        Share of the light that is missing in the corner farthest from the (random) centre of
        illumination.
    camera : Camera
        Optics, noise, pixel size and dtype. Signal 1 is a cell of brightness 1.

    Returns
    -------
    SyntheticImage
        `image` of the camera's dtype; `labels` sequential 1..n in the smallest safe unsigned dtype,
        each label exactly one component under face connectivity. The image edge cuts cells whose
        centre is near it; a fragment that a neighbour cuts off becomes background. No cells: an
        image of background.

    Raises
    ------
    ValueError
        `shape` has not two or three positive sizes, or an option is out of range.
    TypeError
        `cells` or a size in `shape` is not an integer.

    Notes
    -----
    Light adds up linearly and the noise is that of a scientific camera; the shapes, the texture and
    the dim line between touching cells are drawn by eye after fluorescence images of nuclei, not
    after a physical model.

    Examples
    --------
    >>> drawn = crowded_cells((64, 96), cells=5, rng=0, radius=8)
    >>> drawn.image.shape, drawn.image.dtype.name, drawn.labels.dtype.name, int(drawn.labels.max())
    ((64, 96), 'uint16', 'uint8', 5)
    """
    size = checked_shape(shape)
    count = checked_count(cells)
    step = camera.steps(len(size))
    camera.sigmas(size)  # raises before anything is drawn
    check_brightness(brightness)
    check_range("radius_spread", radius_spread, 0, 0.5)
    check_range("irregularity", irregularity, 0, 0.5)
    check_range("cluster", cluster, 1, 1e6)
    check_range("texture", texture, 0, 1)
    check_range("border_dimming", border_dimming, 0, 1)
    check_range("illumination", illumination, 0, 1)
    check_range("radius", radius, float(step.max()), float((step * size).max()) / 2)
    rng = np.random.default_rng(rng)

    shapes = draw_shapes(count, len(size), radius, radius_spread, irregularity, rng)
    centres = place(shapes, step * size, step, cluster, rng)
    owner, nearest, second = territories(size, step, centres, shapes)
    labels = one_component_each(owner)

    light = _glow(labels, nearest, brightness, rng)
    light *= grains(size, texture, TEXTURE_GRAIN * radius / step, rng)
    light *= 1 - border_dimming * _border(nearest, second)
    signal = camera.blur(light) * _illumination(size, illumination, rng)
    return SyntheticImage(camera.expose(signal, rng), labels)


def draw_shapes(
    cells: int,
    ndim: int,
    radius: float,
    spread: float,
    irregularity: float,
    rng: np.random.Generator,
) -> Shapes:
    """Shapes of random cells, as `crowded_cells` takes them."""
    radii = radius * np.exp(spread * rng.standard_normal(cells) - spread**2 / 2)
    stretch = irregularity * rng.standard_normal((cells, ndim))
    # a stretch that keeps the volume: the logarithms of the half axes add up to zero
    axes = radii[:, None] * np.exp(stretch - stretch.mean(axis=1, keepdims=True))
    rotation = np.linalg.qr(rng.standard_normal((cells, ndim, ndim))).Q
    waves = 2 * rng.standard_normal((cells, WAVES, ndim))
    phases = rng.uniform(0, 2 * np.pi, (cells, WAVES))
    return Shapes(rotation / axes[:, :, None], waves, phases, irregularity / WAVES)


def place(
    shapes: Shapes,
    extent: FloatArray,
    spacing: FloatArray,
    cluster: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Centres of the first cells of `shapes`, up to the first that finds no room."""
    low, high = -spacing / 2, extent - spacing / 2
    centres = np.empty((len(shapes.metric), len(extent)))
    first = gap_to_next = 0
    for k, metric in enumerate(shapes.metric):
        if gap_to_next == 0:
            first, gap_to_next = k, int(rng.geometric(1 / cluster))
            places = rng.uniform(low, high, (TRIES, len(extent)))
            closest = ALONE
        else:
            places = np.clip(
                _beside(metric, shapes.metric[first:k], centres[first:k], rng), low, high
            )
            closest = CLOSEST
        free_places = _assign(places, metric, shapes.metric[:k], centres[:k], closest)
        if not len(free_places) and k:
            places = np.clip(_beside(metric, shapes.metric[:k], centres[:k], rng), low, high)
            free_places = _assign(places, metric, shapes.metric[:k], centres[:k], CLOSEST)
        if not len(free_places):
            return centres[:k]
        centres[k] = free_places[0]
        gap_to_next -= 1
    return centres


def _closeness(offset: FloatArray, one: FloatArray, other: FloatArray) -> FloatArray:
    """Distance over the sum of the half widths of two ellipsoids along `offset`."""
    a = np.linalg.norm(np.einsum("...ij,...j->...i", one, offset), axis=-1)
    b = np.linalg.norm(np.einsum("...ij,...j->...i", other, offset), axis=-1)
    # two centres that the image edge stopped in the same corner are at distance 0
    closeness: FloatArray = a * b / np.maximum(a + b, np.finfo(float).tiny)
    return closeness


def _beside(
    metric: FloatArray, others: FloatArray, centres: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Places where a cell touches a random one of the others."""
    parent = rng.integers(len(centres), size=TRIES)
    direction = rng.standard_normal((TRIES, centres.shape[1]))
    length = rng.uniform(*TOUCHING, TRIES) / _closeness(direction, metric, others[parent])
    places: FloatArray = centres[parent] + length[:, None] * direction
    return places


def _assign(
    places: FloatArray, metric: FloatArray, others: FloatArray, centres: FloatArray, closest: float
) -> FloatArray:
    closeness = _closeness(places[:, None] - centres, metric, others)
    return places[(closeness >= closest).all(axis=1)]


def territories(
    shape: tuple[int, ...], spacing: FloatArray, centres: FloatArray, shapes: Shapes
) -> tuple[Labels, FloatArray, FloatArray]:
    """Owner of each pixel (0: none), normalised distances to the nearest and second cell."""
    owner = np.zeros(shape, np.int32)
    nearest = np.full(shape, REACH, np.float32)
    second = nearest.copy()
    for k, centre in enumerate(centres):
        box = _box(centre, shapes.metric[k], spacing, shape, REACH * (1 + WAVES * shapes.amplitude))
        rho = _normalised_distance(box, spacing, centre, shapes, k)
        closer = rho < nearest[box]
        second[box] = np.where(closer, nearest[box], np.minimum(second[box], rho))
        nearest[box][closer] = rho[closer]
        owner[box][closer & (rho < 1)] = k + 1
    return owner, nearest, second


def _box(
    centre: FloatArray,
    metric: FloatArray,
    spacing: FloatArray,
    shape: tuple[int, ...],
    reach: float,
) -> tuple[slice, ...]:
    half = reach * np.linalg.norm(np.linalg.inv(metric), axis=1)
    low = np.clip(np.ceil((centre - half) / spacing), 0, shape).astype(int)
    high = np.clip(np.floor((centre + half) / spacing) + 1, 0, shape).astype(int)
    return tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))


def _normalised_distance(
    box: tuple[slice, ...], spacing: FloatArray, centre: FloatArray, shapes: Shapes, k: int
) -> FloatArray:
    offset = np.moveaxis(np.mgrid[box], 0, -1) * spacing - centre
    ball = offset @ shapes.metric[k].T
    distance = np.linalg.norm(ball, axis=-1)
    direction = ball / np.maximum(distance, np.finfo(float).tiny)[..., None]
    dents = np.cos(direction @ shapes.waves[k].T + shapes.phases[k]).sum(axis=-1)
    rho: FloatArray = (distance / (1 + shapes.amplitude * dents)).astype(np.float32)
    return rho


def one_component_each(owner: Labels) -> Labels:
    """Sequential labels of the largest component of each owner; other fragments are background."""
    labels = np.zeros(owner.shape, smallest_dtype(0, int(owner.max())))
    cells = 0
    for value, box in enumerate(ndimage.find_objects(owner), start=1):
        if box is None:
            continue
        cells += 1
        parts, _ = ndimage.label(owner[box] == value)
        largest = np.bincount(parts.ravel())[1:].argmax() + 1
        labels[box][parts == largest] = cells
    return labels


def _glow(
    labels: Labels, nearest: FloatArray, brightness: tuple[float, float], rng: np.random.Generator
) -> FloatArray:
    cell = rng.uniform(*brightness, size=int(labels.max()) + 1).astype(np.float32)
    cell[0] = 0
    glow: FloatArray = cell[labels] * (1 - EDGE_FALL * np.minimum(nearest, 1) ** 2)
    return glow


def _border(nearest: FloatArray, second: FloatArray) -> FloatArray:
    border: FloatArray = np.exp(-(((second - nearest) / BORDER_WIDTH) ** 2))
    return border


def grains(
    shape: tuple[int, ...], strength: float, sigma: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Log-normal field of mean 1: bright grains on a duller ground, as chromatin has them."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    field /= field.std()
    texture: FloatArray = np.exp(strength * field - strength**2 / 2)
    return texture


def _illumination(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> FloatArray:
    axes = [np.linspace(0, 1, n, dtype=np.float32) for n in shape]
    centre = rng.uniform(0.25, 0.75, len(shape))
    offsets = (axis - middle for axis, middle in zip(axes, centre, strict=True))
    fall = sum(offset**2 for offset in np.ix_(*offsets))
    field: FloatArray = 1 - strength * fall / np.max(fall)
    return field


def checked_count(cells: int) -> int:
    """Return a number of cells that is not negative, or raise ValueError."""
    if index(cells) < 0:
        raise ValueError(f"cells must be 0 or more, not {cells}: give the number of cells to draw")
    return index(cells)


def check_brightness(brightness: tuple[float, float]) -> None:
    """Raise ValueError unless the lowest and highest brightness lie in order in (0, 1]."""
    low, high = brightness
    if not 0 < low <= high <= 1:
        raise ValueError(
            f"brightness must be (low, high) with 0 < low ≤ high ≤ 1, not {brightness}"
        )
