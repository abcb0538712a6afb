"""Contours when the field of view grows: the thesis' Figure 15, from what table2_3.py has measured.

python reproduction/segmentation/table2_3.py ../shared/data

The test images with 1, 1.1, 2 and 4 times the field of view, that is with that many times fewer
pixels along each axis.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from seamwise.analysis import Claim, verdict_table
from study import read_protocol
from table2_3 import SETS, SYSTEMS
from units import CONTOURS, RADII, Units, per_data_set

FIELDS = read_protocol()["contours"]["fields"]
F1 = "F1@3"  # that the claims are judged by
PROPOSED, OTHERS = ("SAW", "DWM"), ("UNET2", "UNET3", "FL")


def draw(units: Units, path: Path) -> None:
    """Draw F1 over the radius, a panel for each field of view."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    panels = figure.subplots(1, len(FIELDS), sharey=True)
    for panel, field in zip(panels, FIELDS, strict=True):
        for name, loss in SYSTEMS.items():
            f1 = [np.mean(units.means(loss, f"{field}X", metric=metric)) for metric in CONTOURS]
            panel.plot(RADII, f1, "o-", ms=3, label=name)
        panel.set(title=f"{field:g}X", xlabel="radius in pixels", ylim=(0, 1))
    panels[0].set_ylabel("F1 of contours")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, dpi=90)


def claims(units: Units) -> list[Claim]:
    """Compare SAW and DWM with the others in each field, and FL in wide and narrow fields."""
    verdicts = []
    for field in FIELDS:
        mean = means(units, field)
        first, second = (max(names, key=mean.__getitem__) for names in (PROPOSED, OTHERS))
        verdicts.append(
            claim_at(
                units,
                field,
                first,
                second,
                f"SAW or DWM (here {first}) > the others (here {second})",
            )
        )
    for field in FIELDS[2:]:
        mean = means(units, field)
        other = min((name for name in SYSTEMS if name != "FL"), key=mean.__getitem__)
        verdicts.append(
            claim_at(
                units,
                field,
                other,
                "FL",
                f"FL is poor: the worst of the others (here {other}) > FL",
            )
        )
    return verdicts


def means(units: Units, field: float) -> dict[str, float]:
    """Return the score of each system in one field of view."""
    return {
        name: float(np.mean(units.means(loss, f"{field}X", metric=F1)))
        for name, loss in SYSTEMS.items()
    }


def claim_at(units: Units, field: float, first: str, second: str, text: str) -> Claim:
    """Judge two systems in one field of view."""
    return units.above(
        f"{field:g}X: {text}",
        *((SYSTEMS[name], f"{field}X") for name in (first, second)),
        metric=F1,
    )


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""

    def part(name: str, units: Units) -> Iterable[str]:
        draw(units, pictures / f"fig15-{name}.png")
        return f"![F1 by field of view](images/fig15-{name}.png)", verdict_table(claims(units))

    return per_data_set(results, "contours", SETS, part, needs=SYSTEMS.values())
