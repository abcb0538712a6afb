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
from seamwise.io import find_images, make_folder, read_image, read_labels, write_labels
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
class PairCounts:
    """What a folder of training data holds."""

    images: int
    cells: int

    @property
    def words(self) -> str:
        """The counts in words."""
        return f"{self.images} annotated image{'s' * (self.images != 1)}, {self.cells} cells."


@dataclass(frozen=True)
class Addition:
    """What `add_pair` wrote: names of images, and whether they replace those of the same pixels."""

    names: list[str]
    is_new: bool

    @property
    def words(self) -> str:
        """The names in words."""
        return f"{'Added' if self.is_new else 'Replaced'} {', '.join(self.names)}."


def add_pair(
    folder: Path,
    name: str,
    pixels: NDArray[Any],
    labels: NDArray[Any],
    spacing: tuple[float, ...] | None,
    ndim: int,
) -> Addition:
    """Write an image and its labels to ``images/`` and ``masks/`` of a folder.

    Another image that has the same name stays: the new one gets a number. The same pixels again
    replace their labels.

    Parameters
    ----------
    folder : Path
    name : str
        Of the image.
    pixels : (Y, X) or (Z, Y, X) array
        Of integers, floats or bool.
    labels : integer array of the same shape
    spacing : tuple of float or None
        Micrometres along each axis.
    ndim : {2, 3}
        2: of a stack the planes with labels are written, as images of their own.

    Raises
    ------
    ValueError
        The shapes differ, no label is drawn, or the pixels have other axes or another type.
    """
    _check_axes(pixels.ndim, ndim)
    if pixels.shape != labels.shape:
        raise ValueError(
            f"the image has {_size(pixels.shape)} pixels and the labels {_size(labels.shape)}: "
            "choose labels of this image"
        )
    if not labels.any():
        raise ValueError("no cell is drawn in these labels: paint some first")
    pixels = _storable(np.asarray(pixels))
    name, earlier = _free_name(folder / "images", _safe(name), pixels, ndim)
    for path in earlier:  # of planes that have no label now, too
        path.unlink()
        (folder / "masks" / path.name).unlink(missing_ok=True)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    stems = []
    for stem, plane, mask in _parts(name, pixels, labels, ndim):
        steps = None if spacing is None else spacing[-plane.ndim :]
        _write_image(folder / "images" / f"{stem}.tif", plane, steps)
        write_labels(folder / "masks" / f"{stem}.tif", mask, spacing=steps)
        stems.append(stem)
    return Addition(stems, is_new=not earlier)


def count_pairs(folder: Path) -> PairCounts:
    """Count the annotated images of a folder, and their cells."""
    masks = folder / "masks"
    if not masks.is_dir():
        return PairCounts(0, 0)
    paths = find_images([masks])
    cells = (np.unique(labels[labels > 0]).size for labels in map(read_labels, paths))
    return PairCounts(len(paths), sum(cells))


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


def _check_axes(axes: int, ndim: int) -> None:
    """Refuse what is neither a plane nor a stack, and planes for models of stacks."""
    if axes not in (2, 3):
        raise ValueError(
            f"training takes planes and stacks, and this image has {axes} axes: "
            "add a time point as a layer of its own"
        )
    if axes < ndim:
        raise ValueError(
            "this image is a plane, and the model to begin with is for stacks: "
            "choose one for planes"
        )


def _storable(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels in a type that OME-TIFF has."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.dtype.kind not in "iuf" or pixels.dtype.itemsize > 8:
        raise ValueError(f"pixels of type {pixels.dtype} cannot be trained on: convert the image")
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    is_long = pixels.dtype.kind in "iu" and pixels.dtype.itemsize == 8
    return pixels.astype(np.float64) if is_long else pixels


def _free_name(images: Path, name: str, pixels: NDArray[Any], ndim: int) -> tuple[str, list[Path]]:
    """A name that no other image has, and the files there that hold these pixels."""
    stem, number = name, 1
    while not _hold(files := _files_of(images, stem, pixels, ndim)):
        number += 1
        stem = f"{name}_{number}"
    return stem, list(files)


def _files_of(images: Path, stem: str, pixels: NDArray[Any], ndim: int) -> dict[Path, NDArray[Any]]:
    """Files with the name of an image or of its planes, each with the pixels that belong there."""
    if pixels.ndim == ndim:
        path = images / f"{stem}.tif"
        return {path: pixels} if path.exists() else {}
    planes = {}
    for path in images.glob(f"{stem}_z*.tif"):
        z = path.stem.removeprefix(f"{stem}_z")
        if z.isdecimal():
            planes[path] = pixels[int(z)] if int(z) < len(pixels) else pixels[:0]
    return planes


def _hold(files: dict[Path, NDArray[Any]]) -> bool:
    """Whether each file holds the pixels that belong there."""
    return all(np.array_equal(read_image(path).data, pixels) for path, pixels in files.items())


def _write_image(path: Path, pixels: NDArray[Any], spacing: tuple[float, ...] | None) -> None:
    """Write a grey image as OME-TIFF, which keeps its pixel size."""
    metadata: dict[str, Any] = {"axes": "ZYX"[-pixels.ndim :]}
    for axis, step in zip(metadata["axes"], spacing or (), strict=False):
        metadata |= {f"PhysicalSize{axis}": step, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata, compression="zlib")


def _safe(name: str) -> str:
    """A name that files may have everywhere."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "image"


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
