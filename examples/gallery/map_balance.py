"""Class balance, BWM: every pixel weighs what its class weighs, the rarest class 1."""

import panels
import sample

from seamwise.labels import semantic_target
from seamwise.weights import balance


def main(output=panels.DOCS):
    """Draw the figure."""
    labels = sample.labels()
    target = semantic_target(labels, classes=3)
    figure, cut = panels.map_figure(target, balance(labels, target), r"BWM: $b_l = n_{\min} / n_l$")
    cut.set(yscale="log", ylim=(0.01, 1.12), ylabel="weight, logarithmic")
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
