"""What the gap class brings, and how far a network reaches: the thesis' Table 7 and Figure 28.

python reproduction/segmentation/table7.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

J3 and J4, and W³ for Figure 28, on the data set they were trained on and on the others, which they
have never seen: as these are, and with their cells made as large as those of the training.
"""

from dataclasses import replace
from pathlib import Path

import measures
import table6
from seamwise.analysis import Claim, holm_corrected, markdown_table, p_text, verdict_table
from study import Study, command
from table6 import BACKGROUND
from units import Units

SETS = ("usiigaci", "dsb2018", "cells", "cells3d")
SYSTEMS = {"J3": "j3", "J4": "j4"}
STACKS = ("cells3d", "gonuclear3d", "qcanet3d")


def others(name: str) -> tuple[str, ...]:
    """List the data sets that a network of this one is tried on."""
    of_its_kind = STACKS if name in STACKS else [other for other in SETS if other not in STACKS]
    return tuple(other for other in of_its_kind if other != name)


PRINTED = {  # RQ, SQ, PQ
    "DIC": {"J3": (0.8950, 0.8547, 0.7633), "J4": (0.8884, 0.8833, 0.7841)},
    "HELA, zero-shot": {"J3": (0.8527, 0.8475, 0.7237), "J4": (0.9046, 0.8574, 0.7764)},
    "TCELLS": {"J3": (0.9069, 0.8733, 0.7921), "J4": (0.9353, 0.8689, 0.8132)},
    "MERISTEM 3D": {"J3": (0.8829, 0.8820, 0.7787), "J4": (0.8947, 0.8804, 0.7878)},
}
METRICS = ("RQ", "SQ", "PQ")


def own_table(results: Path) -> str:
    """Write J3 and J4 where they were trained; J4 with its gap pixels as background as well."""
    lines = []
    for name in SETS:
        units = Units.read(results, "instances", name)
        rule = {"J3": ("j3", "MAP"), "J4": ("j4", "MAP"), f"J4, {BACKGROUND}": ("j4", "MAP+gap")}
        for system, path in rule.items():
            if units.of(path[0]):
                cells = [units.cell(*path, metric=metric) for metric in METRICS]
                lines.append([f"{system} on {name}", *cells])
    for name, systems in PRINTED.items():
        for system, values in systems.items():
            lines.append([f"thesis: {system} on {name}", *(f"{value:.3f}" for value in values)])
    return markdown_table(["", *METRICS], lines)


def foreign_table(results: Path) -> str:
    """Write PQ on data that a network has never seen: as they are, and rescaled."""
    lines = []
    for name in SETS:
        units = Units.read(results, "zero_shot", name)
        for other in others(name):
            for system, loss in (*SYSTEMS.items(), ("W³", "w3")):
                key = f"{other}/{loss}"
                if units.of(key):
                    cells = [units.cell(key, how, metric="PQ") for how in ("as it is", "rescaled")]
                    lines.append(
                        [f"{system}, {name} → {other}", *cells, f"{units.of(key)[0]['scale']}"]
                    )
    return markdown_table(["", "PQ as it is", "PQ rescaled", "by"], lines) if lines else ""


def claims(results: Path) -> tuple[list[Claim], ...]:
    """Judge J4 > J3 on each data set, with the gap as background, and on unseen data sets.

    A comparison is judged once: the verdict of one that Table 6 lists is that of Table 6.
    """
    own: list[Claim] = []
    background: list[Claim] = []
    foreign: list[Claim] = []
    for name in SETS:
        units = Units.read(results, "instances", name)
        if units.of("j3") and units.of("j4"):
            own.append(
                of_table_6(name, units)
                if name in table6.SETS
                else units.above(f"J4 > J3 on {name}", ("j4", "MAP"), ("j3", "MAP"))
            )
            text = f"(not in the thesis) J4 > J3 on {name}, {BACKGROUND}"
            background.append(units.above(text, ("j4", "MAP+gap"), ("j3", "MAP")))
    for name in SETS:
        units = Units.read(results, "zero_shot", name)
        for other in others(name):
            if units.of(f"{other}/j4"):
                text = f"J4 > J3, zero-shot, {name} → {other}, rescaled"
                foreign.append(
                    units.above(text, (f"{other}/j4", "rescaled"), (f"{other}/j3", "rescaled"))
                )
    return own, background, foreign


def of_table_6(name: str, units: Units) -> Claim:
    """Return J4 > J3 as Table 6 judges it, with its p among the numbers."""
    judged = holm_corrected(table6.claims_of_thesis(units))
    claim = next(claim for claim in judged if claim.text == "J4 > J3 by arg max")
    p_value = "" if claim.p_value is None else f"; p {p_text(claim.p_value)}, as in Table 6"
    return replace(
        claim, text=f"J4 > J3 on {name}", numbers=f"{claim.numbers}{p_value}", p_value=None
    )


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    return "\n\n".join(
        [own_table(results), foreign_table(results), verdict_table(*claims(results))]
    )


def main() -> None:
    """Measure what is missing."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed in arguments.seeds:
        for name in arguments.sets:
            for loss in SYSTEMS.values():
                measures.instances(study, name, loss, seed)
            for loss in (*SYSTEMS.values(), *(("w3",) if name == "usiigaci" else ())):
                for other in others(name):
                    measures.zero_shot(study, name, loss, seed, other)


if __name__ == "__main__":
    command(main)
