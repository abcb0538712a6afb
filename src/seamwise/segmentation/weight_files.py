"""Weight maps of many label files, folder in, folder out; see `weigh_files`."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock

import numpy as np

from seamwise import __version__
from seamwise.io.atomic import make_folder
from seamwise.io.images import (
    find_images,
    map_fingerprint,
    read_image,
    read_spaced_labels,
    stem,
    write_map,
)
from seamwise.io.outcome import Outcome, naming
from seamwise.labels import Labels
from seamwise.labels.spacing import checked_spacing
from seamwise.segmentation.data import numbered, relative
from seamwise.segmentation.heatmap import heatmap
from seamwise.segmentation.outputs import check_outputs
from seamwise.segmentation.sanity import hint
from seamwise.segmentation.transforms import TargetAndWeight, count_classes

_drawing = Lock()  # matplotlib's fonts are shared by all figures


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

    A map that is there already, made from the same labels in the same way, is left as it is: its file says what it
    was made from. Everything that would stop the whole job is checked at the call; the work is done as the outcomes
    are drawn. A file that cannot be read is reported and left out; the others go on.

    Parameters
    ----------
    inputs : sequence of str or Path
        Label files, glob patterns and folders. Where a folder holds ``x.tif`` beside ``x_masks.tif``, the latter is
        the label file.
    output : Path
        A folder, made if it is not there.
    transform : TargetAndWeight
        Says which map and how. With ``annotation="binary"`` the files are black and white.
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
        `transform` has no map, two inputs would write the same file, an output would replace an input or a file
        that is no map of seamwise's, or `spacing` is not positive.
    OSError
        An input is not there, or the output cannot be written.
    """
    if transform.map is None:
        raise ValueError("transform must have a weight map, e.g. TargetAndWeight(map='w3')")
    files = _label_files(inputs)
    written = {
        path: (output / f"{stem(path)}.tif", output / f"{stem(path)}_preview.png") for path in files
    }
    check_outputs(written)
    for paths in written.values():
        _check_ours(*paths)
    if spacing is not None:
        spacing = checked_spacing(spacing, len(spacing))
    make_folder(output)

    def outcomes() -> Iterator[Outcome]:
        way = (
            replace(transform, counts=_counts(files, transform, spacing)) if over_all else transform
        )

        def weigh(path: Path) -> Outcome:
            try:
                return Outcome(
                    path, len(files), messages=_weigh(path, *written[path], way, spacing, preview)
                )
            except (ValueError, TypeError, MemoryError) as error:
                return Outcome(path, len(files), failed=True, messages=(naming(path, error),))

        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            yield from pool.map(weigh, files)

    return outcomes()


def _label_files(inputs: Sequence[str | Path]) -> list[Path]:
    found = find_images(inputs, masks=True)
    annotated = {
        path.parent / stem(path).removesuffix("_masks")
        for path in found
        if stem(path).endswith("_masks")
    }
    return [path for path in found if path.parent / stem(path) not in annotated]


def _weigh(
    path: Path,
    map_path: Path,
    preview_path: Path,
    transform: TargetAndWeight,
    spacing: Sequence[float] | None,
    preview: bool,
) -> tuple[str, ...]:
    """Make the files of one label image; return what there is to say."""
    fingerprint = _fingerprint(path, transform, spacing)
    made = map_fingerprint(map_path) == fingerprint
    title = f"{transform.map} of {path.name}"
    if made and preview and not preview_path.exists():
        _draw(preview_path, map_path, title)
        return (f"{path}: {preview_path} drawn",)
    if made:
        return (f"{path}: {map_path} is there already",)
    mask, own = _read(path, transform)
    labels = numbered(mask, transform.annotation)
    steps = spacing or relative(own)
    weight = transform.weight(labels, transform.target(labels, spacing=steps), spacing=steps)
    preview_path.unlink(missing_ok=True)
    write_map(map_path, weight, spacing=own, fingerprint=fingerprint)
    if preview:
        _draw(preview_path, map_path, title)
    done = (
        f"{path}: weights {weight[weight > 0].min(initial=weight.max()):.3g} to {weight.max():.3g}"
    )
    wrong = hint(mask, transform.annotation)
    return (done, f"{path}: {wrong}") if wrong else (done,)


def _read(path: Path, transform: TargetAndWeight) -> tuple[Labels, tuple[float, ...] | None]:
    """Mask and pixel size of a label file."""
    with _reading(path):
        return read_spaced_labels(path, one_bit=transform.annotation == "binary")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tell a label file that is gone, which is reported and left out, from an error of writing, which stops the job."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error


def _check_ours(map_path: Path, preview_path: Path) -> None:
    """Raise ValueError if there is a file that seamwise did not make."""
    if map_fingerprint(map_path):
        return
    for path in (map_path, preview_path):
        if path.exists():
            raise ValueError(
                f"{path} is there and no weight map of seamwise's: choose another output folder"
            )


def _draw(path: Path, map_path: Path, title: str) -> None:
    with _drawing:
        heatmap(path, read_image(map_path).data, title=title)


def _counts(
    files: Sequence[Path], transform: TargetAndWeight, spacing: Sequence[float] | None
) -> tuple[int, ...]:
    """Classes of all files that can be read; the others are reported when their turn comes."""
    total = np.zeros(4, np.int64)
    for path in files:
        try:
            mask, own = _read(path, transform)
            labels = numbered(mask, transform.annotation)
            total += count_classes([labels], transform, spacings=[spacing or relative(own)])
        except (ValueError, TypeError):
            continue
    return tuple(int(n) for n in total)


def _fingerprint(path: Path, transform: TargetAndWeight, spacing: Sequence[float] | None) -> str:
    """Digest of all a map depends on: the label file, the way it is made, and who makes it."""
    way = {"seamwise": __version__, "spacing": spacing and list(spacing), **asdict(transform)}
    with _reading(path):
        digest = hashlib.sha256(path.read_bytes())
    digest.update(json.dumps(way, sort_keys=True, default=str).encode())
    return digest.hexdigest()
