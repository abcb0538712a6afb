"""`seamwise combine`, `export` and `info`."""

import json
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seamwise import __version__
from seamwise.cli.doctor import examine, print_report
from seamwise.cli.messages import print_result, say, warn
from seamwise.cli.options import check_outputs
from seamwise.words import ExportFormat

if TYPE_CHECKING:
    from seamwise.io import Card

_MOST_NAMES = 3  # names of a list that `info` prints


def combine(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODELS", help="Model files of one architecture, or built-in models."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the combined model.")],
) -> None:
    """Write one model file that averages the probabilities of several models."""
    from seamwise.segmentation import combine as combine_models

    check_outputs({"-o": output})
    info = combine_models(models, output)
    members = info.architecture.members
    say(f"wrote {output}: the mean of {members} models; tune it with `seamwise tune {output} DATA`")


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model file, or a built-in model.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write: .onnx, or .zip for bioimageio.")
    ],
    to: Annotated[
        ExportFormat,
        typer.Option("--to", help="Kind of file: ONNX, or a model package of bioimage.io."),
    ] = "onnx",
    author: Annotated[
        list[str] | None,
        typer.Option(
            help="For bioimageio: who made the model; repeat it for several people.",
            show_default="for a built-in model the developers of seamwise",
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            help="For bioimageio: licence of the model, a word of SPDX such as CC-BY-4.0.",
            show_default="for a built-in model BSD-3-Clause",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that exists.")
    ] = False,
) -> None:
    """Write a segmentation model for other programs, as ONNX for images of any size.

    The ONNX file takes a normalised image and gives the probabilities of the classes. A package of
    bioimage.io takes an image as it is, and has a description and a test image. Both are compared
    with torch before they are written. docs/exchange.md shows how to use them.
    """
    from seamwise.segmentation import export_bioimageio, export_onnx

    check_outputs({"-o": output})
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} already exists: --overwrite replaces it")
    if to == "bioimageio":
        info = export_bioimageio(model, output, authors=author or (), licence=licence or "")
    elif author or licence:
        raise ValueError("--author and --licence need --to bioimageio: add it, or remove them")
    else:
        info = export_onnx(model, output)
    channels = info.architecture.output_channels
    say(f"wrote {output}: {channels} channels out, equal to torch to 0.0001")


def info(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="Built-in model or model file.", show_default="list all"
        ),
    ] = None,
    doctor: Annotated[
        bool,
        typer.Option(
            "--doctor",
            help="Look at the installation: what is missing, or broken (exit code 1), and the fix.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Describe a model; without an argument, list the built-in models and the compute device."""
    if doctor:
        if model is not None:
            raise ValueError(f"--doctor looks at the installation, not at {model}: remove one")
        print_report(examine())
        return
    from seamwise.io import (
        describe_model,
        model_path,
        read_card,
        renamed_note,
        shipped_models,
    )

    if model is not None:
        if note := renamed_note(model):
            warn(note)
        path = model_path(model)
        fields = describe_model(path).model_dump(mode="json")
        fields |= _rows(read_card(path))
        for training in fields["training"].get("members", [fields["training"]]):
            _shorten(training)
        print_result(json.dumps(fields, indent=1))
        return
    import torch

    from seamwise.engine import choose_device, choose_precision, describe_runtime

    device = choose_device()
    precision = str(choose_precision(device)).removeprefix("torch.")
    print_result(
        f"seamwise {__version__}, torch {torch.__version__}, {device} computing in {precision}"
    )
    auto = describe_runtime(device)
    print_result(f"runtime auto: {auto}")
    if auto.startswith("openvino"):
        print_result("  int8 with models whose file holds the ranges for it")
    for name, path in shipped_models().items():
        card = read_card(path)
        print_result(f"model {name}: {card.purpose}")
        for row, text in _rows(card).items():
            lines = wrap(f"{row}: {text}", 76, subsequent_indent="  ")
            print_result("\n".join(f"  {line}" for line in lines))
        range_text = _range_text(describe_model(path))
        if range_text:
            print_result(f"  {range_text}")
    print_result(f"how each was made and scored: its card in {path.parent}")


def _rows(card: "Card") -> dict[str, str]:
    """Return what a card says next to the purpose."""
    rows = {"status": card.status, "licence": card.licence}
    return {name: text for name, text in rows.items() if text}


def _range_text(info: Any) -> str:
    """Return the range of cells that a model knows; empty if its file does not say."""
    diameters = getattr(info, "known_diameters", None)
    if diameters is None:
        return ""
    low, middle, high = diameters
    return f"knows cells {low:.0f} to {high:.0f} pixels across, half of them below {middle:.0f}"


def _shorten(training: dict[str, Any]) -> None:
    """Replace most names of long lists by their number."""
    for names in training.values():
        if isinstance(names, list) and len(names) > _MOST_NAMES:
            names[_MOST_NAMES:] = [f"and {len(names) - _MOST_NAMES} more"]
