"""The widgets in a real napari, pressed as a user presses them; only in `make nightly`."""

import csv
import gc
import os
import subprocess
import sys
import timeit
from pathlib import Path
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("napari", reason="needs napari: make nightly")

import napari
from npe2 import PluginManifest
from qtpy.QtWidgets import QApplication

from seamwise.fusion import fuse
from seamwise.io import read_labels, write_labels
from seamwise_napari import samples, train_panel
from seamwise_napari.finding import EACH, JOINED
from seamwise_napari.results import result_of
from seamwise_napari.shelf import SHELF

PICTURES = os.environ.get("SEAMWISE_SCREENSHOTS")  # a folder, to look at the widgets
NAME = "napari-seamwise"
SAMPLE = Path(__file__).parents[3] / "src" / "seamwise" / "samples" / "nuclei.png"


@pytest.fixture(scope="module")
def window():
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    yield viewer
    viewer.close()


@pytest.fixture
def viewer(window):
    window.layers.clear()
    SHELF.tuned.clear()
    yield window
    window.window.remove_dock_widget("all")


def widget(viewer, name):
    dock, panel = viewer.window.add_plugin_dock_widget(NAME, name, tabify=True)
    dock.show()
    dock.raise_()
    for _ in range(5):
        QApplication.processEvents()
    return panel


def wait(until, seconds=1500):
    """Let the window live until something is so."""
    end = timeit.default_timer() + seconds
    while not until():
        assert timeit.default_timer() < end, "waited too long"
        QApplication.processEvents()
        sleep(0.01)  # the thread of the work needs the interpreter too


def press(button, panel):
    """Press a button, and wait for what it begins."""
    button.native.click()
    wait(lambda: not panel.is_busy)


def look(viewer, name):
    """Keep a picture of the window, if somebody wants to look at it."""
    if PICTURES:
        for _ in range(20):
            QApplication.processEvents()
        path = str(Path(PICTURES) / f"{name}.png")
        viewer.screenshot(path, canvas_only=False, flash=False)


def run(*arguments):
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "seamwise", "-q", *map(str, arguments)], check=True)


@pytest.fixture
def found(viewer):
    """The nuclei, found by the widget, which comes with them."""
    viewer.open_sample(NAME, "nuclei")
    panel = widget(viewer, "Find cells")
    press(panel.find, panel)
    return viewer.layers["nuclei cells"], panel


def test_the_manifest_is_what_napari_takes():
    manifest = PluginManifest.from_distribution(NAME)
    manifest.validate_imports()
    assert len(manifest.contributions.widgets) == 5


def test_the_cells_and_the_table_are_those_of_the_command_line(viewer, found, tmp_path):
    layer, panel = found
    look(viewer, "find")
    run("segment", SAMPLE, "-o", tmp_path)
    assert np.array_equal(layer.data, read_labels(tmp_path / "nuclei.tif"))
    assert panel.message.value == "56 cells."
    measure = widget(viewer, "Measure cells")
    measure.cells.value = layer
    assert measure.images.value == ["nuclei"]
    press(measure.measure, measure)
    look(viewer, "measure")
    assert layer.features["area_px"].notna().tolist() == [False, *[True] * 56]
    measure.file.value = tmp_path / "widget.csv"
    measure.save.native.click()
    run("measure", SAMPLE, tmp_path / "nuclei.tif", "-o", tmp_path / "cells.csv")
    table, reference = (
        list(csv.DictReader((tmp_path / name).open())) for name in ("widget.csv", "cells.csv")
    )
    assert len(table) == len(reference) == 56
    for row, other in zip(table, reference, strict=True):
        assert row["area_px"] == other["area_px"]
        assert row["nuclei_mean"] == other["ch0_mean"]


def test_a_stack_has_the_cells_of_the_command_line(viewer, tmp_path):
    viewer.open_sample(NAME, "stack")
    panel = widget(viewer, "Find cells")
    panel.image.value = viewer.layers["drawn stack"]
    panel.model.value = "nuclei-3d"
    assert panel.spacing.native.placeholderText() == "1, 0.5, 0.5"
    assert not panel.part.visible
    press(panel.find, panel)
    layer = viewer.layers["drawn stack cells"]
    assert layer.scale.tolist() == [1, 0.5, 0.5]
    viewer.layers["drawn stack"].save(str(tmp_path / "stack.tif"))
    run(
        *("segment", tmp_path / "stack.tif", "-o", tmp_path / "out"),
        *("--model", "nuclei-3d", "--axes", "ZYX", "--spacing", "1,0.5,0.5"),
    )
    assert np.array_equal(layer.data, read_labels(tmp_path / "out" / "stack.tif"))
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    look(viewer, "stack")
    viewer.dims.ndisplay = 2
    tune = widget(viewer, "Tune thresholds")
    tune.cells.value = layer
    pixels = np.count_nonzero(layer.data)
    tune.sliders["foreground"].value = 0.9
    wait(lambda: not tune.is_busy)
    assert 0 < np.count_nonzero(layer.data) < pixels


def test_planes_of_a_stack_alone_by_themselves_or_joined(viewer):
    planes = np.stack([samples.nuclei()[0][0]] * 3)
    viewer.add_image(planes, name="planes")
    panel = widget(viewer, "Find cells")
    assert panel.part.visible
    viewer.dims.set_point(0, 1)
    press(panel.find, panel)
    layer = viewer.layers["planes cells"]
    assert layer.data.any((1, 2)).tolist() == [False, True, False]
    panel.part.value = EACH
    press(panel.find, panel)
    assert np.array_equal(layer.data[0], layer.data[2])
    assert panel.message.value == "168 cells."
    panel.part.value = JOINED
    assert panel.spacing.native.placeholderText() == "unknown"
    viewer.layers["planes"].units = ("um", "um", "um")
    panel.reset_choices()
    assert panel.spacing.native.placeholderText() == "1, 1, 1"
    panel.part.value = EACH
    assert panel.spacing.native.placeholderText() == "1, 1"
    panel.part.value = JOINED
    press(panel.find, panel)
    assert np.array_equal(layer.data[0], layer.data[1])
    tune = widget(viewer, "Tune thresholds")
    tune.cells.value = layer
    assert tune.hint.visible


def test_a_cancel_leaves_everything_as_it_was(viewer):
    viewer.add_image(np.stack([samples.nuclei()[0][0]] * 40), name="planes")
    panel = widget(viewer, "Find cells")
    panel.part.value = EACH
    panel.find.native.click()
    wait(lambda: panel.message.value.startswith("looking for cells"))
    assert panel.is_busy
    look(viewer, "busy")
    press(panel._stop, panel)
    assert [layer.name for layer in viewer.layers] == ["planes"]
    assert panel.message.value == "Cancelled. Nothing was changed."


def test_joined_planes_of_a_time_point_leave_the_others(viewer):
    nuclei = samples.nuclei()[0][0][:96, :96]
    viewer.add_image(np.stack([np.stack([nuclei] * 2)] * 2), name="series")
    panel = widget(viewer, "Find cells")
    panel.part.value = JOINED
    for point in (0, 1):
        viewer.dims.set_point(0, point)
        press(panel.find, panel)
    assert viewer.layers["series cells"].data.any((1, 2, 3)).tolist() == [True, True]


@pytest.mark.parametrize(
    "name",
    ["Find cells", "Tune thresholds", "Train on labels", "Measure cells", "Fuse focus planes"],
)
def test_a_widget_that_is_closed_stops_its_work(viewer, name):
    panel = widget(viewer, name)

    def tell_for_ever(work):
        while True:
            work.tell("working")
            sleep(0.01)

    panel.run(tell_for_ever, print)
    work = panel._work
    viewer.window.remove_dock_widget(panel.native)
    del panel
    for _ in range(5):
        QApplication.processEvents()
    gc.collect()
    wait(lambda: not work.is_running, seconds=20)
    assert work.is_cancelled
    SHELF.tell()


def test_sliders_draw_the_cells_again_and_keep_corrections(viewer, found):
    layer, panel = found
    tune = widget(viewer, "Tune thresholds")
    tune.cells.value = layer
    output = result_of(layer).output
    first = layer.data.copy()
    for value in (0.1, 0.2, 0.3, 0.7):  # faster than it decodes
        tune.sliders["foreground"].value = value
    wait(lambda: not tune.is_busy)
    wanted = output.decode(output.rule_of({"foreground": 0.7}, output.rule.min_size))
    assert np.array_equal(layer.data, wanted)
    look(viewer, "tune")
    assert panel.tuned.visible
    panel.tuned.value = True
    press(panel.find, panel)
    assert np.array_equal(layer.data, wanted)
    tune.reset.native.click()
    wait(lambda: not tune.is_busy)
    assert np.array_equal(layer.data, first)
    layer.data[:9, :9] = 99
    tune.sliders["foreground"].value = 0.4
    wait(lambda: not tune.is_busy)
    assert (layer.data[:9, :9] == 99).all()
    assert tune.cells.value.name == "nuclei cells tuned"
    assert "Your corrections stay in nuclei cells." in tune.message.value


def test_a_search_does_not_touch_labels_that_were_corrected(viewer, found):
    layer, panel = found
    layer.data[:9, :9] = 99
    press(panel.find, panel)
    assert (layer.data[:9, :9] == 99).all()
    assert len(viewer.layers) == 4


def test_a_model_is_trained_on_labels_and_offered(viewer, tmp_path):
    viewer.open_sample(NAME, "nuclei")
    train = widget(viewer, "Train on labels")
    train.image.value, train.cells.value = viewer.layers["nuclei"], viewer.layers["annotation"]
    press(train.begin, train)
    assert train.message.value == "Choose a folder for the training data first."
    train.folder.value = tmp_path
    train.add.native.click()
    assert train.message.value == "Added nuclei. 1 annotated image, 58 cells."
    train.steps.value = 4
    press(train.begin, train)
    look(viewer, "train")
    name = f"{tmp_path.name} run-1"
    assert f"now offers the model {name!r}" in train.message.value
    find = widget(viewer, "Find cells")
    find.model.value = name
    press(find.find, find)
    assert "nuclei cells" in viewer.layers
    train.steps.value = 4000
    train.begin.native.click()
    wait(lambda: train.message.value.startswith("step "))
    press(train._stop, train)
    assert "Stopped. Train continues it" in train.message.value
    assert train.resume.value
    assert (tmp_path / "run-2" / "checkpoint.pt").exists()


def test_a_training_that_is_cancelled_before_it_begins_continues_no_other(
    viewer, tmp_path, monkeypatch
):
    def read_for_ever(*arguments, begin, **options):
        while True:
            begin(SimpleNamespace(steps=1))
            sleep(0.01)

    monkeypatch.setattr(train_panel, "train_on", read_for_ever)
    train = widget(viewer, "Train on labels")
    train.folder.value = tmp_path
    train.begin.native.click()
    press(train._stop, train)
    assert not train.resume.value
    assert train.message.value == "Cancelled. Nothing was changed."


def test_a_burst_is_fused_as_the_library_does(viewer):
    viewer.open_sample(NAME, "burst")
    panel = widget(viewer, "Fuse focus planes")
    panel.frames.value = ["drawn burst"]
    panel.method.value = "laplacian"
    press(panel.fuse, panel)
    burst = viewer.layers["drawn burst"].data
    assert np.array_equal(
        viewer.layers["drawn burst fused"].data, fuse(burst, model="laplacian").image
    )
    assert viewer.layers["drawn burst depth"].data.max() < len(burst)
    viewer.layers["drawn burst"].translate = (0, 30, 20)
    press(panel.fuse, panel)
    assert viewer.layers["drawn burst fused [1]"].translate.tolist() == [30, 20]
    look(viewer, "fuse")


def test_files_are_opened_and_saved_with_their_pixel_size(viewer, tmp_path):
    labels = samples.nuclei()[1][0]
    write_labels(tmp_path / "x_masks.tif", labels, spacing=(0.5, 0.25))
    (layer,) = viewer.open(str(tmp_path / "x_masks.tif"), plugin=NAME)
    assert isinstance(layer, napari.layers.Labels)
    assert layer.scale.tolist() == pytest.approx([0.5, 0.25])
    for name in ("again.tif", "again.geojson", "again_rois.zip"):
        layer.save(str(tmp_path / name), plugin=NAME)
        (again,) = viewer.open(str(tmp_path / name), plugin=NAME, layer_type=None)
        if name == "again.tif":
            again = viewer.add_labels(again.data, scale=again.scale)
            assert again.scale.tolist() == pytest.approx([0.5, 0.25])
        height, width = again.data.shape
        assert np.array_equal(again.data, labels[:height, :width])


def test_what_cannot_be_done_is_said_in_words(viewer):
    panel = widget(viewer, "Find cells")
    press(panel.find, panel)
    assert panel.message.value.startswith("Open an image first")
    viewer.add_image(np.full((40, 40), np.nan, np.float32), name="empty")
    press(panel.find, panel)
    assert "NaN" in panel.message.value
    panel.spacing.value = "x"
    press(panel.find, panel)
    assert panel.message.value == "the pixel size must be 2 numbers, y, x, not 'x'"
    panel.own.value = SAMPLE
    assert "nuclei.png" in panel.message.value
