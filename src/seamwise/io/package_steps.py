"""What a package of bioimage.io does to an image before its network sees it: `parse_steps`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from seamwise.io.package_fields import Refusal, number, numbers, shown, text

_EPS = 1e-6  # of `segmentation.normalization`, and the default of the format
_FLOATS = ("float32", "float64")
_LINEAR = ("scale_linear", "fixed_zero_mean_unit_variance")
_MEASURED = ("scale_range", "zero_mean_unit_variance")


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image before a network sees it.

    Attributes
    ----------
    kind : {"identity", "range", "standard"}
        What is measured in the whole image; see `NormalizationRule`.
    low, high : float
        Percentiles of "range".
    gain, offset : tuple of float
        Then, x ↦ gain · x + offset, of each channel.
    """

    kind: Literal["identity", "range", "standard"] = "identity"
    low: float = 0.0
    high: float = 100.0
    gain: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)


def parse_steps(
    steps: Sequence[Mapping[str, Any]], *, channels: int, space: Sequence[str]
) -> Preprocessing:
    """Return what the steps amount to: at most one that measures, then one that is linear.

    Parameters
    ----------
    steps : sequence of mapping
        ``id`` and ``kwargs`` of each.
    channels : int
    space : sequence of str
        Names of the axes of space.

    Raises
    ------
    Refusal
        They amount to something else, or a number is wrong.
    """
    names = [text(step, "id") for step in steps]
    if "custom" in names:
        raise Refusal("carries code, for its processing: seamwise runs none")
    result = Preprocessing(gain=(1.0,) * channels, offset=(0.0,) * channels)
    rest = [(name, _keywords(step)) for name, step in zip(names, steps, strict=True)]
    for _, keywords in (one for one in rest if one[0] == "ensure_dtype"):
        if keywords.get("dtype") not in _FLOATS:
            raise Refusal(
                f"turns its images into {shown(keywords.get('dtype'))}: expected float32 or float64"
            )
    rest = [one for one in rest if one[0] != "ensure_dtype"]
    if rest and rest[0][0] in _MEASURED:
        result = _measured(*rest.pop(0), result, channels=channels, space=space)
    if rest and rest[0][0] in _LINEAR:
        result = _linear(*rest.pop(0), result, channels)
    if rest:
        raise Refusal(
            f"prepares its images by {shown(', '.join(names))}, in a way that seamwise does not "
            "know"
        )
    return result


def _keywords(step: Mapping[str, Any]) -> dict[str, Any]:
    keywords = step.get("kwargs") or {}
    if not isinstance(keywords, dict):
        raise Refusal(
            f"is damaged: its description has kwargs {shown(keywords)}: expected fields with names"
        )
    return keywords


def _measured(
    name: str,
    keywords: Mapping[str, Any],
    result: Preprocessing,
    *,
    channels: int,
    space: Sequence[str],
) -> Preprocessing:
    if keywords.get("reference_tensor"):
        raise Refusal(f"prepares its images by {name} with another tensor: expected its own")
    eps = number(keywords, "eps", _EPS)
    if eps != _EPS:
        raise Refusal(f"prepares its images by {name} with eps {eps:g}: expected {_EPS:g}")
    axes = keywords.get("axes")
    if axes is not None and not (
        isinstance(axes, list) and all(isinstance(axis, str) for axis in axes)
    ):
        raise Refusal(f"prepares its images by {name} along axes {shown(axes)}: expected names")
    measured = set(axes or ["channel", *space]) - {"batch"}
    if channels == 1:
        measured -= {"channel"}
    if measured != set(space):
        raise Refusal(
            f"prepares its images by {name} along {shown(', '.join(sorted(measured)))}: expected "
            f"{', '.join(space)}"
        )
    if name == "zero_mean_unit_variance":
        return replace(result, kind="standard")
    low = number(keywords, "min_percentile", 0)
    high = number(keywords, "max_percentile", 100)
    if not 0 <= low < high <= 100:
        raise Refusal(
            f"has min_percentile {low:g} and max_percentile {high:g}: expected 0 to 100, the first "
            "below the second"
        )
    return replace(result, kind="range", low=low, high=high)


def _linear(
    name: str, keywords: Mapping[str, Any], result: Preprocessing, channels: int
) -> Preprocessing:
    """Gain and offset of each channel."""
    if keywords.get("axis") not in (None, "channel"):
        raise Refusal(
            f"prepares its images by {name} along {shown(keywords['axis'])}: expected channel"
        )
    if name == "scale_linear":
        return replace(
            result,
            gain=numbers(keywords, "gain", 1, count=channels),
            offset=numbers(keywords, "offset", 0, count=channels),
        )
    deviations = numbers(keywords, "std", 1, count=channels)
    if min(deviations) <= 0:
        raise Refusal(f"has std {shown(min(deviations))}: expected a number above 0")
    gain = tuple(1 / deviation for deviation in deviations)
    means = numbers(keywords, "mean", 0, count=channels)
    offset = tuple(-mean * factor for mean, factor in zip(means, gain, strict=True))
    return replace(result, gain=gain, offset=offset)
