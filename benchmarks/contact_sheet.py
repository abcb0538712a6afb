"""Draw the bursts of a folder: sources, result, depth map, and the edges between depths enlarged.

DATA=../shared/data/fusion
python benchmarks/contact_sheet.py $DATA/lytro/pairs $DATA/lytro/triplets -o sheets
python benchmarks/contact_sheet.py $DATA/stacks/pcb --one-burst --align -o sheets

Frames of a burst share a name up to its last dash, like lytro-01-A.jpg and lytro-01-B.jpg; with
--one-burst all pictures of a folder are one. Writes one page, <folder>_<method>.png, for each
folder.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.fusion import find_frames, fuse
from seamwise.io import read_photo

ZOOM = 64  # pixels per side of an enlarged piece
PIECES = 3


def edges(depth: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Corners of the pieces that hold most of the border between frames; they do not overlap."""
    border = (ndimage.maximum_filter(depth, 3) != ndimage.minimum_filter(depth, 3)).astype(
        np.float32
    )
    # a straight border, not the speckle of a flat surface
    density = ndimage.uniform_filter(border, ZOOM, mode="constant")
    score = np.where(density < 0.12, density, 0)[ZOOM // 2 : -ZOOM // 2, ZOOM // 2 : -ZOOM // 2]
    found = []
    for _ in range(PIECES):
        y, x = np.unravel_index(int(score.argmax()), score.shape)
        found.append((int(y), int(x)))
        score[max(0, y - ZOOM) : y + ZOOM, max(0, x - ZOOM) : x + ZOOM] = 0
    return found


def page(bursts: dict[str, list[Path]], method: str, align: bool, output: Path) -> None:
    sources = max(min(len(paths), 3) for paths in bursts.values())
    columns = sources + 2 + PIECES
    figure = Figure(figsize=(2.6 * columns, 2.7 * len(bursts)), layout="constrained")
    axes = figure.subplots(len(bursts), columns, squeeze=False)
    for row, (name, paths) in zip(axes, bursts.items(), strict=True):
        fusion = fuse(paths, model=method, align=align)
        shown = paths if len(paths) <= sources else [paths[0], paths[len(paths) // 2], paths[-1]]
        panels = [(path.name, read_photo(path).pixels) for path in shown]
        panels += [("", None)] * (sources - len(shown))
        panels += [(f"{name}: {Path(method).stem}", fusion.image), ("depth", fusion.depth)]
        for y, x in edges(fusion.depth.astype(np.int64)):
            panels.append((f"at {y}, {x}", fusion.image[y : y + ZOOM, x : x + ZOOM]))
        for panel, (title, picture) in zip(row, panels, strict=True):
            panel.set_axis_off()
            panel.set_title(title, fontsize=7)
            if picture is not None:
                panel.imshow(
                    picture, interpolation="nearest", cmap="viridis" if title == "depth" else "gray"
                )
    figure.savefig(output, dpi=110)
    print(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("sheets"))
    parser.add_argument("--method", default="focus-pair")
    parser.add_argument("--one-burst", action="store_true")
    parser.add_argument("--align", action="store_true")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for folder in given.folders:
        bursts = defaultdict(list)
        for path in find_frames([folder]):
            bursts[folder.name if given.one_burst else path.stem.rpartition("-")[0]].append(path)
        page(
            bursts,
            given.method,
            given.align,
            given.output / f"{folder.name}_{Path(given.method).stem}.png",
        )
