"""Whether the results of many files can be written; see `check_outputs`."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def check_outputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raise ValueError if two inputs would write the same file, or one would replace or lie beside an input."""
    inputs = {path.resolve() for path in outputs}
    folders = {path.parent for path in inputs}
    writers: dict[Path, Path] = {}
    for image, written in outputs.items():
        for path in written:
            if path in writers:
                raise ValueError(
                    f"{writers[path]} and {image} would both write {path}: give them two output folders"
                )
            if path.resolve() in inputs:
                raise ValueError(
                    f"the results of {image} would replace {path}: choose another output folder"
                )
            writers[path] = image
    for path in writers:
        if path.resolve().parent in folders:
            raise ValueError(f"{path} would lie among the inputs: choose another output folder")
