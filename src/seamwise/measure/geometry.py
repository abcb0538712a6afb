"""Columns of size, place, form and neighbours; see `geometry`."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import Labels
from seamwise.measure.survey import Survey

Columns = dict[str, NDArray[np.generic]]

_POWER = {1: "um", 2: "um2", 3: "um3"}


def geometry(
    ids: Labels, cells: Survey, shape: Sequence[int], spacing: Sequence[float] | None
) -> Columns:
    """Return columns of size, place, form and neighbours.

    With A pixels, mean position c and covariance C of the positions, whose eigenvalues are λ in
    descending order, and s the pixel size along each axis:

    - area (2D) or volume (3D): ``A`` and ``A·Πs``;
    - equivalent diameter: of the disc or ball of this size, ``(2dA/π)^(1/d)`` in d axes;
    - axes of the ellipse or ellipsoid with the same covariance: ``4√λ`` in 2D, ``√(20λ)`` in 3D;
    - eccentricity (2D): ``√(1 − λ₂/λ₁)``, 0 for a disc or a single pixel;
    - orientation (2D): angle in degrees between the rows' axis (y) and the long axis, −90 to 90;
    - shared border: the faces of pixels that it has in common with other cells, as a length or
      area. Along a diagonal this is up to √2 times the length of the line.

    A pixel is as long along each axis for columns in pixels. Eccentricity and orientation are those
    in micrometres if the pixel size is known. Columns in micrometres are NaN without one.

    Parameters
    ----------
    ids : (n,) integer array
    cells : Survey
    shape : sequence of int
        Of the image.
    spacing : sequence of float, optional
        Micrometres per pixel along each axis.

    Notes
    -----
    Source: centroid, axes, eccentricity, orientation and equivalent diameter are those of
    scikit-image's ``regionprops``.
    """
    axes = "zyx"[-len(shape) :]
    unit = np.ones(len(shape))
    steps = np.full(len(shape), np.nan) if spacing is None else np.array(spacing)
    size = "area" if len(shape) == 2 else "volume"
    columns: Columns = {
        f"{size}_px": cells.area,
        f"{size}_{_POWER[len(shape)]}": cells.area * steps.prod(),
    }
    for scale, name in ((unit, "px"), (steps, "um")):
        columns |= {
            f"centroid_{a}_{name}": cells.centroid[:, i] * scale[i] for i, a in enumerate(axes)
        }
    for i, a in enumerate(axes):
        columns[f"bbox_{a}_start_px"] = cells.start[:, i]
        columns[f"bbox_{a}_stop_px"] = cells.stop[:, i]
    for scale, name in ((unit, "px"), (steps, "um")):
        columns |= {f"{key}_{name}": value for key, value in _lengths(cells, scale).items()}
    if len(shape) == 2:
        columns |= _form(cells.covariance, unit if spacing is None else steps)
    columns["touches_edge"] = cells.touches_edge(shape)
    return columns | _neighbours(ids, cells, steps)


def _lengths(cells: Survey, steps: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    ndim = len(steps)
    size = cells.area * steps.prod()
    variances = _variances(cells.covariance, steps)
    axes = np.sqrt((16.0 if ndim == 2 else 20.0) * variances)
    names = (
        ("major_axis", "minor_axis") if ndim == 2 else ("major_axis", "middle_axis", "minor_axis")
    )
    diameter = {"equivalent_diameter": (2 * ndim * size / np.pi) ** (1 / ndim)}
    return diameter | {name: axes[:, i] for i, name in enumerate(names)}


def _variances(covariance: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvalues of the covariance in units of `steps`, `(n, d)`, descending; NaN if unknown."""
    if np.isnan(steps).any():
        return np.full(covariance.shape[:2], np.nan)
    values = np.linalg.eigvalsh(covariance * np.outer(steps, steps))
    descending: NDArray[np.float64] = np.maximum(values[:, ::-1], 0)
    return descending


def _form(covariance: NDArray[np.float64], steps: NDArray[np.float64]) -> Columns:
    """Eccentricity and orientation of flat cells."""
    variances = _variances(covariance, steps)
    long, short = variances[:, 0], variances[:, 1]
    share = np.divide(short, long, out=np.ones_like(long), where=long > 0)
    scaled = covariance * np.outer(steps, steps)
    yy, xx, yx = scaled[:, 0, 0], scaled[:, 1, 1], scaled[:, 0, 1]
    angle = np.where(
        np.isclose(xx, yy, rtol=1e-12, atol=1e-12),
        np.where(yx > 0, np.pi / 4, -np.pi / 4),
        0.5 * np.arctan2(2 * yx, yy - xx),
    )
    return {
        "eccentricity": np.sqrt(np.maximum(1 - share, 0)),
        "orientation_deg": np.degrees(angle),
    }


def _neighbours(ids: Labels, cells: Survey, steps: NDArray[np.float64]) -> Columns:
    n, ndim = len(ids), len(steps)
    one, other = cells.pairs.T
    both, partners = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((partners, both))
    numbers = ids[partners[order]].astype(str)
    ends = np.cumsum(np.bincount(both, minlength=n))[:-1]
    lists = [" ".join(part) for part in np.split(numbers, ends)][:n]
    faces = np.zeros((n, ndim), np.int64)
    np.add.at(faces, both, np.concatenate([cells.faces, cells.faces]))
    return {
        "neighbours": np.bincount(both, minlength=n),
        "neighbour_ids": np.array(lists, object),
        "shared_border_px": faces.sum(axis=1),
        f"shared_border_{_POWER[ndim - 1]}": faces @ (steps.prod() / steps),
    }
