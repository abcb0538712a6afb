"""The house plan, checked: imports flow one way, and `import seamwise` stays fast."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import tifffile
from PIL import Image
from PIL.ImageFilter import GaussianBlur
from skimage.data import astronaut

import seamwise
from seamwise.synth import crowded_cells

SOURCE = Path(seamwise.__file__).parent
# a place may import from its own row only within itself, and from every row below it
ROWS = [
    {"__main__"},
    {"cli"},
    {"report"},
    {"segmentation", "fusion"},
    {"engine", "analysis", "exchange", "measure"},
    {"losses", "nets", "decode", "metrics", "weights", "io", "synth"},
    {"labels", "tiling", "pictures"},
    {"types", "words", "plain_values", "array_like", "room"},
]


def place(module: str) -> str:
    return module.split(".")[1]


def row(name: str) -> int:
    (found,) = [i for i, names in enumerate(ROWS) if name in names]
    return found


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from seamwise import x` is a module x, unless it is the version
            parts = (
                [node.module]
                if node.module != "seamwise"
                else [f"seamwise.{alias.name}" for alias in node.names]
            )
            found |= set(parts) - {"seamwise.__version__"}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    assert "seamwise" not in found, f"{path}: import what is used"
    return {name for name in found if name.startswith("seamwise.")}


RUNTIMES = ("openvino", "onnx", "onnxruntime")
SLOW = ("distributed", "matplotlib", "scipy.stats", "zarr", *RUNTIMES)
MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_flow_down(path):
    here = path.relative_to(SOURCE).with_suffix("").parts[0]
    for module in imports(path):
        there = place(module)
        assert there == here or row(there) > row(here), f"{here} must not import {module}"


def test_every_place_is_in_the_plan():
    places = {path.relative_to(SOURCE).with_suffix("").parts[0] for path in MODULES}
    assert places == set().union(*ROWS)


# what is still not imported after each module: these one after the other in one process, since
# every start of a process takes long, …
WITHOUT_TORCH = {
    "seamwise": ("torch",),
    "seamwise.cli": ("torch", "numpy", "pydantic", "scipy"),
    "seamwise.io.images": ("torch", "zarr"),
    "seamwise.io.ome_zarr": ("zarr",),
    "seamwise.analysis": ("torch", "matplotlib"),
    "seamwise.engine": ("torch",),
    "seamwise.io.models": ("torch",),
    "seamwise.labels": ("torch",),
    "seamwise.nets.graph": ("torch",),
    "seamwise.segmentation.batch": ("torch",),
    "seamwise.fusion.batch": ("torch",),
    "seamwise.synth": ("torch",),
    "seamwise.weights": ("torch",),
}
# … and these in another
WITH_TORCH = {
    "seamwise.segmentation": SLOW,
    "seamwise.fusion": SLOW,
    "seamwise.engine.runtime": RUNTIMES,
}
LATE = {**WITHOUT_TORCH, **WITH_TORCH}
HOMONYMS = ("demo", "normalization", "overlay", "train")
CALLABLE = f"""
import {", ".join(f"seamwise.segmentation.{name}" for name in HOMONYMS)}
from seamwise.segmentation import {", ".join(HOMONYMS)}
import seamwise.fusion.train
from seamwise.fusion import train as train_fusion
print(*map(callable, ({", ".join(HOMONYMS)}, train_fusion)))
"""


def import_of(module):
    """Lines that import a module and print which of the slow libraries are imported by then."""
    return f"import {module}\nprint(*({set().union(*LATE.values())} & set(sys.modules)))"


def printed_by(*lines):
    """What a new process prints, line by line."""
    command = [sys.executable, "-c", "\n".join(("import sys", *lines))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def printed():
    """What is printed after the import of each module, and for the homonyms."""
    lines = printed_by(*map(import_of, WITHOUT_TORCH))
    lines += printed_by(*map(import_of, WITH_TORCH), CALLABLE)
    return dict(zip((*LATE, "homonyms"), lines, strict=True))


@pytest.mark.parametrize("module", LATE)
def test_slow_libraries_are_imported_when_they_are_used(module, printed):
    assert set(printed[module].split()) & set(LATE[module]) == set()


def test_a_function_keeps_its_name_when_the_module_of_that_name_is_imported(printed):
    assert printed["homonyms"].split() == ["True"] * (len(HOMONYMS) + 1)


COMMANDS = """
import sys
from seamwise.cli import main

for arguments in {commands!r}:
    sys.argv = ["seamwise", *arguments, "--runtime", {runtime!r}]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
loaded = {{"torch", "matplotlib", "pandas", "distributed"}} & set(sys.modules)
assert not loaded, loaded
"""


MORE = ([], ["--tile", "512"], ["--scale", "0.5"], ["--model", "phase-2d"])


def run_without_torch(runtime, commands):
    """Run commands in one new process, which must not import torch."""
    if find_spec("openvino" if runtime == "openvino" else "onnxruntime") is None:
        pytest.skip(f"needs {runtime}")  # an import of it would send statistics
    script = COMMANDS.format(commands=commands, runtime=runtime)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_segmentation_without_torch_does_not_import_it(runtime, tmp_path):
    image = tmp_path / "cells.tif"
    tifffile.imwrite(image, crowded_cells((64, 80), cells=5, rng=0).image)
    outputs = [tmp_path / f"out{number}" for number in range(len(MORE))]
    commands = [
        ["segment", str(image), "-o", str(output), *more]
        for output, more in zip(outputs, MORE, strict=True)
    ]
    run_without_torch(runtime, commands)
    assert all((output / "cells.tif").exists() for output in outputs)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_fusion_without_torch_does_not_import_it(runtime, tmp_path):
    frames = [str(tmp_path / f"{number}.png") for number in range(3)]
    picture = Image.fromarray(astronaut()[:200, 100:340])
    for number, frame in enumerate(frames):
        picture.filter(GaussianBlur(number / 4)).save(frame)
    outputs = [tmp_path / name for name in ("pair.png", "burst.png", "moved.png")]
    options = (frames[:2], frames, [*frames, "--motion", "shift"])
    commands = [
        ["fuse", *more, "-o", str(output), *(["--no-align"] if "--motion" not in more else [])]
        for output, more in zip(outputs, options, strict=True)
    ]
    run_without_torch(runtime, commands)
    assert all(output.exists() for output in outputs)
