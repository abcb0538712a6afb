"""The `seamwise` command: parse, call the public API, print."""

import json
import math
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from seamwise import __version__

# Everything that needs torch, scipy or rich tables is imported inside the commands: `--help` must be instant.
if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from seamwise.engine.history import Progress
    from seamwise.engine.loop import Report
    from seamwise.fusion.measure import FusionScores
    from seamwise.io.outcome import Outcome
    from seamwise.metrics import DatasetContours, DatasetMatching, Scores
    from seamwise.segmentation import AnnotatedImage, Pair, Split, TrainSettings
    from seamwise.segmentation.stages import Progress as StageProgress

AnySettings = TypeVar("AnySettings")

_DOCS = {"TrainSettings": "docs/training.md", "FusionSettings": "docs/fusion.md"}
_TIMED_STEP = 20  # by then a training run has shown its pace


class _Commands(TyperGroup):
    """Turns what a user can mend into one line and an exit code, instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _fail("interrupted; what is written is whole: run the same command again to go on", code=130)
        except BrokenPipeError:  # whoever read our output, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except MemoryError as error:
            _fail(f"not enough memory ({_one_line(error)}): use smaller tiles, crops or networks")
        except (ValueError, TypeError, OSError) as error:
            _fail(_one_line(error))
        except RuntimeError as error:  # how torch says that memory is used up, on the CPU and on GPUs
            if "memory" not in str(error):
                raise
            _fail(f"not enough memory ({_one_line(error)}): use smaller tiles, crops or networks")


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pixel-level deep learning where things touch.",
)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
Devices = Annotated[
    int | None, typer.Option(min=1, help="GPUs of each machine that share every batch; on a CPU, processes.")
]
Nodes = Annotated[int | None, typer.Option(min=1, help="Machines that do, each started by torchrun or SLURM.")]
Channel = Annotated[
    str | None, typer.Option(help="Channel number, from 0, or several as 0,2; default: all the image has.")
]
Axes = Annotated[str | None, typer.Option(help="Meaning of the axes, e.g. ZYX or CYX, if the file does not say.")]
SegmentationSettings = Annotated[Path | None, typer.Option(help="TOML file with any field of TrainSettings.")]
Masks = Annotated[str | None, typer.Option(help="instances (a number for each cell) or binary (black and white).")]
Steps = Annotated[int | None, typer.Option(min=1)]
CropsPerStep = Annotated[int | None, typer.Option(min=1, help="Crops per step.")]
Crop = Annotated[int | None, typer.Option(min=1, help="Pixels per side of a training crop.")]
Width = Annotated[int | None, typer.Option(min=1, help="Feature maps of the first level.")]


def main() -> None:
    """Entry point of the `seamwise` command."""
    app(prog_name="seamwise")


@app.command()
def segment(
    inputs: Annotated[list[str], typer.Argument(help="Images, OME-Zarr folders, glob patterns or folders.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for label images; or the one OME-Zarr image itself.")
    ],
    model: Annotated[str, typer.Option(help="Shipped model or model file; see `seamwise info`.")] = "nuclei-2d",
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write <stem>_overlay.png; not of what goes block by block.")
    ] = False,
    channel: Channel = None,
    axes: Axes = None,
    decode: Annotated[
        str | None,
        typer.Option(help="argmax, relief, threshold or watershed; default: the model's. See `seamwise tune`."),
    ] = None,
    min_size: Annotated[
        int | None, typer.Option(min=0, help="Drop cells of fewer pixels; default: the model's.")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(min=1, help="Pixels per side that are computed at once; of blocks rounded up.")
    ] = None,
    flips: Annotated[bool, typer.Option("--flips", help="Average over mirror images: better, slower.")] = False,
    mode: Annotated[
        str | None, typer.Option(help="3d (a model for stacks) or 2d-stitch (a 2D model, slice by slice, stitched).")
    ] = None,
    stitch_iou: Annotated[
        float | None, typer.Option(help="Of 2d-stitch: least IoU of a cell's parts in two slices; default 0.25.")
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Limit, e.g. 4GB; larger images go through block by block. Default: 70 % of what is free."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine; above 1 block by block.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler; block by block.")] = None,
    zarr_version: Annotated[str | None, typer.Option(help="Of OME-Zarr to write: 0.5 (default) or 0.4.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is there.")] = False,
    device: Device = "auto",
) -> None:
    """Find the cells of images; writes a label image for each.

    An image becomes <stem>.tif. An OME-Zarr image, a time series or an image too large for the memory goes through
    block by block and becomes <stem>.ome.zarr; with -o the OME-Zarr image itself, its labels/cells. Run again, it goes
    on with what has no labels yet. What cannot be read is named and left out; the exit code is then 1.
    """
    from seamwise.segmentation.batch import Follow, Options, Resources, segment_files
    from seamwise.segmentation.memory import parse_memory

    options = Options(
        model=model,
        channel=_channels(channel),
        axes=axes,
        decode=decode,
        min_size=min_size,
        tile=tile,
        flips=flips,
        mode=mode,  # type: ignore[arg-type]
        stitch_iou=stitch_iou,
        zarr_version=zarr_version,
    )
    resources = Resources(parse_memory(memory) if memory else None, workers, scheduler, device)
    with _progress() as bar:
        follow = Follow(bar.console.print, _of_blocks(bar))
        outcomes = segment_files(
            inputs, output, options, overlay=overlay, overwrite=overwrite, resources=resources, follow=follow
        )
        _follow(bar, outcomes, "segment", f"labels are in {output}", "no labels written")


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="Folder of images and masks.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for model, log, curve and checkpoint.")],
    settings: SegmentationSettings = None,
    loss: Annotated[
        str | None,
        typer.Option(help="unet2, unet3, fl, dwm, saw, lsmax, bwm, unet, w3, dsc, j3, j4, ce2, ce3 or ce4."),
    ] = None,
    masks: Masks = None,
    steps: Steps = None,
    batch_size: CropsPerStep = None,
    crop: Crop = None,
    width: Width = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    channel: Channel = None,
    axes: Axes = None,
    hold_out_every: Annotated[int, typer.Option(min=2, help="Without val/: hold out every n-th image.")] = 7,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the output folder.")] = False,
    device: Device = "auto",
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Train a model on a folder of images and masks.

    The folder holds images/ and masks/ (same names; also under train/ and val/), or x.tif beside x_masks.tif,
    or nnU-Net's imagesTr/ and labelsTr/. Masks number the cells 1, 2, …; 0 is background, negative is ignored.
    Options given here win over --settings. Ctrl-C writes a checkpoint; --resume goes on from it.
    """
    from seamwise.engine.devices import is_first_process
    from seamwise.engine.loop import check_output
    from seamwise.io.atomic import make_folder
    from seamwise.segmentation import TrainSettings, find_pairs
    from seamwise.segmentation import train as train_model

    if masks is not None:
        _one_of("--masks", masks, "instances", "binary")

    given = {
        "loss": loss, "annotation": masks, "steps": steps, "batch_size": batch_size, "crop": crop, "width": width,
        "learning_rate": learning_rate, "seed": seed, "devices": devices, "nodes": nodes,
    }  # fmt: skip
    chosen = _settings(TrainSettings, settings, {name: value for name, value in given.items() if value is not None})
    channels = _channels(channel)
    quiet = not is_first_process(chosen.processes)
    make_folder(output)
    check_output(output, resume=resume)
    split = find_pairs(data, hold_out_every=hold_out_every)
    training, validation, _ = _read_split(split, chosen, channel=channels, axes=axes, quiet=quiet)
    with _following(
        output, chosen.steps, "PQ {panoptic_quality:.3f}, AP {average_precision:.3f}", quiet=quiet
    ) as report:
        model = train_model(training, validation, chosen, output=output, resume=resume, device=device, report=report)
    if not quiet:
        _say(f"wrote {model}: use it with `seamwise segment IMAGES -o LABELS --model {model}`")


@app.command()
def compare(
    data: Annotated[Path, typer.Argument(help="Folder of images and masks, as for train.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the report, and a folder for each run.")],
    losses: Annotated[
        str, typer.Option(help="Two or more with commas between; names as for train, ce is ce3.")
    ] = "ce,w3,j4",
    seeds: Annotated[int, typer.Option(min=1, help="Train each loss so many times.")] = 1,
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
    """Find out which loss to take for your images: train with each under equal conditions, and report.

    Every loss starts from the same weights and sees the same crops; λ of j3 and j4 is 1/(C·(C − 1)). The scores are
    those of images that no run has seen: of test/, or else of a quarter of the images; another quarter, or val/, is
    there to choose the weights. Writes report.html and scores.json. Run again, it goes on where it was stopped.
    """
    from pydantic import RootModel

    from seamwise.io.atomic import make_folder
    from seamwise.io.jsonfile import write_json
    from seamwise.segmentation import TrainSettings, system
    from seamwise.segmentation.compare import Run
    from seamwise.segmentation.compare import compare as compare_losses
    from seamwise.segmentation.compare_report import judge, rows, write_report
    from seamwise.segmentation.data import find_split

    if masks is not None:
        _one_of("--masks", masks, "instances", "binary")
    given = {"annotation": masks, "steps": steps, "batch_size": batch_size, "crop": crop, "width": width}
    chosen = _settings(TrainSettings, settings, {name: value for name, value in given.items() if value is not None})
    names = ["ce3" if name == "ce" else name for name in map(str.strip, losses.split(","))]
    for name in names:
        system(name)  # type: ignore[arg-type]  # raises before anything is read
    split = find_split(data)
    make_folder(output)
    training, validation, test = _read_split(split, chosen, channel=_channels(channel), axes=axes)
    with _progress() as bar, _stop_on_interrupt() as stopped:
        jobs: dict[Run, TaskID] = {}

        def report(run: Run, progress: "Progress") -> bool:
            if run not in jobs:
                jobs[run] = bar.add_task(str(run), total=chosen.steps)
            if progress.scores:
                bar.console.print(f"{run}, step {progress.step}: PQ {progress.scores['panoptic_quality']:.3f}")
            bar.update(jobs[run], completed=progress.step)
            return not stopped

        result = compare_losses(
            training, validation, test, names, chosen,  # type: ignore[arg-type]
            output=output, seeds=range(seeds), device=device, report=report,
        )  # fmt: skip
    write_json(output / "scores.json", RootModel(result).model_dump(mode="json"))
    write_report(output / "report.html", result, test)
    _loss_table(rows(result))
    _say(str(judge(result)))
    _say(f"wrote {output / 'report.html'} and scores.json; the models are beside them")


@app.command()
def train_fusion(
    data: Annotated[Path, typer.Argument(help="Folder of sharp pictures, or a panoptic JSON of MS COCO.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for model, log, curve and checkpoint.")],
    images: Annotated[Path | None, typer.Option(help="The folder of pictures that a panoptic JSON names.")] = None,
    settings: Annotated[Path | None, typer.Option(help="TOML file with any field of FusionSettings.")] = None,
    network: Annotated[
        str | None, typer.Option(help="selection (HF-Seg: which source) or picture (HF-Reg: the colours).")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Of HF-Reg: nps, l1 or l2.")] = None,
    steps: Steps = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pairs per step; each goes in in both orders.")] = None,
    crop: Crop = None,
    width: Width = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    hold_out_every: Annotated[int, typer.Option(min=2, help="Hold out every n-th picture to validate on.")] = 10,
    leave_out_every: Annotated[
        int | None, typer.Option(min=2, help="Before that, leave out every n-th picture, for a test later.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the output folder.")] = False,
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
    from seamwise.fusion.data import find_pictures, split
    from seamwise.fusion.settings import FusionSettings
    from seamwise.fusion.train import train as train_model
    from seamwise.io.atomic import make_folder

    given = {
        "network": network, "loss": loss, "steps": steps, "batch_size": batch_size, "crop": crop, "width": width,
        "learning_rate": learning_rate, "seed": seed, "devices": devices, "nodes": nodes,
    }  # fmt: skip
    chosen = _settings(FusionSettings, settings, {name: value for name, value in given.items() if value is not None})
    quiet = not is_first_process(chosen.processes)
    make_folder(output)
    check_output(output, resume=resume)
    pictures = split(find_pictures(data, images=images), hold_out_every=hold_out_every, leave_out_every=leave_out_every)
    with _following(output, chosen.steps, "PSNR {psnr:.2f} dB, SSIM {ssim:.4f}", quiet=quiet) as report:
        model = train_model(
            pictures.training, pictures.validation, chosen, output=output, resume=resume, device=device, report=report
        )
    if not quiet:
        _say(f"wrote {model}: use it with `seamwise fuse A B -o OUT.png --method {model}`")


@app.command()
def weights(
    inputs: Annotated[list[str], typer.Argument(help="Label images, glob patterns or folders.")],
    map_name: Annotated[str, typer.Option("--map", help="balance, dwm, saw, unet or w3.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for <stem>.tif float32 maps.")],
    option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the map as name=value, e.g. beta=20; may be repeated.")
    ] = None,
    classes: Annotated[int, typer.Option(min=2, max=4, help="Classes of the target that the weights go with.")] = 3,
    touching_radius: Annotated[
        int, typer.Option(min=1, help="Cell pixels with another cell this near are touching (not with --masks binary).")
    ] = 2,
    gap_radius: Annotated[
        float, typer.Option(min=0, help="Background between cells closer than about twice this is gap (4 classes).")
    ] = 7.0,
    masks: Annotated[str, typer.Option(help="instances (a number for each cell) or binary.")] = "instances",
    spacing: Annotated[
        str | None, typer.Option(help="Pixel size along each axis, e.g. 2,1,1; default: the file's, else 1.")
    ] = None,
    over_all: Annotated[
        bool, typer.Option("--over-all", help="Balance classes over all files together, not within each.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Also write <stem>_preview.png.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Files at a time; default: one for each core.")] = None,
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
        options=dict(_option(text) for text in option or ()),
    )
    steps = _numbers("--spacing", spacing) if spacing else None
    outcomes = weigh_files(
        inputs, output, transform, spacing=steps, over_all=over_all, preview=preview, workers=workers
    )
    with _progress() as bar:
        _follow(bar, outcomes, "weigh", f"weight maps are in {output}", "no weight maps written")


@app.command()
def tune(
    model: Annotated[str, typer.Argument(help="Model file; or a shipped model, with -o.")],
    data: Annotated[Path, typer.Argument(help="Folder of images and masks, as for train.")],
    decode: Annotated[str, typer.Option(help="threshold or watershed.")] = "threshold",
    background_as: Annotated[str, typer.Option(help="In the watershed: marker or mask.")] = "marker",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Tuned model file; default: the model file itself.")
    ] = None,
    every_image: Annotated[bool, typer.Option("--all", help="Use all images, not only the held-out ones.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw PQ over both thresholds to this PNG file.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all that was tried to this file.")] = None,
    masks: Annotated[
        str, typer.Option(help="instances (a number for each cell) or binary (black and white).")
    ] = "instances",
    channel: Channel = None,
    axes: Axes = None,
    hold_out_every: Annotated[int, typer.Option(min=2, help="Without val/: every n-th image is held out.")] = 7,
    device: Device = "auto",
) -> None:
    """Find the two thresholds a model decodes best with, and write them into its file.

    Best is the panoptic quality at IoU 0.5, pooled over the images that train would hold out of this folder. If it
    beats the model's default, it becomes the default; `segment --decode argmax` is there all the same. A pair that is
    tuned anew is replaced, and the new one has arg max to beat.
    """
    from seamwise.io.jsonfile import write_json
    from seamwise.io.models import check_model_output, model_path
    from seamwise.segmentation import Trial, find_pairs, load
    from seamwise.segmentation import tune as tune_model
    from seamwise.segmentation.tune import cautions, plot_surface, save_tuned

    chosen = _one_of("--decode", decode, "threshold", "watershed")
    background = _one_of("--background-as", background_as, "marker", "mask")
    annotation = _one_of("--masks", masks, "instances", "binary")
    path = model_path(model)
    target = output or path
    check_model_output(target)
    _check_writable(target, plot, json_file)
    loaded = load(path, device=device)
    split = find_pairs(data, hold_out_every=hold_out_every)
    pairs = dict.fromkeys((*split.training, *split.validation) if every_image else split.validation)
    options = {
        "ndim": loaded.net.ndim, "rule": loaded.info.normalization, "channel": _channels(channel), "axes": axes,
        "annotation": annotation,
    }  # fmt: skip
    images = _read_pairs(pairs, **options).values()
    with _progress() as bar:
        predicted = bar.track(list(images), description="predict")
        job = bar.add_task("decode", total=None)

        def report(trial: Trial) -> None:
            bar.update(job, advance=1)

        tuning = tune_model(predicted, loaded, decode=chosen, background_as=background, report=report)
        bar.update(job, total=len(tuning.trials))
    save_tuned(path, tuning.rule, target)
    _say(f"{tuning} ({len(tuning.images)} images, {len(tuning.trials)} pairs decoded)")
    word = "stays" if tuning.rule.rule == tuning.before else "is now"
    _say(f"wrote {target}; its default {word} {tuning.rule.rule}")
    for caution in cautions(tuning, loaded.info):
        typer.echo(caution, err=True)
    if plot is not None:
        plot_surface(plot, tuning)
        _say(f"wrote {plot}")
    if json_file is not None:
        write_json(json_file, {**asdict(tuning), "rule": tuning.rule.model_dump(), "model": str(target)})
        _say(f"wrote {json_file}")


@app.command()
def fuse(
    frames: Annotated[list[str], typer.Argument(help="Frames, patterns or folders, from near to far or back.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The fused picture; or a folder, for many bursts.")],
    method: Annotated[
        str,
        typer.Option(help="focus-seg, focus-reg, a model file; or laplacian, gff, dct, dct-cv, matting, cnn."),
    ] = "focus-seg",
    mode: Annotated[
        str, typer.Option(help="Networks: sequence (frame by frame) or together (order of frames does not matter).")
    ] = "sequence",
    near: Annotated[
        bool | None, typer.Option("--near/--no-near", help="Networks: take the nearest source's colour.")
    ] = None,
    align: Annotated[bool, typer.Option("--align/--no-align", help="Lay the frames over each other first.")] = True,
    motion: Annotated[str, typer.Option(help="affine, or homography for frames tilted against each other.")] = "affine",
    exposure: Annotated[
        bool, typer.Option("--exposure/--no-exposure", help="Match the brightness of the frames when aligning.")
    ] = True,
    crop: Annotated[
        bool, typer.Option("--crop/--full-size", help="After aligning, keep only what every frame shows.")
    ] = True,
    alignment: Annotated[
        Path | None, typer.Option(help="JSON file of the alignment: used if it is there, else written.")
    ] = None,
    depth_map: Annotated[
        bool, typer.Option("--depth-map", help="Also write OUT_depth.png: which frame each pixel comes from.")
    ] = False,
    focus_maps: Annotated[
        bool, typer.Option("--focus-maps", help="Also write OUT_focus_<i>.png: where frame i was taken.")
    ] = False,
    tile: Annotated[int | None, typer.Option(min=192, help="Networks: pixels per side computed at once.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there.")] = False,
    device: Device = "auto",
) -> None:
    """Fuse frames of different focus into one picture that is sharp everywhere.

    With -o sharp.png all frames are one burst. With a folder as output every folder given is a burst, or holds a
    folder for each; a burst that fails is named and left out, and the exit code is then 1. 8 and 16 bits stay what
    they are, EXIF and colour profile are kept.
    """
    from seamwise.fusion.batch import Options, fuse_files

    options = Options(
        method=method,
        mode=_one_of("--mode", mode, "sequence", "together"),
        near=near,
        align=align,
        motion=_one_of("--motion", motion, "affine", "homography"),
        exposure=exposure,
        crop=crop,
        tile=tile,
        depth_map=depth_map,
        focus_maps=focus_maps,
        alignment=alignment,
    )
    with _progress() as bar:
        job: TaskID | None = None
        failed = total = 0

        def report(stage: str, done: int, of: int) -> None:
            nonlocal job
            job = bar.add_task(stage) if job is None else job
            bar.update(job, description=stage, completed=done, total=of)

        outcomes = fuse_files(
            frames, output, options, overwrite=overwrite, device=device, announce=bar.console.print, report=report
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
    _say(f"{failed} of {total} bursts failed; the others are in {output}" if failed else done)
    raise typer.Exit(1 if failed else 0)


@app.command()
def combine(
    models: Annotated[list[str], typer.Argument(help="Model files of the same architecture, or shipped models.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The combined model file.")],
) -> None:
    """Write one model file that averages the probabilities of several models."""
    from seamwise.segmentation import combine as combine_models

    _check_writable(output)
    info = combine_models(models, output)
    _say(f"wrote {output}: the mean of {info.architecture.members} models; tune it with `seamwise tune {output} DATA`")


@app.command()
def evaluate(
    predicted: Annotated[Path, typer.Argument(help="Label image, or folder of label images.")],
    truth: Annotated[Path, typer.Argument(help="True label image or folder; every image in it is scored.")],
    contours: Annotated[bool, typer.Option("--contours", help="Also score the contours, at 1 … 7 pixels.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all scores to this file.")] = None,
) -> None:
    """Score label images against the truth: precision, recall, F1, AP, SQ, RQ, PQ at IoU 0.5 … 0.95.

    P and R are precision and recall, AP is TP/(TP+FP+FN), SQ the mean IoU of matched cells, RQ = F1, PQ = SQ·RQ.
    With --contours: P is the share of the predicted contour pixels that lie within a radius of a true one, R the
    reverse.
    Files pair up by name; x_masks.tif is the truth for x.tif.
    """
    from seamwise.io.jsonfile import write_json
    from seamwise.metrics import DEFAULT_RADII
    from seamwise.segmentation.measure import pair_files, score_files

    _check_writable(json_file)
    pairs = pair_files(predicted, truth)
    with _progress() as bar:
        scores = score_files(bar.track(pairs, description="score"), radii=DEFAULT_RADII if contours else ())
        for hint in scores.hints:
            bar.console.print(hint)
    _table(scores.matching)
    content = {"images": [pair.name for pair in pairs], **asdict(scores.matching)}
    if scores.contours is not None:
        _contour_table(scores.contours)
        content["contours"] = asdict(scores.contours)
    if json_file is not None:
        write_json(json_file, content)
        _say(f"wrote {json_file}")


@app.command()
def evaluate_fusion(
    sources: Annotated[Path, typer.Argument(help="A folder of pairs, or the two pictures of one.")],
    fused: Annotated[list[Path], typer.Argument(help="A fused picture, or a folder of them, for each method.")],
    truth: Annotated[Path | None, typer.Option(help="True picture or folder of them: also scores SSIM, PSNR.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for scores.csv, scores.json and boxplots.png.")
    ] = None,
) -> None:
    """Score fused pictures against their two sources, beside each source returned as it is.

    A folder of pairs holds a folder for each, or x-A.jpg and x-B.jpg (also _A, -1, _1); the fused picture of pair x is
    x.png, .jpg or .tif. Several FUSED are compared as methods. The seven metrics need no truth; higher is better. A
    pair that one method lacks, or that cannot be scored, is named and left out for all; the exit code is then 1.
    """
    from seamwise.fusion.boxplots import draw_boxplots
    from seamwise.fusion.fused_pairs import find_fused_pairs, split_inputs
    from seamwise.fusion.measure import make_results_folder, score_files, write_scores

    of_sources, of_methods = split_inputs([sources, *fused])
    pairs = find_fused_pairs(of_sources, of_methods, truth=truth)
    if output is not None:
        make_results_folder(output, of_sources)
    with _progress() as bar:
        for note in (pair.note for pair in pairs if pair.note):
            bar.console.print(note)
        scores = score_files(bar.track(pairs, description="score"))
        for message in scores.left_out:
            bar.console.print(message)
    if not scores.pairs:
        raise typer.Exit(2)
    _fusion_table(scores)
    if output is not None:
        for path in write_scores(output, scores):
            _say(f"wrote {path}")
        draw_boxplots(output / "boxplots.png", scores)
        _say(f"wrote {output / 'boxplots.png'}")
    raise typer.Exit(1 if scores.left_out else 0)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")] = Path("demo-output"),
) -> None:
    """Segment a made-up image of crowded cells with the shipped model, and draw what happens."""
    from seamwise.io.atomic import make_folder
    from seamwise.segmentation.demo import demo as run

    make_folder(output)
    result = run(output)
    score = result.matching
    _say(
        f"{score.n_true} cells, {score.n_pred} found: {score.tp} right, {score.fp} false, {score.fn} missed "
        f"(IoU ≥ {score.thresh}), panoptic quality {score.panoptic_quality:.3f}"
    )
    for path in result.files:
        _say(f"wrote {path}")


@app.command()
def info(
    model: Annotated[str | None, typer.Argument(help="Shipped model or model file.")] = None,
) -> None:
    """Say what a model is; without one, what ships and what this machine computes with."""
    from seamwise.io.models import describe_model, model_path, shipped_models

    if model is not None:
        fields = describe_model(model_path(model)).model_dump(mode="json")
        for training in fields["training"].get("members", [fields["training"]]):
            for names in (value for value in training.values() if isinstance(value, list)):
                names[3:] = [f"and {len(names) - 3} more"] if len(names) > 3 else names[3:]
        _say(json.dumps(fields, indent=1))
        return
    import torch

    from seamwise.engine.devices import choose_device, choose_precision

    device = choose_device()
    _say(f"seamwise {__version__}, torch {torch.__version__}, {device} in {choose_precision(device)}")
    for name, path in shipped_models().items():
        _say(f"model {name}: {path} (card: {path.with_suffix('.md').name})")


def _read_split(
    split: "Split",
    settings: "TrainSettings",
    *,
    channel: int | tuple[int, ...] | None,
    axes: str | None,
    quiet: bool = False,
) -> "tuple[list[AnnotatedImage], ...]":
    """Read the images to train on, those to validate on and those to test, each once."""
    parts = (split.training, split.validation, split.test)
    read = _read_pairs(
        dict.fromkeys(pair for pairs in parts for pair in pairs),
        quiet=quiet,
        ndim=settings.ndim,
        rule=settings.normalization,
        channel=channel,
        axes=axes,
        annotation=settings.annotation,
    )
    return tuple([read[pair] for pair in pairs] for pairs in parts)


def _read_pairs(pairs: "Iterable[Pair]", *, quiet: bool = False, **options: Any) -> "dict[Pair, AnnotatedImage]":
    """Read annotated images behind a bar, and say what seems wrong with them."""
    from seamwise.segmentation import read_pair
    from seamwise.segmentation.data import mask_notes

    with _progress(quiet) as bar:
        read = {pair: read_pair(pair, **options) for pair in bar.track(list(pairs), description="read images")}
        for note in dict.fromkeys(image.note for image in read.values() if image.note):
            bar.console.print(note)
        for note in mask_notes(list(read.values())):
            bar.console.print(note)
    return read


def _follow(bar: "Bar", outcomes: "Iterator[Outcome]", verb: str, done: str, nothing: str) -> NoReturn:
    """Show what becomes of many files, and exit with 1 if some failed."""
    failed = total = 0
    job = bar.add_task(verb, total=None)
    for outcome in outcomes:
        bar.update(job, total=outcome.total, advance=1, description=outcome.path.name)
        for message in outcome.messages:
            bar.console.print(message)
        failed += outcome.failed
        total = outcome.total
    bar.stop()
    _say((done if failed < total else nothing) + (f"; {failed} of {total} files failed" if failed else ""))
    raise typer.Exit(1 if failed else 0)


def _of_blocks(bar: "Bar") -> "Callable[[StageProgress], None]":
    """A second bar, for the blocks of one stage after another; without a terminal, a line for each stage."""
    job: TaskID | None = None
    stage = ""

    def report(progress: "StageProgress") -> None:
        nonlocal job, stage
        job = bar.add_task("") if job is None else job
        if progress.stage != stage and not bar.console.is_terminal:
            bar.console.print(f"{progress.stage}: {progress.total} blocks")
        stage = progress.stage
        bar.update(job, description=f"blocks: {stage}", completed=progress.done, total=progress.total)

    return report


@contextmanager
def _progress(quiet: bool = False) -> "Iterator[Bar]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    console = Console(stderr=True, quiet=quiet, soft_wrap=True, markup=False, highlight=False)
    # messages go past the bar; without a terminal there is no bar, only messages
    with Progress(*columns, console=console) as bar:
        yield bar


@contextmanager
def _stop_on_interrupt() -> Iterator[list[bool]]:
    """The first Ctrl-C fills the list, so that a step is never cut in the middle; the second is as usual."""
    stopped: list[bool] = []

    def handler(*_: Any) -> None:
        stopped.append(True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _following(output: Path, steps: int, scores: str, *, quiet: bool) -> "Iterator[Report]":
    """Show how a training run goes; Ctrl-C ends it after a checkpoint. All but one of several processes are quiet."""
    with _progress(quiet) as bar, _stop_on_interrupt() as stopped:
        job: TaskID | None = None
        last = ""

        def report(progress: "Progress") -> bool:
            nonlocal job, last
            job = bar.add_task("train", total=steps) if job is None else job
            if progress.scores:
                last = ", " + scores.format(**progress.scores)
                bar.console.print(f"step {progress.step}: loss {progress.loss:.3f}{last}")
            left = progress.seconds / progress.step * (steps - progress.step) / 60
            if progress.step == _TIMED_STEP and left > 1:
                bar.console.print(f"about {left:.0f} minutes to go; Ctrl-C writes a checkpoint")
            bar.update(job, completed=progress.step, description=f"loss {progress.loss:.3f}{last}")
            return not stopped

        yield report
    if stopped and not quiet:
        _fail(f"interrupted; go on with --resume, the checkpoint is in {output}", code=130)


def _settings(kind: "type[AnySettings]", path: Path | None, given: dict[str, Any]) -> "AnySettings":
    """Settings of a training run from a TOML file and the options given, which win."""
    from pydantic import TypeAdapter, ValidationError

    fields: dict[str, Any] = {}
    if path is not None:
        if path.is_dir():
            raise IsADirectoryError(f"settings {path} is a folder: give a TOML file")
        if not path.exists():
            raise FileNotFoundError(f"settings file {path} does not exist: check its name and folder")
        try:
            fields = tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read settings {path} as TOML: {error}") from error
    try:
        return TypeAdapter(kind).validate_python(fields | given)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # settings that do not fit each other
            raise ValueError(said) from error
        name = ".".join(str(part) for part in first["loc"])
        where = f" in {path}" if first["loc"][0] in fields else ""
        if first["type"] == "unexpected_keyword_argument":
            page = _DOCS[kind.__name__]
            raise ValueError(f"there is no setting {name}{where}: see {page} for their names") from error
        raise ValueError(f"setting {name}{where}: {said}, not {first['input']!r}") from error


def _check_writable(*files: Path | None) -> None:
    """Say before the work is done that a result could not be written."""
    for file in files:
        if file is None:
            continue
        if file.is_dir():
            raise IsADirectoryError(f"cannot write {file}: it is a folder; give a file name")
        if not file.absolute().parent.is_dir():
            raise FileNotFoundError(f"cannot write {file}: its folder does not exist; create it first")


def _one_of(option: str, value: str, *allowed: str) -> Any:
    if value not in allowed:
        raise ValueError(f"{option} must be {' or '.join(allowed)}, not {value!r}")
    return value


def _channels(text: str | None) -> int | tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--channel must be a number or several as 0,2, not {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be numbers as 2,1,1, not {text!r}") from None


def _option(text: str) -> tuple[str, Any]:
    """`beta=20` → ("beta", 20.0); words stay text."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"--set must be name=value, e.g. beta=20, not {text!r}")
    try:
        return name.replace("-", "_"), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.replace("-", "_"), value


def _table(scores: "DatasetMatching") -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ("IoU ≥", "TP", "FP", "FN", "P", "R", "F1", "AP", "SQ", "RQ", "PQ")

    def line(score: "Scores") -> list[str]:
        names = "precision recall f1 accuracy segmentation_quality recognition_quality panoptic_quality"
        return [f"{getattr(score, name):.3f}" for name in names.split()]

    table = Table(*columns, title="pooled: objects of all images counted together")
    for pooled in scores.pooled:
        table.add_row(f"{pooled.thresh:.2f}", str(pooled.tp), str(pooled.fp), str(pooled.fn), *line(pooled))
    means = Table(*columns[:1], *columns[4:], title="mean over images")
    for mean in scores.mean:
        means.add_row(f"{mean.thresh:.2f}", *line(mean))
    console = Console()
    console.print(table)
    console.print(means)


def _loss_table(lines: "list[dict[str, str]]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*lines[0], title="means over the test images, arg max, IoU ≥ 0.5 if nothing else is said")
    for line in lines:
        table.add_row(*line.values())
    Console().print(table)


def _contour_table(scores: "DatasetContours") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows in (
        ("contours, pooled: contour pixels of all images counted together", scores.pooled),
        ("contours, mean over images", scores.mean),
    ):
        table = Table("radius", "P", "R", "F1", title=title)
        for row in rows:
            table.add_row(f"{row.radius:g}", f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}")
        console.print(table)


def _fusion_table(scores: "FusionScores") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    count = len(scores.pairs)
    of = f" of {count + len(scores.left_out)}" if scores.left_out else ""
    title = f"{count}{of} pairs: mean ± standard deviation" if count > 1 else f"1{of} pair{'s' * bool(of)}"
    table = Table("", title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for metric in scores.metrics:
        table.add_column(metric.upper(), no_wrap=True)
    for number, method in enumerate(scores.methods):
        cells = []
        for metric, mean, std, best in zip(
            scores.metrics, scores.mean[number], scores.std[number], scores.best[number], strict=True
        ):
            digits = 2 if metric == "psnr" else 4
            shown, deviation = (f"{x:.{digits}f}" if math.isfinite(x) else "—" for x in (mean, std))
            spread = f"\n±{deviation}" if count > 1 else ""
            cells.append(Text(shown + spread, style="bold" if best and scores.n_methods > 1 else ""))
        if number == scores.n_methods:
            table.add_section()
        table.add_row(Text(method), *cells)
    Console().print(table)
    won = f" (here highest in {', '.join(map(str.upper, scores.won_by_a_source))})" if scores.won_by_a_source else ""
    _say(f"caution: a source returned as it is scores high{won}: judge by several metrics and by eye")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _say(text: str) -> None:
    typer.echo(text)


def _fail(text: str, *, code: int = 2) -> NoReturn:
    typer.echo(f"seamwise: {text}", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
