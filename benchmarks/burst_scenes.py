"""Scenes in layers from pictures of BSDS500 val, of which bursts with truth are made."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.io import read_photo
from seamwise.synth import Layer

SIZE = 192, 256
KINDS = ("surface", "layers", "hairs")
FIRST = 20  # of the pictures of val; earlier ones chose the weights


def as_levels(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(image * 255).astype(np.uint8)


def with_noise(
    frames: Sequence[NDArray[np.float32]], seed: int | tuple[int, ...], level: float = 1.0
) -> list[NDArray[np.uint8]]:
    """As 8 bits, with noise of so many grey levels."""
    rng, sigma = np.random.default_rng(seed), 0.004 * level
    return [
        as_levels(np.clip(frame + sigma * rng.standard_normal(frame.shape), 0, 1))
        for frame in frames
    ]


def scene(
    kind: str, data: Path, number: int, size: tuple[int, int] = SIZE
) -> tuple[list[Layer], float]:
    """Layers from far to near, and the blur in pixels across all depths."""
    path, behind = sorted((data / "images" / "val").glob("*.jpg"))[FIRST + number :][:2]
    light, rng = _light(path, size), np.random.default_rng(number)
    whole = np.ones(size, np.float32)
    y, x = np.mgrid[: size[0], : size[1]] / np.float32(size[1])
    if kind == "surface":
        depth = 0.5 + 0.25 * np.sin(7 * x + number) + 0.25 * np.cos(8 * np.hypot(x - 0.5, y - 0.3))
        return [Layer(light, whole, depth.astype(np.float32))], 8.0
    if kind == "hairs":
        mask = np.zeros((4 * size[0], 4 * size[1]), np.uint8)
        for _ in range(14):
            start, end = (rng.random((2, 2)) * mask.shape[::-1]).astype(int).tolist()
            cv2.line(mask, start, end, 255, int(rng.integers(4, 12)))
        cover = cv2.resize(mask / np.float32(255), size[::-1], interpolation=cv2.INTER_AREA)
        return [Layer(light, whole, whole), Layer(_light(behind, size) / 2, cover, 0 * whole)], 10.0
    drawn = min((data / "labels" / "val").glob(f"{path.stem}_h*.png"))
    segments = _middle(read_photo(drawn).pixels, size)
    numbers = rng.permutation(np.unique(segments))[1:]
    layers = [Layer(light, whole, whole)]
    for depth, segment in zip(np.linspace(0.85, 0, max(len(numbers), 1)), numbers, strict=False):
        layers.append(Layer(light, (segments == segment).astype(np.float32), depth * whole))
    return layers, 6.0


def _light(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    return (_middle(read_photo(path).pixels, size) / np.float32(255)) ** np.float32(2.2)


def _middle(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The same part of each picture, lying."""
    lying = picture if picture.shape[0] < picture.shape[1] else picture.swapaxes(0, 1)
    y, x = ((have - want) // 2 for have, want in zip(lying.shape, size, strict=False))
    return lying[y : y + size[0], x : x + size[1]]
