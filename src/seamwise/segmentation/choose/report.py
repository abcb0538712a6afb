"""What a comparison of losses found, for people: a verdict, and a page with tables and pictures; see `write_report`."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.stats import wilcoxon

from seamwise.analysis.statistics import critical_difference_diagram, friedman, nemenyi
from seamwise.io.atomic import atomic_path
from seamwise.io.images import read_labels
from seamwise.labels import Labels, inner_contour
from seamwise.segmentation.choose.compare import IOUS, LABELS_FOLDER, METRICS, Comparison
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.overlay import overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVEL = 0.05
FEWEST = 6  # images for a verdict: of five even Wilcoxon's smallest p is above the level

_SHOWN = 3  # images
_SIDE = 256  # pixels of an image that are shown
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .3rem .8rem; text-align: right }
th { border-bottom: 1px solid #888 } td:first-child, th:first-child { text-align: left }
tr.best td { font-weight: 600 } figure { display: inline-block; margin: 0 .5rem 1rem 0; vertical-align: top }
figcaption { font-size: 13px; color: #555 } img { max-width: 100% }
.cells img { width: 15rem; image-rendering: pixelated }
"""


@dataclass(frozen=True)
class Verdict:
    """Which losses are told apart on the test images.

    Attributes
    ----------
    best : str
        The loss of the highest mean PQ.
    beaten : dict
        Losses that differ from it significantly, with p.
    alike : tuple of str
        Losses that the test does not tell from it.
    p_value : float or None
        That all losses are alike; None without a test, of too few images.
    idle : tuple of str
        Losses that found no cell at all, such as those of a training that was too short.
    """

    best: str
    beaten: dict[str, float]
    alike: tuple[str, ...]
    p_value: float | None
    idle: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.best in self.idle:
            return "No loss found a cell: train longer before you judge."
        caution = (
            f" Found no cell: {', '.join(self.idle)}; train longer before you judge."
            if self.idle
            else ""
        )
        return self._told() + caution

    def _told(self) -> str:
        if self.p_value is None:
            return f"{self.best} has the highest PQ. Fewer than {FEWEST} test images: no test can tell losses apart."
        if not self.beaten:
            return (
                f"No difference was found (p = {self.p_value:.2g}); {self.best} has the highest PQ."
            )
        beaten = ", ".join(f"{name} (p {_p(value)})" for name, value in self.beaten.items())
        alike = f" It was not told from {', '.join(self.alike)}." if self.alike else ""
        return f"Take {self.best}: its PQ is significantly above that of {beaten}.{alike}"


def judge(comparison: Comparison) -> Verdict:
    """Compare the losses' PQ at IoU 0.5 image by image, each the mean over the seeds.

    Two losses: Wilcoxon's signed-rank test. More: Friedman's test, and where it finds a difference Nemenyi's.
    The level is 5 %, two-sided.
    """
    table, losses = comparison.table(), comparison.losses
    first = int(table.mean(axis=0).argmax())
    others = [name for i, name in enumerate(losses) if i != first]
    idle = tuple(
        name for name, quality in zip(losses, table.max(axis=0), strict=True) if quality == 0
    )
    if len(table) < FEWEST:
        return Verdict(losses[first], {}, tuple(others), None, idle)
    if len(losses) == 2:
        difference = table[:, first] - table[:, 1 - first]
        p_value = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
        p_values = np.full((2, 2), p_value)
    else:
        p_value, p_values = friedman(table).p_value, nemenyi(table).p_values
    of_loss = dict(zip(losses, p_values[first], strict=True))
    told: dict[str, float] = {
        name: float(of_loss[name]) for name in others if max(p_value, of_loss[name]) < LEVEL
    }
    return Verdict(
        losses[first], told, tuple(name for name in others if name not in told), p_value, idle
    )


def score_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A line for each loss: scores as mean over the images ± standard deviation over the seeds, and minutes."""
    lines = []
    for loss in comparison.losses:
        runs = comparison.runs_of(loss)
        line = {"loss": str(loss)}
        columns = [
            *((name, IOUS[0]) for name in METRICS),
            *(("AP", t) for t in IOUS[1:]),
        ]
        for name, threshold in columns:
            values = [run.of_images(name, threshold).mean() for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(runs) > 1 else ""
            line[name if threshold == IOUS[0] else f"{name}@{threshold}"] = (
                f"{np.mean(values):.3f}{spread}"
            )
        line["minutes"] = f"{np.mean([run.seconds for run in runs]) / 60:.1f}"
        lines.append(line)
    return lines


def write_report(path: Path, comparison: Comparison, images: Sequence[AnnotatedImage]) -> None:
    """Write a page that needs no other file: verdict, table, spread over the images, curves, pictures, conditions.

    Parameters
    ----------
    path : Path
        The HTML file; it appears whole or not at all.
    comparison : Comparison
    images : sequence of AnnotatedImage
        The scored images, in the order of `comparison.images`.
    """
    verdict = judge(comparison)
    parts = [
        f"<h1>Which loss? {' · '.join(comparison.losses)}</h1>",
        f"<p><b>{html.escape(str(verdict))}</b></p>",
        _table(score_rows(comparison), best=verdict.best),
        f"<p>Means over {len(comparison.images)} test images"
        + (
            f" ± standard deviation over {len(comparison.seeds)} seeds"
            if len(comparison.seeds) > 1
            else ""
        )
        + ", arg max. PQ = SQ · RQ, RQ = F1, AP = TP/(TP + FP + FN), at IoU 0.5 if nothing else is said.</p>",
        _figure(_spread(comparison), "PQ of each test image; the line is the mean"),
        _figure(_curves(comparison), "PQ on the validation images during training"),
    ]
    if len(comparison.losses) > 2 and len(comparison.images) >= FEWEST:
        diagram = critical_difference_diagram(list(comparison.losses), nemenyi(comparison.table()))
        parts.append(
            _figure(
                diagram, "Mean ranks; a bar joins losses that Nemenyi's test does not tell apart"
            )
        )
    parts += ["<h2>Where they differ most</h2>", *_pictures(comparison, images)]
    parts += ["<h2>Conditions</h2>", _conditions(comparison)]
    page = f'<!doctype html><meta charset="utf-8"><title>Which loss?</title><style>{_STYLE}</style>{"".join(parts)}'
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _p(value: float) -> str:
    return "< 0.001" if value < 1e-3 else f"= {value:.2g}"


def _table(lines: Sequence[Mapping[str, str]], *, best: str) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in lines[0])
    body = "".join(
        f"<tr{' class=best' * (line['loss'] == best)}>{''.join(f'<td>{value}</td>' for value in line.values())}</tr>"
        for line in lines
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _conditions(comparison: Comparison) -> str:
    seeds = zip(comparison.seeds, comparison.conditions, strict=True)
    lines = {
        "The same for all losses": "; ".join(
            f"seed {seed}: first weights {one.start[:12]}, crops {one.crops[:12]} (SHA-256)"
            for seed, one in seeds
        ),
        "Settings": _listed(comparison.settings),
        **{
            f"Settings of {loss} alone": _listed(own)
            for loss, own in comparison.own_settings.items()
        },
        "Made with": ", ".join(f"{name} {value}" for name, value in comparison.made_with.items()),
    }
    return "".join(f"<p><b>{name}.</b> {html.escape(text)}</p>" for name, text in lines.items())


def _listed(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _spread(comparison: Comparison) -> "Figure":
    from matplotlib.figure import Figure

    table = comparison.table()
    figure = Figure(figsize=(1.5 + 0.9 * len(comparison.losses), 3.5), layout="constrained")
    axes = figure.subplots()
    for column, values in enumerate(table.T):
        # neighbours in rank lie beside each other, so that equal scores stay visible
        beside = (np.argsort(np.argsort(values)) % 5 - 2) * 0.06
        axes.plot(column + beside, values, "o", ms=3, alpha=0.5, color=f"C{column}")
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


def _pictures(comparison: Comparison, images: Sequence[AnnotatedImage]) -> list[str]:
    """The test images whose PQ differs most between the losses, each where the cells found differ most."""
    spread = np.ptp(comparison.table(), axis=1)
    parts = []
    for number in np.argsort(-spread, kind="stable")[:_SHOWN]:
        image = images[number]
        first = {loss: comparison.runs_of(loss)[0] for loss in comparison.losses}
        found = {
            f"{loss}: PQ {run.of_images('PQ')[number]:.2f}": read_labels(
                run.folder / LABELS_FOLDER / f"{image.name}.tif"
            )
            for loss, run in first.items()
        }
        drawn = {"annotation": image.labels.clip(0), **found}
        grey, drawn = _plane(image.image[0], drawn)
        window = _window(list(drawn.values())[1:])
        shown = [
            f'<figure><img alt="" src="{_png(overlay(grey[window], labels[window]))}">'
            f"<figcaption>{html.escape(name)}</figcaption></figure>"
            for name, labels in drawn.items()
        ]
        parts.append(f'<h3>{html.escape(image.name)}</h3><div class="cells">{"".join(shown)}</div>')
    return parts


def _plane(
    image: NDArray[np.float32], labels: Mapping[str, Labels]
) -> tuple[NDArray[np.float32], dict[str, Labels]]:
    """Of a stack the middle slice."""
    while image.ndim > 2:
        middle = len(image) // 2
        image, labels = image[middle], {name: one[middle] for name, one in labels.items()}
    return image, dict(labels)


def _window(found: Sequence[Labels]) -> tuple[slice, slice]:
    """Where the outlines differ most between the losses."""
    outlines = np.stack([inner_contour(labels) for labels in found])
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
    return f'<figure><img alt="" src="{_source(buffer)}"><figcaption>{html.escape(caption)}</figcaption></figure>'


def _png(picture: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    return _source(buffer)


def _source(png: io.BytesIO) -> str:
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
