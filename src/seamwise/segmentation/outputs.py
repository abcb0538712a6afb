"""What becomes of many files: where results go, and whether they can; see `check_outputs`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.jsonfile import read_json
from seamwise.io.links import one_place, real_path
from seamwise.io.listing import find_images, stem
from seamwise.io.provenance import RECORD
from seamwise.segmentation.big.target import record_of_labels, work_folder
from seamwise.segmentation.predict import Prediction


def check_outputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raise ValueError if two inputs would write the same file, or results would mix with inputs.

    Parameters
    ----------
    outputs : mapping of Path to sequence of Path
        The files that each input becomes. None of them may be an input, or be in a folder of
        inputs.
    """
    inputs = {one_place(path) for path in outputs}
    folders = {real_path(path).parent for path in outputs}
    writers: dict[str, Path] = {}
    for image, paths in outputs.items():
        for path in paths:
            place = one_place(path)
            if place in writers:
                raise ValueError(
                    f"{writers[place]} and {image} would both write {path}: "
                    "give them two output folders"
                )
            if place in inputs:
                raise ValueError(
                    f"the results of {image} would replace {path}: choose another output folder"
                )
            writers[place] = image
    for path in (path for paths in outputs.values() for path in paths):
        if real_path(path).parent in folders:
            raise ValueError(f"{path} would be among the inputs: choose another output folder")


def check_output_folder(output: Path, inputs: Sequence[str | Path]) -> None:
    """Raise ValueError if the results cannot go there: it is an input, or named as an image."""
    if any(real_path(path) == real_path(output) for path in inputs):
        raise ValueError(f"{output} is the input folder: choose another one for the labels")
    if output.suffix.lower() == ".zarr":
        raise ValueError(
            f"{output} must be a folder for the labels, or the one OME-Zarr image to segment: "
            "remove .zarr"
        )


def no_contrast(channels: NDArray[Any]) -> str:
    """Return what to report about a constant image; empty for any other."""
    if channels.min() < channels.max():
        return ""
    return f" (every pixel is {channels.flat[0]})"


def all_maps(prediction: Prediction) -> NDArray[Any]:
    """Class probabilities, and guides behind them."""
    maps = (prediction.probabilities, prediction.guides)
    return np.concatenate([part for part in maps if part is not None])


def result_record(output: Path, name: str | None) -> dict[str, Any] | None:
    """Return how the labels of a folder were made, or those of a name inside an image."""
    if name is not None:
        try:
            return record_of_labels(output / "labels" / name, work_folder(output, name))
        except ValueError:
            return None  # it is reported when the image's turn comes
    path = output / RECORD
    return read_json(path) if path.exists() else None


def other_results(output: Path, inputs: Sequence[str | Path]) -> set[str]:
    """Return stems of the labels in a folder that are not those of the inputs."""
    return {stem(path) for path in labels_in(output)} - {stem(path) for path in find_images(inputs)}


def labels_in(folder: Path) -> set[Path]:
    """Return the label images that runs wrote into a folder."""
    return {*folder.glob("*.tif"), *folder.glob("*.ome.zarr")}
