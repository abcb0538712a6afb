import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from seamwise.fusion import Alignment
from seamwise.fusion.batch import Options, fuse_files, memory_estimate, plan, write_depth
from seamwise.io.images import read_labels
from seamwise.io.photo import read_photo, write_photo
from seamwise.synth import focus_pair


def save_burst(folder, suffix=".png", count=2):
    folder.mkdir(parents=True, exist_ok=True)
    image = astronaut()[100:200, 100:220]
    for number in range(count):
        blurred = np.ones(image.shape[:2], bool)
        blurred[:, 120 * number // count : 120 * (number + 1) // count] = False
        pair = focus_pair(image, blurred, sigma=2.0)
        write_photo(folder / f"f{number}{suffix}", np.round(pair.a * 255).astype(np.uint8))
    return folder


def run(inputs, output, **options):
    options = {"method": "gff", "align": False} | options
    overwrite = options.pop("overwrite", False)
    return list(fuse_files(inputs, output, Options(**options), overwrite=overwrite))


def test_one_burst_becomes_one_picture(tmp_path):
    folder = save_burst(tmp_path / "burst")
    (outcome,) = run([folder], tmp_path / "sharp.png")
    assert not outcome.failed
    assert read_photo(tmp_path / "sharp.png").pixels.shape == (100, 120, 3)
    assert outcome.messages[-1] == f"{tmp_path / 'sharp.png'}: 2 frames, 120 × 100 pixels"


def test_folders_of_bursts_become_a_picture_each_in_their_own_format(tmp_path):
    save_burst(tmp_path / "in" / "one", ".png")
    save_burst(tmp_path / "in" / "two", ".jpg")
    outcomes = run([tmp_path / "in"], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.png", "two.jpg"]
    assert [outcome.total for outcome in outcomes] == [2, 2]


def test_a_bad_burst_is_named_and_the_others_go_on(tmp_path):
    save_burst(tmp_path / "in" / "a")
    (tmp_path / "in" / "a" / "f1.png").write_bytes(b"\x89PNG\r\n\x1a\n half a file")
    save_burst(tmp_path / "in" / "b")
    (save_burst(tmp_path / "in" / "c") / "f1.png").unlink()
    outcomes = run([tmp_path / "in"], tmp_path / "out")
    assert [outcome.failed for outcome in outcomes] == [True, False, True]
    assert "f1.png" in outcomes[0].messages[0]
    assert "two frames or more, not 1" in outcomes[2].messages[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


def test_what_is_there_is_kept_unless_asked(tmp_path):
    folder, target = save_burst(tmp_path / "burst"), tmp_path / "sharp.png"
    target.write_text("mine")
    (outcome,) = run([folder], target)
    assert (outcome.failed, outcome.messages) == (False, (f"{target} is there already",))
    assert target.read_text() == "mine"
    run([folder], target, overwrite=True)
    assert read_photo(target).pixels.shape == (100, 120, 3)


def test_frames_are_never_replaced(tmp_path):
    folder = save_burst(tmp_path / "burst")
    with pytest.raises(ValueError, match=r"f1\.png is a frame and would be replaced"):
        plan([folder], folder / "f1.png")
    save_burst(tmp_path / "x" / "burst")
    with pytest.raises(ValueError, match=r"would both become .*burst\.png: rename one"):
        plan([tmp_path / "x" / "burst", folder], tmp_path / "out")
    with pytest.raises(ValueError, match=r"f0\.png is a frame: name the picture"):
        plan([folder / "f0.png"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        plan([tmp_path / "no"], tmp_path / "out")


def test_depth_and_focus_maps_say_which_frame(tmp_path):
    folder = save_burst(tmp_path / "burst", count=3)
    run([folder], tmp_path / "sharp.jpg", depth_map=True, focus_maps=True)
    depth = read_labels(tmp_path / "sharp_depth.png")
    assert [int(np.median(depth[:, 40 * i + 5 : 40 * i + 35])) for i in range(3)] == [0, 1, 2]
    for number in range(3):
        white = read_photo(tmp_path / f"sharp_focus_{number}.png").pixels
        np.testing.assert_array_equal(white == 255, depth == number)


def test_depth_maps_show_colours_and_hold_numbers(tmp_path):
    depth = np.array([[0, 1], [2, 3]], np.uint8)
    write_depth(tmp_path / "d.png", depth, 4)
    with Image.open(tmp_path / "d.png") as picture:
        assert picture.mode == "P"
        colours = np.asarray(picture.convert("RGB")).reshape(4, 3).astype(int)
    assert len(np.unique(colours, axis=0)) == 4
    assert colours[3].sum() > colours[0].sum()
    np.testing.assert_array_equal(read_labels(tmp_path / "d.png"), depth)
    many = np.array([[0, 299]], np.uint16)
    write_depth(tmp_path / "m.png", many, 300)
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png"), many)


def test_exif_and_profile_of_the_first_frame_are_kept(tmp_path):
    folder = save_burst(tmp_path / "burst", ".jpg")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for path in folder.iterdir():
        write_photo(path, read_photo(path).pixels, exif=exif.tobytes(), icc=b"profile")
    run([folder], tmp_path / "sharp.jpg")
    photo = read_photo(tmp_path / "sharp.jpg")
    assert b"Maker" in photo.exif
    assert photo.icc == b"profile"


def test_an_alignment_is_written_once_and_used_again(tmp_path):
    folder, file = save_burst(tmp_path / "burst"), tmp_path / "alignment.json"
    run([folder], tmp_path / "a.png", align=True, alignment=file)
    alignment = Alignment.load(file)
    assert len(alignment.names) == 2
    before = file.read_bytes()
    run([folder], tmp_path / "b.png", align=True, alignment=file)
    assert file.read_bytes() == before
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, read_photo(tmp_path / "b.png").pixels)
    with pytest.raises(ValueError, match="goes with one burst that is aligned"):
        run([folder], tmp_path / "c.png", align=False, alignment=file)


def test_a_burst_of_another_size_does_not_fit_the_alignment(tmp_path):
    folder, file = save_burst(tmp_path / "burst"), tmp_path / "alignment.json"
    run([folder], tmp_path / "a.png", align=True, alignment=file)
    other = save_burst(tmp_path / "other", count=3)
    (outcome,) = run([other], tmp_path / "b.png", align=True, alignment=file)
    assert outcome.failed
    assert "the burst has 3" in outcome.messages[0]


def test_more_memory_than_the_machine_has_is_said_before_the_work(tmp_path, monkeypatch):
    folder = save_burst(tmp_path / "burst")
    monkeypatch.setattr("os.sysconf", lambda name: 1000)
    (outcome,) = run([folder], tmp_path / "a.png")
    assert outcome.failed
    assert "GB of memory, this machine has 0.0 GB: make the frames smaller" in outcome.messages[0]


def test_the_estimate_grows_with_the_picture_and_not_with_the_burst():
    small, large = (memory_estimate((side, side, 3)) for side in (1000, 4000))
    assert small < 1e9 < large < 3e9
