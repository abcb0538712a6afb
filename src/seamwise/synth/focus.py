"""Pairs of pictures with different focus from one sharp picture; see `focus_pair`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.pictures import as_unit
from seamwise.types import Picture

Edges = Literal["hard", "matte"]
Kernel = Literal["gaussian", "disc"]

_DRAWS = 100


@dataclass(frozen=True, eq=False)
class FocusPair:
    """Two pictures of one scene, each sharp where the other is not.

    Attributes
    ----------
    a, b : (Y, X) or (Y, X, C) float32 array
        The sources: `a` is blurred where `mask` is 1, `b` where it is 0.
    truth : array of the same shape
        The scene in focus everywhere, without noise and change of brightness.
    mask : (Y, X) bool array
        The focus map g^b.
    """

    a: Picture
    b: Picture
    truth: Picture
    mask: NDArray[np.bool_]


def focus_pair(
    image: NDArray[Any],
    mask: NDArray[Any],
    *,
    sigma: float | Sequence[float] = (1.0, 5.0),
    edges: Edges = "hard",
    kernel: Kernel = "gaussian",
    noise: float = 0.0,
    brightness: float = 0.0,
    rng: np.random.Generator | int | None = None,
) -> FocusPair:
    """Blur one part of a picture, and the other part of its copy.

    ::

        x_A = ȳ·g + y·(1 − g),    x_B = ȳ·(1 − g) + y·g,    ȳ = y * h_σ      (edges="hard")

    with y the picture, g the mask and h_σ the blur. A hard mask keeps the blur of an object within
    its outline. A lens does not: out of focus, the object spreads over what is behind it. With
    ``edges="matte"`` the masked part is an object in front of the rest, each part is blurred by
    itself, and the object's blurred outline α = g * h_σ lies over the sharp background::

        x_A = (y·g) * h_σ + (1 − α)·y,    x_B = g·y + (1 − g)·((1 − g)·y * h_σ) / (1 − α)

    Parameters
    ----------
    image : (Y, X) or (Y, X, C) array
        Floats in 0..1, or uint8 or uint16, which are scaled to 0..1.
    mask : (Y, X) array of 0 and 1
        g; neither all 0 nor all 1.
    sigma : float or (low, high)
        Standard deviation of the blur in pixels, or the range it is drawn from uniformly.
    edges : {"hard", "matte"}
    kernel : {"gaussian", "disc"}
        "disc" is the uniform disc of radius 2σ, an ideal lens's point spread. It has the Gaussian's
        variance, and up to 0.17 pixel² more, since the pixels on its rim are shares of it.
    noise : float
        Largest standard deviation of Gaussian sensor noise; that of the pair is uniform in
        0..noise.
    brightness : float
        `b` is multiplied by a factor whose logarithm is uniform in ±log(1 + brightness).
    rng : numpy random generator, seed or None

    Returns
    -------
    FocusPair
        Its sources are clipped to 0..1 where noise or brightness have changed them.

    Raises
    ------
    TypeError
        `image` holds neither floats, uint8 nor uint16.
    ValueError
        Shapes do not fit, the mask is all 0, all 1 or holds other numbers, the image leaves 0..1,
        or an option is out of range.

    Notes
    -----
    Borders are mirrored; a Gaussian is cut at 4σ. Source: thesis (6.1), which has hard edges and σ
    ~ U(1, 5). The spread of defocus at outlines: Ma et al. 2019, arXiv:1910.13136. Both parts are
    blurred as if each continued behind the other, as far as the picture tells.

    Examples
    --------
    >>> image = np.zeros((1, 4)); image[0, 1] = 1
    >>> pair = focus_pair(image, np.array([[1, 1, 0, 0]]), sigma=1.0)
    >>> pair.a.round(1), pair.b.round(1)  # the first two pixels of a are blurred, the others of b
    (array([[0.3, 0.4, 0. , 0. ]], dtype=float32), array([[0. , 1. , 0.2, 0.1]], dtype=float32))
    """
    rng = np.random.default_rng(rng)
    sharp = as_unit(image, name="image")
    focus = _checked_mask(mask, sharp.shape)
    deviation = _draw(sigma, rng)
    if not (0 <= noise < np.inf and 0 <= brightness < np.inf):
        raise ValueError(f"noise and brightness must be 0 or more, not {noise} and {brightness}")
    if edges not in get_args(Edges) or kernel not in get_args(Kernel):
        raise ValueError(
            f"edges must be hard or matte and kernel gaussian or disc, not {edges!r} and {kernel!r}"
        )
    a, b = (_matte if edges == "matte" else _hard)(sharp, focus, deviation, kernel)
    if brightness:
        b = np.clip(b * np.float32(np.exp(rng.uniform(-1, 1) * np.log1p(brightness))), 0, 1)
    if noise:
        amount = np.float32(rng.uniform(0, noise))
        a, b = (
            np.clip(x + amount * rng.standard_normal(x.shape, dtype=np.float32), 0, 1)
            for x in (a, b)
        )
    return FocusPair(a, b, sharp, focus.astype(bool))


def draw_mask(
    segments: NDArray[Any], rng: np.random.Generator | int | None = None
) -> NDArray[np.bool_]:
    """Return a random subset of the segments as a mask: each is in it with probability 1/2.

    Empty and full masks are drawn again.

    Parameters
    ----------
    segments : (Y, X) integer array
        One number per segment; 0 is a segment like any other.
    rng : numpy random generator, seed or None

    Raises
    ------
    ValueError
        There is only one segment.

    Notes
    -----
    Source: thesis section 6.2.1 (Γ, a random subset of the objects).
    """
    rng = np.random.default_rng(rng)
    names, index = np.unique(segments, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            "segments must hold at least two numbers: one part is sharp where the other is not"
        )
    in_front = np.zeros(len(names), bool)
    while in_front.all() or not in_front.any():
        in_front = rng.random(len(names)) < 0.5
    return in_front[index].reshape(segments.shape)


def random_shapes(
    shape: Sequence[int], *, rng: np.random.Generator | int | None = None
) -> NDArray[np.int32]:
    """Return made-up segments `(Y, X)`, numbered from 0, for a picture that has none.

    Of three kinds, at random: two to six ellipses over each other, cells around random points with
    straight borders, and the level sets of smooth noise. There are at least two segments.

    Examples
    --------
    >>> segments = random_shapes((60, 80), rng=0)
    >>> segments.shape, len(np.unique(segments)) > 1
    ((60, 80), True)
    """
    if len(shape) != 2 or shape[0] * shape[1] < 2:
        raise ValueError(f"shape must be two lengths with at least two pixels, not {tuple(shape)}")
    rng = np.random.default_rng(rng)
    for _ in range(_DRAWS):
        segments = [_ellipses, _cells, _level_sets][int(rng.integers(3))]((shape[0], shape[1]), rng)
        if segments.min() < segments.max():
            return segments
    halves = np.zeros(tuple(shape), np.int32)  # a picture so small that every shape covers it
    halves.reshape(-1)[halves.size // 2 :] = 1
    return halves


def blur(image: Picture, sigma: float, kernel: Kernel = "gaussian") -> Picture:
    """Blur a float32 picture, mirrored at its borders, by a Gaussian or disc of that variance."""
    if kernel == "gaussian":
        size = 2 * int(np.ceil(4 * sigma)) + 1
        result = cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT)
    else:
        result = cv2.filter2D(image, -1, _disc(2 * sigma), borderType=cv2.BORDER_REFLECT)
    return result.reshape(image.shape).astype(np.float32)  # OpenCV drops an axis of one channel


def _hard(image: Picture, mask: Picture, sigma: float, kernel: Kernel) -> tuple[Picture, Picture]:
    # a kernel's weights may sum to a little over 1
    background = np.clip(blur(image, sigma, kernel), 0, 1)
    weight = _over(mask, image)
    return np.where(weight == 1, background, image), np.where(weight == 1, image, background)


def _matte(image: Picture, mask: Picture, sigma: float, kernel: Kernel) -> tuple[Picture, Picture]:
    weight = _over(mask, image)
    alpha = _over(np.clip(blur(mask, sigma, kernel), 0, 1), image)
    front = blur(image * weight, sigma, kernel)
    background = blur(image * (1 - weight), sigma, kernel) / np.maximum(1 - alpha, 1e-6)
    a = front + (1 - alpha) * image
    b = np.where(weight == 1, image, background)
    return np.clip(a, 0, 1), np.clip(b, 0, 1)


def _over(mask: Picture, image: Picture) -> Picture:
    """The mask with the axes of the image."""
    return mask if image.ndim == 2 else mask[..., np.newaxis]


def _disc(radius: float) -> Picture:
    """Uniform disc with sum 1; pixels on its rim weigh by how far they reach into it."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)


def _checked_mask(mask: NDArray[Any], shape: tuple[int, ...]) -> Picture:
    mask = np.asarray(mask)
    if mask.shape != shape[:2]:
        raise ValueError(f"mask must have the picture's size {shape[:2]}, not {mask.shape}")
    if not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"mask must hold 0 and 1 only, not {mask.min()}..{mask.max()}: "
            "choose segments of it first"
        )
    if mask.min() == mask.max():
        raise ValueError(
            f"mask is {mask.flat[0]} everywhere: "
            "draw it again, each picture is sharp in its own part"
        )
    return mask.astype(np.float32)


def _draw(sigma: float | Sequence[float], rng: np.random.Generator) -> float:
    low, high = sigma if isinstance(sigma, Sequence) else (sigma, sigma)
    if not 0 < low <= high < np.inf:
        raise ValueError(f"sigma must be positive, or a range of positive numbers, not {sigma}")
    return float(rng.uniform(low, high))


def _ellipses(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int32]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    size = min(shape)
    segments = np.zeros(shape, np.int32)
    for number in range(1, int(rng.integers(2, 7)) + 1):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        angle, radii = rng.uniform(0, np.pi), rng.uniform(0.08, 0.45, 2) * size
        u = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
        v = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)
        segments[(u / radii[0]) ** 2 + (v / radii[1]) ** 2 <= 1] = number
    return segments


def _cells(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int32]:
    points = rng.uniform(0, 1, (int(rng.integers(2, 9)), 2)) * shape
    y, x = np.mgrid[: shape[0], : shape[1]]
    distances = [(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in points]
    return np.asarray(np.argmin(distances, axis=0), np.int32)


def _level_sets(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int32]:
    coarse = rng.standard_normal((int(rng.integers(3, 9)), int(rng.integers(3, 9)))).astype(
        np.float32
    )
    smooth = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.digitize(smooth, np.quantile(smooth, (1 / 3, 2 / 3))).astype(np.int32)
