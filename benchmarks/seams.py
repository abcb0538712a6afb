"""How much a halo is worth: classes and cells of an image in blocks, against it in one piece.

python benchmarks/seams.py [--model walls-3d]
"""

import argparse
from dataclasses import replace

import numpy as np

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nuclei-2d")
    model = load(parser.parse_args().model)
    if model.net.ndim == 2:
        drawn, size = crowded_cells((1024, 1024), cells=500, rng=1, radius=13).image, (256, 256)
    else:
        drawn, size = (
            tissue(
                (96, 192, 192), rng=1, filling=1.0, camera=replace(CONFOCAL, spacing=(2, 1, 1))
            ).image,
            (48, 64, 64),
        )
    image = normalization(drawn[None], model.info.normalization)(drawn[None])
    whole = semantic_classes(tile_probabilities(image, model))
    rule = {"min_size": model.info.decode.min_size, "min_core": model.info.decode.min_core}
    cells = instances(whole, **rule)
    for halo in HALOS[model.net.ndim]:
        classes = classes_of_blocks(image, model, Blocks(drawn.shape, size), halo)
        matched = match(cells, instances(classes, **rule), iou=0.9)
        print(
            f"blocks of {size}, halo {halo}: {1e6 * (classes != whole).mean():.0f} pixels of a "
            f"million differ; {matched.fn} of {matched.n_true} cells have no match at IoU 0.9, "
            f"{matched.fp} new ones"
        )
