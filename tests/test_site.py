"""The documentation as a site: it builds without a warning, is complete, and fetches nothing."""

import os
import re
import runpy
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from seamwise.io import describe_model, model_path, shipped_models
from test_api_surface import DOORS, PUBLIC

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ASSETS = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
STATEMENTS = ("canonical", "license")  # links of a head that a browser does not load

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs a checkout")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason='needs `pip install -e ".[docs]"`')
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Assets(HTMLParser):
    """The addresses of what a browser loads with a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag in ASSETS and named.get("rel") not in STATEMENTS:
            self.addresses.append(named.get(ASSETS[tag]) or "")


def fetched(page):
    """What a page loads from another server."""
    parser = Assets()
    parser.feed(page)
    return [address for address in parser.addresses if re.match(r"(https?:)?//", address)]


def test_the_site_fetches_nothing_from_outside(site):
    pages = {path: fetched(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) > 60
    assert {path.name: addresses for path, addresses in pages.items() if addresses} == {}
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()), style


@pytest.mark.parametrize(
    ("page", "addresses"),
    [
        ('<script src="https://a.org/x.js"></script>', ["https://a.org/x.js"]),
        ('<img src="//a.org/x.png">', ["//a.org/x.png"]),
        ('<link rel="stylesheet" href="http://a.org/x.css">', ["http://a.org/x.css"]),
        ('<a href="https://a.org">a page</a><img src="images/x.png">', []),
    ],
)
def test_what_a_page_fetches_is_seen(page, addresses):
    assert fetched(page) == addresses


def test_every_public_name_has_an_entry_in_the_reference(site):
    text = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    entries = {line.split(" ")[0] for line in text.splitlines()}
    names = {f"{door}.{name}" for door, names in DOORS.items() for name in names}
    elsewhere = {f"seamwise.{name}" for name in PUBLIC["seamwise"]} - {
        "seamwise.fuse",
        "seamwise.segment",
    }
    assert names - elsewhere - entries == set()


def test_every_page_of_the_docs_stands_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    pages = [str(path.relative_to(DOCS)) for path in sorted(DOCS.rglob("*.md"))]
    assert [page for page in pages if not re.search(rf"[ :]{re.escape(page)}$", menu, re.M)] == []


def test_every_model_stands_on_the_page_of_models():
    text = (DOCS / "models.md").read_text()
    rows = re.findall(r"^\| \[`([\w-]+)`\]\(\S+/models/([\w-]+)\.md\)", text, re.MULTILINE)
    assert all(name == card for name, card in rows)
    assert sorted(name for name, _ in rows) == sorted(shipped_models())


def test_the_page_of_models_has_the_sizes_that_they_know():
    text = (DOCS / "models.md").read_text()
    rows = re.findall(r"^\| \[`([\w-]+)`\].*\| (\d+ to \d+) \|", text, re.MULTILINE)
    assert len(rows) == 4
    for name, sizes in rows:
        low, _, high = describe_model(model_path(name)).known_diameters
        assert f"{low:.0f} to {high:.0f}" == sizes


def test_links_are_turned_in_text_and_not_in_code():
    pytest.importorskip("mkdocs", reason='needs `pip install -e ".[docs]"`')
    turn = runpy.run_path(str(DOCS / "site" / "repository.py"))["on_page_markdown"]
    text = "[`card`](../README.md) `f[0](../x)`\n\n```python\nf[0](../x)\n```\n"
    turned = turn(text, SimpleNamespace(file=SimpleNamespace(src_uri="install.md")))
    assert turned == text.replace("../README.md", "code/README.md.md")
