"""How to segment, as a value; see `SegmentOptions`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any, get_args

from seamwise import __version__
from seamwise.engine.resources import Resources
from seamwise.io.axes import check_axes
from seamwise.io.models import DecodeRule, SegmentationInfo
from seamwise.io.ome_zarr import check_label_name
from seamwise.io.provenance import Provenance
from seamwise.plain_values import check_path, positive_number, switch, whole_number
from seamwise.segmentation.zoom import Zoom, zoom_of
from seamwise.words import (
    AnyRuntime,
    Precision,
    StackMode,
    ZarrVersion,
    check_runtime,
    check_word,
)

STITCH_IOU = 0.25
FLOOD_HALO = 64


@dataclass(frozen=True)
class SegmentOptions:
    """How to segment: all that the cells of an image depend on.

    Label images are kept with these options and the hash of the model, and are reused only with
    equal ones. Memory, workers and device are not among them: see `engine.Resources`.

    Attributes
    ----------
    model : str or Path
        Name of a shipped model, or path of a model file.
    channel : int or tuple of int, optional
        Channels of a file that are segmented; see `io.images.read_image`.
    axes : str, optional
        Axes of a file, such as "TZYX"; see `io.images.read_image`.
    decode : {"argmax", "threshold", "watershed", "relief"} or DecodeRule, optional
        How probabilities become labels: the name of a rule whose thresholds the model file holds
        (see `tune`), or a rule of your own; by default what the model file says.
    min_size : int, optional
        Cells of fewer pixels are dropped; by default what the model file says.
    tile : int, optional
        Largest size in pixels, along each axis, that goes through the network at once; 1088 in 2D
        and 128 in 3D by default, at least 192 and 96. Neighbouring tiles overlap and are blended.
        For an image that is segmented block by block: the size of its blocks, rounded up to a
        multiple of 512 in 2D and 64 in 3D; by default what the memory allows.
    flips : bool
        Average over all mirror images (4 in 2D, 8 in 3D): a little better, as many times slower.
    mode : {"3d", "2d-stitch"}, optional
        For stacks: with a model for stacks, or slice by slice with a model for planes, joined by
        `stitch`. By default what the model is for.
    stitch_iou : float in (0, 1], optional
        Least IoU of the parts of a cell in neighbouring slices, for mode "2d-stitch"; by default
        0.25.
    flood_halo : int
        Pixels around a block that a watershed floods with it; see `decode.blockwise.flood_block`.
    scale : float, optional
        The image is magnified by this before the network sees it: 0.5 for cells twice as large as
        those that the model learned. Labels have the image's own pixels.
    diameter : float, optional
        Usual diameter of the cells in pixels: gives the scale, by the diameter that the model
        learned.
    spacing : tuple of float, optional
        Pixel size in micrometres along (z,) y, x; by default what the file says. A model that knows
        its own magnifies the image to it; one for cubic voxels magnifies along z.
    runtime : {"auto", "torch", "openvino", "onnx"}
        What computes the network. "auto" takes OpenVINO on a CPU if it is installed, otherwise
        torch, and for results that exist what made them. Labels keep what has computed them, such
        as "openvino float32", which is a runtime too; see `engine.runtime.choose_runtime`.

    Raises
    ------
    ValueError
        An option is out of range, or needs another.
    """

    model: str | Path = "nuclei-2d"
    channel: int | tuple[int, ...] | None = None
    axes: str | None = None
    decode: str | DecodeRule | None = None
    min_size: int | None = None
    tile: int | None = None
    flips: bool = False
    mode: StackMode | None = None
    stitch_iou: float | None = None
    flood_halo: int = FLOOD_HALO
    scale: float | None = None
    diameter: float | None = None
    spacing: tuple[float, ...] | None = None
    runtime: AnyRuntime = "auto"

    def __post_init__(self) -> None:
        check_path("model", self.model)
        check_word("mode", self.mode, (None, *get_args(StackMode)))
        check_runtime(self.runtime)
        if self.axes is not None:
            check_axes(self.axes)
        if not isinstance(self.decode, str | DecodeRule | None):
            raise ValueError(
                f"decode must be the name of a rule or a DecodeRule, not {self.decode!r}"
            )
        if self.stitch_iou is not None:
            if self.mode != "2d-stitch":
                raise ValueError("stitch_iou needs mode 2d-stitch: choose that mode, or remove it")
            check_iou("stitch_iou", self.stitch_iou)
        for name, value in self._plain().items():
            object.__setattr__(self, name, value)

    def _plain(self) -> dict[str, Any]:
        """The numbers among the options as plain Python, checked."""
        values: dict[str, Any] = {
            "flood_halo": whole_number("flood_halo", self.flood_halo, 0),
            "flips": switch("flips", self.flips),
        }
        if self.channel is not None:
            values["channel"] = _channels(self.channel)
        for name, least in (("min_size", 0), ("tile", 1)):
            if (value := getattr(self, name)) is not None:
                values[name] = whole_number(name, value, least)
        for name in ("scale", "diameter", "stitch_iou"):
            if (value := getattr(self, name)) is not None:
                values[name] = positive_number(name, value)
        if self.spacing is not None:
            values["spacing"] = _pixel_size(self.spacing)
        return values

    @property
    def iou(self) -> float:
        """Least IoU of the parts of a cell in neighbouring slices."""
        return STITCH_IOU if self.stitch_iou is None else self.stitch_iou

    def zoom(self, info: SegmentationInfo, stored: Sequence[float] | None = None) -> Zoom:
        """Return how far a model magnifies an image with a stored pixel size; see `zoom_of`."""
        return zoom_of(
            info, scale=self.scale, diameter=self.diameter, spacing=self.spacing, stored=stored
        )

    def provenance(
        self,
        model_sha256: str,
        resources: Resources = Resources(),
        precision: Precision | None = None,
    ) -> Provenance:
        """Return what labels that are made with these options depend on.

        A model is the content of its file: its name is a note, as the resources are, and the
        precision in which a device computes. None is that of each worker of a scheduler.
        """
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        del options["model"]
        if self.runtime == "auto":
            del options["runtime"]  # any will do
        notes = {
            "model": self.model,
            "precision": precision,
            "resources": resources,
            "seamwise": __version__,
        }
        # records of version 0.1.0 lack these options
        defaults = {"flood_halo": FLOOD_HALO, "runtime": "torch"}
        inputs = {"model_sha256": model_sha256, **options}
        return Provenance(inputs, notes=notes, defaults=defaults)


@dataclass(frozen=True)
class OutputOptions:
    """What is written, and how. The cells do not depend on it.

    Attributes
    ----------
    overlay : bool
        Also write ``<stem>_overlay.png``; not for images that are segmented block by block.
    probabilities : bool
        Also write ``probabilities/<stem>.tif``: the class probabilities as float16, and behind them
        the guides if the rule needs them; block by block ``<stem>.ome.zarr``. The rule of the
        labels goes to ``<stem>.json``, for `decode_files`. Not for mode "2d-stitch", nor for labels
        within an image.
    seams : bool
        Also write ``seams/<stem>.csv``: how sure the network was of each seam between two cells,
        see `metrics.seam_doubt`; with the time for a series, next to an OME-Zarr image for labels
        within it; not for mode "2d-stitch". For images that are segmented in one piece also
        ``doubts/<stem>.csv``: how sure it was of each cell, see `metrics.cell_doubt`; with flips,
        how far they disagree.
    outline_width : int
        Width of the outlines of the overlay in pixels.
    numbers : bool
        Write the numbers of the cells on the overlay.
    overwrite : bool
        Replace existing labels, and start again what was begun with other options.
    zarr_version : {"0.5", "0.4"}
        Version of the OME-Zarr to write; labels within an image have the image's version.
    name : str
        Name of the labels within an OME-Zarr image.

    Raises
    ------
    ValueError
        The version is unknown, or `name` is not a plain name.
    """

    overlay: bool = False
    overwrite: bool = False
    zarr_version: ZarrVersion = "0.5"
    name: str = "cells"
    probabilities: bool = False
    seams: bool = False
    outline_width: int = 1
    numbers: bool = False

    def __post_init__(self) -> None:
        for name in ("overlay", "overwrite", "probabilities", "seams", "numbers"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        width = whole_number("outline_width", self.outline_width, 1)
        object.__setattr__(self, "outline_width", width)
        check_word("zarr_version", self.zarr_version, get_args(ZarrVersion))
        check_label_name(self.name)


def _channels(channel: Any) -> int | tuple[int, ...]:
    """The number of a channel, or of several, as plain Python."""
    if isinstance(channel, str | bytes) or not isinstance(channel, Iterable):
        return whole_number("channel", channel, 0)
    numbers = tuple(whole_number("channel", number, 0) for number in channel)
    if not numbers:
        raise ValueError("channel must be a number or several, not none: remove it for all")
    return numbers


def _pixel_size(spacing: Any) -> tuple[float, ...]:
    """Pixel size along (z,) y, x as plain Python."""
    steps = tuple(spacing) if isinstance(spacing, Iterable) else ()
    if isinstance(spacing, str | bytes) or len(steps) not in (2, 3):
        raise ValueError(f"spacing must be 2 or 3 numbers, (z,) y, x, not {spacing!r}")
    return tuple(positive_number("spacing", step) for step in steps)


def check_iou(name: str, value: Any) -> None:
    """Raise ValueError unless a number can be the least IoU of two parts of a cell."""
    is_number = isinstance(value, Real)
    if not (is_number and 0 < value <= 1):
        raise ValueError(
            f"{name} must be an IoU in (0, 1], not {value}; {STITCH_IOU} is the usual choice"
        )
