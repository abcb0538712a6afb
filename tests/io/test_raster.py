"""PNG and JPEG files: what goes in comes out; what Pillow would silently alter is refused."""

import struct
import zlib

import imageio.v3 as iio
import numpy as np
import PIL.Image
import pytest

from seamwise.io.images import read_image, read_labels, write_labels, write_png
from seamwise.io.photo import read_photo
from seamwise.io.raster import count_pixels
from support.files import counting, one_line


def png_bytes(colour, depth, raw, height, width):
    """A PNG by hand, for kinds that the libraries do not write."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("name", "dtype"), [("x.png", "uint8"), ("x.PNG", "uint16")])
def test_grey_png(tmp_path, name, dtype):
    pixels = counting((5, 7), dtype) * 7
    iio.imwrite(tmp_path / name, pixels, extension=".png")
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, pixels)
    assert (image.data.dtype, image.axes, image.spacing, image.note) == (
        pixels.dtype,
        "YX",
        None,
        "",
    )


def test_colour_png(tmp_path):
    pixels = counting((5, 7, 3), "uint8")
    iio.imwrite(tmp_path / "x.png", pixels)
    image = read_image(tmp_path / "x.png")
    assert (image.axes, image.note) == ("CYX", "")
    np.testing.assert_array_equal(image.data, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_of_a_png_is_dropped_and_said(tmp_path, mode):
    pixels = counting((5, 7, len(mode)), "uint8")
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    image = read_image(tmp_path / "x.png")
    assert image.note == "alpha channel of x.png dropped"
    np.testing.assert_array_equal(image.data, pixels[..., :-1].transpose(2, 0, 1).squeeze())


def test_one_bit_png_is_uint8(tmp_path):
    pixels = counting((5, 7)) % 2 == 1
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    image = read_image(tmp_path / "x.png")
    assert image.data.dtype == np.uint8
    np.testing.assert_array_equal(image.data, pixels)


def palette_png(path, colours, index):
    picture = PIL.Image.fromarray(index)
    picture.putpalette(np.array(colours, np.uint8).ravel().tolist())
    picture.save(path)


def test_palette_png_gives_its_colours(tmp_path):
    index = np.array([[0, 1, 2], [2, 1, 1]], np.uint8)
    colours = [[10, 20, 30], [0, 255, 7], [9, 8, 7]]
    palette_png(tmp_path / "x.png", colours, index)
    image = read_image(tmp_path / "x.png")
    np.testing.assert_array_equal(image.data, np.array(colours)[index].transpose(2, 0, 1))
    np.testing.assert_array_equal(read_labels(tmp_path / "x.png"), index)


def test_grey_palette_gives_grey_values(tmp_path):
    index = np.array([[0, 1, 2], [2, 1, 1]], np.uint8)
    palette_png(tmp_path / "x.png", [[9, 9, 9], [50, 50, 50], [200, 200, 200]], index)
    expected = np.array([9, 50, 200])[index]
    image = read_image(tmp_path / "x.png")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, expected)
    np.testing.assert_array_equal(read_labels(tmp_path / "x.png"), expected)


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_sixteen_bit_colour_png_is_refused_not_cut_to_eight(tmp_path, colour):
    samples = {2: 3, 4: 2, 6: 4}[colour]
    raw = (b"\x00" + bytes(7 * samples * 2)) * 5
    (tmp_path / "x.png").write_bytes(png_bytes(colour, 16, raw, 5, 7))
    with pytest.raises(ValueError, match="16-bit colours; save it as TIFF") as caught:
        read_image(tmp_path / "x.png")
    assert one_line(caught, "x.png")
    assert "complete?" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG", "x.png", "x.tif"])
def test_jpeg_by_any_name(tmp_path, name):
    pixels = np.full((8, 16, 3), (200, 100, 50), np.uint8)
    iio.imwrite(tmp_path / name, pixels, extension=".jpg", quality=95)
    image = read_image(tmp_path / name)
    assert (image.axes, image.data.dtype, image.note) == ("CYX", np.uint8, "")
    assert np.abs(image.data.transpose(1, 2, 0).astype(int) - pixels).max() <= 3


def test_grey_jpeg(tmp_path):
    iio.imwrite(tmp_path / "x.jpg", np.full((8, 16), 77, np.uint8))
    image = read_image(tmp_path / "x.jpg")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, np.full((8, 16), 77))


def test_cmyk_jpeg_becomes_rgb_and_this_is_said(tmp_path):
    PIL.Image.new("CMYK", (16, 8), (0, 0, 0, 0)).save(tmp_path / "x.jpg")
    image = read_image(tmp_path / "x.jpg")
    assert image.note == "x.jpg converted from CMYK to RGB"
    np.testing.assert_array_equal(image.data, np.full((3, 8, 16), 255))


def test_photograph_is_turned_upright(tmp_path):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, :8] = 255
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to show
    PIL.Image.fromarray(pixels).save(tmp_path / "x.jpg", exif=exif, quality=95)
    image = read_image(tmp_path / "x.jpg")
    assert image.note == "x.jpg turned upright as its EXIF orientation says"
    np.testing.assert_array_equal(image.data, np.rot90(pixels, -1))


def test_large_pictures_pass_without_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    iio.imwrite(tmp_path / "x.png", counting((5, 7), "uint8"))
    assert read_image(tmp_path / "x.png").data.shape == (5, 7)


@pytest.mark.parametrize(("name", "kind"), [("x.png", "PNG"), ("x.jpg", "JPEG")])
def test_pixels_are_counted_from_the_header(tmp_path, name, kind):
    iio.imwrite(
        tmp_path / name, np.random.default_rng(3).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    )
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert count_pixels(tmp_path / name, kind) == 64 * 48
    (tmp_path / name).write_bytes(content[:10])
    with pytest.raises(ValueError, match="is it complete") as caught:
        count_pixels(tmp_path / name, kind)
    assert one_line(caught, name)


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_truncated_picture_is_an_error(tmp_path, name):
    pixels = np.random.default_rng(3).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    iio.imwrite(tmp_path / name, pixels)
    content = (tmp_path / name).read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9, 0.97):
        (tmp_path / name).write_bytes(content[: max(int(len(content) * share), 4)])
        with pytest.raises(ValueError, match=r"is it complete\?") as caught:
            read_image(tmp_path / name)
        assert one_line(caught, name)


@pytest.mark.parametrize(("colour", "depth"), [(0, 8), (0, 16), (2, 8), (3, 4), (6, 8)])
@pytest.mark.parametrize("read", [read_image, read_labels, read_photo])
def test_a_header_of_more_pixels_than_a_file_can_hold(tmp_path, read, colour, depth):
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(colour, depth, bytes(99), 2**26, 20))
    with pytest.raises(ValueError, match="20 × 67108864 pixels, for which it is") as caught:
        read(path)
    assert one_line(caught, "a.png")


def test_the_most_that_deflate_packs_is_read(tmp_path):
    path = tmp_path / "zeros.png"
    path.write_bytes(png_bytes(0, 8, bytes(3001 * 3000), 3000, 3000))
    assert path.stat().st_size < 9_000_000 / 900
    assert read_image(path).data.shape == (3000, 3000)


@pytest.mark.parametrize(
    ("name", "maximum", "dtype"), [("x.png", 255, "uint8"), ("x.PNG", 65535, "uint16")]
)
def test_png_labels_come_back_in_the_smallest_dtype(tmp_path, name, maximum, dtype):
    labels = np.resize([0, 1, maximum], (3, 4))
    write_labels(tmp_path / name, labels)
    back = read_labels(tmp_path / name)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, labels)


@pytest.mark.parametrize("labels", [np.array([[65536]]), np.array([[-1]]), np.ones((2, 3, 4), int)])
def test_png_says_what_it_cannot_hold(tmp_path, labels):
    with pytest.raises(
        ValueError, match=r"PNG holds 2D labels from 0 to 65535.*write a \.tif instead"
    ):
        write_labels(tmp_path / "x.png", labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_write_png(tmp_path, shape):
    image = counting(shape, "uint8")
    write_png(tmp_path / "x.png", image)
    np.testing.assert_array_equal(iio.imread(tmp_path / "x.png"), image)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
