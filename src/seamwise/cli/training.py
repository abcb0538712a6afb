"""`seamwise train` and `compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seamwise.cli.errors import say
from seamwise.cli.options import (
    Axes,
    Channel,
    Crop,
    CropsPerStep,
    Device,
    Devices,
    Masks,
    Nodes,
    SegmentationSettings,
    Steps,
    Width,
    one_of,
    parse_channels,
)
from seamwise.cli.progress import progress_bar, stop_on_interrupt, training_progress
from seamwise.cli.reading import read_split
from seamwise.cli.tables import print_losses

if TYPE_CHECKING:
    from rich.progress import TaskID

    from seamwise.engine.history import TrainProgress


def train(
    data: Annotated[Path, typer.Argument(help="Folder of images and masks.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for model, log, curve and checkpoint.")
    ],
    settings: SegmentationSettings = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="unet2, unet3, fl, dwm, saw, lsmax, bwm, unet, w3, dsc, j3, j4, ce2, ce3 or ce4."
        ),
    ] = None,
    masks: Masks = None,
    steps: Steps = None,
    batch_size: CropsPerStep = None,
    crop: Crop = None,
    width: Width = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    channel: Channel = None,
    axes: Axes = None,
    hold_out_every: Annotated[
        int, typer.Option(min=2, help="Without val/: hold out every n-th image.")
    ] = 7,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the output folder.")
    ] = False,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Train a model on a folder of images and masks.

    The folder holds images/ and masks/ (same names; also under train/ and val/), or x.tif beside x_masks.tif,
    or nnU-Net's imagesTr/ and labelsTr/. Masks number the cells 1, 2, …; 0 is background, negative is ignored.
    Options given here win over --settings. Ctrl-C writes a checkpoint; --resume goes on from it.
    """
    from seamwise.engine.devices import is_first_process
    from seamwise.engine.loop import check_output
    from seamwise.engine.settings import read_settings
    from seamwise.io.atomic import make_folder
    from seamwise.segmentation import TrainSettings, find_pairs
    from seamwise.segmentation import train as train_model

    if masks is not None:
        one_of("--masks", masks, "instances", "binary")

    given = {
        "loss": loss, "annotation": masks, "steps": steps, "batch_size": batch_size, "crop": crop, "width": width,
        "learning_rate": learning_rate, "seed": seed, "devices": devices, "nodes": nodes,
    }  # fmt: skip
    chosen = read_settings(TrainSettings, settings, given)
    channels = parse_channels(channel)
    quiet = not is_first_process(chosen.processes)
    make_folder(output)
    check_output(output, resume=resume)
    split = find_pairs(data, hold_out_every=hold_out_every)
    training, validation, _ = read_split(split, chosen, channel=channels, axes=axes, quiet=quiet)
    with training_progress(
        output, chosen.steps, "PQ {panoptic_quality:.3f}, AP {average_precision:.3f}", quiet=quiet
    ) as report:
        model = train_model(
            training, validation, chosen, output=output, resume=resume, device=device, report=report
        )
    if not quiet:
        say(f"wrote {model}: use it with `seamwise segment IMAGES -o LABELS --model {model}`")


def compare(
    data: Annotated[Path, typer.Argument(help="Folder of images and masks, as for train.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder for the report, and a folder for each run."),
    ],
    losses: Annotated[
        str, typer.Option(help="Two or more with commas between; names as for train, ce is ce3.")
    ] = "ce,w3,j4",
    seeds: Annotated[int, typer.Option(min=1, help="Train each loss so many times.")] = 1,
    settings: SegmentationSettings = None,
    masks: Masks = None,
    steps: Steps = None,
    batch_size: CropsPerStep = None,
    crop: Crop = None,
    width: Width = None,
    channel: Channel = None,
    axes: Axes = None,
    device: Device = "auto",
) -> None:
    """Find out which loss to take for your images: train with each under equal conditions, and report.

    Every loss starts from the same weights and sees the same crops; λ of j3 and j4 is 1/(C·(C − 1)). The scores are
    those of images that no run has seen: of test/, or else of a quarter of the images; another quarter, or val/, is
    there to choose the weights. Writes report.html and scores.json. Run again, it goes on where it was stopped.
    """
    from pydantic import RootModel

    from seamwise.io.atomic import make_folder
    from seamwise.io.jsonfile import write_json
    from seamwise.segmentation import find_split
    from seamwise.segmentation.choose import (
        ImageSplit,
        Run,
        judge,
        read_comparison,
        score_rows,
        write_report,
    )
    from seamwise.segmentation.choose import compare as compare_losses

    if masks is not None:
        one_of("--masks", masks, "instances", "binary")
    given = {
        "annotation": masks,
        "steps": steps,
        "batch_size": batch_size,
        "crop": crop,
        "width": width,
    }
    chosen_losses, chosen = read_comparison(
        settings, [name.strip() for name in losses.split(",")], given
    )
    split = find_split(data)
    make_folder(output)
    images = ImageSplit(*read_split(split, chosen, channel=parse_channels(channel), axes=axes))
    with progress_bar() as bar, stop_on_interrupt() as stopped:
        jobs: dict[Run, TaskID] = {}

        def report(run: Run, progress: "TrainProgress") -> bool:
            if run not in jobs:
                jobs[run] = bar.add_task(str(run), total=chosen.steps)
            if progress.scores:
                bar.console.print(
                    f"{run}, step {progress.step}: PQ {progress.scores['panoptic_quality']:.3f}"
                )
            bar.update(jobs[run], completed=progress.step)
            return not stopped

        result = compare_losses(
            images, chosen_losses, chosen,
            output=output, seeds=range(seeds), device=device, report=report,
        )  # fmt: skip
    write_json(output / "scores.json", RootModel(result).model_dump(mode="json"))
    write_report(output / "report.html", result, images.test)
    print_losses(score_rows(result))
    say(str(judge(result)))
    say(f"wrote {output / 'report.html'} and scores.json; the models are beside them")
