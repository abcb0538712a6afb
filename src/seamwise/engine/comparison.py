"""Whether a runtime computes a network as numpy does: see `check_equal`."""

from collections.abc import Callable, Sequence

import numpy as np

from seamwise.nets.graph import Array, ArrayOperations, Graph

# of the largest number of a map for a small image; of all maps if it is not float32
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "int8": 0.2}
_BLOCK = 4  # pixels


def check_equal(
    net: Graph, side: int, compute: Callable[..., Sequence[Array]], precision: str
) -> None:
    """Raise RuntimeError if the outputs for small inputs are not those of numpy.

    In float32 each map may differ by its largest number times the tolerance: one may be fainter
    than the others by far.
    """
    rng = np.random.default_rng(0)
    inputs = [_small_image((channels, *(side,) * net.ndim), rng) for channels in net.channels]
    pairs = zip(compute(*inputs), net.build(ArrayOperations(), inputs), strict=True)
    for output, expected in pairs:
        of_map = (0, *range(2, expected.ndim))
        difference, largest = (np.abs(x).max(of_map) for x in (output - expected, expected))
        if precision != "float32":  # what is rounded is compared with all maps together
            largest = 1 + largest.max()
        if not (difference <= _TOLERANCE[precision] * largest).all():
            raise RuntimeError(f"its numbers are wrong by {difference.max():.2g}")


def _small_image(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Blocks of random brightness `(1, C, *S)`, fainter towards the left.

    All responses of the shipped network for bursts are positive somewhere: on noise or a ramp, two
    are 0.
    """
    image = rng.uniform(-1, 1, (1, shape[0], *(-(-n // _BLOCK) for n in shape[1:])))
    for axis, length in enumerate(shape[1:], start=2):
        image = image.repeat(_BLOCK, axis).take(range(length), axis)
    return (image * np.linspace(0, 1, shape[-1]) ** 6).astype(np.float32)
