"""The doors to image files: axes, channels, labels, file lists; errors are one line."""

import os
import sys

import imageio.v3 as iio
import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.io.images import read_image, read_labels, write_labels, write_png
from seamwise.io.listing import find_images, stem
from support.files import counting, one_line

# ------------------------------------------------------- axes and channels


@pytest.mark.parametrize("metadata", [None, {}])
def test_guess_is_said_and_the_user_overrides_it(tmp_path, metadata):
    pixels = counting((3, 15, 17))
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", metadata=metadata)
    image = read_image(tmp_path / "x.tif")
    assert image.axes == "CYX"
    assert (
        image.note == "no axes in x.tif: read (3, 15, 17) as CYX; say axes='ZYX' if that is wrong"
    )
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


def test_one_time_point_is_chosen(tmp_path):
    pixels = counting((6, 2, 5, 7))
    tifffile.imwrite(tmp_path / "x.tif", pixels, imagej=True, metadata={"axes": "TCYX"})
    image = read_image(tmp_path / "x.tif", time=4, channel=1)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, pixels[4, 1])
    tifffile.imwrite(tmp_path / "y.tif", pixels[:, 0], imagej=True, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(read_labels(tmp_path / "y.tif", time=4), pixels[4, 0])
    with pytest.raises(ValueError, match=r"time=6 does not fit .*, which has time points 0 to 5"):
        read_image(tmp_path / "x.tif", time=6)


def test_time_points_of_stacks_are_no_stack(tmp_path):
    tifffile.imwrite(
        tmp_path / "x.tif", counting((6, 2, 5, 7)), imagej=True, metadata={"axes": "TZYX"}
    )
    with pytest.raises(ValueError, match="6 time points") as caught:
        read_image(tmp_path / "x.tif")
    assert "if they are a stack" not in str(caught.value)


@pytest.mark.parametrize(
    ("channel", "shape"),
    [(1, (5, 7)), ([1], (1, 5, 7)), ([2, 0], (2, 5, 7)), (np.int64(1), (5, 7))],
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


# ------------------------------------------------------------- wrong files


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist") as caught:
        read_image(tmp_path / "no.tif")
    assert one_line(caught, "no.tif", "check its name")


def test_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder: give an image file"):
        read_image(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "x.png").touch()
    with pytest.raises(ValueError, match="is empty") as caught:
        read_image(tmp_path / "x.png")
    assert one_line(caught, "x.png")


@pytest.mark.parametrize("name", ["x.bmp", "x", "x.tif.gz"])
def test_unsupported_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match="not of a supported kind") as caught:
        read_image(tmp_path / name)
    assert one_line(caught, name, ".tif, .tiff, .png, .jpg, .jpeg")


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
@pytest.mark.parametrize(
    "content", [b"hello", b"II*\x00", b"II*\x00\x08\x00\x00\x00", b"\x89PNG\r\n\x1a\n"]
)
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


def test_file_that_does_not_fit_the_memory(tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    tifffile.imwrite(tmp_path / "x.tif", counting((5, 7)))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", full)
    with pytest.raises(MemoryError, match=r"x\.tif does not fit into the memory"):
        read_image(tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("dtype", "bad"), [("float16", np.nan), ("float32", np.inf), ("float64", -np.inf)]
)
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


# ------------------------------------------------------------------ labels


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


@pytest.mark.parametrize(
    "labels", [np.array([[2**32]]), np.array([[-1, 2**31]]), np.array([[2**64 - 1]], np.uint64)]
)
def test_labels_never_wrap(tmp_path, labels):
    with pytest.raises(ValueError, match="do not fit 32 bits: renumber them"):
        write_labels(tmp_path / "x.tif", labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels", [np.ones((2, 3), bool), np.ones((2, 3)), np.ones((2, 3), complex)]
)
def test_labels_must_be_integers(tmp_path, labels):
    with pytest.raises(TypeError, match="labels must be integers"):
        write_labels(tmp_path / "x.tif", labels)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 3, 4), (0, 4)])
def test_labels_must_be_2d_or_3d(tmp_path, shape):
    with pytest.raises(
        ValueError, match=r"labels must (have axes YX or ZYX|be an image, not the single number)"
    ):
        write_labels(tmp_path / "x.tif", np.ones(shape, int))


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.zarr", "x.ome"])
def test_labels_to_an_unknown_kind(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected a name ending in \.tif, \.ome\.tif or \.png"):
        write_labels(tmp_path / name, np.ones((2, 3), int))


@pytest.mark.parametrize(
    "spacing", [(1.0,), (1.0, 2.0, 3.0), (1.0, 0.0), (1.0, -2.0), (1.0, np.nan)]
)
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


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_real_masks_are_refused(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((5, 7), dtype))
    with pytest.raises(
        ValueError, match=f"is {dtype}; expected integer labels: save it as uint16"
    ) as caught:
        read_labels(tmp_path / "x.tif")
    assert one_line(caught, "mask", "x.tif")


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_binary_masks_are_refused(tmp_path, name):
    PIL.Image.fromarray(np.ones((5, 7), bool)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"is binary .* number its connected components"):
        read_labels(tmp_path / name)


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_masks_of_one_bit_are_read_if_asked_for(tmp_path, name):
    mask = np.array([[True, False, True], [False, False, True]])
    PIL.Image.fromarray(mask).save(tmp_path / name)
    labels = read_labels(tmp_path / name, one_bit=True)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, mask)
    write_labels(tmp_path / name, labels * 9)
    np.testing.assert_array_equal(read_labels(tmp_path / name, one_bit=True), mask * 9)


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_colour_masks_are_refused(tmp_path, name):
    iio.imwrite(tmp_path / name, counting((5, 7, 3), "uint8"))
    with pytest.raises(ValueError, match="has 3 channels, expected one integer label per pixel"):
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


# ---------------------------------------------------- pictures, file lists


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
        "b.tif", "a.PNG", "c.ome.tif", "d.jpeg", "a_masks.png", "c_masks.ome.tif", ".hidden.png",
        "notes.txt",
    ):  # fmt: skip
        (tmp_path / name).touch()
    (tmp_path / "sub.tif").mkdir()
    (tmp_path / "sub.tif" / "e.png").touch()
    return tmp_path


def listed(inputs):
    return [path.name for path in find_images(inputs)]


def test_folder_lists_its_images_and_folders_with_such_names(folder):
    names = ["a.PNG", "b.tif", "c.ome.tif", "d.jpeg", "sub.tif"]
    assert listed(folder) == listed(str(folder)) == listed([folder]) == names


def test_what_only_has_the_name_of_an_image_is_an_error_that_tells_why(tmp_path):
    (tmp_path / "gone.tif").symlink_to(tmp_path / "unmounted" / "x.tif")
    (tmp_path / "sub.tif").mkdir()
    lost, inner = find_images(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"gone\.tif does not exist: .* leads nowhere; is"):
        read_image(lost)
    with pytest.raises(IsADirectoryError, match=r"sub\.tif is a folder: give an image file"):
        read_image(inner)


def test_masks_of_a_folder_are_listed_if_asked_for(folder):
    names = [path.name for path in find_images(folder, masks=True)]
    masks = ["a_masks.png", "c_masks.ome.tif"]
    assert sorted(names) == sorted([*listed(folder), *masks])


def test_pattern_lists_what_matches(folder):
    assert listed(str(folder / "*.png")) == ["a_masks.png"]
    assert listed(folder / "[ab]*") == ["a.PNG", "a_masks.png", "b.tif"]
    assert listed(folder / "**" / "e.png") == ["e.png"]


def test_inputs_are_mixed_sorted_and_listed_once(folder):
    inputs = [
        folder / "d.jpeg",
        folder / "*.tif",
        folder / "sub.tif" / ".." / "b.tif",
        str(folder / "b.tif"),
    ]
    assert listed(inputs) == ["b.tif", "c.ome.tif", "c_masks.ome.tif", "d.jpeg", "sub.tif"]


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
        ("notes.txt", ValueError, "not of a supported kind: expected one of .tif"),
    ],
)
def test_inputs_that_give_nothing(folder, given, kind, words):
    with pytest.raises(kind) as caught:
        find_images([folder / "b.tif", folder / given])
    assert one_line(caught, words, given)


def test_folder_without_images(tmp_path):
    (tmp_path / "x_masks.tif").touch()
    with pytest.raises(FileNotFoundError, match=r"holds no image: expected files ending in \.tif"):
        find_images(tmp_path)


def test_no_inputs():
    with pytest.raises(ValueError, match="inputs is empty"):
        find_images([])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tif", "a"),
        ("a.ome.tif", "a"),
        ("a.OME.TIFF", "a"),
        ("a.b.png", "a.b"),
        ("d/a.ome.png", "a.ome"),
    ],
)
def test_stem(name, expected):
    assert stem(name) == expected
