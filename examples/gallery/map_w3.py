"""W³, thesis Figure 23: touching pixels weigh most, contours much, far background little."""

import panels
import sample

from seamwise.labels import semantic_target
from seamwise.weights import w3


def main(output=panels.DOCS):
    """Draw the figure."""
    labels = sample.labels()
    target = semantic_target(labels, classes=3)
    weight = w3(labels, target)
    title = r"W³: $\beta = 30$, $\nu = 10$, $\sigma = 3$"
    figure, cut = panels.map_figure(target, weight, title)
    # what to point at: a pixel of the row; where to write
    marks = {
        "background": (34, (28, 3)),
        "contour of a thin cell": (23, (26, 9.6)),
        "contour of a thick cell": (64, (66, 8.2)),
        "inside": (76, (73, 3)),
        "touching": (95, (101, 9.6)),
    }
    for word, (column, place) in marks.items():
        point = (column, weight[sample.ROW, column])
        cut.annotate(word, point, place, arrowprops={"arrowstyle": "->"})
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
