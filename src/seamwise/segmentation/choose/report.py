"""The report of a comparison: a verdict, and a page of tables and images; see `write_report`."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy  # its part stats takes half a second: imported at its first use
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from seamwise.analysis.evidence import FEWEST_CASES, LEVEL, p_text
from seamwise.analysis.statistics import critical_difference_diagram, friedman, nemenyi
from seamwise.io.atomic import atomic_path
from seamwise.io.images import read_labels
from seamwise.io.outcome import amount
from seamwise.labels import Labels, inner_contour
from seamwise.segmentation.choose.compare import IOUS, LABELS_FOLDER, METRICS, Comparison
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.overlay import overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_IMAGES = 3  # on the page
_SIDE = 256  # pixels, of the part of an image on the page
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222 }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .3rem .8rem; text-align: right }
th { border-bottom: 1px solid #888 } td:first-child, th:first-child { text-align: left }
tr.best td { font-weight: 600 }
figure { display: inline-block; margin: 0 .5rem 1rem 0; vertical-align: top }
figcaption { font-size: 13px; color: #555 } img { max-width: 100% }
.cells img { width: 15rem; image-rendering: pixelated }
"""


@dataclass(frozen=True)
class Verdict:
    """Which losses differ significantly on the test images.

    Attributes
    ----------
    best : str
        The loss of the highest mean PQ.
    losers : dict
        Losses that are significantly worse, with p.
    ties : tuple of str
        Losses without a significant difference to the best.
    p_value : float or None
        Of the test that all losses are equal; None without a test, for too few images.
    failures : tuple of str
        Losses that found no cell at all, for example because the training was too short.
    """

    best: str
    losers: dict[str, float]
    ties: tuple[str, ...]
    p_value: float | None
    failures: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.best in self.failures:
            return "No loss found a cell: train longer before you judge."
        if not self.failures:
            return self._recommendation()
        return (
            f"{self._recommendation()} Without any cell: {', '.join(self.failures)}; "
            "train longer before you judge."
        )

    def _recommendation(self) -> str:
        if self.p_value is None:
            return (
                f"{self.best} has the highest PQ. "
                f"Fewer than {FEWEST_CASES} test images are too few for a significant difference."
            )
        if not self.losers:
            return (
                f"There is no significant difference (p = {self.p_value:.2g}); "
                f"{self.best} has the highest PQ."
            )
        losers = ", ".join(f"{name} (p {p_text(value)})" for name, value in self.losers.items())
        recommendation = f"Take {self.best}: its PQ is significantly above that of {losers}."
        if not self.ties:
            return recommendation
        return f"{recommendation} No significant difference to {', '.join(self.ties)}."


def judge(comparison: Comparison) -> Verdict:
    """Compare the PQ of the losses at IoU 0.5, image by image; each is the mean over the seeds.

    For two losses, Wilcoxon's signed-rank test decides. For more, Friedman's test does, and
    Nemenyi's if Friedman's is significant. The level is 5 %, two-sided.
    """
    table, losses = comparison.table(), comparison.losses
    first = int(table.mean(axis=0).argmax())
    others = [name for i, name in enumerate(losses) if i != first]
    failures = tuple(
        name for name, quality in zip(losses, table.max(axis=0), strict=True) if quality == 0
    )
    if len(table) < FEWEST_CASES:
        return Verdict(losses[first], {}, tuple(others), None, failures)
    if len(losses) == 2:
        difference = table[:, first] - table[:, 1 - first]
        p_value = float(scipy.stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
        p_values = np.full((2, 2), p_value)
    else:
        p_value, p_values = friedman(table).p_value, nemenyi(table).p_values
    of_loss = dict(zip(losses, p_values[first], strict=True))
    losers: dict[str, float] = {
        name: float(of_loss[name]) for name in others if max(p_value, of_loss[name]) < LEVEL
    }
    ties = tuple(name for name in others if name not in losers)
    return Verdict(losses[first], losers, ties, p_value, failures)


def score_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Return a line of a table for each loss: its scores, and the minutes of a training.

    A score is the mean over the images, ± the standard deviation over the seeds if there are
    several.
    """
    columns = {name: (name, IOUS[0]) for name in METRICS}
    columns |= {f"AP@{iou}": ("AP", iou) for iou in IOUS[1:]}
    lines = []
    for loss in comparison.losses:
        runs = comparison.runs_of(loss)
        line = {"loss": str(loss)}
        for title, (metric, iou) in columns.items():
            values = [run.of_images(metric, iou).mean() for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(runs) > 1 else ""
            line[title] = f"{np.mean(values):.3f}{spread}"
        line["minutes"] = f"{np.mean([run.seconds for run in runs]) / 60:.1f}"
        lines.append(line)
    return lines


def write_report(path: Path, comparison: Comparison, images: Sequence[AnnotatedImage]) -> None:
    """Write an HTML page that needs no other file.

    It shows the verdict, a table, the spread over the images, validation curves, the images where
    the losses differ most, and the conditions.

    Parameters
    ----------
    path : Path
        The HTML file; it is written completely or not at all.
    comparison : Comparison
    images : sequence of AnnotatedImage
        The scored images, in the order of `comparison.images`.
    """
    verdict = judge(comparison)
    seeds = len(comparison.seeds)
    spread = f" ± standard deviation over {seeds} seeds" if seeds > 1 else ""
    parts = [
        f"<h1>Which loss? {' · '.join(comparison.losses)}</h1>",
        f"<p><b>{html.escape(str(verdict))}</b></p>",
        _table(score_rows(comparison), best=verdict.best),
        f"<p>Means over {amount(len(comparison.images), 'test image')}{spread}, decoded by arg max."
        " PQ = SQ · RQ, RQ = F1, AP = TP/(TP + FP + FN); at IoU 0.5, or at the IoU after "
        "the @.</p>",
        _figure(_spread(comparison), "PQ of each test image; the line is the mean"),
        _figure(_curves(comparison), "PQ on the validation images during training"),
    ]
    if len(comparison.losses) > 2 and len(comparison.images) >= FEWEST_CASES:
        diagram = critical_difference_diagram(list(comparison.losses), nemenyi(comparison.table()))
        parts.append(
            _figure(
                diagram,
                "Mean ranks; a bar joins losses without a significant difference (Nemenyi's test)",
            )
        )
    parts += ["<h2>Where the losses differ most</h2>", *_examples(comparison, images)]
    parts += ["<h2>Conditions</h2>", _conditions(comparison)]
    head = f'<meta charset="utf-8"><title>Which loss?</title><style>{_STYLE}</style>'
    page = f"<!doctype html>{head}{''.join(parts)}"
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _table(lines: Sequence[Mapping[str, str]], *, best: str) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in lines[0])
    body = "".join(_table_row(line, is_best=line["loss"] == best) for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"


def _table_row(line: Mapping[str, str], *, is_best: bool) -> str:
    cells = "".join(f"<td>{value}</td>" for value in line.values())
    return f"<tr class=best>{cells}</tr>" if is_best else f"<tr>{cells}</tr>"


def _conditions(comparison: Comparison) -> str:
    seeds = zip(comparison.seeds, comparison.conditions, strict=True)
    lines = {
        "Equal for all losses": "; ".join(
            f"seed {seed}: first weights {one.start[:12]}, crops {one.crops[:12]} (SHA-256)"
            for seed, one in seeds
        ),
        "Settings": _list(comparison.settings),
        **{
            f"Settings of {loss} alone": _list(settings)
            for loss, settings in comparison.own_settings.items()
        },
        "Made with": ", ".join(f"{name} {value}" for name, value in comparison.made_with.items()),
    }
    return "".join(f"<p><b>{name}.</b> {html.escape(text)}</p>" for name, text in lines.items())


def _list(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _spread(comparison: Comparison) -> "Figure":
    from matplotlib.figure import Figure

    table = comparison.table()
    figure = Figure(figsize=(1.5 + 0.9 * len(comparison.losses), 3.5), layout="constrained")
    axes = figure.subplots()
    for column, values in enumerate(table.T):
        # neighbours in rank are drawn side by side, so that equal scores stay visible
        shift = (np.argsort(np.argsort(values)) % 5 - 2) * 0.06
        axes.plot(column + shift, values, "o", ms=3, alpha=0.5, color=f"C{column}")
        axes.plot([column - 0.3, column + 0.3], [values.mean()] * 2, color="0.2")
    axes.set_xticks(range(len(comparison.losses)), comparison.losses)
    axes.set(ylabel="PQ", ylim=(0, 1))
    axes.grid(axis="y", alpha=0.3)
    return figure


def _curves(comparison: Comparison) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for column, loss in enumerate(comparison.losses):
        for number, run in enumerate(comparison.runs_of(loss)):
            axes.plot(
                run.steps,
                run.validation,
                "o-",
                ms=3,
                color=f"C{column}",
                label=None if number else loss,
            )
    axes.set(xlabel="step", ylabel="PQ, validation", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _examples(comparison: Comparison, images: Sequence[AnnotatedImage]) -> list[str]:
    """The test images whose PQ differs most between the losses, cut where outlines differ most."""
    spread = np.ptp(comparison.table(), axis=1)
    parts = []
    for number in np.argsort(-spread, kind="stable")[:_IMAGES]:
        image = images[number]
        first = {loss: comparison.runs_of(loss)[0] for loss in comparison.losses}
        predictions = {
            f"{loss}: PQ {run.of_images('PQ')[number]:.2f}": read_labels(
                run.folder / LABELS_FOLDER / f"{image.name}.tif"
            )
            for loss, run in first.items()
        }
        panels = {"annotation": image.labels.clip(0), **predictions}
        grey, panels = _plane(image.image[0], panels)
        window = _window(list(panels.values())[1:])
        figures = [
            f'<figure><img alt="" src="{_png(overlay(grey[window], labels[window]))}">'
            f"<figcaption>{html.escape(name)}</figcaption></figure>"
            for name, labels in panels.items()
        ]
        title = html.escape(image.name)
        parts.append(f'<h3>{title}</h3><div class="cells">{"".join(figures)}</div>')
    return parts


def _plane(
    image: NDArray[np.float32], labels: Mapping[str, Labels]
) -> tuple[NDArray[np.float32], dict[str, Labels]]:
    """The middle slice of a stack; a plane as it is."""
    while image.ndim > 2:
        middle = len(image) // 2
        image, labels = image[middle], {name: one[middle] for name, one in labels.items()}
    return image, dict(labels)


def _window(predictions: Sequence[Labels]) -> tuple[slice, slice]:
    """Where the outlines differ most between the losses."""
    outlines = np.stack([inner_contour(labels) for labels in predictions])
    differ = (outlines.any(axis=0) & ~outlines.all(axis=0)).astype(np.float32)
    height, width = (min(_SIDE, n) for n in differ.shape)
    share = uniform_filter(differ, (height, width), mode="constant")
    y, x = np.unravel_index(share.argmax(), share.shape)
    top = int(np.clip(y - height // 2, 0, differ.shape[0] - height))
    left = int(np.clip(x - width // 2, 0, differ.shape[1] - width))
    return slice(top, top + height), slice(left, left + width)


def _figure(figure: "Figure", caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    image = f'<img alt="" src="{_source(buffer)}">'
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _png(picture: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    return _source(buffer)


def _source(png: io.BytesIO) -> str:
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
