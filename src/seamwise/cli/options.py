"""The options that several commands share, and how their words are read."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seamwise.words import Annotation, LoggerName, RuntimeChoice

Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1 or mps.")]
RuntimeOption = Annotated[
    RuntimeChoice,
    typer.Option(
        "--runtime",
        help="What computes the network: torch, openvino or onnx; auto takes OpenVINO on a CPU if "
        "it is installed.",
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="GPUs of each machine that share every batch; on a CPU, processes.",
        show_default="1",
    ),
]
Nodes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of machines; start one process per machine with torchrun or SLURM.",
        show_default="1",
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(
        help="Channel to use, counted from 0, or several as 0,2.",
        show_default="all channels of the image",
    ),
]
Axes = Annotated[
    str | None,
    typer.Option(
        help="Meaning of the image's axes, for example ZYX or CYX.",
        show_default="what the file says",
    ),
]
SegmentationSettings = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with settings, see docs/training.md.", show_default="built-in settings"
    ),
]
TouchingRadius = Annotated[
    int,
    typer.Option(
        min=1,
        help="A cell pixel is touching if another cell is within this many pixels "
        "(not with --masks binary).",
    ),
]
GapRadius = Annotated[
    float,
    typer.Option(
        min=0,
        help="With 4 classes: background is gap between cells closer than about twice this.",
    ),
]
Masks = Annotated[
    Annotation | None,
    typer.Option(
        help="What the masks hold: a number for each cell (instances), or white cells on "
        "black (binary).",
        show_default="instances",
    ),
]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Number of training steps.", show_default="2000")
]
CropsPerStep = Annotated[
    int | None, typer.Option(min=1, help="Image crops in each training step.", show_default="8")
]
Crop = Annotated[
    int | None,
    typer.Option(
        min=1, help="Side of a training crop in pixels.", show_default="256, for stacks 64"
    ),
]
Width = Annotated[
    int | None,
    typer.Option(min=1, help="Feature maps in the first level of the network.", show_default="16"),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, help="Number that fixes every random choice of a training.", show_default="0"
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue from the checkpoint in the output folder.")
]
Logger = Annotated[
    LoggerName | None,
    typer.Option(help="Also send the progress there, e.g. to files for TensorBoard in OUTPUT."),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Also write all scores to this JSON file.")
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", help="Also write all scores to this CSV file.")
]


def check_outputs(files: Mapping[str, Path | None], inputs: Iterable[Path] = ()) -> None:
    """Check before the work that results can be written.

    Parameters
    ----------
    files : mapping
        Files by the option that names them; None if the option is not used.
    inputs : iterable of Path
        Files that are read: none of them may be written.

    Raises
    ------
    ValueError
        Two options name the same file, or one names an input.
    OSError
        A file cannot be written.
    """
    from seamwise.io import check_writable

    options: dict[str, str] = {}
    input_places = {os.path.realpath(path) for path in inputs}
    for option, file in files.items():
        if file is None:
            continue
        place = os.path.realpath(file)
        if place in options:
            raise ValueError(f"{option} and {options[place]} both name {file}: give two files")
        if place in input_places:
            raise ValueError(f"{option} would replace the input {file}: give another file")
        options[place] = option
        check_writable(file)


def parse_channels(text: str | None) -> int | tuple[int, ...] | None:
    """Read channel numbers such as ``0,2``."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--channel must be a number or several as 0,2, not {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def parse_spacing(text: str | None) -> tuple[float, ...] | None:
    """Read pixel sizes such as ``2,1,1``."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--spacing must be numbers as 2,1,1, not {text!r}") from None


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read ``beta=20`` as ``("beta", 20)``; words stay text."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"--set must be name=value, for example beta=20, not {text!r}")
    return name.replace("-", "_"), parse_value(value)


def parse_value(text: str) -> Any:
    """Read a value as in TOML, for example ``20`` or ``[1, 2]``; other text is a word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
