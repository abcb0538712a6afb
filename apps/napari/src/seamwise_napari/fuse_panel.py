"""The widget that fuses focus planes: `FusePanel`."""

from magicgui.widgets import CheckBox, ComboBox, Select
from napari.layers import Image
from napari.viewer import Viewer

from seamwise.fusion import FuseOptions, Fusion
from seamwise_napari.fusing import arrays_of, fuse_frames, methods
from seamwise_napari.layers import copied_place
from seamwise_napari.panel import Panel, button
from seamwise_napari.work import in_words


class FusePanel(Panel):
    """Make one picture, sharp everywhere, of a stack or of several image layers."""

    def __init__(self, napari_viewer: Viewer) -> None:
        self.viewer = napari_viewer
        self.frames = Select(choices=lambda _: self._images(), label="Pictures")
        self.frames.tooltip = "One stack of focus planes, or several pictures."
        self.method = ComboBox(choices=methods(), label="Method")
        self.align = CheckBox(text="align first (for a camera that moved)", label="", value=False)
        self.depth = CheckBox(text="also show which frame is sharp where", label="", value=True)
        self.fuse = button("Fuse", self._fuse)
        fields = [self.frames, self.method, self.align, self.depth, self.fuse]
        super().__init__(napari_viewer, fields)
        self.frames.native.setMaximumHeight(120)

    def _images(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers if isinstance(layer, Image)]

    def _fuse(self) -> None:
        """Fuse, in a thread."""
        layers = [self.viewer.layers[name] for name in self.frames.value]
        try:
            arrays = arrays_of(layers)
        except ValueError as error:
            self.say(in_words(error), "warning")
            return
        options = FuseOptions(model=self.method.value, align=self.align.value)
        first = layers[0]
        count = len(arrays) if len(arrays) > 1 else len(arrays[0])
        self.run(
            lambda work: fuse_frames(arrays, options, work),
            lambda fusion: self._show(first, fusion, count),
        )

    def _show(self, first: Image, fusion: Fusion, count: int) -> None:
        """Add the picture, and the map of its frames, where the frames are."""
        place = copied_place(first, axes=2)
        if self.depth.value:
            self.viewer.add_image(
                fusion.depth, name=f"{first.name} depth", colormap="viridis", visible=False, **place
            )
        self.viewer.add_image(
            fusion.image, name=f"{first.name} fused", rgb=fusion.image.ndim == 3, **place
        )
        notes = " ".join(fusion.notes)
        self.say(f"Fused {count} frames. {notes}".strip(), "warning" if notes else "plain")
