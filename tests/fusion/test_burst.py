from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import Image

from seamwise.fusion import fuse
from seamwise.fusion.burst import Burst, burst_folders, find_frames
from seamwise.io.photo import write_photo


def save(folder, name, pixels, **options):
    write_photo(folder / name, pixels, **options)
    return folder / name


def grey(value=100, dtype=np.uint8, shape=(4, 5)):
    return np.full(shape, value, dtype)


def test_frames_are_read_when_asked_for(tmp_path):
    paths = [save(tmp_path, f"{i}.png", grey(51 * i)) for i in range(3)]
    burst = Burst(paths)
    paths[1].unlink()
    assert (len(burst), burst.shape, burst.dtype) == (3, (4, 5), np.uint8)
    assert burst[2].max() == pytest.approx(102 / 255)
    assert burst[-1].dtype == np.float32
    with pytest.raises(OSError, match=r"1\.png"):
        burst[1]


@pytest.mark.parametrize("shape", [(3, 5), (5, 5), (4, 6)])
def test_a_file_replaced_by_one_of_another_size_is_named(tmp_path, shape):
    paths = [save(tmp_path, f"{i}.png", grey(51 * i)) for i in range(3)]
    burst = Burst(paths)
    paths[1].unlink()
    save(tmp_path, "1.png", grey(shape=shape))
    message = r"1\.png must be of shape \(4, 5\), as its header told, not \(. .\)"
    for read in (burst.rows, burst.grey, burst.__getitem__):
        with pytest.raises(ValueError, match=message.replace(". .", f"{shape[0]}, {shape[1]}")):
            read(1)


def test_numbers_in_names_count_by_value_and_the_order_given_stays(tmp_path):
    for name in ("X10.jpg", "x9.jpg", "a.png"):
        (tmp_path / name).touch()
    assert [path.name for path in find_frames([tmp_path])] == ["a.png", "x9.jpg", "X10.jpg"]
    given = [tmp_path / "x9.jpg", tmp_path / "a.png"]
    assert find_frames(given) == given
    with pytest.raises(ValueError, match=r"a\.png is given twice"):
        find_frames([tmp_path, tmp_path / "a.png"])


def test_16_bits_are_scaled_by_16_bits():
    burst = Burst([grey(65535, np.uint16), grey(0, np.uint16)])
    assert burst[0].max() == 1


def test_frames_that_differ_are_named(tmp_path):
    first = save(tmp_path, "a.png", grey())
    for name, pixels, message in (
        ("b.png", grey(1, np.uint16), r"b\.png is uint16, .*a\.png is uint8: convert"),
        ("c.png", grey(1, shape=(4, 5, 3)), r"a\.png is grey, .*c\.png is in colour"),
        (
            "d.png",
            grey(1, shape=(4, 6)),
            r"d\.png has 6 × 4 pixels, .*a\.png has 5 × 4.*--full-size",
        ),
        ("d.png", grey(1, shape=(9, 9)), r"d\.png has 9 × 9 pixels, .* of one size and one scene$"),
    ):
        with pytest.raises(ValueError, match=message):
            Burst([first, save(tmp_path, name, pixels)])
    with pytest.raises(ValueError, match=r"two frames or more, not 1: .*a\.png"):
        Burst([first])
    with pytest.raises(ValueError, match="two frames or more, not 0"):
        Burst([])


def test_one_file_of_pages_is_a_burst_and_among_frames_it_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((3, 5, 7), np.uint8), photometric="minisblack")
    assert len(Burst([tmp_path / "x.tif"])) == 3
    with pytest.raises(
        ValueError, match=r"x\.tif as TIFF: it has 3 pages, a burst of its own; split it"
    ):
        Burst([tmp_path / "x.tif", save(tmp_path, "a.png", grey())])


@pytest.mark.parametrize("kind", [str, Path])
def test_a_name_is_not_a_list_of_frames(kind):
    with pytest.raises(TypeError) as caught:
        Burst(kind("bursts/cup"))
    assert str(caught.value) == (
        "frames must be a list of pictures or files, not 'bursts/cup': "
        "give e.g. sorted(Path('bursts/cup').iterdir())"
    )


def test_arrays_of_other_shapes_types_and_ranges_are_named():
    with pytest.raises(ValueError, match=r"frame 1 must be \(Y, X\) or \(Y, X, 3\)"):
        Burst([grey(), grey(shape=(3, 4, 5))])
    with pytest.raises(ValueError, match=r"frame 0 must be \(Y, X\) or \(Y, X, 3\)"):
        Burst([grey(shape=(3, 4, 1))] * 2)
    with pytest.raises(TypeError, match="uint8, uint16 or float, not int64"):
        Burst([grey(1, np.int64)] * 2)[0]
    with pytest.raises(ValueError, match=r"frame 0 must lie in 0\.\.1, not 0\.0\.\.255\.0"):
        Burst([np.array([[0.0, 255.0]])] * 2)[0]


def test_the_range_is_that_of_the_whole_frame():
    frame = np.zeros((300, 4))
    frame[[0, 299]] = [[-0.5], [1.5]]
    with pytest.raises(ValueError, match=r"frame 1 must lie in 0\.\.1, not -0\.5\.\.1\.5"):
        Burst([np.zeros((300, 4)), frame]).grey(1)
    with pytest.raises(ValueError, match="which 8 values are"):
        Burst([np.zeros((300, 4)), np.where(frame, np.nan, 0)]).rows(1)


def test_profile_and_exif_are_those_of_the_first_frame_and_others_are_said(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    first = save(tmp_path, "0.png", grey(0))
    second = save(tmp_path, "1.png", grey(1), icc=b"profile", exif=exif.tobytes())
    burst = Burst([first, second])
    burst[1]
    assert burst.notes == []  # what the first has is not known yet
    burst[0]
    assert (burst.exif, burst.icc) == (b"", b"")
    assert burst.notes == [
        f"{second}: the colour profile differs from that of {first}, which is kept"
    ]
    # the first in an order of their own: a shuffled list gives the same picture, EXIF too
    shuffled = Burst([second, first])
    shuffled[0], shuffled[1]
    assert (shuffled.exif, shuffled.icc, shuffled.notes) == (burst.exif, burst.icc, burst.notes)
    burst = Burst([second, save(tmp_path, "2.png", grey(2))])
    burst[0], burst[1]
    assert b"Maker" in burst.exif
    assert burst.icc == b"profile"


def test_frames_with_other_profiles_are_named_in_their_order(tmp_path):
    paths = [
        save(tmp_path, f"{i}.png", grey(i), icc=b"first" if i == 0 else b"other") for i in range(3)
    ]
    burst = Burst(paths)
    for i in (2, 0, 1):
        burst[i]
    assert burst.notes == [
        f"{paths[1]}, {paths[2]}: the colour profile differs from that of {paths[0]}, which is kept"
    ]


def test_how_a_file_was_read_is_said(tmp_path):
    Image.new("LA", (5, 4), (7, 255)).save(tmp_path / "a.png")
    burst = Burst([tmp_path / "a.png", grey()])
    assert burst[0].shape == (4, 5)
    assert burst.notes == ["alpha channel of a.png dropped (it is fully opaque)"]


def test_some_frames_are_a_list_of_them():
    burst = Burst([grey(51 * i) for i in range(4)])
    assert [frame.max().round(1) for frame in burst[1:3]] == pytest.approx([0.2, 0.4])


def test_what_is_known_of_the_frames_is_kept(tmp_path):
    paths = [save(tmp_path, f"{i}.png", grey(i // 2)) for i in range(3)]
    paths[1] = save(tmp_path, "1.png", grey(0), icc=b"")
    burst = Burst(paths)
    for _ in range(2):
        for i in range(3):
            burst[i]
    assert burst.notes == [f"{paths[1]} is identical to {paths[0]}"]


def photograph(path, seed, time=None, fraction=None):
    """A JPEG of noise, with the time of EXIF."""
    exif = PIL.Image.Exif()
    if time is not None:
        inner = exif.get_ifd(0x8769)
        inner[0x9003] = time
        if fraction is not None:
            inner[0x9291] = fraction
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    return path


def test_the_time_orders_frames_whose_counter_rolls_over(tmp_path):
    times = {"IMG_9998": ("2026:01:01 10:00:00", "9"), "IMG_9999": ("2026:01:01 10:00:01", "25"),
             "IMG_0001": ("2026:01:01 10:00:01", "5")}  # fmt: skip
    paths = [photograph(tmp_path / f"{name}.jpg", 0, *when) for name, when in times.items()]
    burst = Burst(sorted(paths))
    assert burst.order == (1, 2, 0)
    assert not burst.is_own_order
    assert burst.notes == [
        "the frames are taken by the time they were taken at, from IMG_9998.jpg to IMG_0001.jpg; "
        "their names have another order"
    ]


def test_without_a_time_for_each_frame_names_order_them_and_a_list_may_differ(tmp_path):
    one = photograph(tmp_path / "x10.jpg", 0, "2026:01:01 10:00:00")
    other = photograph(tmp_path / "x2.jpg", 1, "2026:01:01 10:00:00")
    third = photograph(tmp_path / "x3.jpg", 2)
    assert Burst([one, other]).order == (1, 0)  # equal times
    assert Burst([one, other, third]).order == (1, 2, 0)
    assert Burst([one, other, third]).is_own_order
    assert not Burst([other, third, one]).is_own_order
    arrays = Burst([np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint8)])
    assert arrays.order == (0, 1)
    assert not arrays.is_own_order


def test_within_a_second_the_counter_orders_frames_and_it_may_roll_over(tmp_path):
    seconds = {"IMG_9997": 0, "IMG_9998": 1, "IMG_9999": 1, "IMG_0001": 1, "IMG_0002": 2}
    paths = [
        photograph(tmp_path / f"{name}.jpg", i, f"2026:01:01 10:00:0{second}")
        for i, (name, second) in enumerate(seconds.items())
    ]
    burst = Burst(sorted(paths))
    assert [Path(burst.names[i]).stem for i in burst.order] == list(seconds)


def test_arrays_in_another_order_give_the_same_bytes():
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (8, 9), np.uint8) for _ in range(5)]
    shuffled = [arrays[i] for i in (3, 0, 4, 1, 2)]
    assert Burst(shuffled).order == (0, 1, 2, 3, 4)
    orders = [[frames[i] for i in Burst(frames).order_of_sums()] for frames in (arrays, shuffled)]
    assert all(map(np.array_equal, *orders))
    first, second = (fuse(frames, model="focus-burst") for frames in (arrays, shuffled))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.depth, np.array([3, 0, 4, 1, 2])[second.depth])


def test_aligned_arrays_in_another_order_lie_alike():
    scene = cv2.GaussianBlur(np.random.default_rng(0).random((90, 120)), (0, 0), 1.5)
    scene = np.round(255 * (scene - scene.min()) / np.ptp(scene)).astype(np.uint8)
    arrays = [scene[5 + i : 75 + i, 5 + 2 * i : 105 + 2 * i] for i in range(3)]
    first = fuse(arrays, model="gff", align=True, crop=False).alignment
    second = fuse(arrays[::-1], model="gff", align=True, crop=False).alignment
    assert first.reference == second.reference == 1
    np.testing.assert_allclose(first.matrices, second.matrices[::-1], rtol=0, atol=0.1)


def test_frames_that_are_stored_alike_are_turned_alike(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    paths = []
    for number, orientation in enumerate((6, 1, 6)):
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        paths.append(tmp_path / f"{number}.png")
        PIL.Image.fromarray(pixels).save(paths[-1], exif=exif)
    burst = Burst(paths)
    assert burst.shape == (20, 16, 3)
    assert np.array_equal(burst[0], burst[1])
    assert burst.notes[0] == (
        f"{paths[1]}: the orientation in EXIF differs from that of {paths[0]}, which holds for all "
        "frames"
    )
    # one that is stored upright needs no turn
    PIL.Image.fromarray(np.rot90(pixels, -1)).save(paths[1])
    burst = Burst(paths)
    assert np.array_equal(burst[0], burst[1])
    assert not any("orientation" in note for note in burst.notes)


def turned(folder, orientations):
    """Files that are stored alike, with these orientations in EXIF."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    paths = []
    for number, orientation in enumerate(orientations):
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        paths.append(folder / f"{number}.png")
        PIL.Image.fromarray(pixels).save(paths[-1], exif=exif)
    return paths


@pytest.mark.parametrize(
    ("orientations", "shape", "odd", "holder"),
    [
        ((6, 1, 1, 1), (16, 20, 3), [0], 1),
        ((8, 6, 1, 6, 6), (20, 16, 3), [0, 2], 1),
        ((6, 1, 1, 6), (20, 16, 3), [1, 2], 0),
    ],
)
def test_the_orientation_of_most_frames_counts(tmp_path, orientations, shape, odd, holder):
    paths = turned(tmp_path, orientations)
    burst = Burst(paths)
    assert burst.shape == shape
    assert all(np.array_equal(burst[0], frame) for frame in burst[:])
    names = ", ".join(str(paths[i]) for i in odd)
    assert burst.notes[0] == (
        f"{names}: the orientation in EXIF differs from that of {paths[holder]}, which holds for "
        "all frames"
    )


@pytest.mark.parametrize("name", ["z.tif", "z.ome.tif"])
def test_the_planes_of_a_stack_are_frames(tmp_path, name):
    stack = np.random.default_rng(0).integers(0, 60000, (3, 6, 8), np.uint16)
    options = {"imagej": True} if name == "z.tif" else {}
    tifffile.imwrite(tmp_path / name, stack, metadata={"axes": "ZYX"}, **options)
    burst = Burst([tmp_path / name])
    assert (len(burst), burst.shape, burst.dtype) == (3, (6, 8), np.uint16)
    assert burst.names[2] == f"{tmp_path / name} slice 3"
    assert burst.order == (0, 1, 2)
    for i in range(3):
        np.testing.assert_allclose(burst[i] * 65535, stack[i], atol=0.01)


def test_a_stack_of_several_times_is_refused(tmp_path):
    stack = np.zeros((2, 3, 6, 8), np.uint16)
    tifffile.imwrite(tmp_path / "t.ome.tif", stack, metadata={"axes": "TZYX"})
    with pytest.raises(
        ValueError, match=r"t.ome.tif must have one time point .* not 2 and 1: save"
    ):
        Burst([tmp_path / "t.ome.tif"])


def test_a_folder_of_bursts_may_have_the_name_of_a_picture(tmp_path):
    (tmp_path / "cup.jpg").mkdir()
    assert burst_folders(tmp_path) == ([tmp_path / "cup.jpg"], "")
