"""OME-Zarr images of the folder: small ones are read, large ones are looked at by tiles."""

import json
import shutil

import numpy as np
import pytest
import tifffile

import seamwise
from seamwise.io import ZarrStorage, open_ome_zarr, write_image
from seamwise_web.answers import RefusalError
from seamwise_web.levels import ZarrLevels
from seamwise_web.scratch import scratch_folder
from seamwise_web.tiled import TiledImage, TiledImages
from seamwise_web.whole import WholeCells
from support.web_page import PIXELS, drawn, error_of

SIDE = 1300  # more than PIXELS in all


@pytest.fixture(scope="module")
def large():
    """Two channels of an image that is too large to be read whole."""
    rows, columns = np.indices((SIDE, SIDE + 100))
    return np.stack([rows * 40, columns * 40]).astype(np.uint16)


@pytest.fixture(scope="module")
def folder(images, large):
    write_image(images / "large.ome.zarr", large, axes="CYX", spacing=(0.5, 0.25))
    yield images
    shutil.rmtree(images / "large.ome.zarr")


def opened(client, place):
    answer = client.post("api/pictures", json={"place": place})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def shown(client, folder):
    image = opened(client, "large.ome.zarr")
    yield image
    client.delete(f"api/pictures/{image['picture']}")


def tile_of(client, image, place, **at):
    answer = client.get(f"api/tiled/{image['picture']}/tiles/{place}", params=at)
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["x-seamwise-state"])
    pixels = np.frombuffer(answer.content, f"<u{facts['bits'] // 8}")
    return pixels.reshape(facts["height"], facts["width"]), facts


def test_a_large_image_is_listed_and_opens_without_its_pixels(client, folder, shown):
    assert "large.ome.zarr" in client.get("api/folder").json()["images"]
    assert (shown["width"], shown["height"], shown["channels"]) == (SIDE + 100, SIDE, 2)
    assert SIDE**2 > PIXELS
    assert shown["tiled"] == {
        "side": 512,
        "levels": [[1300, 1400], [650, 700], [325, 350], [163, 175]],
        "cells": None,
    }
    assert client.get(f"api/pictures/{shown['picture']}").json() == shown


def test_a_tile_has_the_pixels_of_its_place(client, shown, large):
    pixels, facts = tile_of(client, shown, "1/0/1/2")
    assert (pixels == large[1, 512:1024, 1024:1400]).all()
    again, other = tile_of(client, shown, "1/0/2/0")
    assert (again == large[1, 1024:1300, :512]).all()
    assert (facts["low"], facts["high"]) == (other["low"], other["high"])
    coarse, _ = tile_of(client, shown, "0/1/0/0")
    means = large[0, :1024, :1024].reshape(512, 2, 512, 2).mean(axis=(1, 3))
    assert np.abs(coarse - means).max() <= 1


@pytest.mark.parametrize("place", ["2/0/0/0", "0/4/0/0", "0/0/3/0", "0/0/0/3"])
def test_a_tile_that_does_not_exist_is_refused(client, shown, place):
    error_of(client.get(f"api/tiled/{shown['picture']}/tiles/{place}"), 404)


def test_an_image_without_levels_gets_coarser_ones(client, folder, monkeypatch):
    image = np.arange(1200 * 1100, dtype=np.uint32).reshape(1200, 1100)
    path = folder / "flat.ome.zarr"
    write_image(path, image, axes="YX", storage=ZarrStorage(levels=1, chunks=(256, 256)))
    monkeypatch.setattr("seamwise_web.pyramid._STRIP", 2**12)
    try:
        shown = opened(client, path.name)
        assert shown["tiled"]["levels"] == [[1200, 1100], [600, 550]]
        pixels, facts = tile_of(client, shown, "0/1/1/1")
    finally:
        shutil.rmtree(path)
    thinned = image[::2, ::2]
    low, high = thinned.min(), thinned.max()
    expected = np.round((thinned[512:, 512:] - low) / ((high - low) / 65535.0))
    assert (facts["bits"], facts["range"]) == (16, [low, high])
    assert (pixels == expected).all()


def test_a_part_is_an_image_of_its_own(client, shown, large, wait):
    box = {"left": 100, "top": 200, "width": 64, "height": 32}
    part = client.post(f"api/tiled/{shown['picture']}/parts", json=box).json()
    assert (part["width"], part["height"], part["channels"]) == (64, 32, 2)
    assert part["name"] == "large_x100_y200.tif"
    assert part["spacing"] == [0.5, 0.25]
    assert part["note"] == "columns 100 to 164 and rows 200 to 232 of large.ome.zarr"
    pixels = client.get(f"api/pictures/{part['picture']}/channels/1").content
    expected = large[1, 200:232, 100:164]
    assert (np.frombuffer(pixels, "<u2").reshape(32, 64) == expected).all()
    assert client.get(f"api/pictures/{shown['picture']}").status_code == 200


@pytest.mark.parametrize(
    ("box", "status", "words"),
    [
        ({"left": 0, "top": 0, "width": 1400, "height": 1300}, 413, "zoom in"),
        ({"left": 1400, "top": 0, "width": 10, "height": 10}, 400, "outside of the image"),
        ({"left": 0, "top": 0, "width": 0, "height": 10}, 400, "outside of the image"),
        ({"left": -1, "top": 0, "width": 9, "height": 10}, 400, "left must be a whole number"),
        ({"left": 10**30, "top": 0, "width": 9, "height": 10}, 400, "outside of the image"),
    ],
)
def test_parts_that_cannot_be_taken_are_refused_in_words(client, shown, box, status, words):
    answer = client.post(f"api/tiled/{shown['picture']}/parts", json=box)
    assert words in error_of(answer, status)


def test_a_part_of_a_stack_has_its_slices_if_it_is_small(client, folder):
    stack = np.zeros((5, 600, 600), np.uint8)
    stack[3, 300, 200] = 9
    path = folder / "stack.ome.zarr"
    write_image(path, stack, axes="ZYX", spacing=(1, 0.5, 0.5))
    try:
        shown = opened(client, path.name)
        assert shown["slices"] == 5
        pixels, _ = tile_of(client, shown, "0/0/0/0", z=3)
        assert (pixels == stack[3, :512, :512]).all()
        path_of_parts, at = f"api/tiled/{shown['picture']}/parts", {"z": 3}
        box = {"left": 100, "top": 200, "width": 200, "height": 200}
        small = client.post(path_of_parts, params=at, json=box).json()
        box = {"left": 0, "top": 0, "width": 600, "height": 500}
        wide = client.post(path_of_parts, params=at, json=box).json()
        error_of(client.post(path_of_parts, params={"z": 5}, json=box), 404)
    finally:
        shutil.rmtree(path)
    assert (small["slices"], small["spacing"]) == (5, [1, 0.5, 0.5])
    assert (wide["slices"], wide["spacing"]) == (0, [0.5, 0.5])
    pixels = client.get(f"api/pictures/{wide['picture']}/channels/0").content
    assert np.frombuffer(pixels, np.uint8).reshape(500, 600)[300, 200] == 9


def test_a_small_image_is_read_whole_and_has_a_report(client, images, wait):
    path = images / "small.ome.zarr"
    write_image(path, drawn(), axes="YX")
    try:
        image = opened(client, path.name)
    finally:
        shutil.rmtree(path)
    fields = {"model": "nuclei-2d", "channel": 0}
    key = image["picture"]
    wait(client.post(f"api/pictures/{key}/segment", json=fields).json()["job"])
    count = seamwise.segment(drawn()).labels.max()
    assert len(client.get(f"api/pictures/{key}/table").json()["x"]) == count
    answer = client.get(f"api/pictures/{key}/report.html")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith("''small_report.html")


def test_a_folder_that_is_no_image_and_one_with_a_link_are_refused(client, images):
    path = images / "none.zarr"
    path.mkdir()
    (path / "notes.txt").touch()
    try:
        words = error_of(client.post("api/pictures", json={"place": path.name}), 400)
        assert str(images) not in words
        assert "none.zarr" in words
        (path / "0").symlink_to(images.parent)
        assert "link" in error_of(client.post("api/pictures", json={"place": path.name}), 403)
        error_of(client.post("api/pictures", json={"place": f"{path.name}/notes.zarr"}), 404)
    finally:
        shutil.rmtree(path)


def test_an_image_in_huge_chunks_is_refused(client, images):
    image = np.zeros((2100, 2100), np.uint8)
    zarr, tiff = images / "chunk.ome.zarr", images / "strip.tif"
    write_image(zarr, image, axes="YX", storage=ZarrStorage(chunks=(2100, 2100)))
    tifffile.imwrite(tiff, image, compression="zlib", rowsperstrip=2100)
    try:
        for path in (zarr, tiff):
            words = error_of(client.post("api/pictures", json={"place": path.name}), 413)
            expected = f"{path.name} is stored in chunks of more than 4 million numbers"
            assert words.startswith(expected)
    finally:
        shutil.rmtree(zarr)
        tiff.unlink()


def test_the_oldest_large_image_is_closed(client, folder):
    keys = [opened(client, "large.ome.zarr")["picture"] for _ in range(5)]
    error_of(client.get(f"api/tiled/{keys[0]}/tiles/0/0/0/0"), 404)
    tile_of(client, {"picture": keys[-1]}, "0/0/0/0")
    for key in keys:
        client.delete(f"api/pictures/{key}")
    error_of(client.get(f"api/pictures/{keys[-1]}"), 404)


def test_a_large_image_whose_cells_were_not_saved_stays_open(folder):
    def image(*, has_cells=False):
        one = TiledImage(ZarrLevels(open_ome_zarr(folder / "large.ome.zarr")))
        if has_cells:
            one.keep(WholeCells(one.path, "found by a test", scratch=scratch_folder()))
        return one

    images, first, plain = TiledImages(), image(has_cells=True), image()
    for one in (first, plain, *(image(has_cells=True) for _ in range(3))):
        images.add(one)
    assert first.key in images
    assert plain.key not in images
    with pytest.raises(RefusalError, match=r"labels of large\.ome\.zarr in its tab"):
        images.add(image())
    assert first.description()["tiled"]["cells"]["is_saved"] is False
    first.cells.is_saved = True
    images.add(image())
    assert first.key not in images
    images.close_all()
