import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from seamwise.fusion import FuseOptions, fuse, fuse_burst
from seamwise.fusion.alignment import Alignment
from seamwise.fusion.frames import luminance
from seamwise.fusion.transparency import MaskedFrames, PackedMask, extended, moved_mask
from seamwise.synth import focus_pair

HEIGHT, WIDTH = 60, 80
RNG = np.random.default_rng(0)


def three_frames():
    image = astronaut()[100 : 100 + HEIGHT, 100 : 100 + WIDTH] // 2 + 60
    for number in range(3):
        blurred = np.ones(image.shape[:2], bool)
        blurred[:, WIDTH * number // 3 : WIDTH * (number + 1) // 3] = False
        yield np.round(255 * focus_pair(image, blurred, sigma=2.0).a).astype(np.uint8)


def masks():
    """Borders as after alignment, and a hole; the upper right corner only frame 1 shows."""
    seen = np.ones((3, HEIGHT, WIDTH), bool)
    seen[0, :, :4] = seen[2, :7] = seen[0, :7, 60:] = False
    seen[1, 30:40, 20:30] = False
    return seen


def save(folder, behind):
    """Frames whose transparent pixels hold the colours `behind`."""
    folder.mkdir()
    for number, (frame, seen) in enumerate(zip(three_frames(), masks(), strict=True)):
        colours = np.where(seen[..., None], frame, behind)
        pixels = np.dstack([colours, 255 * seen]).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"f{number}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("model", ["laplacian", "gff", "dct-cv", "focus-burst"])
@pytest.mark.parametrize("align", [False, True])
def test_what_lies_behind_transparent_pixels_changes_nothing(tmp_path, model, align):
    noise = RNG.integers(0, 256, (HEIGHT, WIDTH, 3))
    options = FuseOptions(model=model, align=align)
    dark, loud = (
        fuse_burst(save(tmp_path / name, behind), options)
        for name, behind in (("dark", np.zeros_like(noise)), ("loud", noise))
    )
    assert np.array_equal(dark.image, loud.image)
    assert np.array_equal(dark.depth, loud.depth)
    assert np.take_along_axis(masks(), dark.depth[np.newaxis].astype(int), 0).all()
    assert dark.image.min() >= 40  # no black wedge
    corner = dark.depth[:7, 60:]
    assert (corner == 1).all()
    only = np.array(list(three_frames())[1])[:7, 60:]
    assert np.array_equal(dark.image[:7, 60:], only)


def test_a_note_names_the_frames(tmp_path):
    fusion = fuse(save(tmp_path / "x", 0), model="gff")
    assert [note.split("/")[-1] for note in fusion.notes] == [
        f"f{number}.png is transparent in places: nothing is taken from there"
        for number in range(3)
    ]


def test_a_frame_that_shows_nothing_is_refused(tmp_path):
    paths = save(tmp_path / "x", 0)
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 4), np.uint8)).save(paths[1])
    with pytest.raises(ValueError, match=r"f1.png is transparent everywhere: remove it$"):
        fuse(paths, model="gff")


def test_pixels_that_no_frame_shows_are_cut_off():
    frames = [np.full((6, 8), value, np.float32) for value in (0.25, 0.75)]
    seen = np.zeros((2, 6, 8), bool)
    seen[0, 1:5, 2:6] = seen[1, 2:5, 3:8] = True
    masked = MaskedFrames(frames, lambda i: seen[i])
    assert masked.box == (slice(1, 5), slice(2, 8))
    assert masked[0].shape == (4, 6)
    assert masked[0][0, 0] == 0.25
    assert masked[1][1, 1] == 0.75
    assert not MaskedFrames(frames, lambda i: None).is_masked


def test_the_size_is_known_without_a_reading():
    n_read = 0

    class Read(list):
        def __getitem__(self, i):
            nonlocal n_read
            n_read += 1
            return super().__getitem__(i)

    frames = MaskedFrames(
        Read(frame / np.float32(255) for frame in three_frames()), masks().__getitem__
    )
    n_read = 0
    assert frames.frame_shape() == frames[0].shape
    assert n_read == 1
    assert np.array_equal(frames.grey(1), luminance(frames[1]))
    assert n_read == 3


def test_a_picture_continues_by_the_mean_of_what_is_near():
    picture = np.full((9, 13, 2), 0.0, np.float32)
    picture[:, :6, 0], picture[:, :6, 1] = 0.5, 0.25
    whole = extended(picture, np.arange(13)[np.newaxis].repeat(9, 0) < 6)
    assert np.allclose(whole[..., 0], 0.5)
    assert np.allclose(whole[..., 1], 0.25)
    one = np.zeros((5, 7), bool)
    one[3, 2] = True
    assert np.allclose(extended(np.where(one, np.float32(0.7), np.float32(0)), one), 0.7)


def test_masks_are_packed_bit_by_bit():
    for shape in ((5, 7), (8, 8), (1, 3)):
        mask = RNG.random(shape) < 0.5
        assert np.array_equal(PackedMask(mask).mask(), mask)


def test_a_mask_moves_with_its_frame_and_not_by_its_gain():
    matrices = np.stack([np.eye(3)] * 2)
    matrices[1, 0, 2] = 3
    alignment = Alignment(matrices, np.array([[1.0], [0.5]]), (20, 30), 0, ("a", "b"))
    mask = np.arange(30)[np.newaxis].repeat(20, 0) >= 10
    moved = moved_mask(mask, alignment, 1, crop=False)
    assert not moved[:, :14].any()
    assert moved[:, 16:].all()
    assert np.array_equal(moved_mask(mask, alignment, 0, crop=True), mask[:, 3:])
