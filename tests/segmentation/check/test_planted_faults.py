"""Twenty faults, each planted into good training data; the list was written before the check."""

import shutil

import numpy as np
import PIL.Image
import pytest
import tifffile
from scipy import ndimage
from skimage.draw import disk

from seamwise.segmentation.check import survey
from seamwise.synth import crowded_cells

ENOUGH = 19


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Good data, and the kinds of findings in it: drawn and surveyed once, copied by each case."""
    folder = tmp_path_factory.mktemp("good")
    for number in range(6):
        scene = crowded_cells((128, 144), cells=14, radius=9, rng=number)
        for kind, array in (("images", scene.image), ("masks", scene.labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"{number}.tif", array.astype(np.uint16))
    return folder, kinds(folder)


class Case:
    """A folder of good data, of which image 2 is spoiled."""

    def __init__(self, folder):
        self.folder = folder
        self.image_path, self.mask_path = folder / "images" / "2.tif", folder / "masks" / "2.tif"
        self.image = tifffile.imread(self.image_path)
        self.labels = tifffile.imread(self.mask_path)

    def write_image(self, array, **options):
        tifffile.imwrite(self.image_path, array, **options)

    def write_mask(self, array):
        tifffile.imwrite(self.mask_path, array)

    def largest(self):
        return int(np.bincount(self.labels.ravel())[1:].argmax()) + 1

    def place(self, radius):
        """Middle of free ground of this radius."""
        room = ndimage.distance_transform_edt(np.pad(self.labels == 0, 1))[1:-1, 1:-1]
        assert room.max() > radius + 1
        return np.unravel_index(room.argmax(), room.shape)

    def free(self, radius=16):
        """Erase the cells around the middle, to have room."""
        rows, columns = np.ogrid[:128, :144]
        near = (rows - 64) ** 2 + (columns - 72) ** 2 < radius**2
        self.labels[np.isin(self.labels, np.unique(self.labels[near]))] = 0


def image_without_mask(case):
    case.mask_path.unlink()
    return "no mask"


def mask_without_image(case):
    case.image_path.unlink()
    return "no image"


def mask_of_another_size(case):
    case.write_mask(case.labels[:-3])
    return "size"


def damaged_image(case):
    case.image_path.write_bytes(case.image_path.read_bytes()[:200])
    return "unreadable image"


def colour_image_among_grey_ones(case):
    channels = np.stack([case.image, case.image // 2, case.image // 3])
    case.write_image(channels, imagej=True, metadata={"axes": "CYX"})
    return "channels"


def eight_bits_among_sixteen(case):
    case.write_image((case.image // 256).astype(np.uint8))
    return "type"


def stack_among_planes(case):
    depth = np.stack([case.image + k for k in range(5)]), np.stack([case.labels] * 5)
    for path, array in zip((case.image_path, case.mask_path), depth, strict=True):
        tifffile.imwrite(path, array, imagej=True, metadata={"axes": "ZYX"})
    return "axes"


def mask_in_colours(case):
    colours = np.random.default_rng(0).integers(60, 255, (200, 3)).astype(np.uint8)
    colours[0] = 0
    tifffile.imwrite(case.mask_path, colours[case.labels], photometric="rgb")
    return "unreadable mask"


def softened_mask(case):
    small = PIL.Image.fromarray((255 * (case.labels > 0)).astype(np.uint8))
    case.write_mask(np.array(small.resize((288, 256), PIL.Image.Resampling.BICUBIC))[::2, ::2])
    return "interpolated"


def palette_mask(case):
    picture = PIL.Image.fromarray(case.labels.astype(np.uint8), "L").convert("P")
    picture.putpalette(np.random.default_rng(1).integers(0, 255, 768).astype(np.uint8).tobytes())
    case.mask_path.unlink()
    picture.save(case.mask_path.with_suffix(".png"))
    return "palette"


def black_and_white_mask(case):
    case.write_mask((255 * (case.labels > 0)).astype(np.uint8))
    return "black and white"


def one_number_for_two_cells(case):
    numbers = np.unique(case.labels)[1:]
    centres = np.array(ndimage.center_of_mass(case.labels > 0, case.labels, numbers))
    away = np.linalg.norm(centres - centres[0], axis=1).argmax()
    case.labels[case.labels == numbers[away]] = numbers[0]
    case.write_mask(case.labels)
    return "number twice"


def one_number_for_touching_cells(case):
    case.free(32)
    for column in (63, 80):
        case.labels[disk((64, column), 9.6)] = 90
    case.write_mask(case.labels)
    return "two cells"


def stray_pixels(case):
    y, x = case.place(3)
    case.labels[y, x : x + 2] = case.largest()
    case.write_mask(case.labels)
    return "crumbs"


def cell_in_two_pieces(case):
    case.free(20)
    case.labels[disk((64, 72), 11)] = 91
    case.labels[:, 71:73][case.labels[:, 71:73] == 91] = 0
    case.write_mask(case.labels)
    return "cut"


def cells_with_holes(case):
    depth = ndimage.distance_transform_edt(case.labels > 0)
    inside = ndimage.binary_erosion(case.labels == case.largest(), iterations=3)
    assert depth.max() > 4
    case.labels[inside] = 0
    case.write_mask(case.labels)
    return "holes"


def mask_without_cells(case):
    case.write_mask(np.zeros_like(case.labels))
    return "no cells"


def saturated_image(case):
    top = np.percentile(case.image, 80)
    case.write_image(np.minimum(case.image, top).astype(np.uint16))
    return "saturated"


def inverted_image(case):
    case.write_image((65535 - case.image).astype(np.uint16))
    return "inverted"


def the_same_image_twice(case):
    tifffile.imwrite(case.folder / "images" / "7.tif", case.image)
    tifffile.imwrite(case.folder / "masks" / "7.tif", case.labels)
    return "twice"


PLANTED = (
    image_without_mask,
    mask_without_image,
    mask_of_another_size,
    damaged_image,
    colour_image_among_grey_ones,
    eight_bits_among_sixteen,
    stack_among_planes,
    mask_in_colours,
    softened_mask,
    palette_mask,
    black_and_white_mask,
    one_number_for_two_cells,
    one_number_for_touching_cells,
    stray_pixels,
    cell_in_two_pieces,
    cells_with_holes,
    mask_without_cells,
    saturated_image,
    inverted_image,
    the_same_image_twice,
)

MORE = {
    "constant": lambda case: case.write_image(np.full_like(case.image, 7)),
    "unreadable image": lambda case: case.write_image(
        np.where(case.labels == 1, np.nan, case.image).astype(np.float32)
    ),
    "no match": lambda case: case.write_mask(np.roll(case.labels, 70, 1)[::-1]),
    "photograph": lambda case: case.write_mask(case.image % 199),
    "background": lambda case: case.write_mask(case.labels + 1),
    "unreadable mask": lambda case: case.write_mask(case.labels.astype(np.float32)),
    "specks": lambda case: case.write_mask(
        np.where(np.arange(case.labels.size).reshape(case.labels.shape) == 64 * 144 + 72,
                 99, np.where(case.labels == case.labels[64, 72], 0, case.labels))
    ),
}  # fmt: skip


def kinds(folder):
    return {finding.kind for finding in survey(folder).findings}


def test_a_field_of_noise_is_no_constant_image(tmp_path):
    noise = np.random.default_rng(0).normal(5000, 300, (128, 128)).astype(np.uint16)
    for part, array in (("images", noise), ("masks", np.zeros((128, 128), np.uint8))):
        (tmp_path / part).mkdir()
        tifffile.imwrite(tmp_path / part / "a.tif", array)
    assert "constant" not in kinds(tmp_path)


def test_nothing_is_found_in_good_data(good):
    _, before = good
    assert before <= {"cut", "crumbs"}


def test_at_least_19_of_20_planted_faults_are_found(tmp_path, good):
    data, before = good
    assert len(PLANTED) == 20
    missed = []
    for plant in PLANTED:
        folder = tmp_path / plant.__name__
        shutil.copytree(data, folder)
        kind = plant(Case(folder))
        assert kind not in before
        if kind not in kinds(folder):
            missed.append(plant.__name__)
    assert len(PLANTED) - len(missed) >= ENOUGH, missed


@pytest.mark.parametrize("kind", MORE)
def test_other_faults(tmp_path, good, kind):
    data, _ = good
    folder = shutil.copytree(data, tmp_path / "spoilt")
    MORE[kind](Case(folder))
    assert kind in kinds(folder)
