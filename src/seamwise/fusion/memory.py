"""How much memory fusing takes; see `memory_estimate`."""

from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from seamwise.engine.memory import total_memory
from seamwise.fusion.methods import CLASSICAL
from seamwise.fusion.moving import COPY_PIXELS
from seamwise.fusion.options import FuseOptions
from seamwise.fusion.predict import TILE, Model
from seamwise.fusion.scored import SCORED_TILE
from seamwise.fusion.useful import LARGEST_PAIR

# counted from the arrays that live together, for colour frames; checked by `benchmarks/fusion.py
# memory`
_BYTES_PER_PIXEL = {
    "laplacian": 100,
    "gff": 120,
    "dct": 50,
    "dct-cv": 50,
    "matting": 110,
    "cnn": 100,
}
_NETWORK_BYTES_PER_PIXEL = 95  # with the copies of dim frames that a network sees; else 80
# sums and weights of the bands, the summary, a strip, and two frames as they are stored, of 8 bits
_SCORED_BYTES_PER_PIXEL = 60
# by `benchmarks/burst_runtimes.py`: other runtimes hold whole layers, torch some rows
_SCORED_TILE_BYTES = {"torch": 120, "openvino": 150, "onnx": 150}
_TILE_BYTES_PER_FEATURE = {"torch": 20, "openvino": 27, "onnx": 20}
_ALIGNED_BYTES = 24
_TURNED_BYTES = 12  # the floats of a frame that is turned far: see `Alignment.apply`
_MASKED_BYTES = 50  # `MaskedFrames`
# what `MaskedFrames` holds, a frame that is used, and what making the next one takes; measured as
# numpy's memory while a burst of 1 megapixel was read
_SCORED_MASKED_BYTES = 125
_MOVING_BYTES = 36  # `moving.WholeFrames`: a frame, what replaces a part of it, weights
_COPY_BYTES = 36  # of each frame, in copies of which `find_moving` finds what moves
_CHANNELS = 3
_SURFACE_BYTES = 56  # `find_surface`, 40; the picture that is fused already, and its depth
_KEPT_BYTES = 13  # the first fusion, while "auto" fuses a second time: floats in colour, depth
_PROGRAM = 500e6
_WIDTH = 16  # of the shipped networks


def memory_estimate(
    shape: tuple[int, ...],
    options: FuseOptions = FuseOptions(),
    *,
    model: Model | None = None,
    surface: bool = False,
    has_alpha: bool = False,
    dtype: DTypeLike = np.uint8,
    count: int = 0,
) -> int:
    """Return the bytes of memory that fusing takes, roughly.

    The number of frames matters for `options.moving` alone.

    Parameters
    ----------
    shape : tuple of int
        Shape of a frame. Grey frames take less than the estimate.
    options : FuseOptions
        Its `model`, `align`, `moving` and `tile` count.
    model : Model, optional
        Used in place of `options.model`. A network adds what the features of a tile take.
    surface : bool
        Whether `find_surface` follows, while the picture is kept.
    has_alpha : bool
        Whether frames may be transparent in places.
    dtype : dtype
        Of the frames as they are stored.
    count : int
        How many frames there are. If `options.moving`, each adds what a small copy of it takes, up
        to 3.6 MB.
    """
    pixels = shape[0] * shape[1]
    is_scored = options.model == "focus-burst" if model is None else model.info.output == "scores"
    # beyond 8 bits; a network that scores frames reads the next one while it uses one
    of_depth = (np.dtype(dtype).itemsize - 1) * _CHANNELS * (1 + is_scored) * pixels
    of_input = (_ALIGNED_BYTES * options.align + _MASKED_BYTES * has_alpha) * pixels
    of_input += _MOVING_BYTES * options.moving * pixels
    of_surface = of_input + _SURFACE_BYTES * surface * pixels
    if model is None and options.model in CLASSICAL:
        of_method = of_input + _BYTES_PER_PIXEL[str(options.model)] * pixels
    elif is_scored:
        in_tile = min(pixels, (options.tile or SCORED_TILE) ** 2)
        of_frames = _TURNED_BYTES * options.align + _SCORED_MASKED_BYTES * has_alpha
        of_frames += _MOVING_BYTES * options.moving
        of_sums = (_SCORED_BYTES_PER_PIXEL + of_frames) * pixels
        of_method = of_sums + _SCORED_TILE_BYTES[_runtime(model, options)] * in_tile
    else:
        width = _WIDTH if model is None else model.info.architecture.width
        in_tile = min(pixels, (options.tile or TILE) ** 2)
        of_tile = _TILE_BYTES_PER_FEATURE[_runtime(model, options)] * width * in_tile
        of_method = of_input + _NETWORK_BYTES_PER_PIXEL * pixels + of_tile
    of_copies = _COPY_BYTES * min(pixels, COPY_PIXELS) * count * options.moving
    return int(_PROGRAM + of_depth + of_copies + max(of_method, of_surface))


def memory_of_burst(
    shape: tuple[int, ...],
    options: FuseOptions,
    *,
    count: int,
    model: Model | None = None,
    surface: bool = False,
    has_alpha: bool = False,
    dtype: DTypeLike = np.uint8,
) -> int:
    """Return the bytes of memory that fusing so many frames takes, roughly.

    As `memory_estimate`, but "auto" may fuse a second time, with its other network, while the first
    picture is kept.

    Parameters
    ----------
    model : Model, optional
        The network for this number of frames.
    shape, options, count, surface, has_alpha, dtype
        As in `memory_estimate`.
    """
    estimate = partial(
        memory_estimate, shape, surface=surface, has_alpha=has_alpha, dtype=dtype, count=count
    )
    first = estimate(options.of_burst(count), model=model)
    pixels = shape[0] * shape[1]
    if options.model != "auto" or options.mode is not None or pixels > LARGEST_PAIR:
        return first
    second = estimate(options.of_burst(3 if count == 2 else 2))
    return max(first, second + _KEPT_BYTES * pixels)


def _runtime(model: Model | None, options: FuseOptions) -> str:
    name = (options.runtime if model is None else model.runtime.name).partition(" ")[0]
    return "torch" if name == "auto" else name


def check_memory(estimate: int, limit: int | None = None) -> None:
    """Raise MemoryError if fusing takes more than a limit.

    By default the limit is all that this process may use. Limits of a container or batch system
    count (`engine.memory.total_memory`).
    """
    available = total_memory() if limit is None else limit
    if estimate > available:
        raise MemoryError(
            f"fusing frames of this size takes about {estimate / 1e9:.1f} GB of memory, "
            f"{available / 1e9:.1f} GB are available: make the frames smaller"
        )
