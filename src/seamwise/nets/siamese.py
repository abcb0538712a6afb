"""Which of two patches is in focus; see `Siamese`."""

from typing import ClassVar

import torch
from torch import Tensor, nn

PATCH = 16
STRIDE = 2
# a logit depends on so many pixels around its patch: two convolutions, and one more after pooling
MARGIN = 4

_WIDTHS = (64, 128, 256)


class Siamese(nn.Module):
    """Two grey pictures `(N, 1, Y, X)` in 0..1 → which is in focus, two logits per 16×16 patch.

    Two branches with the same weights; then one fully connected layer from what both found to two
    outputs, which is an 8×8 convolution, so that the same network runs over patches and over whole
    pictures::

        φ = ReLU(conv₃(pool(ReLU(conv₂(ReLU(conv₁(x)))))))     3×3, to 64, 128, 256; pooling 2×2
        z_A = w·(φ(x_A) − φ(x_B)),    z_B = −z_A               w is 256×8×8
        p(A is in focus) = softmax(z)_A = (1 + tanh z_A) / 2

    The logits are `(N, 2, Y', X')` with Y' = ⌊Y/2⌋ − 7: one for each patch, of which neighbours lie
    two pixels apart. Patch (i, j) covers the pixels 2i..2i+15 and 2j..2j+15.

    Raises
    ------
    ValueError
        On a picture that is not one grey channel, of fewer than 16×16 pixels, or not of the other's
        shape.

    Notes
    -----
    386,048 parameters: 640, 73,856 and 295,168 of the convolutions and 16,384 of w.

    Source: Liu, Chen, Peng, Wang 2017, "Multi-focus image fusion with a deep convolutional neural
    network", Information Fusion 36, in its "slight" form. Their full model has a layer of 256 units
    between the concatenated features (512×8×8) and the two outputs, another 8.3 million parameters.
    We depart from it in two ways.

    - Their last layer weighs the concatenated features freely (65,538 parameters; 435,202 in all),
      so that exchanging the pictures does not exactly exchange the outputs. Ours does. It loses
      nothing: the log-odds of a free layer, averaged over both orders of the pictures, are a
      weighted sum of φ(x_A) − φ(x_B) too.
    - Convolutions mirror at borders (padding 1) where theirs see zeros. In a whole picture a patch
      has neighbours; a mirror image is more like them than black is.

    Examples
    --------
    >>> net = Siamese()
    >>> a, b = torch.rand(2, 5, 1, 16, 16)
    >>> net(a, b).shape, torch.equal(net(a, b), net(b, a).flip(1))
    (torch.Size([5, 2, 1, 1]), True)
    >>> net(*torch.rand(2, 1, 1, 40, 60)).shape
    torch.Size([1, 2, 13, 23])
    """

    patch: ClassVar[int] = PATCH
    """Side of a patch in pixels."""

    def __init__(self) -> None:
        super().__init__()
        narrow, middle, wide = _WIDTHS
        self.branch = nn.Sequential(
            _convolution(1, narrow),
            nn.ReLU(inplace=True),
            _convolution(narrow, middle),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            _convolution(middle, wide),
            nn.ReLU(inplace=True),
        )
        # no bias: it would favour one of the pictures
        self.head = nn.Conv2d(wide, 1, PATCH // STRIDE, bias=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the logits `(N, 2, Y', X')`: channel 0 for `a`, 1 for `b`."""
        if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 1 or min(a.shape[2:]) < PATCH:
            raise ValueError(
                f"a and b must both be (N, 1, Y, X) with at least {PATCH}×{PATCH} pixels, "
                f"not {tuple(a.shape)} and {tuple(b.shape)}"
            )
        # the difference comes first: in half precision, that of two large sums would be lost in
        # their rounding
        logit = self.head(self.branch(a) - self.branch(b))
        return torch.cat([logit, -logit], 1)


def _convolution(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect")
