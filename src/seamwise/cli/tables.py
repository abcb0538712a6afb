"""Scores as tables on the terminal."""

import math
from typing import TYPE_CHECKING

from seamwise.cli.errors import say

if TYPE_CHECKING:
    from seamwise.fusion import FusionScores
    from seamwise.metrics import DatasetContours, DatasetMatching, Scores


def print_matching(scores: "DatasetMatching") -> None:
    """Print how cells were matched."""
    from rich.console import Console
    from rich.table import Table

    columns = ("IoU ≥", "TP", "FP", "FN", "P", "R", "F1", "AP", "SQ", "RQ", "PQ")

    def line(score: "Scores") -> list[str]:
        names = (
            "precision recall f1 accuracy segmentation_quality recognition_quality panoptic_quality"
        )
        return [f"{getattr(score, name):.3f}" for name in names.split()]

    table = Table(*columns, title="pooled: objects of all images counted together")
    for pooled in scores.pooled:
        table.add_row(
            f"{pooled.iou:.2f}", str(pooled.tp), str(pooled.fp), str(pooled.fn), *line(pooled)
        )
    means = Table(*columns[:1], *columns[4:], title="mean over images")
    for mean in scores.mean:
        means.add_row(f"{mean.iou:.2f}", *line(mean))
    console = Console()
    console.print(table)
    console.print(means)


def print_losses(lines: "list[dict[str, str]]") -> None:
    """Print one line for each loss."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        *lines[0], title="means over the test images, arg max, IoU ≥ 0.5 if nothing else is said"
    )
    for line in lines:
        table.add_row(*line.values())
    Console().print(table)


def print_contours(scores: "DatasetContours") -> None:
    """Print how contours were met."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows in (
        ("contours, pooled: contour pixels of all images counted together", scores.pooled),
        ("contours, mean over images", scores.mean),
    ):
        table = Table("radius", "P", "R", "F1", title=title)
        for row in rows:
            table.add_row(
                f"{row.radius:g}", f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}"
            )
        console.print(table)


def print_fusion(scores: "FusionScores") -> None:
    """Print one line for each fusion method."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    count = len(scores.pairs)
    of = f" of {count + len(scores.skipped)}" if scores.skipped else ""
    title = (
        f"{count}{of} pairs: mean ± standard deviation"
        if count > 1
        else f"1{of} pair{'s' * bool(of)}"
    )
    table = Table("", title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for metric in scores.metrics:
        table.add_column(metric.upper(), no_wrap=True)
    for number, method in enumerate(scores.methods):
        cells = []
        for metric, mean, std, best in zip(
            scores.metrics,
            scores.mean[number],
            scores.std[number],
            scores.best[number],
            strict=True,
        ):
            digits = 2 if metric == "psnr" else 4
            shown, deviation = (f"{x:.{digits}f}" if math.isfinite(x) else "—" for x in (mean, std))
            spread = f"\n±{deviation}" if count > 1 else ""
            cells.append(
                Text(shown + spread, style="bold" if best and scores.n_methods > 1 else "")
            )
        if number == scores.n_methods:
            table.add_section()
        table.add_row(Text(method), *cells)
    Console().print(table)
    won = (
        f" (here highest in {', '.join(map(str.upper, scores.won_by_a_source))})"
        if scores.won_by_a_source
        else ""
    )
    say(
        f"caution: a source returned as it is scores high{won}: judge by several metrics and by eye"
    )
