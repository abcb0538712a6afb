"""Photographs: every bit, EXIF and colour profile come back; what would be lost is refused."""

import io
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.JpegImagePlugin
import pytest
import tifffile

from seamwise.io.exif import capture_time
from seamwise.io.photo import JPEG_EXIF_LIMIT, Photo, PhotoInfo, photo_info, read_photo, write_photo
from support.files import counting, one_line

EXACT = [(name, dtype) for name in ("x.png", "x.tif", "x.TIFF") for dtype in ("uint8", "uint16")]
SHAPES = [(20, 30), (20, 30, 3)]
ICC = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
PILLOW_WARNS = pytest.mark.filterwarnings("ignore:.*(Truncated|corrupt):UserWarning:PIL")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "fusion"


def smooth(shape, dtype="uint8"):
    """A picture without symmetry that a JPEG holds well: rows, columns and colours differ."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    grey = (3 * y + 2 * x + 40) * (np.iinfo(dtype).max // 255)
    if len(shape) == 2:
        return grey.astype(dtype)
    return np.stack([grey, grey[::-1] // 2, grey // 3], axis=-1).astype(dtype)


def exif_tags(orientation=1):
    tags = PIL.Image.Exif()
    tags[271], tags[272], tags[306] = "Lens & Söhne", "M1", "2024:05:06 07:08:09"
    tags[274] = orientation
    tags[282], tags[283], tags[296] = 72.0, 72.0, 2
    tags[34665] = {
        33434: 0.004,
        34855: 100,
        36867: "2024:05:06 07:08:09",
        37386: 50.0,
        37500: bytes(range(99)),
    }
    tags[34665][40965] = {1: "R98"}
    tags[34853] = {1: "N", 2: (8.0, 3.0, 0.5), 3: "W"}
    return tags


def exif_bytes(orientation=1, endian="<"):
    tags = exif_tags(orientation)
    tags.endian = endian
    return tags.tobytes()


def all_tags(exif):
    """Every tag and value by Pillow, directory by directory."""
    tags = PIL.Image.Exif()
    tags.load(exif)
    inner = {ifd: {} for ifd in (34665, 34853, 40965)}
    for ifd, directory in inner.items():
        with suppress(KeyError):  # Pillow before 13, where there is none
            directory |= tags.get_ifd(ifd)
    outer = {tag: value for tag, value in tags.items() if tag not in inner}
    inner[34665].pop(40965, None)  # the place of the directory
    return outer, inner


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bytes(colour, depth, pixels, *, extra=b""):
    """A PNG by hand, of kinds that no library writes; one row of `pixels` per scan line."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    width = pixels.shape[1] * pixels.itemsize * 8 // (depth * samples)
    header = struct.pack(">IIBBBBB", width, len(pixels), depth, colour, 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def info_of(photo):
    return PhotoInfo(photo.pixels.shape, photo.pixels.dtype)


# --- round trips


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "dtype"), EXACT)
def test_png_and_tiff_give_back_every_bit(tmp_path, name, dtype, shape):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    write_photo(tmp_path / name, pixels, icc=ICC)
    photo = read_photo(str(tmp_path / name))
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert photo.pixels.dtype == dtype
    assert photo.pixels.flags.c_contiguous
    assert (photo.exif, photo.icc, photo.note) == (b"", ICC, "")
    assert photo_info(tmp_path / name) == info_of(photo)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG"])
def test_jpeg_gives_back_nearly_the_same(tmp_path, name, shape):
    pixels = smooth(shape)
    write_photo(tmp_path / name, pixels, exif=exif_bytes(), icc=ICC)
    photo = read_photo(tmp_path / name)
    assert np.abs(photo.pixels.astype(int) - pixels).max() <= 4
    assert (photo.pixels.dtype, photo.exif, photo.icc, photo.note) == (
        np.uint8,
        exif_bytes(),
        ICC,
        "",
    )
    assert photo_info(tmp_path / name) == info_of(photo)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "dtype"), EXACT)
def test_other_readers_see_the_same_pixels(tmp_path, name, dtype, shape):
    pixels = smooth(shape, dtype)
    write_photo(tmp_path / name, pixels, exif=exif_bytes(), icc=ICC)
    bgr = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(bgr if bgr.ndim == 2 else bgr[..., ::-1], pixels)
    if name != "x.png":
        np.testing.assert_array_equal(tifffile.imread(tmp_path / name), pixels)
    elif dtype == "uint8" or len(shape) == 2:  # Pillow cuts 16-bit colours
        np.testing.assert_array_equal(iio.imread(tmp_path / name), pixels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_png_keeps_the_bytes_of_exif(tmp_path, endian, dtype, shape):
    exif = exif_bytes(endian=endian)
    write_photo(tmp_path / "x.png", counting(shape, dtype), exif=exif, icc=ICC)
    photo = read_photo(tmp_path / "x.png")
    assert (photo.exif, photo.icc) == (exif, ICC)
    with PIL.Image.open(tmp_path / "x.png") as picture:
        assert picture.info["icc_profile"] == ICC
    assert b"eXIf" + exif[6:] in (tmp_path / "x.png").read_bytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_tiff_keeps_every_tag_of_exif(tmp_path, endian, dtype, shape):
    exif, pixels = exif_bytes(endian=endian), counting(shape, dtype)
    write_photo(tmp_path / "x.tif", pixels, exif=exif, icc=ICC)
    photo = read_photo(tmp_path / "x.tif")
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert (photo.icc, photo.note) == (ICC, "")
    assert all_tags(photo.exif) == all_tags(exif)
    assert all_tags(exif)[1][34665][37500] == bytes(range(99))  # the maker note
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        tags = file.pages.first.tags
        assert tags.valueof(272) == "M1"
        assert tags.valueof(34665)["ISOSpeedRatings"] == 100
        assert tags.valueof(34853)["GPSLatitude"] == (8, 1, 3, 1, 1, 2)
    # once laid out for a TIFF, the bytes stay
    write_photo(tmp_path / "y.tif", pixels, exif=photo.exif)
    assert read_photo(tmp_path / "y.tif").exif == photo.exif


@pytest.mark.parametrize("width", range(3, 9))
def test_the_directory_of_a_tiff_stands_on_an_even_byte(tmp_path, width):
    noise = np.random.default_rng(width).integers(0, 256, (5, width), np.uint8)
    write_photo(tmp_path / "x.tif", noise, exif=exif_bytes())
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.pages.first.offset % 2 == 0


def test_pillow_reads_the_exif_of_a_tiff(tmp_path):
    write_photo(tmp_path / "x.tif", smooth((4, 6, 3)), exif=exif_bytes(), icc=ICC)
    with PIL.Image.open(tmp_path / "x.tif") as picture:
        assert picture.getexif().get_ifd(34665)[37500] == bytes(range(99))
        assert picture.info["icc_profile"] == ICC


def test_exif_and_profile_pass_from_format_to_format(tmp_path):
    write_photo(tmp_path / "x.jpg", smooth((4, 6, 3)), exif=exif_bytes(), icc=ICC)
    for before, after in [("x.jpg", "x.tif"), ("x.tif", "x.png"), ("x.png", "y.jpg")]:
        photo = read_photo(tmp_path / before)
        write_photo(tmp_path / after, photo.pixels, exif=photo.exif, icc=photo.icc)
    last = read_photo(tmp_path / "y.jpg")
    assert all_tags(last.exif) == all_tags(exif_bytes())
    assert last.icc == ICC


def test_jpeg_is_of_quality_95_with_all_its_colours(tmp_path):
    pixels = smooth((16, 24, 3))
    write_photo(tmp_path / "x.jpg", pixels)
    PIL.Image.fromarray(pixels).save(tmp_path / "y.jpg", quality=95)
    with PIL.Image.open(tmp_path / "x.jpg") as ours, PIL.Image.open(tmp_path / "y.jpg") as theirs:
        assert PIL.JpegImagePlugin.get_sampling(ours) == 0
        assert PIL.JpegImagePlugin.get_sampling(theirs) != 0
        assert ours.quantization == theirs.quantization


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_a_turned_view_and_foreign_byte_order_are_written_right(tmp_path, name):
    pixels = counting((5, 7, 3)).astype(">u2")[::-1, ::-1]
    write_photo(tmp_path / name, pixels)
    np.testing.assert_array_equal(read_photo(tmp_path / name).pixels, pixels)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_the_content_counts_not_the_name(tmp_path, name):
    pixels = np.full((4, 6, 3), (200, 100, 50), np.uint8)
    write_photo(tmp_path / name, pixels)
    for other in ("y.jpg", "y.png", "y.tif"):
        (tmp_path / other).write_bytes((tmp_path / name).read_bytes())
        assert np.abs(read_photo(tmp_path / other).pixels.astype(int) - pixels).max() <= 2


# --- orientation

# the letter F in 3 × 2 pixels, as it is stored when EXIF says 1 to 8 (a figure of the standard)
UPRIGHT = [[9, 8], [7, 0], [6, 0]]
STORED = {
    1: [[9, 8], [7, 0], [6, 0]],
    2: [[8, 9], [0, 7], [0, 6]],
    3: [[0, 6], [0, 7], [8, 9]],
    4: [[6, 0], [7, 0], [9, 8]],
    5: [[9, 7, 6], [8, 0, 0]],
    6: [[8, 0, 0], [9, 7, 6]],
    7: [[0, 0, 8], [6, 7, 9]],
    8: [[6, 7, 9], [0, 0, 8]],
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_photographs_come_upright(tmp_path, name, colour, dtype, orientation):
    def picture(rows):
        grey = np.array(rows, dtype) * 20
        return np.stack([grey, grey // 2, grey // 3], axis=-1) if colour else grey

    write_photo(tmp_path / name, picture(STORED[orientation]), exif=exif_bytes(orientation))
    photo = read_photo(tmp_path / name)
    np.testing.assert_array_equal(photo.pixels, picture(UPRIGHT))
    assert all_tags(photo.exif) == all_tags(exif_bytes(1))
    assert photo_info(tmp_path / name) == info_of(photo)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_jpeg_comes_upright_as_pillow_turns_it(tmp_path, orientation, endian):
    write_photo(tmp_path / "x.jpg", smooth((20, 36, 3)), exif=exif_bytes(orientation, endian))
    with PIL.Image.open(tmp_path / "x.jpg") as picture:
        expected = np.array(PIL.ImageOps.exif_transpose(picture))
    photo = read_photo(tmp_path / "x.jpg")
    np.testing.assert_array_equal(photo.pixels, expected)
    assert photo.exif == exif_bytes(1, endian)
    assert photo_info(tmp_path / "x.jpg") == info_of(photo)


@pytest.mark.parametrize("shape", [(150, 31), (130, 17, 3), (1, 1)])
def test_a_jpeg_has_the_pixels_that_pillow_decodes(tmp_path, shape):
    path = tmp_path / "x.jpg"
    write_photo(path, np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    pixels = read_photo(path).pixels
    np.testing.assert_array_equal(pixels, np.array(PIL.Image.open(path)))
    assert pixels.flags.c_contiguous


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path):
    for name in ("x.png", "x.tif"):
        write_photo(tmp_path / name, counting((2, 3)), exif=exif_bytes(9))
        np.testing.assert_array_equal(read_photo(tmp_path / name).pixels, counting((2, 3)))


def test_a_tiff_with_nothing_but_an_orientation_is_turned_and_has_no_exif(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif",
        counting((2, 3)),
        metadata=None,
        software=False,
        extratags=[(274, 3, 1, 6, 0)],
    )
    photo = read_photo(tmp_path / "x.tif")
    np.testing.assert_array_equal(photo.pixels, np.rot90(counting((2, 3)), -1))
    assert photo.exif == b""


# --- what other programs write


def raw_profile(kind, content, keyword="exif"):
    """A chunk of text: plain, compressed, or international and either."""
    text = f"\n{keyword}\n{len(content):8d}\n".encode() + content.hex().encode() + b"\n"
    packed = {"tEXt": text, "zTXt": b"\0" + zlib.compress(text), "iTXt": b"\0\0de\0Profil\0" + text}
    packed["iTXt, compressed"] = b"\1\0\0\0" + zlib.compress(text)
    return chunk(kind[:4].encode(), f"Raw profile type {keyword}\0".encode() + packed[kind])


def write_png_with(path, extra):
    path.write_bytes(png_bytes(0, 8, counting((2, 3), "uint8"), extra=extra))


@pytest.mark.parametrize("keyword", ["exif", "APP1"])
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt, compressed"])
def test_exif_that_a_png_keeps_as_text_is_found(tmp_path, kind, keyword):
    other = chunk(b"tEXt", b"Title\0x")
    write_png_with(tmp_path / "x.png", raw_profile(kind, exif_bytes(), keyword) + other)
    photo = read_photo(tmp_path / "x.png")
    assert (photo.exif, photo.note) == (exif_bytes(), "")


def test_xmp_under_the_name_of_a_jpegs_segment_is_no_exif(tmp_path):
    xmp = raw_profile("zTXt", b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>", "APP1")
    write_png_with(tmp_path / "x.png", xmp)
    assert (read_photo(tmp_path / "x.png").exif, read_photo(tmp_path / "x.png").note) == (b"", "")
    write_png_with(tmp_path / "x.png", xmp + raw_profile("tEXt", exif_bytes()))
    assert read_photo(tmp_path / "x.png").exif == exif_bytes()


DAMAGED_TEXTS = {
    "no hexadecimal": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nEx-f\n"),
    "no length": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n"),
    "nothing": chunk(b"tEXt", b"Raw profile type APP1\0"),
    "not compressed": chunk(b"zTXt", b"Raw profile type exif\0\0abc"),
    "cut": chunk(b"iTXt", b"Raw profile type exif\0\1\0de"),
}


@pytest.mark.parametrize("text", DAMAGED_TEXTS.values(), ids=DAMAGED_TEXTS)
def test_a_png_with_damaged_exif_in_text_is_read_and_the_loss_is_said(tmp_path, capfd, text):
    write_png_with(tmp_path / "x.png", text)
    photo = read_photo(tmp_path / "x.png")
    np.testing.assert_array_equal(photo.pixels, counting((2, 3)))
    assert (photo.exif, photo.note) == (b"", "EXIF of x.png is damaged and not kept")
    assert photo_info(tmp_path / "x.png") == info_of(photo)
    # nothing is lost where it is there once more, in whichever order
    for whole in (raw_profile("tEXt", exif_bytes()), chunk(b"eXIf", exif_bytes()[6:])):
        write_png_with(tmp_path / "x.png", text + whole)
        assert (read_photo(tmp_path / "x.png").exif, read_photo(tmp_path / "x.png").note) == (
            exif_bytes(),
            "",
        )
    capfd.readouterr()  # a word of libpng


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"x\0",
        b"x\0\0not compressed",
        b"x\0\0" + zlib.compress(ICC)[:-9],
        b"x\0\0" + zlib.compress(bytes(2**24 + 1)),  # a small file could fill the memory
    ],
    ids=["empty", "name", "no-content", "plain", "cut", "huge"],
)
def test_a_png_with_a_damaged_colour_profile_is_read_and_the_loss_is_said(tmp_path, capfd, body):
    write_png_with(tmp_path / "x.png", chunk(b"iCCP", body))
    photo = read_photo(tmp_path / "x.png")
    np.testing.assert_array_equal(photo.pixels, counting((2, 3)))
    assert (photo.icc, photo.note) == (b"", "colour profile of x.png is damaged and not kept")
    assert photo_info(tmp_path / "x.png") == info_of(photo)
    capfd.readouterr()  # a word of libpng


def test_a_jpeg_that_lost_a_part_of_its_colour_profile_is_read_and_the_loss_is_said(tmp_path):
    write_photo(tmp_path / "x.jpg", smooth((16, 24)), icc=bytes(100_000))
    content = (tmp_path / "x.jpg").read_bytes()
    assert content.count(b"ICC_PROFILE") == 2
    (tmp_path / "x.jpg").write_bytes(content.replace(b"ICC_PROFILE", b"something__", 1))
    photo = read_photo(tmp_path / "x.jpg")
    assert photo.pixels.shape == (16, 24)
    assert (photo.icc, photo.note) == (b"", "colour profile of x.jpg is damaged and not kept")


def test_a_tiff_whose_colour_profile_lies_outside_is_read_and_the_loss_is_said(tmp_path):
    write_photo(tmp_path / "x.tif", smooth((16, 24)), icc=ICC)
    content = (tmp_path / "x.tif").read_bytes()
    entry = struct.pack("<HHI", 34675, 7, len(ICC))
    assert content.count(entry) == 1
    (tmp_path / "x.tif").write_bytes(content.replace(entry, struct.pack("<HHI", 34675, 7, 99999)))
    photo = read_photo(tmp_path / "x.tif")
    np.testing.assert_array_equal(photo.pixels, smooth((16, 24)))
    assert (photo.icc, photo.note) == (b"", "colour profile of x.tif is damaged and not kept")


def test_exif_that_a_png_keeps_as_a_jpeg_does_is_the_same(tmp_path):
    (tmp_path / "x.png").write_bytes(
        png_bytes(0, 8, np.zeros((2, 3), np.uint8), extra=chunk(b"eXIf", exif_bytes()))
    )
    assert read_photo(tmp_path / "x.png").exif == exif_bytes()


@pytest.mark.parametrize("colour", [4, 6])
@pytest.mark.parametrize("depth", [8, 16])
def test_opaque_alpha_of_a_png_is_dropped_and_said(tmp_path, colour, depth):
    samples = {4: 2, 6: 4}[colour]
    pixels = counting((3, 5, samples), f">u{depth // 8}")
    pixels[..., -1] = 2**depth - 1
    (tmp_path / "x.png").write_bytes(png_bytes(colour, depth, pixels.reshape(3, -1)))
    photo = read_photo(tmp_path / "x.png")
    np.testing.assert_array_equal(photo.pixels, pixels[..., :-1].squeeze())
    assert photo.note == "alpha channel of x.png dropped (it is fully opaque)"
    assert photo_info(tmp_path / "x.png") == info_of(photo)
    pixels[2, 1, -1] -= 1
    (tmp_path / "x.png").write_bytes(png_bytes(colour, depth, pixels.reshape(3, -1)))
    with pytest.raises(
        ValueError, match=r"x.png as PNG: its alpha channel is not fully opaque; flatten it first$"
    ):
        read_photo(tmp_path / "x.png")


@pytest.mark.parametrize("samples", [2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opaque_alpha_of_a_tiff_is_dropped_and_said(tmp_path, samples, dtype):
    pixels = counting((3, 5, samples), dtype) * 3
    pixels[..., -1] = np.iinfo(dtype).max
    options = {"photometric": "rgb" if samples == 4 else "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "x.tif", pixels, extrasamples=["unassalpha"], **options)
    photo = read_photo(tmp_path / "x.tif")
    np.testing.assert_array_equal(photo.pixels, pixels[..., :-1].squeeze())
    assert photo.note == "alpha channel of x.tif dropped (it is fully opaque)"
    assert photo_info(tmp_path / "x.tif") == info_of(photo)
    pixels[2, 1, -1] -= 1
    tifffile.imwrite(tmp_path / "x.tif", pixels, extrasamples=["unassalpha"], **options)
    with pytest.raises(ValueError, match="its alpha channel is not fully opaque; flatten it first"):
        read_photo(tmp_path / "x.tif")


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_a_palette_becomes_rgb_and_this_is_said(tmp_path, name):
    index = np.array([[0, 1, 2], [2, 1, 1]], np.uint8)
    colours = np.array([[10, 20, 30], [0, 255, 7], [9, 9, 9]], np.uint8)
    picture = PIL.Image.fromarray(index)
    picture.putpalette(colours.ravel().tolist())
    picture.save(tmp_path / name)
    photo = read_photo(tmp_path / name)
    np.testing.assert_array_equal(photo.pixels, colours[index])
    assert photo.note == f"palette of {name} turned into RGB"
    assert photo_info(tmp_path / name) == info_of(photo)


@pytest.mark.parametrize(
    ("layout", "described"),
    [
        ("separate", True),
        ("tiles", True),
        ("bigtiff", False),
        ("ome", True),
        ("imagej", True),
        ("lzw", False),
    ],
)
def test_other_layouts_of_a_tiff(tmp_path, layout, described):
    pixels = smooth((20, 36, 3), "uint16")
    path = tmp_path / "x.tif"
    if layout == "separate":
        tifffile.imwrite(
            path, np.moveaxis(pixels, 2, 0), photometric="rgb", planarconfig="separate"
        )
    elif layout == "lzw":  # OpenCV writes it
        cv2.imwrite(str(path), pixels[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    else:
        option = {"tile": (16, 16)} if layout == "tiles" else {layout: True}
        grey = layout == "imagej"  # whose colours have 8 bits
        tifffile.imwrite(
            path,
            pixels[..., 0] if grey else pixels,
            photometric="minisblack" if grey else "rgb",
            **option,
        )
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, pixels[..., 0] if layout == "imagej" else pixels)
    assert photo_info(path) == info_of(photo)
    # the description tells the layout of that file, not about the photograph; tifffile names
    # itself as software
    assert bool(photo.exif) == described
    assert not described or (270 not in all_tags(photo.exif)[0] and 305 in all_tags(photo.exif)[0])


@pytest.mark.parametrize("colours", ["RGB", "YCbCr"])
def test_jpeg_inside_a_tiff_gives_its_colours(tmp_path, colours):
    pixels = smooth((20, 36, 3))
    PIL.Image.fromarray(pixels).convert(colours).save(
        tmp_path / "x.tif", compression="jpeg", quality=95
    )
    photo = read_photo(tmp_path / "x.tif")
    assert np.abs(photo.pixels.astype(int) - pixels).max() <= 8
    assert photo_info(tmp_path / "x.tif") == info_of(photo)


def test_exif_of_a_bigtiff_is_missed_and_said(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif", counting((2, 3)), bigtiff=True, extratags=[(271, 2, 0, "Maker", True)]
    )
    photo = read_photo(tmp_path / "x.tif")
    assert (photo.exif, photo.note) == (b"", "EXIF of x.tif is not kept: it is a BigTIFF")
    tifffile.imwrite(tmp_path / "x.tif", counting((2, 3)), bigtiff=True, software=False)
    assert read_photo(tmp_path / "x.tif").note == ""


def test_a_preview_in_a_tiff_is_not_a_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(smooth((20, 36, 3)), photometric="rgb", metadata=None)
        file.write(smooth((10, 18, 3)), photometric="rgb", metadata=None, subfiletype=1)
    photo = read_photo(tmp_path / "x.tif")
    np.testing.assert_array_equal(photo.pixels, smooth((20, 36, 3)))
    assert photo.note == "x.tif holds a preview too: it is not kept"


def test_further_pictures_in_a_jpeg_are_said(tmp_path):
    first, second = (PIL.Image.fromarray(smooth((16, 24, 3)) // n) for n in (1, 2))
    first.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[second])
    photo = read_photo(tmp_path / "x.jpg")
    assert photo.pixels.shape == (16, 24, 3)
    assert photo.note == "x.jpg holds further pictures (MPF): the first is read"


@PILLOW_WARNS
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"II",
        b"II*\0\xff\xff\0\0",
        b"II*\0\x08\0\0\0\x09\0",
        b"II*\0\x08\0\0\0\1\0\x0f\1\2\0\1\0\0\0",
    ],
)
def test_damaged_exif_is_missed_and_said(tmp_path, damage):
    PIL.Image.fromarray(smooth((16, 24))).save(tmp_path / "x.jpg", exif=b"Exif\0\0" + damage)
    photo = read_photo(tmp_path / "x.jpg")
    assert (photo.exif, photo.note) == (b"", "EXIF of x.jpg is damaged and not kept")


@PILLOW_WARNS
def test_broken_tags_stay_in_a_jpeg_or_png_and_a_tiff_drops_them_with_a_note(tmp_path):
    def entry(tag, kind, count, value):
        return struct.pack("<HHII", tag, kind, count, value)

    # Make points outside, Model has an unknown kind, Artist is of EXIF 3.0 and whole, Exif and
    # GPS point nowhere
    entries = [(271, 2, 9, 5000), (272, 77, 1, 1), (274, 3, 1, 1), (315, 129, 4, 0x65666768)]
    entries += [(34665, 4, 1, 4999), (34853, 3, 1, 8)]
    table = b"".join(entry(*each) for each in entries)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x06\0" + table + bytes(4)
    for name in ("x.jpg", "x.png"):
        write_photo(tmp_path / name, smooth((16, 24)), exif=exif)
        photo = read_photo(tmp_path / name)
        assert (photo.exif, photo.note) == (
            exif,
            f"EXIF of {name} has broken tags: a TIFF would not keep them",
        )
    write_photo(tmp_path / "x.tif", smooth((16, 24)), exif=exif)
    written = read_photo(tmp_path / "x.tif").exif
    assert written[14:18] == b"\x05\0" + struct.pack("<H", 274)  # that, the resolution and Artist
    assert entry(*entries[3]) in written
    assert read_photo(tmp_path / "x.tif").note == ""
    np.testing.assert_array_equal(read_photo(tmp_path / "x.tif").pixels, smooth((16, 24)))


def test_tags_that_overlap_take_no_more_memory_than_the_file(tmp_path):
    count, size = 2000, 40_000
    entry = (struct.pack("<HHII", tag, 7, size, 100) for tag in range(1, count + 1))
    inner = struct.pack("<H", count) + b"".join(entry) + bytes(4)
    outer = struct.pack("<HHHIII", 1, 34665, 4, 1, 26, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + outer + inner + bytes(size)
    tracemalloc.start()
    try:
        assert capture_time(exif) == ""
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(exif)


def test_a_broken_tag_of_another_program_is_no_damage_to_exif(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif",
        counting((5, 7)),
        metadata=None,
        software=False,
        extratags=[(50000, 1, 9, bytes(9))],
    )
    content = (tmp_path / "x.tif").read_bytes()
    entry = struct.pack("<HHI", 50000, 1, 9)
    (tmp_path / "x.tif").write_bytes(content.replace(entry, struct.pack("<HHI", 50000, 1, 99999)))
    photo = read_photo(tmp_path / "x.tif")
    assert (photo.exif, photo.note) == (b"", "")


def test_exif_never_changes_the_layout_of_a_tiff(tmp_path):
    tags = exif_tags()
    tags[256], tags[259], tags[273] = 999, 7, 5  # as in EXIF that was taken from another TIFF
    write_photo(tmp_path / "x.tif", counting((5, 7, 3)), exif=tags.tobytes())
    photo = read_photo(tmp_path / "x.tif")
    np.testing.assert_array_equal(photo.pixels, counting((5, 7, 3)))
    assert all_tags(photo.exif) == all_tags(exif_bytes())


@pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="older Pillow looks at its limit of JPEG again"
)
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_pillows_limit_on_pixels_does_not_apply(tmp_path, monkeypatch, name):
    write_photo(tmp_path / name, smooth((20, 30, 3)))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    assert (
        read_photo(tmp_path / name).pixels.shape == photo_info(tmp_path / name).shape == (20, 30, 3)
    )
    assert PIL.Image.MAX_IMAGE_PIXELS == 10


# --- bad input


def both_raise(error, path, match):
    """Reading and the header refuse a file alike, in one line that names it."""
    for door in (read_photo, photo_info):
        with pytest.raises(error, match=match) as caught:
            door(path)
        assert one_line(caught, path.name)


def test_what_is_no_file(tmp_path):
    both_raise(FileNotFoundError, tmp_path / "x.jpg", "does not exist: check its name")
    both_raise(IsADirectoryError, tmp_path, "is a folder: give an image file")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("x.jpg", b"", "is empty \\(0 bytes\\)"),
        (
            "x.jpg",
            b"hello, world",
            "is not a JPEG, PNG or TIFF, whatever its name ends in: export it",
        ),
        ("x.png", b"GIF89a\1\0\1\0", "is not a JPEG, PNG or TIFF"),
        ("x.gif", b"GIF89a\1\0\1\0", "not of a supported kind"),
        ("x.bmp", b"II*\0", "not of a supported kind"),
        ("x.jpg", b"\xff\xd8\xff\xe0", "as JPEG: .*complete"),
        ("x.png", b"\x89PNG\r\n\x1a\n", "as PNG: its end is missing after byte 8; is it complete"),
        ("x.tif", b"II*\0", "as TIFF: .*complete"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    both_raise(ValueError, tmp_path / name, match)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.98])
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_a_truncated_file(tmp_path, name, part):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    write_photo(tmp_path / name, noise)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match="is it complete") as caught:
        read_photo(tmp_path / name)
    assert one_line(caught, name)


def test_a_tiff_that_is_truncated_anywhere_is_refused_or_its_loss_is_said(tmp_path):
    path = tmp_path / "x.tif"
    write_photo(path, smooth((5, 7, 3)), exif=exif_bytes())
    whole, content = read_photo(path), path.read_bytes()
    assert (len(whole.exif), whole.note) == (len(exif_bytes()), "")
    for length in range(1, len(content)):
        path.write_bytes(content[:length])
        try:
            photo = read_photo(path)
        except ValueError:
            continue
        np.testing.assert_array_equal(photo.pixels, whole.pixels)
        assert photo.note == "EXIF of x.tif is damaged and not all kept"


def test_a_plain_tiff_without_its_last_row_is_not_filled_with_zeros(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((40, 60)), rowsperstrip=10)
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[:-120])
    with pytest.raises(
        ValueError,
        match=r"its pixels should end at byte \d+, the file ends at byte \d+; is it compl",
    ):
        read_photo(tmp_path / "x.tif")


def test_a_burst_that_lost_its_second_page_is_not_one_photograph(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif", counting((2, 5, 7)), photometric="minisblack", metadata=None
    )
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        second = file.pages[1].offset
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[:second])
    both_raise(ValueError, tmp_path / "x.tif", "the header of page 2 is missing; is it complete")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_damaged_png(tmp_path, dtype):
    write_photo(tmp_path / "x.png", counting((40, 60, 3), dtype))
    content = bytearray((tmp_path / "x.png").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match="as PNG: its IDAT chunk is damaged; is it complete"):
        read_photo(tmp_path / "x.png")


def test_a_png_with_too_few_pixels(tmp_path, capfd):
    rows = png_bytes(2, 16, np.zeros((3, 12), ">u2"))
    (tmp_path / "x.png").write_bytes(
        rows.replace(rows[8:33], chunk(b"IHDR", rows[16:20] + b"\0\0\0\4" + rows[24:29]))
    )
    with pytest.raises(ValueError, match="as PNG: its pixels are damaged"):
        read_photo(tmp_path / "x.png")
    capfd.readouterr()  # a word of libpng


def test_colours_that_are_neither_grey_nor_rgb(tmp_path):
    PIL.Image.new("CMYK", (16, 8)).save(tmp_path / "x.jpg")
    both_raise(
        ValueError, tmp_path / "x.jpg", "as JPEG: its colours are CMYK; convert it to RGB first$"
    )
    PIL.Image.new("CMYK", (16, 8)).save(tmp_path / "x.tif")
    both_raise(
        ValueError, tmp_path / "x.tif", "its colours are SEPARATED; convert it to RGB first$"
    )
    PIL.Image.new("LAB", (16, 8)).save(tmp_path / "x.tif")
    both_raise(ValueError, tmp_path / "x.tif", "its colours are CIELAB; convert it to RGB first$")
    PIL.Image.new("YCbCr", (16, 8)).save(tmp_path / "x.tif")
    both_raise(ValueError, tmp_path / "x.tif", "its colours are YCBCR; convert it to RGB first$")
    tifffile.imwrite(
        tmp_path / "x.tif", counting((5, 7)), photometric="palette", colormap=counting((3, 65536))
    )
    both_raise(
        ValueError,
        tmp_path / "x.tif",
        "its palette is transparent or has 16 bits; convert it to RGB first$",
    )


def test_transparent_palettes_and_colours_of_a_png(tmp_path):
    palette = chunk(b"PLTE", bytes(range(9))) + chunk(b"tRNS", b"\xff\0")
    numbers = np.uint8([[0, 1, 2], [2, 2, 1]])
    (tmp_path / "x.png").write_bytes(png_bytes(3, 8, numbers, extra=palette))
    photo = read_photo(tmp_path / "x.png", transparent=True)
    assert photo.opaque.tolist() == [[True, False, True], [True, True, False]]
    assert photo.pixels[photo.opaque].tolist() == [[0, 1, 2], [6, 7, 8], [6, 7, 8], [6, 7, 8]]
    assert photo_info(tmp_path / "x.png").has_alpha
    with pytest.raises(ValueError, match=r"not fully opaque; flatten it first$"):
        read_photo(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("colour", "depth", "stored", "key", "opaque"),
    [
        (0, 8, np.uint8([[7, 8, 7]]), b"\0\7", [[False, True, False]]),
        (0, 16, np.array([[7, 263, 65535]], ">u2"), b"\0\7", [[False, True, True]]),
        (0, 16, np.array([[7, 65535]], ">u2"), b"\xff\xff", [[True, False]]),
        (2, 8, np.uint8([[[1, 2, 3], [1, 2, 4]]]), b"\0\1\0\2\0\3", [[False, True]]),
        (2, 8, np.uint8([[[3, 2, 1], [1, 2, 4]]]), b"\0\1\0\2\0\3", None),
    ],
)
def test_the_transparent_colour_of_a_png(tmp_path, colour, depth, stored, key, opaque):
    rows = stored.reshape(len(stored), -1)
    content = png_bytes(colour, depth, rows, extra=chunk(b"tRNS", key))
    (tmp_path / "x.png").write_bytes(content)
    photo = read_photo(tmp_path / "x.png", transparent=True)
    assert photo.pixels.tolist() == stored.tolist()
    assert photo.opaque is opaque or photo.opaque.tolist() == opaque
    assert photo_info(tmp_path / "x.png").has_alpha


def test_a_transparent_colour_of_few_bits(tmp_path):
    # 4 bits: the levels 5 and 6 become 85 and 102
    content = png_bytes(0, 4, np.uint8([[0x56]]), extra=chunk(b"tRNS", b"\0\6"))
    (tmp_path / "x.png").write_bytes(content)
    photo = read_photo(tmp_path / "x.png", transparent=True)
    assert (photo.pixels.tolist(), photo.opaque.tolist()) == ([[85, 102]], [[True, False]])


def test_an_animation(tmp_path):
    first, second = (PIL.Image.fromarray(smooth((4, 6)) // n) for n in (1, 2))
    first.save(tmp_path / "x.png", save_all=True, append_images=[second])
    both_raise(
        ValueError,
        tmp_path / "x.png",
        "an animation of 2 frames; split it into one file per frame$",
    )


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_one_bit(tmp_path, name):
    PIL.Image.new("1", (6, 4)).save(tmp_path / name)
    both_raise(
        ValueError, tmp_path / name, r"black and white \(1 bit\); convert it to 8-bit grey first$"
    )


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint32", "int16", "int8"])
def test_other_numbers_than_8_and_16_bits(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((5, 7), dtype))
    both_raise(
        ValueError, tmp_path / "x.tif", f"its pixels are {dtype}; save it as uint8 or uint16$"
    )


def test_12_bits(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
        file.pages.first.tags["BitsPerSample"].overwrite(12)
    both_raise(
        ValueError, tmp_path / "x.tif", "its pixels have 12 bits; save it as uint8 or uint16$"
    )


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"ome": True}, {"metadata": None}])
def test_several_pages_are_a_burst(tmp_path, options):
    tifffile.imwrite(tmp_path / "x.tif", counting((3, 5, 7)), photometric="minisblack", **options)
    both_raise(
        ValueError,
        tmp_path / "x.tif",
        "it has 3 pages, a burst of its own; split it into one file per page$",
    )


@pytest.mark.parametrize(
    ("samples", "photometric"), [(2, "minisblack"), (3, "minisblack"), (4, "rgb"), (5, "rgb")]
)
def test_other_numbers_of_channels(tmp_path, samples, photometric):
    options = {
        "planarconfig": "contig",
        "extrasamples": [0] * (samples - (3 if photometric == "rgb" else 1)),
    }
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros((5, 7, samples), np.uint8), photometric=photometric, **options
    )
    both_raise(
        ValueError,
        tmp_path / "x.tif",
        rf"it has {samples} channels \(.*\); save it as grey or RGB$",
    )


def test_a_raw_file_named_tif(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)), subfiletype=1, metadata=None)
    both_raise(
        ValueError, tmp_path / "x.tif", r"its first page is only a preview \(a raw file\?\); export"
    )


@pytest.mark.parametrize("name", ["x.gif", "x", "x.npy"])
def test_writing_another_kind(tmp_path, name):
    with pytest.raises(ValueError, match=r"not of a supported kind; end its name in one of .tif"):
        write_photo(tmp_path / name, counting((5, 7)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(5,), (5, 7, 4), (5, 7, 1), (2, 5, 7, 3), (0, 7), (5, 0, 3)])
def test_writing_another_shape(tmp_path, shape):
    with pytest.raises(
        ValueError, match=r"pixels must be \(Y, X\) or \(Y, X, 3\), none of them 0, not \("
    ):
        write_photo(tmp_path / "x.png", np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint32", "bool"])
def test_writing_other_numbers(tmp_path, dtype):
    with pytest.raises(TypeError, match=f"pixels must be uint8 or uint16, not {dtype}; scale them"):
        write_photo(tmp_path / "x.png", np.zeros((5, 7), dtype))


def test_what_a_format_cannot_hold(tmp_path):
    with pytest.raises(
        ValueError, match=r"x.jpg: a JPEG holds 8 bits, the picture has 16: name it .png or .tif"
    ):
        write_photo(tmp_path / "x.jpg", counting((5, 7)))
    with pytest.raises(
        ValueError, match=r"holds 65500 pixels a side, the picture has 65501 × 1: name it .png"
    ):
        write_photo(tmp_path / "x.jpg", np.zeros((1, 65501), np.uint8))
    with pytest.raises(ValueError, match="holds 65533 bytes of EXIF, exif has 70046: name it"):
        write_photo(tmp_path / "x.jpg", smooth((5, 7)), exif=exif_of_length(70046))
    with pytest.raises(
        ValueError, match=r"a TIFF holds less than 4 GB, the picture has 4.9 GB: name it .png"
    ):
        write_photo(tmp_path / "x.tif", np.broadcast_to(np.uint8(0), (70000, 70000)))
    assert not list(tmp_path.iterdir())


def exif_of_length(length):
    return exif_bytes() + bytes(length - len(exif_bytes()))


def test_the_longest_exif_of_a_jpeg(tmp_path):
    assert JPEG_EXIF_LIMIT == 65533
    write_photo(tmp_path / "x.jpg", smooth((5, 7)), exif=exif_of_length(JPEG_EXIF_LIMIT))
    assert read_photo(tmp_path / "x.jpg").exif == exif_of_length(JPEG_EXIF_LIMIT)


@pytest.mark.parametrize(
    "exif",
    [
        exif_bytes()[6:],
        b"Exif  " + exif_bytes()[6:],
        b"Exif\0\0",
        b"Exif\0\0II*\0\x08\0\0\0",
        b"Exif\0\0II*\0\x08",
    ],
)
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_writing_what_is_no_exif(tmp_path, name, exif):
    with pytest.raises(
        ValueError, match=r"exif must be whole and begin with b'Exif.*, not b'.*; pass Photo.exif"
    ):
        write_photo(tmp_path / name, smooth((5, 7)), exif=exif)
    assert not list(tmp_path.iterdir())


# --- whole or not at all


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_an_older_file_survives_a_failure(tmp_path, monkeypatch, name):
    write_photo(tmp_path / name, smooth((5, 7)))
    before = (tmp_path / name).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seamwise.io.atomic._flush", full)
    with pytest.raises(OSError, match=f"cannot write .*{name}: no space is left"):
        write_photo(tmp_path / name, smooth((50, 70)), exif=exif_bytes())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="its folder does not exist; create it first"):
        write_photo(tmp_path / "none" / "x.png", smooth((5, 7)))


def test_a_png_wider_than_libpng_allows(tmp_path, capfd):
    with pytest.raises(ValueError, match=r"a PNG holds a million pixels a side"):
        write_photo(tmp_path / "x.png", np.zeros((1, 1_000_001), np.uint8))
    assert not list(tmp_path.iterdir())
    capfd.readouterr()


# --- photographs of the world


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs ../shared/data, the development data next to the checkout"
)
@pytest.mark.parametrize("folder", ["stacks/pcb", "lytro/pairs"])
def test_real_photographs(folder):
    paths = sorted((SHARED / folder).glob("*.jpg"))[:2]
    assert paths
    for path in paths:
        photo = read_photo(path)
        assert isinstance(photo, Photo)
        assert info_of(photo) == photo_info(path)
        np.testing.assert_array_equal(
            photo.pixels, np.array(PIL.Image.open(io.BytesIO(path.read_bytes())))
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_that_counts_from_white_is_inverted(tmp_path, dtype):
    pixels = counting((5, 7)).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", np.iinfo(dtype).max - pixels, photometric="miniswhite")
    photo = read_photo(tmp_path / "x.tif")
    assert np.array_equal(photo.pixels, pixels)
    assert photo.note == "x.tif counts from white: inverted"
    assert photo_info(tmp_path / "x.tif").shape == (5, 7)


def test_a_lower_quality_makes_a_smaller_jpeg(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    for quality in (95, 50):
        write_photo(tmp_path / f"{quality}.jpg", pixels, quality=quality)
    write_photo(tmp_path / "x.jpg", pixels)
    sizes = [(tmp_path / name).stat().st_size for name in ("50.jpg", "95.jpg", "x.jpg")]
    assert sizes[0] < sizes[1] == sizes[2]
