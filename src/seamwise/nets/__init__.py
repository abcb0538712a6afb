"""Networks."""

from seamwise.nets.unet import UNet

__all__ = ["UNet"]
