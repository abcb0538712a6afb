"""Scripts of recipes/, as modules."""

import importlib
import sys
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "recipes"


def script(name):
    """A script of recipes/; like `python recipes/<name>.py`, it finds the modules next to it."""
    if str(RECIPES) not in sys.path:
        sys.path.append(str(RECIPES))
    return importlib.import_module(name)
