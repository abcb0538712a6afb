"""Where the waves of a picture are in step: its features; see `phase_congruency`."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from seamwise.metrics.fusion.pictures import Grey

Moments = Literal["reference", "kovesi"]

_SCALES, _ORIENTATIONS = 4, 6
_FINEST_WAVELENGTH, _SCALE_STEP = 3, 2.1
_BANDWIDTH = 0.55
_ANGULAR_SIGMA = np.pi / _ORIENTATIONS / 1.2
_CUT_OFF, _SHARPNESS = 0.5, 10
# expected noise energy plus 2 standard deviations, in units of its Rayleigh parameter, over an
# empirical 1.7
_NOISE_LIMIT = (np.sqrt(np.pi / 2) + 2 * np.sqrt(2 - np.pi / 2)) / 1.7
_EPSILON = 1e-4
_Z_FACTOR = {"reference": 1, "kovesi": 4}
# measured: temporary arrays that stay in the cache halve the time
_ROWS_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Log-Gabor filters for pictures of one size, as functions of frequency.

    A filter is a band times a sector.

    Attributes
    ----------
    bands : (4, H, W) array
        One for each scale, fine to coarse.
    sectors : (6, H, W) array
        One for each orientation o, about the angle oπ/6.
    noise_gains : 6 floats
        For each orientation the power of white noise in the sum of the even filters over that in
        the finest.
    """

    bands: NDArray[np.float64]
    sectors: NDArray[np.float64]
    noise_gains: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class PhaseCongruency:
    """Phase congruency of a picture and its moments over the orientations, three (H, W) arrays.

    Attributes
    ----------
    total : array
        0..1, over all orientations; 1 where all waves are in step.
    maximum, minimum : array
        `maximum` is large on edges and corners, `minimum` on corners alone.
    """

    total: Grey
    maximum: Grey
    minimum: Grey


def phase_congruency(
    picture: Grey, bank: FilterBank, *, moments: Moments = "reference"
) -> PhaseCongruency:
    """Phase congruency of a picture, after Kovesi.

    With the complex response e_so(p) of scale s and orientation o, its sum E_o over the scales, and
    ε = 10⁻⁴:

    ::

        W_o  = Σ_s (Re(e_so ē_o) − |Im(e_so ē_o)|),   e_o = E_o / (|E_o| + ε)
        P_o  = max(W_o − T_o, 0) / (1 + exp(10 (1/2 − width_o)))
        width_o = Σ_s |e_so| / (4 max_s |e_so| + 4ε)
        T_o  = (√(π/2) + 2 √(2 − π/2)) / 1.7 · √(median_p |e_0o|² / ln 2 · noise gain)

        total = Σ_o P_o / (Σ_so |e_so| + ε)
        x = Σ_o c_o² cos²θ_o / 3,  y = Σ_o c_o² sin²θ_o / 3,  z = Σ_o c_o² sinθ_o cosθ_o / 6,
        c_o = P_o / Σ_s |e_so|,  θ_o = oπ/6
        maximum, minimum = (x + y ± (√(z² + (x − y)²) + ε)) / 2        moments "reference"
        maximum, minimum = (x + y ± (√((4z)² + (x − y)²) + ε)) / 2     moments "kovesi"

    Parameters
    ----------
    picture : (H, W) array
        Values 0..255: ε has the unit of grey levels.
    bank : FilterBank
        `filter_bank` of the picture's shape.
    moments : "reference" or "kovesi"
        "kovesi": the eigenvalues of the covariance, which hardly depend on the direction of an
        edge.

    Notes
    -----
    Source: Kovesi 1999, Videre 1(3); Kovesi 2003, DICTA, with the parameters of the code that goes
    with Liu et al. 2012, IEEE TPAMI 34(1). Two slips of that code: it has z where Kovesi has 4z,
    which is the default here, as every published value has it; and with an odd number of rows or
    columns it misplaces the low-pass and stretches the frequencies by n / (n − 1), which we do not.
    A constant picture has total 0 everywhere.

    Examples
    --------
    >>> step = np.repeat([[50.0] * 16 + [150.0] * 16], 32, axis=0)
    >>> total = phase_congruency(step, filter_bank(step.shape)).total[16]
    >>> [bool(total[x] > 0.5) for x in (8, 15, 16, 24)]
    [False, True, True, False]
    """
    spectrum = fft.fft2(picture)
    scales = spectrum * bank.bands
    responses = np.empty_like(scales)
    sums = np.zeros((5, *picture.shape))
    for o, (sector, noise_gain) in enumerate(zip(bank.sectors, bank.noise_gains, strict=True)):
        responses = fft.ifft2(np.multiply(scales, sector, out=responses), overwrite_x=True)
        noise = _NOISE_LIMIT * np.sqrt(
            np.median(np.abs(responses[0]) ** 2) / np.log(2) * noise_gain
        )
        for top in range(0, picture.shape[0], _ROWS_AT_ONCE):
            rows = slice(top, top + _ROWS_AT_ONCE)
            _add_orientation(sums[:, rows], responses[:, rows], noise, o * np.pi / _ORIENTATIONS)
    energy, amplitude, x, y, z = sums
    spread = np.sqrt((_Z_FACTOR[moments] * z) ** 2 + (x - y) ** 2) + _EPSILON
    return PhaseCongruency(
        energy / (amplitude + _EPSILON), (x + y + spread) / 2, (x + y - spread) / 2
    )


@lru_cache(maxsize=1)
def filter_bank(shape: tuple[int, ...]) -> FilterBank:
    """Return the log-Gabor filters for pictures of `shape`.

    The last bank is cached: a tenth of Q_P's time went here.

    ::

        band_s(f) = exp(−ln²(|f| / f_s) / (2 ln² 0.55)) / (1 + (|f| / 0.45)³⁰)
        f_s = 1 / (3 · 2.1^s) per pixel
        sector_o(f) = exp(−(∠f − oπ/6)² / (2 (π/7.2)²))

    Band 0 at f = 0. Angles run anticlockwise and their differences lie in −π..π.
    """
    v, u = fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1])[None, :]
    radius = np.hypot(u, v)
    low_pass = 1 / (1 + (radius / 0.45) ** (2 * 15))
    low_pass[0, 0] = 0
    # any number that has a logarithm: the line above takes frequency 0 out
    radius[0, 0] = 1
    log_radius, angle = np.log(radius), np.arctan2(-v, u)
    bands = np.stack([_band(log_radius, s) for s in range(_SCALES)]) * low_pass
    sectors = np.stack([_sector(angle, o) for o in range(_ORIENTATIONS)])
    total = bands.sum(axis=0)
    gains = tuple(
        _even_power(total * sector) / np.sum((bands[0] * sector) ** 2) for sector in sectors
    )
    return FilterBank(bands, sectors, gains)


def _band(log_radius: Grey, scale: int) -> Grey:
    log_ratio = log_radius + np.log(_FINEST_WAVELENGTH * _SCALE_STEP**scale)
    band: Grey = np.exp(log_ratio**2 / (-2 * np.log(_BANDWIDTH) ** 2))
    return band


def _sector(angle: Grey, orientation: int) -> Grey:
    distance = np.abs(angle - orientation * np.pi / _ORIENTATIONS)
    return np.exp(np.minimum(distance, 2 * np.pi - distance) ** 2 / (-2 * _ANGULAR_SIGMA**2))


def _even_power(spectrum: Grey) -> float:
    """Σ (f(u, v) + f(−u, −v))² / 4: by Parseval's theorem the power of a filter's even part."""
    mirror = np.roll(spectrum[::-1, ::-1], 1, axis=(0, 1))
    return float(np.sum((spectrum + mirror) ** 2)) / 4


def _add_orientation(
    sums: NDArray[np.float64], responses: NDArray[np.complex128], noise: float, angle: float
) -> None:
    """Add P_o, Σ_s |e_so| and three moments of one orientation to `sums` (5, rows, W), in place."""
    amplitudes = np.abs(responses)
    amplitude = amplitudes.sum(axis=0)
    energy = _in_step(responses, noise)
    width = amplitude / (amplitudes.max(axis=0) + _EPSILON) / _SCALES
    energy /= 1 + np.exp((_CUT_OFF - width) * _SHARPNESS)
    square = np.divide(energy, amplitude, out=np.zeros_like(energy), where=amplitude > 0) ** 2
    cos, sin = np.cos(angle), np.sin(angle)
    terms = (
        energy,
        amplitude,
        square * (cos * cos / 3),
        square * (sin * sin / 3),
        square * (sin * cos / 6),
    )
    for total, term in zip(sums, terms, strict=True):
        total += term


def _in_step(responses: NDArray[np.complex128], noise: float) -> Grey:
    """max(W_o − T_o, 0), the part of the energy in which the scales agree."""
    total = responses.sum(axis=0)
    strength = np.abs(total)
    across = np.abs(responses.real * total.imag - responses.imag * total.real).sum(axis=0)
    energy: Grey = np.maximum((strength**2 - across) / (strength + _EPSILON) - noise, 0)
    return energy
