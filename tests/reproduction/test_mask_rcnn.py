"""The baseline of Figure 27: samples and answers of Mask R-CNN, and a quick run."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from seamwise.segmentation.choose import Run, settings_of
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.samples import Samples
from seamwise.segmentation.settings import TrainSettings

CPU = torch.device("cpu")


@pytest.fixture
def script(scripts):
    return scripts.mask_rcnn


# --- Labels → targets


def test_touching_cells_have_a_box_and_a_mask_each_and_what_is_ignored_has_none(script):
    labels = np.array(
        [
            [0, 7, 7, 3, 0],
            [0, 7, 3, 3, 3],
            [-1, -1, 0, 0, 0],
        ],
        np.int32,
    )
    targets = script.as_targets(labels)
    # cell 3, then cell 7: columns and rows from the first to one past the last
    assert targets["boxes"].tolist() == [[2, 0, 5, 2], [1, 0, 3, 2]]
    assert targets["boxes"].dtype == torch.float32
    assert targets["labels"].tolist() == [1, 1]
    assert targets["labels"].dtype == torch.int64
    assert targets["masks"].tolist() == [
        [[0, 0, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]],
        [[0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]],
    ]
    assert targets["masks"].dtype == torch.uint8


@pytest.mark.parametrize(
    ("labels", "box"),
    [
        ([[0, 1], [0, 1], [0, 1]], [1, 0, 2, 3]),
        ([[0, 0, 0], [1, 1, 1]], [0, 1, 3, 2]),
        ([[0, 0, 0], [0, 0, 4]], [2, 1, 3, 2]),
    ],
)
def test_a_cell_of_one_pixel_across_has_an_extent(script, labels, box):
    """torchvision refuses boxes that end where they begin."""
    assert script.as_targets(np.array(labels))["boxes"].tolist() == [box]


@pytest.mark.parametrize("value", [0, -1])
def test_no_cells_are_no_boxes(script, value):
    targets = script.as_targets(np.full((3, 5), value))
    assert {name: tuple(part.shape) for name, part in targets.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "masks": (0, 3, 5),
    }


def test_what_is_ignored_is_grey(script):
    image = torch.tensor([[[1.0, 2.0, 9.0], [6.0, 9.0, 9.0]]])
    labels = torch.tensor([[0, 1, -1], [0, -1, -1]])
    assert script.without_ignored(image, labels).tolist() == [[[1, 2, 3], [6, 3, 3]]]
    assert script.without_ignored(image, torch.ones(2, 3)).tolist() == image.tolist()
    assert script.without_ignored(image, torch.full((2, 3), -1)).tolist() == [
        [[0, 0, 0], [0, 0, 0]]
    ]


def test_a_grey_image_has_three_equal_channels(script):
    image = torch.arange(6.0).reshape(1, 2, 3)
    assert script.as_input(image).tolist() == [image[0].tolist()] * 3


# --- Instances → labels

LEFT = [0.9, 0.9, 0.5, 0.1]
RIGHT = [0.4, 0.8, 0.8, 0.49]


def test_a_pixel_belongs_to_the_best_of_the_instances_that_claim_it(script):
    masks = np.array([[LEFT], [RIGHT]])  # of one row
    assert script.as_labels(masks, np.array([0.9, 0.6]), (1, 4)).tolist() == [[1, 1, 1, 0]]
    assert script.as_labels(masks, np.array([0.6, 0.9]), (1, 4)).tolist() == [[2, 1, 1, 0]]
    assert script.as_labels(masks, np.array([0.7, 0.7]), (1, 4)).tolist() == [[1, 1, 1, 0]]


def test_an_instance_below_one_half_is_dropped(script):
    masks = np.array([[LEFT], [RIGHT]])
    assert script.as_labels(masks, np.array([0.49, 0.5]), (1, 4)).tolist() == [[0, 1, 1, 0]]


def test_an_instance_that_is_covered_leaves_no_number(script):
    masks = np.array([[[0, 0.6, 0.6, 0]], [[0, 1, 1, 1]], [[0.7, 0.7, 0, 0]]])
    assert script.as_labels(masks, np.array([0.8, 0.9, 0.7]), (1, 4)).tolist() == [[2, 1, 1, 1]]


def test_an_instance_that_keeps_few_pixels_is_dropped(script):
    masks = np.array([[LEFT], [[0.0, 0.9, 0.9, 0.9]]])
    scores = np.array([0.9, 0.8])
    assert script.as_labels(masks, scores, (1, 4), min_size=1).tolist() == [[1, 1, 1, 2]]
    assert script.as_labels(masks, scores, (1, 4), min_size=2).tolist() == [[1, 1, 1, 0]]
    assert script.as_labels(masks, scores, (1, 4), min_size=4).tolist() == [[0, 0, 0, 0]]


def test_masks_may_have_torchvisions_axis_of_one_channel(script):
    masks = np.array([LEFT, RIGHT, RIGHT]).reshape(3, 1, 2, 2)
    assert script.as_labels(masks, np.array([0.6, 0.9, 0.9]), (2, 2)).tolist() == [[2, 1], [1, 0]]


def test_no_instances_are_no_cells(script):
    labels = script.as_labels(np.zeros((0, 1, 2, 3)), np.zeros(0), (2, 3))
    assert labels.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert script.as_labels(np.ones((1, 1, 2, 3)), np.zeros(1), (2, 3)).tolist() == [
        [0, 0, 0],
        [0, 0, 0],
    ]


def test_the_cells_of_a_label_image_come_back(script):
    labels = np.array([[0, 1, 1, 2], [-1, 3, 3, 2], [-1, 3, 0, 0]])
    masks = script.as_targets(labels)["masks"].numpy()
    assert (
        script.as_labels(masks, np.array([0.9, 0.8, 0.7]), (3, 4)).tolist()
        == labels.clip(0).tolist()
    )


# --- The loop, with a network that has torchvision's interface


class Fake(torch.nn.Module):
    """Learns the mean number of cells of a crop; finds one instance, where the image is bright."""

    def __init__(self):
        super().__init__()
        self.count = torch.nn.Parameter(torch.zeros(()))
        self.fixed = torch.nn.Parameter(torch.full((), 5.0), requires_grad=False)

    def forward(self, images, targets=None):
        assert all(image.shape[0] == 3 and image.dtype == torch.float32 for image in images)
        if self.training:
            Fake.seen.append((images, targets))
            cells = torch.tensor([float(len(target["boxes"])) for target in targets])
            return {"one": ((self.count - cells) ** 2).mean(), "other": self.fixed}
        assert targets is None
        return [
            {
                "boxes": torch.zeros(1, 4),
                "labels": torch.ones(1, dtype=torch.int64),
                "scores": torch.tensor([0.9]),
                "masks": (image[:1] > 0.5).float()[None],
            }
            for image in images
        ]


@pytest.fixture(autouse=True)
def _nothing_seen():
    Fake.seen = []


def three_cells():
    """Two that touch, and one of which a half is not annotated."""
    labels = np.zeros((40, 48), np.int32)
    labels[4:20, 4:16], labels[4:20, 16:30], labels[26:36, 8:40] = 1, 2, 3
    image = (labels > 0).astype(np.float32)[np.newaxis]
    labels[26:36, 24:] = -1
    return AnnotatedImage("three", image, labels)


SETTINGS = TrainSettings(
    steps=3,
    batch_size=2,
    crop=32,
    seed=4,
    ndim=2,
    optimizer="adamw",
    schedule="cosine",
    warmup=1,
    learning_rate=0.1,
)


def test_crops_are_those_of_the_systems_of_three_classes(script):
    settings = settings_of(Run("j3", 4), SETTINGS)
    others = Samples(
        [three_cells()],
        seed=4,
        steps=3,
        batch_size=2,
        crop=(32, 32),
        augmentation=settings.augmentation,
        transform=settings.transform(),
    )
    ours = script.samples([three_cells()], SETTINGS)
    assert len(ours) == len(others) == 6
    for number in range(6):
        image, target, labels = ours[number]
        assert torch.equal(image, others[number][0])
        assert torch.equal(target, others[number][1])
        np.testing.assert_array_equal(labels > 0, target > 0)
        np.testing.assert_array_equal(labels < 0, target < 0)
        assert set(np.unique(labels)) <= {-1, 0, 1, 2, 3}


def test_each_step_sees_its_own_crops_and_their_cells(script):
    drawn = script.samples([three_cells()], SETTINGS)
    net = Fake()
    average = script.train(net, drawn, SETTINGS, CPU)
    assert not average.training
    assert net.count > 0.1
    assert 0 < average.count < net.count  # it goes up, and the average follows
    assert net.fixed == 5
    assert [len(images) for images, _ in Fake.seen] == [2, 2, 2]
    for number, (image, target) in enumerate(
        (image, target)
        for images, targets in Fake.seen
        for image, target in zip(images, targets, strict=True)
    ):
        crop, _, labels = drawn[number]
        annotated = (labels >= 0).numpy()
        np.testing.assert_array_equal(image[0][annotated], crop[0][annotated])
        np.testing.assert_allclose(image[0][~annotated], crop[0][annotated].mean(), rtol=1e-5)
        assert len(target["boxes"]) == len(np.unique(labels[labels > 0])) > 0
        np.testing.assert_array_equal(target["masks"].sum(dim=0), labels > 0)


def test_steps_follow_the_schedule_and_the_sum_of_the_losses_of_their_own_batch(
    script, monkeypatch, capsys
):
    rates, counts, gradients = [], [], []

    class Optimizer(torch.optim.AdamW):
        def step(self, *args):
            count = self.param_groups[0]["params"][0]
            rates.append(self.param_groups[0]["lr"])
            counts.append(count.item())
            gradients.append(count.grad.item())
            return super().step(*args)

    monkeypatch.setattr(torch.optim, "AdamW", Optimizer)
    monkeypatch.setattr(script, "SAID_EVERY", 2)
    script.train(Fake(), script.samples([three_cells()], SETTINGS), SETTINGS, CPU)
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.05])  # warm-up; cos 0, cos π/2
    cells = np.array([[len(target["boxes"]) for target in targets] for _, targets in Fake.seen])
    errors = np.array(counts)[:, np.newaxis] - cells
    np.testing.assert_allclose(gradients, 2 * errors.mean(axis=1), rtol=1e-5)
    assert capsys.readouterr().out == f"step 2 of 3: loss {(errors[1] ** 2).mean() + 5:.4f}\n"


def test_a_loss_that_is_not_finite_ends_the_training(script):
    net = Fake()
    net.count.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"loss is nan at step 1 \(one nan, other 5\): lower RATE"):
        script.train(net, script.samples([three_cells()], SETTINGS), SETTINGS, CPU)


def test_the_cells_of_a_whole_image(script):
    image = three_cells()
    found = script.cells(image, Fake().eval(), CPU, min_size=0)
    np.testing.assert_array_equal(found, image.image[0] > 0.5)
    assert not script.cells(image, Fake().eval(), CPU, min_size=2000).any()


def test_a_network_is_trained_and_scored_once(scripts, tmp_path, monkeypatch):
    protocol = {
        "training": {"optimizer": "adamw", "steps": 2, "batch_size": 1, "crop": 32},
        "sets": {
            "cells": {
                "drawn": "crowded_cells",
                "images": [1, 1, 2],
                "arguments": {"shape": [48, 64], "cells": 6},
                "training": {"min_size": 5},
            }
        },
    }

    def study():
        return scripts.study.Study(protocol, tmp_path, tmp_path, tmp_path, "cpu")

    def measured(**changes):
        recipe = scripts.mask_rcnn.Recipe(**changes)
        return scripts.mask_rcnn.instances(study(), "cells", 3, Fake, recipe=recipe, version="0")

    first = measured()
    assert len(Fake.seen) == 2
    assert len(first["n_true"]) == 2
    assert first["n_pred"] == [1, 1]
    (path,) = tmp_path.glob("*.pt")
    assert measured() == first

    (tmp_path / "mask_rcnn-cells.json").unlink()
    again = measured()
    assert again["ap"] == first["ap"]
    assert len(Fake.seen) == 2  # the weights were there
    measured(pretrained=True)
    assert len(Fake.seen) == 4
    measured(steps=1)
    assert len(Fake.seen) == 5
    kept = scripts.study.Study.results_of(study(), "mask_rcnn", "cells")
    assert set(kept.units) == {"random/3", "coco/3", "random, 1 steps/3"}
    content = json.loads((tmp_path / "mask_rcnn-cells.json").read_text())
    assert content["machines"][0].endswith(", torchvision 0")
    weights = torch.load(path, weights_only=True)
    assert 0 < abs(weights["count"]) < 1e-3  # learned at the rate of the script


# --- torchvision


def refuse(script, monkeypatch, error):
    """Let the import of torchvision fail."""

    def fail():
        raise error

    monkeypatch.setattr(script, "stand_in", fail)


MISSING = ModuleNotFoundError("No module named 'torchvision'", name="torchvision")
OF_ANOTHER = RuntimeError("operator torchvision::roi_align does not exist\nmore")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MISSING, "Mask R-CNN needs torchvision, which is not installed: "),
        (
            OF_ANOTHER,
            "torchvision does not work on cpu with this torch (operator torchvision::roi_align "
            "does not exist): ",
        ),
        (OSError(), "torchvision does not work on cpu with this torch (OSError): "),
    ],
)
def test_without_torchvision_the_script_ends_in_one_line(script, monkeypatch, error, said):
    refuse(script, monkeypatch, error)
    with pytest.raises(SystemExit) as stopped:
        script.import_torchvision(CPU)
    mend = f"install the torchvision that belongs to torch {torch.__version__}, see https://pytorch.org/get-started"
    assert str(stopped.value) == said + mend


def pretend(monkeypatch, nms):
    package, ops, boxes = map(ModuleType, ("torchvision", "torchvision.ops", "boxes"))
    package.__version__, package.ops, ops.boxes, boxes.nms = "1.2", ops, boxes, nms
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.ops", ops)
    monkeypatch.setitem(sys.modules, "torchvision.ops.boxes", boxes)


def test_a_torchvision_that_cannot_compute_on_the_device_is_told_apart_from_one_that_can(
    script, monkeypatch
):
    pretend(monkeypatch, lambda boxes, scores, threshold: torch.zeros(len(boxes)))
    assert script.import_torchvision(CPU) == "1.2"
    with monkeypatch.context() as patch:
        patch.setattr(script, "stand_in", lambda: True)
        assert script.import_torchvision(CPU) == "1.2 with operators in plain torch"

    def nms(*args):
        raise NotImplementedError(
            "Could not run 'torchvision::nms' with arguments from the 'CUDA' backend."
        )

    pretend(monkeypatch, nms)
    with pytest.raises(
        SystemExit, match=r"does not work on cpu with this torch \(Could not run 'torchvision::nms'"
    ):
        script.import_torchvision(CPU)


@pytest.fixture
def command(scripts, tmp_path, monkeypatch):
    """Run the command with a network of ours; returns what it was asked for."""

    def call(*arguments):
        asked = []
        monkeypatch.setattr(
            sys, "argv", ["mask_rcnn.py", str(tmp_path), "-o", str(tmp_path), *arguments]
        )
        monkeypatch.setattr(sys, "argv", [*sys.argv, "--runs", str(tmp_path), "--device", "cpu"])
        monkeypatch.setattr(
            scripts.mask_rcnn, "build", lambda seed, recipe: asked.append((seed, str(recipe)))
        )
        monkeypatch.setattr(
            scripts.mask_rcnn,
            "instances",
            lambda study, name, seed, build, *, recipe, version: asked.append(
                (name, seed, recipe.slug, version, build())
            ),
        )
        scripts.mask_rcnn.main()
        return asked

    return call


def test_the_command_line(command, monkeypatch):
    pretend(monkeypatch, lambda *args: None)
    assert command("--sets", "dsb2018", "--seeds", "2") == [
        (2, "random"),
        ("dsb2018", 2, "random", "1.2", None),
    ]
    assert command("--pretrained", "--quick", "--steps", "9", "--regions", "64") == [
        (0, "coco, 9 steps, 64 regions"),
        ("usiigaci", 0, "coco-9steps-64regions", "1.2", None),
        (0, "coco, 9 steps, 64 regions"),
        ("dsb2018", 0, "coco-9steps-64regions", "1.2", None),
    ]


def test_the_picture_of_the_first_test_images(scripts, tmp_path, monkeypatch):
    pretend(monkeypatch, lambda *args: None)
    monkeypatch.setattr(scripts.mask_rcnn, "build", lambda seed, recipe: Fake())
    folders = ["--runs", str(tmp_path), "-o", str(tmp_path), "--pictures", str(tmp_path)]
    given = ["mask_rcnn.py", str(tmp_path), "--sets", "cells", "--quick", *folders]
    monkeypatch.setattr(sys, "argv", given)
    scripts.mask_rcnn.main()
    assert (tmp_path / "mask_rcnn-cells.png").stat().st_size > 5000


def test_the_command_without_torchvision(script, command, monkeypatch):
    refuse(script, monkeypatch, MISSING)
    with pytest.raises(SystemExit, match="needs torchvision"):
        command()


def test_colour_is_left_as_it_is_and_two_channels_are_refused(script):
    colour = torch.arange(12.0).reshape(3, 2, 2)
    assert torch.equal(script.as_input(colour), colour)
    with pytest.raises(RuntimeError):
        script.as_input(colour[:2])


# --- numbers


def test_a_part_in_low_precision_answers_in_float32(script, monkeypatch):
    monkeypatch.setattr(script, "choose_precision", lambda device: torch.bfloat16)
    seen = []

    class Part(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([[1.0, 2.0**-12]]))

        def forward(self, x):
            product = torch.nn.functional.linear(x, self.weight)
            seen.append(product.dtype)
            return {"a": [product, product], "b": product}

    answer = script.LowPrecision(Part())(torch.ones(1, 2))
    assert seen == [torch.bfloat16]
    assert [part.dtype for part in (*answer["a"], answer["b"])] == [torch.float32] * 3
    assert answer["b"].item() == 1  # bfloat16 has no digit for the second weight
    monkeypatch.setattr(script, "choose_precision", lambda device: torch.float32)
    assert script.LowPrecision(Part())(torch.ones(1, 2))["b"].item() > 1


def test_the_report_judges_the_systems_of_chapter_4_against_each_recipe(script, tmp_path):
    def scores(quality):
        ones = [1] * 8
        return {"n_true": ones, "n_pred": ones, "tp": ones, "iou": [quality] * 8, "ap": ones}

    kinds = {
        "mask_rcnn": {"random, 9 steps/0": scores(0.5)},
        "instances": {"w3/0": {"WT": scores(0.7)}, "bwm/0": {"WT": scores(0.4)}},
    }
    assert script.section(tmp_path, tmp_path) == ""
    for kind, units in kinds.items():
        (tmp_path / f"{kind}-dsb2018.json").write_text(json.dumps({"units": units}))
    ((bwm, w3),) = script.claims(tmp_path, "dsb2018")
    assert w3.text == "W³ by WT > Mask R-CNN (random, 9 steps)"
    assert (w3.verdict, bwm.verdict) == ("holds", "does not hold")
    text = script.section(tmp_path, tmp_path)
    assert (
        "| dsb2018, first weights random, 9 steps | 1.000 | 1.000 | 0.500 | 0.500 | 1.000 |" in text
    )
