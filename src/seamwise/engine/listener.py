"""Functions that hear how far a work is; see `Listener`."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageProgress:
    """How far a stage of a work is: `done` of `total` steps."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Listener:
    """Functions that hear of a work while it is done.

    Attributes
    ----------
    announce : function
        Called with a line for the user before the work on an image or a burst begins.
    report : function
        Called with a `StageProgress` after each step, such as a block or a frame.
    """

    announce: Callable[[str], None] = lambda text: None
    report: Callable[[StageProgress], None] = lambda progress: None
