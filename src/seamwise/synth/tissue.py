"""Synthetic stacks of tissue with stained membranes and exact labels; see `tissue`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from seamwise.labels import Labels, relabel
from seamwise.synth.camera import CONFOCAL, Camera, SyntheticImage
from seamwise.synth.cells import one_component_each
from seamwise.synth.checks import check_range, checked_shape
from seamwise.types import FloatArray

# Lengths in mean cell diameters: of the bends of the walls, the dents of the outline and the
# texture.
BEND_GRAIN = 0.8
DENT_GRAIN, DENT_DEPTH = 3.0, 0.5
TEXTURE_GRAINS = 0.15, 1.5
# Seeds nearer to the outline than this many diameters are dropped, so that it cuts no cell into a
# sliver.
RIM = 0.3
# Seeds are drawn this many diameters beyond the image.
MARGIN = 2.0
# Each smooth field is a sum of this many plane waves.
WAVES = 24
# The share of its width at which the light of a wall is as good as gone.
REACH = 4.0
SLAB = 2**17


@dataclass(frozen=True, eq=False)
class _Field:
    """A smooth random function of mean 0 and variance 1: √(2/W)·Σ_w cos(k_w·x + φ_w)."""

    waves: FloatArray
    phases: FloatArray


@dataclass(frozen=True, eq=False)
class _Seeds:
    """Each seed's place, max r² − r² of its radius r, cell number (0: air), chance in [0, 1)."""

    places: FloatArray
    powers: FloatArray
    numbers: npt.NDArray[np.int32]
    chances: FloatArray


def tissue(
    shape: Sequence[int],
    *,
    rng: int | np.random.Generator,
    cell_size: float = 24.0,
    size_spread: float = 0.12,
    irregularity: float = 0.22,
    bend: float = 0.1,
    filling: float = 0.8,
    gaps: float = 0.0,
    wall: float = 1.0,
    faint: float = 0.7,
    cytoplasm: float = 0.06,
    texture: float = 0.3,
    attenuation: float = 200.0,
    camera: Camera = CONFOCAL,
) -> SyntheticImage:
    """Draw tissue of cells that fill the space, membranes stained, in 2D or 3D, with exact labels.

    The cells are the power cells of the seeds s_k in a bent space: a point x lies at y = x +
    bend·cell_size·w(x), w a smooth random field, and belongs to the cell of the smallest power
    distance::

        p_k = |y − s_k|² − r_k²

    The seeds are a shaken lattice and r_k their radii. With p₁ ≤ p₂ the two smallest power
    distances, the distance to the wall between the two cells is ::

        d = (p₂ − p₁) / (2·|s₁ − s₂|)

    The outline of the tissue is the level set of a dented ball that encloses the share `filling` of
    the image; it is a wall too, at about the distance d₀. Seeds close to it or beyond it are
    dropped, so that it cuts no cell into slivers. The picture is ::

        f = max(b₁₂·exp(−½(d/wall)²), b₁·exp(−½(d₀/wall)²)) + cytoplasm·c₁
        s = exp(−z/attenuation) · (PSF ∗ f·exp(texture·t − texture²/2)) + background
        image = gain · (Poisson(photons · s) + N(0, read_noise²)) / photons

    with b = 1 − faint·u² the brightness of a wall, u uniform in 0..1 for each pair of cells and for
    each cell at the outline, c₁ uniform in 0.5..1.5 for each cell (0 in air), t a smooth noise
    field of variance 1 and z the depth along the first axis of a stack. The labels are those before
    the blur.

    Parameters
    ----------
    shape : 2 or 3 ints
        Size of the image in pixels.
    rng : int or numpy.random.Generator
        The same seed gives the same image bit for bit.
    cell_size : float
        Diameter of a ball (2D: disc) of the mean volume of a cell in units of `spacing`, from twice
        the largest spacing to the longest side of the image.
    size_spread : float in [0, 0.5]
        Relative standard deviation of r_k about cell_size/2 (log-normal).
    irregularity : float in [0, 0.5]
        How far a seed is shaken off the lattice along each axis at most, in cell diameters.
    bend : float in [0, 0.2]
        Standard deviation of the displacement that bends the walls, in cell diameters.
    filling : float in [0.01, 1]
        Share of the image that is tissue; 1 draws tissue without an outline.
    gaps : float in [0, 1]
        Share of the cells that are air: background with walls around it.
    wall : float
        Standard deviation of the profile of a wall in units of `spacing`, from a quarter of the
        smallest spacing to a quarter of `cell_size`.
    faint : float in [0, 1]
        Share of the light that the faintest walls lack.
    cytoplasm : float in [0, 1]
        Mean light inside a cell, as a share of a bright wall.
    texture : float in [0, 1]
        Standard deviation of the uneven staining.
    attenuation : float > 0 or inf
        Depth at which 1/e of the light is left, in units of `spacing`. Without effect in 2D.
    camera : Camera
        Optics, noise, pixel size and dtype. Signal 1 is a wall of brightness 1.

    Returns
    -------
    SyntheticImage
        `image` of the camera's dtype; `labels` sequential 1..n in the smallest safe unsigned dtype,
        each label exactly one component under face connectivity. Neighbours touch without a line of
        background between them. A fragment of a cell, which a strong bend or the outline may cut
        off, becomes background. The image edge cuts cells.

    Raises
    ------
    ValueError
        `shape` has not two or three positive sizes, or an option is out of range.
    TypeError
        A size in `shape` is not an integer.

    Notes
    -----
    A stand-in for confocal stacks of plant tissue such as the shoot apical meristem; shapes and
    light are drawn by eye, not after a model of growth. d belongs to the wall to the second nearest
    seed, which is the nearest wall close to a wall, but not everywhere inside a cell.

    Examples
    --------
    >>> drawn = tissue((16, 48, 48), rng=0, cell_size=16)
    >>> drawn.image.shape, drawn.image.dtype.name, drawn.labels.dtype.name
    ((16, 48, 48), 'uint16', 'uint8')
    """
    size = checked_shape(shape)
    step = camera.steps(len(size))
    camera.sigmas(size)  # raises before anything is drawn
    check_range("cell_size", cell_size, 2 * float(step.max()), float((step * size).max()))
    check_range("size_spread", size_spread, 0, 0.5)
    check_range("irregularity", irregularity, 0, 0.5)
    check_range("bend", bend, 0, 0.2)
    check_range("filling", filling, 0.01, 1)
    check_range("gaps", gaps, 0, 1)
    check_range("wall", wall, float(step.min()) / 4, cell_size / 4)
    check_range("faint", faint, 0, 1)
    check_range("cytoplasm", cytoplasm, 0, 1)
    check_range("texture", texture, 0, 1)
    _check_attenuation(attenuation)
    rng = np.random.default_rng(rng)

    axes = [(np.arange(n) * d).astype(np.float32) for n, d in zip(size, step, strict=True)]
    warp = [_draw_field(len(size), BEND_GRAIN * cell_size, rng) for _ in size]
    patches = _draw_field(len(size), cell_size * np.geomspace(*TEXTURE_GRAINS, WAVES)[:, None], rng)
    dents = _draw_field(len(size), DENT_GRAIN * cell_size, rng)
    centre = rng.uniform(0, [axis[-1] for axis in axes])
    seeds = _draw_seeds(step * size, cell_size, size_spread, irregularity, gaps, rng)

    depth, seeds = _inside_outline(axes, seeds, centre, dents, filling, cell_size)
    owner, light = _draw_cells(axes, seeds, depth, warp, bend * cell_size, wall, faint, cytoplasm)
    labels = one_component_each(relabel(owner))

    light *= np.exp(texture * _on_grid(patches, axes) - texture**2 / 2)
    signal = camera.blur(light)
    if len(size) == 3:
        signal *= np.exp(-axes[0] / attenuation)[:, None, None]
    return SyntheticImage(camera.expose(signal, rng), labels)


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, SLAB // int(np.prod(shape[1:])))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def _draw_field(ndim: int, grain: float | FloatArray, rng: np.random.Generator) -> _Field:
    return _Field(rng.standard_normal((WAVES, ndim)) / grain, rng.uniform(0, 2 * np.pi, WAVES))


def _at(field: _Field, points: FloatArray) -> FloatArray:
    values: FloatArray = np.sqrt(2 / WAVES) * np.cos(points @ field.waves.T + field.phases).sum(
        axis=-1
    )
    return values


def _on_grid(field: _Field, axes: Sequence[FloatArray]) -> FloatArray:
    """The field on a grid, by cos(a + b) = cos a · cos b − sin a · sin b: two matrix products."""
    grid = np.stack(np.meshgrid(*axes[:-1], indexing="ij"), axis=-1)
    a = (grid @ field.waves[:, :-1].T + field.phases).astype(np.float32)
    b = np.outer(field.waves[:, -1], axes[-1]).astype(np.float32)
    values: FloatArray = np.float32(np.sqrt(2 / WAVES)) * (
        np.cos(a) @ np.cos(b) - np.sin(a) @ np.sin(b)
    )
    return values


def _draw_seeds(
    extent: FloatArray,
    cell_size: float,
    spread: float,
    irregularity: float,
    gaps: float,
    rng: np.random.Generator,
) -> _Seeds:
    """A shaken lattice with a second seed within each box: hexagonal in 2D, body-centred in 3D."""
    ndim = len(extent)
    ball = (np.pi / 4 if ndim == 2 else np.pi / 6) * cell_size**ndim
    stretch = np.array([3**0.25, 3**-0.25] if ndim == 2 else [1.0, 1.0, 1.0])
    pitch = (2 * ball) ** (1 / ndim) * stretch
    low = -MARGIN * cell_size - pitch * rng.random(ndim)
    high = extent + MARGIN * cell_size
    lattice = [np.arange(a, b, p) for a, b, p in zip(low, high, pitch, strict=True)]
    corners = np.stack(np.meshgrid(*lattice), axis=-1).reshape(-1, ndim)
    places = np.concatenate([corners, corners + pitch / 2])
    places += irregularity * cell_size * rng.uniform(-1, 1, places.shape)
    radii = cell_size / 2 * np.exp(spread * rng.standard_normal(len(places)))
    air = rng.random(len(places)) < gaps
    numbers = np.where(air, 0, np.arange(1, len(places) + 1)).astype(np.int32)
    return _Seeds(places, (radii**2).max() - radii**2, numbers, rng.random(len(places)))


def _inside_outline(
    axes: Sequence[FloatArray],
    seeds: _Seeds,
    centre: FloatArray,
    dents: _Field,
    filling: float,
    cell_size: float,
) -> tuple[FloatArray, _Seeds]:
    """Depth of each pixel below the outline (negative outside), and the seeds deep enough."""
    if filling == 1:
        return np.full([len(axis) for axis in axes], np.inf, np.float32), seeds
    dent = DENT_DEPTH * cell_size
    squares = np.ix_(*((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)))
    height = (np.sqrt(sum(squares)) + dent * _on_grid(dents, axes)).astype(np.float32)
    level = np.quantile(height, filling)
    deep = level - np.linalg.norm(seeds.places - centre, axis=1) - dent * _at(dents, seeds.places)
    # a distance between two seeds needs two of them
    is_inside = deep >= min(RIM * cell_size, np.sort(deep)[-2])
    return level - height, _Seeds(
        seeds.places[is_inside],
        seeds.powers[is_inside],
        seeds.numbers[is_inside],
        seeds.chances[is_inside],
    )


def _draw_cells(
    axes: Sequence[FloatArray],
    seeds: _Seeds,
    depth: FloatArray,
    warp: Sequence[_Field],
    bend: float,
    wall: float,
    faint: float,
    cytoplasm: float,
) -> tuple[Labels, FloatArray]:
    """Number of the cell of each pixel (0: none), and its light."""
    owner = np.zeros(depth.shape, np.int32)
    light = np.zeros(depth.shape, np.float32)
    tree = cKDTree(_lift(seeds.places, np.sqrt(seeds.powers)))
    for slab in _slabs(depth.shape):
        is_inside = depth[slab] > -REACH * wall
        depths = depth[slab][is_inside]
        points = _warp([axes[0][slab], *axes[1:]], warp, bend)[is_inside]
        first, second, distance = _nearest_two(tree, points, seeds.places)
        one, other = seeds.chances[first], seeds.chances[second]
        number = np.where(depths > 0, seeds.numbers[first], 0)
        inner = np.where(depths > 0, _profile(distance, wall) * _brightness(one + other, faint), 0)
        outer = _profile(depths, wall) * _brightness(one, faint)
        owner[slab][is_inside] = number
        light[slab][is_inside] = np.maximum(inner, outer) + np.where(
            number > 0, cytoplasm * (0.5 + one), 0
        )
    return owner, light


def _warp(axes: Sequence[FloatArray], warp: Sequence[_Field], amount: float) -> FloatArray:
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack(
        [
            x + np.float32(amount) * _on_grid(field, axes)
            for x, field in zip(grid, warp, strict=True)
        ],
        -1,
    )


def _lift(points: FloatArray, heights: FloatArray) -> FloatArray:
    points_in_space: FloatArray = np.column_stack([points, heights])
    return points_in_space


def _nearest_two(
    tree: cKDTree, points: FloatArray, places: FloatArray
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Indices of the two seeds of least power distance, the distance to the wall between them."""
    # |y − s|² + h² is the square of a distance in one more dimension, where the seed lies h above
    # the point
    roots, nearest = tree.query(_lift(points, np.zeros(len(points))), k=2)
    first, second = nearest.T
    distance = (roots[:, 1] ** 2 - roots[:, 0] ** 2) / (
        2 * np.linalg.norm(places[first] - places[second], axis=1)
    )
    return first, second, distance


def _profile(distance: FloatArray, wall: float) -> FloatArray:
    profile: FloatArray = np.exp(-((distance / wall) ** 2) / 2)
    return profile


def _brightness(chance: FloatArray, faint: float) -> FloatArray:
    """For a wall: the sum of the chances of its two cells, modulo 1, is again uniform."""
    brightness: FloatArray = 1 - faint * (chance % 1) ** 2
    return brightness


def _check_attenuation(attenuation: float) -> None:
    if not attenuation > 0:
        raise ValueError(
            f"attenuation must be a positive length, not {attenuation}: "
            "inf draws all depths equally bright"
        )
