"""Pixel sizes that files give, in micrometres, and those that no pixel can have."""

import numpy as np
import pytest
import tifffile

from seamwise.io import open_volume, read_image
from seamwise.io.pixel_sizes import (
    credible_sizes,
    imagej_sizes,
    ome_sizes,
    ome_zarr_sizes,
    shaped_sizes,
)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("m", 1e6), ("cm", 1e4), ("mm", 1e3), ("µm", 1), ("nm", 1e-3), ("pm", 1e-6), ("Å", 1e-4)],
)
def test_ome_units(unit, factor):
    pixels = f'<Pixels PhysicalSizeY="2" PhysicalSizeYUnit="{unit}"/>'
    xml = f'<OME xmlns="o"><Image>{pixels}</Image></OME>'
    assert ome_sizes(xml) == {"Y": pytest.approx(2 * factor)}


def test_ome_default_unit_is_micrometre_and_first_image_counts():
    first, second = '<Pixels PhysicalSizeX="0.3"/>', '<Pixels PhysicalSizeX="9" PhysicalSizeY="9"/>'
    xml = f'<OME xmlns="o">{first}{second}</OME>'
    assert ome_sizes(xml) == {"X": 0.3}


@pytest.mark.parametrize(
    "given", ['"wide"', '"3" PhysicalSizeXUnit="pixel"', '"nan" PhysicalSizeXUnit="pixel"']
)
def test_ome_sizes_without_sense_are_left_out(given):
    assert ome_sizes(f'<OME xmlns="o"><Pixels PhysicalSizeX={given} PhysicalSizeZ="2"/></OME>') == {
        "Z": 2.0
    }


def test_ome_without_pixels():
    assert ome_sizes('<OME xmlns="o"/>') == {}


def test_imagej_sizes():
    metadata = {"unit": "\\u00B5m", "spacing": -2.5, "yunit": "nm"}
    assert imagej_sizes(metadata, (4, 1), (1, 500)) == {
        "Z": 2.5,
        "Y": pytest.approx(0.5),
        "X": 0.25,
    }


@pytest.mark.parametrize("metadata", [{}, {"unit": "inch"}, {"unit": "pixel"}, {"unit": ""}])
def test_imagej_resolution_without_a_length_is_not_a_size(metadata):
    assert imagej_sizes({"spacing": 1.0, **metadata}, (72, 1), (72, 1)) == {}


@pytest.mark.parametrize("resolution", [None, (0, 1), 72])
def test_imagej_broken_resolution(resolution):
    assert imagej_sizes({"unit": "um"}, resolution, (2, 1)) == {"Y": 0.5}


@pytest.mark.parametrize("spacing", [None, 2.0, [1.0], "wide"])
def test_shaped_sizes_need_one_number_per_axis(spacing):
    assert shaped_sizes({"axes": "YX", "spacing": spacing, "unit": "um"}) == {}


def test_ome_zarr_sizes_without_sense_are_left_out():
    assert ome_zarr_sizes("TZYX", (9, 2, 3, 4), ("second", "nanometer", None, "parsec")) == {
        "Z": 0.002
    }


@pytest.mark.parametrize("size", [0.0, -1.0, -0.5, 1e30, 1e-9, np.nan, np.inf])
def test_sizes_that_no_pixel_can_have_count_as_missing_and_are_told(size):
    credible, note = credible_sizes({"Z": 2.0, "X": size}, {"Z": 3, "X": 9}, name="x.tif")
    assert credible == {"Z": 2.0}
    assert note == f"x.tif gives a pixel size of {size:g} µm along X: it counts as missing"


def test_credible_sizes_have_no_note():
    sizes = {"Z": 1e7, "Y": 0.5, "X": 1e-6}
    assert credible_sizes(sizes, {"Z": 3, "Y": 4, "X": 5}, name="x.tif") == (sizes, "")


def test_equal_sizes_are_told_together_and_axes_of_one_pixel_not_at_all():
    sizes = {"Z": 0.0, "Y": -1.0, "X": -1.0}
    assert credible_sizes(sizes, {"Z": 1, "Y": 4, "X": 5}, name="x.tif") == (
        {},
        "x.tif gives a pixel size of -1 µm along Y, X: it counts as missing",
    )
    assert credible_sizes({"Y": -1.0, "X": 0.0}, {"Y": 4, "X": 5}, name="x.tif")[1].startswith(
        "x.tif gives a pixel size of -1 µm along Y and 0 µm along X: "
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"metadata": {"axes": "YX", "PhysicalSizeX": -1, "PhysicalSizeY": 0.5}, "ome": True},
        {"metadata": {"axes": "YX", "unit": "um"}, "resolution": (1e-9, 2), "imagej": True},
        {"metadata": {"axes": "YX", "unit": "um", "spacing": [0.5, -1]}},
    ],
    ids=["ome", "imagej", "shaped"],
)
def test_every_kind_of_tiff_tells_of_a_size_without_sense(tmp_path, metadata):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.ones((4, 5), np.uint8), **metadata)
    for image in (read_image(path), open_volume(path)):
        assert image.spacing is None
        assert "x.tif gives a pixel size of " in image.note
        assert " µm along X: it counts as missing" in image.note
