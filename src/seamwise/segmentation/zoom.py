"""How far an image is magnified before the network sees it; see `zoom_of`."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import SegmentationInfo

Float = TypeVar("Float", bound=np.floating[Any])

_LEAST, _MOST = 1 / 32, 32  # factors beyond these are taken for an error
_SAME = 1.1  # pixel sizes, or factors, whose ratio is smaller than this count as equal


@dataclass(frozen=True)
class Zoom:
    """How far an image is magnified.

    Attributes
    ----------
    factors : tuple of float
        One per axis; below 1 the image is reduced.
    note : str
        Why, for the user, if it is not what the model always does; else empty.
    """

    factors: tuple[float, ...]
    note: str = ""

    @property
    def pixels(self) -> float:
        """Pixels that the network sees for one pixel of the image."""
        return prod(self.factors)


def zoom_of(
    info: SegmentationInfo,
    *,
    scale: float | None = None,
    diameter: float | None = None,
    spacing: Sequence[float] | None = None,
    stored: Sequence[float] | None = None,
) -> Zoom:
    """Return how far an image is magnified before a model sees it.

    ::

        factor of axis a = spacing_a / info.spacing_a           image and model have pixel sizes
                         = info.zoom · spacing_a / spacing_x    the model is for cubic voxels
                         = info.zoom                            else

    Pixel sizes that differ by less than 10 % count as equal.

    With `diameter` the last axis gets ``info.diameters[1] / diameter``, and the others follow in
    the same proportion as before. With `scale` all are multiplied by it.

    Parameters
    ----------
    info : SegmentationInfo
        What the model file says.
    scale : float, optional
        The image is magnified by this: 0.5 for cells twice as large as those of the training.
    diameter : float, optional
        Usual diameter of the cells in pixels of the image.
    spacing : sequence of float, optional
        Pixel size of the image in micrometres, along (z,) y, x, as the user says.
    stored : sequence of float, optional
        The same, as the file says; not used if the user says something.

    Returns
    -------
    Zoom

    Raises
    ------
    ValueError
        The model does not know the diameter of its cells; two of the arguments disagree by more
        than 10 %; `spacing` has too few axes; a factor is below 1/32 or above 32.
    """
    ndim = info.architecture.ndim
    size = _last_axes(spacing, ndim) if spacing is not None else None
    if size is None and stored is not None and len(stored) >= ndim:
        size = tuple(stored[-ndim:])
    factors, note = _by_spacing(info, size, is_sure=spacing is not None)
    if diameter is not None:
        if info.diameters is None:
            raise ValueError(
                "diameter needs a model that knows the diameter of its cells, which this one does "
                "not: give scale"
            )
        magnification = info.diameters[1] / diameter
        if spacing is not None and info.spacing is not None:
            _check_equal("spacing", factors[-1], "diameter", magnification)
        if scale is not None:
            _check_equal("scale", info.zoom * scale, "diameter", magnification)
        factors = [magnification * factor / factors[-1] for factor in factors]
    elif scale is not None:
        factors = [scale * factor for factor in factors]
    if min(factors) < _LEAST or max(factors) > _MOST:
        raise ValueError(
            f"the image would be {_magnified(factors)} before the network sees it: give "
            "another scale, diameter or spacing"
        )
    return Zoom(tuple(factors), note)


def _by_spacing(
    info: SegmentationInfo, size: tuple[float, ...] | None, *, is_sure: bool
) -> tuple[list[float], str]:
    """Factors for images of a pixel size, and what to say about them."""
    usual = [info.zoom] * info.architecture.ndim
    if info.spacing is not None and size is not None:
        ratios = [
            image_step / model_step
            for image_step, model_step in zip(size, info.spacing, strict=True)
        ]
        if max(max(ratio, 1 / ratio) for ratio in ratios) < _SAME:
            return [1.0] * len(ratios), ""
        words = f"pixel size {_micrometres(size)}, the model's {_micrometres(info.spacing)}"
        if not is_sure and not _LEAST <= min(ratios) <= max(ratios) <= _MOST:
            return usual, f"{words}: not believed; give --spacing if it is right"
        return ratios, f"{words}: {_magnified(ratios)}"
    if not info.isotropic:
        return usual, ""
    if size is None:
        return usual, "voxel size unknown, taken for cubes: give --spacing Z,Y,X"
    return [info.zoom * step / size[-1] for step in size], ""


def _last_axes(spacing: Sequence[float], ndim: int) -> tuple[float, ...]:
    """The sizes along the last axes: a model for planes needs two of three."""
    if len(spacing) < ndim:
        raise ValueError(
            f"spacing must have one number per axis of the image, {ndim}, not "
            f"{','.join(f'{step:g}' for step in spacing)}"
        )
    return tuple(spacing[-ndim:])


def _check_equal(name: str, one: float, other_name: str, other: float) -> None:
    if not 1 / _SAME <= one / other <= _SAME:
        raise ValueError(
            f"{name} magnifies {one:.3g} times, {other_name} {other:.3g} times: give one of them"
        )


def _magnified(factors: Sequence[float]) -> str:
    """In words, by how much an image is magnified, or reduced along all axes.

    Examples
    --------
    >>> _magnified([2.0, 2.0]), _magnified([0.5, 0.2]), _magnified([2e-8])
    ('magnified 2 times', 'reduced 2 × 5 times', 'reduced 50,000,000 times')
    """
    is_reduced = max(factors) < 1
    ratios = [1 / factor if is_reduced and factor else factor for factor in factors]
    numbers = [f"{ratio:,.0f}" if 1000 <= ratio < 1e9 else f"{ratio:.3g}" for ratio in ratios]
    times = " × ".join(numbers[: 1 if len(set(numbers)) == 1 else None])
    return f"{'reduced' if is_reduced else 'magnified'} {times} times"


def _micrometres(spacing: Sequence[float]) -> str:
    numbers = [f"{step:.3g}" for step in spacing]
    return f"{' × '.join(numbers[: 1 if len(set(numbers)) == 1 else None])} µm"


def magnified_shape(shape: Sequence[int], factors: Sequence[float]) -> tuple[int, ...]:
    """Return the whole pixels of a magnified box, at least one per axis."""
    return tuple(max(1, round(n * factor)) for n, factor in zip(shape, factors, strict=True))


def resample(image: NDArray[Float], shape: Sequence[int]) -> NDArray[Float]:
    """Magnify or reduce the spatial axes of `(N, C, *S)` to a shape, axis by axis.

    Linear between pixel centres; where an axis is reduced, each new pixel is the mean of what it
    covers, weighted by a triangle. The corners of the outermost pixels stay in place::

        y_i = Σ_j w_ij·x_j / Σ_j w_ij,   w_ij = max(0, 1 − |j + 1/2 − (i + 1/2)·f| / max(f, 1))

    with f old pixels for each new one. This is ``torch.nn.functional.interpolate`` with
    ``antialias=True``, which takes seconds to import. An image that has the shape is returned as it
    is.
    """
    for axis, length in enumerate(shape, start=2):
        if image.shape[axis] != length:
            image = _resample_axis(image, axis, length)
    return image


def _resample_axis(image: NDArray[Float], axis: int, length: int) -> NDArray[Float]:
    taps = _triangles(image.shape[axis], length)
    total: NDArray[Float] | None = None
    for index, weight in taps:
        part = image.take(index, axis)
        part *= weight.astype(image.dtype).reshape(-1, *(1,) * (image.ndim - axis - 1))
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None  # a triangle covers one pixel at least
    return total


def _triangles(old: int, new: int) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """For each place under the triangles: which old pixel lies there, and its share, of each new.

    Both `(new,)` arrays.
    """
    step = old / new
    reach = max(step, 1.0)
    centres = (np.arange(new) + 0.5) * step - 0.5
    pixels = np.ceil(centres - reach).astype(np.intp) + np.arange(ceil(2 * reach))[:, np.newaxis]
    weights = np.maximum(1 - np.abs(pixels - centres) / reach, 0)
    weights[(pixels < 0) | (pixels >= old)] = 0
    weights /= weights.sum(0)
    return list(zip(pixels.clip(0, old - 1), weights, strict=True))


def cell_diameters(areas: NDArray[np.integer], ndim: int) -> tuple[float, float, float] | None:
    """Return the 5th, 50th and 95th percentile of the diameters of cells of these areas.

    The diameter is that of the disc, or ball, of the same area: 2·√(area/π), or ∛(6·volume/π).
    None if there are no cells.
    """
    if not len(areas):
        return None
    low, middle, high = (diameter_of(area, ndim) for area in np.percentile(areas, [5, 50, 95]))
    return low, middle, high


def diameter_of(area: float, ndim: int) -> float:
    """Return the diameter of a disc of this area, or of a ball of this volume."""
    return float(((4 if ndim == 2 else 6) * area / np.pi) ** (1 / ndim))
