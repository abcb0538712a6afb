"""Networks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamwise.nets.average import Average
    from seamwise.nets.burst import BurstNet
    from seamwise.nets.siamese import Siamese
    from seamwise.nets.symmetry import tie_halves
    from seamwise.nets.unet import UNet

__all__ = ["Average", "BurstNet", "Siamese", "UNet", "tie_halves"]

_ROOMS = {
    "Average": "average",
    "BurstNet": "burst",
    "Siamese": "siamese",
    "UNet": "unet",
    "tie_halves": "symmetry",
}


def __getattr__(name: str) -> Any:
    # networks need torch; their arrays, which other runtimes compute, do not wait for it
    if name in _ROOMS:
        return getattr(import_module(f"seamwise.nets.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'seamwise.nets' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
