"""`seamwise fuse`."""

from pathlib import Path
from typing import Annotated

import typer

from seamwise.cli.messages import say
from seamwise.cli.options import Device, RuntimeOption
from seamwise.cli.progress import Progress, Task, tell
from seamwise.words import FusionMode, MotionChoice


def fuse(
    frames: Annotated[
        list[str],
        typer.Argument(
            metavar="FRAMES",
            help="Frames, stacks, glob patterns or folders. Methods that fuse frame by frame need "
            "the order of focus distance.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="File for the fused picture; for bursts, a folder."),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "--method",
            help="Network: focus-burst, focus-pair, focus-seg, a model file, or focus-reg (an "
            "experiment of the thesis); or classical method: laplacian, gff, dct, dct-cv, matting "
            "or cnn.",
            show_default="auto: focus-burst for three frames and more, focus-pair for two",
        ),
    ] = "auto",
    mode: Annotated[
        FusionMode | None,
        typer.Option(
            help="How a network that takes pairs, like focus-seg, sees more frames: one after "
            "another (sequence), or all at once, whatever their order (together).",
            show_default="sequence",
        ),
    ] = None,
    nearest: Annotated[
        bool | None,
        typer.Option(
            "--nearest/--no-nearest",
            help="Replace each colour that a network predicts by that of the nearest source.",
            show_default="only for networks that predict colours",
        ),
    ] = None,
    align: Annotated[
        bool, typer.Option("--align/--no-align", help="Align the frames with each other first.")
    ] = True,
    motion: Annotated[
        MotionChoice,
        typer.Option(
            help="How frames may move: the simplest motion that explains them (auto), or one of "
            "the others. homography follows a tilt of the camera."
        ),
    ] = "auto",
    exposure: Annotated[
        bool,
        typer.Option(
            "--exposure/--no-exposure", help="Match the frames' brightness where it differs."
        ),
    ] = True,
    crop: Annotated[
        bool,
        typer.Option(
            "--crop/--full-size", help="After aligning, keep only what every frame shows."
        ),
    ] = True,
    moving: Annotated[
        bool,
        typer.Option(
            "--moving",
            help="Take a thing that moves between frames, such as an insect, whole from one frame. "
            "Reads each frame once more.",
        ),
    ] = False,
    alignment: Annotated[
        Path | None,
        typer.Option(help="JSON file of the alignment: read if it exists, else written."),
    ] = None,
    depth_map: Annotated[
        bool,
        typer.Option(
            "--depth-map", help="Also write OUT_depth.png: the frame that each pixel comes from."
        ),
    ] = False,
    focus_maps: Annotated[
        bool,
        typer.Option(
            "--focus-maps", help="Also write OUT_focus_<i>.png: where frame i was chosen."
        ),
    ] = False,
    surface: Annotated[
        bool,
        typer.Option(
            "--surface",
            help="Also write the surface that the frames scan: OUT_height.tif (16 bits), "
            "OUT_height.png (colours and scale), OUT_confidence.png, OUT_relief.png (3D picture) "
            "and OUT_relief.ply (mesh).",
        ),
    ] = False,
    z_step: Annotated[
        float | None,
        typer.Option(
            help="Distance from frame to frame in micrometres, for --surface.",
            show_default="that of a stack",
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Skip frames that cannot be read, or whose size, bit depth or colour is not that "
            "of most, and fuse the others.",
        ),
    ] = False,
    tile: Annotated[
        int | None,
        typer.Option(
            min=192,
            help="Tile size of networks in pixels.",
            show_default="strips for focus-burst, else 1024",
        ),
    ] = None,
    split_by_time: Annotated[
        bool,
        typer.Option(
            "--split-by-time",
            help="The frames are several bursts, with pauses between them: the time in EXIF tells. "
            "Each picture is named like its first frame.",
        ),
    ] = False,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Quality of pictures that are JPEGs.", show_default="95"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing pictures.")
    ] = False,
    device: Device = "auto",
    runtime: RuntimeOption = "auto",
) -> None:
    """Fuse frames of different focus into one picture that is sharp everywhere.

    With -o sharp.png all frames are one burst. If -o is a folder, each input folder is a burst or
    holds a folder for each burst. Bursts that fail are reported and skipped; the exit code is
    then 1.

    A stack (OME-TIFF, ImageJ, OME-Zarr) is a burst of its planes along z, for each channel and time
    point; the output keeps these axes and the pixel size.

    The picture keeps the bit depth (8 or 16), the EXIF data and the colour profile of the frames.
    """
    from seamwise.engine import Listener, Resources, StageProgress
    from seamwise.fusion import FuseOptions, FuseOutputs, fuse_files
    from seamwise.io import amount

    options = FuseOptions(
        model=model,
        mode=mode,
        nearest=nearest,
        align=align,
        motion=motion,
        exposure=exposure,
        crop=crop,
        moving=moving,
        tile=tile,
        skip_bad=skip_bad,
        runtime=runtime,
    )
    files = FuseOutputs(
        depth_map=depth_map,
        focus_maps=focus_maps,
        surface=surface,
        z_step=z_step,
        split_by_time=split_by_time,
        alignment=alignment,
        quality=quality,
        overwrite=overwrite,
    )
    with Progress() as progress:
        tasks: dict[str, Task] = {}
        failures = total = 0
        # what will be done waits for the first frame: if it is bad, there is one line
        announcements: list[str] = []

        def announce() -> None:
            for line in announcements:
                progress.note(line)
            announcements.clear()

        def report(step: StageProgress) -> None:
            announce()
            if step.stage not in tasks:
                tasks[step.stage] = progress.task(step.stage, step.total)
            tasks[step.stage].update(step.done, step.total, step.stage)

        outcomes = fuse_files(
            frames,
            output,
            options,
            Resources(device=device),
            files=files,
            listener=Listener(announcements.append, report),
        )
        announce()  # of all bursts
        for outcome in outcomes:
            if outcome.failed:
                announcements.clear()
            announce()
            tell(progress, outcome)
            failures += outcome.failed
            total = outcome.total
    if failures == total == 1:
        raise typer.Exit(2)
    summary = f"the result is in {output}"
    if failures:
        others = f"the others are in {output}" if failures < total else "no picture was written"
        summary = f"{failures} of {amount(total, 'burst')} failed; {others}"
    say(summary)
    raise typer.Exit(1 if failures else 0)
