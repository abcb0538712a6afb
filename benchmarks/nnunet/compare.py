r"""nnU-Net's own loss, J4 and W³ inside nnU-Net at equal steps: PQ and AP of the cells.

.nnunet/bin/python benchmarks/nnunet/compare.py DATA -o runs/nnunet [--losses default,w3,j4]
.nnunet/bin/python benchmarks/nnunet/compare.py --table runs/nnunet --plot docs/images/nnunet.png
.nnunet/bin/python benchmarks/nnunet/compare.py DATA -o runs/nnunet-quick --quick

DATA holds images/ and masks/: fluorescence nuclei of the 2018 Data Science Bowl, StarDist subset.
Its images are split as by recipes/nuclei_2d.py. nnU-Net trains on fold `all` of the training
images. The 40 selection images choose the two thresholds of the decoder (`seamwise tune`), and
nothing else. The 64 report images are scored once for each run.

All runs have one data set of four classes, one network, nnU-Net's augmentation, optimizer and
schedule. They differ in loss and seed alone. Patches of 128², four in a batch, 1,000 steps.
nnU-Net would plan 32 features in the first level and at most 512: here it has `FEATURES`, so that
a processor can train it. One thread; bfloat16 in training, float32 in prediction, no mirroring.

A run is a line of scores.json as soon as it is scored. A list that was interrupted resumes: what
has a line is skipped, and a training that was stopped begins at its last checkpoint.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from seamwise.io import DecodeRule, make_folder, read_json, read_labels, write_json
from seamwise.metrics import match_dataset
from seamwise.segmentation import Pair, decode_files, find_pairs, tune_stored

HERE = Path(__file__).resolve().parent
SELECTION = HERE.parents[1] / "recipes" / "nuclei-2d-selection.txt"
DATASET = "Dataset501_Cells"
PLANS = "nnUNetPlans.json"
CONFIGURATION = "2d_equal"
FEATURES = (16, 32, 64, 128, 128)
PATCH, BATCH = 128, 4
EPOCHS, STEPS = 20, 50
TRAINERS = {"default": "EqualDefault", "w3": "EqualW3", "j4": "EqualJ4"}
NAMES = {"default": "nnU-Net's own (CE + Dice)", "w3": "W³", "j4": "J4"}
COLOURS = {"default": "#777777", "w3": "#0072b2", "j4": "#d55e00"}
IOUS = (0.5, 0.7, 0.9)

Line = dict[str, Any]


class Work:
    """A folder with the data set, the trained networks and the scores; runs commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.images = self.folder / "images"
        self.raw = self.folder / "raw" / DATASET

    def run(self, *words: str, **variables: str) -> None:
        """Run a command of nnU-Net or seamwise; what it prints goes to log.txt."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "OMP_NUM_THREADS": "1",
            "nnUNet_n_proc_DA": "1",
            "nnUNet_def_n_proc": "1",
            "nnUNet_raw": str(self.folder / "raw"),
            "nnUNet_preprocessed": str(self.folder / "preprocessed"),
            "nnUNet_extTrainer": str(HERE / "trainers"),
            **variables,
        }
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"$ {' '.join(words)}\n")
            log.flush()
            subprocess.run(words, env=environment, stdout=log, stderr=log, check=True)


def divide(data: Path, *, quick: bool) -> dict[str, list[Pair]]:
    """The pairs for training, for the choice of thresholds and for the report."""
    names = set(SELECTION.read_text().split())
    split = find_pairs(data)
    parts = {
        "training": [pair for pair in split.training if pair.name not in names],
        "selection": [pair for pair in split.training if pair.name in names],
        "report": list(split.validation),
    }
    return {part: pairs[::40] for part, pairs in parts.items()} if quick else parts


def prepare(work: Work, parts: Mapping[str, Sequence[Pair]]) -> None:
    """Write the data set, plan it, and reduce the plan to the network of the comparison."""
    plans = work.folder / "preprocessed" / DATASET / PLANS
    if plans.is_file() and CONFIGURATION in read_json(plans)["configurations"]:
        return
    for part, pairs in parts.items():
        for pair in pairs:
            place = work.images / ("train" if part == "training" else "test")
            link(pair.images[0], place / "images")
            link(pair.labels, place / "masks")
            if part != "training":
                link(pair.labels, work.folder / part)
    if not work.raw.exists():
        work.run("seamwise", "nnunet-dataset", str(work.images), "-o", str(work.raw.parent))
    one = ("-np", "1", "-npfp", "1")
    work.run("nnUNetv2_plan_and_preprocess", "-d", "501", "-c", "2d", *one)
    record = read_json(plans)
    record["configurations"][CONFIGURATION] = reduce_plan(record["configurations"]["2d"])
    write_json(plans, record)


def link(path: Path, folder: Path) -> None:
    """Link a file into a folder."""
    make_folder(folder)
    if not (folder / path.name).exists():
        (folder / path.name).symlink_to(path.resolve())


def reduce_plan(planned: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the comparison, from the one that nnU-Net planned."""
    stages = len(FEATURES)
    network = planned["architecture"]["arch_kwargs"]
    arguments = {
        **network,
        "n_stages": stages,
        "features_per_stage": list(FEATURES),
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1], *[[2, 2]] * (stages - 1)],
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }
    return {
        "inherits_from": "2d",
        "patch_size": [PATCH, PATCH],
        "batch_size": BATCH,
        "architecture": {**planned["architecture"], "arch_kwargs": arguments},
    }


def train_network(work: Work, loss: str, seed: int, *, epochs: int, steps: int) -> float | None:
    """Train a network, or resume; return the seconds, if it was not interrupted."""
    results = work.folder / f"seed-{seed}"
    folder = results / DATASET / f"{TRAINERS[loss]}__nnUNetPlans__{CONFIGURATION}" / "fold_all"
    if (folder / "checkpoint_final.pth").is_file():
        return None
    is_begun = (folder / "checkpoint_latest.pth").is_file()
    began = time.monotonic()
    work.run(
        *("nnUNetv2_train", "501", CONFIGURATION, "all", "-tr", TRAINERS[loss], "-device", "cpu"),
        *(["--c"] if is_begun else []),
        nnUNet_results=str(results),
        nnUNet_n_proc_DA="0",  # patches are drawn in the process that trains, in one order
        EPOCHS=str(epochs),
        STEPS=str(steps),
        SEED=str(seed),
    )
    return None if is_begun else round(time.monotonic() - began)


def predict(work: Work, loss: str, seed: int) -> Path:
    """Predict the probabilities of the selection and report images; return their folder."""
    output = work.folder / "predictions" / f"{loss}-{seed}"
    work.run(
        *("nnUNetv2_predict", "-d", "501", "-c", CONFIGURATION, "-f", "all"),
        *("-tr", TRAINERS[loss], "-i", str(work.raw / "imagesTs"), "-o", str(output)),
        *("-device", "cpu", "-npp", "0", "-nps", "0", "--disable_tta", "--save_probabilities"),
        *("-step_size", "0.75"),
        nnUNet_results=str(work.folder / f"seed-{seed}"),
    )
    return output


def score(folder: Path, parts: Mapping[str, Sequence[Pair]], masks: Mapping[str, Path]) -> Line:
    """Tune on the selection, decode the report with arg max and thresholds; return the scores."""
    tuning = tune_stored(folder, masks["selection"])
    files = [folder / f"{pair.name}.npz" for pair in parts["report"]]
    line: Line = {"thresholds": tuning.best.thresholds}
    for name, rule in (("argmax", DecodeRule()), ("tuned", tuning.rule)):
        labels = folder / name
        for outcome in decode_files(files, labels, rule, overwrite=True):
            assert not outcome.failed, outcome.messages
        images = [
            (read_labels(pair.labels), read_labels(labels / f"{pair.name}.tif"))
            for pair in parts["report"]
        ]
        scores = match_dataset(images, ious=IOUS)
        line[name] = {
            "pq": [score.panoptic_quality for score in scores.pooled],
            "ap": [score.accuracy for score in scores.mean],
            "errors": [[score.tp, score.fp, score.fn] for score in scores.pooled],
        }
    return line


def read_lines(folder: Path) -> list[Line]:
    """The runs of a folder so far."""
    path = folder / "scores.json"
    return list(read_json(path)["runs"]) if path.exists() else []


def compare(work: Work, options: argparse.Namespace) -> None:
    """Train and score each run that has no line yet, one seed of all losses after the other."""
    parts = divide(options.data, quick=options.quick)
    make_folder(work.folder)
    prepare(work, parts)
    masks = {part: work.folder / part for part in ("selection", "report")}
    for seed, loss in product(range(options.seeds), options.losses):
        lines = read_lines(work.folder)
        run = {"loss": loss, "seed": seed, "steps": options.epochs * options.steps}
        if any(line.items() >= run.items() for line in lines):
            continue
        seconds = train_network(work, loss, seed, epochs=options.epochs, steps=options.steps)
        line = {
            **run,
            "seconds": seconds,
            **score(predict(work, loss, seed), parts, masks),
        }
        print(json.dumps(line), flush=True)
        write_json(work.folder / "scores.json", {"runs": [*lines, line]})


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, as text."""
    if len(values) < 2:
        return f"{statistics.mean(values):.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def of_loss(lines: Sequence[Line], loss: str, rule: str) -> list[Line]:
    """Scores of the runs with a loss, decoded by a rule."""
    return [line[rule] for line in lines if line["loss"] == loss]


def table(content: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    """The lines of the table: mean and standard deviation over the seeds of each loss."""
    yield f"| loss | decoder | seeds | PQ at 0.5 |{'|'.join(f' AP at {iou} ' for iou in IOUS)}|"
    yield "|---" * (4 + len(IOUS)) + "|"
    for loss, rule in product(NAMES, ("argmax", "tuned")):
        runs = of_loss(content["runs"], loss, rule)
        if not runs:
            continue
        columns = [[run["pq"][0] for run in runs], *zip(*(run["ap"] for run in runs), strict=True)]
        scores = " | ".join(map(spread, columns))
        yield f"| {NAMES[loss]} | {rule} | {len(runs)} | {scores} |"


def draw(lines: Sequence[Line], path: Path) -> None:
    """Draw the AP at each IoU by arg max and with tuned thresholds: a bar for the mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"argmax": "arg max", "tuned": "tuned thresholds"}
    for axes, (rule, title) in zip(panels, titles.items(), strict=True):
        losses = [loss for loss in NAMES if of_loss(lines, loss, rule)]
        for number, loss in enumerate(losses):
            shift = 0.27 * (number - (len(losses) - 1) / 2)
            draw_loss(axes, of_loss(lines, loss, rule), loss, shift)
        axes.set_xticks(range(len(IOUS)), [f"IoU {iou}" for iou in IOUS])
        axes.set_title(title, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="AP, mean of images", ylim=(0, 1))
    panels[1].legend(frameon=False, loc="upper right", fontsize=9)
    figure.savefig(path, dpi=110)


def draw_loss(axes: Any, runs: Sequence[Line], loss: str, shift: float) -> None:
    """Draw the bars of a loss, and a dot for each seed."""
    places = [place + shift for place in range(len(IOUS))]
    means = list(map(statistics.mean, zip(*(run["ap"] for run in runs), strict=True)))
    axes.bar(places, means, 0.25, color=COLOURS[loss], label=NAMES[loss])
    for run in runs:
        axes.plot(places, run["ap"], ".", color="black", zorder=3)
    for place, mean in zip(places, means, strict=True):
        axes.annotate(f"{mean:.2f}", (place, 0.02), ha="center", color="white", fontsize=8)


def arguments() -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/nnunet"))
    parser.add_argument("--losses", default="default,w3,j4")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="for a look at the speed")
    parser.add_argument("--quick", action="store_true", help="few images, eight steps, one seed")
    parser.add_argument("--table", type=Path, metavar="FOLDER", help="of scores.json; no training")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    options.losses = options.losses.split(",")
    if unknown := set(options.losses) - set(TRAINERS):
        parser.error(f"--losses must be of {', '.join(TRAINERS)}, not {', '.join(unknown)}")
    options.steps = STEPS
    if options.quick:
        options.seeds, options.epochs, options.steps = 1, 2, 4
    if (options.data is None) == (options.table is None):
        parser.error("give the data to train, or --table")
    return options


def main() -> None:
    """Train, score, and print the table."""
    options = arguments()
    folder = options.table or options.output
    if options.data is not None:
        compare(Work(options.output), options)
    lines = read_lines(folder)
    print("\n".join(table({"runs": lines})))
    if options.plot is not None:
        draw(lines, options.plot)


if __name__ == "__main__":
    main()
