"""Is the thesis wrong, or the network too small? The order of the losses against width and steps.

python reproduction/segmentation/scaling.py ../shared/data [--sets dsb2018] [--quick]
python reproduction/segmentation/scaling.py ../shared/data --estimate

Losses of Table 6, W³ balanced by N / n, with arg max and watershed. Table 6 has networks of one
size too: those that it has measured are not trained again. What costs least comes first, so that a
run which is stopped leaves whole curves. Run again, it resumes within a training and measures
nothing twice. --estimate trains a few steps of each width, keeps nothing, and says how
long the rest would take.
"""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import measures
from seamwise.analysis import Claim, markdown_table, verdict_table
from seamwise.segmentation import train
from study import Study, Variant, command, read_protocol
from table6 import SYSTEMS
from units import BALANCED, Units

SETS = ("dsb2018", "usiigaci")
NAMES = {loss: name for name, loss in SYSTEMS.items()}
DECODERS = ("MAP", "WT")
GAP = "MAP+gap"  # arg max, gap as background
TABLE_6 = {"w3": BALANCED["W³, N / n"]}  # where its measurements have another name than the loss
PAIRS = (("j4", "j3"), ("j3", "dsc"), ("dsc", "w3"), ("w3", "bwm"), ("j4", "ce3"), ("j3", "ce3"))
ORDERS = (  # what is compared at all sizes: the first with the second
    *((f"{NAMES[a]} over {NAMES[b]}", (a, "MAP"), (b, "MAP")) for a, b in PAIRS),
    *(
        (f"J4, gap as background, over {NAMES[b]}", ("j4", GAP), (b, "MAP"))
        for b in ("j3", "dsc", "ce3")
    ),
)
TIMED = 4  # steps of an estimate, after a first one


@dataclass(frozen=True, order=True)
class Size:
    """Width of a network and steps of its training."""

    steps: int
    width: int

    def __str__(self) -> str:
        return f"width {self.width}, {self.steps} steps"

    @property
    def slug(self) -> str:
        """Its name in keys and folders."""
        return f"width{self.width}-steps{self.steps}"


@dataclass(frozen=True)
class Cell:
    """One network of the study."""

    size: Size
    loss: str
    seed: int

    @property
    def cost(self) -> int:
        """About proportional to the time of its training."""
        return self.size.steps * self.size.width**2

    @property
    def variant(self) -> Variant:
        """What it has that the protocol's networks have not."""
        steps = self.size.steps
        changes: dict[str, Any] = {
            "width": self.size.width,
            "steps": steps,
            "validate_every": steps,
            "snapshot_every": max(steps // 6, 1),  # each with a checkpoint to resume from
        }
        if self.loss == "w3":
            changes["weights"] = {"balance": "frequency"}
        return Variant("scaling", self.size.slug, changes)


def cells(described: Mapping[str, Any]) -> list[Cell]:
    """List the networks that the protocol asks for: those that cost least first, then by seed."""
    planned = [
        Cell(Size(int(steps), width), loss, seed)
        for steps, seeds in described["steps"].items()
        for width in described["widths"]
        for loss in described["losses"]
        for seed in seeds
    ]
    longest = described["longest"]
    planned += [
        Cell(Size(longest["steps"], longest["width"]), loss, seed)
        for loss in longest["losses"]
        for seed in longest["seeds"]
    ]
    return sorted(planned, key=lambda cell: (cell.cost, cell.seed))


def key(size: Size, loss: str) -> str:
    """Name of the measurements of a loss at a size."""
    return f"{size.slug}/{loss}"


def with_table_6(results: Path, name: str, protocol: Mapping[str, Any]) -> Units:
    """Return the measurements of a data set, those of Table 6's networks among them."""
    settings = {**protocol["training"], **protocol["sets"][name]["training"]}
    size = Size(settings["steps"], settings["width"])
    table = Units.read(results, "instances", name).with_balanced(results, name)
    units = {
        f"{key(size, loss)}/{seed}": unit
        for loss in protocol["scaling"]["losses"]
        for seed, unit in table.by_seed(TABLE_6.get(loss, loss)).items()
    }
    return Units({**units, **Units.read(results, "scaling", name).content})


def sizes(units: Units) -> list[Size]:
    """List the sizes with measurements, by steps and width."""
    matches = (re.fullmatch(r"width(\d+)-steps(\d+)/.*", name) for name in units.content)
    return sorted({Size(int(match[2]), int(match[1])) for match in matches if match})


def state(units: Units) -> str:
    """Write which networks are measured, and how many of those that the protocol asks for."""
    planned = cells(read_protocol()["scaling"])
    measured = [
        cell for cell in planned if f"{key(cell.size, cell.loss)}/{cell.seed}" in units.content
    ]
    seeds: dict[Size, Counter[str]] = {}
    for cell in measured:
        seeds.setdefault(cell.size, Counter())[NAMES[cell.loss]] += 1
    lines = []
    for size, counts in seeds.items():
        listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
        lines.append(f"- {size}: {listed}")
    head = f"{len(measured)} of {len(planned)} networks are measured, in brackets how many seeds:"
    return "\n".join([head, "", *lines, "", "The others are not run yet."])


def has_rule(units: Units, loss: str, rule: str) -> bool:
    """Tell whether a loss is measured, with this rule for every seed."""
    measured = units.of(loss)
    return bool(measured) and all(rule in unit for unit in measured)


def table(units: Units) -> str:
    """Write PQ of each loss at each size, by arg max and by watershed."""

    def cell(loss: str, rule: str) -> str:
        return units.cell(loss, rule, metric="PQ") if has_rule(units, loss, rule) else "—"

    rules = ("MAP", GAP, "WT")
    lines = []
    for size, (name, loss) in product(sizes(units), SYSTEMS.items()):
        if units.of(key(size, loss)):
            lines.append([f"{name}, {size}", *(cell(key(size, loss), rule) for rule in rules)])
    head = ["PQ, MAP", "PQ, MAP, gap as background", "PQ, WT"]
    return markdown_table(["", *head], lines)


def leads(units: Units, first: Sequence[str], second: Sequence[str]) -> dict[Size, float]:
    """Return by how much PQ of the first (a loss and a rule) is higher, at each size of both."""
    found = {}
    for size in sizes(units):
        a, b = (key(size, loss) for loss in (first[0], second[0]))
        seeds = units.by_seed(a).keys() & units.by_seed(b).keys()
        if seeds and has_rule(units, a, first[1]) and has_rule(units, b, second[1]):
            images = (
                units.images(name, rule, metric="PQ", seeds=seeds)
                for name, rule in ((a, first[1]), (b, second[1]))
            )
            found[size] = float(np.subtract(*images).mean())
    return found


def lead_table(units: Units) -> str:
    """Write the lead in PQ of one loss over another by arg max: a line each, a column a size."""
    columns = sizes(units)
    lines = []
    for text, first, second in ORDERS:
        found = leads(units, first, second)
        if found:
            cells = [f"{found[size]:+.3f}" if size in found else "—" for size in columns]
            lines.append([text, *cells])
    return markdown_table(["lead in PQ by arg max", *map(str, columns)], lines)


def trend(units: Units, first: str, second: str) -> str:
    """Write at how many sizes the first loss is ahead by arg max, and by how much."""
    found = [*leads(units, (first, "MAP"), (second, "MAP")).values()]
    if not found:
        return "*not measured yet*"
    ahead = sum(lead > 0 for lead in found)
    return f"ahead at {ahead} of {len(found)} sizes ({min(found):+.3f} to {max(found):+.3f} PQ)"


def verdicts(units: Units) -> str:
    """Write the verdict, PQ and p of each order of two losses by arg max, for each size.

    p is corrected for the claims of a size.
    """

    def claims(size: Size) -> list[Claim]:
        measured = [loss for loss in SYSTEMS.values() if units.of(key(size, loss))]
        pairs = [(a, b) for a, b in PAIRS if a in measured and b in measured]
        return [claim(size, *pair) for pair in pairs]

    def claim(size: Size, first: str, second: str) -> Claim:
        text = f"{size}: {NAMES[first]} > {NAMES[second]}"
        return units.above(text, (key(size, first), "MAP"), (key(size, second), "MAP"))

    return verdict_table(*map(claims, sizes(units)))


@dataclass(frozen=True)
class Curve:
    """Sizes that differ in one of width and steps.

    Attributes
    ----------
    title : str
        What they have in common.
    axis : str
        "width" or "steps".
    sizes : tuple of Size
        Two or more.
    """

    title: str
    axis: str
    sizes: tuple[Size, ...]

    def numbers(self, sizes: Iterable[Size]) -> list[int]:
        """Return the places of sizes along the axis."""
        return [getattr(size, self.axis) for size in sizes]


def curves(units: Units) -> list[Curve]:
    """List what is measured for two widths or more, then for two numbers of steps or more."""
    of_steps: dict[int, list[Size]] = {}
    of_width: dict[int, list[Size]] = {}
    for size in sizes(units):
        of_steps.setdefault(size.steps, []).append(size)
        of_width.setdefault(size.width, []).append(size)
    listed = [Curve(f"{steps:,} steps", "width", tuple(s)) for steps, s in of_steps.items()]
    listed += [Curve(f"width {w}", "steps", tuple(s)) for w, s in sorted(of_width.items())]
    return [curve for curve in listed if len(curve.sizes) > 1]


def draw_losses(panel: Axes, units: Units, curve: Curve, decoder: str) -> None:
    """Draw PQ of each loss along a curve, with the spread over seeds."""
    lines = [(name, loss, decoder, "o-") for name, loss in SYSTEMS.items()]
    if decoder == "MAP":
        lines.append(("J4, gap as background", "j4", GAP, "s--"))
    for name, loss, rule, style in lines:
        measured = [s for s in curve.sizes if has_rule(units, key(s, loss), rule)]
        if not measured:
            continue
        quality = [units.means(key(size, loss), rule, metric="PQ") for size in measured]
        panel.errorbar(
            curve.numbers(measured),
            [np.mean(values) for values in quality],
            [np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in quality],
            fmt=style, capsize=3, label=name,
        )  # fmt: skip
    numbers = curve.numbers(curve.sizes)
    panel.set(title=f"{curve.title}, {decoder}", xlabel=curve.axis, ylabel="PQ", xscale="log")
    panel.set_xticks(numbers, labels=[f"{number:,}" for number in numbers])
    panel.minorticks_off()


def draw(units: Units, path: Path) -> None:
    """Draw PQ over width and steps: a row for each decoder, a column for each curve."""
    columns = curves(units)
    figure = Figure(figsize=(1.5 + 3.6 * len(columns), 6.4), layout="constrained")
    panels = figure.subplots(len(DECODERS), len(columns), squeeze=False, sharey=True)
    for row, decoder in zip(panels, DECODERS, strict=True):
        for panel, curve in zip(row, columns, strict=True):
            draw_losses(panel, units, curve, decoder)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(path, dpi=90)


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""

    protocol = read_protocol()
    parts: list[str] = []
    for name in SETS:
        own = Units.read(results, "scaling", name)
        if not own.content:
            continue
        units = with_table_6(results, name, protocol)
        # networks of Table 6 are judged there: each comparison has one verdict
        parts += [f"**{name}**", state(units), lead_table(units), table(units), verdicts(own)]
        if curves(units):
            draw(units, pictures / f"scaling-{name}.png")
            parts.append(f"![PQ against width and steps](images/scaling-{name}.png)")
    return "\n\n".join(parts)


def seconds_of_step(study: Study, name: str, cell: Cell) -> float:
    """Processor time of a step, the mean of a few after the first, in seconds."""
    data = study.data_set(name)
    changes = {**cell.variant.changes, "steps": TIMED + 2, "validate_every": TIMED + 2}
    settings = replace(data.settings, loss=cell.loss, **{**changes, "snapshot_every": 0})
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            data.training, data.validation[:1], settings,
            output=Path(folder), device=study.device,
            report=lambda progress: ends.append(time.process_time()),
        )  # fmt: skip
    return (ends[TIMED] - ends[0]) / TIMED


def missing(study: Study, name: str, planned: Iterable[Cell]) -> list[Cell]:
    """List the networks that are not measured on a data set yet."""
    study.results_of("scaling", name)  # moves results of another protocol aside
    measured = with_table_6(study.results, name, study.protocol).content
    return [cell for cell in planned if f"{key(cell.size, cell.loss)}/{cell.seed}" not in measured]


def estimate(study: Study, names: Iterable[str], left: Mapping[str, list[Cell]]) -> None:
    """Print the processor time that the trainings would take, without decoding and scoring."""
    total = 0.0
    for name in names:
        for width in sorted({cell.size.width for cell in left[name]}):
            those = [cell for cell in left[name] if cell.size.width == width]
            per_step = seconds_of_step(study, name, those[0])
            hours = per_step * sum(cell.size.steps for cell in those) / 3600
            total += hours
            print(f"{name}, width {width}: {per_step:.2f} s a step, {hours:.1f} hours", flush=True)
    print(f"together {total:.1f} hours of processor time on {study.machine}")


def main() -> None:
    """Measure what is missing, or estimate how long that takes."""
    option = {"action": "store_true", "help": "train nothing: say how long it would take"}
    study, arguments = Study.from_command(__doc__, sets=SETS, options={"--estimate": option})
    planned = cells(study.protocol["scaling"])
    left = {name: missing(study, name, planned) for name in arguments.sets}
    if arguments.estimate:
        estimate(study, arguments.sets, left)
        return
    for cell in planned:
        for name in arguments.sets:
            if cell in left[name]:
                measures.instances(study, name, cell.loss, cell.seed, cell.variant)


if __name__ == "__main__":
    command(main)
