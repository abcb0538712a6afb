"""`seamwise check`."""

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seamwise.cli.errors import fail
from seamwise.cli.messages import print_result, say, warn
from seamwise.cli.options import Axes, Channel, Device, Masks, parse_channels
from seamwise.cli.progress import Progress

if TYPE_CHECKING:
    from seamwise.segmentation.check import Survey


def check(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of images and masks, as for `train`.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for report.html and settings.toml.")
    ],
    masks: Masks = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Model to train on from: the name of a shipped one or a file.",
            show_default="by the look of the images",
        ),
    ] = None,
    channel: Channel = None,
    axes: Axes = None,
    device: Device = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace report.html and settings.toml.")
    ] = False,
) -> None:
    """Find out what is wrong with training images and masks, and how to train on them.

    Writes report.html with pictures of the faults, and settings.toml for `train --settings`.
    Ends with exit code 1 if something would stop the training.
    """
    from seamwise.engine import choose_device
    from seamwise.io import amount, make_folder
    from seamwise.report import training_report
    from seamwise.segmentation import find_pairs, read_start
    from seamwise.segmentation.check import KINDS, Advice, advise, survey, write_settings

    page, settings = output / "report.html", output / "settings.toml"
    _check_new(page, settings, overwrite=overwrite)
    choose_device(device)  # its faults, and those of the start, come before those of the data
    if start is not None:
        read_start(start)
    options: dict[str, Any] = {
        "channel": parse_channels(channel),
        "axes": axes,
        "annotation": masks or "instances",
    }
    with Progress() as progress:
        task = progress.task("read images")

        def show(done: int, total: int) -> None:
            if done == 1:  # a bar is not shown in a log
                say(f"looking at {amount(total, 'image')}")
            task.update(done, total, "read images")

        result = survey(data, **options, report=show)
    make_folder(output)
    stops = any(KINDS[finding.kind].severity == "stops" for finding in result.findings)
    advice: Advice | None = None
    fault: Exception | None = None
    if not stops:
        try:
            split = find_pairs(data)
            pairs = sorted({*split.training, *split.validation}, key=lambda pair: pair.name)
            held_out = len(split.validation)
            say("measuring how long a training takes")
            advice = advise(
                result, pairs, **options, start=start, device=device, validation=held_out
            )
        except (ValueError, TypeError, OSError) as error:
            fault = error  # the report tells what was seen
    command = _command(data, settings, channel=channel, axes=axes)
    settings.unlink(missing_ok=True)
    if advice is not None:
        write_settings(settings, advice, data=data)
    training_report(result, advice, page, command=command)
    _print_findings(result)
    if advice is not None and advice.caution:
        warn(advice.caution)
    say(f"wrote {page}")
    if fault is not None:
        raise fault
    if stops:
        fail(f"{data} cannot be trained on: see {page}", code=1)
    say(f"wrote {settings}: train with `{command}`")


def _check_new(*paths: Path, overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"{path} already exists: choose another folder, or --overwrite it"
            )


def _command(data: Path, settings: Path, *, channel: str | None, axes: str | None) -> str:
    """Return the command that trains on the images as they were looked at."""
    words = ["seamwise", "train", str(data), "-o", "runs/checked", "--settings", str(settings)]
    words += [] if channel is None else ["--channel", channel]
    words += [] if axes is None else ["--axes", axes]
    return shlex.join(words)


def _print_findings(result: "Survey") -> None:
    from seamwise.io import amount
    from seamwise.segmentation.check import KINDS

    kinds: Counter[str] = Counter()
    for finding in result.findings:
        kinds[finding.kind] += finding.count
    for kind in (kind for kind in KINDS if kind in kinds):
        names = [finding.name for finding in result.findings if finding.kind == kind]
        more = ", …" if len(names) > 3 else ""
        print_result(
            f"{KINDS[kind].title}: {kinds[kind]} ({', '.join(names[:3])}{more}); "
            f"{KINDS[kind].remedy}"
        )
    cells = sum(len(look.sizes) for look in result.looks)
    images = amount(len(result.looks), "image")
    print_result(f"{images} with {amount(cells, 'cell')} can be used")
