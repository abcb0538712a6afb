"""A short way through the page in a real browser, where Chromium and playwright are installed.

The long ways are in the other files of browsers, for `make nightly`.
"""

import shutil

import pytest

from support.web_browser import SAMPLES, has_chromium, new_tab, picture

pytest.importorskip("playwright.sync_api")
pytestmark = has_chromium

PATIENCE = 120_000  # milliseconds


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    shutil.copy(SAMPLES / "nuclei.png", folder)
    return folder


def test_cells_are_found_corrected_and_compared(chromium, address):
    with new_tab(chromium, address) as tab:
        tab.click("#entries button:has-text('nuclei')", timeout=PATIENCE)
        tab.wait_for_selector("#results:visible", timeout=PATIENCE)
        tab.wait_for_selector("#table[aria-busy=false]", timeout=PATIENCE)
        before = tab.inner_text("#counts")
        tab.locator("#rows tr.cell").first.click()
        tab.keyboard.press("Delete")
        tab.wait_for_selector(f"#counts:not(:text-is('{before}'))", timeout=PATIENCE)
        tab.click("#compare-cells")
        tab.wait_for_selector("[data-slot=pred] span:has-text('cells of nuclei.png')")
        assert tab.inner_text("[data-slot=image] span") == "nuclei.png"
        assert tab.get_attribute("[data-slot=true]", "aria-checked") == "true"
        picture(tab, "compare-cells")
        tab.click("#doors a:has-text('Segment')")
        tab.wait_for_selector("#results:visible", timeout=PATIENCE)
        tab.click("#doors a:has-text('Fuse')")
        tab.wait_for_selector("#folder li", timeout=PATIENCE)
