"""`seamwise tune`."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seamwise.cli.messages import print_result, say, warn
from seamwise.cli.options import Axes, Channel, Device, Masks, check_outputs, parse_channels
from seamwise.cli.progress import Progress
from seamwise.cli.reading import read_behind_bar
from seamwise.io import real_path
from seamwise.words import BackgroundAs, TunedRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamwise.segmentation import Trial, Tuning

_MAPS = (".npz", ".npy", ".tif", ".tiff", ".zarr")


def tune(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model file; with -o also a built-in model or a package. Or a folder or file of "
            "probabilities, as `segment --probabilities` and nnU-Net write them.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder of images and masks, as for `train`; for probabilities, of masks alone.",
        ),
    ],
    decode: Annotated[
        TunedRule, typer.Option(help="Decoding rule whose two thresholds are tuned.")
    ] = "threshold",
    background_as: Annotated[
        BackgroundAs,
        typer.Option(help="For --decode watershed: background is a marker of its own, or masked."),
    ] = "marker",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File for the tuned model.",
            show_default="replace the model file",
        ),
    ] = None,
    every_image: Annotated[
        bool,
        typer.Option("--all", help="Tune on all images.", show_default="only on those held out"),
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw PQ over both thresholds to this PNG file.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write all tried thresholds and scores to this file."),
    ] = None,
    masks: Masks = None,
    channel: Channel = None,
    axes: Axes = None,
    hold_out_every: Annotated[
        int,
        typer.Option(
            min=2,
            help="If there is no val/ folder: hold out every n-th image; of several series of the "
            "Cell Tracking Challenge, the last.",
        ),
    ] = 7,
    device: Device = "auto",
) -> None:
    """Find the two thresholds that a model decodes best with, and write them into its file.

    Best is the panoptic quality at IoU 0.5, pooled over the images that `train` would hold out of
    this folder. If it beats the model's default, it becomes the default; `segment --decode argmax`
    still works. If you tune again, the old thresholds are dropped and the new ones are compared
    with arg max.

    For probabilities, no network runs and no file is changed: the thresholds are printed as options
    of `seamwise decode`, if they beat the rule that `segment --probabilities` stored, or arg max.
    Masks and probabilities are paired by their names, and all of them count: give those of images
    that you do not report on.
    """
    from seamwise.io import check_model_output, describe_model, is_package, model_path
    from seamwise.segmentation import find_pairs, load, read_pairs
    from seamwise.segmentation import tune as tune_model
    from seamwise.segmentation.choose import cautions, save_tuned

    if _is_stored(model):
        options_of_models = {
            "-o": output, "--all": every_image, "--masks": masks, "--channel": channel,
            "--hold-out-every": hold_out_every != 7, "--device": device != "auto",
        }  # fmt: skip
        _refuse(options_of_models)
        how = {"decode": decode, "background_as": background_as, "axes": axes}
        _tune_stored(Path(model), data, how, plot=plot, json_file=json_file)
        return
    if output is None and is_package(Path(model)):
        raise ValueError(f"{model} is a package and stays as it is: name another file with -o")
    path = model_path(model)
    architecture = describe_model(path).architecture
    is_onnx = architecture.name == "onnx"
    if is_onnx and architecture.out_channels < 3:
        raise ValueError(
            f"{model} is a network of another program without a class for touching pixels, so it "
            "has no thresholds: tune a model of three or four classes"
        )
    target = output or path
    check_model_output(target)
    split = find_pairs(data, hold_out_every=hold_out_every)
    inputs = [
        file
        for pair in (*split.training, *split.validation)
        for file in (*pair.images, pair.labels)
    ]
    if real_path(target) != real_path(path):
        inputs.append(path)
    check_outputs({"-o": target, "--plot": plot, "--json": json_file}, inputs=inputs)
    network = load(path, device=device, runtime="auto" if is_onnx else "torch")
    pairs = [*split.training, *split.validation] if every_image else split.validation
    options = {
        "ndim": network.net.ndim,
        "rule": network.info.normalization,
        "channel": parse_channels(channel),
        "axes": axes,
        "annotation": masks or "instances",
    }
    (images,) = read_behind_bar(
        lambda report: (read_pairs(dict.fromkeys(pairs), report=report, **options),)
    )
    with Progress() as progress:
        images_in_turn = progress.track(images, "predict")
        tuning = tune_model(
            images_in_turn,
            network,
            decode=decode,
            background_as=background_as,
            report=_counting(progress),
        )
    save_tuned(path, tuning.rule, target)
    _print(tuning)
    verb = "stays" if tuning.rule.rule == tuning.before else "is now"
    say(f"wrote {target}; its default {verb} {tuning.rule.rule}")
    for caution in cautions(tuning, network.info):
        warn(caution)
    _write(tuning, plot, json_file, {"model": str(target)})


def _is_stored(model: str) -> bool:
    """Whether it is a folder, but not of a package, or a file of a kind that no model has.

    A word that is a built-in model means that model, also where a folder has its name.
    """
    from seamwise.io import is_package, shipped_models

    path = Path(model)
    is_folder = path.is_dir() and not is_package(path) and model not in shipped_models()
    return is_folder or path.suffix.lower() in _MAPS


def _refuse(options: Mapping[str, object]) -> None:
    """Raise ValueError for an option that says nothing to stored probabilities."""
    for name, value in options.items():
        if value:
            raise ValueError(f"{name} is for models: remove it to tune probabilities")


def _tune_stored(
    maps: Path, masks: Path, how: dict[str, Any], *, plot: Path | None, json_file: Path | None
) -> None:
    """Print the thresholds for stored probabilities, as options of `seamwise decode`."""
    from seamwise.segmentation import tune_stored
    from seamwise.segmentation.choose import cautions

    check_outputs({"--plot": plot, "--json": json_file}, inputs=[maps, masks])
    with Progress() as progress:
        tuning = tune_stored(maps, masks, report=_counting(progress), **how)
    _print(tuning)
    if not tuning.is_better:
        best = "arg max" if tuning.before == "argmax" else f"{tuning.before}, which is stored"
        say(f"no pair beats {best}: keep `seamwise decode` as it is")
    else:
        say(f"use them with: {_decode_command(maps, tuning, how)}")
    for caution in cautions(tuning):
        warn(caution)
    _write(tuning, plot, json_file, {"probabilities": str(maps)})


def _decode_command(maps: Path, tuning: "Tuning", how: Mapping[str, Any]) -> str:
    """Return the command that decodes the probabilities with the best thresholds."""
    thresholds = ",".join(f"{value:g}" for value in tuning.best.thresholds)
    words = ["seamwise", "decode", str(maps), "-o", "labels", "--decode", tuning.decode]
    words += ["--thresholds", thresholds]
    if how["background_as"] != "marker":
        words += ["--background-as", how["background_as"]]
    words += ["--gap", tuning.rule.gap, "--min-size", str(tuning.rule.min_size)]
    words += ["--min-core", str(tuning.rule.min_core)]
    if how["axes"] is not None:
        words += ["--axes", how["axes"]]
    return shlex.join(words)


def _counting(progress: Progress) -> "Callable[[Trial], None]":
    """Return a function that shows how many pairs were tried."""
    task, trials = progress.task("decode"), 0

    def report(_: "Trial") -> None:
        nonlocal trials
        trials += 1
        task.update(trials, None, "decode")

    return report


def _print(tuning: "Tuning") -> None:
    from seamwise.io import amount

    print_result(
        f"{tuning} ({amount(len(tuning.images), 'image')}, "
        f"{amount(len(tuning.trials), 'pair')} decoded)"
    )


def _write(
    tuning: "Tuning", plot: Path | None, json_file: Path | None, tuned: dict[str, str]
) -> None:
    """Write the surface and all trials, where asked for."""
    from seamwise.io import write_json
    from seamwise.segmentation.choose import plot_surface

    if plot is not None:
        plot_surface(plot, tuning)
        say(f"wrote {plot}")
    if json_file is not None:
        write_json(json_file, {**asdict(tuning), "rule": tuning.rule.model_dump(), **tuned})
        say(f"wrote {json_file}")
