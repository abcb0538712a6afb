"""`seamwise export-labels` and `import-labels`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.progress import Progress, follow_files
from seamwise.words import OutlineFormat


def export_labels(
    labels: Annotated[
        list[str],
        typer.Argument(metavar="LABELS", help="Label images, glob patterns or folders."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the outlines.")],
    format: Annotated[
        OutlineFormat,
        typer.Option(
            help="ImageJ ROIs (roi: <stem>_rois.zip), GeoJSON as in QuPath (geojson: "
            "<stem>.geojson), MS COCO (coco: annotations.json for all), or masks and tracks of the "
            "Cell Tracking Challenge (ctc: <stem>_RES)."
        ),
    ] = "roi",
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="CELLS.CSV",
            help="For geojson: a table of `seamwise measure`. Its numbers become measurements, by "
            "which QuPath colours cells.",
            show_default="not used",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write cells as outlines or masks, for Fiji, QuPath and other programs.

    Outlines follow the sides of the pixels, with holes and separate parts. Stacks and time series
    have outlines for each slice and time point.
    """
    from seamwise.exchange import export_labels as export

    with Progress() as progress:
        follow_files(
            progress,
            export(labels, output, format, table=table, overwrite=overwrite),
            "export",
            done=f"outlines are in {output}",
            nothing="no outlines were written",
        )


def import_labels(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Outlines: .zip or .roi of ImageJ, .geojson, .json of MS COCO; folders of them; "
            "folders of the Cell Tracking Challenge.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the label images, <stem>.tif; for time series <stem>.ome.zarr.",
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            help="The outlined image, or folder of them with the same names: for the size.",
            show_default="as large as the outlines need; COCO knows the size",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing label images.")
    ] = False,
) -> None:
    """Draw outlines from Fiji, QuPath or MS COCO as label images, for example to train on.

    A pixel belongs to a cell if its middle lies inside the outline. Where cells overlap, the later
    one is drawn over the earlier one, and a line reports how many pixels that are.
    """
    from seamwise.exchange import import_labels as draw

    with Progress() as progress:
        follow_files(
            progress,
            draw(files, output, images=images, overwrite=overwrite),
            "import",
            done=f"label images are in {output}",
            nothing="no label images were written",
        )
