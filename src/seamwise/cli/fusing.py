"""`seamwise fuse` and `train-fusion`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seamwise.cli.errors import say
from seamwise.cli.options import Crop, Device, Devices, Nodes, Steps, Width, one_of
from seamwise.cli.progress import progress_bar, training_progress

if TYPE_CHECKING:
    from rich.progress import TaskID


def fuse(
    frames: Annotated[
        list[str], typer.Argument(help="Frames, patterns or folders, from near to far or back.")
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The fused picture; or a folder, for many bursts."),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "--method",
            help="focus-seg, focus-reg, a model file; or laplacian, gff, dct, dct-cv, matting, cnn.",
        ),
    ] = "focus-seg",
    mode: Annotated[
        str,
        typer.Option(
            help="Networks: sequence (frame by frame) or together (order of frames does not matter)."
        ),
    ] = "sequence",
    nearest: Annotated[
        bool | None,
        typer.Option("--nearest/--no-nearest", help="Networks: take the nearest source's colour."),
    ] = None,
    align: Annotated[
        bool, typer.Option("--align/--no-align", help="Lay the frames over each other first.")
    ] = True,
    motion: Annotated[
        str, typer.Option(help="affine, or homography for frames tilted against each other.")
    ] = "affine",
    exposure: Annotated[
        bool,
        typer.Option(
            "--exposure/--no-exposure", help="Match the brightness of the frames when aligning."
        ),
    ] = True,
    crop: Annotated[
        bool,
        typer.Option(
            "--crop/--full-size", help="After aligning, keep only what every frame shows."
        ),
    ] = True,
    alignment: Annotated[
        Path | None,
        typer.Option(help="JSON file of the alignment: used if it is there, else written."),
    ] = None,
    depth_map: Annotated[
        bool,
        typer.Option(
            "--depth-map", help="Also write OUT_depth.png: which frame each pixel comes from."
        ),
    ] = False,
    focus_maps: Annotated[
        bool,
        typer.Option("--focus-maps", help="Also write OUT_focus_<i>.png: where frame i was taken."),
    ] = False,
    tile: Annotated[
        int | None, typer.Option(min=192, help="Networks: pixels per side computed at once.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace pictures that are there.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Fuse frames of different focus into one picture that is sharp everywhere.

    With -o sharp.png all frames are one burst. With a folder as output every folder given is a burst, or holds a
    folder for each; a burst that fails is named and left out, and the exit code is then 1. 8 and 16 bits stay what
    they are, EXIF and colour profile are kept.
    """
    from seamwise.engine.resources import Resources
    from seamwise.fusion import FuseOptions, FuseOutputs, fuse_files

    options = FuseOptions(
        model=model,
        mode=one_of("--mode", mode, "sequence", "together"),
        nearest=nearest,
        align=align,
        motion=one_of("--motion", motion, "affine", "homography"),
        exposure=exposure,
        crop=crop,
        tile=tile,
    )
    files = FuseOutputs(
        depth_map=depth_map, focus_maps=focus_maps, alignment=alignment, overwrite=overwrite
    )
    with progress_bar() as bar:
        job: TaskID | None = None
        failed = total = 0

        def report(stage: str, done: int, of: int) -> None:
            nonlocal job
            job = bar.add_task(stage) if job is None else job
            bar.update(job, description=stage, completed=done, total=of)

        outcomes = fuse_files(
            frames,
            output,
            options,
            Resources(device=device),
            files=files,
            announce=bar.console.print,
            report=report,
        )
        for outcome in outcomes:
            for message in outcome.messages:
                bar.console.print(message)
            failed += outcome.failed
            total = outcome.total
    if failed == total == 1:
        raise typer.Exit(2)
    beside = ", with its maps beside it" if (depth_map or focus_maps) and output.is_file() else ""
    done = f"the result is in {output}{beside}"
    say(f"{failed} of {total} bursts failed; the others are in {output}" if failed else done)
    raise typer.Exit(1 if failed else 0)


def train_fusion(
    data: Annotated[
        Path, typer.Argument(help="Folder of sharp pictures, or a panoptic JSON of MS COCO.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for model, log, curve and checkpoint.")
    ],
    images: Annotated[
        Path | None, typer.Option(help="The folder of pictures that a panoptic JSON names.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="TOML file with any field of FusionSettings.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="selection (HF-Seg: which source) or picture (HF-Reg: the colours)."),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Of HF-Reg: nps, l1 or l2.")] = None,
    steps: Steps = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pairs per step; each goes in in both orders.")
    ] = None,
    crop: Crop = None,
    width: Width = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    hold_out_every: Annotated[
        int, typer.Option(min=2, help="Hold out every n-th picture to validate on.")
    ] = 10,
    leave_out_every: Annotated[
        int | None,
        typer.Option(min=2, help="Before that, leave out every n-th picture, for a test later."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the output folder.")
    ] = False,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Train a fusion network on pairs of different focus, made from sharp pictures.

    The folder holds images/ and labels/ (segments: x.png or x_h0.png, x_h1.png … for x.jpg), or pictures alone, which
    are then blurred in random shapes. Options given here win over --settings. Ctrl-C writes a checkpoint; --resume
    goes on from it.
    """
    from seamwise.engine.devices import is_first_process
    from seamwise.engine.loop import check_output
    from seamwise.engine.settings import read_settings
    from seamwise.fusion import FusionSettings, find_pictures, split
    from seamwise.fusion import train as train_model
    from seamwise.io.atomic import make_folder

    given = {
        "network": network, "loss": loss, "steps": steps, "batch_size": batch_size, "crop": crop, "width": width,
        "learning_rate": learning_rate, "seed": seed, "devices": devices, "nodes": nodes,
    }  # fmt: skip
    chosen = read_settings(FusionSettings, settings, given)
    quiet = not is_first_process(chosen.processes)
    make_folder(output)
    check_output(output, resume=resume)
    pictures = split(
        find_pictures(data, images=images),
        hold_out_every=hold_out_every,
        leave_out_every=leave_out_every,
    )
    with training_progress(
        output, chosen.steps, "PSNR {psnr:.2f} dB, SSIM {ssim:.4f}", quiet=quiet
    ) as report:
        model_file = train_model(
            pictures.training,
            pictures.validation,
            chosen,
            output=output,
            resume=resume,
            device=device,
            report=report,
        )
    if not quiet:
        say(f"wrote {model_file}: use it with `seamwise fuse A B -o OUT.png --model {model_file}`")
