"""How much a halo is worth: classes and cells of an image in blocks, against it in one piece.

python benchmarks/seams.py [--model walls-3d] [--json FILE]
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from result_files import add_json, write_result
from seamwise.decode import instances, semantic_classes
from seamwise.metrics import match
from seamwise.segmentation import Model, load, normalization, tile_probabilities
from seamwise.synth import CONFOCAL, crowded_cells, tissue
from seamwise.tiling import Blocks, grow, relative_to

HALOS = {2: (0, 16, 32, 48, 64, 96), 3: (0, 8, 16, 24, 32)}


def classes_of_blocks(image: np.ndarray, model: Model, blocks: Blocks, halo: int) -> np.ndarray:
    """Class of each pixel of a normalised image (C, *S), block by block."""
    classes = np.empty(blocks.shape, np.uint8)
    for number in range(len(blocks)):
        box = blocks.box(number)
        around = grow(box, halo, blocks.shape)
        probabilities = tile_probabilities(
            np.ascontiguousarray(image[(slice(None), *around)]), model
        )
        classes[box] = semantic_classes(probabilities[(slice(None), *relative_to(box, around))])
    return classes


def drawn(ndim: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """A crowd or a tissue, and the size of its blocks."""
    if ndim == 2:
        return crowded_cells((1024, 1024), cells=500, rng=1, radius=13).image, (256, 256)
    camera = replace(CONFOCAL, spacing=(2, 1, 1))
    return tissue((96, 192, 192), rng=1, filling=1.0, camera=camera).image, (48, 64, 64)


def measure(model: Model) -> dict[str, Any]:
    """What differs from the image in one piece, for each halo."""
    picture, size = drawn(model.net.ndim)
    image = normalization(picture[None], model.info.normalization)(picture[None])
    whole = semantic_classes(tile_probabilities(image, model))
    rule = {"min_size": model.info.decode.min_size, "min_core": model.info.decode.min_core}
    cells = instances(whole, **rule)
    rows = []
    for halo in HALOS[model.net.ndim]:
        classes = classes_of_blocks(image, model, Blocks(picture.shape, size), halo)
        matched = match(cells, instances(classes, **rule), iou=0.9)
        ppm = 1e6 * float((classes != whole).mean())
        rows.append({"halo": halo, "ppm": ppm, "unmatched": matched.fn, "new": matched.fp})
    return {
        "unit": "pixels" if model.net.ndim == 2 else "voxels",
        "cells": int(cells.max()),
        "rows": rows,
    }


def table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table."""
    yield (
        f"| halo | {content['unit']} of a million that differ "
        f"| of {content['cells']:,} cells, without a match at IoU 0.9 | new ones |"
    )
    yield "|---|---|---|---|"
    for row in content["rows"]:
        yield f"| {row['halo']} | {row['ppm']:,.0f} | {row['unmatched']} | {row['new']} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nuclei-2d")
    add_json(parser)
    options = parser.parse_args()
    content = measure(load(options.model))
    print(*table(content), sep="\n")
    write_result(options.json, content, models=[options.model])


if __name__ == "__main__":
    main()
