r"""How far the drawn outlines of each nuclei image lie outside of those that a model finds.

python benchmarks/nuclei_outlines.py ../shared/data/dsb2018/train [--model nuclei-2d]

For each cell that model and annotator both have (IoU above 0.3): the difference of the radii of
discs of their areas, in pixels. Positive where the annotator drew wider. One line for each of the
training images: mean and standard deviation over its cells, and their median area. `report` images
are not looked at.
"""

import numpy as np

from nuclei_scores import pairs_of, predictions, script_parser
from seamwise.labels import Labels
from seamwise.metrics import overlap_table

IMAGES = ("training", "selection")
FEWEST = 3  # cells of an image


def offsets(truth: Labels, found: Labels) -> np.ndarray:
    """Radius of each true cell minus that of the cell that was found in its place."""
    table = overlap_table(truth, found)
    common = table.pixels.tocoo()
    true, pred = table.true_areas[common.row], table.pred_areas[common.col]
    is_same = common.data > 0.3 * (true + pred - common.data)
    return np.sqrt(true[is_same] / np.pi) - np.sqrt(pred[is_same] / np.pi)


if __name__ == "__main__":
    options = script_parser(__doc__, IMAGES, model="nuclei-2d").parse_args()
    pairs = pairs_of(options.folder, options.images)
    lines = []
    for pair, (truth, found) in zip(pairs, predictions(pairs, options), strict=True):
        differences = offsets(truth, found)
        if len(differences) >= FEWEST:
            area = np.median(np.bincount(truth[truth > 0].ravel())[1:])
            lines.append((differences.mean(), differences.std(), area, pair.name))
    for mean, deviation, area, name in sorted(lines):
        print(f"{mean:6.2f} ± {deviation:.2f} pixels, median area {area:5.0f}: {name}")
    means = [line[0] for line in lines]
    print("percentiles 5, 25, 50, 75, 95:", np.percentile(means, [5, 25, 50, 75, 95]).round(2))
