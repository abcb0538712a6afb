"""Stacks, series and large images in a real browser; only in `make nightly`."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from seamwise.io import write_image
from seamwise.segmentation import load, segment
from seamwise.synth import crowded_cells
from support.web_browser import in_browser, new_tab, picture, save

pytest.importorskip("playwright.sync_api")
pytestmark = in_browser


@pytest.fixture(scope="module")
def planes():
    images = [crowded_cells((160, 200), cells=25, radius=10, rng=n).image for n in range(3)]
    return np.stack([(image / image.max() * 50_000).astype(np.uint16) for image in images])


@pytest.fixture(scope="module")
def images(tmp_path_factory, planes):
    folder = tmp_path_factory.mktemp("images")
    options = {"ome": True, "photometric": "minisblack"}
    tifffile.imwrite(folder / "series.ome.tif", planes, metadata={"axes": "TYX"}, **options)
    stack = np.repeat(planes[0][np.newaxis], 24, axis=0)
    tifffile.imwrite(folder / "stack.ome.tif", stack, metadata={"axes": "ZYX"}, **options)
    large = np.tile(planes[0], (32, 25))
    write_image(folder / "large.ome.zarr", large, axes="YX", spacing=(0.5, 0.5))
    return folder


@pytest.fixture
def tab(chromium, address):
    with new_tab(chromium, address) as page:
        yield page


def open_image(tab, name):
    tab.click(f"#entries button:has-text('{name}')")


def wait_for_cells(tab):
    tab.wait_for_selector("#results:visible", timeout=120_000)
    tab.wait_for_selector("#table[aria-busy=false]", timeout=60_000)


def count(tab):
    return int(tab.inner_text("#counts").split()[0])


def test_a_series_is_searched_in_all_time_points(tab, planes):
    model = load("nuclei-2d")
    counts = [int(segment(plane, model=model).labels.max()) for plane in planes]
    open_image(tab, "series")
    wait_for_cells(tab)
    assert count(tab) == counts[0]
    assert tab.is_hidden("#z-row")
    tab.keyboard.press(">")
    tab.wait_for_selector("#results", state="hidden")
    assert tab.inner_text("#time-words") == "2 of 3"
    tab.click("#find-all")
    wait_for_cells(tab)
    picture(tab, "series")
    assert count(tab) == counts[1]
    tab.keyboard.press(">")
    tab.wait_for_selector(f"#counts:text-is('{counts[2]} cells')")
    labels = save(tab, "#save-all")
    assert labels.suggested_filename == "series_masks.zip"
    with zipfile.ZipFile(labels.path()) as archive:
        content = archive.read("series_t003_masks.tif")
    assert (tifffile.imread(io.BytesIO(content)) == segment(planes[2], model=model).labels).all()
    rows = Path(save(tab, "#save-table").path()).read_text("utf-8-sig").splitlines()
    assert len(rows) == 1 + sum(counts)


def test_a_stack_has_cells_across_its_slices(tab):
    open_image(tab, "stack")
    wait_for_cells(tab)
    assert tab.input_value("#model") == "nuclei-3d"
    assert "Volume px³" in tab.inner_text("#heads")
    tab.focus("#z")
    tab.keyboard.press("Home")
    assert tab.inner_text("#z-words") == "1 of 24"
    tab.locator("#rows tr.cell").first.click()  # jumps to the middle of the cell
    tab.wait_for_selector("#z-words:not(:text-is('1 of 24'))")
    assert tab.locator("tr.chosen").count() == 1
    before = count(tab)
    tab.keyboard.press("Delete")
    tab.wait_for_selector(f"#counts:not(:text-is('{before} cells'))")
    tab.keyboard.press(".")
    tab.wait_for_timeout(500)
    assert count(tab) == before - 1
    picture(tab, "stack")


def test_the_files_below_the_table_are_saved(tab):
    open_image(tab, "series")
    wait_for_cells(tab)
    names = [
        save(tab, f"[data-file='{name}']").suggested_filename
        for name in ("rois.zip", "cells.geojson", "report.html")
    ]
    assert names == ["series_t001_rois.zip", "series_t001.geojson", "series_t001_report.html"]


def test_all_cells_of_a_large_image_are_found_and_saved(tab):
    open_image(tab, "large")
    tab.click("#find-all:has-text('Find all cells of the image')")
    tab.wait_for_selector("#all-cells:visible", timeout=300_000)
    tab.wait_for_timeout(2000)
    picture(tab, "whole")
    cells = int(tab.inner_text("#all-counts").split()[0].replace(",", ""))
    labels = save(tab, "[data-whole='labels.tif']")
    assert labels.suggested_filename == "large_masks.tif"
    assert tifffile.imread(labels.path()).max() == cells
    tab.reload()
    tab.wait_for_selector("#all-cells:visible")
    for _ in range(8):
        tab.keyboard.press("+")
    tab.wait_for_timeout(2000)
    picture(tab, "whole-near")


def test_a_large_image_is_looked_at_and_cells_are_found_in_a_part(tab):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    open_image(tab, "large")
    tab.wait_for_selector("#find:has-text('what you see')")
    tab.wait_for_timeout(2000)
    picture(tab, "large")
    first = [url for url in asked if "/tiles/" in url]
    assert 0 < len(first) < 20
    for _ in range(8):
        tab.keyboard.press("+")
    tab.wait_for_timeout(2000)
    finest = [url for url in asked if "/tiles/0/0/" in url]
    assert 0 < len(finest) < 20
    tab.click("#find")
    wait_for_cells(tab)
    picture(tab, "large-part")
    assert count(tab) > 0
    assert "_x" in tab.inner_text("#name")
    tab.click("#whole")
    tab.wait_for_selector("#find:has-text('what you see')")
    assert "5000 × 5120" in tab.inner_text("#name")


def test_all_cells_come_while_a_part_is_looked_at_and_are_not_lost_unasked(tab):
    asked = []
    tab.on("dialog", lambda dialog: asked.append(dialog.message))
    open_image(tab, "large")
    tab.click("#find-all:has-text('Find all cells of the image')")
    tab.wait_for_selector("#cancel:visible")
    for _ in range(8):
        tab.keyboard.press("+")
    tab.click("#find:has-text('what you see')")
    tab.click("#whole", timeout=60_000)
    tab.wait_for_selector("#all-cells:visible", timeout=300_000)
    assert asked == []
    tab.click("#open")
    open_image(tab, "series")
    wait_for_cells(tab)
    question = "Continue without the cells of the whole image?"
    assert [words[: len(question)] for words in asked] == [question]
