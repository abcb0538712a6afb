"""NPS next to L1 and L2, thesis Figure 45: what a residual costs, and how hard it pulls."""

import panels
import torch

from seamwise.losses import l1_map, l2_map, nps_map

ALPHAS = {6.0: "#e7543c", 8.0: "#46a060", 10.0: "#467ed6"}


def curves():
    """Return |y − ŷ| in 0..1, and for each loss its name, line style, costs and slopes."""
    residuals = torch.linspace(0, 1, 501, dtype=torch.float64)[1:]  # at 0 the slope jumps
    losses = [
        ("L1", l1_map, {"color": "black", "linestyle": "--"}),
        ("L2", l2_map, {"color": "black"}),
    ]
    for alpha, colour in ALPHAS.items():
        losses.append(
            (
                f"NPS{alpha:.0f}",
                lambda z, y, alpha=alpha: nps_map(z, y, alpha=alpha),
                {"color": colour},
            )
        )
    drawn = []
    for name, loss_map, style in losses:
        prediction = residuals.view(1, 1, -1).clone().requires_grad_()
        costs = loss_map(prediction, torch.zeros_like(prediction))
        (slopes,) = torch.autograd.grad(costs.sum(), prediction)
        drawn.append((name, style, costs.detach().flatten().numpy(), slopes.flatten().numpy()))
    return residuals.numpy(), drawn


def main(output=panels.DOCS):
    """Draw the figure."""
    residuals, drawn = curves()
    figure = panels.new_figure(12, 4.8)
    left, right = figure.subplots(1, 2)
    for name, style, costs, slopes in drawn:
        left.plot(residuals, costs, label=name, linewidth=1.8, **style)
        right.plot(residuals, slopes, label=name, linewidth=1.8, **style)
    left.set(title="what a residual costs", ylabel="loss", ylim=(0, 1.02))
    right.set(title="how hard it pulls", ylabel="slope of the loss", ylim=(0, 5.1))
    for axes in (left, right):
        axes.set(xlim=(0, 1), xlabel=r"residual $|y - \hat{y}|$")
        axes.grid(alpha=0.3)
    right.legend(framealpha=0.9)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))
