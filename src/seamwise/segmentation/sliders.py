"""The thresholds of a decode rule in words, for who moves them: `sliders_of`, `rule_with`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seamwise.io.models import DecodeRule

_LARGEST_MIN_SIZE = 1000  # pixels

# name, words, what a higher value does, largest value, step
_SLIDERS: dict[str, tuple[tuple[str, str, str, float, float], ...]] = {
    "relief": (
        ("foreground", "Outline", "Higher draws outlines closer to the cells.", 1.0, 0.01),
        ("peak", "Doubtful cells", "Higher removes cells that the model is unsure of.", 1.0, 0.01),
        ("saddle", "Splitting", "Higher splits more cells, lower joins more.", 1.5, 0.01),
        ("core", "Crowds", "Higher separates cells in crowds, and loses faint ones.", 1.0, 0.01),
    ),
    "threshold": (
        ("touching", "Seams", "Higher draws fewer seams between cells.", 1.0, 0.01),
        ("cell", "Cells", "Higher keeps only pixels that are surely cell.", 1.0, 0.01),
    ),
    "watershed": (
        ("background", "Background", "Higher calls fewer pixels background.", 1.0, 0.01),
        ("cell", "Cells", "Higher begins fewer cells.", 1.0, 0.01),
    ),
    "argmax": (),
}


@dataclass(frozen=True)
class Slider:
    """A threshold of a decode rule as a person moves it, from 0 upwards.

    Attributes
    ----------
    name : str
        Of the threshold in the rule, or "min_size".
    words : str
        What it is called.
    help : str
        What a higher value does.
    value : float
        Where it is.
    most : float
        Its upper end. A rule may go beyond.
    step : float
    """

    name: str
    words: str
    help: str
    value: float
    most: float
    step: float


def sliders_of(rule: DecodeRule) -> tuple[Slider, ...]:
    """Return the sliders of a rule with its values; the last is that of the smallest cell.

    Examples
    --------
    >>> [slider.words for slider in sliders_of(DecodeRule(min_size=20))]
    ['Smallest cell']
    """
    thresholds = tuple(
        Slider(name, words, text, value, max(most, value), step)
        for name, words, text, most, step in _SLIDERS[rule.rule]
        for value in [getattr(rule.pair, name)]
    )
    smallest = Slider(
        name="min_size",
        words="Smallest cell",
        help="Cells of fewer pixels are removed.",
        value=rule.min_size,
        most=max(_LARGEST_MIN_SIZE, rule.min_size),
        step=1,
    )
    return (*thresholds, smallest)


def rule_with(rule: DecodeRule, values: Mapping[str, Any]) -> DecodeRule:
    """Return a rule with other thresholds, by the names of their sliders without "min_size".

    `decode_rule` changes the smallest size of a cell.

    Parameters
    ----------
    rule : DecodeRule
    values : mapping of str to float
        The new thresholds, each from 0 to the largest value of its slider.

    Raises
    ------
    ValueError
        The rule has no such threshold, or a value is out of range.
    """
    sliders = {slider.name: slider for slider in sliders_of(rule)[:-1]}  # the size is apart
    for name, value in values.items():
        if name not in sliders:
            names = ", ".join(sliders) or "none"
            raise ValueError(f"rule {rule.rule} has no threshold {name!r}: it has {names}")
        words, most = sliders[name].words, sliders[name].most
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise ValueError(f"{words} must be a number from 0 to {most:g}, not {value!r}")
    if rule.pair is None or not values:
        return rule
    pair = type(rule.pair).model_validate({**rule.pair.model_dump(), **values})
    return rule.model_copy(update={rule.rule: pair})
