"""The widget that trains a model on labels: `TrainPanel`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FileEdit, Label, SpinBox
from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap

from seamwise.engine import TrainProgress
from seamwise_napari.layers import pixels_of, spacing_of
from seamwise_napari.panel import Panel, button, layer_choice
from seamwise_napari.shelf import SHELF
from seamwise_napari.training import (
    RANDOM,
    UNLABELLED,
    add_pair,
    count_pairs,
    progress_words,
    run_folder,
    train_on,
)
from seamwise_napari.work import Work, in_words

_CURVE_WIDTH = 320  # pixels


@dataclass
class _Run:
    """A training that runs; `steps` and `best` are filled in by it."""

    output: Path
    steps: int = 0
    best: float | None = None


class TrainPanel(Panel):
    """Collect images and labels in a folder, and train a model on them."""

    def __init__(self, napari_viewer: Viewer) -> None:
        self.image = layer_choice(Image, "Image")
        self.cells = layer_choice(Labels, "Cells")
        self.folder = FileEdit(label="Folder", mode="d", nullable=True)
        self.start = ComboBox(choices=lambda _: (*SHELF.names, RANDOM), label="Begin with")
        self.add = button("Add image and cells to the folder", self._add)
        self.unlabelled = ComboBox(choices=list(UNLABELLED), label="Unpainted is")
        self.steps = SpinBox(label="Steps", min=0, max=1_000_000, value=0)
        self.steps.native.setSpecialValueText("as suit the images")
        self.resume = CheckBox(text="continue the last run", label="", value=False)
        self.begin = button("Train", self._train)
        self.curve = Label(value="", label="", visible=False)
        self._output: Path | None = None
        fields = [
            *(self.image, self.cells, self.folder, self.start, self.add),
            *(self.unlabelled, self.steps, self.resume, self.begin, self.curve),
        ]
        super().__init__(napari_viewer, fields)
        self.folder.changed.connect(self._count)
        SHELF.on_change(self.start.reset_choices)
        self._drawn = 0.0

    @property
    def _ndim(self) -> int | None:
        """Axes of the images; None if random weights leave that to the labels."""
        return None if self.start.value == RANDOM else SHELF[self.start.value].ndim

    def _chosen_folder(self) -> Path | None:
        path = self.folder.value
        if path is None or not path.name:
            self.say("Choose a folder for the training data first.", "warning")
            return None
        return Path(path)

    def _count(self, *_: Any) -> None:
        """Say what the folder holds."""
        folder = self._chosen_folder()
        if folder is not None:
            self._try(lambda: self.say(count_pairs(folder).words))

    def _add(self) -> None:
        """Write the image and its labels to the folder."""
        folder, image, labels = self._chosen_folder(), self.image.value, self.cells.value
        if folder is None:
            return
        if image is None or labels is None:
            self.say("Choose an image, and labels with its cells.", "warning")
            return

        def write() -> None:
            pixels, mask = pixels_of(image), labels.data
            ndim = self._ndim or mask.ndim
            spacing = spacing_of(image, mask.ndim)
            addition = add_pair(folder, image.name, pixels, mask, spacing, ndim)
            self.say(f"{addition.words} {count_pairs(folder).words}")

        self._try(write)

    def _try(self, step: Any) -> None:
        """Do something with files; say why if it fails."""
        try:
            step()
        except (ValueError, OSError) as error:
            self.say(in_words(error), "error")

    def _train(self) -> None:
        """Train, in a thread."""
        folder = self._chosen_folder()
        if folder is None:
            return
        resume = self.resume.value
        run = _Run(run_folder(folder, resume=resume))
        options: dict[str, Any] = {"unlabelled": UNLABELLED[self.unlabelled.value]}
        if self.start.value != RANDOM:
            options["start"] = str(SHELF[self.start.value].path)
        if self.steps.value:
            options["steps"] = self.steps.value

        def work(work: Work) -> _Run:
            work.tell("reading images")

            def begin(settings: Any) -> None:
                run.steps = settings.steps
                work.tell("preparing")

            def report(progress: TrainProgress) -> bool:
                if progress.scores:
                    score = next(iter(progress.scores.values()))
                    run.best = score if run.best is None else max(run.best, score)
                work.stage = progress_words(progress, run.steps, run.best)
                work.share = progress.step / run.steps
                return not work.is_cancelled

            train_on(folder, run.output, options, resume=resume, begin=begin, report=report)
            return run

        self._output = run.output
        self.run(work, self._offer)

    def show_progress(self, work: Work) -> None:
        """Also show the curve, which each validation draws again."""
        super().show_progress(work)
        self._draw_curve()

    def _draw_curve(self) -> None:
        if self._output is None:
            return
        path = self._output / "curve.png"
        drawn = path.stat().st_mtime if path.exists() else 0.0
        if drawn == self._drawn:
            return
        self._drawn = drawn
        picture = QPixmap(str(path))
        if not picture.isNull():
            smooth = Qt.TransformationMode.SmoothTransformation
            self.curve.native.setPixmap(picture.scaledToWidth(_CURVE_WIDTH, smooth))
            self.curve.visible = True

    def _offer(self, run: _Run) -> None:
        """Offer the new model in the other widgets."""
        self._draw_curve()
        self.resume.value = False
        model = run.output / "model.safetensors"
        if not model.exists():
            self.say("The run ended before its first validation: it has no model.", "warning")
            return
        name = SHELF.add(model, f"{run.output.parent.name} {run.output.name}")
        best = "" if run.best is None else f" Its PQ is {run.best:.3f}."
        self.say(f"Find cells now offers the model {name!r}.{best}")

    def cancelled(self, result: Any) -> None:
        """Tell the user how to resume a run that was stopped."""
        if result is None or not (result.output / "checkpoint.pt").exists():
            super().cancelled(result)
            return
        words = "Stopped. Train continues it while 'continue the last run' is set."
        if (result.output / "model.safetensors").exists():
            self._offer(result)
            words = f"{words} {self.message.value}"
        self.resume.value = True
        self.say(words)
