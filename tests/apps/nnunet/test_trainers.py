"""The trainers within nnU-Net itself: what it finds, hands on and gets. `make nightly` has it."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("nnunetv2", reason="needs nnU-Net: make nightly")

from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from nnunetv2.paths import nnUNet_extTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from seamwise.decode import instances
from seamwise.labels import semantic_target
from seamwise.losses import cross_entropy, cross_entropy_and_youden
from seamwise.segmentation import TargetAndWeight
from seamwise.synth import crowded_cells
from seamwise_nnunet import trainers, trainers_path
from seamwise_nnunet.transform import AddWeight
from support.nnunet_plans import plans, record
from support.patch_cells import counterparts

NAMES = ("J", "J3", "J4", "W3", "UNetMap")
pytestmark = pytest.mark.filterwarnings("ignore")  # nnU-Net's own


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Make a trainer for a data set of some classes."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(tmp_path))

    def make(name, *, ndim=2, **options):
        kind = getattr(trainers, f"nnUNetTrainer{name}")
        configuration = "2d" if ndim == 2 else "3d_fullres"
        device = torch.device("cpu")
        return kind(plans(ndim), configuration, 0, record(**options), device=device)

    return make


def outputs_and_targets(trainer, channels, weight=None):
    """Logits and targets at the resolutions of a trainer, as its loader and network give them."""
    patch = trainer.configuration_manager.patch_size
    generator = torch.Generator().manual_seed(0)
    heads = trainer.label_manager.num_segmentation_heads
    outputs, targets = [], []
    for scale in trainer._get_deep_supervision_scales():
        size = [round(length * factor) for length, factor in zip(patch, scale, strict=True)]
        outputs.append(torch.randn(2, heads, *size, generator=generator))
        classes = torch.randint(0, heads, (2, 1, *size), generator=generator).float()
        weights = 1 + torch.rand(2, channels - 1, *size, generator=generator)
        targets.append(torch.cat([classes, weights], 1))
    return outputs, targets


@pytest.mark.parametrize("name", NAMES)
def test_nnunet_finds_the_trainer_in_the_folder_that_we_print(monkeypatch, name):
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_path()))
    assert nnUNet_extTrainer.is_set()
    found = recursive_find_trainer_class_by_name(f"nnUNetTrainer{name}")
    assert found is getattr(trainers, f"nnUNetTrainer{name}")
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("name", "classes"), [("J3", 3), ("J4", 4), ("W3", 3), ("UNetMap", 4)])
def test_the_loss_is_ours_at_each_resolution(build, name, classes, ndim):
    trainer = build(name, ndim=ndim, classes=classes)
    outputs, targets = outputs_and_targets(trainer, 1 + ("J" not in name))
    function = cross_entropy_and_youden if "J" in name else cross_entropy
    factors = np.array([1 / 2**level for level in range(len(outputs))])
    factors[-1] = 0  # nnU-Net skips the coarsest
    expected = sum(
        factor
        * function(
            logits, target[:, 0].long(), weight=target[:, 1] if target.shape[1] > 1 else None
        )
        for factor, logits, target in zip(factors / factors.sum(), outputs, targets, strict=True)
    )
    loss = trainer._build_loss()
    assert loss(outputs, targets).item() == pytest.approx(expected.item(), rel=1e-6)
    # the targets of the validation are whole numbers, without weights
    whole = [target[:, :1].to(torch.int16) for target in targets]
    assert torch.isfinite(loss(outputs, whole))


def test_without_deep_supervision_the_loss_takes_one_output(build):
    trainer = build("J4", classes=4)
    (logits, *_), (target, *_) = outputs_and_targets(trainer, 1)
    trainer.enable_deep_supervision = False
    expected = cross_entropy_and_youden(logits, target)
    assert trainer._build_loss()(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


def test_ignored_pixels_have_no_gradient(build):
    trainer = build("J3", classes=3, ignore=True)
    outputs, targets = outputs_and_targets(trainer, 1)
    targets[0][:, :, :5] = 3
    outputs[0].requires_grad_()
    trainer._build_loss()(outputs, targets).backward()
    assert (outputs[0].grad[:, :, :5] == 0).all()
    assert (outputs[0].grad[:, :, 5:] != 0).any()


def transforms_of(trainer):
    """The transforms of a trainer's patches, with every augmentation of nnU-Net."""
    manager = trainer.configuration_manager
    return trainer.get_training_transforms(
        manager.patch_size,
        (-np.pi, np.pi),
        trainer._get_deep_supervision_scales(),
        tuple(range(len(manager.patch_size))),
        False,
        use_mask_for_norm=[False],
        foreground_labels=trainer.label_manager.foreground_labels,
        ignore_label=trainer.label_manager.ignore_label,
    )


def cells_for(trainer, classes, seed=0):
    patch = tuple(trainer.configuration_manager.patch_size)
    scene = crowded_cells(patch, cells=6, radius=5, rng=seed)
    target = semantic_target(scene.labels, classes=classes)
    return {
        "image": torch.from_numpy(scene.image.astype(np.float32))[None],
        "segmentation": torch.from_numpy(target.astype(np.int16))[None],
    }


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("name", "classes"), [("W3", 3), ("UNetMap", 4)])
def test_a_patch_has_classes_and_weights_at_each_resolution(build, name, classes, ndim):
    trainer = build(name, ndim=ndim, classes=classes)
    transforms = pickle.loads(pickle.dumps(transforms_of(trainer)))  # as for a worker
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002, nnU-Net draws from it
    result = transforms(**cells_for(trainer, classes))
    levels = result["segmentation"]
    assert len(levels) == len(trainer._get_deep_supervision_scales())
    for level, scale in zip(levels, trainer._get_deep_supervision_scales(), strict=True):
        patch = trainer.configuration_manager.patch_size
        assert level.shape == (2, *(round(n * f) for n, f in zip(patch, scale, strict=True)))
        assert set(level[0].unique().tolist()) <= set(range(classes))
        assert (level[1] > 0).all()
    assert levels[0][1].mean().item() == pytest.approx(1, rel=1e-4)
    loss = trainer._build_loss()
    outputs, _ = outputs_and_targets(trainer, 1)
    assert torch.isfinite(loss([one[:1] for one in outputs], [one[None] for one in levels]))


def test_the_validation_has_no_weights_as_in_nnunet(build):
    trainer = build("W3", classes=3)
    scales = trainer._get_deep_supervision_scales()
    result = trainer.get_validation_transforms(scales)(**cells_for(trainer, 3))
    assert result["segmentation"][0].shape[0] == 1


def test_cells_come_back_after_the_spatial_transform_of_nnunet():
    warp = SpatialTransform(
        (160, 160), 0, False, p_elastic_deform=0, p_rotation=1, rotation=(-np.pi, np.pi),
        p_scaling=1, scaling=(0.7, 1.4), border_mode_seg="constant", padding_value_seg=0,
    )  # fmt: skip
    matches = total = 0
    np.random.seed(0)  # noqa: NPY002
    for seed in range(6):
        labels = crowded_cells((160, 160), cells=30, rng=seed).labels.astype(np.int16)
        classes = semantic_target(labels, classes=4).astype(np.int16)
        both = torch.from_numpy(np.stack([classes, labels]))
        warped = warp(image=torch.zeros(1, 160, 160), segmentation=both)["segmentation"].numpy()
        decoded = instances(warped[0].astype(np.uint8))
        count = counterparts(warped[1], decoded)
        matches, total = matches + count[0], total + count[1]
    assert total > 120
    assert matches >= 0.995 * total


def test_the_transform_describes_itself_and_is_pickled():
    step = AddWeight(TargetAndWeight(map="w3"), ignored=3, spacing=(2.0, 1.0))
    again = pickle.loads(pickle.dumps(step))
    assert (again.transform, again.ignored, again.spacing) == (step.transform, 3, (2.0, 1.0))
    assert "w3" in repr(step)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("J4", {"classes": 3}, "nnUNetTrainerJ4 needs the first 4 classes"),
        ("W3", {"classes": 2}, "nnUNetTrainerW3 needs the first 3 or 4 classes"),
        ("W3", {"classes": 3, "counts": False}, "dataset.json lacks (seamwise, counts)"),
        ("J", {"classes": 3, "regions": True}, "one class for each pixel, not regions"),
    ],
)
def test_a_data_set_that_does_not_fit_is_one_line(build, name, options, words):
    with pytest.raises(SystemExit) as stopped:
        build(name, **options).initialize()
    message = str(stopped.value)
    assert message.startswith("seamwise: ")
    assert words in message
    assert "\n" not in message


def test_an_nnunet_that_is_too_old_is_one_line(build, monkeypatch):
    from seamwise_nnunet import installed

    monkeypatch.setattr(installed, "version", lambda name: "2.6.2")
    with pytest.raises(SystemExit, match=r"^seamwise: the trainers need nnU-Net 2\.8 or newer"):
        build("J4", classes=4).initialize()


@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_step_trains_also_through_a_compiled_network(build, is_compiled):
    trainer = build("W3", classes=3)
    Path(trainer.preprocessed_dataset_folder).mkdir(parents=True)
    (Path(trainer.preprocessed_dataset_folder) / "a.b2nd").touch()
    trainer.initialize()
    if is_compiled:
        trainer.network = torch.compile(trainer.network, backend="aot_eager")
    sample = transforms_of(trainer)(**cells_for(trainer, 3))
    batch = {
        "data": sample["image"][None],
        "target": [level[None] for level in sample["segmentation"]],
    }
    losses = [float(trainer.train_step(batch)["loss"]) for _ in range(6)]
    assert losses[-1] < losses[0]
