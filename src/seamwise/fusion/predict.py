"""Fuse with a trained network: a pair (`fuse_pair`) or a burst (`fuse_frames`)."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.networks import ReadyNetwork, load_network
from seamwise.fusion.bands import joined_pair, of_bands
from seamwise.fusion.brightness import Brightness
from seamwise.fusion.decisions import copied_share, score_of, weight_of
from seamwise.fusion.frames import Frames, checked_picture, shape_of
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.fusion.scored import fuse_scored
from seamwise.fusion.sequential import functional_power
from seamwise.io.models import FusionInfo
from seamwise.tiling import blend, tiles
from seamwise.types import Picture
from seamwise.words import FusionMode, check_word

Model = ReadyNetwork[FusionInfo]
"""A network that fuses, ready to run: what `load` returns."""

TILE = 1024
_OVERLAP = 64
_ROUNDS = 2


def load(model: str | Path, *, device: str = "auto", runtime: str = "auto") -> Model:
    """Load a shipped model by name, or a model file by path, onto a device.

    `runtime` is a field of `FuseOptions`.
    """
    return load_network(model, FusionInfo, device=device, runtime=runtime)


def fuse_pair(
    a: Picture,
    b: Picture,
    *,
    model: Model,
    nearest: bool | None = None,
    tile: int | None = None,
    brightness: Brightness = Brightness(),
) -> Fusion:
    """Fuse two pictures of different focus.

    ::

        HF-Seg:  x = z_0·x_A + z_1·x_B,   z = softmax(h_σ * f(x_A, x_B) / T)
        bands:   x = c·(z_0·x_A + z_1·x_B) + (1 − c)·join_k(y_k·band_k(x_A) + (1 − y_k)·band_k(x_B))
        HF-Reg:  x = f(x_A, x_B), clipped to 0..1
        nearest: x* = the nearer of x_A and x_B to x, in the Euclidean distance of colours;
                 their mean where both are equally near

    with T and the Gaussian h_σ of the model: `temperature` and `smoothing` of `FusionInfo`, 1 and
    none unless it says so. A temperature above 1 holds near seams, where the score changes its
    sign; towards 10 pixels from them it falls to 0.1::

        t = T + (0.1 − T)·|h_3 * sgn s|²,   s = h_σ * (f_0 − f_1)

    A network for bands decides as HF-Seg does, and has a weight y of its own for each of six bands
    of details. These count near seams, where the blur of an outline spreads over what is behind::

        c = √|h_2 * sgn s|,   y_k: see `bands.joined_pair`

    Parameters
    ----------
    a, b : (Y, X) or (Y, X, C) float32 arrays in 0..1
        A grey picture is shown to a network of three colours as three equal ones.
    model : Model
    nearest : bool, optional
        Take the nearest source's colour; by default for HF-Reg only.
    tile : int, optional
        Largest size, along each axis, that goes through the network at once; 1024 by default, at
        least 192.
    brightness : Brightness
        What is black and white to the network: `find_brightness` finds it for dim pictures. HF-Seg
        then joins the pictures as they are. By default 0 and 1.

    Returns
    -------
    Fusion
        `depth` is 1 where `b` weighs more, or is nearer.

    Raises
    ------
    TypeError
        The pictures do not hold float32.
    ValueError
        Their shapes differ, they leave 0..1 or have another number of channels than the model; the
        tile is too small; the model scores frames of bursts.

    Notes
    -----
    Source: thesis (6.2), (6.6). As printed, (6.6) takes x_B on a tie, so that the result would
    depend on the order. Temperature and smoothing are ours: outlines out of focus spread over their
    surroundings, where no source is sharp and a hard seam shows. Dividing by a temperature: Guo et
    al. 2017, arXiv:1706.04599.
    """
    if model.info.output == "scores":
        raise ValueError("model must take pairs, not score the frames of a burst: use fuse_frames")
    check_options(model, tile=tile)
    checked_picture(a)
    checked_picture(b, shape=a.shape)
    return _fuse(a, b, model=model, nearest=nearest, tile=tile, brightness=brightness)


def _fuse(
    a: Picture,
    b: Picture,
    *,
    model: Model,
    nearest: bool | None,
    tile: int | None,
    brightness: Brightness,
) -> Fusion:
    nearest = model.info.output == "picture" if nearest is None else nearest
    shape = a.shape[:2]
    image, depth = np.empty_like(a), np.empty(shape, np.uint8)
    kind = model.info.output
    compute = (
        partial(_by_bands, a, b, brightness, model)
        if kind == "bands"
        else partial(_output, brightness.seen(a), brightness.seen(b), model)
    )
    for box, slab in _slabs(shape, compute, model, tile):
        part_a, part_b = a[box], b[box]
        if kind == "bands":
            fused = _as_colours(slab[1:], part_a)
        elif kind == "selection":
            fused = _select(part_a, part_b, slab[0])
        else:
            fused = brightness.restored(_as_colours(slab, part_a))
        if nearest:
            fused = _nearest(part_a, part_b, _nearness(fused, part_a, part_b))
        image[box] = fused
        depth[box] = _nearness(fused, part_a, part_b) < 0 if kind == "picture" else slab[0] < 0.5
    return Fusion(image, depth)


def fuse_frames(
    frames: Frames,
    *,
    model: Model,
    mode: FusionMode | None = None,
    nearest: bool | None = None,
    tile: int | None = None,
    brightness: Brightness = Brightness(),
) -> Fusion:
    """Fuse a burst.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        Taken one at a time.
    model : Model
    mode : {"sequence", "together"}, optional
        How a network that takes pairs fuses more, "sequence" by default. "sequence": the functional
        power f(f(x_0, x_1), x_2) …; its result depends on the order of three or more frames.
        "together": every frame is scored against one reference r, and the frames are averaged with
        the softmax over the frames of s_i = h_σ * (f_0(x_i, r) − f_1(x_i, r)) / T; the result does
        not depend on the order beyond rounding. For HF-Seg only. A network that scores all frames
        has no mode: see `scored.fuse_scored`.
    nearest, tile
        See `fuse_pair`; for a network that scores all frames, `scored.fuse_scored`.
    brightness : Brightness
        See `fuse_pair`; a network that scores all frames sees contrasts alone, and needs none.

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError
        Fewer than two frames, frames of different shapes, or a mode that the network does not have.
    """
    check_options(model, mode=mode, tile=tile)
    shape = shape_of(frames)
    if model.info.output == "scores":
        fused = fuse_scored(frames, model=model, tile=tile)
        return _nearest_of_all(frames, fused.image) if nearest else fused
    if mode == "together":
        fused = _fuse_together(frames, shape, model=model, tile=tile, brightness=brightness)
        return _nearest_of_all(frames, fused.image) if nearest else fused
    step = partial(_fuse, model=model, nearest=nearest, tile=tile, brightness=brightness)
    return functional_power(lambda a, b: step(a, checked_picture(b, shape=shape)), frames)


def check_options(model: Model, *, mode: FusionMode | None = None, tile: int | None = None) -> None:
    """Raise ValueError if tiles are too small, or the network cannot fuse in this mode."""
    if tile is not None and tile < 3 * _OVERLAP:
        raise ValueError(f"tile must be at least {3 * _OVERLAP} pixels, not {tile}: allow more")
    check_word("mode", mode, (*get_args(FusionMode), None))
    if mode is not None and model.info.output == "scores":
        raise ValueError(
            f"mode {mode!r} is for networks that take pairs, like focus-seg, and this one sees all "
            "frames: remove it, or choose focus-seg"
        )
    if mode == "together" and model.info.output != "selection":
        raise ValueError(
            "mode 'together' needs a network that only selects sources: choose focus-seg, or use "
            "mode 'sequence'"
        )


def passes(model: Model, mode: FusionMode | None, *, nearest: bool) -> int:
    """How often `fuse_frames` reads each frame."""
    if model.info.output == "scores":
        return 2 + nearest
    return 1 + _ROUNDS + nearest if mode == "together" else 1


def _fuse_together(
    frames: Frames,
    shape: tuple[int, ...],
    *,
    model: Model,
    tile: int | None,
    brightness: Brightness,
) -> Fusion:
    """Score every frame against a reference, which is the mean at first, then what that gave."""
    reference = np.zeros(shape, np.float32)
    for number in range(len(frames)):
        reference += checked_picture(frames[number], shape=shape) / np.float32(len(frames))
    for _ in range(_ROUNDS):
        fused = _weigh(frames, brightness, reference, model, tile)
        reference = fused.image
    return fused


def _weigh(
    frames: Frames, brightness: Brightness, reference: Picture, model: Model, tile: int | None
) -> Fusion:
    """Σ_i w_i·x_i with w the softmax over the frames of their logits against the reference."""
    shape = reference.shape[:2]
    highest = np.full(shape, -np.inf, np.float32)
    total, weights = np.zeros_like(reference), np.zeros(shape, np.float32)
    depth = np.zeros(shape, depth_dtype(len(frames)))
    seen_reference = brightness.seen(reference)
    for number in range(len(frames)):
        frame = frames[number]
        compute = partial(_score, brightness.seen(frame), seen_reference, model)
        for box, slab in _slabs(shape, compute, model, tile):
            score, old_highest = slab[0], highest[box]
            depth[box][score > old_highest] = number
            new_highest = np.maximum(score, old_highest)
            old_weight, new_weight = np.exp(old_highest - new_highest), np.exp(score - new_highest)
            total[box] = _times(total[box], old_weight) + _times(frame[box], new_weight)
            weights[box] = weights[box] * old_weight + new_weight
            highest[box] = new_highest
    return Fusion(_times(total, np.reciprocal(weights)), depth)


def _nearest_of_all(frames: Frames, image: Picture) -> Fusion:
    """The same for a burst: the colour of the nearest frame; the mean of those equally near."""
    least_distance = np.full(image.shape[:2], np.inf, np.float32)
    total, count = np.zeros_like(image), np.zeros(image.shape[:2], np.float32)
    depth = np.zeros(image.shape[:2], depth_dtype(len(frames)))
    for number in range(len(frames)):
        frame = frames[number]
        distance = _distance(image, frame)
        nearer, equal = distance < least_distance, distance == least_distance
        total[nearer], count[nearer] = 0, 0
        total += _times(frame, (nearer | equal).astype(np.float32))
        count += nearer | equal
        depth[nearer] = number
        least_distance = np.minimum(least_distance, distance)
    return Fusion(_times(total, np.reciprocal(count)), depth)


def _slabs(
    shape: tuple[int, ...],
    compute: Callable[[tuple[slice, ...]], NDArray[np.float32]],
    model: Model,
    tile: int | None,
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.float32]]]:
    parts = tiles(
        shape,
        size=TILE if tile is None else tile,
        overlap=_OVERLAP,
        multiple=model.info.architecture.multiple,
    )
    return blend(parts, compute)


def _output(a: Picture, b: Picture, model: Model, box: tuple[slice, ...]) -> NDArray[np.float32]:
    """z_0 of HF-Seg, or the colours of HF-Reg, on a box: `(channels, *box)`."""
    if model.info.output == "selection":
        return weight_of(_score(a, b, model, box)[0], model.info)[np.newaxis]
    colours: NDArray[np.float32] = np.clip(_logits(a[box], b[box], model), 0, 1)
    return colours


def _by_bands(
    a: Picture, b: Picture, brightness: Brightness, model: Model, box: tuple[slice, ...]
) -> NDArray[np.float32]:
    """z_0 and the fused colours on a box: copied from a source, joined of bands near seams."""
    part_a, part_b = a[box], b[box]
    logits = _logits(brightness.seen(part_a), brightness.seen(part_b), model)
    score = score_of(logits, model.info)
    weight = weight_of(score, model.info)
    copy = _planes(_select(part_a, part_b, weight))
    joined = _joined(_planes(part_a), _planes(part_b), of_bands(logits))
    return np.concatenate([weight[np.newaxis], joined + copied_share(score) * (copy - joined)])


def _joined(
    a: NDArray[np.float32], b: NDArray[np.float32], logits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The pictures band by band, in 0..1: see `joined_pair`, which takes sides of whole steps."""
    step = 2 ** (len(logits) // 2 - 1)
    missing = [(0, 0), *((0, -length % step) for length in a.shape[1:])]
    padded = (np.pad(x, missing, mode="edge")[np.newaxis] for x in (a, b, logits))
    joined: NDArray[np.float32] = joined_pair(*padded)[0, :, : a.shape[1], : a.shape[2]]
    return joined.clip(0, 1)


def _planes(picture: Picture) -> NDArray[np.float32]:
    """`(C, Y, X)`."""
    return picture[np.newaxis] if picture.ndim == 2 else np.moveaxis(picture, 2, 0)


def _score(
    frame: Picture, reference: Picture, model: Model, box: tuple[slice, ...]
) -> NDArray[np.float32]:
    """The score of a frame against the reference on a box: `(1, *box)`."""
    return score_of(_logits(frame[box], reference[box], model), model.info)[np.newaxis]


def _logits(a: Picture, b: Picture, model: Model) -> NDArray[np.float32]:
    batch = np.concatenate([_as_input(x, model.info.colours) for x in (a, b)], 1)
    logits: NDArray[np.float32] = model.runtime.logits(batch)[0]
    return logits


def _as_input(picture: Picture, colours: int) -> NDArray[np.float32]:
    """`(1, colours, Y, X)`."""
    if picture.ndim == 2:
        return np.stack([picture] * colours)[np.newaxis]
    if picture.shape[2] != colours:
        raise ValueError(
            f"pictures must be grey or have {colours} colours for this model, "
            f"not {picture.shape[2]} channels: convert them"
        )
    return np.moveaxis(picture, 2, 0)[np.newaxis]


def _select(a: Picture, b: Picture, weight: NDArray[np.float32]) -> Picture:
    return b + _times(a - b, weight)


def _as_colours(slab: NDArray[np.float32], like: Picture) -> Picture:
    return slab.mean(0, dtype=np.float32) if like.ndim == 2 else np.moveaxis(slab, 0, 2)


def _nearest(a: Picture, b: Picture, nearer: NDArray[np.float32]) -> Picture:
    """`a` where `nearer` is positive, `b` where negative, their mean where 0."""
    sign = nearer if a.ndim == 2 else nearer[..., np.newaxis]
    not_a = np.where(sign < 0, b, (a + b) / 2)
    colour: Picture = np.where(sign > 0, a, not_a)
    return colour


def _nearness(image: Picture, a: Picture, b: Picture) -> NDArray[np.float32]:
    """Positive where the image is nearer to `a`, negative where it is nearer to `b`."""
    return _distance(image, b) - _distance(image, a)


def _distance(x: Picture, y: Picture) -> NDArray[np.float32]:
    squares = (x - y) ** 2
    return squares if squares.ndim == 2 else squares.sum(2, dtype=np.float32)


def _times(picture: Picture, weight: NDArray[np.float32]) -> Picture:
    return picture * (weight if picture.ndim == 2 else weight[..., np.newaxis])
