"""Contours when the field of view grows: the thesis' Figure 15, from what table2_3.py has measured.

python reproduction/segmentation/table2_3.py ../shared/data

The test images with 1, 1.1, 2 and 4 times the field of view, that is with that many times fewer pixels along each axis.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import measures
from evidence import Claim, Units, verdicts
from table2_3 import SETS, SYSTEMS, contour_f1

RADIUS = 3  # that the claims are judged at


def draw(units: Units, path: Path) -> None:
    """F1 over the radius, a panel for each field of view."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    panels = figure.subplots(1, len(measures.FIELDS), sharey=True)
    for panel, field in zip(panels, measures.FIELDS, strict=True):
        for name, loss in SYSTEMS.items():
            panel.plot(measures.RADII, contour_f1(units, loss, f"{field}X").mean(axis=0), "o-", ms=3, label=name)
        panel.set(title=f"{field:g}X", xlabel="radius in pixels", ylim=(0, 1))
    panels[0].set_ylabel("F1 of contours")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, dpi=90)


def claims(units: Units) -> list[Claim]:
    """SAW and DWM lead in most fields; a wide field is the end of FL."""
    at = {
        (field, name): float(contour_f1(units, loss, f"{field}X")[:, measures.RADII.index(RADIUS)].mean())
        for field in measures.FIELDS
        for name, loss in SYSTEMS.items()
    }
    leaders = [max(SYSTEMS, key=lambda name: at[field, name]) for field in measures.FIELDS]
    ours = np.isin(leaders, ("SAW", "DWM")).sum()
    numbers = ", ".join(f"{field:g}X: {name}" for field, name in zip(measures.FIELDS, leaders, strict=True))
    lost = {name: at[4.0, name] / max(at[1.0, name], 1e-9) for name in SYSTEMS}
    return [
        Claim(
            f"SAW or DWM is the best in most fields (radius {RADIUS})",
            "holds" if ours > len(leaders) / 2 else "does not hold",
            f"best at {numbers}",
        ),
        Claim(
            "FL suffers the most in a large field",
            "holds" if min(lost, key=lambda name: lost[name]) == "FL" else "does not hold",
            "F1 kept at 4X: " + ", ".join(f"{name} {share:.0%}" for name, share in lost.items()),
        ),
    ]


def section(results: Path, pictures: Path) -> str:
    """The part of the report."""
    parts = []
    for name in SETS:
        units = Units.read(results, "contours", name)
        if all(units.of(loss) for loss in SYSTEMS.values()):
            draw(units, pictures / f"fig15-{name}.png")
            parts += [f"**{name}**", f"![F1 by field of view](images/fig15-{name}.png)", verdicts(claims(units))]
    return "\n\n".join(parts)
