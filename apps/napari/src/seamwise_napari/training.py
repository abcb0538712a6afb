"""A folder of images and masks, made from layers, and the training on it. Needs no Qt."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.engine import TrainProgress, read_settings
from seamwise.io import find_images, make_folder, read_labels, write_labels
from seamwise.segmentation import (
    TrainSettings,
    find_pairs,
    read_split,
    start_defaults,
    train,
)

RANDOM = "random weights"
UNLABELLED = {
    "background": "background",
    "background near cells, else unknown": "near",
    "unknown": "ignore",
}
"""What 0 means in the labels: words for the user, and the setting."""

Report = Callable[[TrainProgress], "bool | None"]


@dataclass(frozen=True)
class Collected:
    """What a folder of training data holds."""

    images: int
    cells: int

    @property
    def words(self) -> str:
        """The counts in words."""
        return f"{self.images} annotated image{'s' * (self.images != 1)}, {self.cells} cells."


def add_pair(
    folder: Path,
    name: str,
    pixels: NDArray[Any],
    labels: NDArray[Any],
    spacing: tuple[float, ...] | None,
    ndim: int,
) -> list[str]:
    """Write an image and its labels to ``images/`` and ``masks/`` of a folder; return the names.

    Parameters
    ----------
    folder : Path
    name : str
        Of the image.
    pixels, labels : (Y, X) or (Z, Y, X) array
    spacing : tuple of float or None
        Micrometres along each axis.
    ndim : {2, 3}
        2: of a stack the planes with labels are written, as images of their own.

    Raises
    ------
    ValueError
        The shapes differ, or no label is drawn.
    """
    if pixels.shape != labels.shape:
        raise ValueError(
            f"the image has {_size(pixels.shape)} pixels and the labels {_size(labels.shape)}: "
            "choose labels of this image"
        )
    if not labels.any():
        raise ValueError("no cell is drawn in these labels: paint some first")
    written = []
    for stem, plane, mask in _parts(_safe(name), pixels, labels, ndim):
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        steps = None if spacing is None else spacing[-plane.ndim :]
        _write_image(folder / "images" / f"{stem}.tif", plane, steps)
        write_labels(folder / "masks" / f"{stem}.tif", mask, spacing=steps)
        written.append(stem)
    return written


def collected(folder: Path) -> Collected:
    """Count the annotated images of a folder, and their cells."""
    masks = folder / "masks"
    if not masks.is_dir():
        return Collected(0, 0)
    paths = find_images([masks])
    cells = (np.unique(labels[labels > 0]).size for labels in map(read_labels, paths))
    return Collected(len(paths), sum(cells))


def run_folder(folder: Path, *, resume: bool) -> Path:
    """Return the folder of the last run, or of the next one."""
    number = 1
    while (folder / f"run-{number}").exists():
        number += 1
    return folder / f"run-{max(1, number - resume)}"


def train_on(
    folder: Path,
    output: Path,
    options: dict[str, Any],
    *,
    resume: bool,
    begin: Callable[[TrainSettings], object],
    report: Report,
) -> Path:
    """Train on a folder as `seamwise train` does.

    Parameters
    ----------
    folder, output : Path
    options : dict
        Settings that go before the defaults, such as ``start``, ``unlabelled`` and ``steps``.
    resume : bool
    begin : function
        Called with all settings before the first step.
    report : function
        See `segmentation.train`.

    Returns
    -------
    Path
        Of the model, which does not exist if the run was stopped before its first validation.
    """
    split = find_pairs(folder)
    defaults = start_defaults(split.training, start=options.get("start"))
    settings = read_settings(TrainSettings, None, options, defaults=defaults)
    training, validation, _ = read_split(split, settings)
    begin(settings)
    make_folder(output)
    return train(training, validation, settings, output=output, resume=resume, report=report)


def progress_words(progress: TrainProgress, steps: int, best: float | None) -> str:
    """Return how far a training is, in words."""
    words = f"step {progress.step} of {steps}, loss {progress.loss:.3f}"
    if best is not None:
        words += f", best PQ {best:.3f}"
    if progress.seconds_left is not None:
        words += f", {max(1, round(progress.seconds_left / 60))} min left"
    return words


def _parts(
    name: str, pixels: NDArray[Any], labels: NDArray[Any], ndim: int
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Name, pixels and labels of each image that is written."""
    if pixels.ndim == ndim:
        yield name, pixels, labels
        return
    for z in np.flatnonzero(labels.any((1, 2))):
        yield f"{name}_z{z:04d}", pixels[z], labels[z]


def _write_image(path: Path, pixels: NDArray[Any], spacing: tuple[float, ...] | None) -> None:
    """Write a grey image as OME-TIFF, which keeps its pixel size."""
    metadata: dict[str, Any] = {"axes": "ZYX"[-pixels.ndim :]}
    for axis, step in zip(metadata["axes"], spacing or (), strict=False):
        metadata |= {f"PhysicalSize{axis}": step, f"PhysicalSize{axis}Unit": "µm"}
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata, compression="zlib")


def _safe(name: str) -> str:
    """A name that files may have everywhere."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "image"


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
