"""`seamwise tune`, `combine` and `info`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from seamwise import __version__
from seamwise.cli.errors import say
from seamwise.cli.options import Axes, Channel, Device, check_writable, one_of, parse_channels
from seamwise.cli.progress import progress_bar
from seamwise.cli.reading import read_pairs


def tune(
    model: Annotated[str, typer.Argument(help="Model file; or a shipped model, with -o.")],
    data: Annotated[Path, typer.Argument(help="Folder of images and masks, as for train.")],
    decode: Annotated[str, typer.Option(help="threshold or watershed.")] = "threshold",
    background_as: Annotated[
        str, typer.Option(help="In the watershed: marker or mask.")
    ] = "marker",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Tuned model file; default: the model file itself."),
    ] = None,
    every_image: Annotated[
        bool, typer.Option("--all", help="Use all images, not only the held-out ones.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw PQ over both thresholds to this PNG file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all that was tried to this file.")
    ] = None,
    masks: Annotated[
        str, typer.Option(help="instances (a number for each cell) or binary (black and white).")
    ] = "instances",
    channel: Channel = None,
    axes: Axes = None,
    hold_out_every: Annotated[
        int, typer.Option(min=2, help="Without val/: every n-th image is held out.")
    ] = 7,
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
    from seamwise.segmentation.choose import cautions, plot_surface, save_tuned

    chosen = one_of("--decode", decode, "threshold", "watershed")
    background = one_of("--background-as", background_as, "marker", "mask")
    annotation = one_of("--masks", masks, "instances", "binary")
    path = model_path(model)
    target = output or path
    check_model_output(target)
    check_writable(target, plot, json_file)
    loaded = load(path, device=device)
    split = find_pairs(data, hold_out_every=hold_out_every)
    pairs = dict.fromkeys((*split.training, *split.validation) if every_image else split.validation)
    options = {
        "ndim": loaded.net.ndim, "rule": loaded.info.normalization, "channel": parse_channels(channel), "axes": axes,
        "annotation": annotation,
    }  # fmt: skip
    images = read_pairs(pairs, **options).values()
    with progress_bar() as bar:
        predicted = bar.track(list(images), description="predict")
        job = bar.add_task("decode", total=None)

        def report(trial: Trial) -> None:
            bar.update(job, advance=1)

        tuning = tune_model(
            predicted, loaded, decode=chosen, background_as=background, report=report
        )
        bar.update(job, total=len(tuning.trials))
    save_tuned(path, tuning.rule, target)
    say(f"{tuning} ({len(tuning.images)} images, {len(tuning.trials)} pairs decoded)")
    word = "stays" if tuning.rule.rule == tuning.before else "is now"
    say(f"wrote {target}; its default {word} {tuning.rule.rule}")
    for caution in cautions(tuning, loaded.info):
        typer.echo(caution, err=True)
    if plot is not None:
        plot_surface(plot, tuning)
        say(f"wrote {plot}")
    if json_file is not None:
        write_json(
            json_file, {**asdict(tuning), "rule": tuning.rule.model_dump(), "model": str(target)}
        )
        say(f"wrote {json_file}")


def combine(
    models: Annotated[
        list[str], typer.Argument(help="Model files of the same architecture, or shipped models.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The combined model file.")],
) -> None:
    """Write one model file that averages the probabilities of several models."""
    from seamwise.segmentation import combine as combine_models

    check_writable(output)
    info = combine_models(models, output)
    say(
        f"wrote {output}: the mean of {info.architecture.members} models; tune it with `seamwise tune {output} DATA`"
    )


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
        say(json.dumps(fields, indent=1))
        return
    import torch

    from seamwise.engine.devices import choose_device, choose_precision

    device = choose_device()
    say(
        f"seamwise {__version__}, torch {torch.__version__}, {device} in {choose_precision(device)}"
    )
    for name, path in shipped_models().items():
        say(f"model {name}: {path} (card: {path.with_suffix('.md').name})")
