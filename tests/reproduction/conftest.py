"""The scripts of `reproduction/`, imported as they import each other."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.curves import no_curves

FOLDER = Path(__file__).parents[2] / "reproduction"
FOLDERS = (FOLDER / "fusion", FOLDER / "segmentation")

if not FOLDER.is_dir():  # the source distribution lacks it
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True, scope="module")
def _no_curves():
    with no_curves():
        yield


class Scripts:
    """Each script by its name."""

    def __getattr__(self, name: str) -> ModuleType:
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def scripts():
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*map(str, FOLDERS), *sys.path])
        yield Scripts()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]
