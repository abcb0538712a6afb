"""`seamwise decode`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seamwise.cli.options import Axes
from seamwise.cli.progress import Progress, follow_files
from seamwise.words import BackgroundAs, RuleName

if TYPE_CHECKING:
    from seamwise.io import DecodeRule

_THRESHOLDS = {
    "threshold": ("touching", "cell"),
    "watershed": ("background", "cell"),
    "relief": ("foreground", "core", "peak", "saddle"),
}


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Probabilities or class maps: TIFF, OME-Zarr, .npz, .npy; or folders of them.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the label images, <stem>.tif.")
    ],
    rule: Annotated[
        RuleName | None,
        typer.Option(
            "--decode",
            help="How probabilities become cells; relief needs a relief behind the classes.",
            show_default="the stored rule or the model's, else argmax",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Take rule, thresholds and sizes of this built-in model or model file.",
            show_default="not used",
        ),
    ] = None,
    thresholds: Annotated[
        str | None,
        typer.Option(
            help="Thresholds: TOUCHING,CELL for threshold, BACKGROUND,CELL for watershed, "
            "FOREGROUND,CORE,PEAK,SADDLE for relief.",
            show_default="stored, or the model's; for relief 0.5,0,0.3,0.8",
        ),
    ] = None,
    background_as: Annotated[
        BackgroundAs | None,
        typer.Option(
            help="With watershed: background is a marker of its own, or masked.",
            show_default="stored, or the model's, else marker",
        ),
    ] = None,
    gap: Annotated[
        Literal["second", "background"] | None,
        typer.Option(
            help="With 4 classes: a gap pixel takes its second class, or is background.",
            show_default="stored, or the model's, else second",
        ),
    ] = None,
    min_size: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Remove cells with fewer pixels than this.",
            show_default="stored, or the model's, else 0",
        ),
    ] = None,
    min_core: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Cores of fewer pixels go to their neighbour.",
            show_default="stored, or the model's, else 0",
        ),
    ] = None,
    axes: Axes = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing label images.")
    ] = False,
) -> None:
    """Turn class probabilities into cells, without the network.

    `seamwise segment --probabilities` writes such files; those of nnU-Net and others will do, too.
    Probabilities are real numbers with the classes first: background, cell, touching, gap. They sum
    to 1. Integers are a map of these classes.

    `segment` stores the rule of its labels with the probabilities. Without options, the cells are
    those of `segment` again, but where rounding to 16 bits moves a border. Where `segment` kept no
    cell, since the model was unsure or saw noise alone, `decode` may find some.

    Files that cannot be read or decoded are reported and skipped; the exit code is then 1.
    """
    from seamwise.segmentation import decode_files

    own = None if model is None else _rule_of(model)
    changes = {"gap": gap, "min_size": min_size, "min_core": min_core}
    changes = {name: value for name, value in changes.items() if value is not None}

    def choose(stored: "DecodeRule | None") -> "DecodeRule":
        how = _rule(rule, own or stored, thresholds)
        if background_as is not None:
            how = _with_background(how, background_as)
        return how.model_copy(update=changes)

    how = choose if own is None else choose(None)
    with Progress() as progress:
        follow_files(
            progress,
            decode_files(inputs, output, how, axes=axes, overwrite=overwrite),
            "decode",
            done=f"labels are in {output}",
            nothing="no labels were written",
        )


def _rule_of(model: str) -> "DecodeRule":
    from seamwise.io import SegmentationInfo, describe_model, model_path

    info = describe_model(model_path(model))
    if not isinstance(info, SegmentationInfo):
        raise ValueError(f"--model must be a model that segments, not {model}")
    return info.decode


def _rule(name: str | None, own: "DecodeRule | None", thresholds: str | None) -> "DecodeRule":
    """Return the rule of a model or a file, or the plain one, with a name and thresholds."""
    from seamwise.io import DecodeRule

    own = own or DecodeRule()
    name = name or own.rule
    if thresholds is not None:
        own = own.model_copy(update={name: _pair(name, thresholds)})
    elif name == "relief" and own.relief is None:
        own = own.model_copy(update={name: _pair(name, "")})
    if name not in ("argmax", "relief") and getattr(own, name) is None:
        raise ValueError(
            f"--decode {name} needs --thresholds {','.join(_THRESHOLDS[name]).upper()}, or a tuned "
            "--model"
        )
    return own.with_name(name)


def _with_background(rule: "DecodeRule", background_as: BackgroundAs) -> "DecodeRule":
    if rule.rule != "watershed" or rule.watershed is None:
        raise ValueError(f"--background-as is for --decode watershed, not {rule.rule}")
    pair = rule.watershed.model_copy(update={"background_as": background_as})
    return rule.model_copy(update={"watershed": pair})


def _pair(name: str, text: str) -> object:
    """Read the thresholds of a rule."""
    from pydantic import ValidationError

    from seamwise.io import DecodeRule

    if name not in _THRESHOLDS:
        raise ValueError(f"--thresholds do not fit --decode {name}: choose threshold or watershed")
    keys, values = _THRESHOLDS[name], [part for part in text.split(",") if part.strip()]
    if text and len(values) != len(keys):
        raise ValueError(
            f"--thresholds of {name} must be {len(keys)} numbers, {','.join(keys).upper()}, "
            f"not {text!r}"
        )
    pair = dict(zip(keys, values, strict=False))
    try:
        return getattr(DecodeRule.model_validate({"rule": name, name: pair}), name)
    except ValidationError as error:
        raise ValueError(
            f"--thresholds of {name} must be probabilities from 0 to 1, not {text!r}"
        ) from error
