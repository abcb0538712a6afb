"""Non-maximum suppression and RoIAlign in plain torch, against answers written out."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch


@pytest.fixture
def script(scripts):
    return scripts.box_operators


# --- non-maximum suppression


def test_a_box_that_overlaps_a_better_one_by_more_than_the_threshold_is_dropped(script):
    boxes = torch.tensor(
        [
            [0.0, 0.0, 4.0, 2.0],  # IoU with the next: 6 of 10
            [1.0, 0.0, 5.0, 2.0],
            [2.0, 0.0, 6.0, 2.0],  # IoU with the one before 6 of 10, with the first 4 of 12
            [9.0, 9.0, 9.0, 9.0],  # empty
        ]
    )
    scores = torch.tensor([0.9, 0.8, 0.7, 0.1])

    def kept(threshold):
        return script.non_maximum_suppression(boxes, scores, threshold).tolist()

    assert kept(0.5) == [0, 2, 3]  # the second is dropped, and so does not drop the third
    assert kept(0.61) == [0, 1, 2, 3]
    assert kept(0.3) == [0, 3]


def test_boxes_are_taken_by_score_and_ties_in_the_order_given(script):
    boxes = torch.tensor([[0.0, 0, 1, 1], [5.0, 5, 6, 6], [0.0, 0, 1, 1], [8.0, 8, 9, 9]])
    scores = torch.tensor([0.5, 0.9, 0.5, 0.6])
    assert script.non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 3, 0]


def test_no_boxes_are_kept_of_none(script):
    kept = script.non_maximum_suppression(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.tolist() == []
    assert kept.dtype == torch.int64


def test_a_slow_plain_suppression_keeps_the_same(script):
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 20, (60, 2))
    boxes = np.hstack([corners, corners + rng.integers(1, 12, (60, 2))]).astype(np.float32)
    scores = rng.permutation(60) / 60

    def pixels(box):
        x1, y1, x2, y2 = box.astype(int)
        return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}

    kept = []
    for i in np.argsort(-scores):
        box = pixels(boxes[i])
        others = [pixels(boxes[j]) for j in kept]
        if all(len(box & other) / len(box | other) <= 0.4 for other in others):
            kept.append(i)
    answer = script.non_maximum_suppression(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4)
    assert answer.tolist() == kept
    assert 5 < len(kept) < 55


# --- RoIAlign


def ramp(height=4, width=6):
    """Values 10 y + x."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (10.0 * y + x)[None, None]


def test_a_bin_has_the_mean_of_its_points(script):
    box = torch.tensor([[1.0, 0.0, 5.0, 2.0]])  # a bin is two pixels wide and one high
    for points in (1, 2, -1):
        aligned = script.roi_align(ramp(), [box], 2, sampling_ratio=points)
        assert aligned.tolist() == [[[[7.0, 9.0], [17.0, 19.0]]]]  # 10 · 0.5 + 2, …


def test_bins_may_be_other_than_square_and_features_smaller_than_the_image(script):
    box = torch.tensor([[2.0, 0.0, 10.0, 4.0]])
    aligned = script.roi_align(ramp(), [box], (2, 4), spatial_scale=0.5, sampling_ratio=2)
    assert aligned.shape == (1, 1, 2, 4)
    np.testing.assert_allclose(
        aligned[0, 0], [[6.5, 7.5, 8.5, 9.5], [16.5, 17.5, 18.5, 19.5]], rtol=1e-5
    )


def test_the_points_of_a_bin_are_as_many_as_its_pixels(script):
    """So each value of a row of 0, 1, 0, 1, … counts as much as the others."""
    stripes = torch.tensor([0.0, 1.0]).repeat(4)[None, None, None].expand(1, 1, 1, 8)
    box = torch.tensor([[-0.5, 0.0, 7.5, 1.0]])  # bins of 8 / 2 pixels along x
    aligned = script.roi_align(stripes, [box], (1, 2))
    np.testing.assert_allclose(aligned.flatten(), [0.5, 0.5])
    box = torch.tensor([[-0.5, 0.0, 5.5, 1.0]])  # of 6 / 2
    aligned = script.roi_align(stripes, [box], (1, 2))
    np.testing.assert_allclose(aligned.flatten(), [1 / 3, 2 / 3], rtol=1e-5)


def test_a_narrow_box_counts_as_one_pixel_wide_and_the_border_goes_on(script):
    box = torch.tensor([[2.0, 1.0, 2.0, 1.0], [5.0, 3.0, 9.0, 9.0]])
    aligned = script.roi_align(ramp(), [box], 1, sampling_ratio=1)
    assert aligned.flatten().tolist() == [17.5, 35.0]  # at (1.5, 2.5); beyond the last pixel


def test_boxes_know_their_image(script):
    images = torch.cat([ramp(), ramp() + 100])
    boxes = [torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]])]
    listed = script.roi_align(images, boxes, 1)
    assert listed.flatten().tolist() == [11.0, 112.0]
    numbered = torch.tensor([[1.0, 1, 0, 3, 2], [0.0, 0, 0, 2, 2]])
    assert script.roi_align(images, numbered, 1).flatten().tolist() == [112.0, 11.0]
    none = script.roi_align(images, [torch.zeros(0, 4)] * 2, 7)
    assert none.shape == (0, 1, 7, 7)


def test_gradients_flow_into_the_features(script):
    features = torch.rand(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor(
        [[0.0, 0.3, 0.2, 4.1, 3.9], [1.0, 1.0, 1.0, 5.0, 4.0]], dtype=torch.float64
    )
    assert torch.autograd.gradcheck(lambda x: script.roi_align(x, boxes, 2, 1.0, 2), features)


# --- in place of torchvision's


def modules(monkeypatch, *names):
    stubs = {name: ModuleType(name) for name in names}
    for name, module in stubs.items():
        monkeypatch.setitem(sys.modules, name, module)
    return stubs


USERS = (
    "torchvision.ops.boxes",
    "torchvision.ops.poolers",
    "torchvision.models.detection.roi_heads",
)


def test_a_torchvision_that_works_keeps_its_own(script, monkeypatch):
    stubs = modules(monkeypatch, "torchvision", *USERS)
    own = stubs["torchvision.ops.boxes"].nms = object()
    assert not script.stand_in()
    assert stubs["torchvision.ops.boxes"].nms is own


def test_a_torchvision_without_operators_gets_ours(script, monkeypatch):
    stubs = modules(monkeypatch, *USERS)
    real, defined = script.importlib.import_module, []

    def imported(name):
        if name == "torchvision" and not defined:
            raise RuntimeError("operator torchvision::nms does not exist")
        return ModuleType(name) if name == "torchvision" else real(name)

    monkeypatch.setattr(script.importlib, "import_module", imported)
    monkeypatch.setattr(torch.library, "define", lambda name, schema: defined.append(name))
    assert script.stand_in()
    assert defined == ["torchvision::nms", "torchvision::qnms"]
    assert stubs["torchvision.ops.boxes"].nms is script.non_maximum_suppression
    for user in USERS[1:]:
        assert stubs[user].roi_align is script.roi_align
    assert script.stand_in()  # a second call does not take ours for torchvision's
    assert len(defined) == 2


def test_another_fault_of_torchvision_is_its_own(script, monkeypatch):
    asked = []

    def imported(name):
        asked.append(name)
        if len(asked) == 1:
            raise RuntimeError("another")
        return ModuleType(name)

    monkeypatch.setattr(script.importlib, "import_module", imported)
    with pytest.raises(RuntimeError, match="another"):
        script.stand_in()
