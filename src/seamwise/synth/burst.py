"""Bursts of a scene whose sharp picture is known; see `focus_burst`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seamwise.synth.focus import Kernel, blur
from seamwise.types import Picture

# radii in pixels at which a layer is blurred; between two, the pictures are interpolated
_RADII = (0, 0.5, 1, 1.5, 2, 2.75, 3.75, 5, 6.5, 8.5, 11, 14, 18, 24)


@dataclass(frozen=True, eq=False)
class Layer:
    """A part of a scene, of any shape, on a surface of any depth.

    Attributes
    ----------
    light : (Y, X, 3) float32 array
        Linear light, 0 or more; 1 is white, and highlights are brighter.
    cover : (Y, X) float32 array in 0..1
        How far it hides what is behind it.
    depth : (Y, X) float32 array
        Distance, in the unit of the focus distances.
    """

    light: Picture
    cover: Picture
    depth: Picture


@dataclass(frozen=True, eq=False)
class FocusBurst:
    """Frames of one scene with different focus.

    Attributes
    ----------
    frames : list of (Y, X, 3) float32 array
        sRGB in 0..1.
    truth : array of the same shape
        The scene in focus everywhere.
    """

    frames: list[Picture]
    truth: Picture


def focus_burst(
    layers: Sequence[Layer],
    planes: Sequence[float],
    *,
    blur: float,
    kernel: Kernel = "disc",
) -> FocusBurst:
    """Take pictures of a scene, each focused at one distance.

    ::

        L ← 0;   for each layer, from far to near:   L ← (1 − α * h)·L + (α·light) * h
        frame = sRGB(min(L, 1)),    h a disc of radius `blur`·|depth − plane| pixels

    Light is blurred before it is coded and cut at white, so that highlights grow to bright discs.
    A near object out of focus spreads over what is behind it.

    Parameters
    ----------
    layers : sequence of Layer
        From far to near, of one size.
    planes : sequence of float
        Focus distance of each frame.
    blur : float
        Radius in pixels for each unit of distance from the focus, at most 24 pixels in all.
    kernel : {"disc", "gaussian"}
        See `focus_pair`; the Gaussian has the disc's variance.

    Returns
    -------
    FocusBurst
        Without noise.

    Raises
    ------
    ValueError
        There are no layers or planes, their sizes differ, or `blur` is negative.

    Notes
    -----
    Borders are mirrored. Each pixel of a layer is blurred by the radius at its own depth, between
    14 radii by interpolation. This is how light is gathered, and is right where depth changes
    slowly within a layer; make another layer where it does not. Source: the layered model of
    Hasinoff and Kutulakos 2007, "A layer-based restoration framework for variable-aperture
    photography".

    Examples
    --------
    >>> spot = np.zeros((1, 9, 3), np.float32); spot[0, 4] = 0.5
    >>> plane = np.ones((1, 9), np.float32)
    >>> burst = focus_burst([Layer(spot, plane, 0 * plane)], [0, 1], blur=2.0)
    >>> [int((frame[0, :, 0] > 0.1).sum()) for frame in burst.frames]
    [1, 5]
    """
    if not layers or not len(planes) or not 0 <= blur < np.inf:
        raise ValueError(
            f"burst must have a layer, a plane and a blur of 0 or more, not {len(layers)} layers, "
            f"{len(planes)} planes and a blur of {blur}: add what is missing"
        )
    shapes = {x.shape[:2] for layer in layers for x in (layer.light, layer.cover, layer.depth)}
    if len(shapes) > 1:
        raise ValueError(f"layers must have one size, not {sorted(shapes)}: crop them")
    stacks = [_Blurred(layer, planes, blur, kernel) for layer in layers]
    frames = []
    for plane in planes:
        light: Picture = np.zeros_like(layers[0].light)
        for stack in stacks:
            seen, cover = stack.at(plane)
            light = light * (1 - cover) + seen
        frames.append(coded(light))
    sharp: Picture = np.zeros_like(layers[0].light)
    for layer in layers:
        cover = layer.cover[..., np.newaxis]
        sharp = sharp * (1 - cover) + layer.light * cover
    return FocusBurst(frames, coded(sharp))


def coded(light: Picture) -> Picture:
    """Return linear light as sRGB in 0..1; more than white is cut."""
    light = np.clip(light, 0, 1)
    power = 1.055 * np.power(light, np.float32(1 / 2.4)) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, power).astype(np.float32)


def uncoded(picture: Picture) -> Picture:
    """Return sRGB as linear light, both in 0..1."""
    power = ((picture + 0.055) / 1.055) ** np.float32(2.4)
    return np.where(picture <= 0.04045, picture / 12.92, power).astype(np.float32)


class _Blurred:
    """A layer, blurred by each radius that the planes call for."""

    def __init__(
        self, layer: Layer, planes: Sequence[float], amount: float, kernel: Kernel
    ) -> None:
        cover = layer.cover[..., np.newaxis]
        sharp = np.concatenate([layer.light * cover, cover], 2).astype(np.float32)
        self.depth, self.amount = layer.depth, amount
        low, high = float(layer.depth.min()), float(layer.depth.max())
        most = amount * max(max(abs(plane - low), abs(plane - high)) for plane in planes)
        count = min(int(np.searchsorted(_RADII, most)) + 1, len(_RADII))
        self.radii = np.array(_RADII[: max(count, 2)], np.float32)
        self.stack = np.stack([sharp] + [blur(sharp, r / 2, kernel) for r in self.radii[1:]])

    def at(self, plane: float) -> tuple[Picture, Picture]:
        """Light and cover as seen with the focus at a plane."""
        radius = np.clip(self.amount * np.abs(self.depth - np.float32(plane)), 0, self.radii[-1])
        low = np.clip(np.searchsorted(self.radii, radius, side="right") - 1, 0, len(self.radii) - 2)
        part = (radius - self.radii[low]) / (self.radii[low + 1] - self.radii[low])
        rows, columns = np.indices(radius.shape, sparse=True)
        below, above = self.stack[low, rows, columns], self.stack[low + 1, rows, columns]
        seen = below + part[..., np.newaxis] * (above - below)
        return seen[..., :-1], np.clip(seen[..., -1:], 0, 1)
