"""HEIC and camera RAW, which extras read."""

import sys

import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.fusion import Burst, FuseOptions, fuse_files
from seamwise.io.exif import upright
from seamwise.io.listing import find_images
from seamwise.io.photo import photo_info, read_photo, write_photo

pillow_heif = pytest.importorskip("pillow_heif")
pytest.importorskip("rawpy")


def smooth(seed=0):
    rng = np.random.default_rng(seed)
    small = PIL.Image.fromarray(rng.integers(40, 216, (6, 8, 3), np.uint8))
    return np.asarray(small.resize((80, 64), PIL.Image.Resampling.BICUBIC))


def save_heic(path, pixels, orientation=1, time=None):
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    if time:
        exif.get_ifd(0x8769)[0x9003] = time
    picture = pillow_heif.from_pillow(PIL.Image.fromarray(pixels))
    picture.save(path, quality=95, chroma=444, exif=exif.tobytes())
    return path


def test_heic_is_read_upright_with_its_exif(tmp_path):
    path = save_heic(tmp_path / "x.HEIC", smooth(), time="2026:05:04 12:30:00")
    photo, info = read_photo(path), photo_info(path)
    assert (info.shape, info.dtype, info.time) == ((64, 80, 3), np.uint8, "2026:05:04 12:30:00")
    assert photo.pixels.shape == (64, 80, 3)
    assert abs(photo.pixels.astype(int) - smooth()).mean() < 3
    assert b"Maker" in photo.exif
    for orientation in range(1, 9):
        turned = photo_info(save_heic(tmp_path / "y.heic", smooth(), orientation=orientation))
        upright_pixels = upright(photo.pixels, orientation)
        assert (turned.shape, turned.orientation) == (upright_pixels.shape, orientation)
        pixels = read_photo(tmp_path / "y.heic").pixels
        assert pixels.shape == turned.shape
        assert abs(pixels.astype(int) - upright_pixels).mean() < 1


def test_heic_frames_that_are_stored_alike_are_turned_alike(tmp_path):
    paths = [
        save_heic(tmp_path / f"{number}.heic", smooth(), orientation=orientation)
        for number, orientation in enumerate((1, 6, 6))
    ]
    burst = Burst(paths)
    assert burst.shape == (80, 64, 3)
    assert abs(burst[0] - burst[1]).mean() < 0.01
    assert burst.notes[0].startswith(f"{paths[0]}: the orientation in EXIF differs from that of")


def test_a_heic_of_10_bits_has_16(tmp_path):
    deep = smooth().astype(np.uint16) * 257
    picture = pillow_heif.from_bytes("RGB;16", (80, 64), deep.tobytes())
    picture.save(tmp_path / "x.heic", quality=95, chroma=444)
    photo = read_photo(tmp_path / "x.heic")
    assert photo.pixels.dtype == photo_info(tmp_path / "x.heic").dtype == np.uint16
    assert abs(photo.pixels.astype(int) - deep).mean() < 3 * 257


def save_dng(path, level, neutral=(5000, 10000, 7000), light=1.0):
    """A mosaic of one level, as a camera with this neutral colour sees it."""
    mosaic = np.full((96, 128), 512 + light * level, np.float64)
    mosaic[40:56] += 0.5 * light * level
    matrix = [6000, -1000, -500, -4000, 12000, 2000, -500, 1000, 6000]
    tags = [
        (33421, 3, 2, (2, 2)), (33422, 1, 4, (0, 1, 1, 2)), (50706, 1, 4, (1, 4, 0, 0)),
        (50707, 1, 4, (1, 1, 0, 0)), (50708, 2, None, "Test"), (50714, 4, 1, 512),
        (50717, 4, 1, 16383), (50721, 10, 9, tuple(np.ravel([(x, 10000) for x in matrix]))),
        (50728, 5, 3, tuple(np.ravel([(x, 10000) for x in neutral]))), (50778, 3, 1, 21),
        (271, 2, None, "Test"), (272, 2, None, "Test"),
    ]  # fmt: skip
    tifffile.imwrite(
        path, mosaic.astype(np.uint16), photometric=32803, metadata=None, extratags=tags
    )
    return path


def test_raw_is_developed_with_16_bits(tmp_path):
    path = save_dng(tmp_path / "x.dng", 3000)
    info, photo = photo_info(path), read_photo(path)
    assert (info.shape, info.dtype, info.white_balance[:3]) == (
        (96, 128, 3), np.uint16, pytest.approx((2, 1, 10 / 7)),
    )  # fmt: skip
    assert photo.pixels.shape == (96, 128, 3)
    assert photo.pixels.dtype == np.uint16


def linear(pixels):
    unit = pixels / 65535
    return np.where(unit < 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)


def test_raw_frames_of_a_burst_share_white_balance_and_exposure(tmp_path):
    first = save_dng(tmp_path / "a.dng", 2000)
    warm = save_dng(tmp_path / "b.dng", 2000, neutral=(7000, 10000, 5000))
    dark = save_dng(tmp_path / "c.dng", 2000, light=0.5)
    burst = Burst([first, warm, dark])
    np.testing.assert_array_equal(burst[0], burst[1])
    assert not np.array_equal(read_photo(first).pixels, read_photo(warm).pixels)
    ratio = linear(read_photo(dark).pixels[10, 10]) / linear(read_photo(first).pixels[10, 10])
    np.testing.assert_allclose(ratio, 0.5, rtol=0.03)


def test_pictures_of_such_bursts_are_tiffs(tmp_path):
    for name, save in (("h", save_heic), ("r", None)):
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        for number in range(2):
            if save:
                save(folder / f"{number}.heic", smooth(number))
            else:
                save_dng(folder / f"{number}.dng", 2000 + number)
    outcomes = list(fuse_files([tmp_path / "in"], tmp_path / "out", FuseOptions(model="gff")))
    assert not any(outcome.failed for outcome in outcomes), outcomes
    assert read_photo(tmp_path / "out" / "h.tif").pixels.dtype == np.uint8
    assert read_photo(tmp_path / "out" / "r.tif").pixels.dtype == np.uint16


def test_a_raw_file_next_to_its_jpeg_is_not_a_frame_of_its_own(tmp_path):
    write_photo(tmp_path / "a.jpg", smooth())
    for name in ("a.dng", "b.dng", "c.HEIC"):
        (tmp_path / name).touch()
    names = [path.name for path in find_images(tmp_path, photos=True)]
    assert names == ["a.jpg", "b.dng", "c.HEIC"]
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg"]
    pattern = [path.name for path in find_images(tmp_path / "*.dng", photos=True)]
    assert pattern == ["a.dng", "b.dng"]


@pytest.mark.parametrize(("name", "package", "extra"), [
    ("x.heic", "pillow_heif", "heic"), ("x.nef", "rawpy", "raw"),
])  # fmt: skip
def test_a_missing_extra_is_named(tmp_path, monkeypatch, name, package, extra):
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"{name} .*: pip install 'seamwise\[{extra}\]'"):
        photo_info(tmp_path / name)


@pytest.mark.parametrize("name", ["x.heic", "x.nef"])
def test_damaged_files_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(ValueError, match=rf"cannot read .*{name} as "):
        read_photo(tmp_path / name)
