"""The widget that decodes again while thresholds move: `TunePanel`."""

from typing import Any

from magicgui.widgets import Container, FloatSlider, Label, Slider
from magicgui.widgets.bases import Widget
from napari.layers import Labels
from napari.viewer import Viewer
from numpy.typing import NDArray

from seamwise.io import DecodeRule
from seamwise.segmentation import sliders_of
from seamwise_napari.finding import NetworkOutput, Tuning
from seamwise_napari.layers import copied_place
from seamwise_napari.panel import Panel, button, layer_choice, wrap_text
from seamwise_napari.results import is_corrected, remember, remember_part, result_of
from seamwise_napari.shelf import SHELF

_WIDTH = 320  # pixels, so that sliders are long enough
_HINT = "Choose labels that Find cells has made of one plane, or of one stack with a 3D model."


class TunePanel(Panel):
    """Move the thresholds of a model and see the cells change; the network does not run."""

    def __init__(self, napari_viewer: Viewer) -> None:
        self.cells = layer_choice(Labels, "Cells")
        self.hint = wrap_text(Label(value=_HINT, label=""))
        self.sliders: Container[Widget] = Container(widgets=[], labels=True, label="")
        self.reset = button("Reset", self._reset)
        self.sliders.margins = (0, 0, 0, 0)
        self._is_stale = False
        self._shown: tuple[Any, NetworkOutput | None] = (None, None)
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
        output = None if result is None else result.output
        if self._shown == (layer, output):
            return
        self._shown = (layer, output)
        self.hint.visible, self.reset.visible = output is None, output is not None
        self.sliders.clear()
        if output is not None and result is not None:
            self._build(result.rule or output.rule)

    def _build(self, rule: DecodeRule) -> None:
        for slider in sliders_of(rule):
            kind = Slider if slider.step == 1 else FloatSlider
            field = kind(
                name=slider.name,
                label=f"{slider.words}  ",  # room for the last letter
                value=slider.value,
                min=0,
                max=slider.most,
                step=slider.step,
                tooltip=slider.help,
            )
            field.changed.connect(self._ask)
            self.sliders.append(field)

    def _reset(self) -> None:
        """Return to the thresholds of the model."""
        output = self._shown[1]
        if output is None:
            return
        for slider in sliders_of(output.rule):
            self.sliders[slider.name].value = slider.value

    def _ask(self, *_: Any) -> None:
        """Decode with what the sliders say; if that is being done, once more after it."""
        layer, output = self._shown
        if output is None:
            return
        if self.is_busy:
            self._is_stale = True
            return
        self._is_stale = False
        values = {slider.name: slider.value for slider in self.sliders}
        min_size = values.pop("min_size")
        rule = output.rule_of(values, min_size)
        self.run(
            lambda work: output.decode(rule),
            lambda labels: self._show(layer, output, rule, labels),
            quiet=True,
        )

    def _show(
        self, layer: Labels, output: NetworkOutput, rule: DecodeRule, labels: NDArray[Any]
    ) -> None:
        """Draw the cells; labels that somebody corrected stay as they are."""
        words = f"{int(labels.max(initial=0))} cells."
        if is_corrected(layer, output.place):
            words += f" Your corrections stay in {layer.name}."
            layer = self._copy(layer, output, rule)
        layer.data[output.place] = labels
        layer.refresh()
        remember_part(layer, output, rule)
        SHELF.tuned[output.model] = Tuning(rule, output.pixels)
        SHELF.tell()
        self.say(words)

    def _look(self) -> None:
        """Decode once more if a slider moved meanwhile, also after a failure."""
        super()._look()
        if self._is_stale and not self.is_busy:
            self._ask()

    def _copy(self, layer: Labels, output: NetworkOutput, rule: DecodeRule) -> Labels:
        """A layer of its own for the cells of the sliders."""
        copy = self.viewer.add_labels(
            layer.data.copy(), name=f"{layer.name} tuned", **copied_place(layer)
        )
        remember(copy, output, rule)
        self._shown = (copy, output)
        self.cells.value = copy
        return copy
