"""The memory that blocks of an image take, and blocks that keep to a limit; see `plan_blocks`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod

from seamwise.engine.memory import free_memory
from seamwise.io.models import Architecture
from seamwise.tiling import OVERLAP, Blocks

HALO = {2: 64, 3: 16}  # pixels around a block that the network sees with it, on every side
CHUNK = {2: 512, 3: 64}  # of the label image; blocks are multiples of it
_LONGEST = {2: 2048, 3: 256}  # pixels; longer blocks save hardly any time

# measured, see benchmarks/README.md ("Memory of a block")
_PROCESS = 650 * 2**20  # bytes of a process with torch
# of the first level's width, in the network's numbers, by runtime
_FEATURE_MAPS = {"torch": 4, "openvino": 8, "onnx": 5}
_TILE = 2**20  # pixels that go through a network at once: _PROCESS has room for them
_LARGEST_TILE = 1088**2  # by default, of an image in one piece
_TILE_BYTES = {"torch": 0, "openvino": 250, "onnx": 50}  # of each pixel, beyond that room
_LARGER_TILE_BYTES = 475  # of each pixel beyond _TILE, whatever the runtime adds
_PROBABILITIES = 3  # copies of the class probabilities in float32
_DECODING = 64  # bytes per pixel of a block
_FLOODING = 110  # the same for a watershed
# bytes per pixel of an image that is segmented in one piece, without the image itself, by its axes:
# what decoding noise holds, see benchmarks/README.md ("Memory of decoding"); cells hold less
_WHOLE = {2: 60, 3: 96}


@dataclass(frozen=True)
class Plan:
    """The blocks of an image, and the memory that they take.

    Attributes
    ----------
    blocks : Blocks
    halo : int
        Pixels around a block that the network sees with it.
    bytes : int
        Estimated peak of resident memory, of all worker processes together.
    """

    blocks: Blocks
    halo: int
    bytes: int

    def __str__(self) -> str:
        size = " × ".join(map(str, self.blocks.size))
        count = len(self.blocks)
        blocks = "block" if count == 1 else "blocks"
        return f"{count} {blocks} of {size} pixels, about {self.bytes / 1e9:.1f} GB of memory"


def whole_image_bytes(
    pixels: int,
    *,
    pixel_bytes: int,
    runtime: str = "torch",
    tile: int | None = None,
    maps: int = 0,
    slab_maps: int = 0,
    ndim: int = 2,
    longest: float | None = None,
) -> int:
    """Return the estimated peak of memory for an image that is segmented in one piece.

    ::

        process + pixels of a tile · (what the runtime adds)
                + pixels · (2 · pixel_bytes + w + 10 · maps)
                + (t + o · pixels / n) · 4 · slab_maps

    with w = 60 in 2D and 96 in 3D, which decoding takes of noise, its worst case, t the pixels of a
    tile, which is decoded while the next is computed, and o the overlap of tiles, for the strip
    across the longest axis, of n pixels, that the next tiles share. An image that fits a tile has
    neither.

    Parameters
    ----------
    pixels : int
        Number of pixels of the image.
    pixel_bytes : int
        Size of a pixel, all channels together.
    runtime : {"torch", "openvino", "onnx"} or the record of one, such as "openvino int8"
        What computes the network.
    tile : int, optional
        Most pixels that go through the network at once, if they are not 1088².
    maps : int
        Number of class probabilities and guides that are kept, in float32, a copy and float16.
    slab_maps : int
        Number of those that are decoded.
    ndim : int
        Number of axes, d.
    longest : float, optional
        Pixels along the longest axis, n; by default those of a square or cube.
    """
    extra = _TILE_BYTES[_word(runtime)]
    in_tile = min(pixels, _LARGEST_TILE if tile is None else tile)
    larger = max(in_tile - _TILE, 0)
    tile_bytes = in_tile * extra + larger * _LARGER_TILE_BYTES
    strip = OVERLAP[ndim] * pixels / (longest or max(pixels, 1) ** (1 / ndim))
    held = in_tile + strip if pixels > in_tile else 0
    slab_bytes = round(4 * slab_maps * min(held, pixels))
    return (
        _PROCESS + tile_bytes + slab_bytes + pixels * (2 * pixel_bytes + _WHOLE[ndim] + 10 * maps)
    )


def are_even(peaks: Sequence[int], limit: int) -> bool:
    """Whether two images at a time, each on half of the cores, keep all cores busy to the end.

    Not if the largest would be in work on its own: it is more than a third of what is to be done,
    or leaves too little memory for another one. `peaks` are those of `whole_image_bytes`, or 0
    where nothing is to be done.
    """
    process = whole_image_bytes(0, pixel_bytes=0)
    work = sorted(peak - process for peak in peaks if peak)
    is_even = len(work) > 2 and 3 * work[-1] <= sum(work)
    return is_even and 2 * process + sum(work[-2:]) <= limit


@dataclass(frozen=True)
class NetworkLoad:
    """What the memory of a network depends on.

    Attributes
    ----------
    architecture : Architecture
    number_bytes, pixel_bytes : int
        Size of a number in the network, and of a pixel of the image in one channel.
    factors : tuple of float
        How far the network sees the image magnified, along each axis; empty if it is not.
    runtime : str
        What computes the network.
    """

    architecture: Architecture
    number_bytes: int = 2
    pixel_bytes: int = 2
    factors: tuple[float, ...] = ()
    runtime: str = "torch"

    @property
    def bytes_per_pixel(self) -> float:
        """Bytes for each pixel of the image."""
        net = self.architecture
        maps = _FEATURE_MAPS[_word(self.runtime)] * net.width * self.number_bytes
        features = maps + 4 * _PROBABILITIES * net.output_channels
        # the probabilities are brought back to the image's grid
        output_bytes = 4 * net.output_channels * any(factor != 1 for factor in self.factors)
        return (
            prod(self.factors) * features + output_bytes + net.in_channels * (4 + self.pixel_bytes)
        )


def halo_of(factors: Sequence[float]) -> int:
    """Pixels around a block that a network sees with it: more where the image is reduced."""
    return ceil(HALO[len(factors)] / min(factors))


def plan_blocks(
    shape: tuple[int, ...],
    load: NetworkLoad,
    *,
    memory: int | None = None,
    workers: int = 1,
    flood_halo: int | None = None,
    block: int | Sequence[int] | None = None,
) -> Plan:
    """Choose the blocks that take the least computing within a limit of memory.

    ::

        bytes    = workers · (process + max(network, decoding))
        network  = pixels of block and halo ·
                   (zoom · (maps · width · number_bytes + 12 · classes)
                    + channels · (4 + pixel_bytes))
        decoding = pixels of block · 64
                   for a watershed: pixels of block and its halo · 110

    where maps is 4 for torch, 8 for OpenVINO and 5 for ONNX Runtime; zoom is the number of pixels
    that the network sees for one of the image (if it is not 1, the class probabilities take 4 ·
    classes more), and one process more if there are several workers: the one that joins their
    results.

    Parameters
    ----------
    shape : tuple of int
        Size of the image, `(*S)`.
    load : NetworkLoad
    memory : int, optional
        The limit in bytes; by default 70 % of what is free.
    workers : int
        Processes that work at the same time.
    flood_halo : int, optional
        Pixels around a block that a watershed floods with it; None for other rules.
    block : int or sequence of int, optional
        Size of the blocks, along every or each axis, instead of the best. It is rounded up to whole
        chunks (512 pixels in 2D, 64 in 3D) or to the whole axis.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        The smallest blocks, or those of size `block`, take more than the limit; `block` is below 1.

    Examples
    --------
    >>> load = NetworkLoad(Architecture(in_channels=1, out_channels=4))
    >>> plan_blocks((3000, 400), load, block=700).blocks
    Blocks(shape=(3000, 400), size=(1024, 400))
    """
    limit = free_memory() if memory is None else memory
    halo = halo_of(load.factors or (1.0,) * len(shape))

    def required_bytes(size: tuple[int, ...]) -> int:
        network = ceil(_pixels(size, shape, halo) * load.bytes_per_pixel)
        decoding = _pixels(size, shape, 0) * _DECODING
        if flood_halo is not None:
            decoding = max(decoding, _pixels(size, shape, flood_halo) * _FLOODING)
        return workers * (_PROCESS + max(network, decoding)) + (workers > 1) * _PROCESS

    sizes = _sizes(shape, block)
    affordable = [size for size in sizes if required_bytes(size) <= limit]
    if not affordable:
        smallest = min(sizes, key=required_bytes)
        raise ValueError(
            f"memory of {limit / 1e9:.2f} GB is too little: blocks of "
            f"{' × '.join(map(str, smallest))} pixels take {required_bytes(smallest) / 1e9:.2f} GB"
            f"{f' with {workers} workers' if workers > 1 else ''}; raise the limit"
        )
    best = min(
        affordable, key=lambda size: (_network_pixels(size, shape, halo), required_bytes(size))
    )
    return Plan(Blocks(shape, best), halo, required_bytes(best))


def _word(runtime: str) -> str:
    """The runtime without the precision it computes in."""
    return runtime.partition(" ")[0]


def _sizes(shape: tuple[int, ...], block: int | Sequence[int] | None) -> list[tuple[int, ...]]:
    """The sizes to choose from: whole chunks of the label image, or the whole axis."""
    chunk = CHUNK[len(shape)]
    if block is None:
        lengths: Sequence[Iterable[int]] = [
            range(chunk, min(_LONGEST[len(shape)], n + chunk - 1) + 1, chunk) for n in shape
        ]
    else:
        sides = [block] * len(shape) if isinstance(block, int) else block
        if min(sides) < 1:
            raise ValueError(f"tile must be at least 1 pixel, not {min(sides)}")
        lengths = [[-(-b // chunk) * chunk] for b in sides]
    return [tuple(map(min, size, shape)) for size in product(*lengths)]


def _pixels(size: tuple[int, ...], shape: tuple[int, ...], halo: int) -> int:
    """Pixels of the largest block with its halo."""
    pixels = 1
    for b, n in zip(size, shape, strict=True):
        pixels *= min(b + 2 * halo, n)
    return pixels


def _network_pixels(size: tuple[int, ...], shape: tuple[int, ...], halo: int) -> int:
    """Pixels that the network computes in total: those of the halos several times."""
    total = 1
    for b, n in zip(size, shape, strict=True):
        total *= sum(min(start + b + halo, n) - max(start - halo, 0) for start in range(0, n, b))
    return total
