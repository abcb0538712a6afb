"""Fuse and Compare in a real browser, as a user clicks through them; only in `make nightly`."""

import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from seamwise.io import read_labels, write_labels
from seamwise.metrics import cell_errors, match
from seamwise_web import fusing
from support.web_browser import SAMPLES, in_browser, new_tab, picture, save
from support.web_page import write_burst

pytest.importorskip("playwright.sync_api")
pytestmark = in_browser

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "fusion" / "stacks" / "pcb"
LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "tablet": {"viewport": {"width": 820, "height": 1180}, "has_touch": True},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    (folder / "burst").mkdir()
    write_burst(folder / "burst", suffix=".jpg", shape=(240, 330))
    (folder / "circuit board").mkdir()
    for path in PHOTOGRAPHS.glob("*.jpg"):
        with PIL.Image.open(path) as photograph:
            photograph.reduce(4).save(folder / "circuit board" / path.name, quality=95)
    (folder / "broken.png").write_bytes(b"no image")
    labels = read_labels(SAMPLES / "nuclei-mask.tif")
    write_labels(folder / "true.tif", labels)
    write_labels(folder / "pred.tif", spoiled(labels))
    (folder / "nuclei.png").write_bytes((SAMPLES / "nuclei.png").read_bytes())
    return folder


def spoiled(labels):
    """The labels without a cell, with one in two pieces, and one where none is."""
    spoiled = labels.copy()
    sizes = np.bincount(labels.ravel())
    missed, split = np.argsort(sizes[1:])[-2:] + 1
    spoiled[labels == missed] = 0
    rows, columns = np.nonzero(labels == split)
    is_right = columns > np.median(columns)
    spoiled[rows[is_right], columns[is_right]] = labels.max() + 1
    corner = labels[-12:, :12]
    spoiled[-12:, :12] = np.where(corner == 0, labels.max() + 2, corner)
    return spoiled


@pytest.fixture
def fuse_tab(chromium, address):
    with new_tab(chromium, f"{address}fuse.html") as page:
        yield page


@pytest.fixture
def compare_tab(chromium, address):
    with new_tab(chromium, f"{address}compare.html") as page:
        yield page


def wait_for_picture(tab):
    tab.wait_for_selector("#saving:visible", timeout=120_000)
    tab.wait_for_selector("#divider:visible", timeout=60_000)


def fuse_folder(tab):
    tab.click("#entries button:has-text('burst')")
    tab.click("#all")
    wait_for_picture(tab)


def test_a_dropped_burst_becomes_the_picture_of_the_command_line(fuse_tab, images, run, tmp_path):
    frames = sorted((images / "burst").iterdir())
    picture(fuse_tab, "fuse-welcome")
    fuse_tab.set_input_files("#file", frames[::-1])  # the page sorts them by name
    wait_for_picture(fuse_tab)
    assert fuse_tab.locator("#strip button").all_inner_texts() == [path.name for path in frames]
    picture(fuse_tab, "fuse")
    download = save(fuse_tab, "#save")
    assert download.suggested_filename == "frame1_fused.jpg"
    run("fuse", *frames, "-o", tmp_path / "x.jpg")
    assert Path(download.path()).read_bytes() == (tmp_path / "x.jpg").read_bytes()
    fuse_tab.fill("#quality", "500")
    assert fuse_tab.input_value("#quality") == "100"
    assert fuse_tab.get_attribute("#save", "href").endswith("quality=100")


def test_the_line_shows_the_frame_on_its_left(fuse_tab):
    fuse_folder(fuse_tab)
    assert fuse_tab.inner_text("#left-tag") == "frame1.jpg"
    fuse_tab.keyboard.press("n")
    assert fuse_tab.inner_text("#left-tag") == "frame2.jpg"
    box = fuse_tab.locator("#frame").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + 60
    fuse_tab.mouse.move(*middle)
    fuse_tab.mouse.down()
    fuse_tab.mouse.move(box["x"] + box["width"] / 4, middle[1])
    fuse_tab.mouse.up()
    fuse_tab.wait_for_selector("#divider[aria-valuenow='25']")
    fuse_tab.focus("#divider")
    fuse_tab.keyboard.press("ArrowRight")
    fuse_tab.wait_for_selector("#divider[aria-valuenow='27']")
    fuse_tab.keyboard.press("d")
    fuse_tab.wait_for_selector("#divider", state="hidden")
    picture(fuse_tab, "fuse-depth")


def test_a_reload_and_another_door_keep_the_burst(fuse_tab):
    fuse_folder(fuse_tab)
    fuse_tab.reload()
    wait_for_picture(fuse_tab)
    fuse_tab.click("#doors a:has-text('Segment')")
    fuse_tab.wait_for_selector("#find")
    fuse_tab.click("#doors a:has-text('Fuse')")
    wait_for_picture(fuse_tab)


def test_fusing_is_cancelled_and_the_frames_stay(fuse_tab, monkeypatch):
    gate, inner = threading.Event(), fusing.fuse_burst

    def slow(*arguments, **options):
        gate.wait(120)
        return inner(*arguments, **options)

    monkeypatch.setattr(fusing, "fuse_burst", slow)
    fuse_tab.click("#entries button:has-text('burst')")
    fuse_tab.click("#all")
    fuse_tab.wait_for_selector("#cancel:visible", timeout=120_000)
    fuse_tab.click("#cancel")
    fuse_tab.wait_for_selector("#work", state="hidden")
    gate.set()
    assert fuse_tab.locator("#saving").is_hidden()
    assert fuse_tab.locator("#strip button").count() == 3


def test_a_frame_that_is_not_an_image_is_told(fuse_tab):
    fuse_tab.click("#entries button:has-text('broken.png')")
    fuse_tab.wait_for_selector("#message:visible")
    assert "broken.png" in fuse_tab.inner_text("#message-words")


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs the photographs")
def test_photographs_for_the_documentation(fuse_tab):
    fuse_tab.click("#entries button:has-text('circuit board')")
    fuse_tab.click("#all")
    wait_for_picture(fuse_tab)
    fuse_tab.wait_for_timeout(2000)
    picture(fuse_tab, "app-fuse")


def pixels_of(download):
    return np.asarray(PIL.Image.open(download.path()))


def test_painting_takes_pixels_from_the_chosen_frame_and_is_undone(fuse_tab, images):
    fuse_folder(fuse_tab)
    fuse_tab.select_option("#format", ".png")
    before = pixels_of(save(fuse_tab, "#save"))
    fuse_tab.keyboard.press("r")
    fuse_tab.keyboard.press("p")  # the last frame
    assert fuse_tab.inner_text("#source") == "frame3.jpg"
    box = fuse_tab.locator("#stage").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fuse_tab.mouse.move(middle[0] - 60, middle[1])
    fuse_tab.mouse.down()
    fuse_tab.mouse.move(*middle, steps=8)
    fuse_tab.mouse.up()
    fuse_tab.wait_for_selector("#undo:enabled")
    fuse_tab.wait_for_timeout(500)
    picture(fuse_tab, "fuse-retouch")
    after = pixels_of(save(fuse_tab, "#save"))
    is_painted = (before != after).any(-1)
    assert 100 < is_painted.sum() < 0.2 * is_painted.size
    fuse_tab.keyboard.press("Control+z")
    fuse_tab.wait_for_selector("#redo:enabled")
    assert (pixels_of(save(fuse_tab, "#save")) == before).all()


def test_a_model_is_trained_on_a_corrected_image(chromium, address):
    with new_tab(chromium, address) as tab:
        tab.click("#entries button:has-text('nuclei.png')")
        tab.wait_for_selector("#results:visible", timeout=60_000)
        tab.click("#add-example")
        tab.wait_for_selector("#examples:has-text('1 image')")
        tab.fill("#steps", "6")
        tab.click("#train")
        tab.wait_for_selector("#save-model:visible", timeout=300_000)
        assert tab.input_value("#model").startswith("corrected ")
        assert " of 6, best score" in tab.inner_text("#training-words")
        tab.locator("#training").scroll_into_view_if_needed()
        picture(tab, "trained")


def test_a_training_is_stopped_and_resumed(chromium, address):
    with new_tab(chromium, address) as tab:
        tab.click("#entries button:has-text('nuclei.png')")
        tab.wait_for_selector("#results:visible", timeout=60_000)
        tab.click("#add-example")
        tab.wait_for_selector("#examples:has-text('1 image')")
        tab.fill("#steps", "12")
        tab.click("#train")
        tab.wait_for_selector("#curve:visible", timeout=120_000)
        tab.click("#stop")
        tab.click("#resume", timeout=60_000)
        tab.wait_for_selector("#save-model:visible", timeout=300_000)
        assert tab.inner_text("#training-words").startswith("Step ")


def test_a_line_splits_a_cell_and_an_outline_draws_one(chromium, address):
    with new_tab(chromium, address) as tab:
        tab.click("#entries button:has-text('nuclei.png')")
        tab.wait_for_selector("#table[aria-busy=false] tr.cell", timeout=60_000)
        cells = int(tab.inner_text("#counts").split()[0])
        box = tab.locator("#stage").bounding_box()
        left, top = box["x"] + 112, box["y"]  # of the image
        scale = (box["height"] - 64) / 256
        tab.keyboard.press("s")
        drag(tab, [(left + x * scale, top + y * scale) for x, y in ((38, 128), (65, 139))])
        tab.wait_for_selector(f"#counts:has-text('{cells + 1} cells')")
        tab.keyboard.press("c")
        corners = ((25, 170), (44, 170), (44, 186), (25, 186))
        drag(tab, [(left + x * scale, top + y * scale) for x, y in corners])
        tab.wait_for_selector(f"#counts:has-text('{cells + 2} cells')")
        picture(tab, "drawn")
        tab.keyboard.press("Control+z")
        tab.keyboard.press("Control+z")
        tab.wait_for_selector(f"#counts:has-text('{cells} cells')")


def drag(tab, points):
    tab.mouse.move(*points[0])
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*point, steps=4)
    tab.mouse.up()


def open_pair(tab):
    for name in ("true.tif", "pred.tif"):
        tab.click(f"#entries button:has-text('{name}')")
        tab.wait_for_selector(f"#slots span:has-text('{name}')", state="attached")
    tab.wait_for_selector("#scores-part:visible")


def test_scores_and_errors_are_shown(compare_tab, images):
    picture(compare_tab, "compare-welcome")
    open_pair(compare_tab)
    true, pred = (read_labels(images / f"{name}.tif") for name in ("true", "pred"))
    first = compare_tab.locator("#scores tbody tr").first.locator("td").all_inner_texts()
    scores = match(true, pred)
    expected = (scores.accuracy, scores.f1, scores.panoptic_quality)
    assert first == [f"{value:.3f}" for value in expected]
    counts = cell_errors(true, pred).counts()
    for kind in ("missed", "split"):
        shown = compare_tab.locator(f"#kinds tr[data-kind={kind}] td").first.inner_text()
        assert int(shown) == counts[kind] == 1

    compare_tab.click("#open")
    compare_tab.click("[data-slot=image]")
    compare_tab.click("#entries button:has-text('nuclei.png')")
    compare_tab.wait_for_selector("#contrast:visible")
    compare_tab.click("#kinds button:has-text('Split')")
    assert compare_tab.inner_text("#step").startswith("Split: true cell")
    compare_tab.wait_for_timeout(300)
    picture(compare_tab, "compare")
    compare_tab.keyboard.press("n")
    compare_tab.wait_for_selector("#step:not(:has-text('Split'))")


def test_a_comparison_waits_for_the_one_before(compare_tab):
    open_pair(compare_tab)
    asked = []

    def hold_the_first(route):
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    compare_tab.route("**/comparisons", hold_the_first)
    compare_tab.select_option("#iou", "0.9")
    compare_tab.select_option("#iou", "0.6")
    compare_tab.wait_for_timeout(500)
    assert len(asked) == 1
    asked[0].continue_()
    compare_tab.wait_for_timeout(1500)
    assert [route.request.post_data_json["iou"] for route in asked] == [0.9, 0.6]


def test_both_images_show_the_same_part(compare_tab):
    open_pair(compare_tab)
    box = compare_tab.locator("#true-stage").bounding_box()
    compare_tab.mouse.move(box["x"] + 100, box["y"] + 100)
    compare_tab.mouse.wheel(0, -600)
    compare_tab.wait_for_timeout(300)
    pictures = [compare_tab.locator(f"#{side}-overlay").screenshot() for side in ("true", "pred")]
    compare_tab.click("#swap")
    compare_tab.wait_for_selector("#true-tag:has-text('pred.tif')")
    compare_tab.wait_for_timeout(300)
    assert len(pictures[0]) > 2000  # outlines were drawn
    compare_tab.reload()
    compare_tab.wait_for_selector("#true-tag:has-text('pred.tif')")


@pytest.mark.parametrize("look", LOOKS)
def test_dark_light_and_tablet(chromium, address, look):
    width = LOOKS[look].get("viewport", {"width": 1280})["width"]
    with new_tab(chromium, f"{address}fuse.html", **LOOKS[look]) as tab:
        fuse_folder(tab)
        tab.wait_for_timeout(500)
        picture(tab, f"fuse-{look}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    with new_tab(chromium, f"{address}compare.html", **LOOKS[look]) as tab:
        open_pair(tab)
        tab.keyboard.press("n")
        tab.wait_for_timeout(500)
        picture(tab, f"compare-{look}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
