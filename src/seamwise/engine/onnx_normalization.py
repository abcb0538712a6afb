"""`segmentation.normalization` as part of an ONNX model; see `normalize`."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import NormalizationRule

# as in `segmentation.normalization`, whose documentation has the equations
_BLOCK, _HEADROOM = 4, 2.0
_CEILING, _LONELY = 1e4, 4.0
_CLEAR, _LOUDEST = 4.0, 100.0
_FLOOR, _DEVIATION_FLOOR = 10.0, 6.0
_EPS = 1e-6
_TINY = float(np.finfo(np.float64).tiny)
_FLOAT, _INT64, _DOUBLE = 1, 7, 11  # types, by their numbers in ONNX


class Nodes(Protocol):
    """A graph of ONNX that grows: a node is the name of its first output."""

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node."""

    def constant(self, values: NDArray[Any]) -> str:
        """Keep an array in the model."""


def normalize(image: str, rule: NormalizationRule, nodes: Nodes, ndim: int) -> str:
    """Add the nodes that normalise `(n, C, *S)`, each image and channel by itself.

    Equal to `segmentation.normalization` of the whole image, up to rounding, for up to two million
    pixels. Larger images count with all their pixels here.

    Parameters
    ----------
    image : str
        Node of the image: float32, as it comes from the microscope.
    rule : NormalizationRule
    nodes : Nodes
        The graph.
    ndim : int

    Returns
    -------
    str
        Node of the normalised image.
    """
    if rule.kind == "identity":
        return image
    graph = _Graph(nodes)
    pixels = graph.add("Cast", image, to=_DOUBLE)
    ordered = graph.sort(graph.add("Reshape", pixels, graph.integers(0, 0, -1)))
    bends = rule.kind in ("contrast", "deviation")
    if rule.kind in ("percentiles", "range"):
        offset, high = (graph.percentile(ordered, share) for share in (rule.low, rule.high))
        if rule.kind == "range":
            scale = graph.inverse(graph.add("Sub", high, offset))
        else:
            scale = graph.range_scale(pixels, offset, high, ndim)
    elif rule.kind == "standard":
        offset = graph.mean(ordered)
        distance = graph.add("Sub", ordered, offset)
        variance = graph.mean(graph.add("Mul", distance, distance))
        scale = graph.inverse(graph.add("Sqrt", variance))
    elif rule.kind == "contrast":
        p5, offset, p25 = (graph.lower(ordered, share) for share in (5, 10, 25))
        spread = graph.add("Sub", p25, p5)
        clear = graph.add("Add", p25, graph.times(spread, _CLEAR))
        scale = graph.voted_scale(
            graph.add("Sub", ordered, offset),
            graph.add("Sub", clear, offset),
            graph.times(spread, _FLOOR),
        )
    else:
        p25, offset, p75 = (graph.lower(ordered, share) for share in (25, 50, 75))
        spread = graph.times(graph.add("Sub", p75, p25), 0.75)
        deviation = graph.add("Abs", graph.add("Sub", ordered, offset))
        scale = graph.voted_scale(
            graph.sort(deviation),
            graph.times(spread, _CLEAR),
            graph.times(spread, _DEVIATION_FLOOR),
        )
    offset, scale = (graph.per_channel(number, ndim) for number in (offset, scale))
    linear = graph.add("Mul", graph.add("Sub", pixels, offset), scale)
    if not bends:
        return graph.add("Cast", linear, to=_FLOAT)
    linear = graph.add("Clip", linear, graph.number(-_CEILING), graph.number(_CEILING))
    linear = graph.without_lonely(graph.add("Cast", linear, to=_FLOAT), ndim)
    half, two = (nodes.constant(np.array(number, np.float32)) for number in (0.5, 2))
    return graph.add("Mul", graph.add("Asinh", graph.add("Mul", linear, two)), half)


class _Graph:
    """The steps of a normalisation; what they take and give is `(n, C, pixels)` or `(n, C, 1)`."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.add = nodes.add

    def number(self, value: float) -> str:
        return self._nodes.constant(np.array(value, np.float64))

    def integers(self, *values: int) -> str:
        return self._nodes.constant(np.array(values, np.int64))

    def times(self, x: str, factor: float) -> str:
        return self.add("Mul", x, self.number(factor))

    def last(self, ordered: str) -> str:
        """Index of the last pixel, `(1,)`."""
        count = self.add("Gather", self.add("Shape", ordered), self.integers(2))
        return self.add("Sub", count, self.integers(1))

    def sort(self, x: str) -> str:
        count = self.add("Gather", self.add("Shape", x), self.integers(2))
        return self.add("TopK", x, count, outputs=2, axis=2, largest=0, sorted=1)

    def lower(self, ordered: str, share: float) -> str:
        """The percentile as NumPy's method "lower" has it."""
        position = self._position(ordered, share)
        index = self.add("Cast", self.add("Floor", position), to=_INT64)
        return self.add("Gather", ordered, index, axis=2)

    def percentile(self, ordered: str, share: float) -> str:
        """The percentile between its two neighbours."""
        position = self._position(ordered, share)
        floor = self.add("Floor", position)
        index = self.add("Cast", floor, to=_INT64)
        above = self.add("Min", self.add("Add", index, self.integers(1)), self.last(ordered))
        low, high = (self.add("Gather", ordered, at, axis=2) for at in (index, above))
        part = self.add("Mul", self.add("Sub", high, low), self.add("Sub", position, floor))
        return self.add("Add", low, part)

    def _position(self, ordered: str, share: float) -> str:
        return self.times(self.add("Cast", self.last(ordered), to=_DOUBLE), share / 100)

    def mean(self, x: str) -> str:
        return self.add("ReduceMean", x, axes=[2], keepdims=1)

    def inverse(self, contrast: str) -> str:
        """1 / (contrast + ε), as bioimage.io has it."""
        return self.add("Div", self.number(1), self.add("Add", contrast, self.number(_EPS)))

    def per_channel(self, x: str, ndim: int) -> str:
        return self.add("Reshape", x, self.integers(0, 0, *[1] * ndim))

    def range_scale(self, pixels: str, low: str, high: str, ndim: int) -> str:
        """1 / (hi − lo), where the mean of a block raises hi; 0 without a contrast."""
        above = self.add("Sub", pixels, self.per_channel(low, ndim))
        side = [_BLOCK] * ndim
        blocks = self.add(
            "AveragePool",
            self.add("Cast", above, to=_FLOAT),
            kernel_shape=side,
            strides=side,
        )
        axes = list(range(2, 2 + ndim))
        highest = self.add("ReduceMax", blocks, axes=axes, keepdims=1)
        peak = self.add("Reshape", self.add("Cast", highest, to=_DOUBLE), self.integers(0, 0, 1))
        contrast = self.add("Max", self.add("Sub", high, low), self.times(peak, 1 / _HEADROOM))
        return self._inverse_or_0(contrast, float(np.finfo(np.float32).tiny))

    def voted_scale(self, heights: str, clear: str, least: str) -> str:
        """1 / s of ascending heights; those above `clear` vote for s, which is at least `least`."""
        is_clear = self.add("Greater", heights, clear)
        last = self.last(heights)
        top = self.add("Gather", heights, last, axis=2)
        first = self.add("Min", self._count(self.add("Not", is_clear)), last)
        is_flat = self.add("Equal", self._at(heights, first), top)
        is_below = self.add("Or", self.add("Less", heights, top), is_flat)
        has_vote = self.add("And", is_clear, is_below)  # what saturates has none
        votes = self._count(has_vote)
        half = self.add("Div", votes, self.integers(2))
        middle = self._at(heights, self.add("Min", self.add("Add", first, half), last))
        loud = self.add("Min", heights, self.times(middle, _LOUDEST))
        root = self.add("Sqrt", self.add("Max", loud, self.number(0)))
        share = self.add(
            "CumSum", self.add("Where", has_vote, root, self.number(0)), self.integers(2)
        )
        total = self.add("Gather", share, last, axis=2)
        below_half = self.add("Less", share, self.times(total, 0.5))
        voted = self._at(heights, self.add("Min", self._count(below_half), last))
        has_votes = self.add("Greater", votes, self.integers(0))
        contrast = self.add("Where", has_votes, self.add("Max", least, voted), least)
        return self._inverse_or_0(contrast, _TINY)

    def without_lonely(self, linear: str, ndim: int) -> str:
        """Give each far too bright pixel no more than its brightest neighbour has."""
        ones = [0, 0, *[1] * ndim]
        nothing = self._nodes.constant(np.array(-np.inf, np.float32))
        canvas = self.add("Pad", linear, self.integers(*ones, *ones), nothing)
        steps = [step for step in product((0, 1, 2), repeat=ndim) if set(step) != {1}]
        neighbours = [self._shifted(canvas, step) for step in steps]
        around = self.add("Max", *neighbours)
        level = self._nodes.constant(np.array(_LONELY, np.float32))
        is_bright = self.add("Greater", linear, level)
        return self.add("Where", is_bright, self.add("Min", linear, around), linear)

    def _shifted(self, canvas: str, steps: Sequence[int]) -> str:
        """The image that begins so many pixels inside a canvas, which is wider by one pixel."""
        last = np.iinfo(np.int64).max
        ends = [step - 2 if step < 2 else last for step in steps]
        axes = range(2, 2 + len(steps))
        return self.add(
            "Slice", canvas, *(self.integers(*numbers) for numbers in (steps, ends, axes))
        )

    def _inverse_or_0(self, contrast: str, tiny: float) -> str:
        has_contrast = self.add("Greater", contrast, self.number(tiny))
        return self.add(
            "Where", has_contrast, self.add("Div", self.number(1), contrast), self.number(0)
        )

    def _count(self, flags: str) -> str:
        return self.add(
            "ReduceSum", self.add("Cast", flags, to=_INT64), self.integers(2), keepdims=1
        )

    def _at(self, x: str, index: str) -> str:
        return self.add("GatherElements", x, index, axis=2)
