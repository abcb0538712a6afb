"""Networks."""

from seamwise.nets.average import Average
from seamwise.nets.siamese import Siamese
from seamwise.nets.symmetry import tie_halves
from seamwise.nets.unet import UNet

__all__ = ["Average", "Siamese", "UNet", "tie_halves"]
