"""Pixel-level deep learning where things touch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamwise import (
        analysis,
        decode,
        fusion,
        io,
        labels,
        losses,
        metrics,
        nets,
        segmentation,
        synth,
        tiling,
        weights,
    )
    from seamwise.fusion import fuse
    from seamwise.segmentation import segment

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "analysis",
    "decode",
    "fuse",
    "fusion",
    "io",
    "labels",
    "losses",
    "metrics",
    "nets",
    "segment",
    "segmentation",
    "synth",
    "tiling",
    "weights",
]


_FUNCTIONS = {"fuse": "seamwise.fusion", "segment": "seamwise.segmentation"}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import; `import seamwise` and `seamwise --help` must not wait for it
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    if name in __all__:
        return import_module(f"seamwise.{name}")
    raise AttributeError(f"module 'seamwise' has no attribute '{name}'")
