"""Scores as tables that fit a terminal of 80 columns."""

import math
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from seamwise.cli.messages import record, say

if TYPE_CHECKING:
    from rich.text import Text

    from seamwise.fusion import FusionScores
    from seamwise.metrics import ContourMatching, ContourScores, Dataset, Matching, Scores

_MATCHING = {
    "P": "precision",
    "R": "recall",
    "F1": "f1",
    "AP": "accuracy",
    "SQ": "segmentation_quality",
    "RQ": "recognition_quality",
    "PQ": "panoptic_quality",
}
_NAME = 12  # columns that a name has at least; a longer one may be folded
_DIGITS = {"psnr": 2}  # decimals of a fusion score; the others have four


def print_table(
    title: str, columns: Sequence[str], rows: "Sequence[Sequence[str | Text]]", *, space: int = 1
) -> None:
    """Print a table: words of the first column on the left, numbers on the right, none cut off.

    Parameters
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequence of str or Text
    space : int
        Spaces between columns, in addition to the one of the frame.
    """
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, space))
    for number, column in enumerate(columns):
        cells = (column, *(str(row[number]) for row in rows))
        width = max(len(line) for cell in cells for line in cell.split("\n"))
        if number == 0:
            table.add_column(column, overflow="fold", min_width=min(width, _NAME))
        else:
            table.add_column(column, justify="right", min_width=width)
    for row in rows:
        table.add_row(*row)
    console = Console()
    wide_options = console.options.update_width(1000)
    least_width = Measurement.get(console, wide_options, table).minimum
    console.width = max(console.width, least_width)
    console.print(table)
    text = StringIO()
    plain = Console(file=text, width=console.width, color_system=None, force_terminal=False)
    plain.print(table)
    record(f"\n{text.getvalue()}")


def print_matching(scores: "Dataset[Matching, Scores]") -> None:
    """Print how cells were matched: pooled, and the mean over images."""
    pooled_rows = [
        [f"{score.iou:.2f}", str(score.tp), str(score.fp), str(score.fn), *_shares(score)]
        for score in scores.pooled
    ]
    means = [[f"{score.iou:.2f}", *_shares(score)] for score in scores.mean]
    print_table(
        "pooled: objects of all images counted together",
        ("IoU ≥", "TP", "FP", "FN", *_MATCHING),
        pooled_rows,
    )
    print_table("mean over images", ("IoU ≥", *_MATCHING), means)


def print_contours(scores: "Dataset[ContourMatching, ContourScores]") -> None:
    """Print how contours were met: pooled, and the mean over images."""
    for title, rows in (
        ("contours, pooled: contour pixels of all images counted together", scores.pooled),
        ("contours, mean over images", scores.mean),
    ):
        lines = [
            [f"{row.radius:g}", f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}"]
            for row in rows
        ]
        print_table(title, ("radius", "P", "R", "F1"), lines)


def print_losses(lines: Sequence[dict[str, str]]) -> None:
    """Print one line for each loss."""
    print_table(
        "means over the test images: arg max, IoU ≥ 0.5 unless the column names another",
        list(lines[0]),
        [_on_two_lines(line) for line in lines],
        space=0,
    )


def _on_two_lines(line: Mapping[str, str]) -> list[str]:
    """Put each deviation on a line of its own."""
    return [text.replace(" ± ", "\n±") for text in line.values()]


def print_fusion(scores: "FusionScores") -> None:
    """Print two lines for each fusion method: mean and standard deviation over the pairs."""
    from seamwise.io import amount

    count = len(scores.pairs)
    total = count + len(scores.skipped)
    pairs = f"{count} of {amount(total, 'pair')}" if scores.skipped else amount(count, "pair")
    title = f"{pairs}: mean ± standard deviation" if count > 1 else pairs
    columns = ["", *(metric.upper() for metric in scores.metrics)]
    rows = [_fusion_row(scores, number) for number in range(len(scores.methods))]
    print_table(title, columns, rows, space=0)
    highest = ", ".join(metric.upper() for metric in scores.won_by_a_source)
    example = f" (here it is highest in {highest})" if highest else ""
    say(
        f"caution: a source without any fusion scores high{example}; "
        "judge by several metrics and by eye"
    )


def _shares(score: "Scores") -> list[str]:
    return [f"{getattr(score, name):.3f}" for name in _MATCHING.values()]


def _fusion_row(scores: "FusionScores", number: int) -> "list[str | Text]":
    from rich.text import Text

    row: list[str | Text] = [Text(scores.methods[number])]
    for place, metric in enumerate(scores.metrics):
        digits = _DIGITS.get(metric, 4)
        text = _number(scores.mean[number, place], digits)
        if len(scores.pairs) > 1:
            text += f"\n±{_number(scores.std[number, place], digits)}"
        is_best = scores.best[number, place] and scores.n_methods > 1
        row.append(Text(text, style="bold" if is_best else ""))
    return row


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "—"
