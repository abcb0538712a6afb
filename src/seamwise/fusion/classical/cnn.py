"""Fusion by a network that tells sharp patches from blurred ones; see `cnn`."""

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors import SafetensorError

from seamwise.fusion.classical.guided_filter import guided_filter
from seamwise.fusion.classical.regions import without_specks
from seamwise.fusion.frames import CheckedFrames, Frames, luminance
from seamwise.fusion.result import Fusion
from seamwise.fusion.sequential import functional_power
from seamwise.tiling import tiles
from seamwise.types import Picture

if TYPE_CHECKING:  # torch takes seconds to import, and every other method does without it
    import torch

    from seamwise.nets import Siamese

Mask = NDArray[np.bool_]

WEIGHTS = Path(__file__).with_name("cnn.safetensors")

_LEAST_REGION = 0.01  # of the picture's area
_RADIUS, _EPS = 8, 0.1
# patches along each axis that go through the network at once: 526 pixels, about 200 MB in float32
_TILE = 256


def cnn(frames: Frames, *, device: str = "auto") -> Fusion:
    """Ask a network which frame is sharp in every 16×16 patch, and blend along edges.

    With z the network's logits (`nets.Siamese`), patches i two pixels apart, and ρ small regions
    turned over::

        f(i) = p(x_A is in focus at i) − p(x_B is in focus at i) = tanh z_A(i)
        M(p) = mean of f over the patches that cover p,       in −1..1
        D = ρ(sign M)                                 regions below 1 % of the picture
        W = guided_filter(D, I, r = 8, ε = 0.1),              I = Y((1 + D)/2·x_A + (1 − D)/2·x_B)
        F = (1 + W)/2·x_A + (1 − W)/2·x_B

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays
        In 0..1, of any size: to the network, a picture of odd or of fewer than 16 rows or columns
        continues by reflection. More than two are fused one after the other, see Notes.
    device : str
        Where the network runs: "auto", "cpu", "cuda" or "mps".

    Returns
    -------
    Fusion
        `depth` is the frame of the larger weight, the first of two.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, frames that do not fit or leave 0..1, no such device, or the file of
        weights is damaged.

    Notes
    -----
    Two frames may be swapped: the network's logits are swapped with them, M changes its sign, and ρ
    treats both signs alike; equal frames have f = 0 everywhere and are averaged. But **the result
    depends on the order of three or more**: they are fused as f(f(x_0, x_1), x_2) …, see
    `functional_power`. A large picture goes through the network in tiles, to the same logits (to
    the rounding of their type), so that its memory is bounded.

    Source: Liu, Chen, Peng, Wang 2017, "Multi-focus image fusion with a deep convolutional neural
    network", Information Fusion 36, their slight model. We depart from it so that the order of two
    frames does not matter: theirs turns small regions of A over, then those of B, which differs
    from the other order where one lies in another; ours is the mean of both orders. The guide is
    the luminance of a colour picture. The weights are our own; how they were trained is in
    ``cnn.md``, next to this file.

    Examples
    --------
    >>> stripes = np.tile(np.float32([0, 0, 1, 1]), (64, 32))
    >>> left, right = stripes.copy(), stripes.copy()
    >>> left[:, 64:] = right[:, :64] = 0.5  # out of focus
    >>> fused = cnn([left, right])
    >>> fused.depth[32, [4, 124]], fused.image[32, :4].round(2)
    (array([0, 1], dtype=uint8), array([0., 0., 1., 1.], dtype=float32))
    """
    from seamwise.engine.devices import choose_device

    frames = CheckedFrames(frames)
    net = load_siamese(WEIGHTS, choose_device(device))
    return functional_power(partial(_fuse_pair, net), frames)


@cache
def load_siamese(path: Path, device: "torch.device") -> "Siamese":
    """Return the network of a file of weights, in the device's best precision; each is read once.

    Raises
    ------
    ValueError
        The file is missing or damaged, or holds another network.
    """
    from safetensors.torch import load_file

    from seamwise.engine.devices import choose_precision, memory_format
    from seamwise.nets import Siamese

    net = Siamese()
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"cannot read the weights of method cnn, {path}: {reason}; install seamwise again"
        ) from error
    net = net.eval().requires_grad_(False)
    dtype, layout = choose_precision(device), memory_format(2)
    return net.to(device=device, dtype=dtype, memory_format=layout)  # type: ignore[call-overload,no-any-return]


def patch_logits(first: Picture, second: Picture, net: "Siamese", *, tile: int = _TILE) -> Picture:
    """Return z_A, the network's logit for the first of two grey pictures, for each patch.

    The shape is `(Y/2 − 7, X/2 − 7)`.

    Parameters
    ----------
    first, second : (Y, X) float32 arrays
        With even sides of 16 pixels or more.
    net : Siamese
    tile : int
        Number of patches, along each axis, that go through the network at once. It sees the pixels
        around them that their logits depend on, so that these do not depend on the tile.
    """
    from seamwise.nets.siamese import MARGIN, PATCH, STRIDE

    reach = MARGIN // STRIDE
    logits = np.empty([(length - PATCH) // STRIDE + 1 for length in first.shape], np.float32)
    for part in tiles(logits.shape, size=tile, overlap=0):
        context = [
            slice(max(0, axis.start - reach), min(count, axis.stop + reach))
            for axis, count in zip(part.box, logits.shape, strict=True)
        ]
        pixels = tuple(
            slice(STRIDE * axis.start, STRIDE * (axis.stop - 1) + PATCH) for axis in context
        )
        interior = tuple(
            slice(axis.start - around.start, axis.stop - around.start)
            for axis, around in zip(part.box, context, strict=True)
        )
        logits[part.box] = _run(net, first[pixels], second[pixels])[interior]
    return logits


def _run(net: "Siamese", *pair: Picture) -> Picture:
    import torch

    from seamwise.engine.devices import memory_format

    like, layout = net.head.weight, memory_format(2)
    a, b = (torch.from_numpy(np.ascontiguousarray(image))[None, None] for image in pair)
    with torch.inference_mode():
        logits: torch.Tensor = net(
            *(image.to(like.device, like.dtype, memory_format=layout) for image in (a, b))
        )
    return np.asarray(logits[0, 0].float().cpu().numpy())


def _fuse_pair(net: "Siamese", first: Picture, second: Picture) -> Fusion:
    logits = patch_logits(_fill_up(luminance(first)), _fill_up(luminance(second)), net)
    decision = verify(focus_map(np.tanh(logits), first.shape[:2]))
    guide = luminance(_mix(first, second, decision))
    balance = np.clip(guided_filter(decision, guide, radius=_RADIUS, eps=_EPS), -1, 1)
    return Fusion(_mix(first, second, balance), (balance < 0).astype(np.uint8))


def _fill_up(image: Picture) -> Picture:
    """The picture with even sides of at least one patch, reflected at its end."""
    from seamwise.nets.siamese import PATCH

    padding = [(0, max(PATCH, length + length % 2) - length) for length in image.shape]
    return np.pad(image, padding, mode="reflect")


def focus_map(focus: NDArray[np.floating], shape: tuple[int, ...]) -> Picture:
    """Return for each pixel the mean over the patches that cover it.

    Parameters
    ----------
    focus : (Y', X') float array
        One number for each 16×16 patch, of which neighbours lie two pixels apart.
    shape : (Y, X)
        Of the picture; a last odd row or column may be missing from the patches' area, (2·Y' + 14,
        2·X' + 14).

    Examples
    --------
    The first two columns are covered by the first patch alone:

    >>> focus_map(np.array([[1.0, 0.0]]), (16, 18))[0]
    array([1. , 1. , 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
           0.5, 0.5, 0.5, 0. , 0. ], dtype=float32)
    """
    blocks = _window_sums(focus) / _window_sums(np.ones_like(focus))
    return blocks.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]].astype(np.float32)


def _window_sums(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Sum over the eight patches, along each axis, that cover each block of two pixels."""
    for axis in (0, 1):
        around = [(7, 7) if axis == padded_axis else (0, 0) for padded_axis in (0, 1)]
        values = sliding_window_view(np.pad(values, around), 8, axis=axis).sum(-1)
    return values


def verify(focus: Picture) -> Picture:
    """Return the sign of a focus map, small regions turned over: 1 or −1, and 0 where undecided.

    Small is a region, of pixels that touch at sides or corners, of less than 1 % of the picture.
    One within another is turned over first or last, depending on the sign one begins with: the
    result is the mean of both orders.

    Examples
    --------
    >>> focus = np.ones((20, 20)); focus[5, 5] = -1; focus[10:12, 10:12] = -0.3
    >>> verify(focus)[5, 5], verify(focus)[10, 10]  # one pixel, and four of 400
    (np.float32(1.0), np.float32(-1.0))
    """
    least_pixels = _LEAST_REGION * focus.size

    def opening(mask: Mask) -> Mask:
        return without_specks(mask, least_pixels)

    def closing(mask: Mask) -> Mask:
        return ~without_specks(~mask, least_pixels)

    # they differ where one region lies in another, and where the focus is 0
    some, all_but = opening(closing(focus > 0)), closing(opening(focus >= 0))
    return some.astype(np.float32) + all_but.astype(np.float32) - np.float32(1)


def _mix(first: Picture, second: Picture, balance: Picture) -> Picture:
    """The first picture where the balance is 1, the second where it is −1."""
    share = (1 + balance) / 2, (1 - balance) / 2
    a, b = share if first.ndim == 2 else (weight[..., np.newaxis] for weight in share)
    return np.asarray(a * first + b * second)
