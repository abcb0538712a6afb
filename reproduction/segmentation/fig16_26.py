"""Curves of training, chapters 3 and 4: the thesis' Figures 16 and 26.

python reproduction/segmentation/fig16_26.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

Six snapshots of each training, on validation images; TH and WT with the pair of thresholds that is
best at the end.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import measures
import table2_3
import table4_5
from seamwise.analysis import Claim, claim_of_fact, verdict_table
from study import Study, command
from units import Units, per_data_set

SETS = ("usiigaci", "dsb2018")
SYSTEMS = {
    **table2_3.SYSTEMS,
    **{name: loss for name, loss in table4_5.SYSTEMS.items() if name != "COMB"},
    "J4": "j4",
}

DECODERS = ("MAP", "TH", "WT")


def column(units: Units, loss: str, name: str) -> list[float]:
    """Return one number of each snapshot, the mean over the seeds."""

    def values(unit: Mapping[str, Any]) -> list[float]:
        return [snapshot[name] for snapshot in unit["snapshots"]]

    means = np.mean([values(unit) for unit in units.of(loss)], axis=0)
    return [float(value) for value in means]


def steps(units: Units, loss: str) -> list[int]:
    """Return the steps of the snapshots."""
    return [snapshot["step"] for snapshot in units.of(loss)[0]["snapshots"]]


def draw(units: Units, path: Path) -> None:
    """Draw SAW's loss and accuracy, accuracies of chapter 3, PQ of chapter 4 by each decoder."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    panels = figure.subplots(2, 3)
    (saw, accuracy, key), decoders = panels
    values = units.of("saw")[0]["loss"]
    saw.plot(measures.RATE * np.arange(len(values)), values, color="tab:red", lw=0.8)
    saw.set(title="A  SAW: loss (red) and balanced accuracy (blue)", xlabel="step", ylabel="loss")
    recall = saw.twinx()
    recall.plot(steps(units, "saw"), column(units, "saw", "recall"), "o-", color="tab:blue")
    recall.set(ylabel="balanced accuracy", ylim=(0, 1))
    of_chapter_3 = {name: loss for name, loss in table2_3.SYSTEMS.items() if units.of(loss)}
    _lines(accuracy, units, of_chapter_3, "recall")
    accuracy.set(title="B  chapter 3: balanced accuracy", ylim=(0, 1))
    accuracy.legend(fontsize="small", ncols=2)
    key.axis("off")
    of_chapter_4 = {
        name: loss
        for name, loss in SYSTEMS.items()
        if units.of(loss) and name in (*table4_5.SYSTEMS, "J4")
    }
    top = max(max(column(units, loss, "WT")) for loss in of_chapter_4.values())
    for panel, decoder in zip(decoders, DECODERS, strict=True):
        _lines(panel, units, of_chapter_4, decoder)
        panel.set(title=f"chapter 4 and J4: PQ, {decoder}", ylim=(0, max(1.05 * top, 0.1)))
    key.legend(*decoders[0].get_legend_handles_labels(), loc="lower center", title="below", ncols=3)
    figure.savefig(path, dpi=90)


def _lines(panel: Axes, units: Units, systems: dict[str, str], what: str) -> None:
    for name, loss in systems.items():
        panel.plot(steps(units, loss), column(units, loss, what), "o-", label=name)
    panel.set_xlabel("step")


def claims(units: Units) -> list[Claim]:
    """Judge what the text says of both figures; by means alone, without a test."""
    values = units.of("saw")[0]["loss"]
    tenth = max(len(values) // 10, 1)
    first, last = float(np.mean(values[:tenth])), float(np.mean(values[-tenth:]))
    verdicts = [
        claim_of_fact(
            "SAW's loss tends to fall", last < first, f"first tenth {first:.3f}, last {last:.3f}"
        )
    ]
    three = {name: loss for name, loss in table2_3.SYSTEMS.items() if name != "UNET2"}
    accuracy = {name: column(units, loss, "recall")[-1] for name, loss in three.items()}
    leaders = set(sorted(accuracy, key=lambda name: -accuracy[name])[:2])
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items())
    text = "DWM and SAW end with the highest accuracy (of those with three classes)"
    verdicts.append(claim_of_fact(text, leaders == {"DWM", "SAW"}, numbers))
    rivals = {name: table4_5.SYSTEMS[name] for name in ("LSMAX", "BWM", "UNET", "W³")}
    for decoder in DECODERS:
        mean = {name: float(np.mean(column(units, loss, decoder))) for name, loss in rivals.items()}
        numbers = "PQ, mean over the snapshots: " + ", ".join(
            f"{name} {value:.3f}" for name, value in mean.items()
        )
        verdicts.append(
            claim_of_fact(
                f"W³ is ahead during training, {decoder}",
                max(mean, key=mean.__getitem__) == "W³",
                numbers,
            )
        )
    return verdicts


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""

    def part(name: str, units: Units) -> Iterable[str]:
        draw(units, pictures / f"fig16_26-{name}.png")
        return f"![curves of training](images/fig16_26-{name}.png)", verdict_table(claims(units))

    return per_data_set(results, "curve", SETS, part, needs=SYSTEMS.values())


def main() -> None:
    """Measure what is missing."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed, name, loss in product(
        arguments.seeds, arguments.sets, dict.fromkeys(SYSTEMS.values())
    ):
        measures.training_curve(study, name, loss, seed)


if __name__ == "__main__":
    command(main)
