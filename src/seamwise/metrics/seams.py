"""How sure a network was of the seams between touching cells; see `seam_doubt`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import Labels, as_labels
from seamwise.metrics.entropy import as_class_maps, entropy_of

_CELL = 1


@dataclass(frozen=True, eq=False)
class Seams:
    """Seams of an image, one a row.

    Attributes
    ----------
    cell, neighbour : (n,) integer arrays
        The two cells that touch, the smaller label first.
    faces : (n,) int64 array
        Length of the seam in faces of pixels.
    entropy : (n,) float64 array
        Of the classes, in [0, 1].
    cell_probability : (n,) float64 array
        Of the class of cells, in [0, 1]: high where the network sees no seam.
    time : (n,) int64 array, optional
        The time point, for a time series.
    """

    cell: NDArray[Any]
    neighbour: NDArray[Any]
    faces: NDArray[np.int64]
    entropy: NDArray[np.float64]
    cell_probability: NDArray[np.float64]
    time: NDArray[np.int64] | None = None


def seam_doubt(probabilities: NDArray[Any], labels: Labels) -> Seams:
    """Measure how sure a network was along every seam: entropy, and probability of cell.

    With the probabilities p of C classes at a pixel, its entropy::

        H = −Σ p_c ln p_c / ln C

    is 0 where the network is sure and 1 where all classes are equal. A seam has the means of H and
    of p_1, the probability of a cell, over the faces between the two cells. A face has the mean of
    its two pixels.

    Parameters
    ----------
    probabilities : (C, *S) array
        Of two classes or more, in [0, 1]: background, cell, …
    labels : (*S) integer array
        0 background, positive = one number per cell.

    Returns
    -------
    Seams
        In the order of the labels.

    Raises
    ------
    TypeError
        Labels are not of an integer type.
    ValueError
        The shapes do not fit, there are fewer than two classes, or values lie outside [0, 1].

    Notes
    -----
    Source: Shannon's entropy, the usual measure of a pixel's uncertainty (Gal, 2016).

    The two differ in use. ``nuclei-2d`` drew 478 seams on 64 images of dsb2018 that it was not
    trained on, and 41 cut through one true cell (``benchmarks/seam_doubt.py``). Take such a seam
    and another one: in 70 % of all pairs the wrong one has the higher probability of cell, in 56 %
    the higher entropy. By chance it would be 50 %.

    Examples
    --------
    >>> probabilities = np.array([[1.0, 0.5, 1.0, 1.0], [0.0, 0.5, 0.0, 0.0]])
    >>> seams = seam_doubt(probabilities, np.array([1, 1, 2, 2]))
    >>> seams.cell, seams.neighbour, seams.faces, seams.entropy, seams.cell_probability
    (array([1]), array([2]), array([1]), array([0.5]), array([0.25]))
    """
    labels = as_labels(labels)
    return sum_seams(as_class_maps(probabilities, labels), labels).means()


@dataclass(frozen=True, eq=False)
class SeamSums:
    """What the faces between touching cells add up to, in a part of an image; see `sum_seams`.

    Attributes
    ----------
    cell, neighbour, faces : (n,) integer arrays
        As in `Seams`.
    doubt : (2, n) float64 array
        Sums over the faces: of the entropy, and of the probability of a cell.
    """

    cell: NDArray[Any]
    neighbour: NDArray[Any]
    faces: NDArray[np.int64]
    doubt: NDArray[np.float64]

    def means(self) -> Seams:
        """Return the seams, with the means over their faces."""
        return Seams(self.cell, self.neighbour, self.faces, *(self.doubt / self.faces))


def sum_seams(
    probabilities: NDArray[Any], labels: Labels, *, size: Sequence[int] | None = None
) -> SeamSums:
    """Sum the doubt over the faces between cells, for an image or for a part of it.

    An image is cut into parts that do not overlap. Each is read with one pixel more behind its end
    along every axis, as far as the image has them. So each face belongs to the part with its lower
    pixel, and `join_seams` of all parts is the result for the whole image.

    Parameters
    ----------
    probabilities : (C, *S) array
        As in `seam_doubt`.
    labels : (*S) integer array
    size : sequence of int, optional
        Of the part, without the pixels behind its end; by default all of S.
    """
    size = labels.shape if size is None else size
    pairs, values = [], []
    for axis in range(labels.ndim):
        part = tuple(slice(length + (a == axis)) for a, length in enumerate(size))
        cells = labels[part].swapaxes(0, axis)
        maps = probabilities[(slice(None), *part)].swapaxes(1, axis + 1)
        is_face = (cells[1:] != cells[:-1]) & (cells[1:] > 0) & (cells[:-1] > 0)
        pairs.append(np.sort([cells[1:][is_face], cells[:-1][is_face]], axis=0))
        values.append((_doubt(maps[:, 1:][:, is_face]) + _doubt(maps[:, :-1][:, is_face])) / 2)
    first, second = np.concatenate(pairs, axis=1)
    return _sums(first, second, np.ones(len(first), np.int64), np.concatenate(values, axis=1))


def join_seams(parts: Sequence[SeamSums]) -> SeamSums:
    """Join the sums of all parts of an image, at least one."""
    return _sums(
        np.concatenate([part.cell for part in parts]),
        np.concatenate([part.neighbour for part in parts]),
        np.concatenate([part.faces for part in parts]),
        np.concatenate([part.doubt for part in parts], axis=1),
    )


def series_of(frames: Sequence[Seams]) -> Seams:
    """Return the seams of all time points of a series, with their times 0, 1, …"""
    return Seams(
        np.concatenate([frame.cell for frame in frames]),
        np.concatenate([frame.neighbour for frame in frames]),
        np.concatenate([frame.faces for frame in frames]),
        np.concatenate([frame.entropy for frame in frames]),
        np.concatenate([frame.cell_probability for frame in frames]),
        time=np.repeat(np.arange(len(frames)), [len(frame.cell) for frame in frames]),
    )


def _sums(
    first: NDArray[Any], second: NDArray[Any], faces: NDArray[np.int64], doubt: NDArray[Any]
) -> SeamSums:
    """One row for each pair of cells, in the order of the labels."""
    ids, ranks = np.unique(np.concatenate([first, second]), return_inverse=True)
    keys = ranks[: len(first)] * len(ids) + ranks[len(first) :]
    pairs, rows = np.unique(keys, return_inverse=True)

    def total(values: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(rows, values, minlength=len(pairs))

    if not len(ids):
        return SeamSums(first, second, faces, np.zeros((2, 0)))
    return SeamSums(
        ids[pairs // len(ids)],
        ids[pairs % len(ids)],
        total(faces).astype(np.int64),
        np.stack([total(values) for values in doubt]),
    )


def _doubt(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """Entropy, and probability of a cell, of pixels: `(2, n)` from `(C, n)`."""
    return np.stack([entropy_of(probabilities), probabilities[_CELL].astype(np.float32)])
