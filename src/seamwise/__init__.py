"""Pixel-level deep learning where things touch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamwise.segmentation import segment

__version__ = "0.1.0"
__all__ = ["__version__", "segment"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import; `import seamwise` and `seamwise --help` must not wait for it
    if name == "segment":
        return import_module("seamwise.segmentation").segment
    raise AttributeError(f"module 'seamwise' has no attribute '{name}'")
