"""Networks."""

from seamwise.nets.average import Average
from seamwise.nets.burst import BurstNet
from seamwise.nets.siamese import Siamese
from seamwise.nets.symmetry import tie_halves
from seamwise.nets.unet import UNet

__all__ = ["Average", "BurstNet", "Siamese", "UNet", "tie_halves"]
