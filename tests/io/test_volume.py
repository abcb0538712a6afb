"""An image read part by part: any box equals that box of the whole image, in any layout."""

import pickle
import threading

import imageio.v3 as iio
import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr

from seamwise.io.errors import DamagedError
from seamwise.io.images import read_image, read_labels, write_png
from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.io.volume import count_samples, open_labels, open_volume
from support.files import counting, one_line

BOXES_3D = [
    (slice(0, 6), slice(0, 50), slice(0, 70)),
    (slice(1, 2), slice(0, 1), slice(69, 70)),
    (slice(2, 5), slice(13, 37), slice(15, 49)),
]


def whole(volume):
    return tuple(slice(0, n) for n in volume.shape)


def check_boxes(path, boxes=None, **options):
    """Every box of the volume is that box of the image that is read whole."""
    volume, image = open_volume(path, **options), read_image(path, **options)
    spatial = image.axes.removeprefix("C")
    data = image.data if "C" in image.axes else image.data[np.newaxis]
    assert (volume.axes, volume.shape, volume.channels) == (spatial, data.shape[1:], len(data))
    assert (volume.dtype, volume.spacing, volume.note) == (
        image.data.dtype,
        image.spacing,
        image.note,
    )
    assert len(volume.chunks) == len(volume.shape)
    assert all(1 <= c <= n for c, n in zip(volume.chunks, volume.shape, strict=True))
    for box in boxes or BOXES_3D:
        box = box[-len(spatial) :]
        part = volume.read(box)
        np.testing.assert_array_equal(part, data[(slice(None), *box)])
        assert part.dtype.isnative
        assert part.flags.c_contiguous
        assert part.dtype == image.data.dtype
    return volume


# -------------------------------------------------------------------- TIFF


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 32)}, {"rowsperstrip": 7}]
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("name", ["x.tif", "x.ome.tif"])
def test_boxes_of_a_stack(tmp_path, name, byteorder, options):
    tifffile.imwrite(
        tmp_path / name,
        counting((6, 50, 70)),
        byteorder=byteorder,
        photometric="minisblack",
        metadata={"axes": "ZYX"},
        **options,
    )
    volume = check_boxes(tmp_path / name)
    expected = {"tile": (1, 16, 32), "rowsperstrip": (1, 50, 70), "compression": (1, 50, 70)}
    assert volume.chunks == expected.get(next(iter(options), "compression"))


@pytest.mark.parametrize(
    "options", [{"compression": "zlib"}, {"compression": "zlib", "tile": (16, 32)}]
)
def test_only_the_segments_that_a_box_meets_are_decoded(tmp_path, options):
    tifffile.imwrite(
        tmp_path / "x.tif",
        counting((6, 50, 70)),
        photometric="minisblack",
        rowsperstrip=10,
        **options,
    )
    volume = open_volume(tmp_path / "x.tif", axes="ZYX")
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        pages = [(page.dataoffsets, page.databytecounts) for page in file.pages]
    with (tmp_path / "x.tif").open("r+b") as stream:  # all others are spoilt
        for number, (offsets, counts) in enumerate(pages):
            for segment, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
                if (number, segment) != (2, 1):
                    stream.seek(offset)
                    stream.write(b"x" * count)
    y, x = (slice(0, 16), slice(32, 64)) if "tile" in options else (slice(10, 20), slice(0, 70))
    part = volume.read((slice(2, 3), y, x))
    np.testing.assert_array_equal(part[0, 0], counting((6, 50, 70))[2, y, x])
    with pytest.raises(DamagedError, match=r"cannot decode page 3, (tile|strip) 1 of ") as caught:
        volume.read((slice(3, 4), y, x))
    assert one_line(caught, "x.tif")


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 32), "compression": "zlib"}]
)
@pytest.mark.parametrize("samples", [3, 4])
def test_colours_without_alpha(tmp_path, planar, options, samples):
    pixels = counting((50, 70, samples), "uint8")
    stored = pixels if planar == "contig" else pixels.transpose(2, 0, 1)
    extra = {"extrasamples": ["unassalpha"]} if samples == 4 else {}
    tifffile.imwrite(
        tmp_path / "x.tif", stored, photometric="rgb", planarconfig=planar, **options, **extra
    )
    check_boxes(tmp_path / "x.tif")
    check_boxes(tmp_path / "x.tif", channel=1)
    check_boxes(tmp_path / "x.tif", channel=[2, 0])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ((2, 50, 70), "CYX"),
        ((6, 2, 50, 70), "ZCYX"),
        ((2, 6, 50, 70), "CZYX"),
        ((1, 2, 6, 50, 70), "TCZYX"),
    ],
)
def test_channels_of_a_stack(tmp_path, shape, stored, compression):
    tifffile.imwrite(
        tmp_path / "x.ome.tif",
        counting(shape),
        photometric="minisblack",
        compression=compression,
        metadata={
            "axes": stored,
            "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.25,
            "PhysicalSizeZ": 2.0,
        },
    )
    check_boxes(tmp_path / "x.ome.tif")
    check_boxes(tmp_path / "x.ome.tif", channel=1)
    check_boxes(tmp_path / "x.ome.tif", channel=[1, 0])


def test_pages_that_are_volumes(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif",
        counting((2, 16, 50, 70)),
        volumetric=True,
        tile=(8, 16, 32),
        photometric="minisblack",
        metadata={"axes": "CZYX"},
    )
    volume = check_boxes(
        tmp_path / "x.tif", [*BOXES_3D, (slice(5, 13), slice(13, 37), slice(15, 49))]
    )
    assert volume.chunks == (8, 16, 32)


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (1, 1)])
def test_axes_of_length_one(tmp_path, shape):
    tifffile.imwrite(
        tmp_path / "x.tif", counting(shape), compression="zlib", metadata={"axes": "YX"}
    )
    check_boxes(tmp_path / "x.tif", [tuple(slice(0, n) for n in shape)])


def test_the_users_axes_win(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif", counting((3, 50, 70)), photometric="minisblack", compression="zlib"
    )
    assert check_boxes(tmp_path / "x.tif").channels == 3
    assert check_boxes(
        tmp_path / "x.tif", [(slice(0, 3), slice(4, 9), slice(2, 3))], axes="ZYX"
    ).shape == (3, 50, 70)
    assert check_boxes(tmp_path / "x.tif", [(slice(1, 3), slice(4, 9))], axes="YCX").shape == (
        3,
        70,
    )


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_time_points(tmp_path, compression):
    pixels = counting((4, 2, 5, 7))
    tifffile.imwrite(
        tmp_path / "x.tif",
        pixels,
        photometric="minisblack",
        metadata={"axes": "TCYX"},
        compression=compression,
    )
    volume = open_volume(tmp_path / "x.tif")
    assert (volume.times, volume.channels, volume.shape) == (4, 2, (5, 7))
    np.testing.assert_array_equal(
        volume.read((slice(1, 3), slice(0, 7)), time=3), pixels[3, :, 1:3]
    )
    for time in (4, -1, True, 1.0):
        with pytest.raises(ValueError, match="which has time points 0 to 3"):
            volume.read(whole(volume), time=time)


def test_a_stack_of_compressed_pages(tmp_path):
    pages = [PIL.Image.fromarray(page) for page in counting((3, 50, 70), "uint8")]
    pages[0].save(
        tmp_path / "x.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw"
    )
    boxes = [(slice(1, 3), slice(4, 9), slice(2, 3))]
    assert check_boxes(tmp_path / "x.tif", axes="ZYX", boxes=boxes).chunks[0] == 1


def test_a_set_of_files(tmp_path):
    pixels = counting((2, 5, 7))
    names = ("a.ome.tif", "b.ome.tif")
    data = "".join(
        f'<TiffData FirstZ="{z}" IFD="0"><UUID FileName="{n}">u:{z}</UUID></TiffData>'
        for z, n in enumerate(names)
    )
    xml = (
        '<?xml version="1.0"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="u:0">'
        '<Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="7" SizeY="5" '
        'SizeZ="2" SizeC="1" SizeT="1">'
        f"{data}</Pixels></Image></OME>"
    )
    for plane, name in zip(pixels, names, strict=True):
        tifffile.imwrite(tmp_path / name, plane, description=xml, metadata=None)
    volume = open_volume(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(volume.read(whole(volume))[0], pixels)


def test_flat_picture_without_compression_is_read_by_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("seamwise.io.tiff_parts._MAPPED_BYTES", 1000)
    tifffile.imwrite(tmp_path / "x.tif", counting((50, 70)))
    assert check_boxes(tmp_path / "x.tif").chunks == (7, 70)


def test_truncated_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((50, 70)))
    with (tmp_path / "x.tif").open("r+b") as stream:
        stream.truncate(3000)
    with pytest.raises(ValueError, match=r"cannot read .*x\.tif as TIFF"):
        open_volume(tmp_path / "x.tif")


# ------------------------------------------------------------ other kinds


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_pictures(tmp_path, name):
    iio.imwrite(tmp_path / name, counting((50, 70, 3), "uint8"))
    check_boxes(tmp_path / name)
    assert check_boxes(tmp_path / name, channel=2).channels == 1


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("ZYX", (6, 50, 70)),
        ("CZYX", (2, 6, 50, 70)),
        ("TCZYX", (1, 3, 6, 50, 70)),
        ("YX", (50, 70)),
    ],
)
def test_ome_zarr(tmp_path, axes, shape, version):
    path = tmp_path / "x.ome.zarr"
    spacing = [0.5, 0.25, 0.25][-sum(a in "ZYX" for a in axes) :]
    chunks = (4, 32, 16)[-len(spacing) :]
    write_image(
        path,
        counting(shape),
        axes=axes,
        spacing=spacing,
        storage=ZarrStorage(version=version, chunks=chunks),
    )
    volume = check_boxes(path)
    assert (volume.chunks, volume.spacing) == (chunks, tuple(spacing))
    if "C" in axes:
        check_boxes(path, channel=[1, 0])


def test_five_axes_of_a_flat_image(tmp_path):
    write_image(tmp_path / "x.zarr", counting((1, 1, 1, 5, 7)), axes="TCZYX")
    assert open_volume(tmp_path / "x.zarr").axes == "YX"
    assert open_volume(tmp_path / "x.zarr", axes="ZYX").shape == (1, 5, 7)


def test_ome_zarr_in_shards(tmp_path):
    write_image(tmp_path / "x.zarr", counting((50, 70)), axes="YX")
    array = zarr.create_array(
        store=str(tmp_path / "x.zarr" / "0"),
        shape=(50, 70),
        chunks=(8, 10),
        shards=(24, 30),
        dtype="uint16",
        overwrite=True,
    )
    array[:] = counting((50, 70))
    assert check_boxes(tmp_path / "x.zarr").chunks == (8, 10)


def test_ome_zarr_time_points(tmp_path):
    pixels = counting((4, 2, 5, 7))
    write_image(tmp_path / "x.zarr", pixels, axes="TCYX")
    volume = open_volume(tmp_path / "x.zarr", channel=1)
    assert volume.times == 4
    np.testing.assert_array_equal(
        volume.read((slice(1, 3), slice(0, 7)), time=3), pixels[3, 1:, 1:3]
    )


def test_damaged_chunk_is_named_and_the_others_are_read(tmp_path):
    path = tmp_path / "x.zarr"
    write_image(path, counting((50, 70)), axes="YX", storage=ZarrStorage(chunks=(20, 20)))
    chunk = path / "0" / "c" / "1" / "2"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    volume = open_volume(path)
    with pytest.raises(DamagedError, match=r"chunk \(1, 2\) \(file c/1/2\)") as caught:
        volume.read(whole(volume))
    assert one_line(caught, "x.zarr/0")
    np.testing.assert_array_equal(
        volume.read((slice(0, 50), slice(0, 40)))[0], counting((50, 70))[:, :40]
    )


# ------------------------------------------------------------- the object


@pytest.mark.parametrize("name", ["x.zarr", "x.tif", "y.tif", "x.png"])
def test_volume_travels_without_its_file(tmp_path, name):
    pixels = counting((50, 70), "uint8")
    if name == "x.zarr":
        write_image(tmp_path / name, pixels, axes="YX")
    else:
        iio.imwrite(tmp_path / name, pixels, **({"compression": "zlib"} if name == "y.tif" else {}))
    volume = open_volume(tmp_path / name)
    volume.read(whole(volume))
    sent = pickle.dumps(volume)
    assert len(sent) < 1500
    copy = pickle.loads(sent)
    assert copy == volume
    np.testing.assert_array_equal(copy.read(whole(copy))[0], pixels)


def test_threads_may_read_at_the_same_time(tmp_path):
    pixels = counting((8, 64, 64))
    tifffile.imwrite(
        tmp_path / "x.tif", pixels, photometric="minisblack", tile=(16, 16), compression="zlib"
    )
    volume = open_volume(tmp_path / "x.tif", axes="ZYX")
    wrong = []

    def read(z):
        if (
            volume.read((slice(z, z + 1), slice(0, 64), slice(0, 64)))[0] != pixels[z : z + 1]
        ).any():
            wrong.append(z)

    threads = [threading.Thread(target=read, args=(z,)) for z in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "box",
    [
        (slice(0, 5),),
        (slice(0, 5), slice(0, 8)),
        (slice(0, 5), slice(3, 3)),
        (slice(-2, 5), slice(0, 7)),
        (slice(0, 5, 2), slice(0, 7)),
        (slice(None), slice(0, 7)),
    ],
)
def test_box_must_lie_inside(tmp_path, box):
    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    with pytest.raises(
        ValueError, match=r"box must be one slice\(start, stop\) per axis"
    ) as caught:
        open_volume(tmp_path / "x.tif").read(box)
    assert one_line(caught, "x.tif", "(5, 7)")


def test_wrong_channel(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", counting((3, 5, 7)), imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(ValueError, match="which has channels 0 to 2"):
        open_volume(tmp_path / "x.tif", channel=3)


def test_complex_pixels(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((5, 7), np.complex64))
    with pytest.raises(ValueError, match="complex64 pixels; expected integers or real numbers"):
        open_volume(tmp_path / "x.tif")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_volume(tmp_path / "no.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_labels_are_read_part_by_part_as_read_labels_reads_them(tmp_path, compression):
    labels = counting((5, 30, 40), "uint32")
    options = {"photometric": "minisblack", "compression": compression}
    tifffile.imwrite(tmp_path / "x.tif", labels, **options)
    volume = open_labels(tmp_path / "x.tif")
    assert (volume.axes, volume.channels) == ("ZYX", 1)
    np.testing.assert_array_equal(volume.read(whole(volume))[0], read_labels(tmp_path / "x.tif"))
    tifffile.imwrite(tmp_path / "t.tif", labels, metadata={"axes": "TYX"}, **options)
    assert open_labels(tmp_path / "t.tif").times == 5


def test_a_palette_holds_labels_by_its_indices(tmp_path):
    picture = PIL.Image.fromarray(np.array([[0, 2], [1, 1]], np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    picture.save(tmp_path / "x.png")
    volume = open_labels(tmp_path / "x.png")
    np.testing.assert_array_equal(volume.read(whole(volume))[0], read_labels(tmp_path / "x.png"))


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 5), np.float32), ["float32", "expected integer labels"]),
        (np.zeros((4, 5, 3), np.uint8), ["3 channels", "axes='ZYX'"]),
        (np.zeros((4, 5), bool), ["binary"]),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path, pixels, words):
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric=photometric)
    with pytest.raises(ValueError, match=r"mask .*x\.tif") as caught:
        open_labels(tmp_path / "x.tif")
    assert one_line(caught, *words)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_users_word_makes_slices_of_colours_and_alpha(tmp_path, compression):
    stack = counting((4, 5, 6))
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": compression}
    tifffile.imwrite(tmp_path / "x.tif", stack, **options)
    for axes, depth in (("ZYX", 4), ("zyx", 4), ("CYX", 3), (None, 3)):
        volume = open_volume(tmp_path / "x.tif", axes=axes)
        image = read_image(tmp_path / "x.tif", axes=axes)
        assert image.data.shape[0] == depth
        pixels = volume.read(whole(volume))
        np.testing.assert_array_equal(pixels.reshape(image.data.shape), image.data)
    np.testing.assert_array_equal(read_labels(tmp_path / "x.tif", axes="ZYX"), stack)


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (5, 7)), ("CYX", (2, 5, 7)), ("TCZYX", (2, 3, 4, 5, 7))]
)
def test_all_numbers_of_a_tiff_are_counted(tmp_path, axes, shape):
    path = tmp_path / "x.ome.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), metadata={"axes": axes})
    assert count_samples(path) == np.prod(shape)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_a_png_counts_four_for_each_pixel_without_being_unpacked(tmp_path, shape, monkeypatch):
    write_png(tmp_path / "x.png", np.zeros(shape, np.uint8))
    monkeypatch.setattr("seamwise.io.volume.load_raster", None)
    assert count_samples(tmp_path / "x.png") == 4 * 5 * 7


def test_an_ome_zarr_is_counted_too(tmp_path):
    write_image(tmp_path / "x.zarr", np.zeros((3, 5, 7), np.uint8), axes="ZYX")
    assert count_samples(tmp_path / "x.zarr") == 3 * 5 * 7
