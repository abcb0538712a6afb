"""Numbers of cells in the metadata of OME-Zarr labels."""

import numpy as np
import pytest

from seamwise.io import write_image, write_labels
from seamwise.io.ome_zarr import ZarrStorage, create_labels, write_properties
from seamwise.io.ome_zarr.label_table import MOST_LABELS
from seamwise.io.ome_zarr.metadata import read_attributes
from seamwise.measure import MeasureOptions, measure_files, pair_images
from support.files import one_line

LABELS = np.zeros((30, 40), np.uint16)
LABELS[3:9, 4:10] = 7
LABELS[20:22, 20:30] = 300


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_viewers_read_what_was_measured(tmp_path, version):
    pytest.importorskip("ome_zarr")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    image, storage = tmp_path / "x.ome.zarr", ZarrStorage(version=version)
    write_image(image, LABELS * 2, axes="YX", spacing=(0.5, 0.5), storage=storage)
    with create_labels(image, "cells") as draft:
        draft.array[...] = LABELS
    before = read_attributes(image / "labels" / "cells")[0]
    options = MeasureOptions(positive="ch0", threshold=100)
    for _ in range(2):  # the second time replaces the numbers of the first
        (outcome,) = measure_files(
            pair_images(image, image), tmp_path / "c.csv", options, properties=True, overwrite=True
        )
        assert not outcome.failed
    after = read_attributes(image / "labels" / "cells")[0]
    assert after["image-label"]["colors"] == before["image-label"]["colors"]
    assert after["multiscales"] == before["multiscales"]
    nodes = list(Reader(parse_url(image))())
    (metadata,) = [node.metadata for node in nodes if "properties" in node.metadata]
    seven, other = metadata["properties"][7], metadata["properties"][300]
    assert (seven["pixels"], seven["area_um2"], seven["ch0_mean"]) == (36, 9, 14)
    assert (seven["ch0_positive"], other["ch0_positive"]) == (False, True)
    assert "ch0_inside_mean" not in other  # it has a rim only: NaN is not JSON
    assert "neighbour_ids" not in seven


def test_labels_that_were_not_measured_keep_no_number_of_an_earlier_run(tmp_path):
    path = tmp_path / "x.ome.zarr"
    write_image(path, LABELS, axes="YX", labels=True)
    write_properties(path, np.array([7, 300]), {"mean": np.array([1.0, 2.0])})
    write_properties(path, np.array([300]), {"mean": np.array([50.0])})
    seven, other = read_attributes(path)[0]["image-label"]["properties"]
    assert (seven["label-value"], "mean" in seven, seven["pixels"]) == (7, False, 36)
    assert (other["label-value"], other["mean"]) == (300, 50)


def test_a_table_is_whole_where_labels_take_no_numbers(tmp_path):
    write_labels(tmp_path / "a.tif", LABELS)
    series = np.stack([LABELS, LABELS])
    for name in ("s", "l"):
        write_image(tmp_path / f"{name}.ome.zarr", series, axes="TYX", labels=name == "l")
    for image, labels, words in (
        ("a.tif", "a.tif", "must be OME-Zarr to hold numbers: use the table"),
        ("s.ome.zarr", "l.ome.zarr", "the labels of a series hold no numbers: use the table"),
    ):
        pairs = pair_images(tmp_path / image, tmp_path / labels)
        (outcome,) = measure_files(pairs, tmp_path / "c.csv", properties=True, overwrite=True)
        assert outcome.failed
        assert words in outcome.messages[-1]
        assert (tmp_path / "c.csv").exists()


def test_metadata_that_are_damaged_or_would_be_huge_stay_as_they_are(tmp_path):
    write_image(tmp_path / "x.ome.zarr", LABELS, axes="YX", labels=True)
    file = tmp_path / "x.ome.zarr" / "zarr.json"
    many = np.arange(1, MOST_LABELS + 2)
    before = file.read_text()
    with pytest.raises(ValueError, match="10001 cells") as caught:
        write_properties(tmp_path / "x.ome.zarr", many, {"a": many})
    assert one_line(caught)
    file.write_text(before.replace('"label-value": 7', '"label-value": "seven"'))
    damaged = file.read_text()
    with pytest.raises(ValueError, match="list of properties") as caught:
        write_properties(tmp_path / "x.ome.zarr", many[:1], {"a": many[:1]})
    assert one_line(caught)
    assert file.read_text() == damaged
