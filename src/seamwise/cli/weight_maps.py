"""`seamwise weights`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.options import (
    GapRadius,
    Masks,
    TouchingRadius,
    parse_assignment,
    parse_spacing,
    parse_value,
)
from seamwise.cli.progress import Progress, follow_files
from seamwise.words import MapName


def weights(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUTS", help="Label images, glob patterns or folders."),
    ],
    map_name: Annotated[
        MapName,
        typer.Option(
            "--map",
            help="Weight map: balanced classes (balance), distance (dwm), pieces of a class for J "
            "(pieces), shape-aware (saw), U-Net's (unet) or W³ (w3).",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the maps, <stem>.tif in float32.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Option of the map as name=value, for example beta=20; may be repeated.",
            show_default="the values of the thesis",
        ),
    ] = None,
    classes: Annotated[
        int, typer.Option(min=2, max=4, help="Number of classes of the target to be weighted.")
    ] = 3,
    touching_radius: TouchingRadius = 2,
    gap_radius: GapRadius = 7.0,
    scale: Annotated[
        str | None,
        typer.Option(
            help="mean: divide each map by its mean. A number multiplies the weights.",
            show_default="as the map gives them",
        ),
    ] = None,
    masks: Masks = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Pixel size along each axis, for example 2,1,1.", show_default="the file's, else 1"
        ),
    ] = None,
    over_all: Annotated[
        bool,
        typer.Option(
            "--over-all", help="Balance classes over all files together instead of in each file."
        ),
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write <stem>_preview.png.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Files to process at a time.", show_default="one for each core"),
    ] = None,
) -> None:
    """Write the weight map of each label image, for any training code.

    Run the command again to process only what is missing: maps made from the same labels with the
    same options are kept. Files that cannot be read are reported and skipped; the exit code is
    then 1.
    """
    from seamwise.segmentation import TargetAndWeight, weigh_files

    transform = TargetAndWeight(
        map=map_name,
        classes=classes,
        touching_radius=touching_radius,
        gap_radius=gap_radius,
        annotation=masks or "instances",
        scale=None if scale is None else parse_value(scale),
        options=dict(parse_assignment(text) for text in option or ()),
    )
    outcomes = weigh_files(
        inputs,
        output,
        transform,
        spacing=parse_spacing(spacing),
        over_all=over_all,
        preview=preview,
        workers=workers,
    )
    with Progress() as progress:
        follow_files(
            progress,
            outcomes,
            "weigh",
            done=f"weight maps are in {output}",
            nothing="no weight maps were written",
        )
