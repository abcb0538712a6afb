"""What nnU-Net's ``nnUNet_extTrainer`` finds."""

from seamwise_nnunet.trainers import (
    nnUNetTrainerJ,
    nnUNetTrainerJ3,
    nnUNetTrainerJ4,
    nnUNetTrainerUNetMap,
    nnUNetTrainerW3,
)

__all__ = [
    "nnUNetTrainerJ",
    "nnUNetTrainerJ3",
    "nnUNetTrainerJ4",
    "nnUNetTrainerUNetMap",
    "nnUNetTrainerW3",
]
