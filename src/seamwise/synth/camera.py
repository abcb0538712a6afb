"""What the synthetic microscope does to the light: it blurs it and counts its photons."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from seamwise.labels import Labels

FloatArray = npt.NDArray[np.floating[Any]]

# The share of light in the wide skirt of the point spread function, and how much wider the skirt is.
SKIRT_SHARE, SKIRT_WIDTH = 0.12, 6.0
# A cell of brightness 1 reads this share of the range of the dtype; the rest is headroom for noise.
FULL_SIGNAL = 0.75


@dataclass(frozen=True, eq=False)
class SyntheticImage:
    """A drawn image and its exact instance labels: 0 background, 1..n cells; both of the same shape."""

    image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    labels: Labels


def blur(signal: FloatArray, sigma: FloatArray) -> FloatArray:
    """Blur with a Gaussian of this standard deviation in pixels, an eighth of the light with one six times as wide."""
    core = ndimage.gaussian_filter(signal, sigma)
    skirt = ndimage.gaussian_filter(signal, SKIRT_WIDTH * sigma)
    blurred: FloatArray = (1 - SKIRT_SHARE) * core + SKIRT_SHARE * skirt
    return blurred


def expose(
    signal: FloatArray,
    photons: float,
    read_noise: float,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> Any:
    """Count photons of a signal around 1 with noise, and write them as grey levels."""
    if np.isfinite(photons):
        counts = rng.poisson(signal * photons) + read_noise * rng.standard_normal(signal.shape)
        signal = counts / photons
    top = np.iinfo(dtype).max
    return np.clip(np.rint(signal * FULL_SIGNAL * top), 0, top).astype(dtype)
