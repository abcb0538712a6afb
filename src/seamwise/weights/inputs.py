"""What weight maps are called with: check it, and fill in what is missing."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from seamwise.labels import CLASS_NAMES, IGNORE, Labels, Target, as_labels, semantic_target
from seamwise.labels.spacing import checked_spacing


def check_inputs(
    labels: Labels, target: Target | None, spacing: Sequence[float] | None
) -> tuple[Labels, Target, tuple[float, ...]]:
    """Check what every map is called with; fill in the three-class target, and a spacing of 1.

    A pixel that `labels` ignores is ignored in the target too.
    """
    labels = as_labels(labels)
    steps = checked_spacing(spacing, labels.ndim)
    if target is None:
        return labels, semantic_target(labels, classes=3, spacing=steps), steps
    target = as_labels(target, name="target")
    if target.shape != labels.shape:
        raise ValueError(f"target must have the shape of labels {labels.shape}, not {target.shape}")
    low, high = int(target.min(initial=0)), int(target.max(initial=0))
    if low < IGNORE or high >= len(CLASS_NAMES):
        raise ValueError(
            f"target must hold classes 0..{len(CLASS_NAMES) - 1} or {IGNORE} (ignored), "
            f"not {low if low < IGNORE else high}: make it with semantic_target"
        )
    target = target.astype(np.int8, copy=False)
    if labels.dtype.kind == "i" and ((labels < 0) & (target >= 0)).any():
        target = np.where(labels < 0, np.int8(IGNORE), target)
    return labels, target, steps


def check_positive(name: str, value: Any) -> float:
    """Return an option as a float, or raise ValueError unless it is a positive, finite number."""
    if not isinstance(value, Real) or not 0 < float(value) < np.inf:
        raise ValueError(f"{name} must be a positive number, not {value!r}")
    return float(value)


def check_from_zero(name: str, value: Any, *, whole: bool = False) -> float:
    """Return an option as a float, or raise ValueError unless it is finite and 0 or more."""
    if not isinstance(value, Integral if whole else Real) or not 0 <= float(value) < np.inf:
        raise ValueError(f"{name} must be a {'whole ' * whole}number of 0 or more, not {value!r}")
    return float(value)
