"""Whether the results of many files can be written; see `check_outputs`."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def check_outputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raise ValueError if two inputs would write the same file, or results would mix with inputs.

    Parameters
    ----------
    outputs : mapping of Path to sequence of Path
        The files that each input becomes. None of them may be an input, or be in a folder of
        inputs.
    """
    inputs = {path.resolve() for path in outputs}
    folders = {path.parent for path in inputs}
    writers: dict[Path, Path] = {}
    for image, paths in outputs.items():
        for path in paths:
            if path in writers:
                raise ValueError(
                    f"{writers[path]} and {image} would both write {path}: "
                    "give them two output folders"
                )
            if path.resolve() in inputs:
                raise ValueError(
                    f"the results of {image} would replace {path}: choose another output folder"
                )
            writers[path] = image
    for path in writers:
        if path.resolve().parent in folders:
            raise ValueError(f"{path} would be among the inputs: choose another output folder")
