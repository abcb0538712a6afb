"""What all widgets share: fields, a message, a bar and a button for a work in a thread."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, cast

from magicgui.widgets import Container, Label, ProgressBar, PushButton, create_widget
from magicgui.widgets.bases import Widget
from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel

from seamwise_napari.work import Work

_POLL = 30  # milliseconds
_STEPS = 1000
_COLOURS = {"plain": "", "warning": "color: #e0a030;", "error": "color: #ff6b5e;"}


def layer_choice(kind: type[Layer], label: str) -> Any:
    """Return a field to choose one of the layers of a kind; it follows the viewer."""
    return create_widget(annotation=kind, label=label)


def button(words: str, press: Callable[[], object]) -> PushButton:
    """Return a button."""
    widget = PushButton(text=words, label="")
    widget.changed.connect(lambda _: press())
    return widget


def wrap_text(label: Label) -> Label:
    """Let the text of a label take several lines."""
    native = cast(QLabel, label.native)
    native.setWordWrap(True)
    native.setMinimumWidth(200)
    return label


def _cancel_all(works: list[Work]) -> None:
    """Stop the works of a widget that was closed."""
    for work in works:
        work.cancel()


class Panel(Container[Widget]):
    """A widget of the plugin.

    Parameters
    ----------
    viewer : napari.Viewer
    fields : sequence of widget

    Attributes
    ----------
    message : Label
        What happened last, in words.
    """

    def __init__(self, viewer: Viewer, fields: Sequence[Widget]) -> None:
        self.viewer = viewer
        self.message = wrap_text(Label(value="", label=""))
        self._bar = ProgressBar(value=0, min=0, max=_STEPS, label="", visible=False)
        self._stop = button("Cancel", self.cancel)
        self._stop.visible = False
        self._work: Work | None = None
        self._is_quiet = True
        self._finish: Callable[[Any], object] = lambda result: None
        super().__init__(widgets=[*fields, self._bar, self._stop, self.message], labels=True)
        self._timer = QTimer(self.native)
        self._timer.setInterval(_POLL)
        self._timer.timeout.connect(self._look)
        # not by a signal of Qt, which may come when Python has half of the widget left
        self._running: list[Work] = []
        weakref.finalize(self, _cancel_all, self._running)

    @property
    def is_busy(self) -> bool:
        """Whether a work was begun whose result is not shown yet."""
        return self._work is not None

    def say(self, words: str, kind: str = "plain") -> None:
        """Show a message; `kind` is "plain", "warning" or "error"."""
        self.message.value = words
        self.message.native.setStyleSheet(_COLOURS[kind])

    def run(
        self,
        function: Callable[[Work], Any],
        finish: Callable[[Any], object],
        *,
        quiet: bool = False,
    ) -> None:
        """Do a work in a thread, and then something with its result in this one.

        Parameters
        ----------
        function : function
            See `Work`.
        finish : function
            Called with the result, unless the work failed or was cancelled.
        quiet : bool
            The work is short: show no bar.
        """
        if self.is_busy:
            self.say("One work at a time: wait for it, or cancel it.", "warning")
            return
        if not quiet:
            self.say("")
        self._work, self._finish, self._is_quiet = Work(function), finish, quiet
        self._running[:] = [self._work]
        self._bar.visible = self._stop.visible = not quiet
        self._timer.start()

    def cancel(self) -> None:
        """Stop the work at its next step."""
        if self._work is not None:
            self._work.cancel()

    def cancelled(self, result: Any) -> None:
        """Tell the user that a work was cancelled."""
        self.say("Cancelled. Nothing was changed.")

    def _look(self) -> None:
        """Show how far the work is; at its end, what came out."""
        work = self._work
        if work is None:
            return
        if work.is_running:
            if not self._is_quiet:
                self.show_progress(work)
            return
        self._timer.stop()
        self._work = None
        self._bar.visible = self._stop.visible = False
        if work.error:
            self.say(work.error, "error")
        elif work.is_cancelled:
            self.cancelled(work.result)
        else:
            self._finish(work.result)

    def show_progress(self, work: Work) -> None:
        """Show how far a work is."""
        is_known = work.share is not None
        self._bar.max = _STEPS if is_known else 0
        self._bar.value = round(_STEPS * (work.share or 0))
        self.say(f"{work.stage} …")
