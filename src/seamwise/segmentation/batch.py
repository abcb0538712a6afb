"""Segment many files into a folder of label images; see `segment_files`."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_axes
from seamwise.io.images import find_images, read_image, read_labels, stem, write_labels, write_png
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import model_path
from seamwise.io.outcome import Outcome, naming
from seamwise.labels import Labels
from seamwise.segmentation.data import as_channels
from seamwise.segmentation.overlay import overlay as draw
from seamwise.segmentation.predict import Model, check_tile, decode_rule, load, segment

_RECORD = "seamwise.json"


@dataclass(frozen=True)
class Options:
    """How to segment. All of it is recorded in the output folder, which holds the results of one way only."""

    model: str = "nuclei-2d"
    channel: int | tuple[int, ...] | None = None
    axes: str | None = None
    decode: str | None = None
    min_size: int | None = None
    tile: int | None = None
    flips: bool = False


@dataclass(frozen=True)
class _Job:
    """One image and the files it becomes."""

    image: Path
    labels: Path
    overlay: Path


def segment_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: Options,
    *,
    overlay: bool = False,
    overwrite: bool = False,
    device: str = "auto",
) -> Iterator[Outcome]:
    """Segment files one by one and write ``<stem>.tif`` label images as they are ready.

    Everything that would stop the whole job is checked at the call; the work is done as the outcomes are
    drawn. Files whose labels are there already are passed over, unless `overwrite`; a missing overlay is
    drawn from them. A file that cannot be read or segmented is reported and left out; the others go on.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, glob patterns and folders.
    output : Path
        A folder, made if it is not there.
    options : Options
    overlay : bool
        Also write ``<stem>_overlay.png``.
    overwrite : bool
        Segment again what is there. If the options have changed, the old results of these inputs are
        deleted first, so that an interrupted run leaves no mixture.
    device : str
        See `devices.choose_device`.

    Raises
    ------
    ValueError
        Two inputs would write the same file, an output would replace an input, the folder holds labels made
        with other options or by something else, or the model has no thresholds for the rule asked for.
    OSError
        An input is not there, or the output cannot be written.
    """
    if any(Path(path).resolve() == output.resolve() for path in inputs):
        raise ValueError(f"{output} is the input folder: choose another one for the labels")
    jobs = _jobs(find_images(inputs), output)
    if options.axes is not None:
        check_axes(options.axes)
    model = load(options.model, device=device)
    if options.decode is not None:
        decode_rule(model.info, options.decode)
    if options.tile is not None:
        check_tile(options.tile, model)
    digest = hashlib.sha256(model_path(options.model).read_bytes()).hexdigest()
    _prepare(output, jobs, asdict(options) | {"model_sha256": digest}, overwrite)

    def outcomes() -> Iterator[Outcome]:
        for job in jobs:
            messages, failed = _run(job, options, model, overlay=overlay, overwrite=overwrite)
            yield Outcome(job.image, len(jobs), failed, messages)

    return outcomes()


def _run(job: _Job, options: Options, model: Model, *, overlay: bool, overwrite: bool) -> tuple[tuple[str, ...], bool]:
    """Make the files of one job; return messages and whether it failed. Errors of writing are raised."""
    labelled = job.labels.exists() and not overwrite
    if labelled and (job.overlay.exists() or not overlay):
        return (f"{job.image}: {job.labels} is there already",), False
    notes: tuple[str, ...] = ()
    try:
        image = read_image(job.image, axes=options.axes, channel=options.channel)
        notes = (image.note,) if image.note else ()
        channels = as_channels(image, chosen=options.channel is not None)
        labels = read_labels(job.labels) if labelled else _segment(channels, options, model)
        picture = draw(channels, labels) if overlay else None
    except (ValueError, TypeError, OSError, MemoryError) as error:
        return (*notes, naming(job.image, error)), True
    # the labels come last: while they are missing, the image counts as not done
    job.overlay.unlink(missing_ok=True)
    if picture is not None:
        write_png(job.overlay, picture)
    if not labelled:
        write_labels(job.labels, labels, spacing=image.spacing)
    return (*notes, f"{job.image}: {labels.max()} cells"), False


def _segment(channels: NDArray[Any], options: Options, model: Model) -> Labels:
    return segment(
        channels,
        model=model,
        decode=options.decode,
        min_size=options.min_size,
        tile=options.tile,
        flips=options.flips,
        keep_probabilities=False,
    ).labels


def _jobs(images: Sequence[Path], output: Path) -> list[_Job]:
    jobs = [_Job(path, output / f"{stem(path)}.tif", output / f"{stem(path)}_overlay.png") for path in images]
    check_outputs({job.image: (job.labels, job.overlay) for job in jobs})
    return jobs


def check_outputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raise ValueError if two inputs would write the same file, or one would replace or lie beside an input."""
    inputs = {path.resolve() for path in outputs}
    folders = {path.parent for path in inputs}
    writers: dict[Path, Path] = {}
    for image, written in outputs.items():
        for path in written:
            if path in writers:
                raise ValueError(f"{writers[path]} and {image} would both write {path}: give them two output folders")
            if path.resolve() in inputs:
                raise ValueError(f"the results of {image} would replace {path}: choose another output folder")
            writers[path] = image
    for path in writers:
        if path.resolve().parent in folders:
            raise ValueError(f"{path} would lie among the inputs: choose another output folder")


def _prepare(output: Path, jobs: Sequence[_Job], record: dict[str, Any], overwrite: bool) -> None:
    """Make a folder that holds results of these options only, or refuse."""
    make_folder(output)
    path = output / _RECORD
    ours = {job.labels for job in jobs}
    if path.exists():
        difference = _difference(read_json(path), record)
        kept = {labels for labels in output.glob("*.tif") if not overwrite or labels not in ours}
    else:
        difference = "not by seamwise"
        kept = set() if overwrite else {labels for labels in ours if labels.exists()}
    if difference and kept:
        raise ValueError(
            f"{output} holds {min(kept).name}, made {difference}: choose another folder, or --overwrite all of them"
        )
    if difference:
        for job in jobs:
            job.labels.unlink(missing_ok=True)
            job.overlay.unlink(missing_ok=True)
    write_json(path, record)


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """How results of two records differ, or nothing. A model is what its file holds, not what it is called."""
    if before.get("model_sha256") != now["model_sha256"]:
        return "with another model file"
    for name, value in now.items():
        then = before.get(name)
        if name != "model" and then != (list(value) if isinstance(value, tuple) else value):
            return f"with {name} = {then}, not {value}"
    return ""
