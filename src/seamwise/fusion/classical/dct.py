"""Fusion block by block; see `dct` and `dct_cv`."""

from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from seamwise.fusion.frames import CheckedFrames, Frames, luminance
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.types import Picture

BLOCK = 8
WINDOW = 7  # of `dct_cv`, in blocks


def dct(frames: Frames) -> Fusion:
    """Take every 8×8 block from the frame in which it has the largest variance.

    The variance is read off the block's orthonormal discrete cosine transform d, as it stands in a
    JPEG file::

        σ² = (1/64) Σ_{(k,l) ≠ (0,0)} d(k,l)²

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays
        In 0..1, of any size: blocks cut by the border are filled up by reflection. Each is read
        twice, one at a time.

    Returns
    -------
    Fusion
        `depth` is the frame of the block, the first of several.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, or frames that do not fit or leave 0..1.

    Notes
    -----
    Frames of equal variance are averaged, so the order of the frames changes nothing but the
    rounding of that mean (and, between such frames, `depth`). In addition to one frame and its
    transform, 2 + 4·C bytes per pixel and 0.15 for each frame are held for C channels.

    Source: Haghighat, Aghagolzadeh, Seyedarabi 2011, "Multi-focus image fusion for visual sensor
    networks in DCT domain", Computers & Electrical Engineering 37(5). The variance of a colour
    picture is that of its luminance.

    Examples
    --------
    >>> stripes = np.tile(np.float32([0, 1]), (8, 8))
    >>> left, right = stripes.copy(), stripes.copy()
    >>> left[:, 8:] = right[:, :8] = 0.5  # out of focus
    >>> fused = dct([left, right])
    >>> fused.depth[0, ::4], bool((fused.image == stripes).all())
    (array([0, 0, 1, 1], dtype=uint8), True)
    """
    frames = CheckedFrames(frames)
    return _assemble(frames, _sharpest(frames))


def dct_cv(frames: Frames, *, window: int = WINDOW, rounds: int = 2) -> Fusion:
    """Take every 8×8 block from the frame that most blocks around it are taken from.

    `dct` with consistency verification: the decisions of the blocks are filtered by the mean over a
    window of blocks, R times, and the frame with the most is taken::

        D_n(b) = 1 if σ²_n(b) = max_m σ²_m(b), else 0
        N_n = mean_{w×w} * … * mean_{w×w} * D_n  (R times),    n(b) = arg max_n N_n(b)

    For two frames and R = 1 this is the majority filter of the decision map.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays
        As in `dct`.
    window : int
        w, width in blocks; odd. 1 gives `dct`.
    rounds : int
        R, 1 or more.

    Returns
    -------
    Fusion
        `depth` is the frame of the block, the first of several.

    Raises
    ------
    TypeError
        A frame is not float32.
    ValueError
        Fewer than two frames, frames that do not fit or leave 0..1, an even window, or no round.

    Notes
    -----
    Frames with equally many votes are averaged. Order, memory and source as in `dct`; a block of
    equal variance in several frames votes for each of them. At the border, the decision map is
    reflected. Detail thinner than half a window of blocks, 28 pixels, is outvoted. Window and
    rounds are those of the authors' software, which takes the first of two frames with equal votes.

    Examples
    --------
    >>> stripes = np.tile(np.float32([0.25, 0.75]), (24, 12))
    >>> blurred = np.full_like(stripes, 0.5)
    >>> blurred[8:16, 8:16] = stripes[8:16, 8:16] * 2 - 0.5  # noise in one blurred block
    >>> int(dct([stripes, blurred]).depth[12, 12]), int(dct_cv([stripes, blurred]).depth[12, 12])
    (1, 0)
    """
    frames = CheckedFrames(frames)
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of blocks, not {window}")
    if rounds < 1:
        raise ValueError(f"rounds must be 1 or more, not {rounds}: use dct for none")
    return _assemble(frames, _majority(_sharpest(frames), window, rounds))


def block_variance(image: Picture) -> Picture:
    """Return the variance of each 8×8 block of a grey picture, from its cosine transform.

    Blocks cut by the lower or right border are filled up by reflection.
    """
    padding = [(0, -length % BLOCK) for length in image.shape]
    whole_blocks = np.pad(image, padding, mode="symmetric")
    rows, columns = whole_blocks.shape[0] // BLOCK, whole_blocks.shape[1] // BLOCK
    blocks = whole_blocks.reshape(rows, BLOCK, columns, BLOCK)
    coefficients = scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")
    coefficients[:, 0, :, 0] = 0
    return np.asarray(np.square(coefficients).sum((1, 3)) / BLOCK**2, np.float32)


def _sharpest(frames: CheckedFrames) -> NDArray[np.bool_]:
    """Where each frame has the largest variance, `(frame, *blocks)`; at least one per block."""
    variances = np.stack(
        [block_variance(luminance(frames[number])) for number in range(len(frames))]
    )
    return np.asarray(variances == variances.max(0))


def _majority(decisions: NDArray[np.bool_], window: int, rounds: int) -> NDArray[np.bool_]:
    """Where each frame has the most votes of the blocks around."""
    votes = [_votes(frame, window, rounds) for frame in decisions]
    return np.asarray(votes == np.max(votes, axis=0))


def _votes(decision: NDArray[np.bool_], window: int, rounds: int) -> NDArray[np.float64]:
    """Whole numbers: means times the number of blocks that they are made of."""
    votes: NDArray[Any] = decision.astype(np.float64)
    for _ in range(rounds):
        votes = cv2.boxFilter(
            votes, -1, (window, window), normalize=False, borderType=cv2.BORDER_REFLECT
        )
    return np.asarray(votes, np.float64)


def _assemble(frames: CheckedFrames, decisions: NDArray[np.bool_]) -> Fusion:
    """The mean of the frames decided for, in every block."""
    shape = frames.shape
    weights = decisions / decisions.sum(0, dtype=np.float32)
    image = np.zeros(shape, np.float32)
    for number in range(len(frames)):
        weight = _over_pixels(weights[number], shape)
        image += frames[number] * (weight if len(shape) == 2 else weight[..., np.newaxis])
    depth = decisions.argmax(0).astype(depth_dtype(len(frames)))
    return Fusion(image, _over_pixels(depth, shape))


def _over_pixels(blocks: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The number of its block for every pixel."""
    return blocks.repeat(BLOCK, 0)[: shape[0]].repeat(BLOCK, 1)[:, : shape[1]]
