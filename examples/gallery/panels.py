"""What the figures of the gallery share: classes in colour, maps with a scale, cuts along a row."""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image
from sample import ROW

from seamwise.labels import CLASS_NAMES

DOCS = Path(__file__).parents[2] / "docs" / "images"
CLASS_COLOURS = np.array([[38, 42, 51], [70, 160, 96], [231, 84, 60], [70, 126, 214]]) / 255
_DPI = 100


def options(description, *, quick=False):
    """Read the command line: where to write and, for a slow figure, whether to be quick."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of the picture")
    if quick:
        parser.add_argument(
            "--quick", action="store_true", help="a few steps only, to see that it runs"
        )
    return vars(parser.parse_args())


def new_figure(width, height):
    """Figure of that many inches; 16 of them are 1600 pixels."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure, output, script):
    """Write the figure under the name of its script."""
    path = output / f"{Path(script).stem}.png"
    drawn = BytesIO()
    figure.savefig(drawn, dpi=_DPI)
    # 256 colours are enough for these, and make the files less than half as large
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    print(path)
    return path


def show(axes, picture, title, *, cut=False, **how):
    """Show a picture without axes; with `cut` the row is marked along which maps are cut."""
    drawn = axes.imshow(picture, interpolation="nearest", **how)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    if cut:
        axes.axhline(ROW, color="white", linewidth=1.2, linestyle=(0, (4, 3)))
    return drawn


def show_target(axes, target, title, *, cut=False):
    """Show the classes of a target in their colours."""
    show(axes, CLASS_COLOURS[target], title, cut=cut)


def show_map(figure, axes, values, title, *, cut=True):
    """Show a map from 0 to its maximum, with its colour bar."""
    drawn = show(axes, values, title, cut=cut, cmap="inferno", vmin=0, vmax=values.max())
    figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)


def show_cut(axes, target, curves, *, quantity="weight"):
    """Plot maps along the row, over the classes of its pixels; `curves` are maps by name."""
    top = 1.12 * max(values[ROW].max() for values in curves.values())
    width = target.shape[1]
    axes.imshow(
        CLASS_COLOURS[target[[ROW]]],
        extent=(-0.5, width - 0.5, 0, top),
        aspect="auto",
        alpha=0.3,
        interpolation="nearest",
    )
    for (name, values), style in zip(curves.items(), ("-", "--", ":", "-."), strict=False):
        axes.plot(values[ROW], style, color="black", linewidth=1.4, label=name)
    axes.set(
        xlim=(-0.5, width - 0.5), ylim=(0, top), xlabel="pixel of the marked row", ylabel=quantity
    )
    if len(curves) > 1:
        axes.legend(loc="upper right", framealpha=0.9)


def class_legend(figure, classes=3):
    """Say below the figure which colour is which class."""
    patches = [
        Patch(color=CLASS_COLOURS[number], label=CLASS_NAMES[number]) for number in range(classes)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=classes, frameon=False)


def map_figure(target, values, title):
    """Draw the usual figure: target and map side by side, and below them a cut of the map."""
    figure = new_figure(12, 6.6)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.5, 1))
    show_target(figure.add_subplot(grid[0, 0]), target, "target", cut=True)
    show_map(figure, figure.add_subplot(grid[0, 1]), values, title)
    cut = figure.add_subplot(grid[1, :])
    show_cut(cut, target, {"weight": values})
    class_legend(figure)
    return figure, cut
