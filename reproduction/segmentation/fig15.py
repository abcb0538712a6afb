"""Contours when the field of view grows: the thesis' Figure 15, from what table2_3.py has measured.

python reproduction/segmentation/table2_3.py ../shared/data

The test images with 1, 1.1, 2 and 4 times the field of view, that is with that many times fewer pixels along each axis.
"""

from pathlib import Path

from matplotlib.figure import Figure

from evidence import Claim, Units, judged, verdicts
from measures import RADII
from study import read_protocol
from table2_3 import SETS, SYSTEMS, contour_f1

FIELDS = read_protocol()["contours"]["fields"]
RADIUS = 3  # that the claims are judged at
PROPOSED, OTHERS = ("SAW", "DWM"), ("UNET2", "UNET3", "FL")


def draw(units: Units, path: Path) -> None:
    """F1 over the radius, a panel for each field of view."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    panels = figure.subplots(1, len(FIELDS), sharey=True)
    for panel, field in zip(panels, FIELDS, strict=True):
        for name, loss in SYSTEMS.items():
            panel.plot(RADII, contour_f1(units, loss, f"{field}X").mean(axis=0), "o-", ms=3, label=name)
        panel.set(title=f"{field:g}X", xlabel="radius in pixels", ylim=(0, 1))
    panels[0].set_ylabel("F1 of contours")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, dpi=90)


def claims(units: Units) -> list[Claim]:
    """The better of SAW and DWM beside the best of the others in each field; and what becomes of FL in a wide one."""
    at = {
        (field, name): contour_f1(units, loss, f"{field}X")[:, RADII.index(RADIUS)]
        for field in FIELDS
        for name, loss in SYSTEMS.items()
    }
    made = []
    for field in FIELDS:
        mean = {name: at[field, name].mean() for name in SYSTEMS}
        first, second = (max(names, key=mean.__getitem__) for names in (PROPOSED, OTHERS))
        text = f"{field:g}X: SAW or DWM (here {first}) > the others (here {second})"
        made.append(judged(text, at[field, first], at[field, second], metric=f"F1 at radius {RADIUS}"))
    for field in FIELDS[2:]:
        mean = {name: at[field, name].mean() for name in SYSTEMS if name != "FL"}
        other = min(mean, key=mean.__getitem__)
        text = f"{field:g}X: FL is poor: the worst of the others (here {other}) > FL"
        made.append(judged(text, at[field, other], at[field, "FL"], metric=f"F1 at radius {RADIUS}"))
    return made


def section(results: Path, pictures: Path) -> str:
    """The part of the report."""
    parts = []
    for name in SETS:
        units = Units.read(results, "contours", name)
        if all(units.of(loss) for loss in SYSTEMS.values()):
            draw(units, pictures / f"fig15-{name}.png")
            parts += [f"**{name}**", f"![F1 by field of view](images/fig15-{name}.png)", verdicts(claims(units))]
    return "\n\n".join(parts)
