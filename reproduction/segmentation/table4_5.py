"""Three decoders on chapter 4's systems: the thesis' Tables 4 and 5.

python reproduction/segmentation/table4_5.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

Arg max (MAP), thresholded maps (TH) and watershed (WT), the last two with the best pair of
thresholds on validation images, scored on test images. COMB averages the probabilities of BWM, UNET
and W³; the thesis' second softmax is dropped, since with it the thresholds of its Table 5 could
not be reached (see nets.Average).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

import measures
from seamwise.analysis import (
    Claim,
    bold_columns,
    spread_text,
    table_with_reference,
    verdict_table,
)
from study import Study, command
from units import BALANCED, Units, per_data_set

SETS = ("usiigaci", "dsb2018")
SYSTEMS = {"LSMAX": "lsmax", "BWM": "bwm", "UNET": "unet", "W³": "w3", "COMB": "comb"}

SHOWN = {**SYSTEMS, **BALANCED}
DECODERS = ("MAP", "TH", "WT")
METRICS = ("P05", "RQ", "SQ", "PQ")
PRINTED = {  # P05, RQ, SQ, PQ by each decoder, on the T-cells
    "LSMAX": (
        0.3871,
        0.3236,
        0.7455,
        0.2408,
        0.4348,
        0.3119,
        0.7171,
        0.2286,
        0.4000,
        0.3149,
        0.7073,
        0.2237,
    ),
    "BWM": (
        0.6756,
        0.5580,
        0.8674,
        0.4858,
        0.8583,
        0.8504,
        0.8769,
        0.7476,
        0.8193,
        0.8405,
        0.8831,
        0.7437,
    ),
    "UNET": (
        0.6801,
        0.5381,
        0.8418,
        0.4556,
        0.8413,
        0.8508,
        0.8791,
        0.7492,
        0.8708,
        0.8600,
        0.8850,
        0.7621,
    ),
    "W³": (
        0.7384,
        0.6305,
        0.8721,
        0.5513,
        0.8477,
        0.8439,
        0.8994,
        0.7604,
        0.9028,
        0.8775,
        0.8995,
        0.7896,
    ),
    "COMB": (
        0.7587,
        0.6129,
        0.8698,
        0.5351,
        0.8952,
        0.8851,
        0.8908,
        0.7889,
        0.8925,
        0.8759,
        0.8944,
        0.7837,
    ),
}
THRESHOLDS = {  # γ1, γ2, τ0, τ1
    "LSMAX": (0.5, 0.1, 0.5, 0.5),
    "BWM": (0.5, 0.1, 0.3, 0.9),
    "UNET": (0.5, 0.1, 0.6, 0.7),
    "W³": (0.6, 0.2, 0.4, 0.9),
    "COMB": (0.6, 0.1, 0.6, 0.8),
}


def table(units: Units) -> str:
    """Write ours, and below it the thesis' row."""
    systems = {name: loss for name, loss in SHOWN.items() if units.of(loss)}
    scores = list(product(DECODERS, METRICS))

    def column(decoder: str, metric: str) -> list[str]:
        return [units.cell(loss, decoder, metric=metric) for loss in systems.values()]

    columns = [column(decoder, metric) for decoder, metric in scores]
    head = ["", *(" ".join(words) for words in scores)]
    return table_with_reference(head, bold_columns(systems, columns), of_shown(PRINTED))


def thresholds(units: Units) -> str:
    """Write Table 5: the best pairs, ours and the thesis'."""
    ours = {}
    for name, loss in SHOWN.items():
        pairs = [(*unit["pairs"]["TH"][::-1], *unit["pairs"]["WT"]) for unit in units.of(loss)]
        if pairs:
            ours[name] = [spread_text(column, 2) for column in zip(*pairs, strict=True)]
    head = ["", "TH γ1 (cell)", "TH γ2 (touching)", "WT τ0 (background)", "WT τ1 (cell)"]
    return table_with_reference(head, ours, of_shown(THRESHOLDS), digits=2)


def of_shown(printed: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Return the thesis' numbers of each row: those of W³ for both of its balances."""
    return {**printed, **dict.fromkeys(BALANCED, printed["W³"])}


def claims(units: Units) -> tuple[list[Claim], ...]:
    """Judge what section 4.3 says about Table 4, a list for each of its sentences.

    That the watershed helps BWM and W³, and W³ > BWM by arg max, are judged in Table 6.
    """
    gain_claims = [
        units.above(
            f"{decoder} is better than arg max for {name}",
            (SYSTEMS[name], decoder),
            (SYSTEMS[name], "MAP"),
        )
        for decoder, name in product(("TH", "WT"), ("BWM", "UNET", "W³"))
        if (decoder, name) not in (("WT", "BWM"), ("WT", "W³"))
    ]
    lead_claims = [
        units.above(f"W³ > {other} by {decoder}", ("w3", decoder), (SYSTEMS[other], decoder))
        for decoder, other in product(DECODERS, ("BWM", "UNET"))
        if (decoder, other) != ("MAP", "BWM")
    ]
    ensemble_claims = [
        units.above(f"COMB is the best by TH: > {other}", ("comb", "TH"), (SYSTEMS[other], "TH"))
        for other in ("BWM", "UNET", "W³")
    ]
    adequate = [
        units.above(
            f"W³ has the best SQ: > {other} by WT",
            ("w3", "WT"),
            (SYSTEMS[other], "WT"),
            metric="SQ",
        )
        for other in ("BWM", "UNET", "COMB")
    ]
    poor = [
        units.above(
            f"LSMAX is the worst: {other} > LSMAX by {decoder}",
            (SYSTEMS[other], decoder),
            ("lsmax", decoder),
        )
        for decoder, other in product(DECODERS, ("BWM", "UNET", "W³", "COMB"))
    ]
    return gain_claims, lead_claims, ensemble_claims, adequate, poor


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""

    def part(name: str, units: Units) -> Iterable[str]:
        shown = units.with_balanced(results, name)
        return table(shown), thresholds(shown), verdict_table(*claims(units))

    return per_data_set(results, "instances", SETS, part, needs=SYSTEMS.values())


def main() -> None:
    """Measure what is missing."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed, name, loss in product(arguments.seeds, arguments.sets, SYSTEMS.values()):
        measures.touching(study, name, loss, seed)


if __name__ == "__main__":
    command(main)
