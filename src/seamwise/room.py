"""A package whose names are imported when they are used; see `Room`."""

from types import ModuleType
from typing import Any


class Room(ModuleType):
    """The package: a function keeps its name when the module of the same name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in self.__all__):
            super().__setattr__(name, value)
