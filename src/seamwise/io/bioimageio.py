"""Packages of bioimage.io, read as model files of seamwise; see `package_model`."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from seamwise.io.errors import first_line

ATTACHMENT = "model.safetensors"
"""Name of the model file in a package that seamwise writes."""

DESCRIPTION_NAMES = ("rdf.yaml", "bioimageio.yaml")
"""Names of the description in a package; the first one is written."""

_MOST_TEXT = 10_000_000  # bytes of a description
_CODE = ("architecture", "dependencies", "kwargs")  # of weights, that are built by a program
_CLASSES = ("background", "cell", "touching", "gap")
_BACKGROUND = ("background", "bg")
_SLACK = 0.01  # of probabilities, in their sum
_DEEPEST = 8  # sizes are multiples of 2 to the power of this, at most


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image before a network sees it.

    Attributes
    ----------
    kind : {"identity", "range", "standard"}
        What is measured in the whole image; see `NormalizationRule`.
    low, high : float
        Percentiles of "range".
    gain, offset : float or tuple of float
        Then, x ↦ gain · x + offset, of all channels or of each.
    """

    kind: Literal["identity", "range", "standard"] = "identity"
    low: float = 0.0
    high: float = 100.0
    gain: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0


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
    preprocessing: Preprocessing = Preprocessing()


def is_package(path: Path) -> bool:
    """Return whether a path looks like a package: ``.zip``, its description or a folder with it."""
    if path.suffix.lower() in (".zip", ".yaml", ".yml"):
        return True
    return any((path / name).is_file() for name in DESCRIPTION_NAMES)


def read_package(path: Path) -> Package:
    """Read a package of bioimage.io, format 0.5, that has ONNX weights or was written by seamwise.

    Nothing of it is run, and nothing is fetched: files must be in the package.

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
        raise FileNotFoundError(f"model package {path} does not exist")
    with _opened(path) as read:
        try:
            return _parse(read)
        except _Refusal as refusal:
            raise ValueError(f"model package {path} {refusal}") from refusal
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(
                f"model package {path} is damaged: its description lacks {first_line(error)}"
            ) from error


class _Refusal(Exception):
    """Why a package cannot be used, behind its name."""


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
            unsafe = [name for name in archive.namelist() if not _is_inside(name)]
            if unsafe:
                raise ValueError(
                    f"model package {path} has a file outside itself, {unsafe[0]!r}: it is not safe"
                )
            yield lambda name: _read_member(archive, name)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise ValueError(
            f"cannot read model package {path}: {first_line(error)}; is it complete?"
        ) from error


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]


def _read_from(folder: Path, description: str, name: str) -> bytes:
    if name in DESCRIPTION_NAMES and description:
        name = description
    if not _is_inside(name):
        raise _Refusal(f"names a file outside itself, {name!r}: it is not safe")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _Refusal(f"lacks its file {name!r}: unpack it again") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if name in DESCRIPTION_NAMES and archive.getinfo(name).file_size > _MOST_TEXT:
            raise _Refusal(f"has a description of more than {_MOST_TEXT // 10**6} MB")
        return archive.read(name)
    except KeyError as error:
        raise _Refusal(f"lacks its file {name!r}: download it again") from error


def _parse(read: _Read) -> Package:
    description = _description(read)
    if description["type"] != "model":
        raise _Refusal(f"describes a {description['type']}: expected a model")
    version = str(description["format_version"])
    if not version.startswith("0.5"):
        raise _Refusal(f"has format {version}: expected 0.5")
    weights = description["weights"]
    _refuse_code(description)
    for attachment in description.get("attachments") or []:
        if "seamwise" in (description.get("config") or {}) and attachment["source"] == ATTACHMENT:
            return Package(model=_checked(read, attachment))
    if "onnx" not in weights:
        raise _Refusal(f"has weights as {', '.join(weights)}: expected onnx")
    if weights["onnx"].get("external_data"):
        raise _Refusal("has ONNX weights in two files: expected one")
    return _parse_onnx(description, read)


def _description(read: _Read) -> dict[str, Any]:
    try:
        content = read(DESCRIPTION_NAMES[0])
    except _Refusal:
        content = read(DESCRIPTION_NAMES[1])
    try:
        description = yaml.safe_load(content.decode())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _Refusal(f"has a damaged description: {first_line(error)}") from error
    if not isinstance(description, dict):
        raise _Refusal("has a damaged description: expected fields with names")
    return description


def _refuse_code(description: Mapping[str, Any]) -> None:
    """Raise an error if the package carries a program: seamwise runs none."""
    for kind, entry in description["weights"].items():
        if kind == "pytorch_state_dict" or any(entry.get(word) for word in _CODE):
            raise _Refusal(
                f"carries code, for its weights as {kind}: seamwise loads packages without code, "
                "with weights as onnx alone"
            )
    for tensor in (*description["inputs"], *description["outputs"]):
        steps = [*(tensor.get("preprocessing") or []), *(tensor.get("postprocessing") or [])]
        if any(step["id"] == "custom" for step in steps):
            raise _Refusal("carries code, for its processing: seamwise runs none")


def _parse_onnx(description: Mapping[str, Any], read: _Read) -> Package:
    """A package of another program."""
    inputs, outputs = description["inputs"], description["outputs"]
    if len(inputs) != 1 or len(outputs) != 1:
        raise _Refusal(
            f"has {len(inputs)} inputs and {len(outputs)} outputs: expected one image and one "
            "array of probabilities"
        )
    channels, space = _axes(inputs[0], "input")
    classes, out_space = _axes(outputs[0], "output")
    if [axis["id"] for axis in space] != [axis["id"] for axis in out_space]:
        raise _Refusal("has an output with other axes than its input")
    for axis in out_space:
        reference = axis.get("size")
        if not isinstance(reference, Mapping) or reference.get("offset"):
            raise _Refusal(f"has an output of another size than its input, along {axis['id']}")
    if outputs[0].get("postprocessing") and not _is_plain(outputs[0]["postprocessing"]):
        raise _Refusal("changes its output after the network, in a way that seamwise does not know")
    _check_classes(classes)
    if len(classes) > 1:
        _check_sum(outputs[0], read)
    return Package(
        weights=_checked(read, description["weights"]["onnx"]),
        channels=channels,
        classes=classes,
        ndim=len(space),
        depth=_depth(space),
        preprocessing=_preprocessing(inputs[0].get("preprocessing") or [], len(channels)),
    )


def _is_plain(steps: list[Mapping[str, Any]]) -> bool:
    return all(step["id"] == "ensure_dtype" for step in steps)


def _axes(tensor: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Names of the channels, and the axes of space; the order must be batch, channel, space."""
    axes = tensor["axes"]
    kinds = [axis["type"] for axis in axes]
    if kinds not in (["batch", "channel", *["space"] * n] for n in (2, 3)):
        raise _Refusal(
            f"has {name} axes {', '.join(kinds)}: expected batch, channel and two or three of space"
        )
    return tuple(map(str, axes[1]["channel_names"])), axes[2:]


def _check_classes(classes: tuple[str, ...]) -> None:
    if len(classes) == 1:
        return
    if not 2 <= len(classes) <= len(_CLASSES) or classes[0].lower() not in _BACKGROUND:
        raise _Refusal(
            f"gives the channels {', '.join(classes)}: expected one, the foreground, or "
            "background, cell, touching and gap in this order"
        )


def _check_sum(output: Mapping[str, Any], read: _Read) -> None:
    """Raise an error unless the test output is one of probabilities."""
    if not output.get("test_tensor"):
        return
    content = _checked(read, output["test_tensor"])
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        total = array.sum(axis=1)
    except (ValueError, EOFError) as error:
        raise _Refusal(f"has a damaged test output: {first_line(error)}") from error
    if array.min() < -_SLACK or np.abs(total - 1).max() > _SLACK:
        raise _Refusal(
            f"gives channels that sum to {total.min():.3g} to {total.max():.3g} in its test: "
            "expected probabilities, which sum to 1"
        )


def _depth(space: list[dict[str, Any]]) -> int:
    """The power of two whose multiples all sizes may be."""
    sizes = [axis["size"] for axis in space]
    fixed = [size for size in sizes if not isinstance(size, Mapping) or "step" not in size]
    if fixed:
        raise _Refusal(f"takes images of one size, {sizes}: expected sizes with a step")
    for depth in range(_DEEPEST + 1):
        side = 2**depth
        if all(_has_size(size, side) for size in sizes):
            return depth
    raise _Refusal(f"takes sizes {sizes}: expected multiples of a power of two")


def _has_size(size: Mapping[str, int], side: int) -> bool:
    """Whether all multiples of a size are among min, min + step, …"""
    low, step = size["min"], size["step"]
    return side >= low and side % step == 0 and (side - low) % step == 0


def _preprocessing(steps: list[Mapping[str, Any]], channels: int) -> Preprocessing:
    """What the steps amount to: at most one that measures the image, then one that is linear."""
    result = Preprocessing()
    for number, step in enumerate(steps):
        keywords = step.get("kwargs") or {}
        if step["id"] == "ensure_dtype":
            continue
        if step["id"] in ("scale_linear", "fixed_zero_mean_unit_variance"):
            gain, offset = _linear(step["id"], keywords)
            if any(other["id"] != "ensure_dtype" for other in steps[number + 1 :]):
                break
            return Preprocessing(result.kind, result.low, result.high, gain, offset)
        if result.kind != "identity" or keywords.get("reference_tensor"):
            break
        if channels > 1 and "channel" in (keywords.get("axes") or ["channel"]):
            break  # measured in all channels together
        if step["id"] == "scale_range":
            result = Preprocessing(
                "range",
                float(keywords.get("min_percentile", 0)),
                float(keywords.get("max_percentile", 100)),
            )
        elif step["id"] == "zero_mean_unit_variance":
            result = Preprocessing("standard")
        else:
            break
    else:
        return result
    names = ", ".join(str(step["id"]) for step in steps)
    raise _Refusal(f"prepares its images by {names}, in a way that seamwise does not know")


def _linear(name: str, keywords: Mapping[str, Any]) -> tuple[Any, Any]:
    """Gain and offset, of all channels or of each."""

    def numbers(key: str, default: float) -> NDArray[np.float64]:
        return np.asarray(keywords.get(key, default), np.float64)

    if name == "scale_linear":
        gain, offset = numbers("gain", 1), numbers("offset", 0)
    else:
        gain = 1 / numbers("std", 1)
        offset = -numbers("mean", 0) * gain
    both = np.broadcast_arrays(gain, offset)
    gains, offsets = (part.item() if part.ndim == 0 else tuple(part.tolist()) for part in both)
    return gains, offsets


def _checked(read: _Read, entry: Mapping[str, Any]) -> bytes:
    """The content of a file, if it is the one that the description means."""
    name = str(entry["source"])
    if "://" in name:
        raise _Refusal(f"has its file {name} on the network: download the whole package")
    content = read(name)
    if "sha256" in entry and hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise _Refusal(f"is damaged: its file {name!r} is another than it says")
    return content
