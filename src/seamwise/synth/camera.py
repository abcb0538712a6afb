"""What the synthetic microscope does to light: blur it and count its photons; see `Camera`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from seamwise.synth.checks import check_photons, check_range, checked_dtype, per_axis
from seamwise.types import FloatArray, Labels

# The share of light in the wide skirt of the point spread function, and how much wider the skirt
# is.
_SKIRT_SHARE, _SKIRT_WIDTH = 0.12, 6.0
# A cell of brightness 1 reads this share of the range of the dtype; the rest is headroom for noise.
_FULL_SIGNAL = 0.75
# A confocal point spread function, in units of spacing: along a stack's first axis, in its plane.
_CONFOCAL_ALONG, _CONFOCAL_ACROSS = 1.8, 0.8


@dataclass(frozen=True, eq=False)
class SyntheticImage:
    """A drawn image and its exact instance labels.

    Attributes
    ----------
    image : (*S) uint8 or uint16 array
    labels : (*S) integer array
        0 background, 1..n cells.
    """

    image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    labels: Labels


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The synthetic microscope: its optics, its noise and its pixels.

    With s the light of the drawing::

        image = gain · (Poisson(photons · (PSF ∗ s + background)) + N(0, read_noise²)) / photons

    Attributes
    ----------
    psf_sigma : float, one for each axis, or None
        Standard deviation of the Gaussian point spread function in units of `spacing`, from 0 (no
        blur) to the longest side of the image. An eighth of the light goes into a skirt six times
        as wide. None: that of a confocal microscope, 0.8, and 1.8 along the first axis of a stack.
    background : float in [0, 1]
        Offset, as a share of the signal 1.
    photons : float in (0, 1e12] or inf
        Photons from a pixel of signal 1. `numpy.inf` draws without any noise.
    read_noise : float in [0, 1e6]
        Standard deviation of the camera noise in photons.
    spacing : sequence of float, optional
        Pixel size along each axis; 1 without it.
    dtype : uint16 or uint8
        Signal 1 is at three quarters of its range; values beyond the range are clipped.

    Raises
    ------
    ValueError
        A value is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> dim = replace(CONFOCAL, photons=20.0)
    >>> dim.read_noise, dim.photons
    (1.0, 20.0)
    """

    psf_sigma: float | Sequence[float] | None = 1.2
    background: float = 0.05
    photons: float = 300.0
    read_noise: float = 2.0
    spacing: Sequence[float] | None = None
    dtype: npt.DTypeLike = np.uint16

    def __post_init__(self) -> None:
        check_range("background", self.background, 0, 1)
        check_range("read_noise", self.read_noise, 0, 1e6)
        check_photons(self.photons)
        checked_dtype(self.dtype)

    def steps(self, ndim: int) -> FloatArray:
        """Pixel size along each axis, or ValueError."""
        steps = per_axis("spacing", 1.0 if self.spacing is None else self.spacing, ndim)
        if not (np.isfinite(steps).all() and (steps > 0).all()):
            raise ValueError(
                f"spacing must be positive, not {steps.tolist()}: give the size of a pixel"
            )
        return steps

    def sigmas(self, shape: Sequence[int]) -> FloatArray:
        """Standard deviation of the point spread function along each axis in pixels; may raise."""
        ndim = len(shape)
        steps = self.steps(ndim)
        usual = (_CONFOCAL_ALONG, _CONFOCAL_ACROSS, _CONFOCAL_ACROSS)[-ndim:]
        sigmas = per_axis("psf_sigma", usual if self.psf_sigma is None else self.psf_sigma, ndim)
        for sigma in sigmas:
            check_range("psf_sigma", sigma, 0, float((steps * shape).max()))
        return sigmas / steps

    def blur(self, light: FloatArray) -> FloatArray:
        """Light behind the optics."""
        sigmas = self.sigmas(light.shape)
        core = ndimage.gaussian_filter(light, sigmas)
        skirt = ndimage.gaussian_filter(light, _SKIRT_WIDTH * sigmas)
        image: FloatArray = (1 - _SKIRT_SHARE) * core + _SKIRT_SHARE * skirt
        return image

    def expose(self, signal: FloatArray, rng: np.random.Generator) -> Any:
        """Add the background to a signal around 1, count photons with noise, return grey levels."""
        signal = signal + self.background
        if np.isfinite(self.photons):
            counts = rng.poisson(signal * self.photons)
            noise = self.read_noise * rng.standard_normal(signal.shape)
            signal = (counts + noise) / self.photons
        top = np.iinfo(self.dtype).max
        return np.clip(np.rint(signal * _FULL_SIGNAL * top), 0, top).astype(self.dtype)


WIDEFIELD = Camera()
"""What `crowded_cells` is seen with by default."""

CONFOCAL = Camera(psf_sigma=None, background=0.02, photons=60.0, read_noise=1.0)
"""What `tissue` is seen with by default."""
