"""Figures 33, 34 and 35, drawn from what was measured."""

from pathlib import Path

from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from seamwise.labels import CLASS_NAMES
from simulated_scores import C1, C3, PRINTED, RIGHT, SCORES, STARTS, Content, from_digits

TITLES = {
    C1: "C1: guesses as often as the class occurs",
    C3: "C3: tosses a coin",
    RIGHT: f"{RIGHT}: knows something",
}


def draw(content: Content, folder: Path) -> list[Path]:
    """Draw the three figures from what was measured."""
    figures = {
        "fig33.png": draw_33(content["fig33"]),
        "fig34.png": draw_34(content["fig34"]),
        "fig35.png": draw_35(content["fig35"]),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=100)
    return [folder / name for name in figures]


def draw_33(content: Content) -> Figure:
    """Draw six scores over the prevalence, a panel for each classifier."""
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    panels = figure.subplots(1, len(content["scores"]), sharey=True)
    for panel, (name, scores) in zip(panels, content["scores"].items(), strict=True):
        for score, label in SCORES.items():
            # J and MCC lie on each other where they are 0, and F1 and Tversky for C1
            style = {
                "youden": {"lw": 4, "alpha": 0.5},
                "mcc": {"lw": 1.8, "ls": "--", "color": "black"},
                "tversky": {"lw": 1.5, "ls": "--"},
            }
            panel.plot(
                content["prevalence"], scores[score], label=label, **style.get(score, {"lw": 1.5})
            )
        panel.set(
            title=TITLES[name],
            xlabel="prevalence π, the share of positive pixels",
            ylim=(-0.03, 1.03),
        )
        panel.grid(color="0.92")
    panels[0].set_ylabel("score")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(SCORES),
        frameon=False,
    )
    return figure


def draw_34(content: Content) -> Figure:
    """Plot J against MCC: above for a coin, below for a classifier that knows something."""
    figure = Figure(figsize=(10.5, 7), layout="constrained")
    names = list(content["scatter"])
    panels = figure.subplots(len(names), len(content["prevalence"]), sharex="row", sharey="row")
    for row, name in zip(panels, names, strict=True):
        for number, (panel, points) in enumerate(zip(row, content["scatter"][name], strict=True)):
            panel.plot(points["mcc"], points["youden"], ".", ms=4, alpha=0.5)
            r, prevalence = content["correlation"][name][number], content["prevalence"][number]
            note = f" (thesis {PRINTED[prevalence]:.2f})" if name == C3 else ""
            panel.set_title(f"π = {prevalence:g}: r = {r:.4f}{note}", fontsize="medium")
            panel.grid(color="0.92")
        row[0].set_ylabel(f"{TITLES[name]}\n\nJ")
        for panel in row:
            panel.set_xlabel("MCC")
    figure.suptitle(
        f"J and MCC of drawn images, each of {content['pixels']} pixels, and their correlation r"
    )
    return figure


def draw_35(content: Content) -> Figure:
    """Draw predictions at some iterations above, losses and gradients below."""
    colours = ["#30305a", "#4c9f70", "#f2c14e", "#d7263d"]
    figure = Figure(figsize=(12.5, 6.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    pictures = {
        **{f"t = {moment}": mask for moment, mask in content["masks"].items()},
        "truth": content["target"],
    }
    for panel, (title, mask) in zip(top.subplots(1, len(pictures)), pictures.items(), strict=True):
        panel.imshow(
            from_digits(mask),
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=len(colours) - 0.5,
            interpolation="nearest",
        )
        panel.set_title(title, fontsize="medium")
        panel.set_axis_off()
    patches = [
        Patch(color=colour, label=name) for colour, name in zip(colours, CLASS_NAMES, strict=True)
    ]
    top.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
    losses, gradients = bottom.subplots(1, 2)
    for suffix, panel in (("", losses), ("_gradient", gradients)):
        for start, style in zip((f"{STARTS[0]}", f"{STARTS[-1]}"), ("-", "--"), strict=True):
            course = content["courses"][start]
            for name, label, colour in (
                ("cross_entropy", "CE", "0.35"),
                ("youden", "J", "tab:red"),
            ):
                legend = f"{label}, confidence from {start}"
                panel.plot(course[name + suffix], style, color=colour, lw=1.8, label=legend)
        for moment in content["masks"]:
            panel.axvline(int(moment), color="0.8", lw=0.8, zorder=0)
        panel.set(xlabel="iteration t (grey: the masks above)", xlim=(0, None), yscale="log")
    losses.set_title("loss", fontsize="medium")
    gradients.set_title("norm of the gradient with respect to the logits", fontsize="medium")
    bottom.legend(
        *losses.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False
    )
    return figure
