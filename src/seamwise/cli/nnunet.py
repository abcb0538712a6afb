"""`seamwise nnunet-dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.messages import say, warn
from seamwise.cli.options import Axes, Channel, GapRadius, Masks, TouchingRadius, parse_channels
from seamwise.cli.progress import Progress
from seamwise.words import MapName, NNUNetFormat


def nnunet_dataset(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of images and masks, as for `train`.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", envvar="nnUNet_raw", help="nnU-Net's folder of raw data sets."
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the data set, with a number of three digits.")
    ] = "Dataset501_Cells",
    classes: Annotated[
        int,
        typer.Option(
            min=2, max=4, help="2: background, cell; 3: and touching; 4: and gap between cells."
        ),
    ] = 4,
    touching_radius: TouchingRadius = 2,
    gap_radius: GapRadius = 7.0,
    masks: Masks = None,
    map_name: Annotated[
        MapName | None,
        typer.Option(
            "--map",
            help="Also write this weight map to weightsTr, for a trainer of your own.",
            show_default="none",
        ),
    ] = None,
    file_format: Annotated[
        NNUNetFormat,
        typer.Option(
            "--format", help="Kind of the files; nifti is for stacks: .nii.gz with the voxel size."
        ),
    ] = "tiff",
    channel: Channel = None,
    axes: Axes = None,
) -> None:
    """Write images and masks of cells as a data set of classes for nnU-Net v2.

    nnU-Net learns classes, not cells: background, cell, touching and gap. `seamwise decode` makes
    cells of what it predicts. Images in test/ become imagesTs; train/ and val/ become a fold.

    The data set appears whole or not at all.
    """
    from seamwise.io import amount
    from seamwise.segmentation import TargetAndWeight, write_nnunet

    transform = TargetAndWeight(
        map=map_name,
        classes=classes,
        touching_radius=touching_radius,
        gap_radius=gap_radius,
        annotation=masks or "instances",
    )
    with Progress() as progress:
        task = progress.task("write cases")
        result = write_nnunet(
            data,
            output,
            transform,
            name=name,
            file_format=file_format,
            channel=parse_channels(channel),
            axes=axes,
            report=lambda done, total: task.update(done, total, "write cases"),
        )
    for note in result.notes:
        warn(note)
    tests = f" and {amount(result.tests, 'test image')}" if result.tests else ""
    say(f"{amount(result.cases, 'case')}{tests} of {', '.join(result.names)} in {result.folder}")
    number = name[len("Dataset") : len("Dataset") + 3]
    say(f"next: nnUNetv2_plan_and_preprocess -d {number} --verify_dataset_integrity")
