"""Trainers for nnU-Net v2 with the losses and weight maps of seamwise.

nnU-Net finds them in `trainers_path`, which the command `seamwise nnunet-trainers` prints; it joins
the others through the entry point ``seamwise.commands``. The trainers themselves are in the module
`seamwise_nnunet.trainers`, which needs nnU-Net.
"""

from seamwise_nnunet.command import nnunet_trainers
from seamwise_nnunet.installed import trainers_path

__all__ = ["nnunet_trainers", "trainers_path"]
