import numpy as np
import pytest

from seamwise.metrics import match
from seamwise.segmentation import AnnotatedImage, TrainSettings, with_unlabelled
from seamwise.segmentation.train import training_task
from seamwise.segmentation.unlabelled import check_background


def image_of(labels, **options):
    labels = np.array(labels, np.int32)
    return AnnotatedImage("a", np.zeros((1, *labels.shape), np.float32), labels, **options)


ROW = [[0, 0, 0, 1, 1, 0, 0, -1, 0]]


@pytest.mark.parametrize(
    ("unlabelled", "expected"),
    [
        ("background", [0, 0, 0, 1, 1, 0, 0, -1, 0]),
        ("near", [-1, 0, 0, 1, 1, 0, 0, -1, -1]),
    ],
)
def test_what_0_means(unlabelled, expected):
    (result,) = with_unlabelled([image_of(ROW)], unlabelled, 2)
    assert result.labels.tolist() == [expected]
    assert result.labels.dtype == np.int32


def test_ignore_keeps_the_cells_and_the_background_of_corrected_masks():
    first, second = with_unlabelled([image_of(ROW), image_of(ROW, is_corrected=True)], "ignore")
    assert first.labels.tolist() == [[-1, -1, -1, 1, 1, -1, -1, -1, -1]]
    assert second.labels.tolist() == ROW


@pytest.mark.parametrize(
    ("unlabelled", "radius", "remedy"),
    [("ignore", None, "choose near, or add"), ("near", 0.5, "give a larger --unlabelled-radius")],
)
def test_without_background_nothing_can_be_learned(unlabelled, radius, remedy):
    images = [image_of(ROW), image_of(ROW, is_corrected=True)]
    images = with_unlabelled(images, unlabelled, radius)
    check_background(images, unlabelled)
    with pytest.raises(ValueError, match=f"masks is background: {remedy}"):
        check_background(images[:1], unlabelled)
    check_background([image_of([[1, 1]])], "background")


def test_complete_masks_for_validation_do_not_help_the_training():
    images = [image_of(ROW), image_of(ROW, is_corrected=True)]
    settings = TrainSettings(unlabelled="ignore", width=2, depth=2)
    with pytest.raises(ValueError, match="no pixel of the training masks is background"):
        training_task(images[:1], images[1:], settings)


def test_the_radius_follows_from_the_cells_and_is_a_true_length():
    labels = np.zeros((40, 40), int)
    labels[10:28, 12:28] = 1  # 18 × 16 pixels, the disc of this area is 19.1 across: radius 4.8
    (result,) = with_unlabelled([image_of(labels)], "near")
    assert result.labels[19, 7:9].tolist() == [-1, 0]
    (thick,) = with_unlabelled([image_of(labels, spacing=(2.0, 1.0))], "near", 4)
    assert thick.labels[6:10, 19].tolist() == [-1, -1, 0, 0]


def test_an_image_without_cells_says_nothing():
    empty, _ = with_unlabelled([image_of([[0, 0]]), image_of(ROW)], "near", 1)
    assert empty.labels.tolist() == [[-1, -1]]


def test_what_is_ignored_is_not_scored():
    (result,) = with_unlabelled([image_of(ROW)], "near", 1)
    assert match(result.labels, np.array([[7, 7, 0, 1, 1, 0, 0, 0, 8]])).fp == 0
