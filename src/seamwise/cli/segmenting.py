"""`seamwise segment` and `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.errors import say
from seamwise.cli.options import Axes, Channel, Device, parse_channels
from seamwise.cli.progress import block_progress, follow_files, progress_bar


def segment(
    inputs: Annotated[
        list[str], typer.Argument(help="Images, OME-Zarr folders, glob patterns or folders.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="Folder for label images; or the one OME-Zarr image itself."
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Shipped model or model file; see `seamwise info`.")
    ] = "nuclei-2d",
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay", help="Also write <stem>_overlay.png; not of what goes block by block."
        ),
    ] = False,
    channel: Channel = None,
    axes: Axes = None,
    decode: Annotated[
        str | None,
        typer.Option(
            help="argmax, threshold or watershed; default: the model's. See `seamwise tune`."
        ),
    ] = None,
    min_size: Annotated[
        int | None, typer.Option(min=0, help="Drop cells of fewer pixels; default: the model's.")
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            min=1, help="Pixels per side that are computed at once; of blocks rounded up."
        ),
    ] = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over mirror images: better, slower.")
    ] = False,
    mode: Annotated[
        str | None,
        typer.Option(
            help="3d (a model for stacks) or 2d-stitch (a 2D model, slice by slice, stitched)."
        ),
    ] = None,
    stitch_iou: Annotated[
        float | None,
        typer.Option(help="Of 2d-stitch: least IoU of a cell's parts in two slices; default 0.25."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Limit, e.g. 4GB; larger images go through block by block. Default: 70 % of what is free."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on this machine; above 1 block by block.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler; block by block.")
    ] = None,
    zarr_version: Annotated[
        str | None, typer.Option(help="Of OME-Zarr to write: 0.5 (default) or 0.4.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is there.")] = False,
    device: Device = "auto",
) -> None:
    """Find the cells of images; writes a label image for each.

    An image becomes <stem>.tif. An OME-Zarr image, a time series or an image too large for the memory goes through
    block by block and becomes <stem>.ome.zarr; with -o the OME-Zarr image itself, its labels/cells. Run again, it goes
    on with what has no labels yet. What cannot be read is named and left out; the exit code is then 1.
    """
    from seamwise.engine import Resources, parse_memory
    from seamwise.segmentation import Listener, OutputOptions, SegmentOptions, segment_files

    options = SegmentOptions(
        model=model,
        channel=parse_channels(channel),
        axes=axes,
        decode=decode,
        min_size=min_size,
        tile=tile,
        flips=flips,
        mode=mode,  # type: ignore[arg-type]
        stitch_iou=stitch_iou,
    )
    resources = Resources(parse_memory(memory) if memory else None, workers, scheduler, device)
    files = OutputOptions(overlay, overwrite, zarr_version or "0.5")  # type: ignore[arg-type]
    with progress_bar() as bar:
        listener = Listener(bar.console.print, block_progress(bar))
        outcomes = segment_files(inputs, output, options, resources, files=files, listener=listener)
        follow_files(bar, outcomes, "segment", f"labels are in {output}", "no labels written")


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")] = Path(
        "demo-output"
    ),
) -> None:
    """Segment a made-up image of crowded cells with the shipped model, and draw what happens."""
    from seamwise.io.atomic import make_folder
    from seamwise.segmentation.demo import demo as run

    make_folder(output)
    result = run(output)
    score = result.matching
    say(
        f"{score.n_true} cells, {score.n_pred} found: {score.tp} right, {score.fp} false, {score.fn} missed "
        f"(IoU ≥ {score.iou}), panoptic quality {score.panoptic_quality:.3f}"
    )
    for path in result.files:
        say(f"wrote {path}")
