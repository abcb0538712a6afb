"""The options that several commands share, and how their words are read."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
Devices = Annotated[
    int | None,
    typer.Option(min=1, help="GPUs of each machine that share every batch; on a CPU, processes."),
]
Nodes = Annotated[
    int | None, typer.Option(min=1, help="Machines that do, each started by torchrun or SLURM.")
]
Channel = Annotated[
    str | None,
    typer.Option(help="Channel number, from 0, or several as 0,2; default: all the image has."),
]
Axes = Annotated[
    str | None, typer.Option(help="Meaning of the axes, e.g. ZYX or CYX, if the file does not say.")
]
SegmentationSettings = Annotated[
    Path | None, typer.Option(help="TOML file with any field of TrainSettings.")
]
Masks = Annotated[
    str | None, typer.Option(help="instances (a number for each cell) or binary (black and white).")
]
Steps = Annotated[int | None, typer.Option(min=1)]
CropsPerStep = Annotated[int | None, typer.Option(min=1, help="Crops per step.")]
Crop = Annotated[int | None, typer.Option(min=1, help="Pixels per side of a training crop.")]
Width = Annotated[int | None, typer.Option(min=1, help="Feature maps of the first level.")]


def check_writable(*files: Path | None) -> None:
    """Say before the work is done that a result could not be written."""
    for file in files:
        if file is None:
            continue
        if file.is_dir():
            raise IsADirectoryError(f"cannot write {file}: it is a folder; give a file name")
        if not file.absolute().parent.is_dir():
            raise FileNotFoundError(
                f"cannot write {file}: its folder does not exist; create it first"
            )


def one_of(option: str, value: str, *allowed: str) -> Any:
    """`value`, if it is one of the allowed words."""
    if value not in allowed:
        raise ValueError(f"{option} must be {' or '.join(allowed)}, not {value!r}")
    return value


def parse_channels(text: str | None) -> int | tuple[int, ...] | None:
    """Channel numbers from text such as ``0,2``."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--channel must be a number or several as 0,2, not {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def parse_numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers from text such as ``2,1,1``."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be numbers as 2,1,1, not {text!r}") from None


def parse_option(text: str) -> tuple[str, Any]:
    """`beta=20` → ("beta", 20.0); words stay text."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"--set must be name=value, e.g. beta=20, not {text!r}")
    try:
        return name.replace("-", "_"), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.replace("-", "_"), value
