"""Files of cells for other programs, and the report."""

import io
import json
import re
import zipfile

import numpy as np
import tifffile

from seamwise.measure import pair_images
from seamwise.report import segmentation_report
from seamwise.segmentation import OutputOptions, segment_files
from support.web_page import drawn, error_of


def test_the_outlines_are_those_of_the_command_line(client, cells, run, tmp_path):
    labels = tmp_path / "labels" / "x.tif"
    labels.parent.mkdir()
    labels.write_bytes(client.get(f"api/pictures/{cells}/labels.tif").content)
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "x.tif", drawn())
    assert run("measure", tmp_path / "images", labels.parent, "-o", tmp_path / "cells.csv")[0] == 0
    for kind, path, name, ending in (
        ("roi", "rois.zip", "x_rois.zip", "zip"),
        ("geojson", "cells.geojson", "x.geojson", "geo+json"),
    ):
        numbers = ["--table", tmp_path / "cells.csv"] if kind == "geojson" else []
        export = ["export-labels", labels.parent, "-o", tmp_path / kind, "--format", kind]
        assert run(*export, *numbers)[0] == 0
        answer = client.get(f"api/pictures/{cells}/{path}")
        assert answer.content == (tmp_path / kind / name).read_bytes()
        assert answer.headers["content-disposition"].endswith(f"''{name}")
        assert answer.headers["content-type"] == f"application/{ending}"


def test_geojson_has_the_measurements_of_each_cell(client, cells):
    features = json.loads(client.get(f"api/pictures/{cells}/cells.geojson").content)["features"]
    table = client.get(f"api/pictures/{cells}/table").json()
    columns = {column["words"]: column["values"] for column in table["columns"]}
    properties = [feature["properties"] for feature in features]
    assert [int(one["name"]) for one in properties] == columns["Cell"]
    assert [one["measurements"]["area_px"] for one in properties] == columns["Area px²"]


def test_the_report_shows_the_image_by_its_name(client, upload, wait):
    key = upload(drawn(), "day [1] <b>.tif")["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    wait(client.post(f"api/pictures/{key}/segment", json=fields).json()["job"])
    answer = client.get(f"api/pictures/{key}/report.html")
    page = answer.text
    assert "day [1] &lt;b&gt;.tif" in page
    assert "model nuclei-2d" in page
    count = len(client.get(f"api/pictures/{key}/table").json()["x"])
    assert f"{count} cells" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert answer.headers["content-disposition"].endswith("day%20%5B1%5D%20%3Cb%3E_report.html")


def test_the_report_names_the_cells_that_the_command_names(client, upload, wait, tmp_path):
    hazy = (drawn(4) // 40 + np.random.default_rng(0).integers(0, 900, (96, 128))).astype(np.uint16)
    key = upload(hazy, "hazy.tif")["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    wait(client.post(f"api/pictures/{key}/segment", json=fields).json()["job"])
    page = client.get(f"api/pictures/{key}/report.html").text
    tifffile.imwrite(tmp_path / "hazy.tif", hazy)
    files = OutputOptions(seams=True)
    list(segment_files([tmp_path / "hazy.tif"], tmp_path / "out", files=files))
    pairs = pair_images(tmp_path / "hazy.tif", tmp_path / "out")
    list(segmentation_report(pairs, tmp_path / "report.html"))
    flags = flags_in((tmp_path / "report.html").read_text())
    assert flags
    assert flags_in(page) == flags


def flags_in(page):
    """What a report says of cells of which the network is unsure."""
    return re.findall("(?:doubtful seam with|unsure: entropy|may be two)[^<]*", page)


def test_corrections_are_in_all_files(client, cells):
    revision = json.loads(client.get(f"api/pictures/{cells}/labels").headers["x-seamwise-state"])[
        "revision"
    ]
    fields = {"action": "delete", "cells": [1], "revision": revision}
    client.post(f"api/pictures/{cells}/edit", json=fields)
    features = json.loads(client.get(f"api/pictures/{cells}/cells.geojson").content)["features"]
    assert "1" not in [feature["properties"]["name"] for feature in features]
    rois = zipfile.ZipFile(io.BytesIO(client.get(f"api/pictures/{cells}/rois.zip").content))
    assert len(rois.namelist()) == len(features) > 3
    assert "1.roi" not in rois.namelist()


def test_files_of_a_plane_whose_cells_were_not_looked_for(client, upload):
    key = upload(drawn())["picture"]
    for path in ("rois.zip", "cells.geojson", "report.html"):
        assert "not looked for yet" in error_of(client.get(f"api/pictures/{key}/{path}"), 409)


def test_an_image_without_cells_has_empty_files(client, upload, wait):
    key = upload(np.zeros((40, 50), np.uint8))["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    wait(client.post(f"api/pictures/{key}/segment", json=fields).json()["job"])
    assert json.loads(client.get(f"api/pictures/{key}/cells.geojson").content)["features"] == []
    rois = client.get(f"api/pictures/{key}/rois.zip").content
    assert zipfile.ZipFile(io.BytesIO(rois)).namelist() == []
    assert "0 cells" in client.get(f"api/pictures/{key}/report.html").text
