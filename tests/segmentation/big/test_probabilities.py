"""From disk to disk: probabilities kept block by block."""

import numpy as np
import pytest

from seamwise.io.images import read_image, read_labels
from seamwise.segmentation import (
    OutputOptions,
    SegmentOptions,
    decode_files,
    segment,
    segment_files,
)
from support.block_runs import run
from support.probabilities import same_up_to_numbers
from support.volumes import blobs

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.mark.parametrize("tile", [40, 80])
def test_probabilities_are_kept_block_by_block_and_decode_to_the_same_cells(
    tmp_path, image, models, tile
):
    output = tmp_path / "out" / "a.ome.zarr"
    output.parent.mkdir()
    options = {"model": models[2], "tile": tile, "decode": "argmax"}
    run(image, output, **options, probabilities=True)
    maps = read_image(output.parent / "probabilities" / "a.ome.zarr")
    assert (maps.axes, maps.data.dtype, maps.spacing) == ("CYX", np.float16, (0.5, 0.25))
    expected = segment(blobs((70, 100)), model=models[2]).probabilities
    assert np.mean(np.abs(maps.data - expected) < 0.02) > 0.999
    run(image, tmp_path / "without.ome.zarr", **options)
    np.testing.assert_array_equal(read_labels(output), read_labels(tmp_path / "without.ome.zarr"))
    outcomes = list(decode_files([output.parent / "probabilities"], tmp_path / "decoded"))
    assert not outcomes[0].failed
    assert outcomes[0].messages[0] == "cells by argmax, as stored with the probabilities"
    assert same_up_to_numbers(read_labels(tmp_path / "decoded" / "a.tif"), read_labels(output))


def test_labels_within_an_image_come_without_probabilities(tmp_path, image, models):
    files = OutputOptions(probabilities=True)
    (outcome,) = segment_files([image], image, SegmentOptions(model=models[2]), files=files)
    assert "no probabilities within an image: choose a folder" in outcome.messages[-2]
    assert not (tmp_path / "probabilities").exists()
