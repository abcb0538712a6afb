"""Cells of an array by a model, with what the sliders need: `find_cells`. Needs no Qt."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine import Lane
from seamwise.io import DecodeRule, SegmentationInfo
from seamwise.segmentation import (
    SegmentOptions,
    decode_rule,
    decode_whole,
    rule_with,
    segment_image,
    segment_slices,
)
from seamwise_napari.work import for_widgets

if TYPE_CHECKING:
    from seamwise.segmentation import Model, Prediction

THIS, EACH, JOINED = "only what is shown", "each by itself", "joined to cells of a stack"
"""Which planes, or stacks, of an array with more axes than the model has."""

Tell = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Request:
    """Where to find cells, and how.

    Attributes
    ----------
    model : str
        Its name.
    part : {"only what is shown", "each by itself", "joined to cells of a stack"}
        For arrays with more axes than the model has.
    place : tuple of int
        Indices of the leading axes that are shown.
    diameter : float, optional
        Usual diameter of the cells in pixels.
    spacing : tuple of float, optional
        Pixel size in micrometres along the last axes, as the user says.
    stored : tuple of float, optional
        The same, as the layer says.
    tuning : Tuning, optional
        By default the model's own rule.
    """

    model: str
    part: str = THIS
    place: tuple[int, ...] = ()
    diameter: float | None = None
    spacing: tuple[float, ...] | None = None
    stored: tuple[float, ...] | None = None
    tuning: "Tuning | None" = None


@dataclass(frozen=True)
class Tuning:
    """A rule that the user found with the sliders, for images of any magnification.

    Attributes
    ----------
    rule : DecodeRule
        Its sizes count pixels of the image on which it was found.
    pixels : float
        How many pixels the network saw for each of that image.
    """

    rule: DecodeRule
    pixels: float

    def rule_at(self, pixels: float) -> DecodeRule:
        """Return the rule for an image of which the network sees `pixels` for each pixel."""
        return self.rule.with_zoom(pixels / self.pixels)


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What a network computed for a plane or a stack: enough to decode it again.

    Attributes
    ----------
    model : str
    info : SegmentationInfo
    maps : (C, *S) float32 array
        Class probabilities, and guides behind them if the rule needs them.
    rule : DecodeRule
        How the model decodes them, for the pixels of the image.
    pixels : float
        How many pixels the network saw for each of the image.
    place : tuple of int
        Where in the layer it is, along the leading axes.
    """

    model: str
    info: SegmentationInfo
    maps: NDArray[np.float32]
    rule: DecodeRule
    pixels: float
    place: tuple[int, ...]

    def rule_of(self, thresholds: dict[str, float], min_size: int) -> DecodeRule:
        """Return the rule with other thresholds."""
        return decode_rule(self.info, rule_with(self.rule, thresholds), min_size)

    def decode(self, rule: DecodeRule) -> NDArray[Any]:
        """Return labels `(*S)`; the network does not run."""
        return decode_whole(self.maps, rule)


@dataclass(frozen=True, eq=False)
class CellsResult:
    """What `find_cells` returns.

    Attributes
    ----------
    labels : (..., *S) uint32 array
        With the shape of the layer; 0 outside of `place`.
    count : int
        How many cells were found.
    note : str
        Why the image may not fit the model, and what was made of its pixel size.
    place : tuple of int
        Which part of the layer was searched, along the leading axes; empty: all of it.
    output : NetworkOutput or None
        For the sliders; None where several planes were segmented.
    rule : DecodeRule or None
        The rule that made the labels of `output`.
    """

    labels: NDArray[np.uint32]
    count: int
    note: str
    place: tuple[int, ...]
    output: NetworkOutput | None = None
    rule: DecodeRule | None = None


def find_cells(pixels: Any, request: Request, model: "Model", tell: Tell) -> CellsResult:
    """Find the cells of the pixels of a layer.

    Parameters
    ----------
    pixels : array
        Of any kind that numpy can make an array of, with as many axes as the model has or more.
    request : Request
    model : Model
        What `load` returned.
    tell : function
        Called with a stage and a share before each tile; what it raises stops the work.

    Raises
    ------
    ValueError
        The pixels have fewer axes than the model, or what `segment_image` raises.
    """
    ndim = model.info.architecture.ndim
    leading = pixels.ndim - ndim
    if leading < 0:
        raise ValueError(
            f"{request.model} is for stacks, and this image is a plane: choose a model for planes"
        )
    labels = np.zeros(pixels.shape, np.uint32)
    if request.part == JOINED and leading:
        place = request.place[: leading - 1]
        shown = _Search(np.asarray(pixels[place]), request, model, tell)
        prediction = shown.slices()
        labels[place] = prediction.labels
        return CellsResult(labels, _count(prediction.labels), shown.note(prediction), place)
    places = [request.place[:leading]]
    if request.part == EACH:
        places = list(product(*map(range, pixels.shape[:leading])))
    notes: dict[str, None] = {}
    count = 0
    for number, place in enumerate(places):
        search = _Search(np.asarray(pixels[place]), request, model, tell, (number, len(places)))
        prediction = search.whole(keep=len(places) == 1)
        labels[place] = prediction.labels
        count += _count(prediction.labels)
        notes[search.note(prediction)] = None
    note = " ".join(filter(None, notes))
    if len(places) > 1:
        return CellsResult(labels, count, note, ())
    output = search.output(prediction, places[0])
    return CellsResult(labels, count, note, places[0], output, search.rule)


@dataclass(frozen=True, eq=False)
class _Search:
    """A plane or a stack in which cells are found; `turn` is its number among how many."""

    pixels: NDArray[Any]
    request: Request
    model: "Model"
    tell: Tell
    turn: tuple[int, int] = (0, 1)

    @property
    def zoom(self) -> Any:
        """How far the model magnifies the pixels."""
        options = SegmentOptions(diameter=self.request.diameter, spacing=self.request.spacing)
        return options.zoom(self.model.info, self.request.stored)

    @property
    def own_rule(self) -> DecodeRule:
        """The rule of the model, for the pixels of the image."""
        return decode_rule(self.model.info, pixels=self.zoom.pixels)

    @property
    def rule(self) -> DecodeRule:
        """The rule to decode with."""
        tuning = self.request.tuning
        return self.own_rule if tuning is None else tuning.rule_at(self.zoom.pixels)

    @property
    def options(self) -> SegmentOptions:
        return SegmentOptions(
            decode=None if self.request.tuning is None else self.rule,
            diameter=self.request.diameter,
            spacing=self.request.spacing,
        )

    def reporting_model(self) -> "Model":
        """The model, which reports before each tile."""
        number, count = self.turn
        size = prod(self.pixels.shape)

        def report(done: int) -> None:
            self.tell("looking for cells", (number + min(1.0, done / size)) / count)

        return replace(self.model, lane=Lane(report))

    def whole(self, *, keep: bool) -> "Prediction":
        return segment_image(
            self.pixels,
            self.options,
            model=self.reporting_model(),
            spacing=self.request.stored,
            keep_probabilities=keep,
        )

    def slices(self) -> "Prediction":
        options = replace(self.options, mode="2d-stitch")
        return segment_slices(
            self.pixels, options, model=self.reporting_model(), spacing=self.request.stored
        )

    def note(self, prediction: "Prediction") -> str:
        if self.pixels.min() == self.pixels.max():
            return "All pixels are equal: there is nothing to find."
        sentences = (self.zoom.note, prediction.caution)
        parts = (for_widgets(words).strip(" .") for words in sentences)
        return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts if part)

    def output(self, prediction: "Prediction", place: tuple[int, ...]) -> NetworkOutput:
        parts = [part for part in (prediction.probabilities, prediction.guides) if part is not None]
        return NetworkOutput(
            model=self.request.model,
            info=self.model.info,
            maps=np.concatenate(parts),
            rule=self.own_rule,
            pixels=self.zoom.pixels,
            place=place,
        )


def _count(labels: NDArray[Any]) -> int:
    """How many cells are in labels."""
    return np.unique(labels[labels > 0]).size
