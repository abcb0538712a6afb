"""The house plan, checked: imports flow one way, and `import seamwise` stays fast."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

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
    {"types", "words", "plain_values", "array_like"},
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


@pytest.mark.parametrize(
    "module",
    [
        "seamwise",
        "seamwise.analysis",
        "seamwise.cli",
        "seamwise.engine",
        "seamwise.io.images",
        "seamwise.io.models",
        "seamwise.labels",
        "seamwise.nets.graph",
        "seamwise.segmentation.batch",
        "seamwise.synth",
        "seamwise.weights",
    ],
)
def test_torch_is_not_imported_before_it_is_needed(module):
    script = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "late"),
    [
        ("seamwise.cli", ("numpy", "pydantic", "scipy")),
        ("seamwise.segmentation", ("scipy.stats", "matplotlib", "zarr", "distributed", *RUNTIMES)),
        ("seamwise.engine.runtime", RUNTIMES),
        ("seamwise.fusion", ("scipy.stats", "matplotlib", "zarr", "distributed", *RUNTIMES)),
    ],
)
def test_slow_libraries_are_imported_when_they_are_used(module, late):
    script = f"import sys, {module}; print(*(set({late}) & set(sys.modules)))"
    command = [sys.executable, "-c", script]
    assert not subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


SEGMENT = """
import sys
from seamwise.cli import main

sys.argv = ["seamwise", "segment", {image!r}, "-o", {output!r}, "--runtime", {runtime!r}]
sys.argv += {more!r}
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = {{"torch", "matplotlib", "pandas", "distributed"}} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    ("runtime", "more"), [("openvino", []), ("onnx", []), ("onnx", ["--tile", "512"])]
)
def test_a_segmentation_without_torch_does_not_import_it(runtime, more, tmp_path):
    pytest.importorskip("openvino" if runtime == "openvino" else "onnxruntime")
    image = tmp_path / "cells.tif"
    tifffile.imwrite(image, crowded_cells((64, 80), cells=5, rng=0).image)
    names = {"image": str(image), "output": str(tmp_path / "out"), "runtime": runtime, "more": more}
    script = SEGMENT.format(**names)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "cells.tif").exists()


def test_a_function_keeps_its_name_when_the_module_of_that_name_is_imported():
    names = ("demo", "normalization", "overlay", "train")
    modules = ", ".join(f"seamwise.segmentation.{name}" for name in names)
    script = f"import {modules}; from seamwise.segmentation import {', '.join(names)}; "
    script += f"assert all(map(callable, ({', '.join(names)})))"
    subprocess.run([sys.executable, "-c", script], check=True)
