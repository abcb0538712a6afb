"""Synthetic images and stacks of stained nuclei in a living medium; see `nuclei`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seamwise.synth.camera import CONFOCAL, Camera, SyntheticImage
from seamwise.synth.cells import (
    check_brightness,
    checked_count,
    draw_shapes,
    grains,
    one_component_each,
    place,
    territories,
)
from seamwise.synth.checks import check_range, checked_shape
from seamwise.types import FloatArray, Labels

# Lengths in mean radii: of the chromatin, of the dark spots, of the patches of the haze and of the
# bends of the sheets.
_GRAIN, _SPOT, _PATCH, _BEND = 0.13, 0.22, 1.5, 2.0
# A spot is where a field of variance 1 exceeds this: a tenth of a nucleus.
_SPOT_LEVEL = 1.3
# How far light is scattered in the depth, in mean radii.
_SCATTER = 0.4
# The rim of a nucleus is this much darker than its middle, because it is thinner there.
_RIM_FALL = 0.35


@dataclass(frozen=True, kw_only=True)
class Nucleus:
    """What the nuclei of an image look like.

    Attributes
    ----------
    radius : float
        Mean radius in units of the camera's `spacing`.
    radius_spread : float in [0, 0.5]
        Relative standard deviation of the radius (log-normal).
    irregularity : float in [0, 0.5]
        0 draws balls; larger values stretch and dent them.
    brightness : (float, float)
        Lowest and highest brightness of a nucleus, 0 < low ≤ high ≤ 1. Its logarithm is uniform.
    texture : float in [0, 1]
        Standard deviation of the chromatin before the blur.
    spots : float in [0, 1]
        Share of the light that dark spots (nucleoli) lack.
    hollow : float in [0, 1]
        Share of the light that the middle lacks.
    """

    radius: float = 8.0
    radius_spread: float = 0.15
    irregularity: float = 0.15
    brightness: tuple[float, float] = (0.3, 1.0)
    texture: float = 0.25
    spots: float = 0.3
    hollow: float = 0.0

    def __post_init__(self) -> None:
        check_range("radius_spread", self.radius_spread, 0, 0.5)
        check_range("irregularity", self.irregularity, 0, 0.5)
        check_brightness(self.brightness)
        for name in ("texture", "spots", "hollow"):
            check_range(name, getattr(self, name), 0, 1)


@dataclass(frozen=True, kw_only=True)
class Medium:
    """What lies around the nuclei, and what it does to their light.

    Attributes
    ----------
    haze : float in [0, 1]
        Light of the ground, which is patchy, about this on average.
    sheets : float in [0, 2]
        Brightness of thin bent sheets (walls, membranes) that are not nuclei.
    attenuation : float > 0 or inf
        Depth at which 1/e of the light is left, in units of `spacing`. Without effect in 2D.
    scatter : float > 0 or inf
        Depth at which 1/e of the light is not yet scattered. Without effect in 2D.
    """

    haze: float = 0.1
    sheets: float = 0.0
    attenuation: float = 200.0
    scatter: float = 200.0

    def __post_init__(self) -> None:
        check_range("haze", self.haze, 0, 1)
        check_range("sheets", self.sheets, 0, 2)
        for name in ("attenuation", "scatter"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be a positive length, not {getattr(self, name)}: "
                    "inf draws all depths alike"
                )


def nuclei(
    shape: Sequence[int],
    *,
    cells: int,
    rng: int | np.random.Generator,
    cluster: float = 3.0,
    nucleus: Nucleus = Nucleus(),
    medium: Medium = Medium(),
    camera: Camera = CONFOCAL,
) -> SyntheticImage:
    """Draw stained nuclei in a patchy medium that dims and scatters light, in 2D or 3D.

    The nuclei are the dented ellipsoids of `crowded_cells`, at the normalised distance ρ from
    their centres. With b their brightness, t and v smooth fields of variance 1, and z the depth
    along the first axis of a stack::

        f = b · (1 − 0.35·(1 − hollow)·ρ² − hollow·(1 − ρ²)) · exp(texture·t − texture²/2)
              · (1 − spots·[v > 1.3])
        g = f + haze·h + sheets·a·exp(−(k/0.15)²/2)
        s = exp(−z/attenuation) · (e·B + (1 − e)·S),   e = exp(−z/scatter)
        image = gain · (Poisson(photons · (s + background)) + N(0, read_noise²)) / photons

    with h ≥ 0 a patchy field of mean about 1, k a field whose zeros are the sheets, a in 0..1 what
    is stained of them, B = PSF ∗ g, and S a Gaussian blur of B, 0.4 radii wide. The labels are
    those before the blur.

    Parameters
    ----------
    shape : 2 or 3 ints
        Size of the image in pixels.
    cells : int ≥ 0
        Number of nuclei asked for; a crowded image may hold fewer, as in `crowded_cells`.
    rng : int or numpy.random.Generator
        The same seed gives the same image bit for bit.
    cluster : float in [1, 1e6]
        Mean number of nuclei that touch in a cluster (geometric distribution).
    nucleus : Nucleus
    medium : Medium
    camera : Camera
        Optics, noise, pixel size and dtype. Signal 1 is a nucleus of brightness 1.

    Returns
    -------
    SyntheticImage
        As that of `crowded_cells`.

    Raises
    ------
    ValueError
        `shape` has not two or three positive sizes, or an option is out of range.
    TypeError
        `cells` or a size in `shape` is not an integer.

    Notes
    -----
    A stand-in for confocal stacks of tissue and embryos. Shapes, textures and media are drawn by
    eye, not after a physical model.

    Examples
    --------
    >>> drawn = nuclei((16, 48, 48), cells=6, rng=0, nucleus=Nucleus(radius=6))
    >>> drawn.image.shape, drawn.image.dtype.name, int(drawn.labels.max())
    ((16, 48, 48), 'uint16', 6)
    """
    size = checked_shape(shape)
    count = checked_count(cells)
    step = camera.steps(len(size))
    camera.sigmas(size)  # raises before anything is drawn
    check_range("cluster", cluster, 1, 1e6)
    radius = nucleus.radius
    check_range("radius", radius, float(step.max()), float((step * size).max()) / 2)
    rng = np.random.default_rng(rng)

    shapes = draw_shapes(count, len(size), radius, nucleus.radius_spread, nucleus.irregularity, rng)
    centres = place(shapes, step * size, step, cluster, rng)
    owner, rho, _ = territories(size, step, centres, shapes)
    labels = one_component_each(owner)

    light = _glow(labels, rho, nucleus, radius / step, rng)
    light += medium.haze * _patches(size, _PATCH * radius / step, rng)
    if medium.sheets:
        light += medium.sheets * _sheets(size, _BEND * radius / step, rng)
    signal = camera.blur(light)
    if len(size) == 3:
        signal = _deep(signal, medium, step[0], _SCATTER * radius / step)
    return SyntheticImage(camera.expose(signal, rng), labels)


def _glow(
    labels: Labels,
    rho: FloatArray,
    nucleus: Nucleus,
    radius: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Light of the nuclei."""
    low, high = np.log(nucleus.brightness)
    brightness = np.exp(rng.uniform(low, high, int(labels.max()) + 1)).astype(np.float32)
    brightness[0] = 0
    square = np.minimum(rho, 1) ** 2
    hollow = np.float32(nucleus.hollow)
    glow: FloatArray = brightness[labels] * (
        1 - _RIM_FALL * (1 - hollow) * square - hollow * (1 - square)
    )
    glow *= grains(labels.shape, nucleus.texture, _GRAIN * radius, rng)
    glow[_field(labels.shape, _SPOT * radius, rng) > _SPOT_LEVEL] *= 1 - nucleus.spots
    return glow


def _field(shape: tuple[int, ...], sigma: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Smooth random field of mean about 0 and variance about 1."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    field: FloatArray = ndimage.gaussian_filter(noise, sigma)
    field /= max(float(field.std()), float(np.finfo(np.float32).tiny))
    return field


def _patches(shape: tuple[int, ...], sigma: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Patchy ground: a field squared, so that its mean is about 1 and it is never negative."""
    patches: FloatArray = (_field(shape, sigma, rng) ** 2 + 1) / 2
    return patches


def _sheets(shape: tuple[int, ...], sigma: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Light along the zeros of one field, where another is high."""
    crossing = _field(shape, sigma, rng)
    stain = np.clip(_field(shape, sigma, rng), 0, 1)
    sheets: FloatArray = stain * np.exp(-((crossing / 0.15) ** 2) / 2)
    return sheets


def _deep(signal: FloatArray, medium: Medium, step: float, sigma: FloatArray) -> FloatArray:
    """Dim and scatter the light of a stack along its first axis."""
    depth = step * np.arange(len(signal), dtype=np.float32)[:, np.newaxis, np.newaxis]
    straight = np.exp(-depth / medium.scatter)
    blurred_signal = ndimage.gaussian_filter(signal, sigma)
    deep: FloatArray = np.exp(-depth / medium.attenuation) * (
        straight * signal + (1 - straight) * blurred_signal
    )
    return deep
