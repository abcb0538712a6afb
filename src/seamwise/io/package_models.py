"""Model packages of bioimage.io as model files of seamwise; see `package_model`."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from seamwise.io.atomic import atomic_path
from seamwise.io.bioimageio import Package, read_package
from seamwise.io.cache import user_cache
from seamwise.io.models import Architecture, NormalizationRule, SegmentationInfo, model_bytes

_CLASSES = ("background", "cell", "touching", "gap")


def package_model(path: Path) -> Path:
    """Return a model file with what a package of bioimage.io contains; see `read_package`.

    The file lies in a folder of the user's (that of the variable SEAMWISE_CACHE, or the system's).
    Equal packages have equal files.

    Raises
    ------
    ValueError, FileNotFoundError
        See `read_package`.
    OSError
        The folder cannot be written.
    """
    package = read_package(path)
    content = package.model if package.model is not None else _convert(package)
    name = hashlib.sha256(content).hexdigest()
    target = user_cache("models") / f"{name}.safetensors"
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
    return target


def _convert(package: Package) -> bytes:
    """The model file of an ONNX network of another program."""
    steps = package.preprocessing
    channels = len(package.channels)
    classes = max(len(package.classes), 2)
    info = SegmentationInfo(
        architecture=Architecture(
            name="onnx",
            in_channels=channels,
            out_channels=classes,
            ndim=2 if package.ndim == 2 else 3,
            depth=package.depth,
        ),
        classes=_CLASSES[:classes],
        channels=package.channels,
        normalization=NormalizationRule(kind=steps.kind, low=steps.low, high=steps.high),
    )
    weights = {
        "onnx": torch.from_numpy(np.frombuffer(package.weights, np.uint8).copy()),
        "gain": _per_channel(steps.gain, channels),
        "offset": _per_channel(steps.offset, channels),
    }
    return model_bytes(weights, info)


def _per_channel(number: float | tuple[float, ...], channels: int) -> torch.Tensor:
    array = np.broadcast_to(np.asarray(number, np.float32).ravel(), channels)
    return torch.from_numpy(array.copy())
