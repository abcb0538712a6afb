"""`seamwise train` and `compare`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seamwise.cli.messages import print_result, say
from seamwise.cli.options import (
    Axes,
    Channel,
    Crop,
    CropsPerStep,
    Device,
    Devices,
    Logger,
    Masks,
    Nodes,
    Resume,
    Seed,
    SegmentationSettings,
    Steps,
    Width,
    parse_channels,
)
from seamwise.cli.progress import Progress, Task
from seamwise.cli.reading import read_behind_bar
from seamwise.cli.runs import begin_run, no_empty_folder, stop_on_interrupt, training_progress
from seamwise.cli.tables import print_losses
from seamwise.io import real_path
from seamwise.words import SystemName, Unlabelled

if TYPE_CHECKING:
    from seamwise.engine import TrainProgress

_SYSTEMS = (
    "unet2, unet3 and unet: U-Net's weight map; fl: focal loss; dwm: distance weights; "
    "saw: shape-aware weights; bwm: balanced classes; w3: W³ weights; lsmax: Lovász-softmax; "
    "dsc: cross entropy and soft Dice; j3, j4: cross entropy and Youden's J; j3_cells, j4_cells: J "
    "of cells, not of pixels; ce2, ce3, ce4: cross "
    "entropy on 2, 3 or 4 classes; dice, dice_focal, tversky, focal_tversky, youden: these alone, "
    "on 3 classes"
)


_FEW_CELLS = 50  # below, a score says little


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of images and masks.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for model, log, curve and checkpoint.")
    ],
    settings: SegmentationSettings = None,
    loss: Annotated[
        SystemName | None,
        typer.Option(
            metavar="LOSS",  # the list of all would be wider than a narrow terminal
            help=f"Loss and weights to train with. {_SYSTEMS}.",
            show_default="j4",
        ),
    ] = None,
    masks: Masks = None,
    steps: Steps = None,
    batch_size: CropsPerStep = None,
    crop: Crop = None,
    width: Width = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Step size of the optimizer.", show_default="0.0001")
    ] = None,
    seed: Seed = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Model to train on from: the name of a shipped one or a file. Settings and length "
            "then follow from it and from the images.",
            show_default="random weights",
        ),
    ] = None,
    corrected: Annotated[
        Path | None,
        typer.Option(
            help="Folder of corrected masks, named like images in DATA; or of further images and "
            "masks. They replace those in DATA and count more."
        ),
    ] = None,
    corrected_weight: Annotated[
        float | None,
        typer.Option(
            help="How often a corrected image is shown, compared with others.", show_default="3"
        ),
    ] = None,
    unlabelled: Annotated[
        Unlabelled | None,
        typer.Option(
            help="What 0 means in masks where cells are missing: background; ignore, not known; or "
            "near, background close to a drawn cell and not known elsewhere.",
            show_default="background",
        ),
    ] = None,
    unlabelled_radius: Annotated[
        float | None,
        typer.Option(
            help="For near: how far background reaches from a drawn cell, in pixels.",
            show_default="a quarter of a cell's diameter",
        ),
    ] = None,
    channel: Channel = None,
    axes: Axes = None,
    hold_out_every: Annotated[
        int,
        typer.Option(
            min=2,
            help="If there is no val/ folder: validate on every n-th image; of several series of "
            "the Cell Tracking Challenge, on the last.",
        ),
    ] = 7,
    resume: Resume = False,
    logger: Logger = None,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Train a model on a folder of images and masks.

    The folder holds images/ and masks/ with equal names, also under train/ and val/; or x.tif
    next to x_masks.tif; or nnU-Net's imagesTr/ and labelsTr/; or series of the Cell Tracking
    Challenge, 01/ and 01_GT/SEG/. Masks number the cells 1, 2, …; 0 is background, negative
    pixels are ignored.

    Options on the command line override those in --settings, whose defaults hold otherwise.
    Ctrl-C writes a checkpoint, from which --resume continues.

    With --start nuclei-2d a few images are enough: the model is trained on, and the run ends when
    it no longer improves.
    """
    from seamwise.engine import check_output, read_settings
    from seamwise.segmentation import (
        TrainSettings,
        find_pairs,
        read_split,
        start_defaults,
        with_corrected,
    )
    from seamwise.segmentation import train as train_model

    if corrected_weight is not None and corrected is None:
        raise ValueError("--corrected-weight needs --corrected: name the folder, or remove it")
    options = {
        "start": start,
        "corrected_weight": corrected_weight,
        "unlabelled": unlabelled,
        "unlabelled_radius": unlabelled_radius,
        "loss": loss,
        "annotation": masks,
        "steps": steps,
        "batch_size": batch_size,
        "crop": crop,
        "width": width,
        "learning_rate": learning_rate,
        "seed": seed,
        "devices": devices,
        "nodes": nodes,
    }
    read_settings(TrainSettings, settings, options)  # their faults come before those of the data
    if _is_of_images(real_path(output), real_path(data)):
        raise ValueError(
            f"-o {output} is the folder of the data, or one of it with images, which the run's "
            "picture would join: choose another folder"
        )
    if output.is_dir():  # a folder that is taken is refused before the images are read
        check_output(output, resume=resume)
    split = find_pairs(data, hold_out_every=hold_out_every)
    if corrected is not None:
        split = with_corrected(split, corrected)
    channels = parse_channels(channel)
    with no_empty_folder(output):
        run, silent = begin_run(
            TrainSettings,
            settings,
            output,
            resume=resume,
            defaults=start_defaults(
                split.training, settings, start=start, annotation=masks, channel=channels, axes=axes
            ),
            **options,
        )
        training, validation, _ = read_behind_bar(
            lambda report: read_split(split, run, channel=channels, axes=axes, report=report),
            silent=silent,
        )
        scores = "PQ {panoptic_quality:.3f}, AP {average_precision:.3f}"
        with training_progress(output, run.steps, scores, silent=silent, logger=logger) as report:
            model = train_model(
                training,
                validation,
                run,
                output=output,
                resume=resume,
                device=device,
                report=report,
            )
    if not silent:
        _say_use(model, output)
        from seamwise.io import amount

        cells = sum(int(image.labels.max()) for image in validation)
        if cells < _FEW_CELLS:
            images = amount(len(validation), "image")
            say(f"the scores are of {images} with {amount(cells, 'cell')}: too few to trust")


def _say_use(model: Path, output: Path) -> None:
    """Say how to use a model, or that it finds no cell yet."""
    from seamwise.engine import read_log

    scores = [
        step.scores["panoptic_quality"] for step in read_log(output / "log.csv") if step.scores
    ]
    if scores and not max(scores):
        say(f"wrote {model}: it finds no cell right yet (PQ 0); train it longer")
        return
    name = shlex.quote(str(model))
    say(f"wrote {model}: use it with `seamwise segment IMAGES -o LABELS --model {name}`")


def _is_of_images(output: Path, data: Path) -> bool:
    """Whether a folder is that of the data, or holds images and is inside it."""
    from seamwise.io import find_images

    if output == data or output == data / "images" or output == data / "masks":
        return True
    if data not in output.parents or not output.is_dir() or (output / "log.csv").exists():
        return False
    try:
        return bool(find_images([output]))
    except (ValueError, OSError):
        return False


def compare(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of images and masks, as for `train`.")
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder for the report, with a folder for each run."),
    ],
    losses: Annotated[
        str,
        typer.Option(help=f"Two or more losses, separated by commas (ce is ce3). {_SYSTEMS}."),
    ] = "ce,w3,j4",
    seeds: Annotated[int, typer.Option(min=1, help="How many times to train each loss.")] = 1,
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
    """Find out which loss suits your images: train with each under equal conditions and report.

    All losses start from the same weights and see the same crops; λ of j3 and j4 is
    1/(C·(C − 1)). Scores come from images that no run has seen: those in test/, or else a quarter
    of the images. Another quarter, or val/, chooses the weights.

    Writes report.html and scores.json. Run the command again to resume it.
    """
    from pydantic import RootModel

    from seamwise.io import make_folder, write_json
    from seamwise.segmentation import find_split, read_split
    from seamwise.segmentation.choose import (
        ImageSplit,
        Run,
        judge,
        read_comparison,
        score_rows,
        write_report,
    )
    from seamwise.segmentation.choose import compare as compare_losses

    options = {
        "annotation": masks,
        "steps": steps,
        "batch_size": batch_size,
        "crop": crop,
        "width": width,
    }
    names = [name.strip() for name in losses.split(",")]
    systems, run_settings = read_comparison(settings, names, options)
    split = find_split(data)
    with no_empty_folder(output):
        make_folder(output)
        images = ImageSplit(
            *read_behind_bar(
                lambda report: read_split(
                    split, run_settings, channel=parse_channels(channel), axes=axes, report=report
                )
            )
        )
    with Progress() as progress, stop_on_interrupt() as interrupts:
        tasks: dict[Run, Task] = {}

        def report(run: Run, step: "TrainProgress") -> bool:
            if run not in tasks:
                tasks[run] = progress.task(str(run), run_settings.steps, timed=False)
            if step.scores:
                quality = step.scores["panoptic_quality"]
                progress.note(f"{run}, step {step.step}: PQ {quality:.3f}")
            tasks[run].update(step.step, run_settings.steps, str(run), left=step.seconds_left)
            return not interrupts

        result = compare_losses(
            images,
            systems,
            run_settings,
            output=output,
            seeds=range(seeds),
            device=device,
            report=report,
        )
    write_json(output / "scores.json", RootModel(result).model_dump(mode="json"))
    write_report(output / "report.html", result, images.test)
    print_losses(score_rows(result))
    print_result(str(judge(result)))
    say(f"wrote {output / 'report.html'} and scores.json; the models are in the same folder")
