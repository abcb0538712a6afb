"""The surface that a burst scans: where each pixel is sharpest; see `Surface`, `find_surface`."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import Frames, luminance, shape_of
from seamwise.types import Picture

_FINE, _WINDOW = 1.0, 3.0  # standard deviations in pixels: of the details, and of their mean
_NOISE_PERCENTILE = 5  # of the mean over the frames: where a picture shows least
_OF_LEAST = 4  # what noise has on average, over its least in 10 to 20 frames
_LEAST_CONFIDENCE = 0.33  # in a simulated burst 60 % of the wrong positions lie below, 1 % others
_STEP = 1 / 255  # between grey levels of the coarsest frames


@dataclass(frozen=True, eq=False)
class Surface:
    """Where each pixel is sharpest within a burst.

    Attributes
    ----------
    position : (Y, X) float32 array
        In frames, counted from 0 in the order of the burst, with fractions; NaN where no frame is
        sharp.
    confidence : (Y, X) float32 array
        1 − (mean contrast of the other frames) / (contrast of the sharpest), 0..1; 0 where the
        position is NaN.
    count : int
        Number of frames.
    z_step : float, optional
        Distance from frame to frame in micrometres.
    spacing : (float, float), optional
        Size of a pixel ``(Y, X)`` in micrometres.
    """

    position: Picture
    confidence: Picture
    count: int
    z_step: float | None = None
    spacing: tuple[float, float] | None = None

    @property
    def height(self) -> Picture:
        """`position` in micrometres if the step is known, otherwise in frames."""
        return self.position * np.float32(1 if self.z_step is None else self.z_step)

    @property
    def top(self) -> float:
        """The height of the last frame."""
        return (self.count - 1) * (1.0 if self.z_step is None else self.z_step)

    @property
    def unit(self) -> str:
        """Unit of the height: "µm" or "frames"."""
        return "frames" if self.z_step is None else "µm"


def find_surface(
    frames: Frames,
    *,
    z_step: float | None = None,
    spacing: tuple[float, float] | None = None,
    grey_step: float = _STEP,
) -> Surface:
    """Find where each pixel is sharpest.

    ::

        S_i = G₃ * (ΔG₁ * Y_i)²                           contrast of frame i, Y its luminance
        m   = arg max_i S_i,    l_k = log S_{m+k}
        position = m + (l_{−1} − l_1) / (2·(l_{−1} − 2·l_0 + l_1)),    a median of 5×5 pixels

    with G_σ a Gaussian of σ pixels. At the first and the last frame the position is m. It is
    missing where S_m is not above the noise, times 3 + log n or 3n/4, whichever is less. The noise
    is the 5th percentile, over the pixels, of the mean of S_i, at most 4 times that of the least
    S_i, at least what rounding to grey levels leaves. In three frames and more, it is also missing
    where the confidence is below 1/3, as in the blur around an outline.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays in 0..1
        Two or more, in the order of their focus. Each is read once, one at a time.
    z_step, spacing : float and (float, float), optional
        As in `Surface`, in micrometres.
    grey_step : float
        Between two neighbouring grey levels of the frames' type: 1/65535 for 16 bits; 0 if they
        were never rounded. By default that of 8 bits.

    Returns
    -------
    Surface

    Raises
    ------
    ValueError
        There are fewer than two frames.

    Notes
    -----
    Source: Nayar, Nakagawa 1994, "Shape from focus", IEEE TPAMI 16(8), with a Gaussian through the
    three contrasts around the largest. About 40 bytes per pixel are held, however many frames.

    Examples
    --------
    >>> scene = np.random.default_rng(0).random((40, 60), np.float32)
    >>> blurred = [cv2.GaussianBlur(scene, (0, 0), 0.5 + abs(i - 2)) for i in range(5)]
    >>> surface = find_surface(blurred, z_step=3.0)
    >>> float(np.median(surface.height).round()), surface.unit
    (6.0, 'µm')
    """
    peak = _Peak(shape_of(frames))
    for number in range(len(frames)):
        peak.add(number, _contrast(luminance(frames[number])))
    best, others = peak.best, (peak.total - peak.best) / (len(frames) - 1)
    mean, least = (
        float(np.percentile(x, _NOISE_PERCENTILE)) for x in (peak.total / len(frames), peak.least)
    )
    # texture raises the mean everywhere, but not the least contrast
    noise = max(min(mean, _OF_LEAST * least), _rounding_contrast(grey_step))
    # the largest of few contrasts cannot be far above their mean
    factor = min(3 + np.log(len(frames)), 0.75 * len(frames))
    is_sharp = best > noise * factor
    position = cv2.medianBlur(peak.position(), 5)
    confidence = 1 - others / np.maximum(best, np.float32(1e-20))
    if len(frames) > 2:
        is_sharp &= confidence > _LEAST_CONFIDENCE
    confidence = np.where(is_sharp, confidence, 0)
    return Surface(
        np.where(is_sharp, position, np.float32(np.nan)).astype(np.float32),
        confidence.clip(0, 1).astype(np.float32),
        len(frames),
        z_step,
        spacing,
    )


class _Peak:
    """The largest contrast of each pixel, and those of the frames before and after it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.number = np.zeros(shape[:2], np.uint16)
        self.best = np.full(shape[:2], -1, np.float32)
        self.least = np.full(shape[:2], np.inf, np.float32)
        self.total = np.zeros(shape[:2], np.float32)
        self._before, self._after = (np.full(shape[:2], np.nan, np.float32) for _ in range(2))
        self._last: Picture | None = None

    def add(self, number: int, contrast: Picture) -> None:
        follows = self.number == number - 1
        self._after[follows] = contrast[follows]
        better = contrast > self.best
        self.number[better], self.best[better] = number, contrast[better]
        self._after[better] = np.nan
        self._before[better] = np.nan if self._last is None else self._last[better]
        self.total += contrast
        np.minimum(self.least, contrast, out=self.least)
        self._last = contrast

    def position(self) -> Picture:
        before, best, after = (
            np.log(np.maximum(x, np.float32(1e-20))) for x in (self._before, self.best, self._after)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = (before - after) / (2 * (before - 2 * best + after))
        offset = np.where(np.isfinite(offset), offset, 0).clip(-0.5, 0.5)
        return np.asarray(self.number + offset, np.float32)


def _contrast(grey: Picture) -> Picture:
    detail = _detail(grey)
    return np.asarray(
        cv2.GaussianBlur(detail * detail, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT),
        np.float32,
    )


def _detail(grey: Picture) -> Picture:
    smooth = cv2.GaussianBlur(grey, (0, 0), _FINE, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.Laplacian(smooth, cv2.CV_32F, borderType=cv2.BORDER_REFLECT), np.float32)


def _rounding_contrast(step: float) -> float:
    """The contrast of what rounding to grey levels adds, whose variance is 1/12 of a step²."""
    point = np.zeros((15, 15), np.float32)
    point[7, 7] = 1
    energy: NDArray[np.float32] = np.square(_detail(point))
    return float(energy.sum()) / 12 * step**2
