"""A lane that reports before each tile."""

from dataclasses import replace

import numpy as np
import pytest

from seamwise.engine import Lane
from seamwise.segmentation import load, segment


class StoppedError(Exception):
    """What a report raises to stop the work."""


def test_pixels_of_tiles_are_counted_and_other_work_is_not():
    counts = []
    lane = Lane(counts.append)
    assert lane.submit(np.sum, np.ones((2, 3, 5)), axis=0).result().shape == (3, 5)
    assert lane.submit(lambda: 7).result() == 7
    assert lane.submit(np.size, np.ones((1, 4, 4))).result() == 16
    lane.submit(lambda: None)
    assert counts == [0, 15, 15, 31]


def test_a_report_stops_a_segmentation_between_two_tiles():
    image = np.random.default_rng(0).integers(0, 255, (1200, 64), np.uint8)
    counts = []

    def report(done):
        counts.append(done)
        if done:
            raise StoppedError

    model = load("nuclei-2d")
    with pytest.raises(StoppedError):
        segment(image, model=replace(model, lane=Lane(report)), tile=600)
    assert len(counts) == 2
    assert counts[0] == 0
    assert 0 < counts[1] < image.size / 2
