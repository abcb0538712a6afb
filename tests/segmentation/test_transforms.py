import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise import weights
from seamwise.labels import binary_target, semantic_target
from seamwise.segmentation.transforms import (
    MAPS,
    TargetAndWeight,
    TargetAndWeightd,
    count_classes,
    mean_weight,
)
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
        ({"map": "w4"}, "map must be one of balance, dwm, pieces, saw, unet, w3, not 'w4'"),
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


# --- batches -------------------------------------------------------------------------------------

OTHER = crowded_cells((40, 50), cells=6, radius=7, rng=1).labels.astype(int)


@pytest.mark.parametrize("map_name", [None, "w3"])
def test_a_batch_is_done_image_by_image(map_name):
    transform = TargetAndWeight(map=map_name, classes=4)
    alone = [transform(LABELS, spacing=(1, 2)), transform(OTHER, spacing=(1, 2))]
    batch = np.stack([LABELS, OTHER])
    for labels in (batch, batch[:, None], torch.from_numpy(batch)[:, None].float()):
        target, weight = transform(labels, spacing=(1, 2), batched=True)
        assert target.shape == labels.shape
        assert (weight is None) == (map_name is None)
        for number, (one_target, one_weight) in enumerate(alone):
            np.testing.assert_array_equal(np.asarray(target[number]).squeeze(), one_target)
            if weight is not None:
                np.testing.assert_array_equal(np.asarray(weight[number]).squeeze(), one_weight)


def test_a_batch_of_stacks_of_one_slice_keeps_its_axis():
    transform = TargetAndWeight(map="dwm")
    stacks = np.stack([LABELS, OTHER])[:, None]
    _, weight = transform(stacks, spacing=(3, 1, 2), batched=True)
    np.testing.assert_array_equal(weight[0, 0], transform(LABELS, spacing=(1, 2))[1])


@pytest.mark.parametrize(
    ("shape", "spacing"), [((2, 1, 8, 9), None), ((2, 3, 8, 9), (1, 1, 1)), ((2, 8, 9), (1, 1))]
)
def test_a_batch_without_a_word_is_refused(shape, spacing):
    labels = np.zeros(shape, int)
    labels[..., 2:5, 2:5] = 1
    for given in (labels, torch.from_numpy(labels)):
        with pytest.raises(ValueError, match=r"labels must be those of one image, .*batched=True"):
            TargetAndWeight(map="w3")(given, spacing=spacing)


@pytest.mark.parametrize("shape", [(0, 8, 9), (0, 1, 8, 9), (7,), ()])
@pytest.mark.parametrize("name", [None, "balance"])
def test_what_is_no_batch_is_refused(shape, name):
    labels = np.zeros(shape, int)
    for batch in (labels, torch.from_numpy(labels)):
        words = r"labels must be (a batch \(N, \*S\) or .*, not \(|an image, not the single number)"
        with pytest.raises(ValueError, match=words):
            TargetAndWeight(map=name)(batch, batched=True)


def test_labels_of_bfloat16_are_refused():
    with pytest.raises(TypeError, match="labels must be a tensor of integers, not of bfloat16"):
        TargetAndWeight()(torch.from_numpy(LABELS).to(torch.bfloat16))


# --- scale ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAPS)
def test_a_scale_divides_by_the_mean_over_what_is_not_ignored(name):
    plain = TargetAndWeight(map=name)(LABELS)[1]
    target, weight = TargetAndWeight(map=name, scale="mean")(LABELS)
    assert weight.dtype == np.float32
    assert weight[target >= 0].mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(weight, plain / plain[target >= 0].mean(), rtol=1e-5)


def test_a_number_multiplies_and_nothing_to_scale_stays():
    plain, twice = TargetAndWeight(map="w3"), TargetAndWeight(map="w3", scale=2)
    np.testing.assert_array_equal(twice(LABELS)[1], 2 * plain(LABELS)[1])
    ignored = np.full((4, 5), -1)
    mean = TargetAndWeight(map="w3", scale="mean")
    np.testing.assert_array_equal(mean(ignored)[1], plain(ignored)[1])


def test_the_mean_weight_of_a_data_set_makes_its_mean_1():
    images = [LABELS, OTHER[:20, :20]]
    transform = TargetAndWeight(map="w3", counts=(3000, 900, 100))
    mean = mean_weight(images, transform)
    scaled = [replace(transform, scale=1 / mean)(image) for image in images]
    pixels = np.concatenate([weight[target >= 0] for target, weight in scaled])
    assert pixels.mean() == pytest.approx(1, rel=1e-5)
    assert mean_weight(images, replace(transform, scale=7)) == mean
    assert mean_weight([np.full((2, 2), -1)], transform) == 0


@pytest.mark.parametrize("measure", [mean_weight, count_classes])
def test_each_label_image_of_a_data_set_needs_a_spacing(measure):
    transform = TargetAndWeight(map="balance", classes=4, counts=(6, 2, 1, 1))
    images = [LABELS, OTHER]
    measure(images, transform, spacings=[None, (1, 2)])
    for spacings in ([None], [None] * 3, []):
        with pytest.raises(ValueError, match=r"spacings must be one for each label image, not \w+"):
            measure(images, transform, spacings=spacings)


@pytest.mark.parametrize("measure", [mean_weight, count_classes])
def test_a_data_set_is_measured_in_any_type_of_labels(measure):
    transform = TargetAndWeight(map="balance", classes=4, counts=(6, 2, 1, 1))
    expected = measure([LABELS], transform)
    assert measure([LABELS.astype(np.float32)], transform) == expected
    assert measure([torch.from_numpy(LABELS)], transform) == expected


@pytest.mark.parametrize("scale", ["median", 0, -1, np.inf, np.nan, True])
def test_other_scales_are_refused(scale):
    with pytest.raises(ValueError, match='scale must be "mean" or a positive number, not '):
        TargetAndWeight(map="w3", scale=scale)
    with pytest.raises(ValueError, match="scale belongs to a weight map"):
        TargetAndWeight(scale="mean")
