"""What is measured of each cell, against scikit-image's regionprops and plain loops."""

import numpy as np
import pytest
from skimage.measure import regionprops

from oracles.measure import border_faces, zones
from seamwise.measure import MeasureOptions, Width, field, measure
from seamwise.measure.geometry import geometry
from seamwise.measure.survey import survey
from seamwise.synth import crowded_cells
from support.files import one_line

NO_ZONES = MeasureOptions(ring=Width(0), rim=Width(0))


def scene(shape=(60, 70), cells=12, seed=0):
    drawn = crowded_cells(shape, cells=cells, radius=6, rng=seed)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 50, shape).astype(np.float32)
    return np.stack([drawn.image.astype(np.float32), noise]), drawn.labels


def stack(seed=0):
    rng = np.random.default_rng(seed)
    seeds = rng.random((9, 14, 12))
    labels = np.zeros(seeds.shape, np.int32)
    for number, place in enumerate(np.argwhere(seeds > 0.985), 3):
        distance = np.square((np.indices(seeds.shape).T - place) * [2, 1, 1]).sum(-1).T
        labels[(distance < 20) & (labels == 0)] = number
    for number in np.unique(labels):  # regionprops has no hull for a cell of a single slice
        if len(np.unique(np.nonzero(labels == number)[0])) == 1:
            labels[labels == number] = 0
    return rng.integers(-500, 500, (1, *seeds.shape)).astype(np.int16), labels


SAME_NAMES = {
    "equivalent_diameter_um": "equivalent_diameter_area",
    "major_axis_um": "axis_major_length",
    "minor_axis_um": "axis_minor_length",
}
FLAT = {
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "area_um2": "area",
    "hull_area_um2": "area_convex",
    "perimeter_um": "perimeter",
}
DEEP = {"volume_um3": "area", "hull_volume_um3": "area_convex", "solidity": "solidity"}


@pytest.mark.parametrize(
    ("image", "labels", "spacing", "names"),
    [
        (*scene(), (0.5, 0.5), FLAT),
        (*scene(seed=1), (0.5, 0.3), {k: v for k, v in FLAT.items() if k != "perimeter_um"}),
        (*stack(), (2.0, 0.4, 0.5), DEEP),
    ],
)
def test_every_value_that_regionprops_defines_is_equal_to_it(image, labels, spacing, names):
    table = measure(image, labels, MeasureOptions(shape=True), spacing=spacing)
    regions = regionprops(labels, np.moveaxis(image, 0, -1), spacing=spacing)
    assert table["id"].tolist() == [region.label for region in regions]
    for column, name in (SAME_NAMES | names).items():
        expected = [region[name] for region in regions]
        np.testing.assert_allclose(table[column], expected, rtol=1e-6, atol=1e-6, err_msg=column)
    letters = "zyx"[-labels.ndim :]
    for axis, letter in enumerate(letters):
        expected = [region.centroid[axis] for region in regions]
        np.testing.assert_allclose(table[f"centroid_{letter}_um"], expected, rtol=1e-6)
        bounds = [(region.bbox[axis], region.bbox[axis + labels.ndim]) for region in regions]
        assert table[f"bbox_{letter}_start_px"].tolist() == [low for low, _ in bounds]
        assert table[f"bbox_{letter}_stop_px"].tolist() == [high for _, high in bounds]
    for channel in range(len(image)):
        values = [image[channel][labels == region.label].astype(float) for region in regions]
        for name in ("mean", "median", "std", "min", "max", "sum"):
            column = f"ch{channel}_{'sd' if name == 'std' else name}"
            expected = [getattr(np, name)(part) for part in values]
            np.testing.assert_allclose(table[column], expected, rtol=1e-6, atol=1e-6)


def test_the_orientation_is_that_of_regionprops_in_degrees():
    image, labels = scene(seed=2)
    table = measure(image, labels, NO_ZONES, spacing=(0.5, 0.3))
    expected = [np.degrees(r.orientation) for r in regionprops(labels, spacing=(0.5, 0.3))]
    np.testing.assert_allclose(table["orientation_deg"], expected, atol=1e-6)


class FarBlocks:
    """A small part of a large image, in two blocks."""

    def __init__(self, corner, size):
        self.corner, self.size = corner, size
        self.shape = tuple(a + n for a, n in zip(corner, size, strict=True))

    def __len__(self):
        return 2

    def box(self, block):
        """The upper rows, or the others."""
        (y, x), (rows, columns) = self.corner, self.size
        cut = y + rows // 2
        down = slice(y, cut) if block == 0 else slice(cut, y + rows)
        return down, slice(x, x + columns)


@pytest.mark.parametrize("corner", [(0, 0), (5000, 7000), (300_000, 100_000)])
def test_the_form_of_a_cell_does_not_depend_on_where_it_lies(corner):
    _, labels = scene(seed=4)
    labels[:3, :3] = labels.max() + 1  # within a block
    ids = np.unique(labels[labels > 0])

    def ranks(box):
        inside = (slice(s.start - a, s.stop - a) for s, a in zip(box, corner, strict=True))
        return field.ranked(labels[tuple(inside)], ids)

    blocks = FarBlocks(corner, labels.shape)
    cells = survey(field.Field(ids, ranks, lambda box: None, 0, blocks))
    columns = geometry(ids, cells, blocks.shape, (0.5, 0.5))
    regions = regionprops(labels, spacing=(0.5, 0.5))
    for column, name in (SAME_NAMES | {"eccentricity": "eccentricity"}).items():
        expected = [region[name] for region in regions]
        np.testing.assert_allclose(columns[column], expected, rtol=1e-6, atol=1e-6, err_msg=column)
    angles = np.degrees([region.orientation for region in regions])[:-1]  # of a square any
    np.testing.assert_allclose(columns["orientation_deg"][:-1], angles, atol=1e-6)
    assert columns["eccentricity"][-1] == 0
    for axis, letter in enumerate("yx"):
        middles = [region.centroid[axis] + 0.5 * corner[axis] for region in regions]
        np.testing.assert_allclose(columns[f"centroid_{letter}_um"], middles, rtol=1e-12)


@pytest.mark.parametrize(("image", "labels"), [scene(), stack()])
def test_neighbours_and_the_border_that_they_share(image, labels):
    spacing = (2.0, 0.4, 0.5)[-labels.ndim :]
    table = measure(image, labels, NO_ZONES, spacing=spacing)
    assert table["neighbours"].max() > 1
    for row, cell in enumerate(table["id"]):
        faces, partners = border_faces(labels, cell)
        assert table["neighbour_ids"][row] == " ".join(map(str, partners))
        assert table["neighbours"][row] == len(partners)
        assert table["shared_border_px"][row] == sum(faces)
        size = sum(n * np.prod(spacing) / s for n, s in zip(faces, spacing, strict=True))
        unit = "um" if labels.ndim == 2 else "um2"
        assert np.isclose(table[f"shared_border_{unit}"][row], size)


@pytest.mark.parametrize(("image", "labels"), [scene((30, 34), 6), stack(3)])
def test_rim_and_ring_hold_the_pixels_that_plain_loops_find(image, labels):
    spacing = (2.0, 0.5, 0.5)[-labels.ndim :]
    options = MeasureOptions(ring=Width(1.5, "um"), ring_gap=Width(1), rim=Width(2))
    table = measure(image, labels, options, spacing=spacing)
    steps = np.array(spacing) / 0.5
    for row, cell in enumerate(table["id"]):
        rim, ring = zones(labels, cell, steps=steps, rim=2, gap=1, ring=3)
        pixels = image[0][labels == cell].astype(float)
        on_rim = np.array([image[0][p] for p in rim], float)
        np.testing.assert_allclose(table["ch0_rim_mean"][row], on_rim.mean(), rtol=1e-6)
        if len(pixels) > len(rim):
            inside = (pixels.sum() - on_rim.sum()) / (len(pixels) - len(rim))
            np.testing.assert_allclose(table["ch0_inside_mean"][row], inside, rtol=1e-5, atol=1e-4)
        around = [image[0][p] for p in ring]
        low, high = (min(around), max(around)) if around else (np.nan, np.nan)
        assert not around or low <= table["ch0_background"][row] <= high


def test_the_ring_is_the_background_that_is_nearest_to_a_cell():
    labels = np.zeros((5, 12), np.uint8)
    labels[2, 2], labels[2, 9] = 1, 2
    image = np.arange(60).reshape(5, 12) ** 2
    options = MeasureOptions(ring=Width(1), ring_gap=Width(1), rim=Width(1))
    table = measure(image, labels, options)
    # further than 1 and at most 2 away: (0, 2), (1, 1), (1, 3), (2, 0), (2, 4), (3, 1) …
    expected = [
        np.median([image[p] for p in np.ndindex(5, 12) if 1 < np.hypot(p[0] - 2, p[1] - x) <= 2])
        for x in (2, 9)
    ]
    assert table["ch0_background"].tolist() == expected
    assert table["ch0_mean_corrected"].tolist() == [26**2 - expected[0], 33**2 - expected[1]]
    assert np.isnan(table["ch0_inside_mean"]).all()  # the rim is all of it


def test_the_result_does_not_depend_on_the_blocks(monkeypatch):
    for image, labels in (scene((50, 40)), stack(1)):
        nuclei = np.where(image[0] > np.median(image[0]), labels, 0)
        options = MeasureOptions(shape=True)
        whole = measure(image, labels, options, nuclei=nuclei, region=labels % 3 != 0)
        for size in (1, 300):
            monkeypatch.setattr(field, "BLOCK_PIXELS", size)
            parts = measure(image, labels, options, nuclei=nuclei, region=labels % 3 != 0)
            monkeypatch.undo()
            assert list(parts.columns) == list(whole.columns)
            for name, column in whole.columns.items():
                if column.dtype == object or name.endswith(("background", "corrected")):
                    continue  # a pixel that is equally near to two cells may go to either
                np.testing.assert_allclose(parts[name], column, rtol=1e-9, err_msg=name)


def test_nuclei_belong_to_the_cell_with_more_than_half_of_them():
    labels = np.array([[1, 1, 1, 1, 5, 5, 5, 5, 0, 0]] * 2)
    nuclei = np.array([[0, 9, 9, 0, 7, 7, 0, 3, 3, 0], [4, 0, 8, 8, 8, 0, 0, 0, 3, 0]])
    image = np.arange(20.0).reshape(2, 10)
    table = measure(image, labels, NO_ZONES, nuclei=nuclei, spacing=(0.5, 0.5))
    assert table["nuclei"].tolist() == [3, 1]
    assert table["nucleus_id"].tolist() == [9, 7]
    assert table["nucleus_area_px"].tolist() == [2 + 1 + 2, 2]  # 8 is cut by the cell
    assert table["nucleus_area_um2"].tolist() == [1.25, 0.5]
    assert table["nucleus_share"].tolist() == [5 / 8, 2 / 8]
    assert table["ch0_nucleus_mean"].tolist() == [(1 + 2 + 10 + 12 + 13) / 5, 4.5]
    assert table["ch0_cytoplasm_mean"].tolist() == [
        (0 + 3 + 11) / 3,
        (6 + 7 + 14 + 15 + 16 + 17) / 6,
    ]


def test_a_region_keeps_the_cells_with_more_than_half_of_their_pixels_in_it():
    labels = np.array([[1, 1, 2, 2, 3, 3, 3]])
    region = np.array([[255, 255, 255, 0, 0, 255, 255]])
    assert measure(labels, labels, region=region)["id"].tolist() == [1, 3]


def test_a_cell_of_a_single_slice_is_its_own_hull():
    labels = np.zeros((3, 4, 5), int)
    labels[1, 1:3, 1:4] = 1
    table = measure(labels, labels, MeasureOptions(shape=True))
    assert (table["hull_volume_px"][0], table["solidity"][0]) == (6, 1)


def test_cells_at_the_edge_are_marked_and_may_be_dropped():
    labels = np.zeros((5, 6), int)
    labels[0, 2], labels[2, 2], labels[3, 5] = 4, 6, 8
    table = measure(labels, labels)
    assert table["touches_edge"].tolist() == [True, False, True]
    assert measure(labels, labels, MeasureOptions(exclude_edge=True))["id"].tolist() == [6]
    one_slice = measure(labels[None], labels[None])  # an axis of one pixel has no edge
    assert one_slice["touches_edge"].tolist() == [True, False, True]


def test_ids_may_be_large_and_negative_pixels_are_no_cell():
    labels = np.array([[70_000, 70_000, 0, -1], [-1, 2**40, 2**40, 0]])
    image = np.array([[1, 3, 0, 50], [60, 5, 6, 0]], np.uint8)
    table = measure(image, labels)
    assert table["id"].tolist() == [70_000, 2**40]
    assert table["ch0_sum"].tolist() == [4, 11]
    assert table["neighbours"].tolist() == [1, 1]


@pytest.mark.parametrize("labels", [np.zeros((4, 5), int), np.zeros((3, 4, 5), np.uint16)])
def test_an_image_without_cells_gives_all_columns_and_no_row(labels):
    options = MeasureOptions(shape=True)
    empty = measure(labels * 1.0, labels, options, nuclei=labels, region=labels)
    with_cells = measure(labels * 1.0, labels + 1, options, nuclei=labels + 1)
    assert len(empty) == 0
    assert list(empty.columns) == list(with_cells.columns)


def test_without_a_pixel_size_columns_in_micrometres_are_empty():
    image, labels = scene()
    table = measure(image, labels)
    assert np.isnan(table["area_um2"]).all()
    assert np.isnan(table["shared_border_um"]).all()  # also of cells without neighbours
    assert np.isnan(table["major_axis_um"]).all()
    assert np.isfinite(table["major_axis_px"]).all()
    assert np.isfinite(table["eccentricity"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.ones((4, 5))}, ["labels must be integers"]),
        ({"labels": np.ones((4, 6), int)}, ["labels must have the shape", "(4, 6)"]),
        ({"image": np.full((4, 5), np.nan)}, ["NaN", "replace them"]),
        ({"spacing": (1, 2, 3)}, ["spacing must be 2 positive numbers"]),
        ({"nuclei": np.ones((5, 4), int)}, ["nuclei must have the shape"]),
        ({"options": MeasureOptions(ring=Width(2, "um"))}, ["ring is in µm", "--spacing"]),
        ({"options": MeasureOptions(names=("a", "b"))}, ["1 channel, 2 with a name"]),
    ],
)
def test_bad_input_is_one_line(change, words):
    arguments = {"image": np.ones((4, 5)), "labels": np.ones((4, 5), int)} | change
    with pytest.raises((ValueError, TypeError)) as caught:
        measure(**arguments)
    assert one_line(caught, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 3}, ["threshold needs positive"]),
        ({"spacing": (1, -1)}, ["spacing must be a positive number"]),
        ({"names": ("a", "a")}, ["names of channels must differ"]),
        ({"positive_by": "mode"}, ["positive_by must be mean or"]),
        ({"positive_by": "mean_corrected", "ring": Width(0)}, ["needs a ring"]),
    ],
)
def test_bad_options_are_one_line(options, words):
    with pytest.raises(ValueError, match=r" ") as caught:
        MeasureOptions(**options)
    assert one_line(caught, *words)
