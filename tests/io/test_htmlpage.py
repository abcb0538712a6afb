"""Pages of HTML: whole, safe, without a network."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from seamwise.io.htmlpage import (
    Markup,
    facts,
    figure,
    gallery,
    heading,
    histogram,
    joined,
    key,
    link,
    paragraph,
    picture,
    row,
    table,
    write_page,
)

VOID = {"meta", "img", "br", "path", "rect"}


class Balance(HTMLParser):
    """Raise at a tag that is not closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def is_balanced(markup):
    parser = Balance()
    parser.feed(markup)
    return not parser.open


def every_part():
    pixels = np.zeros((4, 6, 3), np.uint8)
    yield heading("Cells & <b>", anchor="cells")
    yield paragraph(joined(["see ", link("there", "cells")]))
    yield facts({"cells": 12345, "share": 0.51234})
    yield table(["name", "n"], [["a<b", 1], ["c", None]])
    yield key({"missed": "#d1495b"})
    yield row([figure(picture(pixels, alt="black"), "nothing"), histogram(np.arange(9), label="x")])
    yield gallery([figure(picture(pixels, alt="black", width=24), "larger")])


def test_a_page_is_whole_and_asks_for_nothing(tmp_path):
    write_page(tmp_path / "p.html", "A <title>", every_part(), subtitle="today")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert is_balanced(text)
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    assert "http" not in text.replace("http-equiv", "")


def test_texts_are_escaped_and_markup_is_not():
    assert paragraph("<script>") == "<p>&lt;script&gt;</p>"
    assert paragraph(Markup("<i>x</i>")) == "<p><i>x</i></p>"
    assert "a&lt;b" in table(["<n>"], [["a<b"]])
    assert "&lt;n&gt;" in table(["<n>"], [])


def test_numbers_stand_to_the_right_and_read_well():
    text = table(["n", "x", "word"], [[12345, 0.12345, "a"], [None, float("nan"), "b"]])
    assert '<td class="number">12\u202f345</td>' in text
    assert '<td class="number">0.123</td>' in text
    assert '<td class="number"></td>' in text
    assert "<td>a</td>" in text


def test_numbers_are_rounded_before_they_count_as_large():
    text = table(["x"], [[999.4], [999.5], [-999.6]])
    assert re.findall(r'"number">([^<]*)</td>', text) == ["999", "1\u202f000", "-1\u202f000"]


@pytest.mark.parametrize("values", [[5.0], [2, 2, 2], [1, np.nan, 9], [0, 1e9]])
def test_a_histogram_counts_every_finite_value(values):
    text = histogram(np.array(values), label="area")
    counts = [int(n) for n in re.findall(r"<title>(\d+) cells?:", text)]
    assert ">1 cells:" not in text
    assert sum(counts) == np.isfinite(values).sum()
    assert is_balanced(text)
    assert "nan" not in text


def test_a_histogram_of_nothing_says_so():
    assert "No cells" in histogram(np.array([np.nan]), label="area")
