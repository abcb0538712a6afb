r"""PQ and AP after 1, 3, 10, 30 images of another kind: from a shipped model, and from nothing.

python benchmarks/fine_tuning.py DATA -o runs/fine [--start nuclei-2d] [--counts 1,3,10,30]
python benchmarks/fine_tuning.py DATA -o runs/half --keep 0.5 --unlabelled background,near
python benchmarks/fine_tuning.py DATA -o runs/quick --quick
python benchmarks/fine_tuning.py DATA --score runs/mine/model.safetensors --trained-on FOLDER

DATA holds images/ and masks/. Training images are evenly spaced by name; with n of them the rest is
the test. All runs of a count have equal settings and steps: those of `train --start`. One thread.
With --keep 0.5 half of the cells of each training mask are erased. Writes scores.json and plot.png.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seamwise.engine import read_settings
from seamwise.io import NormalizationRule, make_folder, read_image, write_json
from seamwise.metrics import match_dataset
from seamwise.segmentation import (
    AnnotatedImage,
    Pair,
    TrainSettings,
    as_channels,
    find_pairs,
    load,
    read_pair,
    read_pairs,
    segment,
    start_defaults,
    train,
)

QUICK_STEPS = 12
MOST_TESTED = 35


def evenly(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return so many pairs, evenly spaced: the first is half a distance from the beginning."""
    places = (np.arange(count) + 0.5) * len(pairs) / count
    return [pairs[int(place)] for place in places]


def all_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of a folder in the order of their names."""
    split = find_pairs(folder)
    return sorted({*split.training, *split.validation}, key=lambda pair: pair.name)


def halved(image: AnnotatedImage, keep: float, number: int) -> AnnotatedImage:
    """Return the image with some of the cells erased from its mask."""
    count = int(image.labels.max())
    stays = np.random.default_rng(number).random(count + 1) < keep
    stays[0] = True
    return replace(image, labels=np.where(stays[np.maximum(image.labels, 0)], image.labels, 0))


def scored(model: Path, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return PQ (pooled) and AP (mean) at IoU 0.5 of a model, on images that it has not seen."""
    network = load(model, device="cpu", runtime="torch")
    matches = (
        (
            read_pair(pair, rule=NormalizationRule()).labels,
            segment(
                as_channels(read_image(pair.images[0])), model=network, keep_probabilities=False
            ).labels,
        )
        for pair in pairs
    )
    result = match_dataset(matches, ious=(0.5,))
    return {"pq": result.pooled[0].panoptic_quality, "ap": result.mean[0].accuracy}


def one_run(
    chosen: Sequence[Pair], output: Path, unlabelled: str, options: argparse.Namespace, start: str
) -> tuple[Path, float]:
    """Train on the chosen images; return the model and the seconds of processor."""
    defaults = start_defaults(chosen, start=options.start)
    changes: dict[str, Any] = {"unlabelled": unlabelled, "steps": options.steps}
    if options.quick:
        changes |= {
            "steps": QUICK_STEPS,
            "validate_every": QUICK_STEPS,
            "batch_size": 1,
            "crop": 96,
        }
    if start != "none":
        changes["start"] = start
    settings = read_settings(TrainSettings, None, changes, defaults=defaults)
    images = read_pairs(chosen, rule=settings.normalization)
    if options.keep < 1:
        images = [halved(image, options.keep, number) for number, image in enumerate(images)]
    validation = images[::7]
    training = images if len(images) == 1 else [i for i in images if i not in validation]
    make_folder(output)
    began = time.process_time()
    model = train(training, validation, settings, output=output, device="cpu")
    return model, time.process_time() - began


def runs(pairs: Sequence[Pair], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train and score each count, start and reading of 0."""
    for count in options.counts:
        chosen = evenly(pairs, count)
        rest = [pair for pair in pairs if pair not in chosen]
        rest = rest[:2] if options.quick else evenly(rest, min(MOST_TESTED, len(rest)))
        for start in (options.start, "none"):
            for unlabelled in options.unlabelled:
                output = options.output / f"{count}-{start}-{unlabelled}"
                model, seconds = one_run(chosen, output, unlabelled, options, start)
                line = {
                    "images": count,
                    "start": start,
                    "unlabelled": unlabelled,
                    "keep": options.keep,
                    "seconds": round(seconds),
                    **scored(model, rest),
                }
                print(json.dumps(line), flush=True)
                yield line


def draw(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw PQ over the number of images, a line for each start and reading of 0."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for key in dict.fromkeys((line["start"], line["unlabelled"]) for line in lines):
        same = [line for line in lines if (line["start"], line["unlabelled"]) == key]
        name = "from nothing" if key[0] == "none" else f"from {key[0]}"
        x, y = [line["images"] for line in same], [line["pq"] for line in same]
        axes.plot(x, y, "o-", label=f"{name}, 0 is {key[1]}")
    axes.set(xscale="log", xlabel="annotated images", ylabel="panoptic quality", ylim=(0, 1))
    axes.set_xticks(sorted({line["images"] for line in lines}))
    axes.get_xaxis().set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the arguments, train, score and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/fine"))
    parser.add_argument("--start", default="nuclei-2d")
    parser.add_argument("--counts", default="1,3,10,30")
    parser.add_argument("--keep", type=float, default=1.0)
    parser.add_argument("--unlabelled", default="background")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--score", type=Path)
    parser.add_argument("--trained-on", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pairs = all_pairs(options.data)
    if options.score is not None:
        seen = {pair.name for pair in all_pairs(options.trained_on)}
        print(scored(options.score, [pair for pair in pairs if pair.name not in seen]))
        return
    options.unlabelled = options.unlabelled.split(",")
    options.counts = [1, 3] if options.quick else [int(n) for n in options.counts.split(",")]
    lines = list(runs(pairs, options))
    write_json(options.output / "scores.json", lines)
    draw(lines, options.output / "plot.png")


if __name__ == "__main__":
    main()
