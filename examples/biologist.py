"""From a few annotated images to a table of cells, with the commands that a biologist types.

    python examples/biologist.py --output my-first-run

check → train → segment → look → correct → train on → score → measure → plot. Every command is
printed before it runs, so that you can type it again with your own folders.

The data is one image of nuclei that comes with seamwise, cut into four quarters. Two are annotated,
one is corrected, and one only tells how good the model is. This shows the way, not how good a model
gets: the quarters are parts of one image, and the trainings are short. Where a person would correct
masks in napari, the script looks at the annotation of that quarter and changes the same pixels.
"""

import argparse
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np

from seamwise.io import make_folder, read_image, read_labels, write_labels, write_png
from seamwise.metrics import cell_errors

SAMPLES = Path(str(resources.files("seamwise"))) / "samples"
# rows and columns of the image; the annotated quarters have the most cells that touch
QUARTERS = {
    "field1": np.s_[:128, 128:],
    "field2": np.s_[128:, 128:],
    "field3": np.s_[:128, :128],
    "field4": np.s_[128:, :128],
}
ANNOTATED, CORRECTED, SCORED = ("field1", "field2"), "field3", "field4"


def explain(text):
    """Print what comes next, and why."""
    print(f"\n{text}", flush=True)


def seamwise(folder, *words):
    """Print a command, run it in the folder, and stop if it fails."""
    arguments = [str(word) for word in words]
    print(f"$ seamwise {shlex.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "seamwise", *arguments], cwd=folder, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def cut_quarters(folder):
    """Write ``my-data`` (annotated), ``new-images``, and the annotation of one of these."""
    image = read_image(SAMPLES / "nuclei.png").data
    labels = read_labels(SAMPLES / "nuclei-mask.tif")
    for part in ("my-data/images", "my-data/masks", "new-images", "truth"):
        make_folder(folder / part)
    for name, quarter in QUARTERS.items():
        images = "my-data/images" if name in ANNOTATED else "new-images"
        write_png(folder / images / f"{name}.png", image[quarter])
        if name in ANNOTATED:
            write_labels(folder / "my-data" / "masks" / f"{name}.tif", labels[quarter])
    write_labels(folder / "truth" / f"{SCORED}.tif", labels[QUARTERS[SCORED]])
    return labels[QUARTERS[CORRECTED]]


def correct(labels, truth):
    """Return corrected labels, and how many cells were separated, erased and drawn.

    In napari these are the fill bucket, the eraser and the brush.
    """
    errors = cell_errors(truth, labels)
    corrected = labels.astype(np.int32)
    separated = 0
    for merge in errors.merges:
        inside = corrected == merge
        cells = [cell for cell in errors.merged if (inside & (truth == cell)).any()]
        for cell in cells[1:]:  # the first one keeps the number
            corrected[inside & (truth == cell)] = corrected.max() + 1
            separated += 1
    corrected[np.isin(corrected, errors.invented)] = 0
    for cell in errors.missed:
        corrected[(truth == cell) & (corrected == 0)] = corrected.max() + 1
    return corrected, (separated, len(errors.invented), len(errors.missed))


def correct_file(folder, truth):
    """Write ``corrected``: the image whose mask was looked at, and the new mask."""
    labels = read_labels(folder / "labels-first" / f"{CORRECTED}.tif")
    mask, (separated, erased, drawn) = correct(labels, truth)
    for part in ("images", "masks"):
        make_folder(folder / "corrected" / part)
    image = read_image(folder / "new-images" / f"{CORRECTED}.png").data
    write_png(folder / "corrected" / "images" / f"{CORRECTED}.png", image)
    write_labels(folder / "corrected" / "masks" / f"{CORRECTED}.tif", mask)
    print(f"separated: {separated}, false and erased: {erased}, missed and drawn: {drawn}")


def main(folder, steps, fine_steps):
    """Go all the way."""
    make_folder(folder)
    explain("1. Two annotated images and two new ones: quarters of one image.")
    truth = cut_quarters(folder)
    explain("2. Are the images and masks fit to train on, and how? Open check/report.html.")
    seamwise(folder, "check", "my-data", "-o", "check")
    explain(
        "3. Train a small network of two classes from nothing. It is short on purpose: it merges\n"
        "   cells that touch, so that there is something to correct. See runs/first/curve.png."
    )
    first = ("--loss", "ce2", "--width", 8, "--crop", 96, "--learning-rate", 0.003)
    few = ("--hold-out-every", 2)
    seamwise(folder, "train", "my-data", "-o", "runs/first", *first, *few, "--steps", steps)
    explain("4. Segment the new images. Open labels-first/report.html and look for wrong cells.")
    model = "runs/first/model.safetensors"
    seamwise(folder, "segment", "new-images", "-o", "labels-first", "--model", model, "--report")
    explain(f"5. Correct the mask of {CORRECTED}, and save it in corrected/masks.")
    correct_file(folder, truth)
    explain("6. Train again as check suggests, from a built-in model, with the corrected mask.")
    fine = ("--settings", "check/settings.toml", "--corrected", "corrected", "--crop", 96)
    seamwise(folder, "train", "my-data", "-o", "runs/fine", *fine, *few, "--steps", fine_steps)
    explain("7. Segment again with the new model.")
    model = "runs/fine/model.safetensors"
    seamwise(folder, "segment", "new-images", "-o", "labels-fine", "--model", model, "--report")
    explain(
        f"8. Score both models on {SCORED}, which no training saw. These are few cells: the\n"
        "   numbers say little. Open score-first.html and score-fine.html to see the cells."
    )
    for run in ("first", "fine"):
        labels, true = f"labels-{run}/{SCORED}.tif", f"truth/{SCORED}.tif"
        page = ("--report", f"score-{run}.html", "--images", f"new-images/{SCORED}.png")
        seamwise(folder, "evaluate", labels, true, *page, "--json", f"score-{run}.json")
    explain("9. Measure every cell of the new images, and plot. Open cells_histogram.png.")
    seamwise(folder, "measure", "new-images", "labels-fine", "-o", "cells.csv", "--plots")
    explain(f"The table of cells is {folder / 'cells.csv'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="new folder for all files")
    parser.add_argument("--steps", type=int, default=80, help="of the first training")
    parser.add_argument("--fine-steps", type=int, default=48, help="of the second training")
    options = parser.parse_args()
    main(options.output, options.steps, options.fine_steps)
