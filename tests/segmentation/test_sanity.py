from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from seamwise.io.images import read_image, read_labels
from seamwise.io.listing import find_images
from seamwise.segmentation.sanity import looks_like
from seamwise.synth import crowded_cells, degrade_annotation

SCENE = crowded_cells((200, 210), cells=60, radius=10, rng=0)
STACK = crowded_cells((20, 60, 60), cells=20, radius=8, rng=0)


def test_labels_look_like_labels():
    assert looks_like(SCENE.labels) == "labels"
    assert looks_like(STACK.labels) == "labels"
    assert (
        looks_like(degrade_annotation(SCENE.labels, rng=0, drop=0.3, dropped="ignore", erode=2))
        == "labels"
    )
    assert looks_like(np.zeros((5, 6), np.uint8)) == looks_like(np.full((5, 6), -1)) == "labels"
    assert looks_like(np.array([[7, 7, 0], [0, 0, 7]])) == "labels"  # a cell with a crumb


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("blur", [0, 2])
@pytest.mark.parametrize("scene", [SCENE, STACK], ids=["plane", "stack"])
def test_photographs_do_not(scene, blur, dtype):
    image = ndimage.gaussian_filter(scene.image.astype(float), blur)
    image *= np.iinfo(dtype).max / image.max()
    assert looks_like(image.astype(dtype)) == "photograph"


def test_a_mask_of_many_cells_and_one_number_is_binary():
    mask = ndimage.binary_erosion(SCENE.labels > 0)
    spots = np.zeros((30, 30), np.int16)
    spots[::10, ::10] = 255
    for binary in (mask.astype(np.uint8), spots, np.where(spots == 0, -1, spots)):
        assert looks_like(binary) == "binary"
    few = spots.copy()
    few[20:] = 0
    few[10, 10:] = 0
    assert looks_like(few) == "labels"  # four pieces may be a cell and its crumbs


def test_a_semantic_mask_is_no_photograph():
    classes = SCENE.labels % 4
    assert looks_like(classes) == "classes"


def test_large_images_are_judged_by_their_middle():
    large = np.zeros((3000, 3000), np.uint8)
    large[:900] = np.random.default_rng(0).integers(0, 256, (900, 3000))
    assert looks_like(large) == "labels"
    assert looks_like(np.roll(large, 1000, axis=0)) == "photograph"


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs ../shared/data, the development data next to the checkout"
)
@pytest.mark.parametrize("name", ["dsb2018", "usiigaci", "gonuclear3d", "qcanet3d"])
def test_real_images_and_masks_are_told_apart(name):
    folder = SHARED / name / "train"
    for path in find_images(folder / "masks", masks=True)[:40]:
        assert looks_like(read_labels(path)) == "labels", path
    for path in find_images(folder / "images")[:40]:
        image = read_image(path)
        assert looks_like(image.data) == "photograph", path
