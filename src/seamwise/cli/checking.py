"""`seamwise check`."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.errors import fail
from seamwise.cli.messages import print_result, say
from seamwise.cli.options import Axes, Channel, Device, Masks, parse_channels
from seamwise.cli.progress import Progress


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
) -> None:
    """Find out what is wrong with training images and masks, and how to train on them.

    Writes report.html with pictures of the faults, and settings.toml for `train --settings`.
    Ends with exit code 1 if something would stop the training.
    """
    from seamwise.io import make_folder
    from seamwise.report import training_report
    from seamwise.segmentation import find_pairs
    from seamwise.segmentation.check import KINDS, advise, survey, write_settings

    channels = parse_channels(channel)
    annotation = masks or "instances"
    with Progress() as progress:
        task = progress.task("read images")
        result = survey(
            data,
            channel=channels,
            axes=axes,
            annotation=annotation,
            report=lambda done, total: task.update(done, total, "read images"),
        )
    kinds = Counter({f.kind: 0 for f in result.findings})
    for finding in result.findings:
        kinds[finding.kind] += finding.count
    stops = [kind for kind in kinds if KINDS[kind].severity == "stops"]
    make_folder(output)
    advice = None
    if not stops:
        split = find_pairs(data)
        pairs = sorted({*split.training, *split.validation}, key=lambda pair: pair.name)
        advice = advise(
            result,
            pairs,
            channel=channels,
            axes=axes,
            annotation=annotation,
            start=start,
            device=device,
        )
    command = f"seamwise train {data} -o runs/checked --settings {output / 'settings.toml'}"
    if advice is not None:
        write_settings(output / "settings.toml", advice, data=data)
    training_report(result, advice, output / "report.html", command=command)
    for kind in (kind for kind in KINDS if kind in kinds):
        names = [finding.name for finding in result.findings if finding.kind == kind]
        more = ", …" if len(names) > 3 else ""
        print_result(
            f"{KINDS[kind].title}: {kinds[kind]} ({', '.join(names[:3])}{more}); "
            f"{KINDS[kind].remedy}"
        )
    cells = sum(len(look.sizes) for look in result.looks)
    print_result(f"{len(result.looks)} images with {cells} cells can be used")
    say(f"wrote {output / 'report.html'}")
    if stops:
        fail(f"{data} cannot be trained on: see {output / 'report.html'}", code=1)
    if advice is not None:
        say(f"wrote {output / 'settings.toml'}: train with `{command}`")
