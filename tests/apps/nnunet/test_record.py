"""What the trainers read in dataset.json, and what they refuse."""

import pytest

from seamwise_nnunet.record import check_classes, class_counts

THREE = {"background": 0, "cell": 1, "touching": 2}
FOUR = {**THREE, "gap": 3}


@pytest.mark.parametrize("labels", [THREE, {**THREE, "ignore": 3}, dict(reversed(THREE.items()))])
def test_our_classes_are_taken(labels):
    check_classes({"labels": labels}, (3,), "nnUNetTrainerJ3")


@pytest.mark.parametrize(
    ("labels", "sizes", "words"),
    [
        (
            FOUR,
            (3,),
            "needs the first 3 classes of background, cell, touching, gap, not background",
        ),
        (
            THREE,
            (4,),
            "write them with seamwise nnunet-dataset --classes 4, or take nnUNetTrainerJ",
        ),
        ({"background": 0, "cell": 1}, (3, 4), "needs the first 3 or 4 classes"),
        (
            {"background": 0, "touching": 1, "cell": 2},
            (3,),
            "not background, touching, cell: write",
        ),
        ({"background": 0, "cell": [1, 2], "seam": [2]}, (), "not regions: give each label"),
    ],
)
def test_other_classes_are_refused_in_one_line(labels, sizes, words):
    with pytest.raises(ValueError, match=r"^nnUNetTrainerX needs [^\n]*$") as error:
        check_classes({"labels": labels}, sizes, "nnUNetTrainerX")
    assert words in str(error.value)


def test_a_trainer_of_any_classes_takes_any():
    check_classes({"labels": {"background": 0, "liver": 1}}, (), "nnUNetTrainerJ")


def test_counts_are_those_of_the_data_set():
    record = {"labels": {**THREE, "ignore": 3}, "seamwise": {"counts": [70, 20, 10]}}
    assert class_counts(record, "nnUNetTrainerW3") == (70, 20, 10)


@pytest.mark.parametrize(
    "entry",
    [{}, {"seamwise": {}}, {"seamwise": 3}, {"seamwise": {"counts": [7, 2]}}]
    + [{"seamwise": {"counts": counts}} for counts in ([7, 2, 0.5], "701", [7, 2, 1, 1])],
)
def test_counts_that_are_missing_or_others_are_one_line(entry):
    with pytest.raises(ValueError, match=r"write the data set with seamwise nnunet-dataset$"):
        class_counts({"labels": THREE, **entry}, "nnUNetTrainerW3")
