"""Model packages of bioimage.io as model files of seamwise; see `package_model`."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from seamwise.io.atomic import atomic_path
from seamwise.io.bioimageio import Package, read_package
from seamwise.io.cache import shrink, user_cache
from seamwise.io.links import real_path
from seamwise.io.models import Architecture, NormalizationRule, SegmentationInfo, model_bytes
from seamwise.labels import CLASS_NAMES

LIMIT = 2_000_000_000
"""Bytes of all files in the cache; those go first that were not used for the longest time."""

_known: dict[tuple[str | int, ...] | None, Path] = {}


def package_model(path: Path) -> Path:
    """Return a model file with what a package of bioimage.io contains; see `read_package`.

    The file lies in a folder of the user's (that of the variable SEAMWISE_CACHE, or the system's),
    which keeps to `LIMIT`. Equal packages have equal files. A zip that stays as it is is read once.

    Raises
    ------
    ValueError, FileNotFoundError
        See `read_package`.
    OSError
        The folder cannot be written.
    """
    state = _state(path)
    if state in _known and _known[state].is_file():
        return _known[state]
    target = _write(read_package(path))
    if state is not None:
        _known[state] = target
    return target


def _state(path: Path) -> tuple[str | int, ...] | None:
    """What changes with a zip; None for a folder, whose files change one by one."""
    if not path.is_file() or path.suffix.lower() != ".zip":
        return None
    file = path.stat()
    return str(real_path(path)), file.st_ino, file.st_size, file.st_mtime_ns, str(user_cache(""))


def _write(package: Package) -> Path:
    content = package.model if package.model is not None else _convert(package)
    name = hashlib.sha256(content).hexdigest()
    target = user_cache("models") / f"{name}.safetensors"
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
    with suppress(OSError):  # it is a note for others, who look for what was used last
        os.utime(target)
        shrink(target.parent, LIMIT, suffix=target.suffix)
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
        classes=CLASS_NAMES[:classes],
        channels=package.channels,
        normalization=NormalizationRule(kind=steps.kind, low=steps.low, high=steps.high),
    )
    weights = {
        "onnx": torch.from_numpy(np.frombuffer(package.weights, np.uint8).copy()),
        "gain": torch.tensor(steps.gain, dtype=torch.float32),
        "offset": torch.tensor(steps.offset, dtype=torch.float32),
    }
    return model_bytes(weights, info)
