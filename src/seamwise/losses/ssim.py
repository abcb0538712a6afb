"""Structural similarity as a loss; see `ssim`."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from seamwise.losses.inputs import image_pair
from seamwise.losses.pixel import apply_weight, mean

SIGMA, RADIUS = 1.5, 5  # pixels: a window of 11
TAPS = [math.exp(-(offset**2) / (2 * SIGMA**2)) for offset in range(-RADIUS, RADIUS + 1)]
C1, C2 = 0.01**2, 0.03**2  # for a data range of 1


def ssim(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """1 − the mean structural similarity of brightness, contrast and structure around each pixel.

    ::

        L = 1/(N·C·|Ω|) Σ_n Σ_l Σ_p ω(p) · (1 − SSIM_l(p))

        SSIM = (2·μ_y·μ_z + C1) / (μ_y² + μ_z² + C1) · (2·σ_yz + C2) / (σ_y² + σ_z² + C2)

    Means μ, variances σ² and the covariance σ_yz are those of a Gaussian window around p: 11 pixels
    and σ = 1.5 along each axis, C1 = .01², C2 = .03².

    Parameters
    ----------
    prediction : (N, C, *S) floating tensor
        z, any number of axes. Intensities of 0..1: C1 and C2 are for a data range of 1.
    truth : (N, C, *S) floating tensor
        y, likewise.
    weight : (N, *S) tensor, optional
        ω ≥ 0, one number per pixel, for all of its channels; 1 everywhere by default. ω(p) weighs
        the window around p. Inside the windows all pixels count alike, but one of weight 0 is in no
        window: it has no loss and no gradient, whatever is there, even NaN.

    Returns
    -------
    scalar tensor in 0..2 for weights of 1, float32 (float64 for a float64 prediction)
        Exactly 0, with a gradient of 0, where the images are equal, all weights are 0, or the batch
        is empty.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, or there are no pixels.

    Notes
    -----
    Computed in float32 also under autocast and for half precision; intensities beyond 1e18
    overflow.

    Windows end at the border: what is inside is divided by the sum of its taps. So every pixel has
    a window, an axis may be shorter than 11, down to one pixel (a slice is what the same 2D image
    is), and nothing is invented outside. Others drop the 5 pixels along each border or reflect
    the image there: from 5 pixels on, the values are the same.

    Source: thesis (2.18); Zhao et al. 2016, IEEE Transactions on Computational Imaging 3(1); window
    and constants of Wang et al. 2004, IEEE Transactions on Image Processing 13(4). Thesis (2.18)
    sums 1 − SSIM over the channels at one pixel p; we average channels and pixels. σ² is that of
    the window, without the factor n/(n − 1) of a sample.

    Examples
    --------
    >>> import torch
    >>> black, white = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    >>> ssim(white, white), ssim(white, black)  # the latter is 1 − C1/(1 + C1)
    (tensor(0.), tensor(0.9999))
    """
    return mean(ssim_map(prediction, truth, weight=weight))


def ssim_map(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """ω(p) · (1 − SSIM_l(p)) of each value `(N, C, *S)`; the unreduced form of `ssim`."""
    z, y = image_pair(prediction, truth, weight)
    pixel_mask = torch.ones_like(z[:1, :1]) if weight is None else (weight != 0).unsqueeze(1).to(z)
    total = _over_windows(pixel_mask)
    total = total.masked_fill(total == 0, 1)  # no pixel in the window

    moments = (
        _over_windows(torch.cat([z, y, z - y, z.square() + y.square(), (z - y).square()], dim=1))
        / total
    )
    mu_z, mu_y, mu_error, squares, squared_error = moments.chunk(5, dim=1)
    # σ_z² + σ_y², and the variance of z − y, σ_z² + σ_y² − 2·σ_yz: at most twice as much, also
    # after rounding
    variances = (squares - mu_z.square() - mu_y.square()).clamp(min=0)
    error_variance = (squared_error - mu_error.square()).clamp(min=0)
    # not torch.minimum: where both are 0 it has half the slope of each, and that of `variances` is
    # rounding
    error_variance = torch.where(error_variance <= 2 * variances, error_variance, 2 * variances)

    # 1 minus each factor of SSIM: of like images nothing cancels, and equal ones cost exactly 0
    luminance = mu_error.square() / (mu_z.square() + mu_y.square() + C1)
    structure = error_variance / (variances + C2)
    return apply_weight(luminance + structure - luminance * structure, weight)


def _over_windows(image: Tensor) -> Tensor:
    """Σ_q G(p − q)·image(q) over the pixels q of the image, along all but the first two axes."""
    # shifted sums, since a convolution may drop to 10 bits (TF32) on a GPU, which the variances do
    # not survive
    for axis in range(2, image.ndim):
        pixels = image.shape[axis]
        frame = functional.pad(image, (0, 0) * (image.ndim - 1 - axis) + (RADIUS, RADIUS))
        image = torch.zeros_like(image)
        for start, tap in enumerate(TAPS):
            image = image.add(frame.narrow(axis, start, pixels), alpha=tap)
    return image


class SSIM(nn.Module):
    """`ssim` as a module."""

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `ssim`."""
        return ssim(prediction, truth, weight=weight)
