"""Trainers for ``nnUNetv2_train -tr``: see `nnUNetTrainerJ` and `nnUNetTrainerW3`.

The classes of a data set are those of `seamwise nnunet-dataset`: background, cell, touching, gap.
`seamwise decode` makes cells of what nnU-Net predicts. Network, augmentation, optimizer and
schedule, checkpoints and validation stay those of nnU-Net.
"""

from typing import Any, ClassVar

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from seamwise.losses import CrossEntropy, CrossEntropyAndYouden
from seamwise.segmentation import TargetAndWeight
from seamwise.words import MapName
from seamwise_nnunet.installed import check_nnunet
from seamwise_nnunet.record import check_classes, class_counts
from seamwise_nnunet.transform import AddWeight, with_weight
from seamwise_nnunet.weighted import WeightedLoss


class nnUNetTrainerJ(nnUNetTrainer):
    """Cross entropy plus Youden's J, on any classes: see `losses.youden`.

    Each resolution of the deep supervision has the loss, with nnU-Net's factors. With several GPUs,
    J is that of the patches on each of them.
    """

    sizes: ClassVar[tuple[int, ...]] = ()
    """Numbers of our classes that the trainer takes; any classes if empty."""

    def initialize(self) -> None:
        """Build network and loss; SystemExit, with one line, if the data set does not fit."""
        try:
            self.check()
        except ValueError as error:
            raise SystemExit(f"seamwise: {error}") from None
        super().initialize()

    def check(self) -> None:
        """Raise ValueError if nnU-Net is too old, or the data set does not fit the trainer."""
        check_nnunet()
        check_classes(self.dataset_json, self.sizes, type(self).__name__)

    def _build_loss(self) -> nn.Module:
        loss: nn.Module = WeightedLoss(self._loss(-1 if self._ignored is None else self._ignored))
        levels = super()._build_loss()
        if isinstance(levels, DeepSupervisionWrapper):  # with nnU-Net's factors
            levels.loss = loss
            loss = levels
        return loss

    def _loss(self, ignore_index: int) -> nn.Module:
        return CrossEntropyAndYouden(ignore_index=ignore_index)

    @property
    def _ignored(self) -> int | None:
        number: int | None = self.label_manager.ignore_label
        return number


class nnUNetTrainerJ3(nnUNetTrainerJ):
    """The system J3: cross entropy plus Youden's J on background, cell and touching."""

    sizes = (3,)


class nnUNetTrainerJ4(nnUNetTrainerJ):
    """The system J4: cross entropy plus Youden's J on background, cell, touching and gap."""

    sizes = (4,)


class nnUNetTrainerW3(nnUNetTrainerJ):
    """Cross entropy with the triplex weight map W³: see `weights.w3`.

    A map is made of every patch after its augmentation, in three or four classes. It is balanced
    over the data set and scaled to a mean of 1, since nnU-Net trains with SGD and clips gradients.
    The validation loss has no weights.
    """

    sizes = (3, 4)
    map_name: ClassVar[MapName] = "w3"

    def check(self) -> None:
        """Raise ValueError if the data set does not fit, or lacks the pixels of each class."""
        super().check()
        class_counts(self.dataset_json, type(self).__name__)

    def get_training_transforms(self, *arguments: Any, **options: Any) -> BasicTransform:
        """Return nnU-Net's transforms, which also make the weights."""
        transforms = super().get_training_transforms(*arguments, **options)
        counts = class_counts(self.dataset_json, type(self).__name__)
        steps = tuple(map(float, self.configuration_manager.spacing))
        return with_weight(
            transforms,
            AddWeight(
                TargetAndWeight(
                    map=self.map_name, classes=len(counts), counts=counts, scale="mean"
                ),
                ignored=self._ignored,
                spacing=tuple(step / min(steps) for step in steps),  # lengths in the finest axis
            ),
        )

    def _loss(self, ignore_index: int) -> nn.Module:
        return CrossEntropy(ignore_index=ignore_index)


class nnUNetTrainerUNetMap(nnUNetTrainerW3):
    """Cross entropy with the weight map of the original U-Net: see `weights.unet`."""

    map_name = "unet"
