"""A fused picture against the truth, where there is one; see `ssim` and `psnr`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import metrics

from seamwise.metrics.fusion.pictures import Grey, checked_picture


def ssim(fused: NDArray[Any], truth: NDArray[Any]) -> float:
    """Mean structural similarity of a fused picture and the truth.

    ::

        SSIM = mean_w (2 μ_F μ_T + C₁)(2 σ_FT + C₂) / ((μ_F² + μ_T² + C₁)(σ_F² + σ_T² + C₂))
        w Gaussian, 11 × 11, σ = 1.5;   C₁ = (0.01 · 255)², C₂ = (0.03 · 255)²

    over every window that lies inside the picture, and over the channels.

    Parameters
    ----------
    fused, truth : (H, W) or (H, W, 3) arrays
        Values 0..255, integers or floats; at least 11 × 11 pixels.

    Returns
    -------
    float
        −1..1, higher is better; 1 for alike pictures, flat ones too.

    Raises
    ------
    TypeError, ValueError
        Wrong type, values outside 0..255 or only of 0..1 (not just 0 and 1), NaN, different shapes
        or too small.

    Notes
    -----
    Source: thesis section 6.3.2; Wang, Bovik, Sheikh, Simoncelli 2004, IEEE TIP 13(4). Computed by
    scikit-image.

    Examples
    --------
    >>> truth = np.add.outer(np.arange(12) ** 2, np.arange(12))
    >>> ssim(truth, truth), round(ssim(truth + 20, truth), 2)
    (1.0, 0.91)
    """
    fused, truth = _checked_pair(fused, truth, min_size=11)
    return float(
        metrics.structural_similarity(  # type: ignore[no-untyped-call]
            truth,
            fused,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1 if truth.ndim == 3 else None,
        )
    )


def psnr(fused: NDArray[Any], truth: NDArray[Any]) -> float:
    """Peak signal over noise of a fused picture, 10 log₁₀(255² / mean (F − T)²).

    Parameters
    ----------
    fused, truth : (H, W) or (H, W, 3) arrays
        Values 0..255, integers or floats.

    Returns
    -------
    float
        Decibel, higher is better; infinity for alike pictures.

    Raises
    ------
    TypeError, ValueError
        Wrong type, values outside 0..255 or only of 0..1 (not just 0 and 1), NaN, different shapes.

    Notes
    -----
    Not in the thesis; the usual companion of `ssim`. Computed by scikit-image.

    Examples
    --------
    >>> truth = np.full((2, 2), 100.0)
    >>> round(psnr(truth + 25.5, truth), 6), psnr(truth, truth)
    (20.0, inf)
    """
    fused, truth = _checked_pair(fused, truth, min_size=1)
    if np.array_equal(fused, truth):
        return float("inf")
    return float(metrics.peak_signal_noise_ratio(truth, fused, data_range=255))  # type: ignore[no-untyped-call]


def _checked_pair(fused: NDArray[Any], truth: NDArray[Any], *, min_size: int) -> tuple[Grey, Grey]:
    fused, truth = checked_picture("fused", fused), checked_picture("truth", truth)
    if fused.shape != truth.shape:
        raise ValueError(
            f"fused and truth must have one shape, not {fused.shape} and {truth.shape}: "
            "crop them alike"
        )
    if truth.ndim != 2 and truth.shape[2:] != (3,):
        raise ValueError(
            f"fused and truth must be pictures (H, W) or (H, W, 3), not of shape {truth.shape}"
        )
    if min(truth.shape[:2]) < min_size:
        raise ValueError(
            f"fused and truth must have at least {min_size} × {min_size} pixels, not {truth.shape}"
        )
    return fused, truth
