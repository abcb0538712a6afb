"""Draw a weight map; see `heatmap`."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path

_LONGEST = 12.0  # inches
_DPI = 100


def heatmap(path: Path, values: NDArray[Any], *, title: str = "") -> None:
    """Draw a map with its scale, dark = 0; for a stack, its middle slice.

    Parameters
    ----------
    path : Path
        A name ending in .png.
    values : (Y, X) or (Z, Y, X) array
    title : str
    """
    from matplotlib.figure import Figure  # slow to import, needed only here

    plane = values[len(values) // 2] if values.ndim > 2 else values
    height, width = plane.shape
    scale = _LONGEST / max(height, width, 400)
    figure = Figure(
        figsize=(max(4.0, scale * width) + 1.2, max(3.0, scale * height) + 0.5),
        layout="constrained",
    )
    axes = figure.add_subplot()
    mesh = axes.imshow(plane, cmap="inferno", vmin=0, vmax=max(float(values.max(initial=0)), 1e-9))
    axes.set_axis_off()
    axes.set_title(title)
    figure.colorbar(mesh, ax=axes, label="weight")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
