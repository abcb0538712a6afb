import numpy as np
import pytest
from PIL import Image

from seamwise.segmentation.heatmap import heatmap


@pytest.mark.parametrize("shape", [(30, 40), (7, 30, 40), (2, 900), (900, 2), (1, 1)])
def test_pictures_of_any_shape_have_a_sensible_size(tmp_path, shape):
    heatmap(tmp_path / "map.png", np.random.default_rng(0).random(shape), title="a map")
    with Image.open(tmp_path / "map.png") as picture:
        assert all(200 < side < 2000 for side in picture.size)


def test_of_a_stack_the_middle_slice_is_drawn(tmp_path):
    stack = np.zeros((5, 20, 20))
    stack[2] = 1
    heatmap(tmp_path / "stack.png", stack)
    heatmap(tmp_path / "slice.png", stack[2])
    assert (tmp_path / "stack.png").read_bytes() == (tmp_path / "slice.png").read_bytes()
