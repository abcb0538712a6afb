"""`seamwise info --doctor`: what an installation has, what it lacks, and how to fix it."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from seamwise import __version__
from seamwise.cli.messages import print_result
from seamwise.cli.packages import GROUP, PACKAGES

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_GIB = 2**30
_NATIVE = ("cv2", "imagecodecs", "scipy", "skimage", "tifffile", "zarr")
"""Modules whose import fails where a library of the system is missing, or versions do not fit."""

EXTRAS = {
    "bioimageio": "model packages of bioimage.io",
    "fast": "networks computed by OpenVINO on a CPU",
    "heic": "HEIC photographs",
    "matting": "fusion by matting",
    "nifti": "data sets for nnU-Net as NIfTI",
    "onnx": "networks in ONNX files",
    "parquet": "tables as Parquet",
    "raw": "photographs in camera RAW",
    "tensorboard": "training logs for TensorBoard",
    "track": "cells followed over time",
}
"""What each extra is for."""

_MARKS = {"fine": "ok", "missing": "--", "broken": "!!"}


@dataclass(frozen=True)
class Line:
    """One line of the report.

    Attributes
    ----------
    state : {"fine", "missing", "broken"}
        What is missing is optional; what is broken keeps something from working.
    subject, text : str
    """

    state: Literal["fine", "missing", "broken"]
    subject: str
    text: str


def examine() -> Iterator[Line]:
    """Yield what there is to say about the installation; nothing that fails ends it."""
    python = f"seamwise {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield Line("fine", "versions", python)
    for look in (_required, _native, _torch, _runtime, _extras, _commands, _memory, _folders):
        yield from _guarded(look)


def print_report(lines: Iterable[Line]) -> None:
    """Print the lines; end with exit code 1 if something is broken."""
    faults = 0
    for line in lines:
        faults += line.state == "broken"
        print_result(f"{_MARKS[line.state]} {line.subject}: {line.text}")
    if faults:
        print_result(f"{faults} broken, see the lines with !!")
        raise typer.Exit(1)
    print_result("nothing is broken; -- is optional")


def _guarded(look: Callable[[], Iterable[Line]]) -> Iterator[Line]:
    """Yield what a function finds; if it fails, say so."""
    subject = look.__name__.strip("_")
    try:
        yield from look()
    except Exception as error:  # a broken package may raise anything
        yield Line("broken", subject, f"{type(error).__name__}: {_reason(error)}")


def _required() -> Iterator[Line]:
    """Packages that seamwise cannot do without."""
    packages = _requirements()
    faults = {need.name: fault for need in packages if (fault := _fault(need))}
    for name, fault in faults.items():
        yield Line("broken", name, fault)
    if not faults:
        yield Line("fine", "packages", f"all {len(packages)} that are needed are installed")


def _native() -> Iterator[Line]:
    """Packages with code of their own for this machine."""
    for name in _NATIVE:
        try:
            import_module(name)
        except Exception as error:
            yield Line("broken", name, f"cannot be imported ({_reason(error)}): install it again")


def _torch() -> Iterator[Line]:
    """PyTorch, its build, and the device it computes on."""
    import torch

    from seamwise.engine import choose_device, choose_precision

    device = choose_device()
    precision = str(choose_precision(device)).removeprefix("torch.")
    build = f"build for CUDA {torch.version.cuda}" if torch.version.cuda else "build without CUDA"
    yield Line("fine", "torch", f"{torch.__version__}, {build}; {device} computing in {precision}")
    capability = torch.backends.cpu.get_cpu_capability()
    yield Line("fine", "processor", f"{platform.machine()}, {capability}, {os.cpu_count()} cores")
    if device.type == "cpu" and _has_nvidia_driver():
        text = "an NVIDIA driver is here, but torch cannot use a GPU: install a build for it"
        yield Line("missing", "GPU", f"{text} (docs/install.md)")


def _has_nvidia_driver() -> bool:
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _runtime() -> Iterator[Line]:
    """What computes networks by default."""
    from seamwise.engine import choose_device, describe_runtime

    yield Line("fine", "runtime auto", describe_runtime(choose_device()))


def _extras() -> Iterator[Line]:
    """Optional packages."""
    for extra, purpose in EXTRAS.items():
        packages = [need for need in _requirements(extra) if need.name != "seamwise"]
        missing = [need.name for need in packages if _fault(need)]
        if not packages:
            text = f"{purpose}: the installed seamwise does not know it yet: install it again"
            yield Line("missing", f"extra {extra}", text)
        elif missing:
            text = f'{purpose}: pip install "seamwise[{extra}]" brings {", ".join(missing)}'
            yield Line("missing", f"extra {extra}", text)
        else:
            versions = ", ".join(f"{need.name} {_version(need.name)}" for need in packages)
            yield Line("fine", f"extra {extra}", f"{purpose}: {versions}")


def _commands() -> Iterator[Line]:
    """Commands of packages of their own."""
    for name, package in PACKAGES.items():
        if entry_points(group=GROUP, name=name):
            yield Line("fine", f"command {name}", f"{package.name} {_version(package.name)}")
        else:
            text = f"in the folder of seamwise type pip install ./{package.folder}"
            yield Line("missing", f"command {name}", text)


def _memory() -> Iterator[Line]:
    """Memory that a run may use."""
    from seamwise.engine import free_memory

    yield Line("fine", "memory", f"{free_memory() / _GIB:.1f} GiB are free for a run")


def _folders() -> Iterator[Line]:
    """Folders that are written without being named: the cache and temporary files."""
    from seamwise.io import user_cache

    yield _folder("cache", lambda: user_cache("networks").parent, "SEAMWISE_CACHE", "missing")
    yield _folder("temporary files", lambda: Path(tempfile.gettempdir()), "TMPDIR", "broken")


def _folder(
    subject: str, find: Callable[[], Path], variable: str, state: Literal["missing", "broken"]
) -> Line:
    """Write a small file in a folder, or in the lowest one above it that exists."""
    remedy = f"name another folder with the variable {variable}"
    try:
        path = find()
    except OSError as error:
        return Line(state, subject, f"{_reason(error)}: {remedy}")
    try:
        place = next(parent for parent in (path, *path.parents) if parent.exists())
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free / _GIB
    except OSError as error:
        reason = error.strerror or _reason(error)
        return Line(state, subject, f"{path} cannot be written ({reason}): {remedy}")
    return Line("fine", subject, f"{path} can be written, {free:.1f} GiB are free")


def _requirements(extra: str = "") -> "list[Requirement]":
    """Return what the installation names for this machine: for an extra, or for all uses."""
    from packaging.requirements import Requirement

    needs = [Requirement(text) for text in requires("seamwise") or ()]
    return [need for need in needs if _applies(need, extra) and _applies(need, "") != bool(extra)]


def _applies(need: "Requirement", extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})


def _fault(need: "Requirement") -> str:
    """Return what is wrong with a package that is needed, and how to fix it; empty if nothing."""
    installed = _version(need.name)
    if installed is None:
        return f"is not installed: pip install {need.name}"
    if need.specifier.contains(installed, prereleases=True):
        return ""
    wanted = f"{need.name}{need.specifier}"
    return f'is {installed}, needs {need.specifier}: pip install "{wanted}"'


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _reason(error: BaseException) -> str:
    """Return the first line of an error, or its kind."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
