"""What napari reads of the plugin before it starts it."""

import ast
import tomllib
from pathlib import Path

import pytest
import yaml

APP = Path(__file__).parents[3] / "apps" / "napari"
SOURCE = APP / "src" / "seamwise_napari"
WITH_NAPARI = {"napari", "magicgui", "qtpy"}


@pytest.fixture(scope="module")
def manifest():
    return yaml.safe_load((SOURCE / "napari.yaml").read_text())


def top_level_names(module):
    """The names that a module defines."""
    tree = ast.parse((SOURCE / f"{module}.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)


def test_the_package_tells_napari_where_its_manifest_is(manifest):
    project = tomllib.loads((APP / "pyproject.toml").read_text())["project"]
    package, _, file = project["entry-points"]["napari.manifest"][project["name"]].partition(":")
    assert (package, file) == (SOURCE.name, "napari.yaml")
    assert manifest["name"] == project["name"]


def test_each_command_is_a_function_or_a_widget(manifest):
    commands = manifest["contributions"]["commands"]
    assert len({command["id"] for command in commands}) == len(commands)
    for command in commands:
        package, _, rest = command["python_name"].partition(".")
        module, _, name = rest.partition(":")
        assert package == SOURCE.name
        assert name in top_level_names(module), command
        assert command["id"].startswith(f"{manifest['name']}.")


def test_each_contribution_has_a_command_and_each_command_is_used(manifest):
    contributions = dict(manifest["contributions"])
    known = {command["id"] for command in contributions.pop("commands")}
    used = [one["command"] for part in contributions.values() for one in part]
    assert sorted(used) == sorted(known)


def test_what_needs_no_window_imports_no_napari():
    panels = {path.stem for path in SOURCE.glob("*panel.py")}
    assert len(panels) == 6
    for path in SOURCE.glob("*.py"):
        needs_napari = bool(WITH_NAPARI & set(imported_packages(path)))
        assert needs_napari == (path.stem in panels), path.name
