"""How a file is read: the axes that its pages have, and the size of a pixel."""

import csv
import io

import numpy as np
import pytest
import tifffile

from support.web_page import drawn, error_of


@pytest.fixture(scope="module")
def pages():
    """Six pages without a word about what they are."""
    stream = io.BytesIO()
    planes = np.stack([drawn(seed) for seed in range(6)])
    tifffile.imwrite(stream, planes, photometric="minisblack", metadata=None)
    return stream.getvalue()


def opened(client, content, axes=""):
    answer = client.post("api/uploads", params={"name": "x.tif", "axes": axes}, content=content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_pages_can_be_read_in_another_way(client, pages):
    image = opened(client, pages)
    assert image["slices"] == 6
    assert image["axes"] == {"read": "ZYX", "choices": ["TYX", "ZYX", "CYX"]}
    series = opened(client, pages, "TYX")
    assert (series["times"], series["slices"], series["axes"]["read"]) == (6, 0, "TYX")
    channels = opened(client, pages, "CYX")
    assert (channels["times"], channels["channels"]) == (1, 6)
    for one in (image, series, channels):
        client.delete(f"api/pictures/{one['picture']}")


def test_axes_of_a_file_of_the_folder_can_be_chosen(client, images, pages):
    (images / "pages.tif").write_bytes(pages)
    try:
        fields = {"place": "pages.tif", "axes": "TYX"}
        assert client.post("api/pictures", json=fields).json()["times"] == 6
        assert client.post("api/pictures", json={"place": "pages.tif"}).json()["slices"] == 6
    finally:
        (images / "pages.tif").unlink()


@pytest.mark.parametrize("axes", ["YX", "XYZ", "ZZZZYX", "TZCYX2", 5])
def test_axes_that_cannot_be_are_refused(client, images, axes):
    fields = {"place": "cells.tif", "axes": axes}
    assert "axes must be" in error_of(client.post("api/pictures", json=fields), 400)


def test_planes_and_colours_have_no_choice(client, upload):
    for pixels in (drawn(), np.zeros((20, 30, 3), np.uint8)):
        image = upload(pixels)
        assert image["axes"] is None
        client.delete(f"api/pictures/{image['picture']}")


def test_the_size_of_a_pixel_counts_in_the_table(client, cells):
    path = f"api/pictures/{cells}"
    assert client.get(f"{path}/table").json()["unit"] == "px"
    image = client.post(f"{path}/spacing", json={"pixel": 0.5}).json()
    assert image["spacing"] == [0.5, 0.5]
    assert client.get(f"{path}/table").json()["unit"] == "um"
    rows = csv.DictReader(io.StringIO(client.get(f"{path}/cells.csv").content.decode("utf-8-sig")))
    row = next(rows)
    assert float(row["area_um2"]) == pytest.approx(int(row["area_px"]) / 4)
    assert client.post(f"{path}/spacing", json={"pixel": None}).json()["spacing"] is None
    assert client.get(f"{path}/table").json()["unit"] == "px"


def test_slices_have_a_distance_of_their_own(client, pages):
    key = opened(client, pages)["picture"]
    for fields, spacing in (
        ({"pixel": 0.5, "slices": 2}, [2, 0.5, 0.5]),
        ({"pixel": 0.5}, [0.5, 0.5, 0.5]),
    ):
        image = client.post(f"api/pictures/{key}/spacing", json=fields).json()
        assert image["spacing"] == spacing
    answer = client.post(f"api/pictures/{key}/spacing", json={"slices": 2})
    assert "say how wide a pixel is, too" in error_of(answer, 400)
    client.delete(f"api/pictures/{key}")


@pytest.mark.parametrize("size", [0, -1, 1e9, "wide", True, [1]])
def test_sizes_that_cannot_be_are_refused(client, upload, size):
    key = upload(drawn())["picture"]
    answer = client.post(f"api/pictures/{key}/spacing", json={"pixel": size})
    words = "pixel must be a number of micrometres between 0.000001 and 1000000"
    assert words in error_of(answer, 400)
    client.delete(f"api/pictures/{key}")
