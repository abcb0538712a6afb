import pickle

import numpy as np
import pytest
import torch

from seamwise import weights
from seamwise.labels import binary_target, semantic_target
from seamwise.segmentation.transforms import MAPS, TargetAndWeight, TargetAndWeightd, count_classes
from seamwise.synth import crowded_cells

LABELS = crowded_cells((40, 50), cells=6, radius=7, rng=0).labels.astype(int)
LABELS[:4] = -1


@pytest.mark.parametrize("name", MAPS)
def test_target_and_map_are_those_of_the_functions(name):
    transform = TargetAndWeight(map=name, classes=4, touching_radius=1, gap_radius=3)
    target, weight = transform(LABELS, spacing=(1, 2))
    np.testing.assert_array_equal(
        target, semantic_target(LABELS, touching_radius=1, gap_radius=3, spacing=(1, 2))
    )
    np.testing.assert_array_equal(weight, getattr(weights, name)(LABELS, target, spacing=(1, 2)))


def test_options_and_counts_reach_the_map():
    transform = TargetAndWeight(
        map="dwm", counts=(100, 20, 10), options={"beta": 5, "additive": True}
    )
    target, weight = transform(LABELS)
    expected = weights.dwm(LABELS, target, counts=(100, 20, 10), beta=5, additive=True)
    np.testing.assert_array_equal(weight, expected)


def test_without_a_map_there_are_no_weights():
    target, weight = TargetAndWeight(classes=2)(LABELS)
    assert weight is None
    assert target.max() == 1


def test_black_and_white_annotations():
    target, _ = TargetAndWeight(annotation="binary", gap_radius=3, classes=4)(LABELS)
    np.testing.assert_array_equal(target, binary_target(LABELS, classes=4, gap_radius=3))


def test_tensors_come_back_as_tensors():
    transform = TargetAndWeight(map="w3")
    target, weight = transform(torch.from_numpy(LABELS))
    expected = transform(LABELS)
    assert target.dtype == torch.int64
    assert weight.dtype == torch.float32
    np.testing.assert_array_equal(target, expected[0])
    np.testing.assert_array_equal(weight, expected[1])


def test_whole_floating_numbers_are_labels_and_others_are_not():
    transform = TargetAndWeight(map="balance")
    np.testing.assert_array_equal(transform(LABELS.astype(np.float32))[1], transform(LABELS)[1])
    for wrong in (LABELS + 0.5, np.where(LABELS > 0, np.nan, 0)):
        with pytest.raises(
            ValueError, match="labels must be whole numbers: resample them with nearest neighbours"
        ):
            transform(wrong)


def test_samples_that_are_dictionaries_keep_the_shape_of_their_labels():
    transform = TargetAndWeight(map="saw", options={"rounds": 3})
    expected = transform(LABELS, spacing=(1, 2))
    for labels in (LABELS, LABELS[None], torch.from_numpy(LABELS)[None].float()):
        added = TargetAndWeightd(
            ["mask"], transform, target_key="t", weight_key="w", spacing=(1, 2)
        )
        sample = added({"mask": labels, "image": 7})
        assert sample.keys() == {"mask", "image", "t", "w"}
        assert sample["t"].shape == sample["w"].shape == labels.shape
        np.testing.assert_array_equal(np.asarray(sample["t"]).reshape(LABELS.shape), expected[0])
        np.testing.assert_array_equal(np.asarray(sample["w"]).reshape(LABELS.shape), expected[1])
    assert "weight" not in TargetAndWeightd("mask", TargetAndWeight())({"mask": LABELS})


def test_it_runs_in_another_process():
    transform = TargetAndWeight(map="w3", options={"beta": 9})
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(transform))(LABELS)[1], transform(LABELS)[1]
    )


def test_a_volume_of_one_slice_keeps_its_axis_if_the_spacing_has_one():
    transform = TargetAndWeight(map="dwm")
    volume = TargetAndWeightd("mask", transform, spacing=(3, 1, 2))({"mask": LABELS[None]})
    np.testing.assert_array_equal(volume["weight"][0], transform(LABELS, spacing=(1, 2))[1])


def test_the_gap_of_an_anisotropic_stack_is_counted_as_it_is_trained():
    labels = np.zeros((9, 12, 12), int)
    labels[1:3, 3:9, 3:9], labels[5:7, 3:9, 3:9] = 1, 2
    transform = TargetAndWeight(classes=4, gap_radius=4)
    expected = weights.counts_of(transform.target(labels, spacing=(4, 1, 1)))
    assert count_classes([labels], transform, spacings=[(4, 1, 1)]) == tuple(expected)
    assert count_classes([labels], transform) != tuple(expected)


def test_classes_are_counted_over_all_images():
    assert count_classes(
        [np.array([1, 1, 2, 0, -1]), np.array([0, 0, 3])], TargetAndWeight(touching_radius=1)
    ) == (
        3,
        2,
        2,
        0,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map": "w4"}, "map must be one of balance, dwm, saw, unet, w3, not 'w4'"),
        (
            {"map": "dwm", "options": {"nu": 3}},
            "weight map dwm has no option 'nu': it has balance, beta, additive",
        ),
        (
            {"map": "saw", "options": {"normalization": "rarest"}},
            "weight map saw has no option 'normalization': use its new name, balance",
        ),
        ({"map": "dwm", "options": {"counts": 3}}, "weight map dwm has no option 'counts'"),
        ({"options": {"nu": 3}}, "options nu belong to a weight map: set map to one of"),
        ({"map": "dwm", "options": {"beta": -1}}, "beta must be a positive number, not -1"),
        ({"classes": 7}, "classes must be 2, 3 or 4, not 7"),
        (
            {"touching_radius": 0},
            "touching_radius and min_neighbours must be whole numbers of at least 1",
        ),
        ({"annotation": "lines"}, "annotation must be 'instances' or 'binary', not 'lines'"),
    ],
)
def test_bad_choices_are_reported_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        TargetAndWeight(**options)


def test_bad_keys_are_said():
    with pytest.raises(ValueError, match=r"keys must name one label image, not \['a', 'b'\]"):
        TargetAndWeightd(["a", "b"], TargetAndWeight())
    with pytest.raises(KeyError, match="the sample has no 'label', only image, mask"):
        TargetAndWeightd("label", TargetAndWeight())({"image": 0, "mask": 1})
