"""Reading and writing image files: what goes in comes out, and what is wrong is said in one line."""

import logging
import os
import struct
import subprocess
import sys
import threading
import zlib

import imageio.v3 as iio
import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.io.images import find_images, read_image, read_labels, stem, write_labels, write_png

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


def counting(shape, dtype="uint16"):
    """An array of unequal numbers, so that a swapped axis shows."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def one_line(caught, *words):
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return True


def png_bytes(colour, depth, raw, height, width):
    """A PNG by hand, for kinds that the libraries do not write."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


# ------------------------------------------------------------------ TIFF


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 7), (6, 5, 7)])
@pytest.mark.parametrize("name", ["x.tif", "x.TIFF", "x.ome.tif"])
def test_tiff_keeps_every_dtype(tmp_path, name, shape, dtype):
    if (name, dtype) == ("x.ome.tif", "float16"):
        name = "y.tif"  # OME has no half precision
    pixels, axes = counting(shape, dtype), "ZYX"[-len(shape) :]
    tifffile.imwrite(tmp_path / name, pixels, photometric="minisblack", metadata={"axes": axes})
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, pixels)
    assert (image.data.dtype, image.axes, image.note) == (pixels.dtype, axes, "")
    assert image.data.dtype.isnative
    assert image.data.flags.c_contiguous


@pytest.mark.parametrize(
    ("stored", "shape", "axes"),
    [
        ("CYX", (2, 5, 7), "CYX"),
        ("ZCYX", (6, 2, 5, 7), "CZYX"),
        ("CZYX", (2, 6, 5, 7), "CZYX"),
        ("TZYX", (1, 6, 5, 7), "ZYX"),
        ("TCZYX", (1, 2, 6, 5, 7), "CZYX"),
    ],
)
@pytest.mark.parametrize("kind", ["ome", "imagej", "shaped"])
def test_axes_of_the_file_are_brought_to_channels_first(tmp_path, kind, stored, shape, axes):
    if kind == "imagej":  # which stores T before Z before C
        order = sorted(range(len(stored)), key=lambda i: "TZCYX".index(stored[i]))
        shape, stored = tuple(shape[i] for i in order), "".join(stored[i] for i in order)
    pixels = counting(shape)
    options = {} if kind == "shaped" else {kind: True}
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": stored}, **options)
    image = read_image(path)
    assert (image.axes, image.note) == (axes, "")
    np.testing.assert_array_equal(image.data, np.einsum(f"{stored.lower()}->{axes.lower()}", pixels))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order_of_the_file_is_not_passed_on(tmp_path, order, dtype):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7), dtype), byteorder=order)
    image = read_image(tmp_path / "x.tif")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, counting((5, 7)))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_tiff(tmp_path, planar):
    pixels = counting((5, 7, 3), "uint8")
    stored = pixels if planar == "contig" else pixels.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="rgb", planarconfig=planar)
    image = read_image(tmp_path / "x.tif")
    assert (image.axes, image.note) == ("CYX", "")
    np.testing.assert_array_equal(image.data, pixels.transpose(2, 0, 1))


def test_colour_whose_channels_are_equal_stays_colour(tmp_path):
    pixels = np.repeat(counting((5, 7, 1), "uint8"), 3, axis=2)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb")
    assert read_image(tmp_path / "x.tif").data.shape == (3, 5, 7)


@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
def test_alpha_of_a_tiff_is_dropped_and_said(tmp_path, alpha):
    pixels = counting((5, 7, 4), "uint8")
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb", extrasamples=[alpha])
    image = read_image(tmp_path / "x.tif")
    assert image.note == "alpha channel of x.tif dropped"
    np.testing.assert_array_equal(image.data, pixels[..., :3].transpose(2, 0, 1))


def test_one_bit_tiff_is_uint8(tmp_path):
    pixels = counting((5, 7)) % 2 == 1
    tifffile.imwrite(tmp_path / "x.tif", pixels)
    image = read_image(tmp_path / "x.tif")
    assert image.data.dtype == np.uint8
    np.testing.assert_array_equal(image.data, pixels)


def test_constant_image_is_fine(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((5, 7), np.uint8))
    assert read_image(tmp_path / "x.tif").data.max() == 0


@pytest.mark.parametrize("metadata", [None, {}])
def test_guess_is_said_and_the_user_overrides_it(tmp_path, metadata):
    pixels = counting((3, 15, 17))
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", metadata=metadata)
    image = read_image(tmp_path / "x.tif")
    assert image.axes == "CYX"
    assert image.note == "no axes in x.tif: read (3, 15, 17) as CYX; say axes='ZYX' if that is wrong"
    image = read_image(tmp_path / "x.tif", axes="ZYX")
    assert (image.axes, image.data.shape, image.note) == ("ZYX", (3, 15, 17), "")
    image = read_image(tmp_path / "x.tif", axes="yxc")
    assert (image.axes, image.data.shape) == ("CYX", (17, 3, 15))


def test_user_word_wins_over_the_file_and_this_is_said(tmp_path):
    pixels = counting((3, 5, 7))
    tifffile.imwrite(tmp_path / "x.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    image = read_image(tmp_path / "x.tif", axes="CYX")
    assert (image.axes, image.note) == ("CYX", "x.tif says ZYX; read (3, 5, 7) as CYX, as asked")


def test_time_points_are_refused_with_a_way_out(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((6, 5, 7)), imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(ValueError, match="6 time points") as caught:
        read_image(tmp_path / "x.tif")
    assert one_line(caught, "x.tif", "one file per time point", "axes='ZYX'")
    assert read_image(tmp_path / "x.tif", axes="ZYX").data.shape == (6, 5, 7)


def test_time_points_of_stacks_are_no_stack(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((6, 2, 5, 7)), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(ValueError, match="6 time points") as caught:
        read_image(tmp_path / "x.tif")
    assert "if they are a stack" not in str(caught.value)


def test_second_image_of_a_file_is_said(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(counting((5, 7)))
        writer.write(counting((3, 4)))
    image = read_image(tmp_path / "x.tif")
    assert (image.data.shape, image.note) == ((5, 7), "x.tif holds 2 images: the first is read")


@pytest.mark.parametrize(
    ("channel", "shape"), [(1, (5, 7)), ([1], (1, 5, 7)), ([2, 0], (2, 5, 7)), (np.int64(1), (5, 7))]
)
def test_channels_are_picked(tmp_path, channel, shape):
    pixels = counting((3, 5, 7))
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", metadata={"axes": "CYX"})
    image = read_image(tmp_path / "x.tif", channel=channel)
    np.testing.assert_array_equal(image.data, pixels[channel])
    assert image.data.shape == shape
    assert image.axes == "CYX"[-len(shape) :]


def test_the_only_channel_may_be_named(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    assert read_image(tmp_path / "x.tif", channel=0).axes == "YX"
    assert read_image(tmp_path / "x.tif", channel=[0]).axes == "CYX"
    with pytest.raises(ValueError, match="which has channel 0 only"):
        read_image(tmp_path / "x.tif", channel=1)


@pytest.mark.parametrize("channel", [3, -1, [0, 3], [], 1.0, "dapi", True])
def test_wrong_channel(tmp_path, channel):
    tifffile.imwrite(tmp_path / "x.tif", counting((3, 5, 7)), imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(ValueError, match="which has channels 0 to 2") as caught:
        read_image(tmp_path / "x.tif", channel=channel)
    assert one_line(caught, "x.tif", f"channel={channel!r}")


@pytest.mark.parametrize("kind", ["lzw", "jpeg"])
def test_compressions_that_tifffile_alone_cannot_read(tmp_path, kind):
    pixels = np.full((16, 24, 3), 90, np.uint8) if kind == "jpeg" else counting((16, 24))
    PIL.Image.fromarray(pixels).save(tmp_path / "x.tif", compression=f"tiff_{kind}" if kind == "lzw" else kind)
    image = read_image(tmp_path / "x.tif")
    expected = pixels.transpose(2, 0, 1) if kind == "jpeg" else pixels
    np.testing.assert_array_equal(image.data, expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_lzw_of_either_byte_order(tmp_path, order):
    pixels = counting((16, 24), f"{order}u2")
    PIL.Image.fromarray(pixels).save(tmp_path / "x.tif", compression="tiff_lzw")
    image = read_image(tmp_path / "x.tif")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, pixels)


def test_lzw_stack(tmp_path):
    planes = [PIL.Image.fromarray(p) for p in counting((6, 16, 24))]
    planes[0].save(tmp_path / "x.tif", compression="tiff_lzw", save_all=True, append_images=planes[1:])
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").data, counting((6, 16, 24)))


def test_lzw_that_pillow_would_alter_is_refused(tmp_path):
    picture = PIL.Image.fromarray(counting((16, 24), "uint8"))
    picture.save(tmp_path / "x.tif", compression="tiff_lzw", tiffinfo={262: 0})
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.pages.first.photometric == 0
    with pytest.raises(ValueError, match="LZW compression of uint8 pixels needs another package") as caught:
        read_image(tmp_path / "x.tif")
    assert one_line(caught, "x.tif", "pip install imagecodecs")
    assert "complete?" not in str(caught.value)


# --------------------------------------------------------------- spacing


@pytest.mark.parametrize("unit", ["µm", "nm", "mm"])
def test_ome_spacing_is_in_micrometres(tmp_path, unit):
    factor = {"µm": 1, "nm": 1e-3, "mm": 1e3}[unit]
    sizes = {"Z": 3.0, "Y": 0.5, "X": 0.25}
    metadata = {"axes": "ZYX"}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": size / factor, f"PhysicalSize{axis}Unit": unit}
    tifffile.imwrite(tmp_path / "x.ome.tif", counting((6, 5, 7)), photometric="minisblack", metadata=metadata)
    assert read_image(tmp_path / "x.ome.tif").spacing == pytest.approx((3.0, 0.5, 0.25))


def test_imagej_spacing(tmp_path):
    metadata = {"axes": "ZCYX", "spacing": 3.0, "unit": "micron"}
    tifffile.imwrite(tmp_path / "x.tif", counting((6, 2, 5, 7)), imagej=True, metadata=metadata, resolution=(4, 2))
    assert read_image(tmp_path / "x.tif").spacing == (3.0, 0.5, 0.25)


def test_half_known_spacing_is_said(tmp_path):
    metadata = {"axes": "ZYX", "unit": "um"}
    tifffile.imwrite(tmp_path / "x.tif", counting((6, 5, 7)), imagej=True, metadata=metadata, resolution=(4, 2))
    image = read_image(tmp_path / "x.tif")
    assert image.spacing is None
    assert image.note == "x.tif gives no pixel size along Z: the others are not used"


@pytest.mark.parametrize("resolution", [(72, 72), (1, 1)])
def test_printing_resolution_is_not_a_pixel_size(tmp_path, resolution):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)), resolution=resolution, resolutionunit="INCH")
    image = read_image(tmp_path / "x.tif")
    assert (image.spacing, image.note) == (None, "")


# ------------------------------------------------------------ PNG, JPEG


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", ["x.png", "x.PNG"])
def test_grey_png(tmp_path, name, dtype):
    pixels = counting((5, 7), dtype) * 7
    iio.imwrite(tmp_path / name, pixels, extension=".png")
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, pixels)
    assert (image.data.dtype, image.axes, image.spacing, image.note) == (pixels.dtype, "YX", None, "")


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


# ---------------------------------------------------------- wrong files


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist") as caught:
        read_image(tmp_path / "no.tif")
    assert one_line(caught, "no.tif", "check its name")


def test_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; expected an image file"):
        read_image(tmp_path)


@pytest.mark.parametrize("name", ["x.tif", "x.png", "x.jpg"])
def test_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match="is empty") as caught:
        read_image(tmp_path / name)
    assert one_line(caught, name)


@pytest.mark.parametrize("name", ["x.czi", "x", "x.tif.gz"])
def test_unsupported_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match="not of a supported kind") as caught:
        read_image(tmp_path / name)
    assert one_line(caught, name, ".tif, .tiff, .png, .jpg, .jpeg")


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
@pytest.mark.parametrize("content", [b"hello", b"II*\x00", b"II*\x00\x08\x00\x00\x00", b"\x89PNG\r\n\x1a\n"])
def test_garbage(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="cannot read") as caught:
        read_image(tmp_path / name)
    assert one_line(caught, name, "; is it complete?")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read anything")
def test_closed_file(tmp_path):
    (tmp_path / "x.png").write_bytes(b"x")
    (tmp_path / "x.png").chmod(0)
    with pytest.raises(PermissionError, match="check its permissions"):
        read_image(tmp_path / "x.png")


KINDS = {
    "plain": ("x.tif", {}),
    "zlib": ("x.tif", {"compression": "zlib", "rowsperstrip": 8}),
    "tiles": ("x.tif", {"compression": "zlib", "tile": (16, 16)}),
    "ome": ("x.ome.tif", {}),
    "ome zlib": ("x.ome.tif", {"compression": "zlib"}),
    "imagej": ("x.tif", {"imagej": True}),
    "imagej zlib": ("x.tif", {"imagej": True, "compression": "zlib"}),
    "bigtiff": ("x.tif", {"bigtiff": True}),
    "no metadata": ("x.tif", {"metadata": None}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(64, 48), (6, 64, 48)])
def test_truncated_tiff_is_never_read_as_zeros(tmp_path, capfd, caplog, kind, shape):
    name, options = KINDS[kind]
    pixels = np.random.default_rng(3).integers(1, 60000, shape).astype(np.uint16)
    options = {"metadata": {"axes": "ZYX"[-len(shape) :]}, "photometric": "minisblack", **options}
    whole = tmp_path / name
    tifffile.imwrite(whole, pixels, **options)
    content = whole.read_bytes()
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        whole.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ValueError, match="cannot read") as caught:
            read_image(whole)
        assert one_line(caught, name, "as TIFF", "is it complete?")
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_large_imagej_stack_with_one_header(tmp_path, caplog):
    """Above 4 GB ImageJ writes the header of the first plane only; the others follow as bare pixels."""
    pixels, path = counting((6, 64, 48), "uint8") % 251, tmp_path / "x.tif"
    tifffile.imwrite(path, pixels[0], metadata=None, description="ImageJ=1.54f\nimages=6\nslices=6\n")
    with path.open("ab") as stream:
        stream.write(pixels[1:].tobytes())
    image = read_image(path)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, pixels)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="planes that its ImageJ header names are missing"):
        read_image(path)
    assert caplog.records == []


def test_truncated_lzw_is_an_error(tmp_path):
    pixels = np.random.default_rng(3).integers(1, 60000, (64, 48)).astype(np.uint16)
    PIL.Image.fromarray(pixels).save(tmp_path / "x.tif", compression="tiff_lzw")
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cannot read"):
        read_image(tmp_path / "x.tif")


def test_damaged_compressed_data_are_an_error(tmp_path):
    pixels = np.random.default_rng(3).integers(1, 60000, (64, 48)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", pixels, compression="zlib")
    content = bytearray((tmp_path / "x.tif").read_bytes())
    content[-2000:-1900] = bytes(100)
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*x\.tif as TIFF"):
        read_image(tmp_path / "x.tif")


def write_ome_set(folder, pixels):
    """Write one file per channel, each naming both, as microscopes do."""
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{i}" for i in range(2)]
    planes = "".join(
        f'<TiffData FirstC="{i}" FirstZ="0" FirstT="0" IFD="0" PlaneCount="1">'
        f'<UUID FileName="c{i}.ome.tif">{uuid}</UUID></TiffData>'
        for i, uuid in enumerate(uuids)
    )
    for i, uuid in enumerate(uuids):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
            f'SizeX="7" SizeY="5" SizeC="2" SizeZ="1" SizeT="1">{planes}</Pixels></Image></OME>'
        )
        options = {"description": xml, "metadata": None, "compression": "zlib"}
        tifffile.imwrite(folder / f"c{i}.ome.tif", pixels[i], **options)


def test_ome_set_is_read_from_all_its_files(tmp_path):
    write_ome_set(tmp_path, counting((2, 5, 7)))
    image = read_image(tmp_path / "c0.ome.tif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, counting((2, 5, 7)))


def test_missing_file_of_an_ome_set_is_an_error(tmp_path, caplog):
    write_ome_set(tmp_path, counting((2, 5, 7)))
    (tmp_path / "c1.ome.tif").unlink()
    with pytest.raises(ValueError, match="cannot read") as caught:
        read_image(tmp_path / "c0.ome.tif")
    assert one_line(caught, "c0.ome.tif", "1 of 2 planes are missing (in other files of the set?)")
    assert caplog.records == []


def test_compressed_ome_set_is_not_read_from_one_file_only(tmp_path, monkeypatch):
    """Pillow sees one file: planes of the others must not be taken from it."""

    def needs_a_package(*_):
        raise ValueError("requires the 'imagecodecs' package")

    write_ome_set(tmp_path, counting((2, 5, 7)))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", needs_a_package)
    with pytest.raises(ValueError, match="needs another package"):
        read_image(tmp_path / "c0.ome.tif")


def test_file_that_does_not_fit_the_memory(tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", full)
    with pytest.raises(MemoryError, match=r"x\.tif is too large for the memory"):
        read_image(tmp_path / "x.tif")


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


def test_log_of_other_threads_is_kept(tmp_path, caplog):
    """Only this reader is silent: someone else's use of tifffile keeps its warnings."""
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    read_image(tmp_path / "x.tif")
    thread = threading.Thread(target=logging.getLogger("tifffile").warning, args=("mine",))
    thread.start()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == ["mine"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers(tmp_path, dtype, bad):
    pixels = counting((5, 7), dtype)
    pixels[2, 3] = pixels[4, 1] = bad
    tifffile.imwrite(tmp_path / "x.tif", pixels)
    with pytest.raises(ValueError, match="2 pixels that are NaN or infinite") as caught:
        read_image(tmp_path / "x.tif")
    assert one_line(caught, "x.tif", "(2, 3)", "nan_to_num")


def test_largest_half_precision_numbers_are_finite(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.full((5, 7), 65504, np.float16))
    assert read_image(tmp_path / "x.tif").data.dtype == np.float16


def test_only_the_channels_that_are_kept_must_be_finite(tmp_path):
    pixels = counting((2, 5, 7), "float32")
    pixels[1] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", metadata={"axes": "CYX"})
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", channel=0).data, pixels[0])


def test_complex_pixels(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((5, 7), np.complex64))
    with pytest.raises(ValueError, match="complex64 pixels; expected integers or real numbers"):
        read_image(tmp_path / "x.tif")


def test_no_pixels(tmp_path):
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "x.tif", np.zeros((0, 7), np.uint8))
    with pytest.raises(ValueError, match=r"x\.tif as TIFF: it has no pixels \(shape \(0, 7\)\); export it again"):
        read_image(tmp_path / "x.tif")


# ---------------------------------------------------------------- labels

LABELS = {
    "uint8": [0, 1, 255],
    "uint16": [0, 256, 65535],
    "uint32": [0, 65536, 2**32 - 1],
    "int8": [-1, 0, 127],
    "int16": [-1, 128, 32767],
    "int32": [-7, 0, 32768],
}


@pytest.mark.parametrize("dtype", LABELS)
@pytest.mark.parametrize("shape", [(3, 4), (3, 1), (2, 3, 4), (3, 5, 3), (1, 3, 4), (4, 3, 3)])
@pytest.mark.parametrize("name", ["x.tif", "x.TIFF", "x.ome.tif", "x.OME.TIF"])
def test_labels_come_back_in_the_smallest_dtype(tmp_path, name, shape, dtype):
    labels = np.resize(LABELS[dtype], shape).astype(np.int64)
    write_labels(tmp_path / name, labels)
    back = read_labels(tmp_path / name)
    assert back.dtype == dtype
    assert back.dtype.isnative
    if "ome" in name.lower() and shape[0] == 1:
        shape = shape[1:]  # OME names a Z axis for 2D images too
    np.testing.assert_array_equal(back, labels.reshape(shape))
    image = read_image(tmp_path / name)
    assert (image.axes, image.note) == ("ZYX"[-len(shape) :], "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", ["x.png", "x.PNG"])
def test_png_labels_come_back_in_the_smallest_dtype(tmp_path, name, dtype):
    labels = np.resize(LABELS[dtype], (3, 4)).astype(np.int64)
    write_labels(tmp_path / name, labels)
    back = read_labels(tmp_path / name)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, labels)


@pytest.mark.parametrize("maximum", [255, 65535, 2**32 - 1])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (1, 3, 4)])
@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif"])
def test_spacing_of_labels_comes_back(tmp_path, name, shape, maximum):
    spacing = (2.5, 0.3, 0.65)[-len(shape) :]
    write_labels(tmp_path / name, np.full(shape, maximum), spacing=spacing)
    image = read_image(tmp_path / name)
    expected = spacing[-2:] if shape[0] == 1 and name == "x.ome.tif" else spacing
    assert image.spacing == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("maximum", [255, 65535, 2**32 - 1])
def test_label_tiff_of_imagej_kind_only_where_imagej_can_read_it(tmp_path, maximum):
    write_labels(tmp_path / "x.tif", np.full((2, 3, 4), maximum))
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.is_imagej == (maximum <= 65535)
        assert file.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE


@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif"])
def test_label_files_beyond_4_gb_are_bigtiff(tmp_path, monkeypatch, name):
    monkeypatch.setattr("seamwise.io.images._CLASSIC_LIMIT", 11)
    write_labels(tmp_path / name, np.ones((3, 4), int))
    with tifffile.TiffFile(tmp_path / name) as file:
        assert file.is_bigtiff
    np.testing.assert_array_equal(read_labels(tmp_path / name), np.ones((3, 4)))


def test_ome_labels_are_ome(tmp_path):
    write_labels(tmp_path / "x.ome.tif", np.full((2, 3, 4), 70000))
    with tifffile.TiffFile(tmp_path / "x.ome.tif") as file:
        assert file.is_ome


def test_writing_labels_is_atomic(tmp_path, monkeypatch):
    write_labels(tmp_path / "x.tif", np.array([[1, 2]]))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_labels(tmp_path / "x.tif", np.array([[3, 4]]))
    np.testing.assert_array_equal(read_labels(tmp_path / "x.tif"), [[1, 2]])
    assert [path.name for path in tmp_path.iterdir()] == ["x.tif"]


def test_labels_are_not_changed_by_writing(tmp_path):
    labels = np.array([[1, 2], [3, 4]], np.int64)
    before = labels.copy()
    write_labels(tmp_path / "x.tif", labels[::-1])
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(read_labels(tmp_path / "x.tif"), before[::-1])


@pytest.mark.parametrize("labels", [np.array([[2**32]]), np.array([[-1, 2**31]]), np.array([[2**64 - 1]], np.uint64)])
@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif", "x.png"])
def test_labels_never_wrap(tmp_path, name, labels):
    with pytest.raises(ValueError, match="do not fit 32 bits; renumber them"):
        write_labels(tmp_path / name, labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [np.array([[65536]]), np.array([[-1]]), np.ones((2, 3, 4), int)])
def test_png_says_what_it_cannot_hold(tmp_path, labels):
    with pytest.raises(ValueError, match=r"PNG holds 2D labels from 0 to 65535.*write a \.tif instead"):
        write_labels(tmp_path / "x.png", labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [np.ones((2, 3), bool), np.ones((2, 3)), np.ones((2, 3), complex)])
def test_labels_must_be_integers(tmp_path, labels):
    with pytest.raises(TypeError, match="labels must be integers"):
        write_labels(tmp_path / "x.tif", labels)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 3, 4), (0, 4)])
def test_labels_must_be_2d_or_3d(tmp_path, shape):
    with pytest.raises(ValueError, match="labels must have axes YX or ZYX"):
        write_labels(tmp_path / "x.tif", np.ones(shape, int))


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.zarr", "x.ome"])
def test_labels_to_an_unknown_kind(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected a name ending in \.tif, \.ome\.tif or \.png"):
        write_labels(tmp_path / name, np.ones((2, 3), int))


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 2.0, 3.0), (1.0, 0.0), (1.0, -2.0), (1.0, np.nan)])
def test_spacing_must_fit(tmp_path, spacing):
    with pytest.raises(ValueError, match="spacing must be 2 positive numbers"):
        write_labels(tmp_path / "x.tif", np.ones((2, 3), int), spacing=spacing)


def test_missing_folder_for_labels(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        write_labels(tmp_path / "no" / "x.tif", np.ones((2, 3), int))


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_wide_label_files_are_read(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7), dtype))
    np.testing.assert_array_equal(read_labels(tmp_path / "x.tif"), counting((5, 7)))


def test_unnamed_axis_of_labels_is_a_stack(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((3, 15, 17)), photometric="minisblack")
    assert read_labels(tmp_path / "x.tif").shape == (3, 15, 17)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_real_masks_are_refused(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((5, 7), dtype))
    with pytest.raises(ValueError, match=f"is {dtype}; expected integer labels: save it as uint16") as caught:
        read_labels(tmp_path / "x.tif")
    assert one_line(caught, "mask", "x.tif")


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_binary_masks_are_refused(tmp_path, name):
    PIL.Image.fromarray(np.ones((5, 7), bool)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"is binary .* number its connected components"):
        read_labels(tmp_path / name)


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_colour_masks_are_refused(tmp_path, name):
    iio.imwrite(tmp_path / name, counting((5, 7, 3), "uint8"))
    with pytest.raises(ValueError, match="has 3 channels; expected one integer label per pixel"):
        read_labels(tmp_path / name)


def test_channels_of_a_mask_may_be_a_stack_if_the_user_says_so(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((3, 5, 7)), imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(ValueError, match="axes='ZYX' if the planes are a stack"):
        read_labels(tmp_path / "x.tif")
    assert read_labels(tmp_path / "x.tif", axes="ZYX").shape == (3, 5, 7)


def test_jpeg_masks_are_refused(tmp_path):
    iio.imwrite(tmp_path / "x.jpg", np.ones((5, 7), np.uint8))
    with pytest.raises(ValueError, match="is a JPEG, which alters numbers"):
        read_labels(tmp_path / "x.jpg")


# -------------------------------------------------- pictures, file lists


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_write_png(tmp_path, shape):
    image = counting(shape, "uint8")
    write_png(tmp_path / "x.png", image)
    np.testing.assert_array_equal(iio.imread(tmp_path / "x.png"), image)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 7), np.uint16),
        np.zeros((5, 7, 2), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((0, 7), np.uint8),
    ],
)
def test_write_png_of_the_wrong_kind(tmp_path, image):
    with pytest.raises(ValueError, match="image must be uint8 of shape"):
        write_png(tmp_path / "x.png", image)


def test_write_png_by_the_wrong_name(tmp_path):
    with pytest.raises(ValueError, match=r"expected a name ending in \.png"):
        write_png(tmp_path / "x.tif", np.zeros((5, 7), np.uint8))


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.tif", "a.PNG", "c.ome.tif", "d.jpeg", "a_masks.png", "c_masks.ome.tif", ".hidden.png", "notes.txt"
    ):  # fmt: skip
        (tmp_path / name).touch()
    (tmp_path / "sub.tif").mkdir()
    (tmp_path / "sub.tif" / "e.png").touch()
    return tmp_path


def listed(inputs):
    return [path.name for path in find_images(inputs)]


def test_folder_lists_its_images(folder):
    assert listed(folder) == listed(str(folder)) == listed([folder]) == ["a.PNG", "b.tif", "c.ome.tif", "d.jpeg"]


def test_masks_of_a_folder_are_listed_if_asked_for(folder):
    names = [path.name for path in find_images(folder, masks=True)]
    assert names == ["a.PNG", "a_masks.png", "b.tif", "c.ome.tif", "c_masks.ome.tif", "d.jpeg"]


def test_pattern_lists_what_matches(folder):
    assert listed(str(folder / "*.png")) == ["a_masks.png"]
    assert listed(folder / "[ab]*") == ["a.PNG", "a_masks.png", "b.tif"]
    assert listed(folder / "**" / "e.png") == ["e.png"]


def test_inputs_are_mixed_sorted_and_listed_once(folder):
    inputs = [folder / "d.jpeg", folder / "*.tif", folder / "sub.tif" / ".." / "b.tif", str(folder / "b.tif")]
    assert listed(inputs) == ["b.tif", "c.ome.tif", "c_masks.ome.tif", "d.jpeg"]


def test_named_file_with_brackets_is_no_pattern(tmp_path):
    (tmp_path / "x[1].tif").touch()
    assert listed(tmp_path / "x[1].tif") == ["x[1].tif"]


def test_mask_that_is_named_is_listed(folder):
    assert listed(folder / "a_masks.png") == ["a_masks.png"]


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ("no.tif", FileNotFoundError, "no.tif does not exist"),
        ("*.jpg", FileNotFoundError, "no image matches"),
        ("*.txt", FileNotFoundError, "expected files ending in .tif, .tiff, .png"),
        ("notes.txt", ValueError, "not of a supported kind; expected one of .tif"),
    ],
)
def test_inputs_that_give_nothing(folder, given, kind, words):
    with pytest.raises(kind) as caught:
        find_images([folder / "b.tif", folder / given])
    assert one_line(caught, words, given)


def test_folder_without_images(tmp_path):
    (tmp_path / "x_masks.tif").touch()
    with pytest.raises(FileNotFoundError, match=r"holds no image; expected files ending in \.tif"):
        find_images(tmp_path)


def test_no_inputs():
    with pytest.raises(ValueError, match="inputs is empty"):
        find_images([])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.tif", "a"), ("a.ome.tif", "a"), ("a.OME.TIFF", "a"), ("a.b.png", "a.b"), ("d/a.ome.png", "a.ome")],
)
def test_stem(name, expected):
    assert stem(name) == expected


def test_import_does_not_wait_for_torch():
    code = "import sys, seamwise.io.images; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
