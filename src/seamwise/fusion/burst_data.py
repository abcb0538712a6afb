"""Bursts that a network is trained on; see `BurstSamples` and `make_burst`."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from seamwise.fusion.data import SegmentedPicture
from seamwise.fusion.settings import BurstSettings, BurstSimulation
from seamwise.pictures import as_unit
from seamwise.synth.burst import FocusBurst, coded, focus_burst, uncoded
from seamwise.synth.scene import draw_scene
from seamwise.types import Picture

_Places = tuple[NDArray[np.int64], NDArray[np.int64]]

_MARGIN = 12  # around a crop: what lies outside it spreads into it


class BurstSamples(Dataset[tuple[torch.Tensor, ...]]):
    """Training samples, each a pure function of (seed, step, index).

    A sample is the frames `(n, 3, crop, crop)` and the truth `(3, crop, crop)`, float32 in 0..1,
    and n gains of the frames' brightness for the network alone. All samples of a step have the
    same n.

    Parameters
    ----------
    pictures : sequence of SegmentedPicture
        Sharp pictures, of which the scenes are made; held in memory as uint8.
    settings : BurstSettings
    """

    def __init__(self, pictures: Sequence[SegmentedPicture], settings: BurstSettings) -> None:
        self.pictures = [_levels(picture) for picture in pictures]
        self.settings = settings

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        """Return the tensors of one burst."""
        settings = self.settings
        step, index = divmod(number, settings.batch_size)
        of_step = np.random.default_rng((settings.seed, step))
        low, high = settings.simulation.frames
        count = int(_log_uniform((low, high + 0.99), of_step))
        rng = np.random.default_rng((settings.seed, step, index))
        burst = make_burst(
            self.pictures, count, crop=settings.crop, simulation=settings.simulation, rng=rng
        )
        is_uneven, gain = rng.random() < 0.3, settings.simulation.gain
        gains = np.exp(is_uneven * rng.uniform(-1, 1, count) * np.log1p(gain))
        frames = np.moveaxis(np.stack(burst.frames), 3, 1)
        return (
            torch.from_numpy(np.ascontiguousarray(frames)),
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(burst.truth, 2, 0))),
            torch.from_numpy(gains.astype(np.float32)),
        )


def make_burst(
    pictures: Sequence[NDArray[np.uint8]],
    count: int,
    *,
    crop: int,
    simulation: BurstSimulation,
    rng: np.random.Generator,
) -> FocusBurst:
    """Make a random burst of a scene with surfaces taken from pictures.

    Parameters
    ----------
    pictures : sequence of (Y, X, 3) uint8 arrays
    count : int
        Number of frames.
    crop : int
        Their sides.
    simulation : BurstSimulation
    rng : numpy random generator
    """
    size = crop + 2 * _MARGIN

    def texture(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
        return _cut_out(pictures[int(rng.integers(len(pictures)))], shape, simulation.scale, rng)

    blank = _blank_count(count, simulation, rng)
    burst = focus_burst(
        draw_scene(
            (size, size),
            texture,
            surfaces=simulation.surfaces,
            hairs=simulation.hairs,
            rng=rng,
        ),
        _planes(count - blank, rng),
        blur=_log_uniform(simulation.blur, rng),
        kernel="disc" if rng.random() < 0.65 else "gaussian",
    )
    ends = [_blank(burst.frames[-(number % 2)], rng) for number in range(blank)]
    inner = slice(_MARGIN, _MARGIN + crop)
    pixels = np.stack([frame[inner, inner] for frame in [*burst.frames, *ends]])
    truth = burst.truth[inner, inner]
    if rng.random() < simulation.grey:
        pixels, truth = (np.repeat(x.mean(-1, keepdims=True), 3, -1) for x in (pixels, truth))
    return FocusBurst(list(_through_sensor(pixels, simulation, rng)), truth)


def _blank_count(count: int, simulation: BurstSimulation, rng: np.random.Generator) -> int:
    """How many frames show nothing in focus; at least two others do."""
    # without a draw: settings from before there were such frames give the same bursts as then
    if count < 3 or simulation.blank == 0 or rng.random() >= simulation.blank:
        return 0
    return int(rng.integers(1, min(4, count - 2, 1 + count // 3) + 1))


def _blank(frame: Picture, rng: np.random.Generator) -> Picture:
    """A frame at an end of a burst: far out of focus, or in three of ten without any picture."""
    if rng.random() < 0.3:
        plain = rng.uniform(0, 1) * frame.mean((0, 1)) * (rng.random() < 0.7)
        return np.broadcast_to(plain.astype(np.float32), frame.shape)
    sigma = _log_uniform((6, 30), rng)
    seen = cv2.GaussianBlur(uncoded(frame), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return coded(np.asarray(seen, np.float32))


def _planes(count: int, rng: np.random.Generator) -> Sequence[float]:
    """Focus distances: of the whole scene, of more than that, or of a part; even or uneven."""
    kind, low, high = rng.random(), 0.0, 1.0
    if kind < 0.25:
        low, high = -rng.uniform(0, 0.5), 1 + rng.uniform(0, 0.5)
    elif kind < 0.5:
        low, high = rng.uniform(0, 0.2), 1 - rng.uniform(0, 0.4)
    planes = np.linspace(low, high, count)
    if rng.random() < 0.3:
        planes += rng.normal(0, 0.25 / (count - 1), count)
    return [float(plane) for plane in planes]


def _through_sensor(
    pixels: Picture, simulation: BurstSimulation, rng: np.random.Generator
) -> Picture:
    """Hot pixels, dust, noise and (in four of five bursts) 8 bits."""
    if rng.random() < simulation.hot:
        share, is_red = 10 ** rng.uniform(-4, -2.7), rng.random() < 0.5
        places = _defects(pixels.shape, share, simulation.trails, rng)
        for frame, (y, x) in zip(pixels, places, strict=True):
            colours = np.array([1, 0.25, 0.25], np.float32)
            frame[y, x] = rng.permutation(colours) if is_red else rng.integers(0, 2, (len(y), 3))
    if simulation.dust > 0 and rng.random() < simulation.dust:
        share, radius = 10 ** rng.uniform(-4, -3.2), rng.uniform(0.7, 2.5)
        places = _defects(pixels.shape, share, simulation.trails, rng)
        for frame, (y, x) in zip(pixels, places, strict=True):
            shadow = np.zeros(frame.shape[:2], np.float32)
            shadow[y, x] = rng.uniform(0.1, 0.5, len(y)) * 2 * np.pi * radius**2
            shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), radius))
            frame *= 1 - np.minimum(shadow, 0.6)[..., np.newaxis]
    if rng.random() < 0.75:
        sigma = np.float32(_log_uniform(simulation.noise, rng))
        pixels = pixels + sigma * rng.standard_normal(pixels.shape, dtype=np.float32)
    pixels = np.clip(pixels, 0, 1)
    return np.round(pixels * 255) / np.float32(255) if rng.random() < 0.8 else pixels


def _defects(
    shape: tuple[int, ...], share: float, trails: float, rng: np.random.Generator
) -> Iterable[_Places]:
    """Pixels of each frame that are defects: at random, or in trails, as a breathing lens has."""
    if trails == 0:
        return _scattered(shape, share, rng)
    count, *size = shape[:3]
    number, is_trail = rng.poisson(share * np.prod(size), count), rng.random() < trails
    breathing, fixed = 10 ** rng.uniform(-3, -2), rng.uniform(0, 1, (max(number), 2))
    centre, places = rng.uniform(0, 1, 2), []
    for i in range(count):
        spread = (fixed - centre) * (1 + breathing * (i - count / 2)) + centre
        place = spread if is_trail else rng.uniform(0, 1, (number[i], 2))
        y, x = (place * size).astype(np.int64).T
        is_inside = (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
        places.append((y[is_inside], x[is_inside]))
    return places


def _scattered(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> Iterator[_Places]:
    """Defects at random, drawn frame by frame."""
    count, *size = shape[:3]
    for _ in range(count):
        y, x = rng.integers(0, size[0], (2, rng.poisson(share * np.prod(size))))
        yield y, x


def _cut_out(
    picture: NDArray[np.uint8], shape: tuple[int, int], scale: float, rng: np.random.Generator
) -> Picture:
    """A random part, smaller by a random factor, mirrored, with other colours and gamma."""
    factor = _log_uniform((1, scale), rng)
    size = [min(round(n * factor), have) for n, have in zip(shape, picture.shape, strict=False)]
    y, x = (int(rng.integers(have - n + 1)) for n, have in zip(size, picture.shape, strict=False))
    part: Picture = as_unit(np.ascontiguousarray(picture[y : y + size[0], x : x + size[1]]))
    part = np.asarray(cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA))
    for axis in (0, 1):
        part = np.flip(part, axis) if rng.random() < 0.5 else part
    part = part[..., rng.permutation(3)] if rng.random() < 0.3 else part
    gamma = np.float32(np.exp(rng.uniform(-0.4, 0.4)))
    return np.ascontiguousarray(np.clip(part, 0, 1) ** gamma)


def _levels(picture: SegmentedPicture) -> NDArray[np.uint8]:
    return np.round(255 * as_unit(picture.read())).astype(np.uint8)


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
