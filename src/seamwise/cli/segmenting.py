"""`seamwise segment` and `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.measuring import then_measure
from seamwise.cli.messages import print_result, say
from seamwise.cli.options import (
    Axes,
    Channel,
    Device,
    RuntimeOption,
    parse_channels,
    parse_spacing,
)
from seamwise.cli.progress import Earlier, Progress, block_progress, follow_files
from seamwise.cli.reporting import then_report
from seamwise.words import RuleName, StackMode, ZarrVersion

_LEAST_MEMORY = 10**6  # bytes


def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS", help="Images, OME-Zarr folders, glob patterns or folders."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the label images, or the input itself if it is one OME-Zarr image.",
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Built-in model or model file; `seamwise info` lists the former.")
    ] = "nuclei-2d",
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay",
            help="Also write <stem>_overlay.png (not for images processed in blocks).",
        ),
    ] = False,
    outlines: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --overlay: width of the outlines in pixels.", show_default="1"
        ),
    ] = None,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="With --overlay: write the number of each cell.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Also write, or replace, report.html: numbered outlines, sizes and the cells to "
            "look at.",
        ),
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Also write probabilities/<stem>.tif, for `seamwise decode`; for images "
            "processed in blocks <stem>.ome.zarr.",
        ),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Also write, or replace, cells.csv, as `seamwise measure` does."
        ),
    ] = False,
    track: Annotated[
        bool,
        typer.Option(
            "--track",
            help="Also measure, and link the cells from frame to frame, as `seamwise measure "
            "--track` does; files with one time point each are the frames of one series. Tracks "
            "that exist are replaced.",
        ),
    ] = False,
    channel: Channel = None,
    axes: Axes = None,
    decode: Annotated[
        RuleName | None,
        typer.Option(
            help="How probabilities become cells; threshold and watershed need a tuned model, "
            "relief one with guides.",
            show_default="the model's own",
        ),
    ] = None,
    min_size: Annotated[
        int | None,
        typer.Option(
            min=0, help="Remove cells with fewer pixels than this.", show_default="the model's own"
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tile size in pixels; in block mode the block size, rounded up.",
            show_default="1088, for stacks 128; in block mode what fits the memory",
        ),
    ] = None,
    flips: Annotated[
        bool,
        typer.Option("--flips", help="Average over mirror images: slightly better, slower."),
    ] = False,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Magnify the image by this before the network sees it, e.g. 0.5 for cells twice "
            "as large as the model's.",
            show_default="1",
        ),
    ] = None,
    diameter: Annotated[
        float | None,
        typer.Option(
            help="Usual diameter of your cells in pixels; sets --scale. If you give both, they "
            "must agree within 10 %.",
            show_default="not used",
        ),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            metavar="[Z,]Y,X",
            help="Pixel size in µm, e.g. 2,0.5,0.5; the image is magnified to the model's, if the "
            "model knows it.",
            show_default="what the file says",
        ),
    ] = None,
    mode: Annotated[
        StackMode | None,
        typer.Option(
            help="How to segment a stack: 3d needs a model for stacks; 2d-stitch joins the "
            "slices that a 2D model segments.",
            show_default="what the model is for",
        ),
    ] = None,
    stitch_iou: Annotated[
        float | None,
        typer.Option(
            help="For --mode 2d-stitch: smallest overlap (IoU) of a cell's parts in two slices.",
            show_default="0.25",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory limit such as 4GB; larger images are processed in blocks.",
            show_default="70 % of the free memory",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes; more than 1 switches to block mode.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a dask scheduler whose workers process the blocks.",
            show_default="this machine",
        ),
    ] = None,
    zarr_version: Annotated[
        ZarrVersion, typer.Option(help="Version of OME-Zarr to write.")
    ] = "0.5",
    name: Annotated[
        str, typer.Option(help="Name of the labels inside an OME-Zarr image, if -o is the image.")
    ] = "cells",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing results.")
    ] = False,
    device: Device = "auto",
    runtime: RuntimeOption = "auto",
) -> None:
    """Find the cells in images and write a label image for each.

    An image becomes <stem>.tif. OME-Zarr images, time series and images larger than the memory
    are processed in blocks and become <stem>.ome.zarr. If -o names the OME-Zarr image itself, its
    labels are written to labels/<name> inside it.

    Run the command again to process only what is missing. Files that cannot be read are reported
    and skipped; the exit code is then 1.
    """
    from seamwise.engine import Listener, Resources, parse_memory
    from seamwise.segmentation import OutputOptions, SegmentOptions, segment_files

    if not overlay and (outlines or numbers):
        raise ValueError("--outlines and --numbers need --overlay: add it, or remove them")
    limit = parse_memory(memory) if memory else None
    if limit is not None and limit < _LEAST_MEMORY:
        raise ValueError(f"--memory {memory} is too little for any image: give e.g. 4GB")
    options = SegmentOptions(
        model=model,
        channel=parse_channels(channel),
        axes=axes,
        decode=decode,
        min_size=min_size,
        tile=tile,
        flips=flips,
        mode=mode,
        stitch_iou=stitch_iou,
        scale=scale,
        diameter=diameter,
        spacing=parse_spacing(spacing),
        runtime=runtime,
    )
    resources = Resources(limit, workers, scheduler, device)
    files = OutputOptions(
        overlay=overlay,
        overwrite=overwrite,
        zarr_version=zarr_version,
        name=name,
        probabilities=probabilities,
        seams=report,
        outline_width=outlines or 1,
        numbers=numbers,
    )
    earlier = Earlier()
    with (
        then_report(report, inputs, output, options, name, earlier=earlier),
        then_measure(measure, inputs, output, options, name, track=track, earlier=earlier),
        Progress() as progress,
    ):
        listener = Listener(progress.note, block_progress(progress))
        outcomes = segment_files(inputs, output, options, resources, files=files, listener=listener)
        follow_files(
            progress,
            outcomes,
            "segment",
            done=f"labels are in {output}",
            nothing="no labels were written",
            earlier=earlier,
        )


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")] = Path(
        "demo-output"
    ),
) -> None:
    """Segment a real and a drawn image with the built-in model, score them and draw the steps."""
    from seamwise.io import amount, make_folder
    from seamwise.segmentation import demo as run

    make_folder(output)
    result = run(output)
    for name, score in (("nuclei", result.real), ("drawn cells", result.drawn)):
        print_result(
            f"{name}: {amount(score.n_true, 'cell')}, {score.n_pred} found: {score.tp} correct, "
            f"{score.fp} false, {score.fn} missed (IoU ≥ {score.iou}), "
            f"panoptic quality {score.panoptic_quality:.3f}"
        )
    for path in result.files:
        say(f"wrote {path}")
