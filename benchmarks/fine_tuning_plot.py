"""The plot of `fine_tuning.py`: scores over the number of annotated images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOTHING = "none"
COLOURS = {"start": "#0072b2", "half": "#009e73", NOTHING: "#d55e00"}
WHOLE_MASKS = {"keep": 1.0, "unlabelled": "background"}
HALF_MASKS = {"keep": 0.5, "unlabelled": "near"}


def curve(
    lines: Sequence[Mapping[str, Any]],
    *,
    from_nothing: bool,
    masks: Mapping[str, Any] = WHOLE_MASKS,
) -> list[Mapping[str, Any]]:
    """Return the longest run of each count, with masks of one kind and usual settings."""
    usual = {"settings": "plain", **masks}
    same = [line for line in lines if line["images"] and line.items() >= usual.items()]
    runs = [line for line in same if (line["start"] == NOTHING) == from_nothing]
    longest = {run["images"]: run for run in sorted(runs, key=lambda run: int(run["steps"]))}
    return [longest[count] for count in sorted(longest)]


def draw(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw PQ and AP over the number of images: from a shipped model, and from nothing.

    The line joins the longest run of each count. The steps stand below the count. Runs with half of
    the cells are dashed; a start as it is has a level.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    runs = [curve(lines, from_nothing=from_nothing) for from_nothing in (False, True)]
    half = curve(lines, from_nothing=False, masks=HALF_MASKS)
    untrained = [line for line in lines if not line["images"]]
    steps = {run["images"]: run["steps"] for run in (*runs[1], *runs[0])}
    top = 1.15 * max(0.1, *(max(line["pq"], line["ap"]) for line in lines))
    for axes, (key, title) in zip(
        panels, {"pq": "panoptic quality", "ap": "AP at IoU 0.5"}.items(), strict=True
    ):
        for some in runs:
            draw_curve(axes, some, key)
        draw_curve(axes, half, key, is_half=True)
        for line in untrained:
            level = {"color": COLOURS["start"], "linestyle": ":", "label": "the start as it is"}
            axes.axhline(line[key], **level)
        axes.set(xscale="log", xlabel="annotated images", title=title, ylim=(0, top))
        axes.set_xlim(0.7, 1.5 * max(steps))
        axes.set_xticks(list(steps), [f"{count}\n{steps[count]} steps" for count in steps])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def draw_curve(
    axes: Any, runs: Sequence[Mapping[str, Any]], key: str, *, is_half: bool = False
) -> None:
    """Draw a score of the runs that begin alike, with its value next to each."""
    if not runs:
        return
    start = runs[0]["start"]
    name = "from nothing" if start == NOTHING else f"from {Path(start).stem}"
    colour = COLOURS[NOTHING if start == NOTHING else "start"]
    place = (0, -15) if start == NOTHING else (0, 7)
    if is_half:
        colour, place = COLOURS["half"], (20, -9)
    axes.plot(
        [run["images"] for run in runs],
        [run[key] for run in runs],
        "o--" if is_half else "o-",
        color=colour,
        linewidth=2,
        label=f"{name}, half of the cells" if is_half else name,
    )
    for run in runs:
        axes.annotate(
            f"{run[key]:.2f}",
            (run["images"], run[key]),
            color=colour,
            xytext=place,
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
