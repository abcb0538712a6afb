"""The models that the page offers: `model_offers`, and `Shelf` for those that are loaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamwise.io import SegmentationInfo, describe_model, read_card, shipped_models
from seamwise_web.answers import RefusalError

if TYPE_CHECKING:  # slow to import
    from seamwise.segmentation import Model


@dataclass(frozen=True)
class Offer:
    """A model to choose.

    Attributes
    ----------
    name : str
    path : Path
    purpose : str
        What it is for, from its card; empty without one.
    diameters : tuple of two float, optional
        Smallest and largest usual diameter of its cells, in pixels of an image.
    ndim : int
        2 for planes, 3 for stacks.
    """

    name: str
    path: Path
    purpose: str
    diameters: tuple[float, float] | None
    ndim: int = 2

    def description(self) -> dict[str, Any]:
        """Return what the page shows."""
        return {
            "name": self.name,
            "purpose": self.purpose,
            "diameters": self.diameters,
            "ndim": self.ndim,
        }


def model_offers(files: Iterable[Path]) -> dict[str, Offer]:
    """Return the models for one channel: files of the user first, then those that ship.

    Raises
    ------
    ValueError, OSError
        A file of the user is not such a model.
    """
    offers: dict[str, Offer] = {}
    for path in files:
        info = describe_model(path)
        if not _fits(info):
            raise ValueError(f"model {path} is not for cells in one channel: remove --model {path}")
        name = path.stem if path.stem not in offers else str(path)
        offers[name] = _offer(name, path, info)
    for name, path in shipped_models().items():
        info = describe_model(path)
        if name not in offers and _fits(info):
            offers[name] = _offer(name, path, info)
    return dict(sorted(offers.items(), key=lambda item: item[1].ndim))  # planes first


class Shelf:
    """Models that are loaded when they are first used; one thread loads.

    Parameters
    ----------
    offers : dict of str to Offer
        `add` and `remove` change it.
    """

    def __init__(self, offers: dict[str, Offer]) -> None:
        self._offers = offers
        self._models: dict[str, Model] = {}
        self._numbers = count(1)

    def find(self, name: str) -> Offer | None:
        """Return the offer of this name, if there is one."""
        return self._offers.get(name)

    def asked(self, name: object) -> Offer:
        """Return the offer that a request names.

        Raises
        ------
        RefusalError
            There is none of this name.
        """
        offer = self.find(name) if isinstance(name, str) else None
        if offer is None:
            raise RefusalError(400, f"the page has no model {name!r}: choose one of the list")
        return offer

    def load(self, name: str) -> "Model":
        """Return a model of the offers.

        Raises
        ------
        ValueError
            It was removed.
        """
        from seamwise.segmentation import load

        offer = self.find(name)
        if offer is None:
            raise ValueError(f"the model {name} was closed with its training: choose another")
        if name not in self._models:
            self._models[name] = load(offer.path)
        return self._models[name]

    def new_name(self, word: str) -> str:
        """Return a name that no model ever had here: a word and a number."""
        names = (f"{word} {number}" for number in self._numbers)
        return next(name for name in names if name not in self._offers)

    def add(self, offer: Offer) -> None:
        """Offer a model, too."""
        self._offers[offer.name] = offer

    def remove(self, offer: Offer) -> None:
        """Offer a model no more, and free its memory."""
        self._offers.pop(offer.name, None)
        self._models.pop(offer.name, None)


def _fits(info: Any) -> bool:
    """Whether the page can use a model."""
    if not isinstance(info, SegmentationInfo):
        return False
    return info.architecture.in_channels == 1


def _offer(name: str, path: Path, info: Any) -> Offer:
    sizes = info.known_diameters
    ends = None if sizes is None else (sizes[0], sizes[-1])
    return Offer(name, path, read_card(path).purpose, ends, info.architecture.ndim)
