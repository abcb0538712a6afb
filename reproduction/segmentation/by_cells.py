"""Does J that counts cells find more of them than J that counts pixels? J4 with `weights.pieces`.

python reproduction/segmentation/by_cells.py ../shared/data [--seeds 0] [--quick]

Twice the steps of the protocol; a power of 0 is J4 as it is. Run again, it resumes, and measures
nothing twice.
"""

from pathlib import Path

import measures
from seamwise.analysis import markdown_table
from seamwise.words import SystemName
from study import DataSet, Study, Variant, command
from units import Units

SETS = ("dsb2018",)
POWERS = (0.0, 0.5, 1.0)
LONGER = 2  # times the steps of the protocol


def loss_of(power: float) -> SystemName:
    """The loss with a power."""
    return "j4_cells" if power else "j4"


def variant(power: float, data: DataSet) -> Variant:
    """What differs from the protocol."""
    steps = LONGER * data.settings.steps
    changes = {"steps": steps, "validate_every": steps, "snapshot_every": max(steps // 4, 1)}
    if power:
        changes["weights"] = {"power": power}
    return Variant("by_cells", f"power{power:g}", changes)


def table(units: Units) -> str:
    """Write PQ and AP by arg max and by watershed, mean and spread over the seeds."""
    lines = []
    for power in POWERS:
        key = f"power{power:g}/{loss_of(power)}"
        if units.of(key):
            scores = [
                units.cell(key, rule, metric=metric)
                for metric in ("PQ", "AP")
                for rule in ("MAP", "WT")
            ]
            lines.append([f"{power:g}", str(len(units.of(key))), *scores])
    head = [f"{metric}, {rule}" for metric in ("PQ", "AP") for rule in ("MAP", "WT")]
    return markdown_table(["power", "seeds", *head], lines)


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    return "\n\n".join(table(Units.read(results, "by_cells", name)) for name in SETS)


def main() -> None:
    """Measure what is missing, and print the table."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed in arguments.seeds:
        for name in arguments.sets:
            for power in POWERS:
                chosen = variant(power, study.data_set(name))
                measures.instances(study, name, loss_of(power), seed, chosen)
    print("\n\n".join(table(Units.read(study.results, "by_cells", one)) for one in arguments.sets))


if __name__ == "__main__":
    command(main)
