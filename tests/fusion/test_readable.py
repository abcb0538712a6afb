import numpy as np
import PIL.Image
import pytest

from seamwise.fusion import FuseOptions, fuse_burst, fuse_files
from seamwise.fusion.readable import readable
from seamwise.io.photo import write_photo
from seamwise.io.tiff import save_tiff

SHAPE = (24, 30)


def texture(seed, shape=SHAPE, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def save(folder, name, pixels):
    write_photo(folder / name, pixels)
    return folder / name


def frames(folder, count=3):
    return [save(folder, f"{number}.png", texture(number)) for number in range(count)]


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((24, 31), np.uint8, "31 × 24 pixels of uint8 in grey"),
        (SHAPE, np.uint16, "30 × 24 pixels of uint16 in grey"),
        ((*SHAPE, 3), np.uint8, "30 × 24 pixels of uint8 in colour"),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_a_frame_of_another_kind_is_skipped_by_name(tmp_path, shape, dtype, kind, is_first):
    paths = frames(tmp_path)
    odd = save(tmp_path, "a.png" if is_first else "x.png", texture(9, shape, dtype))
    burst = [odd, *paths] if is_first else [*paths[:2], odd, paths[2]]
    numbers, notes = readable(burst)
    assert [burst[i] for i in numbers] == paths
    assert notes == (
        f"skipped: {odd} has {kind}, unlike most frames, 30 × 24 pixels of uint8 in grey",
    )
    options = FuseOptions(model="gff")
    fused = fuse_burst(burst, FuseOptions(model="gff", skip_bad=True))
    assert np.array_equal(fused.image, fuse_burst(paths, options).image)
    assert fused.notes[0] == notes[0]
    assert not (fused.depth == burst.index(odd)).any()


def test_of_two_kinds_that_are_equally_frequent_the_first_counts(tmp_path):
    small = frames(tmp_path, 2)
    large = [save(tmp_path, f"b{number}.png", texture(number, (25, 30))) for number in range(2)]
    numbers, notes = readable([*large, *small])
    assert numbers == [2, 3]
    assert len(notes) == 2
    words = r"and 1 of 2 can be fused; skipped: .*b0\.png has 30 × 25"
    with pytest.raises(ValueError, match=words):
        readable([small[0], large[0]])


def test_frames_that_can_be_turned_alike_are_not_skipped(tmp_path):
    paths = []
    for number, orientation in enumerate((1, 6, 1, 1)):
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        paths.append(tmp_path / f"{number}.png")
        PIL.Image.fromarray(texture(number)).save(paths[-1], exif=exif)
    assert readable(paths) == ([0, 1, 2, 3], ())
    # next to one of another size, it still counts as it is stored
    odd = save(tmp_path, "x.png", texture(9, (5, 6)))
    numbers, notes = readable([*paths, odd])
    assert numbers == [0, 1, 2, 3]
    assert notes[0].startswith(f"skipped: {odd} has 6 × 5 pixels")


def test_the_error_tells_what_skips_such_a_frame(tmp_path):
    folder = tmp_path / "burst"
    folder.mkdir()
    frames(folder)
    save(folder, "x.png", texture(9, (24, 31)))
    (outcome,) = fuse_files([folder], tmp_path / "y.png", FuseOptions(model="gff"))
    assert outcome.failed
    assert "x.png has 31 × 24 pixels" in outcome.messages[0]
    assert outcome.messages[0].endswith("; --skip-bad fuses the others")
    options = FuseOptions(model="gff", skip_bad=True)
    (outcome,) = fuse_files([folder], tmp_path / "y.png", options)
    assert not outcome.failed, outcome.messages
    assert outcome.messages[0].startswith(f"skipped: {folder / 'x.png'} has 31 × 24 pixels")


def test_a_folder_with_one_picture_does_not_end_the_batch(tmp_path):
    for name, count in (("a", 1), ("b", 2)):
        (tmp_path / "in" / name).mkdir(parents=True)
        frames(tmp_path / "in" / name, count)
    options = FuseOptions(model="gff", skip_bad=True)
    outcomes = list(fuse_files([tmp_path / "in"], tmp_path / "out", options))
    assert [outcome.failed for outcome in outcomes] == [True, False]
    assert "a burst has two frames or more, and 1 of 1 can be fused" in outcomes[0].messages[0]
    assert (tmp_path / "out" / "b.png").is_file()


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_a_stack_alone_has_its_planes_skipped(tmp_path, dtype):
    stack = np.stack([texture(number, dtype=dtype) for number in range(3)])
    path = tmp_path / "x.tif"
    save_tiff(path, stack, axes="ZYX")
    fused = fuse_burst([str(path)], FuseOptions(model="gff", skip_bad=True))
    assert np.array_equal(fused.image, fuse_burst([path], FuseOptions(model="gff")).image)
