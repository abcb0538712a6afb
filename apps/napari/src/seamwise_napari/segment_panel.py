"""The widget that finds cells: `SegmentPanel`."""

from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSpinBox, Label, LineEdit
from napari.layers import Image, Labels
from napari.viewer import Viewer

from seamwise_napari.finding import EACH, JOINED, THIS, CellsResult, Request, find_cells
from seamwise_napari.layers import (
    COLOURS,
    copied_place,
    pixels_of,
    place_of,
    spacing_of,
    spacing_of_text,
)
from seamwise_napari.panel import Panel, button, layer_choice, wrap_text
from seamwise_napari.results import is_corrected, remember
from seamwise_napari.shelf import SHELF
from seamwise_napari.work import Work, in_words


class SegmentPanel(Panel):
    """Find the cells of an image layer; they become a labels layer."""

    def __init__(self, napari_viewer: Viewer) -> None:
        self.image = layer_choice(Image, "Image")
        self.colour = ComboBox(choices=COLOURS, label="Colour")
        self.model = ComboBox(choices=lambda _: SHELF.names, label="Model")
        self.words = wrap_text(Label(value="", label=""))
        self.own = FileEdit(label="Own model", filter="*.safetensors", nullable=True)
        self.part = ComboBox(choices=[THIS, EACH, JOINED], label="Planes")
        self.diameter = FloatSpinBox(
            label="Diameter, px",
            min=0,
            max=100_000,
            step=1,
            value=0,
            tooltip="Usual diameter of the cells in pixels. 0: as the model knows them.",
        )
        self.diameter.native.setSpecialValueText("as the model knows")
        self.spacing = LineEdit(label="Pixel size, µm")
        self.spacing.tooltip = "(z,) y, x in micrometres. Empty: what the layer says."
        self.tuned = CheckBox(text="with the thresholds of Tune", label="", value=False)
        self.find = button("Find cells", self._find)
        fields = [
            *(self.image, self.colour, self.model, self.words, self.own, self.part),
            *(self.diameter, self.spacing, self.tuned, self.find),
        ]
        super().__init__(napari_viewer, fields)
        for field in (self.image, self.model, self.part):
            field.changed.connect(self._refresh)
        self.own.changed.connect(self._add)
        SHELF.on_change(self._refresh_models)
        self._refresh()

    def reset_choices(self, *_: Any) -> None:
        """Follow the layers of the viewer."""
        super().reset_choices()
        self._refresh()

    def _refresh(self, *_: Any) -> None:
        """Show the fields that the image and the model need."""
        layer, offer = self.image.value, SHELF[self.model.value]
        self.words.value = offer.words
        self.tuned.visible = offer.name in SHELF.tuned
        self.colour.visible = layer is not None and layer.rgb
        self.part.visible = layer is not None and layer.ndim > offer.ndim
        self.part.choices = [THIS, EACH, JOINED] if offer.ndim == 2 else [THIS, EACH]
        spacing = None if layer is None else spacing_of(layer, self._spaced_axes(layer))
        known = "unknown" if spacing is None else ", ".join(f"{step:.4g}" for step in spacing)
        self.spacing.native.setPlaceholderText(known)

    def _spaced_axes(self, layer: Image) -> int:
        """How many numbers the pixel size has."""
        ndim = SHELF[self.model.value].ndim
        is_joined = layer.ndim > ndim and self.part.value == JOINED
        return ndim + 1 if is_joined else ndim

    def _refresh_models(self) -> None:
        self.model.reset_choices()
        self._refresh()

    def _add(self, path: Path | None) -> None:
        """Offer a model file of the user, and choose it."""
        if path is None or not path.name:
            return
        try:
            self.model.value = SHELF.add(path)
        except (ValueError, OSError) as error:
            self.say(in_words(error), "error")

    def _request(self, layer: Image) -> Request:
        offer = SHELF[self.model.value]
        leading = max(0, layer.ndim - offer.ndim)
        part = self.part.value if leading else THIS
        ndim = self._spaced_axes(layer)
        return Request(
            model=offer.name,
            part=part,
            place=place_of(layer, self.viewer.dims.point, leading),
            diameter=self.diameter.value or None,
            spacing=spacing_of_text(self.spacing.value, ndim),
            stored=spacing_of(layer, ndim),
            tuning=SHELF.tuned.get(offer.name) if self.tuned.value else None,
        )

    def _find(self) -> None:
        """Look for the cells, in a thread."""
        layer = self.image.value
        if layer is None:
            self.say("Open an image first: File, Open, or Open Sample, seamwise.", "warning")
            return
        try:
            request = self._request(layer)
        except ValueError as error:
            self.say(in_words(error), "error")
            return
        pixels = pixels_of(layer, self.colour.value)

        def work(work: Work) -> CellsResult:
            work.tell("loading the model")
            return find_cells(pixels, request, SHELF.load(request.model), work.tell)

        self.run(work, lambda result: self._show(layer, result))

    def _show(self, image: Image, result: CellsResult) -> None:
        """Draw the cells, and say what to know about them."""
        labels = self._draw(image, result)
        remember(labels, result.output, result.rule)
        self.viewer.layers.selection.active = labels
        words = f"{result.count} cell{'s' * (result.count != 1)}."
        self.say(f"{words} {result.note}".strip(), "warning" if result.note else "plain")

    def _draw(self, image: Image, result: CellsResult) -> Labels:
        """The layer of the cells: that of an earlier search if nobody corrected it."""
        name = f"{image.name} cells"
        if name in self.viewer.layers:
            layer = self.viewer.layers[name]
            is_ours = isinstance(layer, Labels) and layer.data.shape == result.labels.shape
            if is_ours and not is_corrected(layer):
                labels = layer.data.copy()
                labels[result.place] = result.labels[result.place]
                layer.data = labels
                return layer
        return self.viewer.add_labels(result.labels, name=name, **copied_place(image))
