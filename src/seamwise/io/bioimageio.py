"""Packages of bioimage.io, read as model files of seamwise; see `package_model`."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from seamwise.io.errors import first_line
from seamwise.io.inside import is_inside
from seamwise.io.outcome import amount
from seamwise.io.package_fields import Refusal, entries, mapping, number, shown, text, texts
from seamwise.io.package_steps import Preprocessing, parse_steps

ATTACHMENT = "model.safetensors"
"""Name of the model file in a package that seamwise writes."""

DESCRIPTION_NAMES = ("rdf.yaml", "bioimageio.yaml")
"""Names of the description in a package; the first one is written."""

_MOST_TEXT = 1_000_000  # bytes of a description
_MOST_BYTES = 2_000_000_000  # of another file: no ONNX file holds more
_CODE = ("architecture", "dependencies", "kwargs")  # of weights, that are built by a program
_BACKGROUND = ("background", "bg")
_CELLS = ("cell", "cells", "nucleus", "nuclei", "foreground", "fg", "interior", "inside")
_BETWEEN = ("touching", "boundary", "boundaries", "border", "contour", "edge")
_SLACK = 0.01  # of probabilities, in their sum
_DEEPEST = 8  # sizes are multiples of 2 to the power of this, at most


@dataclass(frozen=True, eq=False)
class Package:
    """A package without code.

    Attributes
    ----------
    model : bytes, optional
        The model file that seamwise put into it.
    weights : bytes
        The network as ONNX; empty if there is a model file.
    channels, classes : tuple of str
        Names of the channels that go in, and of those that come out. One class is the foreground.
    ndim, depth : int
        Sizes are multiples of 2 to the power of `depth`.
    preprocessing : Preprocessing
    """

    model: bytes | None = None
    weights: bytes = b""
    channels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    ndim: int = 2
    depth: int = 0
    preprocessing: Preprocessing = field(default_factory=Preprocessing)


def is_package(path: Path) -> bool:
    """Return whether a path looks like a package: ``.zip``, its description or a folder with it."""
    if path.suffix.lower() in (".zip", ".yaml", ".yml"):
        return True
    return any((path / name).is_file() for name in DESCRIPTION_NAMES)


def read_package(path: Path) -> Package:
    """Read a package of bioimage.io, format 0.5, that has ONNX weights or was written by seamwise.

    No code of it is run, and nothing is fetched: files must be in the package.

    Parameters
    ----------
    path : Path
        The ``.zip``, the unpacked folder or the ``rdf.yaml`` in it.

    Raises
    ------
    ValueError
        It is damaged or another kind of package, it carries code, it has no ONNX weights, or it
        does something to the image or its classes that seamwise has no counterpart of.
    FileNotFoundError
        There is no such file.
    """
    if not path.exists():
        raise FileNotFoundError(f"model package {path} does not exist: check its name and folder")
    with _opened(path) as read:
        try:
            return _parse(read)
        except Refusal as refusal:
            raise ValueError(f"model package {path} {refusal}") from refusal


class _Missing(Refusal):
    """A file is not in the package."""


_Read = Callable[[str], bytes]


@contextmanager
def _opened(path: Path) -> Iterator[_Read]:
    """Open a package: yield a function that reads one of its files by its name."""
    if path.suffix.lower() != ".zip":
        folder = path if path.is_dir() else path.parent
        yield lambda name: _read_from(folder, path.name if path.is_file() else "", name)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unsafe = [name for name in archive.namelist() if not is_inside(name)]
            if unsafe:
                raise ValueError(
                    f"model package {path} has a file outside itself, {unsafe[0]!r}: it is not safe"
                )
            yield lambda name: _read_member(archive, name)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise ValueError(
            f"cannot read model package {path}: {first_line(error)}; is it complete?"
        ) from error


def _read_from(folder: Path, description: str, name: str) -> bytes:
    if name in DESCRIPTION_NAMES and description:
        name = description
    if not is_inside(name):
        raise Refusal(f"names a file outside itself, {name!r}: it is not safe")
    try:
        _check_length(name, (folder / name).stat().st_size)
        return (folder / name).read_bytes()
    except OSError as error:
        raise _Missing(f"lacks its file {shown(name)!r}: unpack it again") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        _check_length(name, archive.getinfo(name).file_size)
        return archive.read(name)
    except KeyError as error:
        raise _Missing(f"lacks its file {shown(name)!r}: download it again") from error


def _check_length(name: str, length: int) -> None:
    """Raise an error for a file that a small archive may have made of nothing."""
    most = _MOST_TEXT if name.endswith((".yaml", ".yml")) else _MOST_BYTES
    if length > most:
        raise Refusal(
            f"has a file {shown(name)!r} of {length / 1e6:.0f} MB: expected {most / 1e6:.0f} at "
            "most"
        )


def _parse(read: _Read) -> Package:
    description = _description(read)
    if text(description, "type") != "model":
        raise Refusal(f"describes a {shown(description['type'])}: expected a model")
    version = text(description, "format_version")
    if not version.startswith("0.5"):
        raise Refusal(f"has format {shown(version)}: expected 0.5")
    weights = mapping(description, "weights")
    _refuse_code(weights)
    is_ours = isinstance(description.get("config"), dict) and "seamwise" in description["config"]
    for attachment in entries(description, "attachments", optional=True) if is_ours else ():
        if attachment.get("source") == ATTACHMENT:
            return Package(model=_checked(read, attachment))
    if "onnx" not in weights:
        raise Refusal(f"has weights as {shown(', '.join(weights))}: expected onnx")
    if weights["onnx"].get("external_data"):
        raise Refusal("has ONNX weights in two files: expected one")
    return _parse_onnx(description, weights["onnx"], read)


def _description(read: _Read) -> dict[str, Any]:
    try:
        content = read(DESCRIPTION_NAMES[0])
    except _Missing:
        content = read(DESCRIPTION_NAMES[1])
    try:
        description = yaml.safe_load(content.decode())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Refusal(f"has a damaged description: {first_line(error)}") from error
    if not isinstance(description, dict):
        raise Refusal("has a damaged description: expected fields with names")
    return description


def _refuse_code(weights: Mapping[str, Any]) -> None:
    """Raise an error if the package carries a program: seamwise runs none."""
    for kind in weights:
        entry = mapping(weights, kind)
        if kind == "pytorch_state_dict" or any(entry.get(word) for word in _CODE):
            raise Refusal(
                f"carries code, for its weights as {shown(kind)}: seamwise loads packages without "
                "code, with weights as onnx alone"
            )


def _parse_onnx(description: Mapping[str, Any], weights: Mapping[str, Any], read: _Read) -> Package:
    """A package of another program."""
    inputs, outputs = entries(description, "inputs"), entries(description, "outputs")
    if len(inputs) != 1 or len(outputs) != 1:
        raise Refusal(
            f"has {amount(len(inputs), 'input')} and {amount(len(outputs), 'output')}: expected "
            "one image and one array of probabilities"
        )
    channels, space = _axes(inputs[0], "input")
    names = [text(axis, "id") for axis in space]
    steps = entries(inputs[0], "preprocessing", optional=True)
    preprocessing = parse_steps(steps, channels=len(channels), space=names)
    _check_type(inputs[0], steps)
    return Package(
        weights=_checked(read, weights),
        channels=channels,
        classes=_parse_output(outputs[0], inputs[0], space, read),
        ndim=len(space),
        depth=_depth(space),
        preprocessing=preprocessing,
    )


def _check_type(tensor: Mapping[str, Any], steps: list[dict[str, Any]]) -> None:
    """Raise an error unless the network sees floats."""
    data = tensor.get("data") or []
    for part in data if isinstance(data, list) else [data]:
        kind = part.get("type", "float32") if isinstance(part, dict) else part
        if kind not in ("float32", "float64") and not any(
            step["id"] == "ensure_dtype" for step in steps
        ):
            raise Refusal(f"takes images of {shown(kind)}: expected float32 or float64")


def _parse_output(
    output: Mapping[str, Any], image: Mapping[str, Any], space: list[dict[str, Any]], read: _Read
) -> tuple[str, ...]:
    """The classes of an output that has the size of the image and is probabilities."""
    classes, out_space = _axes(output, "output")
    if [text(axis, "id") for axis in out_space] != [axis["id"] for axis in space]:
        raise Refusal("has an output with other axes than its input")
    for axis, origin in zip(out_space, space, strict=True):
        if not _has_size_of(axis, origin, image.get("id")):
            raise Refusal(
                f"has an output of another size than its input, along {shown(axis['id'])}"
            )
    steps = entries(output, "postprocessing", optional=True)
    if any(text(step, "id") == "custom" for step in steps):
        raise Refusal("carries code, for its processing: seamwise runs none")
    if any(step["id"] != "ensure_dtype" for step in steps):
        raise Refusal("changes its output after the network, in a way that seamwise does not know")
    _check_classes(classes)
    _check_values(output, (len(classes), len(space)), read)
    return classes


def _has_size_of(axis: Mapping[str, Any], origin: Mapping[str, Any], image: Any) -> bool:
    """Whether an axis of the output has as many pixels as that of the image."""
    size = axis.get("size")
    if not isinstance(size, dict) or number(size, "offset", 0):
        return False
    is_same = (size.get("tensor_id"), size.get("axis_id")) == (image, origin["id"])
    return is_same and number(axis, "scale", 1) == number(origin, "scale", 1)


def _axes(tensor: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Names of the channels, and the axes of space; the order must be batch, channel, space."""
    axes = entries(tensor, "axes")
    kinds = [text(axis, "type") for axis in axes]
    if kinds not in (["batch", "channel", *["space"] * n] for n in (2, 3)):
        raise Refusal(
            f"has {name} axes {shown(', '.join(kinds))}: expected batch, channel and two or three "
            "of space"
        )
    return texts(axes[1], "channel_names"), axes[2:]


def _check_classes(classes: tuple[str, ...]) -> None:
    """Raise an error unless the channels are the classes of seamwise, in their order."""
    if len(classes) == 1:
        return
    words = [name.strip().lower() for name in classes]
    is_in_order = words[0] in _BACKGROUND and words[1] not in (*_BETWEEN, *_BACKGROUND, "gap")
    if len(words) > 2:
        is_in_order &= words[1] in _CELLS and words[2] in _BETWEEN
    if len(words) > 3:
        is_in_order &= words[3:] == ["gap"]
    if not is_in_order:
        raise Refusal(
            f"gives the channels {shown(', '.join(classes))}: expected one, the foreground, or "
            "background, cell, touching and gap in this order"
        )


def _check_values(output: Mapping[str, Any], shape: tuple[int, int], read: _Read) -> None:
    """Raise an error unless the test output is one of probabilities."""
    channels, ndim = shape
    content = _checked(read, mapping(output, "test_tensor"))
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        is_right = array.ndim == 2 + ndim and array.shape[1] == channels and array.size > 0
        array = array.astype(np.float64)
    except Exception as error:  # TokenError, EOFError, MemoryError, …
        raise Refusal(f"has a damaged test output: {first_line(error)}") from error
    if not is_right:
        raise Refusal(
            f"has a test output of shape {array.shape[:_DEEPEST]}: expected one of {channels} "
            f"channels with {ndim} axes of space"
        )
    low, high = array.min(), array.max()
    if not -_SLACK <= low <= high <= 1 + _SLACK:
        raise Refusal(
            f"gives {low:.3g} to {high:.3g} in its test: expected probabilities, from 0 to 1"
        )
    total = array.sum(axis=1)
    if channels > 1 and np.abs(total - 1).max() > _SLACK:
        raise Refusal(
            f"gives channels that sum to {total.min():.3g} to {total.max():.3g} in its test: "
            "expected probabilities, which sum to 1"
        )


def _depth(space: list[dict[str, Any]]) -> int:
    """The power of two whose multiples all sizes may be."""
    sizes = [_size(axis) for axis in space]
    for depth in range(_DEEPEST + 1):
        side = 2**depth
        if all(_has_size(low, step, side) for low, step in sizes):
            return depth
    words = ", ".join(f"{low} + n · {step}" for low, step in sizes)
    raise Refusal(f"takes sizes {words}: expected multiples of a power of two")


def _size(axis: Mapping[str, Any]) -> tuple[int, int]:
    """Least size of an axis, and its step."""
    size = axis.get("size")
    if not isinstance(size, dict) or "step" not in size:
        raise Refusal(
            f"takes images of one size along {shown(axis['id'])}, {shown(size)}: expected a size "
            "with a step"
        )
    low, step = number(size, "min", 0), number(size, "step", 0)
    if not (low >= 1 and step >= 1 and low == int(low) and step == int(step)):
        raise Refusal(
            f"has min {low:g} and step {step:g} along {shown(axis['id'])}: expected whole numbers "
            "above 0"
        )
    return int(low), int(step)


def _has_size(low: int, step: int, side: int) -> bool:
    """Whether all multiples of a side are among low, low + step, …"""
    return side >= low and side % step == 0 and (side - low) % step == 0


def _checked(read: _Read, entry: Mapping[str, Any]) -> bytes:
    """The content of a file, if it is the one that the description means."""
    name = text(entry, "source")
    if "://" in name:
        raise Refusal(f"has its file {shown(name)} on the network: download the whole package")
    content = read(name)
    if entry.get("sha256") and hashlib.sha256(content).hexdigest() != text(entry, "sha256"):
        raise Refusal(f"is damaged: its file {shown(name)!r} is another than it says")
    return content
