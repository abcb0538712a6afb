"""Before and after: two frames of a cup, in focus in front and behind, and their fusion."""

import numpy as np
import panels
from skimage.data import coffee
from skimage.draw import ellipse, polygon

from seamwise import fuse
from seamwise.synth import focus_pair

PIECE = (slice(120, 220), slice(120, 270))  # the cup's side, its handle and the saucer behind


def cup():
    """Mask (Y, X) of the cup on the saucer."""
    mask = np.zeros(coffee().shape[:2], bool)
    mask[ellipse(113, 290, 97, 118)] = True
    body = np.array(
        [
            (172, 115),
            (180, 190),
            (215, 262),
            (260, 285),
            (310, 281),
            (365, 245),
            (398, 185),
            (408, 115),
        ]
    )
    handle = np.array(
        [(230, 226), (260, 240), (250, 275), (225, 308), (203, 306), (195, 280), (205, 250)]
    )
    for outline in (body, handle):
        mask[polygon(outline[:, 1], outline[:, 0], mask.shape)] = True
    return mask


def main(output=panels.DOCS):
    """Draw the figure."""
    pair = focus_pair(coffee(), cup(), sigma=3.0, edges="matte", kernel="disc")
    fusion = fuse([pair.b, pair.a])
    pictures = {
        "frame 0: the cup in focus": pair.b,
        "frame 1: what is behind it": pair.a,
        "seamwise fuse": fusion.image,
    }

    figure = panels.new_figure(16, 6.4)
    axes = figure.subplots(2, 4, height_ratios=(1, 1))
    for column, (title, picture) in zip(axes.T, pictures.items(), strict=False):
        panels.show(column[0], picture, title)
        panels.show(column[1], picture[PIECE], "the same, enlarged")
    panels.show(axes[0, 3], fusion.depth, "depth map: frame of each pixel", cmap="viridis")
    error = np.abs(fusion.image - pair.truth).mean(2)
    drawn = panels.show(axes[1, 3], error, "error, of 1", cmap="inferno", vmin=0, vmax=0.1)
    figure.colorbar(drawn, ax=axes[1, 3], fraction=0.03, pad=0.02)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
