"""`seamwise weights`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.options import parse_numbers, parse_option
from seamwise.cli.progress import follow_files, progress_bar


def weights(
    inputs: Annotated[list[str], typer.Argument(help="Label images, glob patterns or folders.")],
    map_name: Annotated[str, typer.Option("--map", help="balance, dwm, saw, unet or w3.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for <stem>.tif float32 maps.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Option of the map as name=value, e.g. beta=20; may be repeated."
        ),
    ] = None,
    classes: Annotated[
        int, typer.Option(min=2, max=4, help="Classes of the target that the weights go with.")
    ] = 3,
    touching_radius: Annotated[
        int,
        typer.Option(
            min=1,
            help="Cell pixels with another cell this near are touching (not with --masks binary).",
        ),
    ] = 2,
    gap_radius: Annotated[
        float,
        typer.Option(
            min=0, help="Background between cells closer than about twice this is gap (4 classes)."
        ),
    ] = 7.0,
    masks: Annotated[
        str, typer.Option(help="instances (a number for each cell) or binary.")
    ] = "instances",
    spacing: Annotated[
        str | None,
        typer.Option(help="Pixel size along each axis, e.g. 2,1,1; default: the file's, else 1."),
    ] = None,
    over_all: Annotated[
        bool,
        typer.Option(
            "--over-all", help="Balance classes over all files together, not within each."
        ),
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write <stem>_preview.png.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files at a time; default: one for each core.")
    ] = None,
) -> None:
    """Write the weight map of each label image, for any training code.

    Run again, maps are kept that were made from the same labels in the same way. A file that cannot be read is named
    and left out; the exit code is then 1.
    """
    from seamwise.segmentation.transforms import TargetAndWeight
    from seamwise.segmentation.weight_files import weigh_files

    transform = TargetAndWeight(
        map=map_name,  # type: ignore[arg-type]
        classes=classes,
        touching_radius=touching_radius,
        gap_radius=gap_radius,
        annotation=masks,  # type: ignore[arg-type]
        options=dict(parse_option(text) for text in option or ()),
    )
    steps = parse_numbers("--spacing", spacing) if spacing else None
    outcomes = weigh_files(
        inputs,
        output,
        transform,
        spacing=steps,
        over_all=over_all,
        preview=preview,
        workers=workers,
    )
    with progress_bar() as bar:
        follow_files(
            bar, outcomes, "weigh", f"weight maps are in {output}", "no weight maps written"
        )
