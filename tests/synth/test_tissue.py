import numpy as np
import pytest
from scipy import ndimage

from seamwise import synth
from support.drawings import with_camera

tissue = with_camera(synth.tissue, synth.CONFOCAL)

# only walls, all equally bright, and neither blur nor noise
BARE = {
    "faint": 0,
    "cytoplasm": 0,
    "texture": 0,
    "psf_sigma": 0,
    "attenuation": np.inf,
    "background": 0,
    "photons": np.inf,
}
CASES = [
    ((96, 128), {"cell_size": 14}),
    ((32, 48, 40), {"cell_size": 12}),
    ((16, 48, 40), {"cell_size": 12, "spacing": (2.0, 1.0, 1.0), "gaps": 0.1}),
    ((1, 64, 80), {"cell_size": 14}),
    (
        (40, 40, 40),
        {"cell_size": 10, "bend": 0.2, "irregularity": 0.5, "size_spread": 0.5, "filling": 0.5},
    ),
]


def brightness(drawn):
    return drawn.image / (0.75 * np.iinfo(drawn.image.dtype).max)


def beside_another(labels):
    """Pixels with a face neighbour of another label."""
    beside = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        change = np.diff(labels.astype(int), axis=axis) != 0
        none = [(0, 0)] * labels.ndim
        beside |= np.pad(change, [*none[:axis], (1, 0), *none[axis + 1 :]])
        beside |= np.pad(change, [*none[:axis], (0, 1), *none[axis + 1 :]])
    return beside


def whole_cells(labels):
    """Numbers of the cells that the image edge does not cut, with their bounding boxes."""
    boxes = ndimage.find_objects(labels)
    return {
        number: box
        for number, box in enumerate(boxes, start=1)
        if all(
            axis.start > 0 and axis.stop < size
            for axis, size in zip(box, labels.shape, strict=True)
        )
    }


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_labels_are_sequential_and_one_component_each(shape, options):
    drawn = tissue(shape, rng=3, **options)
    assert drawn.image.shape == drawn.labels.shape == shape
    assert drawn.image.dtype == np.uint16
    assert drawn.labels.dtype == np.uint8
    cells = int(drawn.labels.max())
    assert cells >= 15
    assert np.unique(drawn.labels).tolist() == list(range(cells + 1))
    for cell in range(1, cells + 1):
        assert ndimage.label(drawn.labels == cell)[1] == 1


def test_more_than_255_cells_need_uint16():
    assert tissue((256, 256), rng=0, cell_size=10, filling=1).labels.dtype == np.uint16


def test_same_seed_same_stack_and_another_seed_another():
    first = tissue((20, 40, 48), rng=5, gaps=0.1)
    again = tissue((20, 40, 48), rng=np.random.default_rng(5), gaps=0.1)
    other = tissue((20, 40, 48), rng=6, gaps=0.1)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).any()


@pytest.mark.parametrize("shape", [(128, 160), (40, 56, 48)])
def test_cells_fill_the_space_and_touch(shape):
    labels = tissue(shape, rng=1, cell_size=12, filling=1).labels
    assert (labels == 0).mean() < 1e-3
    # each inner cell has about six neighbours in the plane, and more in space
    neighbours = [
        np.unique(labels[ndimage.binary_dilation(labels == number)]).size - 1
        for number in whole_cells(labels)
    ]
    assert min(neighbours) >= 3
    assert np.mean(neighbours) >= 5


@pytest.mark.parametrize("filling", [0.2, 0.55, 0.9])
@pytest.mark.parametrize("shape", [(128, 160), (40, 56, 48)])
def test_background_share_follows_filling(shape, filling):
    labels = tissue(shape, rng=2, cell_size=10, filling=filling).labels
    assert (labels > 0).mean() == pytest.approx(filling, abs=0.01)


def test_the_outline_is_smooth_and_cuts_no_slivers():
    labels = tissue((192, 192), rng=4, cell_size=16, filling=0.5).labels
    assert ndimage.label(labels > 0)[1] == 1
    sizes = np.bincount(labels.ravel())
    assert min(sizes[number] for number in whole_cells(labels)) > 0.15 * np.pi / 4 * 16**2


def test_the_least_filling_still_holds_a_cell():
    labels = tissue((40, 40, 40), rng=0, cell_size=20, filling=0.01).labels
    assert labels.max() >= 1


@pytest.mark.parametrize(("shape", "share"), [((200, 220), np.pi / 4), ((48, 56, 64), np.pi / 6)])
def test_cell_size_is_the_diameter_of_a_ball_of_the_mean_volume(shape, share):
    labels = tissue(shape, rng=3, cell_size=10, filling=1, size_spread=0).labels
    sizes = np.bincount(labels.ravel())
    mean = np.mean([sizes[number] for number in whole_cells(labels)])
    assert (mean / share) ** (1 / len(shape)) == pytest.approx(10, rel=0.05)


def test_size_spread_spreads_the_sizes():
    def spread(**options):
        labels = tissue(
            (256, 256), rng=3, cell_size=14, filling=1, irregularity=0, bend=0, **options
        ).labels
        sizes = np.bincount(labels.ravel())
        sizes = np.array([sizes[number] for number in whole_cells(labels)])
        return sizes.std() / sizes.mean()

    assert spread(size_spread=0) < 0.1
    assert spread(size_spread=0.2) > 0.2


def test_cells_are_round_in_units_of_spacing():
    labels = tissue((24, 36, 72), rng=1, cell_size=14, filling=1, spacing=(3.0, 2.0, 1.0)).labels
    boxes = np.array(
        [[axis.stop - axis.start for axis in box] for box in whole_cells(labels).values()]
    )
    assert len(boxes) > 50
    z, y, x = boxes.mean(axis=0) * (3, 2, 1)
    assert y == pytest.approx(x, rel=0.08)
    assert z == pytest.approx(x, rel=0.12)


def test_unbent_cells_are_convex_and_bent_ones_are_not():
    def share_of_midpoints_inside(bend):
        labels = tissue((200, 200), rng=0, cell_size=24, filling=1, bend=bend).labels
        beside = beside_another(labels)
        rng, inside = np.random.default_rng(0), []
        for number in whole_cells(labels):
            points = np.argwhere((labels == number) & beside)
            points = points[(points % 2 == 0).all(axis=1)]
            one, other = rng.choice(points, 200), rng.choice(points, 200)
            inside.append(labels[tuple(((one + other) // 2).T)] == number)
        return np.mean(inside)

    assert share_of_midpoints_inside(0) == 1
    assert share_of_midpoints_inside(0.2) < 0.997


@pytest.mark.parametrize("shape", [(128, 160), (40, 56, 48)])
def test_light_falls_with_the_distance_to_the_change_of_label(shape):
    drawn = tissue(shape, rng=2, cell_size=16, wall=1.5, bend=0, **BARE)
    light = brightness(drawn)
    assert light.max() <= 1
    # the change of label lies half a pixel beyond the last pixel of a cell
    away = ndimage.distance_transform_edt(~beside_another(drawn.labels)) + 0.5
    near = (away > 1) & (away < 4) & (drawn.labels > 0)
    distance = 1.5 * np.sqrt(-2 * np.log(np.maximum(light[near], 1e-6)))
    assert np.median(np.abs(distance - away[near])) < 0.5
    # the change of label is at most one pixel away; near a corner, d may belong to another wall
    assert np.quantile(light[away < 1], 0.02) > np.exp(-0.5 * (1.1 / 1.5) ** 2)
    middle = tuple(slice(8, -8) for _ in shape)  # a wall may lie just beyond the image edge
    assert light[middle][away[middle] > 5].max() < 0.02


@pytest.mark.parametrize("shape", [(128, 160), (40, 56, 48)])
def test_walls_are_bright_and_cells_dark_with_everything_but_noise(shape):
    drawn = tissue(shape, rng=2, cell_size=16, photons=np.inf)
    away = ndimage.distance_transform_edt(~beside_another(drawn.labels))
    assert drawn.image[away == 0].mean() > 3 * drawn.image[(drawn.labels > 0) & (away > 3)].mean()


def test_faint_walls_lack_the_asked_share():
    options = {"cell_size": 20, "filling": 1, "bend": 0}
    full = tissue((160, 160), rng=0, **{**BARE, **options})
    faint = tissue((160, 160), rng=0, **{**BARE, **options, "faint": 0.8})
    np.testing.assert_array_equal(full.labels, faint.labels)
    share = brightness(faint) / np.maximum(brightness(full), 1e-6)
    ratio = share[beside_another(full.labels)]
    assert ratio.max() == pytest.approx(1, abs=0.01)
    assert 0.2 - 1e-3 < ratio.min() < 0.3
    # the two sides of a wall are equally bright
    beside = full.labels[:, :-1] != full.labels[:, 1:]
    assert np.mean(np.abs(share[:, :-1] - share[:, 1:])[beside] < 1e-3) > 0.9


def test_cytoplasm_is_the_mean_light_of_a_cell_and_air_has_none():
    drawn = tissue(
        (200, 200), rng=0, cell_size=16, filling=1, gaps=0.2, **{**BARE, "cytoplasm": 0.1}
    )
    away = ndimage.distance_transform_edt(~beside_another(drawn.labels)) > 5
    away[:6] = away[-6:] = away[:, :6] = away[:, -6:] = (
        False  # a wall may lie just beyond the image edge
    )
    inside = brightness(drawn)[(drawn.labels > 0) & away]
    assert inside.mean() == pytest.approx(0.1, rel=0.15)
    assert 0.05 - 1e-4 <= inside.min() < 0.07
    assert 0.13 < inside.max() < 0.15 + 1e-3
    # the walls between two air spaces are not in the labels
    assert np.median(brightness(drawn)[(drawn.labels == 0) & away]) < 1e-3


def test_gaps_take_cells_away_and_leave_the_others_and_the_walls():
    full = tissue((200, 200), rng=0, cell_size=12, filling=1, **BARE)
    gaps = tissue((200, 200), rng=0, cell_size=12, filling=1, gaps=0.25, **BARE)
    left = gaps.labels > 0
    assert left.mean() == pytest.approx(0.75, abs=0.08)
    pairs = np.unique(np.stack([full.labels[left], gaps.labels[left]]), axis=1)
    assert pairs.shape[1] == gaps.labels.max() == np.unique(pairs[0]).size
    np.testing.assert_array_equal(full.image, gaps.image)


def test_all_air_has_no_labels():
    drawn = tissue((40, 40), rng=0, gaps=1, filling=1, **BARE)
    assert not drawn.labels.any()
    assert drawn.image.any()


def test_depth_takes_light_away():
    options = {"rng": 1, "cell_size": 12, **BARE}
    clear = tissue((40, 32, 32), **options).image.astype(float)
    dim = tissue((40, 32, 32), **{**options, "attenuation": 20}).image.astype(float)
    np.testing.assert_allclose(dim, clear * np.exp(-np.arange(40) / 20)[:, None, None], atol=1)
    coarse = {**options, "spacing": (2.0, 1.0, 1.0)}
    clear = tissue((40, 32, 32), **coarse).image.astype(float)
    dim = tissue((40, 32, 32), **{**coarse, "attenuation": 20}).image.astype(float)
    np.testing.assert_allclose(dim, clear * np.exp(-np.arange(40) / 10)[:, None, None], atol=1)


def test_attenuation_is_without_effect_in_the_plane():
    one, other = (tissue((40, 40), rng=0, attenuation=a).image for a in (1.0, np.inf))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("shape", "sigma"), [((24, 32, 32), (1.8, 0.8, 0.8)), ((32, 32), (0.8, 0.8))]
)
def test_usual_psf_is_longer_along_the_depth(shape, sigma):
    usual, explicit = (
        tissue(shape, rng=0, **options).image for options in ({}, {"psf_sigma": sigma})
    )
    np.testing.assert_array_equal(usual, explicit)


def test_photons_and_read_noise_add_their_variance():
    options = {
        "filling": 0.01,
        "background": 0.5,
        "photons": 100,
        "read_noise": 3,
        "rng": 0,
        "psf_sigma": 0,
    }
    drawn = tissue((200, 200), **options)
    far = ndimage.distance_transform_edt(drawn.labels == 0) > 10
    assert brightness(drawn)[far].mean() == pytest.approx(0.5, rel=0.01)
    assert brightness(drawn)[far].var() == pytest.approx((50 + 9) / 100**2, rel=0.05)


def test_texture_is_log_normal_with_mean_one():
    options = {"rng": 0, "cell_size": 12, "filling": 1}
    even = brightness(tissue((256, 256), **{**BARE, **options}))
    uneven = brightness(tissue((256, 256), **{**BARE, **options, "texture": 0.4}))
    # walls at half brightness have room below the largest grey level
    chosen = (even > 0.2) & (even < 0.5)
    ratio = np.log(uneven[chosen] / even[chosen])
    assert ratio.mean() == pytest.approx(-(0.4**2) / 2, abs=0.05)
    assert ratio.std() == pytest.approx(0.4, rel=0.2)


def test_all_lengths_are_in_units_of_spacing():
    one = tissue(
        (24, 32, 40),
        rng=0,
        cell_size=12,
        wall=1,
        psf_sigma=(2, 1, 1),
        attenuation=20,
        photons=np.inf,
    )
    two = tissue(
        (24, 32, 40),
        rng=0,
        cell_size=24,
        wall=2,
        psf_sigma=(4, 2, 2),
        attenuation=40,
        photons=np.inf,
        spacing=(2.0, 2.0, 2.0),
    )
    assert (one.labels == two.labels).mean() > 0.999
    assert np.abs(brightness(one) - brightness(two)).mean() < 1e-3


def test_uint8_image():
    image = tissue((40, 40), rng=0, dtype=np.uint8).image
    assert image.dtype == np.uint8
    assert image.max() > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (64,)}, "shape must have two or three"),
        ({"shape": (0, 64)}, "shape must have two or three positive"),
        ({"cell_size": 1.5}, r"cell_size must lie in \[2, 64\], not 1.5"),
        ({"cell_size": 65}, r"cell_size must lie in \[2, 64\]"),
        ({"cell_size": np.nan}, "cell_size must lie in"),
        ({"spacing": (5.0, 1.0)}, r"cell_size must lie in \[10, 240\], not 8"),
        ({"size_spread": 0.6}, "size_spread"),
        ({"irregularity": -0.1}, "irregularity"),
        ({"bend": 0.3}, r"bend must lie in \[0, 0.2\]"),
        ({"filling": 0}, r"filling must lie in \[0.01, 1\]"),
        ({"gaps": 1.1}, "gaps"),
        ({"wall": 0}, r"wall must lie in \[0.25, 2\]"),
        ({"wall": 3}, r"wall must lie in \[0.25, 2\]"),
        ({"faint": -1}, "faint"),
        ({"cytoplasm": 2}, "cytoplasm"),
        ({"texture": 2}, "texture"),
        ({"psf_sigma": -1}, "psf_sigma"),
        ({"psf_sigma": (1, 1, 1)}, "psf_sigma must be one number or 2"),
        ({"attenuation": 0}, "attenuation must be a positive length, not 0"),
        ({"attenuation": np.nan}, "attenuation must be a positive length"),
        ({"background": -0.1}, "background"),
        ({"photons": 0}, "photons must lie in"),
        ({"read_noise": -1}, "read_noise"),
        ({"spacing": (1.0, 0.0)}, "spacing must be positive"),
        ({"spacing": (1.0, 1.0, 1.0)}, "spacing must be one number or 2"),
        ({"dtype": np.float32}, "dtype must be uint8 or uint16, not float32"),
    ],
)
def test_bad_input_is_named(change, message):
    options = {"shape": (48, 64), "rng": 0, "cell_size": 8, **change}
    with pytest.raises(ValueError, match=message):
        tissue(options.pop("shape"), **options)


def test_sizes_must_be_integers():
    with pytest.raises(TypeError):
        tissue((48.0, 64), rng=0)
