"""Trainers of nnU-Net that differ in their loss alone: see benchmarks/nnunet/compare.py.

The variables EPOCHS, STEPS and SEED set how long they train and which random numbers they draw.
"""

import os
import random
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from seamwise_nnunet import trainers


class Equal(nnUNetTrainer):
    """The number of steps and the seed are given; one thread, bfloat16."""

    def initialize(self) -> None:
        """Set the lengths and the seed before nnU-Net builds the network."""
        torch.set_num_threads(1)  # nnU-Net asks for all cores
        self.num_epochs = int(os.environ["EPOCHS"])
        self.num_iterations_per_epoch = int(os.environ["STEPS"])
        self.num_val_iterations_per_epoch = 1
        self.save_every = 2
        seed = int(os.environ["SEED"])
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002, nnU-Net draws its patches with it
        torch.manual_seed(seed)
        super().initialize()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do as nnU-Net does on a GPU, in the precision of the processor."""
        with torch.autocast("cpu", torch.bfloat16):
            result: dict[str, Any] = super().train_step(batch)
        return result

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Do nothing: `nnUNetv2_predict` predicts all images of the comparison at once."""


class EqualDefault(Equal):
    """nnU-Net's own loss: cross entropy plus soft Dice."""


class EqualJ4(Equal, trainers.nnUNetTrainerJ4):
    """Cross entropy plus Youden's J."""


class EqualW3(Equal, trainers.nnUNetTrainerW3):
    """Cross entropy with the weight map W³."""
