r"""PQ and AP after 1, 3, 10, 30 images of another kind: from a shipped model, and from nothing.

python benchmarks/fine_tuning.py DATA -o runs/fine --steps 120 --crop 192 [--counts 1,10,30,3]
python benchmarks/fine_tuning.py DATA -o runs/fine --steps 120 --crop 192 --counts 10 \
    --begin start --keep 0.5 --unlabelled background,near
python benchmarks/fine_tuning.py DATA -o runs/fine --steps 120 --crop 192 --counts 3,10 \
    --begin start --settings check
python benchmarks/fine_tuning.py DATA -o runs/fine --plot docs/images/fine_tuning.png
python benchmarks/fine_tuning.py DATA -o runs/quick --quick
python benchmarks/fine_tuning.py DATA --score model.safetensors --trained-on FOLDER [--rule neutral]
python benchmarks/fine_tuning.py ../shared/data/dsb2018/train -o runs/hazy --kind hazy --crop 192
python benchmarks/fine_tuning.py ../shared/data/dsb2018/train -o runs/hazy --kind hazy --crop 192 \
    --begin start --keep 0.5 --unlabelled near

DATA holds images/ and masks/. A third of the images, evenly spaced by name and at most 15, is for
the report: no run sees them, and every run is scored on them. With n images a run has n of the
others, evenly spaced. All runs of a count have equal settings: those of `train --start`, but for
--steps and --crop, or those of `check`. From nothing the network has neither zoom nor guide, as in
`train` without a start.

The rule of decoding is chosen on validation images of the run, among rules that were not tuned on
images of DATA: that of the start, relief with neutral thresholds, and the arg max (--rule takes one
of them). With --keep 0.5 half of the cells of each training mask are erased.

With --kind hazy, DATA is dsb2018, and only the 65 images of dsb2018-hazy.txt train and report:
crowds of round nuclei in a haze of light from other depths, told from the rest by eye. Shipped
models know them. So the start is trained first, from nothing, on the other images, with
--start-steps steps: OUTPUT/first. The score of a start as it is has the count 0 and 0 steps.

A run is a line of scores.json as soon as it is scored. A list that was interrupted resumes: what
has a line is skipped, and a training that was stopped begins at its checkpoint. One thread. Two
lists may work side by side if they share no run.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from fine_tuning_plot import NOTHING, draw
from seamwise.engine import read_settings
from seamwise.io import (
    DecodeRule,
    NormalizationRule,
    ReliefPair,
    SegmentationInfo,
    describe_model,
    make_folder,
    read_image,
    read_json,
    write_json,
)
from seamwise.metrics import match_dataset
from seamwise.segmentation import (
    AnnotatedImage,
    Pair,
    TrainProgress,
    TrainSettings,
    as_channels,
    find_pairs,
    load,
    read_pair,
    read_pairs,
    read_start,
    record_rule,
    segment,
    start_defaults,
    train,
    with_unlabelled,
)
from seamwise.segmentation.check import advise, survey
from seamwise.synth import degrade_annotation

QUICK_STEPS, QUICK_CROP = 12, 96
MOST_REPORTED = 15
HAZY = Path(__file__).with_name("dsb2018-hazy.txt")
VALIDATED_EVERY = 24  # of the images that the start is trained on
HOLD_OUT_EVERY = 7  # as `train` does
RULES = ("chosen", "start", "neutral", "argmax")
REPORT_EVERY = 20  # steps


@dataclass(frozen=True)
class Run:
    """What distinguishes a run; `steps` and `crop` are 0 for what `train --start` takes."""

    images: int
    start: str
    settings: str
    unlabelled: str
    keep: float
    steps: int
    crop: int
    rule: str

    @property
    def folder(self) -> str:
        """The name of its folder; the rule of decoding changes no weight."""
        sizes = f"{self.keep:g}-{self.steps}-{self.crop}"
        return f"{self.images}-{Path(self.start).stem}-{self.settings}-{self.unlabelled}-{sizes}"


def evenly(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return so many pairs, evenly spaced: the first is half a distance from the beginning."""
    places = (np.arange(count) + 0.5) * len(pairs) / count
    return [pairs[int(place)] for place in places]


def all_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of a folder in the order of their names."""
    split = find_pairs(folder)
    return sorted({*split.training, *split.validation}, key=lambda pair: pair.name)


def divided(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs to choose from for training, and those of the report."""
    report = evenly(pairs, min(MOST_REPORTED, len(pairs) // 3))
    return [pair for pair in pairs if pair not in report], report


def erased(image: AnnotatedImage, run: Run, number: int) -> AnnotatedImage:
    """Return the image with some of the cells erased from its mask."""
    return replace(image, labels=degrade_annotation(image.labels, rng=number, drop=1 - run.keep))


def advised(pairs: Sequence[Pair], start: str) -> dict[str, Any]:
    """Return the settings that `check` suggests for these images alone."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("images", "masks"):
            (folder / kind).mkdir()
        for pair in pairs:
            for path in pair.images:
                shutil.copy(path, folder / "images")
            shutil.copy(pair.labels, folder / "masks")
        advice = advise(survey(folder), all_pairs(folder), start=start, device="cpu")
    assert advice is not None
    return dict(advice.settings)


def settings_of(run: Run, chosen: Sequence[Pair], options: argparse.Namespace) -> TrainSettings:
    """Return the settings of a run; from nothing gap pixels are background, as `train` has it."""
    if run.settings == "check":
        defaults = advised(chosen, options.start)
    else:
        defaults = start_defaults(chosen, start=options.start)
    changes: dict[str, Any] = {"unlabelled": run.unlabelled}
    changes |= {"steps": run.steps or None, "crop": run.crop or None}
    if options.quick:
        changes |= {"validate_every": QUICK_STEPS, "batch_size": 1}
    changes |= {"gap": "background"} if run.start == NOTHING else {"start": run.start}
    defaults.pop("start", None)
    return read_settings(TrainSettings, None, changes, defaults=defaults)


def rules_of(info: SegmentationInfo, start: SegmentationInfo) -> dict[str, DecodeRule]:
    """Return the rules to choose from; a model without guides has the arg max only."""
    plain = info.decode.model_copy(update={"rule": "argmax", "gap": "background", "relief": None})
    if not info.architecture.guides:
        return {"argmax": plain}
    relief = plain.model_copy(update={"rule": "relief", "relief": ReliefPair()})
    own = {"gap": start.decode.gap, "relief": start.decode.relief}
    return {"start": relief.model_copy(update=own), "neutral": relief, "argmax": plain}


def decoded_by(
    model: Path, images: Sequence[AnnotatedImage], *, rule: str, start: SegmentationInfo
) -> str:
    """Write a rule into a model file, by default the best on some images; return its name."""
    info = describe_model(model)
    assert isinstance(info, SegmentationInfo)
    rules = rules_of(info, start)
    named = {rule: rules[rule]} if rule in rules else rules
    record_rule(model, images, list(named.values()), device="cpu")
    info = describe_model(model)
    assert isinstance(info, SegmentationInfo)
    return next(name for name, candidate in named.items() if candidate == info.decode)


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


def tell(progress: TrainProgress) -> None:
    """Print a line for every twentieth step."""
    if progress.step % REPORT_EVERY == 0:
        scores = " ".join(f"{name} {value:.3f}" for name, value in progress.scores.items())
        print(f"  step {progress.step} {progress.seconds:.0f} s {scores}".rstrip(), flush=True)


def trained(run: Run, chosen: Sequence[Pair], options: argparse.Namespace) -> dict[str, Any]:
    """Train on the chosen images and choose the rule; return what a line says about it."""
    began = time.process_time()
    settings = settings_of(run, chosen, options)
    images = read_pairs(chosen, rule=settings.normalization)
    if run.keep < 1:
        images = [erased(image, run, number) for number, image in enumerate(images)]
    validation = images[::HOLD_OUT_EVERY]
    training = images if len(images) == 1 else [i for i in images if i not in validation]
    output = options.output / run.folder
    make_folder(output)
    is_begun = any((output / name).exists() for name in ("checkpoint.pt", "model.safetensors"))
    model = train(
        training, validation, settings, output=output, resume=is_begun, device="cpu", report=tell
    )
    known = with_unlabelled(images, settings.unlabelled)[::HOLD_OUT_EVERY]
    start = read_start(options.start).info
    rule = decoded_by(model, known, rule=run.rule, start=start)
    # of a run that was interrupted, the time is not known
    seconds = None if is_begun else round(time.process_time() - began)
    return {"loss": settings.loss, "decoded_by": rule, "seconds": seconds}


def first_model(pairs: Sequence[Pair], options: argparse.Namespace) -> str:
    """Train a start from nothing on images of other kinds, unless it exists; return its path.

    The panoptic quality of every 24th image chooses among eight states of the run.
    """
    path: Path = options.output / "sharp-nuclei.safetensors"
    if path.exists():
        return str(path)
    began = time.process_time()
    changes = {
        "steps": options.start_steps,
        "crop": options.crop or None,
        "validate_every": max(1, options.start_steps // 8),
        "touching_radius": 1,
        "gap_radius": 3.0,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": min(50, options.start_steps),
        "normalization": {"kind": "contrast"},
    }
    settings = read_settings(TrainSettings, None, changes)
    images = read_pairs(pairs, rule=settings.normalization)
    validation = images[::VALIDATED_EVERY]
    training = [image for image in images if image not in validation]
    folder = options.output / "first"
    make_folder(folder)
    is_begun = (folder / "checkpoint.pt").exists()
    model = train(
        training, validation, settings, output=folder, resume=is_begun, device="cpu", report=tell
    )
    shutil.copy(model, path)
    print(f"{path}: {len(training)} images, {time.process_time() - began:.0f} s", flush=True)
    return str(path)


def score_the_start(report: Sequence[Pair], options: argparse.Namespace) -> None:
    """Score the start as it is, once."""
    run = Run(0, options.start, "plain", "background", 1.0, 0, 0, options.rule)
    lines = read_lines(options.output)
    if not any(line.items() >= asdict(run).items() for line in lines):
        line = {**asdict(run), **scored(Path(options.start), report)}
        print(json.dumps(line), flush=True)
        write_json(options.output / "scores.json", {"runs": [*lines, line]})


def planned(options: argparse.Namespace) -> Iterator[Run]:
    """The runs in the order of the options."""
    choices = (options.counts, options.begin, options.settings, options.unlabelled)
    for count, begin, settings, unlabelled in product(*choices):
        start = options.start if begin == "start" else NOTHING
        sizes = (options.keep, options.steps, options.crop)
        yield Run(count, start, settings, unlabelled, *sizes, options.rule)


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the runs of a folder so far."""
    path = folder / "scores.json"
    return list(read_json(path)["runs"]) if path.exists() else []


def work(pairs: Sequence[Pair], options: argparse.Namespace) -> None:
    """Train and score each run that has no line yet."""
    pool, report = divided(pairs)
    if options.kind == "hazy":
        score_the_start(report, options)
    for run in planned(options):
        lines = read_lines(options.output)
        if any(line.items() >= asdict(run).items() for line in lines):
            continue
        print(run.folder, flush=True)
        line = {
            **asdict(run),
            **trained(run, evenly(pool, run.images), options),
            **scored(
                options.output / run.folder / "model.safetensors",
                report[:2] if options.quick else report,
            ),
        }
        print(json.dumps(line), flush=True)
        # read again: another list may have written lines meanwhile
        write_json(options.output / "scores.json", {"runs": [*read_lines(options.output), line]})


def arguments() -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/fine"))
    parser.add_argument("--start", default="nuclei-2d")
    parser.add_argument("--kind", choices=("all", "hazy"), default="all")
    parser.add_argument("--start-steps", type=int, default=1200)
    parser.add_argument("--begin", default="start,none", help="start, none or both")
    parser.add_argument("--settings", default="plain", help="plain, check or both")
    parser.add_argument("--counts", default="1,3,10,30")
    parser.add_argument("--keep", type=float, default=1.0)
    parser.add_argument("--unlabelled", default="background")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--crop", type=int, default=0)
    parser.add_argument("--rule", choices=RULES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--trained-on", type=Path)
    options = parser.parse_args()
    for name in ("begin", "settings", "unlabelled"):
        setattr(options, name, getattr(options, name).split(","))
    options.counts = [int(count) for count in options.counts.split(",")]
    if options.quick:
        options.counts, options.steps, options.crop = [1, 3], QUICK_STEPS, QUICK_CROP
        options.start_steps = QUICK_STEPS
    if "check" in options.settings and options.keep < 1:
        parser.error("--settings check looks at complete masks: remove --keep")
    return options


def score_one(pairs: Sequence[Pair], options: argparse.Namespace) -> None:
    """Print the scores of a model on all images that it was not trained on."""
    own = all_pairs(options.trained_on)
    names = {pair.name for pair in own}
    with TemporaryDirectory() as folder:
        model = Path(shutil.copy(options.score, folder))
        if options.rule is not None:
            info = describe_model(model)
            assert isinstance(info, SegmentationInfo)
            images = read_pairs(own[::HOLD_OUT_EVERY], rule=info.normalization)
            start = read_start(options.start).info
            print(decoded_by(model, images, rule=options.rule, start=start))
        print(scored(model, [pair for pair in pairs if pair.name not in names]))


def main() -> None:
    """Train and score, or draw, or score one model."""
    options = arguments()
    torch.set_num_threads(1)
    pairs = all_pairs(options.data)
    if options.plot is not None:
        draw(read_lines(options.output), options.plot)
    elif options.score is not None:
        score_one(pairs, options)
    else:
        options.rule = options.rule or "chosen"
        if options.kind == "hazy":
            names = set(HAZY.read_text().split())
            others = [pair for pair in pairs if pair.name not in names]
            pairs = [pair for pair in pairs if pair.name in names]
            options.start = first_model(
                others[::VALIDATED_EVERY] if options.quick else others, options
            )
        work(pairs, options)
        draw(read_lines(options.output), options.output / "plot.png")


if __name__ == "__main__":
    main()
