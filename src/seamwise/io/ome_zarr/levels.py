"""The levels of an OME-Zarr image: what a `Level` is, and which ones to write (`plan_levels`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from seamwise.labels.spacing import checked_spacing

LETTERS = "TCZYX"
_SMALL = 256  # an axis of at most this length is not halved further
_FLAT_SIDE = 1024  # chunk of a flat image
_DEEP_SIDE = 64  # chunk of a stack; a shallow one gets as many pixels


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Attributes
    ----------
    path : str
        The folder of its array, relative to that of the image.
    shape, chunks : tuple of int
        One number per axis; for an array in shards, the chunks inside them.
    scale : tuple of float or None
        Length of a pixel along each axis in the unit of the axis; None if the file does not say.
    translation : tuple of float or None
        Where the first pixel lies, in the same units.
    """

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    scale: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None


def plan_levels(
    axes: str,
    shape: Sequence[int],
    *,
    spacing: Sequence[float] | None = None,
    chunks: Sequence[int] | None = None,
    levels: int | None = None,
) -> tuple[Level, ...]:
    """Plan the levels of an image: the image itself, then smaller ones.

    Each level is half as long as the one before, rounded up, along the spatial axes longer than
    256.

    Parameters
    ----------
    axes : str
        T, C, Z, Y, X: those the image has, in this order.
    shape : sequence of int
        One length per axis.
    spacing : sequence of float, optional
        Pixel size along each spatial axis; 1 by default.
    chunks : sequence of int, optional
        Chunk along each spatial axis or along every axis. By default one time point and one channel
        of 1024² pixels for flat images, of 64³ for deep stacks, of about as many for shallow ones.
    levels : int, optional
        How many levels. Where no axis is longer than 256, the longer ones are halved all the same.
        By default until no axis is longer than 256.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> for level in plan_levels("ZYX", (5, 300, 520), spacing=(2, 0.5, 0.5), chunks=(5, 200, 200)):
    ...     print(level.path, level.shape, level.chunks, level.scale)
    0 (5, 300, 520) (5, 200, 200) (2.0, 0.5, 0.5)
    1 (5, 150, 260) (5, 150, 200) (2.0, 1.0, 1.0)
    2 (5, 150, 130) (5, 150, 130) (2.0, 1.0, 2.0)
    """
    shape = tuple(int(n) for n in shape)
    _check_axes(axes, shape)
    if levels is not None and levels < 1:
        raise ValueError(f"levels must be 1 or more, not {levels}")
    spatial = spatial_axes(axes)
    sizes = dict(zip(spatial, checked_spacing(spacing, len(spatial)), strict=True))
    scale = tuple(sizes.get(a, 1.0) for a in axes)
    chunk = _chunk(axes, shape, chunks)
    plan = [Level("0", shape, _clip(chunk, shape), scale)]
    while levels is None or len(plan) < levels:
        halves = _halved_axes(axes, shape, at_any_length=levels is not None)
        if not any(halves):
            break
        shape = tuple(-(-n // 2) if half else n for n, half in zip(shape, halves, strict=True))
        scale = tuple(2 * s if half else s for s, half in zip(scale, halves, strict=True))
        plan.append(Level(str(len(plan)), shape, _clip(chunk, shape), scale))
    return tuple(plan)


def plan_label_levels(
    axes: str, levels: Sequence[Level], *, chunks: Sequence[int] | None = None
) -> tuple[Level, ...]:
    """Plan the levels of a label image inside an image: those of the image, without channels.

    Parameters
    ----------
    axes : str
        The axes of the image.
    levels : sequence of Level
        Its levels. Where one has no scale, the ratio of the shapes takes its place.
    chunks : sequence of int, optional
        As in `plan_levels`.

    Examples
    --------
    >>> image = Level("full", (3, 40, 50), (1, 9, 9), (1.0, 0.5, 0.5))
    >>> plan_label_levels("CYX", [image])[0]
    Level(path='0', shape=(40, 50), chunks=(40, 50), scale=(0.5, 0.5), translation=None)
    """
    first = levels[0]
    numbers = [i for i, a in enumerate(axes) if a != "C"]
    shape = tuple(first.shape[i] for i in numbers)
    chunk = _chunk(axes.replace("C", ""), shape, chunks)
    plan: list[Level] = []
    for level in levels:
        shape = tuple(level.shape[i] for i in numbers)
        scale = level.scale or _scale_by_shape(level, first)
        shift = level.translation and tuple(level.translation[i] for i in numbers)
        plan.append(
            Level(
                str(len(plan)),
                shape,
                _clip(chunk, shape),
                tuple(scale[i] for i in numbers),
                shift,
            )
        )
    return tuple(plan)


def spatial_axes(axes: str) -> str:
    """Return the axes of space, in the order in which they stand."""
    return "".join(a for a in axes if a in "ZYX")


def _check_axes(axes: str, shape: tuple[int, ...]) -> None:
    in_order = list(axes) == sorted(axes, key=LETTERS.find)
    if not set("YX") <= set(axes) <= set(LETTERS) or not in_order:
        raise ValueError(
            "axes must be T, C, Z, Y, X in this order, at least Y and X (e.g. 'CZYX'), "
            f"not {axes!r}"
        )
    if len(set(axes)) != len(axes) or len(shape) != len(axes) or min(shape) < 1:
        raise ValueError(
            f"shape must be {len(set(axes))} positive numbers, one per axis of {axes!r}, "
            f"not {shape}"
        )


def _chunk(axes: str, shape: tuple[int, ...], chunks: Sequence[int] | None) -> tuple[int, ...]:
    """Chunk along every axis, not yet clipped to the shape."""
    spatial = spatial_axes(axes)
    chunk = _default_chunk(axes, shape) if chunks is None else tuple(int(n) for n in chunks)
    if len(chunk) == len(spatial):
        lengths = dict(zip(spatial, chunk, strict=True))
        chunk = tuple(lengths.get(a, 1) for a in axes)
    if len(chunk) != len(axes) or min(chunk) < 1:
        raise ValueError(
            f"chunks must be one positive number per spatial axis or per axis of {axes!r}, "
            f"not {chunks}"
        )
    return chunk


def _default_chunk(axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunk along each spatial axis."""
    depth = min(dict(zip(axes, shape, strict=True)).get("Z", 1), _DEEP_SIDE)
    side = _FLAT_SIDE
    if depth > 1:
        side = _DEEP_SIDE
        while depth * (2 * side) ** 2 <= _DEEP_SIDE**3:
            side *= 2
    return tuple(depth if a == "Z" else side for a in spatial_axes(axes))


def _clip(chunk: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(c, n) for c, n in zip(chunk, shape, strict=True))


def _halved_axes(axes: str, shape: tuple[int, ...], *, at_any_length: bool) -> list[bool]:
    """Which axes the next level halves; none if it is small enough."""
    long = [a in "ZYX" and n > _SMALL for a, n in zip(axes, shape, strict=True)]
    if at_any_length and not any(long):
        long = [a in "ZYX" and n > 1 for a, n in zip(axes, shape, strict=True)]
    return long


def _scale_by_shape(level: Level, first: Level) -> tuple[float, ...]:
    scale = first.scale or (1.0,) * len(first.shape)
    lengths = zip(scale, first.shape, level.shape, strict=True)
    return tuple(size * fine / coarse for size, fine, coarse in lengths)
