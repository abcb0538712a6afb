"""Pages in HTML that need no other file and no network: parts, and `write_page` that joins them.

A text that a part takes is escaped, unless it is `Markup`, as the parts themselves are.
"""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path
from seamwise.io.outcome import amount, plural

_STYLE = """
:root { --ink: #1d2530; --soft: #5c6773; --line: #d9dee4; --fill: #f4f6f8; --accent: #2f6db3 }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1180px; padding: 24px 28px 60px; color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; background: #fff }
h1 { font-size: 26px; margin: 0 0 4px; line-height: 1.2 }
h2 { font-size: 19px; margin: 40px 0 10px; padding-top: 14px; border-top: 1px solid var(--line) }
h3 { font-size: 15px; margin: 22px 0 8px }
p { margin: 6px 0 10px; max-width: 78ch }
a { color: var(--accent) }
table { border-collapse: collapse; margin: 10px 0 16px; font-variant-numeric: tabular-nums }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top }
th { color: var(--soft); font-weight: 600; font-size: 13px }
td.number, th.number { text-align: right }
.facts { display: flex; flex-wrap: wrap; gap: 10px; margin: 16px 0 }
.facts div { background: var(--fill); border-radius: 8px; padding: 9px 16px; min-width: 104px }
.facts b { display: block; font-size: 22px; line-height: 1.25 }
.facts span { color: var(--soft); font-size: 13px }
figure { margin: 0 0 8px }
figure svg, figure img { max-width: 100%; height: auto; display: block; border-radius: 4px }
figcaption { color: var(--soft); font-size: 13px; margin-top: 4px }
.gallery { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start }
.gallery figure { max-width: 170px }
.row { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start }
.row > div { flex: 1 1 400px; min-width: 0 }
.key i { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin: 0 6px -1px 0 }
.key { max-width: none }
.key span { margin-right: 18px; display: inline-block }
.note { color: var(--soft); font-size: 13px }
@media print { body { max-width: none } figure { break-inside: avoid } }
"""
_SHADE = "#5b7db1"
_CHART = (520, 190)  # width and height of a histogram
_MARGINS = (46, 12, 10, 40)  # left, right, top, bottom


class Markup(str):
    """A text that is HTML already and is not escaped again."""

    __slots__ = ()


def joined(parts: Iterable[str]) -> Markup:
    """Return the parts one after the other."""
    return Markup("\n".join(_html(part) for part in parts))


def heading(text: str, *, level: int = 2, anchor: str = "") -> Markup:
    """Return a heading; a `link` leads to its anchor."""
    mark = f' id="{escape(anchor)}"' if anchor else ""
    return Markup(f"<h{level}{mark}>{_html(text)}</h{level}>")


def paragraph(text: str, *, is_note: bool = False) -> Markup:
    """Return a paragraph; a note is small and grey."""
    kind = ' class="note"' if is_note else ""
    return Markup(f"<p{kind}>{_html(text)}</p>")


def link(text: str, anchor: str) -> Markup:
    """Return a link to a place on the same page."""
    return Markup(f'<a href="#{escape(anchor)}">{_html(text)}</a>')


def facts(values: Mapping[str, object]) -> Markup:
    """Return numbers in large type, each with its name below."""
    items = (
        f"<div><b>{_html(value)}</b><span>{_html(name)}</span></div>"
        for name, value in values.items()
    )
    return Markup(f'<div class="facts">{"".join(items)}</div>')


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Return a table; a column is aligned to the right if all of it are numbers.

    Floats have three significant digits, other numbers a space between thousands; None is empty.

    Examples
    --------
    >>> "<td>a &lt; b</td>" in table(["text"], [["a < b"]])
    True
    """
    lines = [tuple(row) for row in rows]
    kinds = [_kind(lines, i) for i in range(len(columns))]
    head = _cells("th", kinds, columns)
    body = "".join(f"<tr>{_cells('td', kinds, line)}</tr>\n" for line in lines)
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>")


def key(colours: Mapping[str, str]) -> Markup:
    """Return which colour, such as ``#d1495b``, stands for what."""
    items = (
        f'<span><i style="background:{escape(colour)}"></i>{_html(name)}</span>'
        for name, colour in colours.items()
    )
    return Markup(f'<p class="key">{"".join(items)}</p>')


def picture(pixels: NDArray[np.uint8], *, alt: str, width: int | None = None) -> Markup:
    """Return a picture that is part of the page.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3) uint8 array
    alt : str
        What it shows, for readers who do not see it.
    width : int, optional
        On the page, in pixels; by default its own. Enlarged pixels stay sharp.
    """
    size = pixels.shape[1] if width is None else width
    sharp = "image-rendering:pixelated" if size > pixels.shape[1] else ""
    return Markup(
        f'<img src="{picture_data(pixels)}" alt="{escape(alt)}" width="{size}" style="{sharp}">'
    )


def picture_data(pixels: NDArray[np.uint8]) -> str:
    """Return a picture as text for ``src`` or ``href``: JPEG, with alpha `(Y, X, 4)` PNG."""
    from PIL import Image

    kind, how = ("png", {}) if pixels.shape[2:] == (4,) else ("jpeg", {"quality": 88})
    content = BytesIO()
    Image.fromarray(pixels).save(content, kind, optimize=True, **how)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def figure(content: str, caption: str = "") -> Markup:
    """Return a picture or chart with a line below it."""
    below = f"<figcaption>{_html(caption)}</figcaption>" if caption else ""
    return Markup(f"<figure>{_html(content)}{below}</figure>")


def gallery(figures: Iterable[str]) -> Markup:
    """Return small figures next to each other."""
    return Markup(f'<div class="gallery">{joined(figures)}</div>')


def row(parts: Iterable[str]) -> Markup:
    """Return parts next to each other, below each other where the window is narrow."""
    boxes = "".join(f"<div>{_html(part)}</div>" for part in parts)
    return Markup(f'<div class="row">{boxes}</div>')


def histogram(values: NDArray[Any], *, label: str, noun: str = "cell") -> Markup:
    """Return a histogram as a drawing; the mouse shows the count of each bar.

    Parameters
    ----------
    values : array
        Values that are not finite are ignored.
    label : str
        What the values are, below the axis.
    noun : str
        What is counted, one of it.
    """
    numbers = np.asarray(values, float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return paragraph(f"No {plural(2, noun)}, no histogram.", is_note=True)
    bins = bar_count(len(numbers))
    counts, edges = np.histogram(numbers, bins)
    width, height = _CHART
    left, right, top, bottom = _MARGINS
    across, up = (width - left - right) / bins, (height - top - bottom) / counts.max()
    base = height - bottom
    bars = "".join(
        f'<rect x="{left + i * across + 0.5:.1f}" y="{base - n * up:.1f}" '
        f'width="{across - 1:.1f}" height="{n * up:.1f}" fill="{_SHADE}">'
        f"<title>{escape(amount(n, noun))}: {_text(edges[i])} to {_text(edges[i + 1])}</title>"
        "</rect>"
        for i, n in enumerate(counts)
    )
    span = edges[-1] - edges[0]
    along = "".join(
        _mark(left + (tick - edges[0]) / span * (width - left - right), base + 16, tick, "middle")
        for tick in _ticks(edges[0], edges[-1])
    )
    upright = "".join(
        _mark(left - 6, base - tick * up + 4, tick, "end")
        for tick in _ticks(0, counts.max())
        if tick == int(tick)
    )
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="histogram of {escape(label)}" font-size="12" fill="#5c6773">{bars}'
        f'<path d="M{left} {base}H{width - right}" stroke="#9aa4af"/>{along}{upright}'
        f'<text x="{(left + width - right) / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(label)}</text></svg>"
    )


def bar_count(values: int) -> int:
    """Return how many bars a histogram of so many values has: 1.5·√n, from 8 to 40.

    Examples
    --------
    >>> bar_count(20), bar_count(200), bar_count(20_000)
    (8, 21, 40)
    """
    return int(np.clip(1.5 * np.sqrt(values), 8, 40))


def write_page(path: Path, title: str, parts: Iterable[str], *, subtitle: str = "") -> None:
    """Write a page; it is whole or not there at all.

    Characters that UTF-8 cannot hold, for example in the name of a file, become question marks.

    Parameters
    ----------
    path : Path
    title, subtitle : str
        The title stands in the window, too.
    parts : iterable of str

    Raises
    ------
    OSError
        The file cannot be written.
    """
    below = paragraph(subtitle, is_note=True) if subtitle else ""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace") as stream,
    ):
        stream.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
            f"<h1>{escape(title)}</h1>\n{below}\n"
        )
        for part in parts:  # one by one: the pictures of many images are large
            stream.write(f"{_html(part)}\n")
        stream.write("</body></html>\n")


def _html(value: object) -> str:
    return value if isinstance(value, Markup) else escape(_text(value))


def _text(value: object) -> str:
    """A value as a reader wants it.

    Examples
    --------
    >>> _text(12345), _text(0.5), _text(1234.5), _text(float("nan")), _text(None)
    ('12\\u202f345', '0.500', '1\\u202f234', '–', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return "–"
        # 999.5 is 1000 with three digits
        is_large = abs(float(value)) >= 999.5
        return _text(round(float(value))) if is_large else f"{value:#.3g}".rstrip(".")
    return str(value)


def _kind(lines: Sequence[Sequence[object]], column: int) -> str:
    """The class of the cells of a column: empty, or that of numbers."""
    numbers = [isinstance(line[column], int | float | np.number | None) for line in lines]
    return ' class="number"' if numbers and all(numbers) else ""


def _cells(tag: str, kinds: Sequence[str], values: Sequence[object]) -> str:
    return "".join(
        f"<{tag}{kind}>{_html(value)}</{tag}>" for kind, value in zip(kinds, values, strict=True)
    )


def _mark(x: float, y: float, value: float, anchor: str) -> str:
    """A number at an axis."""
    number = int(value) if value == int(value) else float(value)
    text = _text(number) if isinstance(number, int) else f"{number:g}"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _ticks(low: float, high: float) -> NDArray[np.float64]:
    """Four to eight round numbers of an axis.

    Examples
    --------
    >>> _ticks(3, 47).tolist(), _ticks(0, 3).tolist()
    ([10.0, 20.0, 30.0, 40.0], [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    """
    rough = (high - low) / 5
    power = 10 ** np.floor(np.log10(rough))
    steps = power * np.array([1, 2, 5, 10])
    step = steps[steps >= rough * 0.8][0]
    ticks: NDArray[np.float64] = np.arange(np.ceil(low / step - 1e-9), high / step + 1e-9) * step
    return ticks + 0.0  # not −0
