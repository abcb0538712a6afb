"""Weight maps of many label files, folder in, folder out; see `weigh_files`."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from seamwise import __version__
from seamwise.io.atomic import make_folder
from seamwise.io.errors import error_line
from seamwise.io.images import map_fingerprint, read_image, read_spaced_labels, write_map
from seamwise.io.listing import find_labels, stem
from seamwise.io.outcome import Outcome
from seamwise.io.provenance import Provenance, file_sha256
from seamwise.labels import Labels
from seamwise.labels.spacing import checked_spacing
from seamwise.segmentation.data import number_pieces, relative
from seamwise.segmentation.heatmap import heatmap
from seamwise.segmentation.outputs import check_outputs
from seamwise.segmentation.sanity import hint
from seamwise.segmentation.transforms import TargetAndWeight, count_classes

_DRAWING = Lock()  # matplotlib's fonts are shared by all figures


def weigh_files(
    inputs: Sequence[str | Path],
    output: Path,
    transform: TargetAndWeight,
    *,
    spacing: Sequence[float] | None = None,
    over_all: bool = False,
    preview: bool = False,
    workers: int | None = None,
) -> Iterator[Outcome]:
    """Write ``<stem>.tif``, the float32 weight map of each label file.

    A map that already exists, made from the same labels in the same way, is kept: its file records
    what it was made from. Everything that would stop the whole job is checked at the call. The work
    is done as the outcomes are drawn. Files that cannot be read are reported and skipped.

    Parameters
    ----------
    inputs : sequence of str or Path
        Label files, glob patterns and folders. If a folder holds ``x.tif`` and ``x_masks.tif``, the
        latter is the label file.
    output : Path
        A folder, made if it does not exist.
    transform : TargetAndWeight
        Which map, and how. With ``annotation="binary"`` the files are black and white.
    spacing : sequence of float, optional
        Pixel size along each axis. By default the file's, in units of the finest axis; else 1.
    over_all : bool
        Balance the classes over all files together, not within each (`TargetAndWeight.counts`).
    preview : bool
        Also write ``<stem>_preview.png``.
    workers : int, optional
        Files at a time; by default the number of cores.

    Raises
    ------
    ValueError
        `transform` has no map, two inputs would write the same file, an output would replace an
        input or a file that is not a weight map of seamwise, or `spacing` is not positive.
    OSError
        An input does not exist, or the output cannot be written.
    """
    if transform.map is None:
        raise ValueError("transform must have a weight map, e.g. TargetAndWeight(map='w3')")
    files = find_labels(inputs)
    outputs = {path: _outputs(path, output) for path in files}
    check_outputs(outputs)
    for paths in outputs.values():
        _check_replaceable(*paths)
    if spacing is not None:
        spacing = checked_spacing(spacing, len(spacing))
    make_folder(output)

    def outcomes() -> Iterator[Outcome]:
        weigher = transform
        if over_all:
            weigher = replace(transform, counts=_counts(files, transform, spacing))

        def weigh(path: Path) -> Outcome:
            try:
                messages = _weigh(path, *outputs[path], weigher, spacing, preview)
                return Outcome(path, len(files), messages=messages)
            except (ValueError, TypeError, MemoryError) as error:
                return Outcome(path, len(files), failed=True, messages=(error_line(path, error),))

        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            yield from pool.map(weigh, files)

    return outcomes()


def _outputs(path: Path, folder: Path) -> tuple[Path, Path]:
    """The weight map of a label file, and its preview."""
    return folder / f"{stem(path)}.tif", folder / f"{stem(path)}_preview.png"


def _weigh(
    path: Path,
    map_path: Path,
    preview_path: Path,
    transform: TargetAndWeight,
    spacing: Sequence[float] | None,
    preview: bool,
) -> tuple[str, ...]:
    """Make the files of one label image; return messages for the user."""
    fingerprint = _provenance(path, transform, spacing).fingerprint()
    exists = map_fingerprint(map_path) == fingerprint
    title = f"{transform.map} of {path.name}"
    if exists and preview and not preview_path.exists():
        _draw(preview_path, map_path, title)
        return (f"{path}: {preview_path} drawn",)
    if exists:
        return (f"{path}: {map_path} already exists",)
    mask, pixel_size = _read_mask(path, transform)
    labels = number_pieces(mask, transform.annotation)
    steps = spacing or relative(pixel_size)
    weight = transform.weight(labels, transform.target(labels, spacing=steps), spacing=steps)
    preview_path.unlink(missing_ok=True)
    write_map(map_path, weight, spacing=pixel_size, fingerprint=fingerprint)
    if preview:
        _draw(preview_path, map_path, title)
    lowest, highest = weight[weight > 0].min(initial=weight.max()), weight.max()
    message = f"{path}: weights {lowest:.3g} to {highest:.3g}"
    mistake = hint(mask, transform.annotation)
    return (message, f"{path}: {mistake}") if mistake else (message,)


def _read_mask(path: Path, transform: TargetAndWeight) -> tuple[Labels, tuple[float, ...] | None]:
    """The mask and the pixel size of a label file."""
    with _reading(path):
        return read_spaced_labels(path, one_bit=transform.annotation == "binary")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn an error of reading into a ValueError, which skips the file; writing stops the job."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error


def _check_replaceable(map_path: Path, preview_path: Path) -> None:
    """Raise ValueError if a file would be replaced that seamwise did not make."""
    if map_fingerprint(map_path):
        return
    for path in (map_path, preview_path):
        if path.exists():
            raise ValueError(
                f"{path} exists and is not a weight map of seamwise: choose another output folder"
            )


def _draw(path: Path, map_path: Path, title: str) -> None:
    with _DRAWING:
        heatmap(path, read_image(map_path).data, title=title)


def _counts(
    files: Sequence[Path], transform: TargetAndWeight, spacing: Sequence[float] | None
) -> tuple[int, ...]:
    """Pixels of each class in all files that can be read; the others are reported later."""
    total = np.zeros(4, np.int64)
    for path in files:
        try:
            mask, pixel_size = _read_mask(path, transform)
            labels = number_pieces(mask, transform.annotation)
            steps = spacing or relative(pixel_size)
            total += count_classes([labels], transform, spacings=[steps])
        except (ValueError, TypeError):
            continue
    return tuple(int(n) for n in total)


def _provenance(
    path: Path, transform: TargetAndWeight, spacing: Sequence[float] | None
) -> Provenance:
    """What a map depends on: the label file, how it is made, and the version that makes it."""
    with _reading(path):
        labels = file_sha256(path)
    return Provenance(
        {
            "labels_sha256": labels,
            "seamwise": __version__,
            "spacing": spacing,
            **_recorded(transform),
        }
    )


def _recorded(transform: TargetAndWeight) -> dict[str, Any]:
    """Fields of a transform; a scale only if there is one, as in files from before there was."""
    fields = asdict(transform)
    if transform.scale is None:
        del fields["scale"]
    return fields
