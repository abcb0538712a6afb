"""`seamwise info --doctor`: what an installation has, what it lacks, and how to fix it."""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from typing import Literal

import typer

from seamwise import __version__
from seamwise.cli.messages import print_result
from seamwise.cli.packages import GROUP, PACKAGES

_GIB = 2**30
_NATIVE = ("cv2", "imagecodecs", "scipy", "skimage", "tifffile", "zarr")
"""Modules whose import fails where a library of the system is missing, or versions do not fit."""

EXTRAS = {
    "bioimageio": "model packages of bioimage.io",
    "fast": "networks computed by OpenVINO on a CPU",
    "heic": "HEIC photographs",
    "matting": "fusion by matting",
    "onnx": "networks in ONNX files",
    "parquet": "tables as Parquet",
    "raw": "photographs in camera RAW",
    "tensorboard": "training logs for TensorBoard",
    "track": "cells followed over time",
}
"""What each extra is for."""

_MARKS = {"fine": "ok", "missing": "--", "broken": "!!"}


@dataclass(frozen=True)
class Look:
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


def examine() -> Iterator[Look]:
    """Yield what there is to say about the installation; nothing that fails ends it."""
    python = f"seamwise {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield Look("fine", "versions", python)
    for look in (_required, _native, _torch, _runtime, _extras, _commands, _memory, _folders):
        yield from _careful(look)


def print_report(looks: Iterable[Look]) -> None:
    """Print the lines; end with exit code 1 if something is broken."""
    faults = 0
    for look in looks:
        faults += look.state == "broken"
        print_result(f"{_MARKS[look.state]} {look.subject}: {look.text}")
    if faults:
        print_result(f"{faults} broken, see the lines with !!")
        raise typer.Exit(1)
    print_result("nothing is broken; -- is optional")


def _careful(look: Callable[[], Iterable[Look]]) -> Iterator[Look]:
    """Yield what a function finds; if it fails, say so."""
    subject = look.__name__.strip("_")
    try:
        yield from look()
    except Exception as error:  # a broken package may raise anything
        yield Look("broken", subject, f"{type(error).__name__}: {_line(error)}")


def _required() -> Iterator[Look]:
    """Packages that seamwise cannot do without."""
    packages = [name for name, extra in _requirements() if not extra]
    missing = [name for name in packages if _version(name) is None]
    for name in missing:
        yield Look("broken", name, f"is not installed: pip install {name}")
    if not missing:
        yield Look("fine", "packages", f"all {len(packages)} that are needed are installed")


def _native() -> Iterator[Look]:
    """Packages with code of their own for this machine."""
    for name in _NATIVE:
        try:
            import_module(name)
        except Exception as error:  # whatever a broken package raises
            yield Look("broken", name, f"cannot be imported ({_line(error)}): install it again")


def _torch() -> Iterator[Look]:
    """PyTorch, its build, and the device it computes on."""
    import torch

    from seamwise.engine import choose_device, choose_precision

    device = choose_device()
    precision = str(choose_precision(device)).removeprefix("torch.")
    build = f"build for CUDA {torch.version.cuda}" if torch.version.cuda else "build without CUDA"
    yield Look("fine", "torch", f"{torch.__version__}, {build}; {device} computing in {precision}")
    capability = torch.backends.cpu.get_cpu_capability()
    yield Look("fine", "processor", f"{platform.machine()}, {capability}, {os.cpu_count()} cores")
    if device.type == "cpu" and _has_nvidia_gpu():
        text = "an NVIDIA GPU is here, but torch cannot use it: install a build for its driver"
        yield Look("missing", "GPU", f"{text} (docs/install.md)")


def _has_nvidia_gpu() -> bool:
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _runtime() -> Iterator[Look]:
    """What computes networks by default."""
    from seamwise.engine import choose_device, describe_runtime

    yield Look("fine", "runtime auto", describe_runtime(choose_device()))


def _extras() -> Iterator[Look]:
    """Optional packages."""
    for extra, purpose in EXTRAS.items():
        packages = [name for name, of in _requirements() if of == extra and name != "seamwise"]
        missing = [name for name in packages if _version(name) is None]
        if missing:
            text = f'{purpose}: pip install "seamwise[{extra}]" brings {", ".join(missing)}'
            yield Look("missing", f"extra {extra}", text)
        else:
            versions = ", ".join(f"{name} {_version(name)}" for name in packages)
            yield Look("fine", f"extra {extra}", f"{purpose}: {versions}")


def _commands() -> Iterator[Look]:
    """Commands of packages of their own."""
    for name, package in PACKAGES.items():
        if entry_points(group=GROUP, name=name):
            yield Look("fine", f"command {name}", f"{package.name} {_version(package.name)}")
        else:
            text = f"in the folder of seamwise type pip install ./{package.folder}"
            yield Look("missing", f"command {name}", text)


def _memory() -> Iterator[Look]:
    """Memory that a run may use."""
    from seamwise.engine import free_memory

    yield Look("fine", "memory", f"{free_memory() / _GIB:.1f} GiB are free for a run")


def _folders() -> Iterator[Look]:
    """Folders that are written without being named: the cache and temporary files."""
    from seamwise.io import user_cache

    yield _folder("cache", user_cache("networks").parent, "SEAMWISE_CACHE", state="missing")
    yield _folder("temporary files", Path(tempfile.gettempdir()), "TMPDIR", state="broken")


def _folder(
    subject: str, path: Path, variable: str, *, state: Literal["missing", "broken"]
) -> Look:
    """Write a small file in a folder, or in the lowest one above it that exists."""
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free / _GIB
    except OSError as error:
        reason = error.strerror or _line(error)
        remedy = f"name another folder with the variable {variable}"
        return Look(state, subject, f"{path} cannot be written ({reason}): {remedy}")
    return Look("fine", subject, f"{path} can be written, {free:.1f} GiB are free")


def _requirements() -> list[tuple[str, str]]:
    """Return each package that the installation names, with its extra; empty for none."""
    texts = requires("seamwise") or ()
    pairs = [
        (re.match(r"[\w.-]+", text), re.search(r"extra == ['\"](\w+)", text)) for text in texts
    ]
    return [(name[0], extra[1] if extra else "") for name, extra in pairs if name]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _line(error: BaseException) -> str:
    """Return the first line of an error, or its kind."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
