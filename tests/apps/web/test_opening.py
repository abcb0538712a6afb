"""Images that are dropped, and those of the folder."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from support.web_page import PICTURES, UPLOAD, drawn, error_of, leftovers


def drop(client, content, name="x.tif"):
    return client.post("api/uploads", params={"name": name}, content=content)


@pytest.fixture(autouse=True)
def own_scratch(tmp_path, monkeypatch):
    """Temporary files of the server go to an empty folder, and none stays there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert leftovers() == []


def test_the_page_offers_models_with_what_they_know(client):
    start = client.get("api/start").json()
    names = [(model["name"], model["ndim"]) for model in start["models"]]
    assert names == [("nuclei-2d", 2), ("phase-2d", 2), ("nuclei-3d", 3), ("walls-3d", 3)]
    first = start["models"][0]
    assert first["purpose"] == "separates fluorescent nuclei in 2D images"
    assert 5 < first["diameters"][0] < 10 < 45 < first["diameters"][1] < 55
    assert start["folder"] == "images"


@pytest.mark.parametrize("name", ["CON.png", "nul.tif", "Com1.jpg", "lpt9 .png", "aux.a.tif"])
def test_names_that_are_devices_on_windows_are_refused(client, name):
    assert "plain name" in error_of(drop(client, b"", name), 400)


@pytest.mark.parametrize("place", ["a" * 100_000 + ".png", "a" * 256 + ".png", "\\ud800.png"])
def test_places_that_no_folder_has_are_refused_without_its_path(client, place):
    answer = client.post("api/pictures", content=f'{{"place": "{place}"}}')
    assert answer.status_code in (403, 404)
    words = answer.json()["error"]
    assert len(words) < 300
    assert str(PICTURES) not in words


def test_what_a_request_holds_does_not_come_back_whole(client):
    answer = client.post("api/bursts", json={})
    burst = answer.json()["burst"]
    answer = client.post(f"api/bursts/{burst}/fuse", json={"method": "a" * 100_000})
    assert len(error_of(answer, 400)) < 500
    client.delete(f"api/bursts/{burst}")


def test_a_dropped_image_is_open(client, upload):
    shown = upload(drawn(), resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    assert (shown["width"], shown["height"], shown["channels"]) == (128, 96, 1)
    assert shown["spacing"] == [0.5, 0.5]
    assert shown["found"] == []
    assert client.get(f"api/pictures/{shown['picture']}").json() == shown


def test_the_pixels_come_as_they_are_stored(client, upload):
    image = drawn()
    key = upload(image)["picture"]
    answer = client.get(f"api/pictures/{key}/channels/0")
    assert (np.frombuffer(answer.content, "<u2").reshape(image.shape) == image).all()
    assert '"bits": 16' in answer.headers["x-seamwise-state"]
    assert error_of(client.get(f"api/pictures/{key}/channels/1"), 404).startswith("x.tif has no")


def test_real_numbers_are_shown_from_their_smallest_to_their_largest(client, upload):
    image = np.linspace(-3, 5, 12).reshape(3, 4).astype(np.float32)
    key = upload(image)["picture"]
    shown = np.frombuffer(client.get(f"api/pictures/{key}/channels/0").content, "<u2")
    assert shown.tolist() == np.round(np.arange(12) / 11 * 65535).tolist()


def test_the_first_channel_with_contrast_is_shown_first(client):
    answer = client.post("api/pictures", json={"place": "day 1/blue.png"}).json()
    assert (answer["channels"], answer["first_channel"], answer["name"]) == (3, 2, "blue.png")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "x.tif", "x.tif is empty"),
        (b"no image at all", "x.png", "cannot read x.png"),
        (b"\x89PNG\r\n\x1a\n", "x.png", "cannot read x.png"),
        (b"text", "notes.txt", "notes.txt is not an image that the page reads"),
        (b"x", "../x.tif", "plain name"),
        (b"x", "a/../../x.tif", "plain name"),
        (b"x", "..\\x.tif", "plain name"),
        (b"x", "C:x.tif", "plain name"),
        (b"x", ".tif", "plain name"),
        (b"x", "", "plain name"),
        (b"x", "a\0.tif", "plain name"),
        (b"x", "a\n.tif", "plain name"),
        (b"x", "n" * 300 + ".tif", "too long"),
    ],
)
def test_what_is_not_an_image_is_answered_in_words(client, content, name, words):
    assert words in error_of(drop(client, content, name), 400)
    assert client.get("api/start").status_code == 200


def test_a_long_name_and_a_huge_number_make_no_long_message(client, upload):
    for name in ("n" * 5000 + "/x.tif", "n" * 140 + ".txt"):
        assert len(error_of(drop(client, b"x", name), 400)) <= 401
    key = upload(drawn())["picture"]
    for value in (-(10**4000), 10**4000, "9" * 4000):
        for fields in ({"model": "nuclei-2d", "channel": value}, {"model": str(value)}):
            answer = client.post(f"api/pictures/{key}/segment", json=fields)
            assert answer.status_code in (400, 404)
            assert len(answer.json()["error"]) <= 401
    assert client.get("api/start").status_code == 200


def test_a_large_upload_is_refused_before_and_while_it_comes(client):
    too_much = bytes(UPLOAD + 1)
    assert "larger than 1 MiB" in error_of(drop(client, too_much), 413)
    parts = (too_much[start : start + 2**16] for start in range(0, len(too_much), 2**16))
    assert "larger than 1 MiB" in error_of(drop(client, parts), 413)


@pytest.mark.parametrize("name", ["bomb.tif", "bomb.png"])
def test_a_small_file_of_a_huge_image_is_not_unpacked(client, tmp_path_factory, name):
    path = tmp_path_factory.mktemp("bomb") / name
    if name == "bomb.tif":
        empty = np.zeros((3000, 3000), np.uint8)
        tifffile.imwrite(path, empty, compression="zlib")
    else:
        Image.new("1", (3000, 3000)).save(path)
    assert path.stat().st_size < 50_000
    words = error_of(drop(client, path.read_bytes(), name), 413)
    assert words.startswith(f"{name} has more than 4 million numbers")


def test_a_small_image_with_a_huge_tile_is_not_unpacked(client, tmp_path_factory):
    path = tmp_path_factory.mktemp("bomb") / "x.tif"
    tile = (4112, 4112)
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), tile=tile, compression="zlib")
    assert path.stat().st_size < 50_000
    words = error_of(drop(client, path.read_bytes()), 400)
    assert "its tiles have 16908544 numbers, for an image of 4096" in words


def test_a_part_that_is_a_link_is_not_read(client, images):
    planes, folder = np.stack([drawn(), drawn(1)]), images / "set"
    folder.mkdir()
    metadata = {"axes": "CYX"}
    tifffile.imwrite(folder / "a.ome.tif", planes, metadata=metadata, photometric="minisblack")
    text = tifffile.tiffcomment(folder / "a.ome.tif")
    part = '<UUID FileName="link.tif">urn:uuid:0</UUID></TiffData>'
    begin, _, end = text.partition("<TiffData")
    data, _, rest = end.partition("/>")
    text = f"{begin}<TiffData{data}>{part}{rest}"
    tifffile.tiffcomment(folder / "a.ome.tif", text)
    (folder / "link.tif").symlink_to(images.parent / "secret.tif")
    try:
        words = error_of(client.post("api/pictures", json={"place": "set/a.ome.tif"}), 403)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert words == "a part of a.ome.tif is a link, which the page does not follow"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_odd_names_are_listed_and_opened(client, images):
    odd, bad = images / "t10:00.tif", os.fsencode(images) + b"/\xe4.tif"
    tifffile.imwrite(odd, drawn())
    Path(os.fsdecode(bad)).touch()
    try:
        listed = client.get("api/folder").json()
        opened = client.post("api/pictures", json={"place": odd.name})
    finally:
        odd.unlink()
        os.unlink(bad)
    assert listed["images"] == ["cells.tif", "t10:00.tif"]
    assert listed["note"] == "without 1 whose names are not UTF-8"
    assert opened.json()["name"] == odd.name


def test_the_folder_lists_folders_and_images_below_it_only(client):
    listed = client.get("api/folder").json()
    assert (listed["folders"], listed["images"]) == (["day 1"], ["cells.tif"])
    inner = client.get("api/folder", params={"place": "day 1"}).json()
    assert (inner["place"], inner["images"]) == ("day 1", ["blue.png"])


@pytest.mark.parametrize(
    "place",
    ["..", "../secret.tif", "day 1/../../secret.tif", "/etc", "day 1/..", "link.tif",
     "way/secret.tif", "way", "day 1//blue.png", "a\0b"],
)  # fmt: skip
def test_no_way_leads_out_of_the_folder(client, place):
    assert client.get("api/folder", params={"place": place}).status_code == 403
    answer = client.post("api/pictures", json={"place": place})
    assert "width" not in answer.text
    error_of(answer, 403)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"place": "nothing.tif"}, 404),
        ({"place": "notes.txt"}, 404),
        ({"place": ".hidden.tif"}, 404),
        ({"place": "..\\secret.tif"}, 404),  # a plain name, but on Windows
        ({"place": 3}, 400),
        ({}, 400),
    ],
)
def test_an_image_that_does_not_exist_is_answered_in_words(client, fields, status):
    error_of(client.post("api/pictures", json=fields), status)


def test_errors_of_the_folder_do_not_tell_where_it_lies(client, images):
    (images / "bad.tif").write_bytes(b"II*\0no")
    try:
        words = error_of(client.post("api/pictures", json={"place": "bad.tif"}), 400)
    finally:
        (images / "bad.tif").unlink()
    assert "bad.tif" in words
    assert str(images) not in words


def test_a_request_that_is_not_json_is_answered_in_words(client):
    for body in (b"{", b"[1]", b"\xff", b"{" + b" " * 2**21, b"[" * 100_000):
        assert client.post("api/pictures", content=body).status_code in (400, 413)


def test_the_oldest_image_is_closed_when_there_are_too_many(client, upload):
    keys = [upload(drawn())["picture"] for _ in range(PICTURES + 1)]
    assert "was closed" in error_of(client.get(f"api/pictures/{keys[0]}"), 404)
    assert client.get(f"api/pictures/{keys[-1]}").status_code == 200


def test_a_closed_image_is_forgotten(client, upload):
    key = upload(drawn())["picture"]
    assert client.delete(f"api/pictures/{key}").status_code == 200
    assert client.get(f"api/pictures/{key}/labels").status_code == 404
