"""The twelve systems of the thesis from the same first weights and the same crops, one after another.

python benchmarks/systems.py ../shared/data/usiigaci/train [--steps 200] [--output runs/systems] [--quick]

Goes on where it was stopped. A few hundred steps show that a system trains, not which one is best.
"""

import argparse
import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from seamwise.metrics import contour_scores, match, summarise_contours, summarise_matchings
from seamwise.segmentation import AnnotatedImage, TrainSettings, find_pairs, load, read_pair, segment, train
from seamwise.segmentation.systems import BUILDERS

NAMES = [name for name in BUILDERS if not name.startswith("ce")]


def settings_of(name: str, *, steps: int, width: int, crop: int) -> TrainSettings:
    return TrainSettings(
        loss=name, lam=1 / 12, width=width, crop=crop, batch_size=4, steps=steps, optimizer="adamw", learning_rate=1e-3,
        schedule="cosine", warmup=min(20, steps // 2), validate_every=steps, average=0.98, min_core=50, min_size=50,
    )  # fmt: skip


def run(
    name: str,
    images: Sequence[AnnotatedImage],
    held_out: Sequence[AnnotatedImage],
    settings: TrainSettings,
    folder: Path,
) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    model = train(images, held_out, settings, output=folder, resume=(folder / "checkpoint.pt").exists())
    with open(folder / "log.csv") as file:
        log = list(csv.DictReader(file))
    losses = [float(line["loss"]) for line in log]
    assert all(map(math.isfinite, losses))
    loaded = load(model)
    found = [(image.labels, segment(image.image, model=loaded, keep_probabilities=False).labels) for image in held_out]
    matching = summarise_matchings([(match(*pair),) for pair in found]).mean[0]
    contours = summarise_contours([contour_scores(*pair, radii=(3,)) for pair in found]).mean[0]
    tenth = max(1, len(losses) // 10)
    return {
        "name": name,
        "first": sum(losses[:tenth]) / tenth,
        "last": sum(losses[-tenth:]) / tenth,
        "seconds": float(log[-1]["seconds"]) / len(losses),
        "contour_f1": contours.f1,
        **asdict(matching),
    }


def row(result: dict) -> str:
    numbers = ("first", "last", "precision", "f1", "mean_matched_score", "panoptic_quality", "accuracy", "contour_f1")
    values = " | ".join(f"{result[name]:.3f}" for name in numbers)
    return f"| {result['name']} | {values} | {result['seconds']:.2f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("runs/systems"))
    parser.add_argument("--quick", action="store_true", help="4 steps of a tiny network, 4 images")
    options = parser.parse_args()
    steps, width, crop = (4, 2, 64) if options.quick else (options.steps, 16, 256)
    split = find_pairs(options.folder)
    training, validation = (
        (split.training[:3], split.validation[:1]) if options.quick else (split.training, split.validation)
    )
    rule = settings_of("j4", steps=steps, width=width, crop=crop).normalization
    images = [read_pair(pair, ndim=2, rule=rule) for pair in training]
    held_out = [read_pair(pair, ndim=2, rule=rule) for pair in validation]
    print(
        "| loss | loss, first tenth | last tenth | P05 | RQ | SQ | PQ | AP | contour F1, 3 px | s a step |", flush=True
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in NAMES:
        folder = options.output / f"{name}-{steps}"
        done = folder / "scores.json"
        if not done.exists():
            settings = settings_of(name, steps=steps, width=width, crop=crop)
            done.write_text(json.dumps(run(name, images, held_out, settings, folder)))
        print(row(json.loads(done.read_text())), flush=True)
