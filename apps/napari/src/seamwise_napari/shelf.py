"""The models that the widgets offer, and those that are loaded: `SHELF`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakMethod

from seamwise.io import (
    SegmentationInfo,
    describe_model,
    read_card,
    shipped_models,
)

if TYPE_CHECKING:  # slow to import
    from seamwise.segmentation import Model
    from seamwise_napari.finding import Tuning


@dataclass(frozen=True)
class Offer:
    """A model to choose.

    Attributes
    ----------
    name : str
    path : Path
    info : SegmentationInfo
    purpose : str
        What it is for, from its card; empty without one.
    """

    name: str
    path: Path
    info: SegmentationInfo
    purpose: str

    @property
    def ndim(self) -> int:
        """Axes of space of its images."""
        return self.info.architecture.ndim

    @property
    def words(self) -> str:
        """What it is for, and which sizes of cells it knows."""
        kind = "planes" if self.ndim == 2 else "stacks"
        words = f"{self.name} {self.purpose}" if self.purpose else f"{self.name} is for {kind}"
        sizes = self.info.known_diameters
        if sizes is None:
            return f"{words}."
        return f"{words}. It knows cells of {sizes[0]:.0f} to {sizes[-1]:.0f} pixels across."


class Shelf:
    """Models by their names: those that ship, then those of the user.

    Attributes
    ----------
    tuned : dict
        `Tuning` that the user found with the sliders, by the name of the model.
    """

    def __init__(self) -> None:
        self.tuned: dict[str, Tuning] = {}
        self._models: dict[str, Model] = {}
        self._listeners: list[WeakMethod[Callable[[], None]]] = []
        self._offers: dict[str, Offer] = {}
        for name, path in shipped_models().items():
            info = describe_model(path)
            if isinstance(info, SegmentationInfo) and info.architecture.in_channels == 1:
                self._offers[name] = Offer(name, path, info, read_card(path).purpose)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all offers, those for planes first."""
        return tuple(sorted(self._offers, key=lambda name: self._offers[name].ndim))

    def __getitem__(self, name: str) -> Offer:
        return self._offers[name]

    def add(self, path: Path, name: str | None = None) -> str:
        """Offer a model file of the user; return its name. A file of the same path is read again.

        Raises
        ------
        ValueError, OSError
            The file does not hold a model for cells in images of one channel.
        """
        path = path.resolve()
        info = describe_model(path)
        if not isinstance(info, SegmentationInfo) or info.architecture.in_channels != 1:
            raise ValueError(
                f"model {path.name} is not for cells in images of one channel: choose another"
            )
        wanted = name or path.stem
        owner = self._offers.get(wanted)
        chosen = wanted if owner is None or owner.path == path else str(path)
        self._offers[chosen] = Offer(chosen, path, info, "")
        for content in (self._models, self.tuned):
            content.pop(chosen, None)
        self.tell()
        return chosen

    def load(self, name: str) -> "Model":
        """Return a model, loaded when it is first used."""
        from seamwise.segmentation import load

        if name not in self._models:
            self._models[name] = load(self._offers[name].path)
        return self._models[name]

    def tell(self) -> None:
        """Tell the widgets that offers or tuned rules changed."""
        methods = [(reference, reference()) for reference in self._listeners]
        self._listeners = [reference for reference, method in methods if method is not None]
        for _, method in methods:
            if method is not None:
                method()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a method whenever the offers changed, as long as its object lives."""
        self._listeners.append(WeakMethod(listener))


SHELF = Shelf()
"""That of this process: all widgets share it."""
