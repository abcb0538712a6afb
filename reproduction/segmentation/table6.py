"""Do Youden's losses make arg max enough? The thesis' Table 6 and plain cross entropy.

python reproduction/segmentation/table6.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

AP is the mean over IoU 0.5, 0.55, …, 0.95. Friedman's test and a picture of Nemenyi's compare all
losses by arg max. Cells that touch are also counted by themselves: most cells of a data set do not,
and tell nothing of seams.
"""

from collections.abc import Iterable
from itertools import pairwise, product
from pathlib import Path

import numpy as np

import measures
from seamwise.analysis import (
    FEWEST_CASES,
    Claim,
    bold_maximum,
    critical_difference_diagram,
    friedman,
    markdown_table,
    nemenyi,
    p_text,
    spread_text,
    verdict_table,
)
from study import Study, command
from units import BALANCED, Unit, Units, per_data_set

SETS = ("usiigaci", "dsb2018", "cells")
SYSTEMS = {
    "CE3": "ce3",
    "CE4": "ce4",
    "BWM": "bwm",
    "DSC": "dsc",
    "W³": "w3",
    "J3": "j3",
    "J4": "j4",
}

SHOWN = {**SYSTEMS, **BALANCED}
OTHERS = {
    "UNET": "unet",
    "LSMAX": "lsmax",
    "COMB": "comb",
    "DWM": "dwm",
    "SAW": "saw",
}  # of table4_5, table2_3

METRICS = ("P05", "RQ", "SQ", "PQ")
PRINTED = {  # P05, RQ, SQ, PQ on the T-cells
    ("BWM", "MAP"): (0.6756, 0.5580, 0.8674, 0.4858),
    ("DSC", "MAP"): (0.9028, 0.7674, 0.9011, 0.6923),
    ("W³", "MAP"): (0.7384, 0.6305, 0.8721, 0.5513),
    ("BWM", "WT"): (0.8193, 0.8405, 0.8831, 0.7437),
    ("DSC", "WT"): (0.8726, 0.8269, 0.8925, 0.7390),
    ("W³", "WT"): (0.9028, 0.8775, 0.8995, 0.7896),
    ("J3", "MAP"): (0.9127, 0.9069, 0.8733, 0.7921),
    ("J4", "MAP"): (0.9334, 0.9353, 0.8689, 0.8132),
}
BACKGROUND = "gap as background"  # not as its second class, as the thesis decodes it
ORDER = ("J4", "J3", "DSC", "W³", "BWM")  # by PQ, under arg max


def table(units: Units) -> str:
    """Write P05, RQ, SQ, PQ and AP of every loss, by arg max and by the tuned watershed."""
    lines = []
    systems = {name: loss for name, loss in SHOWN.items() if units.of(loss)}
    by_max = [(name, loss, "MAP") for name, loss in systems.items()]
    by_max += [
        (f"{name}, {BACKGROUND}", systems[name], "MAP+gap")
        for name in ("CE4", "J4")
        if name in systems
    ]
    for rows in (by_max, [(name, loss, "WT") for name, loss in systems.items()]):
        quality = bold_maximum([units.cell(loss, rule, metric="PQ") for _, loss, rule in rows])
        for (name, loss, rule), best in zip(rows, quality, strict=True):
            cells = [units.cell(loss, rule, metric=metric) for metric in METRICS[:-1]]
            reference = PRINTED.get((name.removesuffix(", N / n"), rule))
            thesis = f"{reference[-1]:.3f}" if reference else ""
            decoder = "WT" if rule == "WT" else "MAP"
            lines.append(
                [f"{name}, {decoder}", *cells, best, units.cell(loss, rule, metric="AP"), thesis]
            )
    return markdown_table(["", *METRICS, "AP", "thesis' PQ"], lines)


def claims(units: Units) -> tuple[list[Claim], list[Claim]]:
    """Judge what the thesis says about arg max and the watershed, and our own questions."""
    return claims_of_thesis(units), our_claims(units)


def claims_of_thesis(units: Units) -> list[Claim]:
    """Judge the order of the losses, arg max against watershed, and what the watershed gains."""
    order = [
        units.above(f"{a} > {b} by arg max", (SYSTEMS[a], "MAP"), (SYSTEMS[b], "MAP"))
        for a, b in pairwise(ORDER)
    ]
    others = ("BWM", "DSC", "W³")
    argmax_claims = [
        units.above(
            f"{name} by arg max > {other} by watershed",
            (SYSTEMS[name], "MAP"),
            (SYSTEMS[other], "WT"),
        )
        for name in ("J3", "J4")
        for other in others
    ]
    gain_claims = [
        units.above(f"the watershed helps {name}", (SYSTEMS[name], "WT"), (SYSTEMS[name], "MAP"))
        for name in others
    ]
    return [*order, *argmax_claims, *gain_claims]


def our_claims(units: Units) -> list[Claim]:
    """Judge what the thesis does not ask: plain cross entropy, and the gap as background."""
    pairs_by_text = {
        "J3 > CE3 by arg max": (("j3", "MAP"), ("ce3", "MAP")),
        "J4 > CE4 by arg max": (("j4", "MAP"), ("ce4", "MAP")),
        f"J4, {BACKGROUND} > J4": (("j4", "MAP+gap"), ("j4", "MAP")),
        f"J4, {BACKGROUND} > CE3": (("j4", "MAP+gap"), ("ce3", "MAP")),
        f"J4, {BACKGROUND} > DSC": (("j4", "MAP+gap"), ("dsc", "MAP")),
        "the watershed helps J3": (("j3", "WT"), ("j3", "MAP")),
        "the watershed helps J4": (("j4", "WT"), ("j4", "MAP")),
        "J4 > CE3 by watershed": (("j4", "WT"), ("ce3", "WT")),
        "J4 > DSC by watershed": (("j4", "WT"), ("dsc", "WT")),
    }
    return [
        units.above(f"(not in the thesis) {text}", *pair) for text, pair in pairs_by_text.items()
    ]


def touching_table(units: Units) -> str:
    """Write the share of touching cells that each decoder finds, pooled over the test images."""

    def share(loss: str, rule: str) -> str:
        return spread_text([share_found(unit, rule) for unit in units.of(loss) if rule in unit])

    lines = []
    for name, loss in {**SYSTEMS, **OTHERS}.items():
        if units.of(loss):
            shares = [share(loss, rule) for rule in ("MAP", "MAP+gap", "TH", "WT")]
            lines.append([name, *shares])
    return (
        markdown_table(["touching cells found", "MAP", f"MAP, {BACKGROUND}", "TH", "WT"], lines)
        if lines
        else ""
    )


def share_found(unit: Unit, rule: str) -> float:
    """Return the recall of the touching cells."""
    return float(np.sum(unit[rule]["tp"]) / max(np.sum(unit[rule]["n_true"]), 1))


def ranks(units: Units, picture: Path) -> str:
    """Write Friedman's test over all losses by arg max, and a picture of Nemenyi's."""
    systems = {name: loss for name, loss in SYSTEMS.items() if units.of(loss)}
    seeds = (
        set.intersection(*(set(units.by_seed(loss)) for loss in systems.values()))
        if systems
        else set()
    )
    if len(systems) < 3 or not seeds:
        return ""
    scores = {
        name: units.images(loss, "MAP", metric="PQ", seeds=seeds) for name, loss in systems.items()
    }
    if min(map(len, scores.values())) < FEWEST_CASES:
        return ""
    quality = np.stack(list(scores.values()), axis=1)
    critical_difference_diagram(list(scores), nemenyi(quality)).savefig(picture, dpi=100)
    p_value, seed_list = p_text(friedman(quality).p_value), ", ".join(map(str, sorted(seeds)))
    return (
        f"Friedman's test over all by arg max, seeds {seed_list}: p {p_value}. Mean ranks, "
        "the lowest is the best; losses "
        f"under a common bar do not differ significantly by Nemenyi's test.\n\n"
        f"![mean ranks of the losses](images/{picture.name})\n"
    )


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""

    def part(name: str, units: Units) -> Iterable[str]:
        share_table = touching_table(Units.read(results, "touching", name))
        return (
            table(units.with_balanced(results, name)),
            share_table,
            verdict_table(*claims(units)),
            ranks(units, pictures / f"table6-{name}.png"),
        )

    return per_data_set(results, "instances", SETS, part)


def main() -> None:
    """Measure what is missing."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed, name, loss in product(arguments.seeds, arguments.sets, SYSTEMS.values()):
        measures.touching(study, name, loss, seed)


if __name__ == "__main__":
    command(main)
