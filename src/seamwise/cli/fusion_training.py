"""`seamwise train-fusion`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.messages import say
from seamwise.cli.options import (
    Device,
    Devices,
    Logger,
    Nodes,
    Resume,
    Seed,
    Steps,
    Width,
)
from seamwise.cli.runs import begin_run, no_empty_folder, training_progress
from seamwise.words import FusionLoss, FusionNetwork


def train_fusion(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Folder of sharp pictures, or a panoptic JSON file of MS COCO."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for model, log, curve and checkpoint.")
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the pictures that a panoptic JSON file names."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings, see docs/fusion.md.", show_default="built-in settings"
        ),
    ] = None,
    network: Annotated[
        FusionNetwork | None,
        typer.Option(
            help="What the network predicts: the sharper source (selection, HF-Seg), this and "
            "weights near seams (bands; needs start in --settings) or colours (picture, HF-Reg).",
            show_default="selection",
        ),
    ] = None,
    loss: Annotated[
        FusionLoss | None,
        typer.Option(
            metavar="LOSS",  # the list of all would be wider than a narrow terminal
            help="Loss of --network picture: nps, l1, l2, huber, gradient or ssim; perceptual "
            "needs a network, and Python.",
            show_default="nps",
        ),
    ] = None,
    steps: Steps = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pairs in each training step, each in both orders (bands: in one).",
            show_default="4",
        ),
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(min=1, help="Side of a training crop in pixels.", show_default="256"),
    ] = None,
    width: Width = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Step size of the optimizer.", show_default="0.001")
    ] = None,
    seed: Seed = None,
    hold_out_every: Annotated[
        int, typer.Option(min=2, help="Validate on every n-th picture.")
    ] = 10,
    leave_out_every: Annotated[
        int | None,
        typer.Option(min=2, help="First reserve every n-th picture for a later test."),
    ] = None,
    resume: Resume = False,
    logger: Logger = None,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Train a fusion network on pairs of different focus, made from sharp pictures.

    The folder holds images/ and labels/ (segments: x.png or x_h0.png, x_h1.png … for x.jpg), or
    pictures alone, which are then blurred in random shapes.

    Options on the command line override those in --settings, whose defaults hold otherwise.
    Ctrl-C writes a checkpoint, from which --resume continues.
    """
    from seamwise.fusion import FusionSettings, find_pictures, split
    from seamwise.fusion import train as train_model

    with no_empty_folder(output):
        run, silent = begin_run(
            FusionSettings,
            settings,
            output,
            resume=resume,
            network=network,
            loss=loss,
            steps=steps,
            batch_size=batch_size,
            crop=crop,
            width=width,
            learning_rate=learning_rate,
            seed=seed,
            devices=devices,
            nodes=nodes,
        )
        pictures = split(
            find_pictures(data, images=images),
            hold_out_every=hold_out_every,
            leave_out_every=leave_out_every,
        )
        scores = "PSNR {psnr:.2f} dB, SSIM {ssim:.4f}"
        with training_progress(output, run.steps, scores, silent=silent, logger=logger) as report:
            model = train_model(
                pictures.training,
                pictures.validation,
                run,
                output=output,
                resume=resume,
                device=device,
                report=report,
            )
    if not silent:
        name = shlex.quote(str(model))
        say(f"wrote {model}: use it with `seamwise fuse A B -o OUT.png --model {name}`")
