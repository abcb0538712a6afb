"""The widget that measures cells: `MeasurePanel`."""

from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FileEdit, Select
from napari.layers import Image, Labels
from napari.viewer import Viewer

from seamwise.io import write_columns
from seamwise.measure import MeasureOptions, Table
from seamwise_napari.layers import pixels_of, spacing_of
from seamwise_napari.panel import Panel, button, layer_choice
from seamwise_napari.tables import PLANES, STACK, column_names, features_of, measure_labels
from seamwise_napari.work import in_words


class MeasurePanel(Panel):
    """Measure each cell: a table in the features of the labels layer, and as CSV."""

    def __init__(self, napari_viewer: Viewer) -> None:
        self.viewer = napari_viewer
        self.cells = layer_choice(Labels, "Cells")
        self.images = Select(choices=lambda _: self._images(), label="Intensities of")
        self.planes = ComboBox(choices=[STACK, PLANES], label="Planes")
        self.shape = CheckBox(text="perimeter, hull, solidity (slow)", label="", value=False)
        self.inner = CheckBox(text="only cells off the edge", label="", value=False)
        self.measure = button("Measure", self._measure)
        self.file = FileEdit(label="Table", mode="w", filter="*.csv", nullable=True)
        self.save = button("Save table", self._save)
        self.table: Table | None = None
        fields = [
            *(self.cells, self.images, self.planes, self.shape, self.inner, self.measure),
            *(self.file, self.save),
        ]
        super().__init__(napari_viewer, fields)
        self.images.native.setMaximumHeight(90)
        self.cells.changed.connect(self._refresh)
        self._refresh()

    def reset_choices(self, *_: Any) -> None:
        """Follow the layers of the viewer."""
        super().reset_choices()
        self._refresh()

    def _images(self) -> list[str]:
        """Names of the image layers that have the size of the labels."""
        layer = self.cells.value
        return [
            image.name
            for image in self.viewer.layers
            if isinstance(image, Image)
            and not image.rgb
            and layer is not None
            and pixels_of(image).shape == layer.data.shape
        ]

    def _refresh(self, *_: Any) -> None:
        chosen = set(self.images.value)
        self.images.reset_choices()
        names = self._images()
        self.images.value = [name for name in names if name in chosen] or names
        layer = self.cells.value
        self.planes.visible = layer is not None and layer.ndim == 3

    def _measure(self) -> None:
        """Measure the cells, in a thread."""
        layer = self.cells.value
        if layer is None:
            self.say("Find cells first, or open labels.", "warning")
            return
        if layer.ndim > 3:
            self.say("Only planes and stacks: `seamwise measure` takes series of them.", "warning")
            return
        chosen = [self.viewer.layers[name] for name in self.images.value]
        names = column_names([image.name for image in chosen])
        channels = [(name, pixels_of(image)) for name, image in zip(names, chosen, strict=True)]
        options = MeasureOptions(shape=self.shape.value, exclude_edge=self.inner.value)
        by_plane = layer.ndim == 3 and self.planes.value == PLANES
        labels, spacing = layer.data.copy(), spacing_of(layer, layer.ndim)

        def work(work: Any) -> Table:
            work.tell("measuring")
            return measure_labels(channels, labels, options, spacing=spacing, by_plane=by_plane)

        self.run(work, lambda table: self._show(layer, table))

    def _show(self, layer: Labels, table: Table) -> None:
        """Put the table into the layer, where napari shows it."""
        self.table = table
        unit = "" if spacing_of(layer, layer.ndim) else " in pixels: the pixel size is unknown"
        words = f"{len(table)} cells measured{unit}."
        if "plane" in table:
            self.say(f"{words} Save the table: a layer has room for one plane only.")
            return
        layer.features = features_of(table)
        self.viewer.window.add_plugin_dock_widget("napari", "Features table widget")
        self.say(words)

    def _save(self) -> None:
        """Write the table as CSV, as `seamwise measure` writes it."""
        path = self.file.value
        if self.table is None:
            self.say("Measure first.", "warning")
        elif path is None or not path.name:
            self.say("Choose a name for the table.", "warning")
        else:
            path = Path(path).with_suffix(".csv")
            try:
                write_columns(path, self.table.columns)
            except OSError as error:
                self.say(in_words(error), "error")
            else:
                self.say(f"Wrote {path.name}: {len(self.table)} rows.")
