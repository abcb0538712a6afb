"""StarDist next to the systems of the thesis: the same training and test images, the same scores.

python reproduction/segmentation/stardist_row.py ../shared/data --stardist ENVIRONMENT
    [--sets dsb2018] [--minutes 10] [--quick]

ENVIRONMENT is the folder of a virtual environment with `stardist==0.9.2 tensorflow-cpu==2.21.0`.
The network of StarDist's 2D example begins with random weights and learns for some minutes of the
clock by `benchmarks/peers/stardist_peer.py`, from training images with at least 256 pixels along
each side. It chooses its thresholds on every eighth of them. Cells below the smallest size of the
protocol are dropped, as the decoders of the others drop them.

One network for each data set: the training has no seed. A network in --runs is not trained again.
"""

import os
import resource
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import measures
from seamwise.analysis import markdown_table
from seamwise.io import read_labels
from seamwise.labels import Labels, relabel
from seamwise.segmentation import AnnotatedImage
from study import HERE, Study, command, positive
from units import Units

SETS = ("dsb2018",)
KIND = "stardist"
PEER = HERE.parents[1] / "benchmarks" / "peers" / "stardist_peer.py"
METRICS = ("P05", "RQ", "SQ", "PQ", "AP")
COMPARED = {"J4": ("j4", "WT"), "Dice": ("dsc", "WT"), "CE3": ("ce3", "WT")}


def export(images: Iterable[AnnotatedImage], folder: Path) -> None:
    """Write `images/NAME.tif` as float32 and `masks/NAME.tif`; what is ignored is background."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for image in images:
        tifffile.imwrite(folder / "images" / f"{image.name}.tif", image.image[0])
        labels = image.labels.clip(min=0).astype(np.uint16)
        tifffile.imwrite(folder / "masks" / f"{image.name}.tif", labels)


def peer(python: Path, *arguments: object) -> float:
    """Run the peer in its environment, on one core; return the processor seconds it took.

    Raises
    ------
    FileNotFoundError
        The environment has no Python.
    ValueError
        The peer failed.
    """
    if not python.is_file():
        raise FileNotFoundError(f"{python} is missing: give an environment with --stardist")
    one_core = {f"TF_NUM_{kind}_THREADS": "1" for kind in ("INTRAOP", "INTEROP")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(
        [str(python), str(PEER), *map(str, arguments)],
        env={**os.environ, **one_core},
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        last = (answer.stderr.strip() or "no message").splitlines()[-1]
        raise ValueError(f"StarDist failed: {last}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def without_small(labels: Labels, min_size: int) -> Labels:
    """Return labels 1..n without cells of fewer pixels."""
    is_small = np.bincount(labels.ravel()) < min_size
    return relabel(np.where(is_small[labels], 0, labels))


def measure(study: Study, name: str, python: Path, minutes: int) -> dict[str, Any]:
    """Train if there is no network, find the cells of the test images, and score them."""
    data = study.data_set(name)
    folder = study.runs / f"{name}-stardist-{minutes}"
    model, labels_folder = folder / "model", folder / "cells"
    seconds = None
    if not (model / "peer" / "thresholds.json").exists():
        export(data.training, folder / "training")
        seconds = peer(python, "train", folder / "training", "-o", model, "--minutes", minutes)
    export(data.test, folder / "test")
    peer(python, "segment", folder / "test" / "images", "-o", labels_folder, "--model", model)
    min_size = data.settings.min_size
    labels = [
        without_small(read_labels(labels_folder / f"{image.name}.tif").astype(np.int32), min_size)
        for image in data.test
    ]
    scores = measures.scores(data.test, labels)
    return scores if seconds is None else {**scores, "training_seconds": round(seconds)}


def recipes(units: Units) -> list[str]:
    """List the lengths of training that were measured."""
    return sorted({key.rpartition("/")[0] for key in units.content})


def rows(name: str, units: Units, others: Units) -> list[Sequence[str]]:
    """Write a line for each length of training, and for the systems it is compared with."""
    lines = []
    for recipe in recipes(units):
        seconds = units.of(recipe)[0].get("training_seconds")
        took = f" ({seconds / 60:.1f} of a core)" if seconds else ""
        scores = [units.cell(recipe, metric=metric) for metric in METRICS]
        lines.append([f"{name}, StarDist, {recipe}{took}", *scores])
    for system, path in COMPARED.items():
        if lines and others.of(path[0]):
            scores = [others.cell(*path, metric=metric) for metric in METRICS]
            lines.append([f"{name}, {system} by WT", *scores])
    return lines


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    lines = []
    for name in SETS:
        units, others = (Units.read(results, kind, name) for kind in (KIND, "instances"))
        lines += rows(name, units, others)
    return markdown_table(["", *METRICS], lines) if lines else ""


def main() -> None:
    """Measure what is missing."""
    options = {
        "--stardist": {"type": Path, "required": True, "help": "virtual environment with StarDist"},
        "--minutes": {"type": positive, "default": 10, "help": "of its training, by the clock"},
    }
    study, arguments = Study.from_command(__doc__, sets=SETS, options=options)
    python = arguments.stardist / "bin" / "python"
    for name in arguments.sets:
        study.measure_once(
            KIND,
            name,
            f"{arguments.minutes} minutes/0",
            lambda name=name: measure(study, name, python, arguments.minutes),
        )


if __name__ == "__main__":
    command(main)
