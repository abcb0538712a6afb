"""Segment many files into a folder of label images; see `segment_files`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from seamwise.io.atomic import atomic_path
from seamwise.io.images import find_images, read_image, stem, write_labels, write_png
from seamwise.segmentation.data import as_channels
from seamwise.segmentation.overlay import overlay as draw
from seamwise.segmentation.predict import Model, load, segment

_RECORD = "seamwise.json"


@dataclass(frozen=True)
class Options:
    """How to segment; recorded in the output folder, so that one folder holds the results of one way."""

    model: str = "nuclei-2d"
    channel: int | tuple[int, ...] | None = None
    axes: str | None = None
    min_size: int | None = None
    tile: int | None = None
    flips: bool = False
    overlay: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one of `total` files; `messages` are for the user."""

    path: Path
    total: int
    failed: bool = False
    messages: tuple[str, ...] = ()


def segment_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: Options,
    *,
    overwrite: bool = False,
    device: str = "auto",
) -> Iterator[Outcome]:
    """Segment files one by one and write ``<stem>.tif`` label images as they are ready.

    Everything that would stop the whole job is checked at the call; the work is done as the outcomes are
    drawn. Files whose labels are there already are passed over, unless `overwrite`. A file that cannot be
    read or segmented is reported and left out; the others go on.

    Raises
    ------
    ValueError
        Two inputs would write the same file, an output would replace an input, or the folder holds the
        results of other options.
    OSError
        The output cannot be written.
    """
    paths = find_images(inputs)
    targets = _targets(paths, output)
    model = load(options.model, device=device)
    output.mkdir(parents=True, exist_ok=True)
    _record(output, options, overwrite)

    def outcomes() -> Iterator[Outcome]:
        for path, target in zip(paths, targets, strict=True):
            if target.exists() and not overwrite:
                yield Outcome(path, len(paths), messages=(f"{path}: {target} is there already",))
            else:
                yield _segment_file(path, target, options, model, len(paths))

    return outcomes()


def _segment_file(path: Path, target: Path, options: Options, model: Model, total: int) -> Outcome:
    try:
        image = read_image(path, axes=options.axes, channel=options.channel)
        channels = as_channels(image, path)
        prediction = segment(
            channels,
            model=model,
            min_size=options.min_size,
            tile=options.tile,
            flips=options.flips,
            keep_probabilities=False,
        )
    except (ValueError, TypeError, OSError, MemoryError) as error:
        message = " ".join(str(error).split())
        return Outcome(path, total, True, (message if str(path) in message else f"{path}: {message}",))
    if options.overlay:
        write_png(target.with_name(f"{stem(path)}_overlay.png"), draw(channels, prediction.labels))
    write_labels(target, prediction.labels, spacing=image.spacing)
    notes = (image.note,) if image.note else ()
    return Outcome(path, total, messages=(*notes, f"{path}: {prediction.labels.max()} cells"))


def _targets(paths: Sequence[Path], output: Path) -> list[Path]:
    sources: dict[Path, Path] = {}
    inputs = {path.resolve() for path in paths}
    for path in paths:
        target = output / f"{stem(path)}.tif"
        if target in sources:
            raise ValueError(f"{sources[target]} and {path} would both write {target}: segment them into two folders")
        if target.resolve() in inputs:
            raise ValueError(f"the labels of {path} would replace {target}: choose another output folder")
        sources[target] = path
    return list(sources)


def _record(output: Path, options: Options, overwrite: bool) -> None:
    """Write the options down, or refuse to mix results of different ones."""
    record = output / _RECORD
    now = json.loads(json.dumps(asdict(options)))
    if record.exists() and not overwrite:
        before = json.loads(record.read_text())
        changed = [name for name in now if name != "overlay" and before.get(name) != now[name]]
        if changed:
            raise ValueError(
                f"{output} holds labels made with {changed[0]} = {before.get(changed[0])}, not {now[changed[0]]}: "
                "choose another folder or use --overwrite"
            )
    with atomic_path(record) as temporary:
        temporary.write_text(json.dumps(now, indent=1) + "\n")
