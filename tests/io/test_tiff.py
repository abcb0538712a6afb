"""TIFF files: what goes in comes out, and what is missing or damaged is never read as zeros."""

import io
import logging
import re
import threading
from time import process_time

import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.io.images import read_image, read_labels, write_labels
from seamwise.io.tiff import save_tiff, save_tiff_pages
from seamwise.io.volume import open_labels, open_volume
from support.files import counting, one_line

UUID = rb"urn:uuid:[0-9a-f-]+"  # of an OME file
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


# ----------------------------------------------------------------- reading


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "shape"), [("x.TIFF", (6, 5, 7)), ("x.ome.tif", (5, 7))])
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
    np.testing.assert_array_equal(
        image.data, np.einsum(f"{stored.lower()}->{axes.lower()}", pixels)
    )


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_byte_order_of_the_file_is_not_passed_on(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7), dtype), byteorder=">")
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


def test_second_image_of_a_file_is_said(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(counting((5, 7)))
        writer.write(counting((3, 4)))
    image = read_image(tmp_path / "x.tif")
    assert (image.data.shape, image.note) == ((5, 7), "x.tif holds 2 images: the first is read")


LOSSLESS = {
    "lzw": {},
    "packbits": {},
    "zstd": {},
    "lzma": {},
    "png": {},
    "lerc": {},
    "jpeg2000": {"compressionargs": {"level": 0}},
    "jpegxl": {"compressionargs": {"lossless": True}},
    "webp": {"compressionargs": {"lossless": True}},
}


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_every_compression_is_read_whole_and_by_parts(tmp_path, kind, tile):
    """JPEG 2000 is what scanners of slides write, zstd and LERC what large archives hold."""
    pixels = counting((50, 70), "uint8" if kind == "webp" else "uint16")
    options = {"photometric": "minisblack", "compression": kind, "tile": tile, **LOSSLESS[kind]}
    if kind == "webp":  # which knows colours only
        pixels = np.stack([pixels, pixels[::-1], pixels[:, ::-1]], axis=-1)
        options["photometric"] = "rgb"
    tifffile.imwrite(tmp_path / "x.tif", pixels, **options)
    expected = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
    image = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(image.data, expected)
    assert image.note == ""
    part = open_volume(tmp_path / "x.tif").read((slice(13, 37), slice(15, 49)))
    np.testing.assert_array_equal(
        part.reshape(*expected.shape[:-2], 24, 34), expected[..., 13:37, 15:49]
    )


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_are_unpacked(tmp_path, bits):
    """Cameras write 12 bits without a gap between two pixels."""
    pixels = counting((50, 71)) % 2**bits
    try:
        tifffile.imwrite(tmp_path / "x.tif", pixels, bitspersample=bits, photometric="minisblack")
    except NotImplementedError:
        pytest.skip("this imagecodecs packs no bits")
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.pages.first.bitspersample == bits
    image = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(image.data, pixels)
    assert image.data.dtype == np.uint16
    part = open_volume(tmp_path / "x.tif").read((slice(13, 37), slice(15, 49)))
    np.testing.assert_array_equal(part[0], pixels[13:37, 15:49])


@pytest.mark.parametrize("colours", [False, True])
def test_jpeg_inside_a_tiff(tmp_path, colours):
    pixels = np.full((16, 24, 3) if colours else (16, 24), 90, np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "x.tif", compression="jpeg")
    expected = pixels.transpose(2, 0, 1) if colours else pixels
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").data, expected)


@pytest.mark.parametrize("door", [read_image, open_volume])
def test_a_compression_without_a_codec_is_named(tmp_path, door):
    tifffile.imwrite(tmp_path / "x.tif", counting((16, 24)), compression="zlib")
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(34661)  # JBIG
    with pytest.raises(
        ValueError, match="JBIG compression of uint16 pixels cannot be read"
    ) as caught:
        door(tmp_path / "x.tif")
    assert one_line(caught, "x.tif", "save it without compression")
    assert "complete?" not in str(caught.value)


@pytest.mark.parametrize("order", ["<", ">"])
def test_lzw_of_either_byte_order(tmp_path, order):
    pixels = counting((16, 24), f"{order}u2")
    PIL.Image.fromarray(pixels).save(tmp_path / "x.tif", compression="tiff_lzw")
    image = read_image(tmp_path / "x.tif")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, pixels)


def test_lzw_stack(tmp_path):
    planes = [PIL.Image.fromarray(p) for p in counting((6, 16, 24))]
    planes[0].save(
        tmp_path / "x.tif", compression="tiff_lzw", save_all=True, append_images=planes[1:]
    )
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").data, counting((6, 16, 24)))


# -------------------------------------------------------------- pixel size


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [
        ((40_000, 20_000), "CENTIMETER", (0.5, 0.25)),
        ((118.11, 118.11), "CENTIMETER", None),  # 300 dpi
        ((0, 0), "CENTIMETER", None),
        ((20_000, 20_000), "INCH", None),
        ((20_000, 20_000), "NONE", None),
    ],
)
def test_pixels_per_centimetre_are_a_pixel_size_unless_a_printer_has_them(
    tmp_path, resolution, unit, spacing
):
    path = tmp_path / "x.tif"
    pixels = np.zeros((4, 6), np.uint8)
    tifffile.imwrite(path, pixels, resolution=resolution, resolutionunit=unit)
    assert read_image(path).spacing == spacing


@pytest.mark.parametrize("unit", ["µm", "nm", "mm"])
def test_ome_spacing_is_in_micrometres(tmp_path, unit):
    factor = {"µm": 1, "nm": 1e-3, "mm": 1e3}[unit]
    sizes = {"Z": 3.0, "Y": 0.5, "X": 0.25}
    metadata = {"axes": "ZYX"}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": size / factor, f"PhysicalSize{axis}Unit": unit}
    tifffile.imwrite(
        tmp_path / "x.ome.tif", counting((6, 5, 7)), photometric="minisblack", metadata=metadata
    )
    assert read_image(tmp_path / "x.ome.tif").spacing == pytest.approx((3.0, 0.5, 0.25))


def test_imagej_spacing(tmp_path):
    metadata = {"axes": "ZCYX", "spacing": 3.0, "unit": "micron"}
    tifffile.imwrite(
        tmp_path / "x.tif",
        counting((6, 2, 5, 7)),
        imagej=True,
        metadata=metadata,
        resolution=(4, 2),
    )
    assert read_image(tmp_path / "x.tif").spacing == (3.0, 0.5, 0.25)


def test_half_known_spacing_is_said(tmp_path):
    metadata = {"axes": "ZYX", "unit": "um"}
    tifffile.imwrite(
        tmp_path / "x.tif", counting((6, 5, 7)), imagej=True, metadata=metadata, resolution=(4, 2)
    )
    image = read_image(tmp_path / "x.tif")
    assert image.spacing is None
    assert image.note == "x.tif gives no pixel size along Z: the others are not used"


@pytest.mark.parametrize("resolution", [(72, 72), (1, 1)])
def test_printing_resolution_is_not_a_pixel_size(tmp_path, resolution):
    tifffile.imwrite(
        tmp_path / "x.tif", counting((5, 7)), resolution=resolution, resolutionunit="INCH"
    )
    image = read_image(tmp_path / "x.tif")
    assert (image.spacing, image.note) == (None, "")


# ----------------------------------------------------- missing and damaged


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
    """Above 4 GB ImageJ writes one header only; the other planes follow as bare pixels."""
    pixels, path = counting((6, 64, 48), "uint8") % 251, tmp_path / "x.tif"
    tifffile.imwrite(
        path, pixels[0], metadata=None, description="ImageJ=1.54f\nimages=6\nslices=6\n"
    )
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


@pytest.mark.parametrize(
    ("width", "height", "says"), [(512, 5, "512 × 5"), (-7, 5, "-7 × 5"), (7, 0, "7 × 0")]
)
def test_ome_sizes_that_contradict_the_page_are_told(tmp_path, width, height, says):
    def write(name, width, height):
        pixels = (
            f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="{width}" '
            f'SizeY="{height}" SizeZ="1" SizeC="1" SizeT="1"><TiffData/></Pixels>'
        )
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            f'<Image ID="Image:0">{pixels}</Image></OME>'
        )
        options = {"description": xml, "metadata": None}
        tifffile.imwrite(tmp_path / name, counting((5, 7), "uint8"), **options)

    write("x.tif", width, height)
    write("right.tif", 7, 5)
    image = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(image.data, counting((5, 7), "uint8"))
    assert image.note == (
        f"x.tif has 7 × 5 pixels, though its OME metadata say {says}: all are read"
    )
    assert open_volume(tmp_path / "x.tif").note == image.note
    assert read_image(tmp_path / "right.tif").note == ""


@pytest.mark.parametrize("content", [b"x\n", b"it's", b'say "it\'s"', b"\x00\xff'"])
def test_bytes_of_a_file_that_is_no_tiff_are_not_in_the_message(tmp_path, content):
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(ValueError, match=r"as TIFF: not a TIFF file; is it complete\?$"):
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


@pytest.mark.parametrize(
    "claim",
    [
        'SizeX="1000000000" SizeZ="4"',
        "SizeX='1000000000' SizeZ='4'",
        'SizeX="7" SizeZ="999999999" PlaneCount="999999999"',
    ],
)
def test_millions_of_planes_that_ome_metadata_name_are_refused_at_once(tmp_path, claim):
    size, depth, *count = claim.split()
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
        f'{size} SizeY="5" SizeC="1" {depth} SizeT="1"><TiffData IFD="0" {"".join(count)}/>'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(tmp_path / "x.ome.tif", counting((5, 7)), description=xml, metadata=None)
    began = process_time()
    with pytest.raises(ValueError, match="cannot read") as caught:
        read_image(tmp_path / "x.ome.tif")
    assert one_line(caught, "x.ome.tif", "planes of the size of a page")
    assert process_time() - began < 2


def test_a_slide_behind_a_small_preview_does_not_name_many_planes(tmp_path, monkeypatch):
    monkeypatch.setattr("seamwise.io.tiff_set._MOST_PLANES", 3)
    with tifffile.TiffWriter(tmp_path / "x.ome.tif", ome=True) as file:
        file.write(counting((5, 7)))
        file.write(counting((50, 70)))
    assert read_image(tmp_path / "x.ome.tif").data.shape == (5, 7)


def test_missing_file_of_an_ome_set_is_an_error(tmp_path, caplog):
    write_ome_set(tmp_path, counting((2, 5, 7)))
    (tmp_path / "c1.ome.tif").unlink()
    with pytest.raises(ValueError, match="is missing") as caught:
        read_image(tmp_path / "c0.ome.tif")
    assert one_line(caught, "c1.ome.tif", "c0.ome.tif is one image with it: copy it into the same")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], ""),
        (lambda content: b"", "it is empty (0 bytes)"),
        (lambda content: content.replace(_pixels_of(content), bytes(len(_pixels_of(content)))), ""),
    ],
    ids=["half", "empty", "pixels"],
)
def test_damage_of_an_ome_set_is_blamed_on_the_damaged_file(tmp_path, damage, words):
    write_ome_set(tmp_path, counting((2, 5, 7)))
    bad = tmp_path / "c1.ome.tif"
    bad.write_bytes(damage(bad.read_bytes()))
    with pytest.raises(ValueError, match="cannot read") as caught:
        read_image(tmp_path / "c0.ome.tif")
    assert str(caught.value).startswith(f"cannot read {bad} as TIFF: ")
    assert one_line(caught, "(c0.ome.tif is one image with it)", words)


def _pixels_of(content):
    """The compressed strip of a file that `write_ome_set` wrote."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages.first
        start, count = page.dataoffsets[0], page.databytecounts[0]
    return content[start : start + count]


def test_damage_of_the_file_itself_is_not_blamed_on_its_set(tmp_path):
    write_ome_set(tmp_path, counting((2, 5, 7)))
    own = tmp_path / "c0.ome.tif"
    content = own.read_bytes()
    own.write_bytes(content.replace(_pixels_of(content), bytes(len(_pixels_of(content)))))
    with pytest.raises(ValueError, match=r"cannot read .*c0\.ome\.tif as TIFF"):
        read_image(own)


def test_no_pixels(tmp_path):
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "x.tif", np.zeros((0, 7), np.uint8))
    with pytest.raises(
        ValueError, match=r"x\.tif as TIFF: it has no pixels \(shape \(0, 7\)\); export it again"
    ):
        read_image(tmp_path / "x.tif")


def test_log_of_other_threads_is_kept(tmp_path, caplog):
    """Only this reader is silent: someone else's use of tifffile keeps its warnings."""
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    read_image(tmp_path / "x.tif")
    thread = threading.Thread(target=logging.getLogger("tifffile").warning, args=("mine",))
    thread.start()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == ["mine"]


# ----------------------------------------------------------------- writing


LABELS = {
    "uint8": [0, 1, 255],
    "uint16": [0, 256, 65535],
    "uint32": [0, 65536, 2**32 - 1],
    "int8": [-1, 0, 127],
    "int16": [-1, 128, 32767],
    "int32": [-7, 0, 32768],
}


# int16 is what ImageJ cannot hold: its axes are kept in another way
WAYS = [("x.TIFF", "uint16"), ("x.tif", "int16"), ("x.OME.TIF", "uint16")]
SHAPES = [(3, 4), (3, 1), (3, 5, 3), (1, 3, 4), (4, 3, 3)]


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [(name, dtype, (2, 3, 4)) for name in ("x.tif", "x.ome.tif") for dtype in LABELS]
    + [(name, dtype, shape) for name, dtype in WAYS for shape in SHAPES],
)
def test_labels_come_back_in_the_smallest_dtype(tmp_path, name, dtype, shape):
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


@pytest.mark.parametrize("maximum", [65535, 2**32 - 1])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (1, 3, 4)])
@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif"])
def test_spacing_of_labels_comes_back(tmp_path, name, shape, maximum):
    spacing = (2.5, 0.3, 0.65)[-len(shape) :]
    write_labels(tmp_path / name, np.full(shape, maximum), spacing=spacing)
    image = read_image(tmp_path / name)
    expected = spacing[-2:] if shape[0] == 1 and name == "x.ome.tif" else spacing
    assert image.spacing == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("maximum", [65535, 65536])
def test_label_tiff_of_imagej_kind_only_where_imagej_can_read_it(tmp_path, maximum):
    write_labels(tmp_path / "x.tif", np.full((2, 3, 4), maximum))
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.is_imagej == (maximum <= 65535)
        assert file.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE


@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif"])
def test_label_files_beyond_4_gb_are_bigtiff(tmp_path, monkeypatch, name):
    monkeypatch.setattr("seamwise.io.tiff.CLASSIC_LIMIT", 11)
    write_labels(tmp_path / name, np.ones((3, 4), int))
    with tifffile.TiffFile(tmp_path / name) as file:
        assert file.is_bigtiff
    np.testing.assert_array_equal(read_labels(tmp_path / name), np.ones((3, 4)))


def test_ome_labels_are_ome(tmp_path):
    write_labels(tmp_path / "x.ome.tif", np.full((2, 3, 4), 70000))
    with tifffile.TiffFile(tmp_path / "x.ome.tif") as file:
        assert file.is_ome


def test_label_tiff_that_imagej_cannot_hold_says_its_resolution_too(tmp_path):
    write_labels(tmp_path / "x.tif", np.full((3, 4), 70000), spacing=(0.5, 0.25))
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        tags = file.pages.first.tags
        assert tags.valueof("ResolutionUnit") == tifffile.RESUNIT.CENTIMETER
        x, y = tags.valueof("XResolution"), tags.valueof("YResolution")
    assert (x[0] / x[1], y[0] / y[1]) == (40000, 20000)


def test_a_damaged_file_with_another_name_is_not_called_a_tiff(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"x\.png as PNG, JPEG or TIFF: "):
        read_image(path)


# ------------------------------------------- previews, and values that count from white


def write_with_preview(path, picture):
    with tifffile.TiffWriter(path) as file:
        file.write(picture[::8, ::8], subfiletype=1, metadata=None)
        file.write(picture, metadata=None)


def test_a_preview_is_not_the_image(tmp_path):
    picture = counting((48, 64), "uint8")
    write_with_preview(tmp_path / "x.tif", picture)
    image = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(image.data, picture)
    assert image.note == ""
    volume = open_volume(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.read((slice(0, 48), slice(0, 64)))[0], picture)


def test_a_file_of_previews_alone_is_read(tmp_path):
    picture = counting((8, 9), "uint8")
    tifffile.imwrite(tmp_path / "x.tif", picture, subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").data, picture)


@pytest.mark.parametrize(("dtype", "white"), [("uint8", 255), ("uint16", 65535)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_values_that_count_from_white_are_inverted(tmp_path, dtype, white, compression):
    picture = counting((3, 5, 7), dtype)
    stored = np.asarray(white, dtype) - picture
    options = {"photometric": "miniswhite", "compression": compression}
    tifffile.imwrite(tmp_path / "x.tif", stored, metadata={"axes": "ZYX"}, **options)
    image = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(image.data, picture.astype(image.data.dtype))
    assert image.note == "x.tif counts from white: inverted"
    volume = open_volume(tmp_path / "x.tif")
    box = (slice(1, 3), slice(2, 5), slice(0, 4))
    np.testing.assert_array_equal(volume.read(box)[0], image.data[box])
    assert volume.note == image.note


def test_labels_are_never_inverted(tmp_path):
    labels = counting((5, 7), "uint8")
    tifffile.imwrite(tmp_path / "x.tif", labels, photometric="miniswhite")
    np.testing.assert_array_equal(read_labels(tmp_path / "x.tif"), labels)
    whole = (slice(0, 5), slice(0, 7))
    np.testing.assert_array_equal(open_labels(tmp_path / "x.tif").read(whole)[0], labels)


@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_pages_one_by_one_give_the_same_bytes(tmp_path, name, dtype):
    pixels = counting((2, 3, 70, 50), dtype)
    options = {"axes": "TCYX", "spacing": (0.5, 0.25)}
    save_tiff(tmp_path / name, pixels, **options)
    whole = (tmp_path / name).read_bytes()
    pages = (page.copy() for page in pixels.reshape(6, 70, 50))
    save_tiff_pages(tmp_path / name, pages, shape=pixels.shape, dtype=pixels.dtype, **options)
    one_by_one = (tmp_path / name).read_bytes()
    # each OME image has a number of its own
    assert re.sub(UUID, b"", one_by_one) == re.sub(UUID, b"", whole)
    for time in range(2):
        np.testing.assert_array_equal(read_image(tmp_path / name, time=time).data, pixels[time])


def test_a_page_that_cannot_be_made_leaves_the_old_file(tmp_path):
    def pages():
        yield np.zeros((3, 4), np.uint8)
        raise KeyError("no second page")

    (tmp_path / "x.tif").write_text("old")
    with pytest.raises(KeyError, match="no second page"):
        save_tiff_pages(tmp_path / "x.tif", pages(), shape=(2, 3, 4), dtype=np.dtype(np.uint8))
    assert (tmp_path / "x.tif").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.tif"]
