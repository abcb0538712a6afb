"""Networks."""

from seamwise.nets.average import Average
from seamwise.nets.unet import UNet

__all__ = ["Average", "UNet"]
