"""A work in a thread, with progress and a way to stop it: `Work`."""

import traceback
from collections.abc import Callable
from threading import Event, Thread
from typing import Any


class CancelledError(Exception):
    """The user cancelled the work."""


class Work:
    """A function in a thread of its own.

    Parameters
    ----------
    function : function
        Takes this object, calls `tell` between its steps, and returns a result.

    Attributes
    ----------
    stage : str
        What is being done, in words.
    share : float or None
        How much of the stage is done, 0 to 1; None if that is not known.
    result : object
        What the function returned.
    error : str
        Why it failed, in one line; empty if it did not.
    """

    def __init__(self, function: Callable[["Work"], Any]) -> None:
        self.stage = "starting"
        self.share: float | None = None
        self.result: Any = None
        self.error = ""
        self._function, self._cancel = function, Event()
        self._thread = Thread(target=self._run, daemon=True, name="seamwise")
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is still at work."""
        return self._thread.is_alive()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Stop at the next step; nothing of the result is kept."""
        self._cancel.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def tell(self, stage: str, share: float | None = None) -> None:
        """Report what is done next, or how much of it is done.

        Raises
        ------
        CancelledError
            The user cancelled.
        """
        if self.is_cancelled:
            raise CancelledError
        self.stage, self.share = stage, share

    def _run(self) -> None:
        try:
            self.result = self._function(self)
        except CancelledError:
            pass
        except Exception as error:
            self.error = in_words(error)


def in_words(error: BaseException) -> str:
    """Return an error in one line; what nobody expected is also printed with its place.

    Options of the command line become fields of the widgets.

    Examples
    --------
    >>> in_words(ValueError("the model knows 7 to 50: try --diameter 120"))
    'the model knows 7 to 50: set the cell diameter to 120'
    """
    if isinstance(error, MemoryError):
        return "not enough memory: close other programs, or use a smaller image"
    if not isinstance(error, ValueError | TypeError | OSError):
        traceback.print_exception(error)
        return f"a fault of seamwise, {type(error).__name__}: the terminal shows where"
    return for_widgets(" ".join(str(error).split()) or type(error).__name__)


def for_widgets(words: str) -> str:
    """Return a message in which options of the command line are fields of the widgets."""
    for option, field in _FIELDS.items():
        words = words.replace(option, field)
    return words


_FIELDS = {
    "try --diameter ": "set the cell diameter to ",
    "give --spacing Z,Y,X": "fill in the pixel size",
    "give --spacing": "fill in the pixel size",
    "give another scale, diameter or spacing": "set another cell diameter or pixel size",
    "with --channel": "as a layer of its own",
}
