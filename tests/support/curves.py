"""Trainings without the picture of their curve."""

from contextlib import contextmanager

import pytest

from seamwise.engine import loop


@contextmanager
def no_curves():
    """Draw no curves: each takes longer than a few steps of a tiny network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plot_curve", lambda path, history: None)
        yield
