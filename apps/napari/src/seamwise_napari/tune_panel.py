"""The widget that decodes again while thresholds move: `TunePanel`."""

from typing import Any

from magicgui.widgets import Container, FloatSlider, Label, Slider
from magicgui.widgets.bases import Widget
from napari.layers import Labels
from napari.viewer import Viewer
from numpy.typing import NDArray

from seamwise.io import DecodeRule
from seamwise.segmentation import sliders_of
from seamwise_napari.finding import Kept
from seamwise_napari.layers import copied_place
from seamwise_napari.panel import Panel, button, layer_choice, wrapped
from seamwise_napari.results import is_corrected, remember, result_of
from seamwise_napari.shelf import SHELF

_WIDTH = 320  # pixels, so that sliders are long enough
_HINT = "Choose labels that Find cells has made of one plane, or of one stack with a 3D model."


class TunePanel(Panel):
    """Move the thresholds of a model and see the cells change; the network does not run."""

    def __init__(self, napari_viewer: Viewer) -> None:
        self.cells = layer_choice(Labels, "Cells")
        self.hint = wrapped(Label(value=_HINT, label=""))
        self.sliders: Container[Widget] = Container(widgets=[], labels=True, label="")
        self.reset = button("Reset", self._reset)
        self.sliders.margins = (0, 0, 0, 0)
        self._is_stale = False
        self._shown: tuple[Any, Kept | None] = (None, None)
        super().__init__(napari_viewer, [self.cells, self.hint, self.sliders, self.reset])
        self.native.setMinimumWidth(_WIDTH)
        self.cells.changed.connect(self._refresh)
        self._refresh()

    def reset_choices(self, *_: Any) -> None:
        """Follow the layers of the viewer."""
        super().reset_choices()
        self._refresh()

    def _refresh(self, *_: Any) -> None:
        """Show the sliders of the model that found the cells."""
        layer = self.cells.value
        result = result_of(layer)
        kept = None if result is None else result.kept
        if self._shown == (layer, kept):
            return
        self._shown = (layer, kept)
        self.hint.visible, self.reset.visible = kept is None, kept is not None
        self.sliders.clear()
        if kept is not None and result is not None:
            self._build(result.rule or kept.rule)

    def _build(self, rule: DecodeRule) -> None:
        for slider in sliders_of(rule):
            kind = Slider if slider.step == 1 else FloatSlider
            one = kind(
                name=slider.name,
                label=f"{slider.words}  ",  # room for the last letter
                value=slider.value,
                min=0,
                max=slider.most,
                step=slider.step,
                tooltip=slider.help,
            )
            one.changed.connect(self._ask)
            self.sliders.append(one)

    def _reset(self) -> None:
        """Return to the thresholds of the model."""
        kept = self._shown[1]
        if kept is None:
            return
        for slider in sliders_of(kept.rule):
            self.sliders[slider.name].value = slider.value

    def _ask(self, *_: Any) -> None:
        """Decode with what the sliders say; if that is being done, once more after it."""
        layer, kept = self._shown
        if kept is None:
            return
        if self.is_busy:
            self._is_stale = True
            return
        self._is_stale = False
        values = {slider.name: slider.value for slider in self.sliders}
        rule = kept.rule_of(values, values.pop("min_size"))
        self.run(
            lambda work: kept.decode(rule),
            lambda labels: self._show(layer, kept, rule, labels),
            quiet=True,
        )

    def _show(self, layer: Labels, kept: Kept, rule: DecodeRule, labels: NDArray[Any]) -> None:
        """Draw the cells; labels that somebody corrected stay as they are."""
        words = f"{int(labels.max(initial=0))} cells."
        if is_corrected(layer):
            words += f" Your corrections stay in {layer.name}."
            layer = self._copy(layer, kept, rule)
        layer.data[kept.place] = labels
        layer.refresh()
        remember(layer, kept, rule)
        SHELF.tuned[kept.model] = rule
        SHELF.tell()
        self.say(words)
        if self._is_stale:
            self._ask()

    def _copy(self, layer: Labels, kept: Kept, rule: DecodeRule) -> Labels:
        """A layer of its own for the cells of the sliders."""
        copy = self.viewer.add_labels(
            layer.data.copy(), name=f"{layer.name} tuned", **copied_place(layer)
        )
        remember(copy, kept, rule)
        self._shown = (copy, kept)
        self.cells.value = copy
        return copy
