"""Segment many files into a folder of label images; see `segment_files`."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_axes
from seamwise.io.images import Image, find_images, read_image, read_labels, stem, write_labels, write_png
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import model_path
from seamwise.labels import Labels
from seamwise.segmentation.data import as_channels
from seamwise.segmentation.overlay import overlay as draw
from seamwise.segmentation.predict import Model, check_tile, load, segment

_RECORD = "seamwise.json"


@dataclass(frozen=True)
class Options:
    """How to segment. All of it is recorded in the output folder, which holds the results of one way only."""

    model: str = "nuclei-2d"
    channel: int | tuple[int, ...] | None = None
    axes: str | None = None
    min_size: int | None = None
    tile: int | None = None
    flips: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one of `total` files; `messages` are for the user."""

    path: Path
    total: int
    failed: bool = False
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Job:
    """One image and the files it becomes."""

    path: Path
    labels: Path
    overlay: Path | None


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
        Segment again what is there.
    device : str

    Raises
    ------
    ValueError
        Two inputs would write the same file, an output would replace an input, or the folder holds
        labels made with other options.
    OSError
        An input is not there, or the output cannot be written.
    """
    jobs = _jobs(find_images(inputs), output, overlay)
    if options.axes is not None:
        check_axes(options.axes)
    model = load(options.model, device=device)
    if options.tile is not None:
        check_tile(options.tile, model)
    make_folder(output)
    record = asdict(options) | {"model_sha256": hashlib.sha256(model_path(options.model).read_bytes()).hexdigest()}
    _check_record(output, record, replaced={job.labels for job in jobs} if overwrite else set())

    def outcomes() -> Iterator[Outcome]:
        for job in jobs:
            yield _run(job, options, model, record, overwrite=overwrite, total=len(jobs))

    return outcomes()


def _run(job: _Job, options: Options, model: Model, record: dict[str, Any], *, overwrite: bool, total: int) -> Outcome:
    result = partial(Outcome, job.path, total)
    done = job.labels.exists() and not overwrite
    if done and (job.overlay is None or job.overlay.exists()):
        return result(messages=(f"{job.path}: {job.labels} is there already",))
    try:
        image = read_image(job.path, axes=options.axes, channel=options.channel)
        labels = read_labels(job.labels) if done else _segment(image, options, model)
    except (ValueError, TypeError, OSError, MemoryError) as error:
        message = " ".join(str(error).split())
        return result(failed=True, messages=(message if str(job.path) in message else f"{job.path}: {message}",))
    if job.overlay is not None:
        write_png(job.overlay, draw(as_channels(image), labels))
    if not done:
        write_json(job.labels.parent / _RECORD, record)
        write_labels(job.labels, labels, spacing=image.spacing)
    notes = (image.note,) if image.note else ()
    return result(messages=(*notes, f"{job.path}: {labels.max()} cells"))


def _segment(image: Image, options: Options, model: Model) -> Labels:
    return segment(
        as_channels(image),
        model=model,
        min_size=options.min_size,
        tile=options.tile,
        flips=options.flips,
        keep_probabilities=False,
    ).labels


def _jobs(paths: Sequence[Path], output: Path, overlay: bool) -> list[_Job]:
    jobs = [
        _Job(path, output / f"{stem(path)}.tif", output / f"{stem(path)}_overlay.png" if overlay else None)
        for path in paths
    ]
    inputs = {path.resolve() for path in paths}
    writers: dict[Path, Path] = {}
    for job in jobs:
        for target in (job.labels, job.overlay):
            if target is None:
                continue
            if target in writers:
                raise ValueError(
                    f"{writers[target]} and {job.path} would both write {target}: segment them into two folders"
                )
            if target.resolve() in inputs:
                raise ValueError(f"the results of {job.path} would replace {target}: choose another output folder")
            writers[target] = job.path
    return jobs


def _check_record(output: Path, record: dict[str, Any], *, replaced: set[Path]) -> None:
    """Refuse to put results beside those of other options."""
    path = output / _RECORD
    others = [labels for labels in output.glob("*.tif") if labels not in replaced]
    if not path.exists() or not others:
        return
    before = read_json(path)
    for name, now in record.items():
        then = before.get(name)
        if then != (list(now) if isinstance(now, tuple) else now):
            what = "another model file" if name == "model_sha256" else f"{name} = {then}, not {now}"
            raise ValueError(
                f"{output} holds labels ({others[0].name}, …) made with {what}: choose another folder, "
                "or --overwrite all of them"
            )
