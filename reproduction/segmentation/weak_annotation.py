"""Which loss for poor annotations? Beyond the thesis: missing cells, wrong outlines, few images.

python reproduction/segmentation/weak_annotation.py ../shared/data [--seeds 0]
[--conditions "drop 50 %" "5 images"] [--quick]

Each loss learns from the same spoilt labels; PQ is measured against clean ones, by arg max and by a
watershed whose thresholds were tuned on ten of the training images, as they are annotated: nothing
here has seen a clean label.
"""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import measures
from seamwise.analysis import LEVEL, OPEN, bold_maximum, claim_of_pairs, markdown_table
from seamwise.segmentation import AnnotatedImage
from seamwise.segmentation.choose import tune, with_pair
from seamwise.synth import degrade_annotation
from seamwise.words import SystemName
from study import Study, Variant, command, read_protocol
from units import Units

SETS = ("dsb2018",)
LOSSES: tuple[SystemName, ...] = ("ce3", "bwm", "unet", "w3", "j3", "j4")
SPOILT: dict[str, dict[str, Any]] = read_protocol()["weak"]["spoilt"]
FEW = {f"{k} image{'s' * (k > 1)}": k for k in read_protocol()["weak"]["few"]}
CONDITIONS = (*SPOILT, *FEW)


def annotate(
    images: tuple[AnnotatedImage, ...], condition: str, seed: int
) -> tuple[AnnotatedImage, ...]:
    """Spoil the annotation of the training images; the same for every loss."""
    if condition in FEW:
        numbers = np.random.default_rng(seed).permutation(len(images))[: FEW[condition]]
        return tuple(images[i] for i in numbers)
    spoil = partial(degrade_annotation, **SPOILT[condition])
    return tuple(
        replace(image, labels=spoil(image.labels, rng=(seed, i))) for i, image in enumerate(images)
    )


def measure(study: Study, name: str, condition: str, loss: SystemName, seed: int) -> dict[str, Any]:
    """Train on spoilt annotation, score against the clean one."""
    data = study.data_set(name)
    training = annotate(data.training, condition, seed)
    options = study.protocol["weak"]
    steps = min(options["steps"], data.settings.steps)
    changes = {"steps": steps, "validate_every": steps, "snapshot_every": 0}
    slug = condition.replace(" %", "").replace(" ", "")
    model = measures.network(study, name, loss, seed, Variant("weak", slug, changes, training))
    pair = tune(training[: options["tuned_on"]], model, decode="watershed").best.thresholds
    rules = {"MAP": model.info.decode, "WT": with_pair(model.info.decode, "watershed", pair)}
    predictions = [measures.cells(image, model, rules) for image in data.test]
    return {"pair": pair, **measures.scores_by_rule(data.test, predictions, rules)}


NAMES = {"ce3": "CE", "bwm": "BWM", "unet": "UNET", "w3": "W³", "j3": "J3", "j4": "J4"}


def conditions_of(units: Units) -> list[str]:
    """Return the conditions that every loss was trained under."""

    def is_measured(condition: str) -> bool:
        return all(units.of(f"{condition}/{loss}") for loss in LOSSES)

    return [condition for condition in CONDITIONS if is_measured(condition)]


def table(units: Units, rule: str) -> str:
    """Write PQ of each loss under each condition."""
    lines = []
    for condition in conditions_of(units):
        cells = [units.cell(f"{condition}/{loss}", rule, metric="PQ") for loss in LOSSES]
        lines.append([condition, *bold_maximum(cells)])
    return markdown_table([f"PQ, {rule}", *(NAMES[loss] for loss in LOSSES)], lines)


def answer(units: Units, rule: str) -> str:
    """Write the best loss under each condition, and those without a significant difference."""
    lines = []
    for condition in conditions_of(units):
        seeds = set.intersection(*(set(units.by_seed(f"{condition}/{loss}")) for loss in LOSSES))
        quality = {
            loss: units.images(f"{condition}/{loss}", rule, metric="PQ", seeds=seeds)
            for loss in LOSSES
        }
        best = max(quality, key=lambda loss: quality[loss].mean())
        ties = [
            NAMES[loss]
            for loss in LOSSES
            if loss != best
            and claim_of_pairs("", quality[best], quality[loss], metric="PQ").verdict == OPEN
        ]
        lines.append([condition, NAMES[best], ", ".join(ties) or "none"])
    return markdown_table(
        [f"by {rule}", "best", f"no significant difference ({LEVEL:.0%}, Wilcoxon)"], lines
    )


def draw(units: Units, path: Path) -> None:
    """Plot PQ over the fault of the annotation: missing cells, outlines, number of images."""
    groups = {  # label by condition
        "missing cells": {
            "clean": "none",
            **{f"drop {share} %": f"{share} %" for share in (25, 50, 75)},
        },
        "outlines off by 2 pixels": {
            "clean": "clean",
            "erode 2": "eroded",
            "dilate 2": "dilated",
            "shift 2": "shifted",
        },
        "annotated images": {**{condition: f"{k}" for condition, k in FEW.items()}, "clean": "all"},
    }
    figure = Figure(figsize=(13, 7.6), layout="constrained")
    lines = figure.subplots(2, 3, sharey=True)
    for panels, rule in zip(lines, ("MAP", "WT"), strict=True):
        for panel, (title, group) in zip(panels, groups.items(), strict=True):
            conditions = {
                condition: label
                for condition, label in group.items()
                if condition in conditions_of(units)
            }
            for loss in LOSSES:
                runs = [
                    units.means(f"{condition}/{loss}", rule, metric="PQ")
                    for condition in conditions
                ]
                spreads = [np.std(each, ddof=1) if len(each) > 1 else 0 for each in runs]
                style = {"marker": "o", "lw": 2.4 if loss in ("j3", "j4") else 1.4, "capsize": 2}
                panel.errorbar(
                    range(len(runs)),
                    [np.mean(each) for each in runs],
                    spreads,
                    label=NAMES[loss],
                    **style,
                )
            panel.set_xticks(range(len(runs)), conditions.values())
            panel.set(
                title=f"{title}, {'arg max' if rule == 'MAP' else 'watershed'}", ylim=(0, None)
            )
            panel.grid(axis="y", lw=0.4)
        panels[0].set_ylabel("PQ against clean labels")
    figure.legend(
        *lines[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LOSSES)
    )
    figure.savefig(path, dpi=90)


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    parts = []
    for name in SETS:
        units = Units.read(results, "weak", name)
        if conditions_of(units):
            draw(units, pictures / f"weak-{name}.png")
            tables = [make(units, rule) for make in (table, answer) for rule in ("MAP", "WT")]
            parts += [f"![PQ by annotation](images/weak-{name}.png)", *tables]
    return "\n\n".join(parts)


def main() -> None:
    """Measure what is missing."""
    option = {"nargs": "+", "default": CONDITIONS, "choices": CONDITIONS}
    study, given = Study.from_command(__doc__, sets=SETS, options={"--conditions": option})
    for seed, name, condition, loss in product(given.seeds, given.sets, given.conditions, LOSSES):
        job = partial(measure, study, name, condition, loss, seed)
        study.measure_once("weak", name, f"{condition}/{loss}/{seed}", job)


if __name__ == "__main__":
    command(main)
