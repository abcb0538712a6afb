"""U-Net's own map: background weighs more, the narrower the passage between two cells."""

import panels
import sample

from seamwise.labels import semantic_target
from seamwise.weights import unet


def main(output=panels.DOCS):
    """Draw the figure."""
    labels = sample.labels()
    target = semantic_target(labels, classes=3)
    title = (
        r"UNET: $b + w_0\,\exp(-(d_1 + d_2)^2 / 2\sigma^2)$ on background, $w_0 = 10$, $\sigma = 5$"
    )
    figure, _ = panels.map_figure(target, unet(labels, target), title)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
