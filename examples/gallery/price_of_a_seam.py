"""What a network pays that takes seams for cell: cross entropy forgets rare seams, J does not."""

import numpy as np
import panels
import torch

from seamwise.labels import CLASS_NAMES
from seamwise.losses import cross_entropy, dice, soft_confusion, youden

PIXELS = 100_000
SHARES = np.geomspace(0.1, 0.0001, 13)
LOSSES = {"cross entropy": cross_entropy, "Dice": dice, "Youden's J": youden}
# probabilities of background, cell, touching, where the truth is one of them
FINDS = torch.tensor([[0.90, 0.08, 0.02], [0.04, 0.92, 0.04], [0.02, 0.13, 0.85]])
MISSES = torch.tensor([[0.90, 0.08, 0.02], [0.04, 0.92, 0.04], [0.02, 0.93, 0.05]])


def image(share, answers):
    """Return logits (1, 3, pixels) and target (1, pixels) of an image with that share of seams."""
    seams = round(share * PIXELS)
    counts = torch.tensor([PIXELS // 2, PIXELS // 2 - seams, seams])
    target = torch.repeat_interleave(torch.arange(3), counts)
    return answers[target].log().T[None], target[None]


def prices(loss):
    """Return for each share how much more the network pays that misses the seams."""
    return [float(loss(*image(share, MISSES)) - loss(*image(share, FINDS))) for share in SHARES]


def main(output=panels.DOCS):
    """Draw the figure."""
    figure = panels.new_figure(12, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    for (name, loss), colour in zip(LOSSES.items(), ("black", "#467ed6", "#e7543c"), strict=True):
        left.plot(100 * SHARES, prices(loss), label=name, linewidth=2, color=colour)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="touching pixels, % of the image",
        ylabel="loss of missing them",
        title="what it costs to take every seam for cell",
    )
    left.set_xticks([10, 1, 0.1, 0.01], ["10", "1", "0.1", "0.01"])
    left.invert_xaxis()
    left.grid(alpha=0.3)
    left.legend(framealpha=0.9)
    rates, _ = soft_confusion(*image(0.001, MISSES))
    panels.show(
        right, rates.numpy(), "soft confusion matrix M of that network", cmap="Greens", vmax=1.3
    )
    right.set(xticks=range(3), yticks=range(3), xlabel="true class k", ylabel="answer i")
    right.set_xticklabels(CLASS_NAMES[:3])
    right.set_yticklabels(CLASS_NAMES[:3])
    for answer in range(3):
        for truth in range(3):
            right.text(truth, answer, f"{rates[answer, truth]:.2f}", ha="center", va="center")
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
