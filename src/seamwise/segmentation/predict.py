"""From an image to labelled cells; see `segment`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.networks import ReadyNetwork, load_network
from seamwise.engine.prefetch import drawn_ahead
from seamwise.engine.resources import Resources
from seamwise.io.bioimageio import is_package
from seamwise.io.models import DecodeRule, SegmentationInfo
from seamwise.labels import Labels
from seamwise.segmentation.decoding import decode_slabs, decode_whole
from seamwise.segmentation.fit import Watch, look_at, misfit, sees_nothing, skewness
from seamwise.segmentation.model_input import as_model_input
from seamwise.segmentation.normalization import Normalization, identity_normalization, normalization
from seamwise.segmentation.options import SegmentOptions
from seamwise.segmentation.second_look import View, second_look
from seamwise.segmentation.tile_maps import Flips, tile_probabilities
from seamwise.segmentation.zoom import Zoom, zoom_of
from seamwise.tiling import OVERLAP, blend, tiles
from seamwise.types import Box

_TILE = {2: 1088, 3: 128}  # 2D: steps of 1024, with the overlap
_FEW_TILES = 16  # of an image whose network keeps its memory for the next: new memory takes time


Model = ReadyNetwork[SegmentationInfo]
"""A network that segments, ready to run: `load` and `Model.from_network` return one."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The cells of an image, as `segment` returns them.

    Attributes
    ----------
    labels : (*S) array
        0 background, 1..n cells, smallest safe dtype.
    probabilities : (C, *S) float32 array, optional
        Probability of each class; None if they were not kept.
    caution : str
        Why the image may not fit the model, in one line; empty if nothing speaks against it.
    guides : (1 + d, *S) float32 array, optional
        Relief and offsets along each axis, if the probabilities were kept and the rule needs them.
    disagreement : (*S) float32 array, optional
        How far the mirror images disagree, see `tile_probabilities`, if it was asked for.
    """

    labels: Labels
    probabilities: NDArray[np.float32] | None
    caution: str = ""
    guides: NDArray[np.float32] | None = None
    disagreement: NDArray[np.float32] | None = None


def segment(
    image: NDArray[Any],
    *,
    model: str | Path | Model = "nuclei-2d",
    decode: str | DecodeRule | None = None,
    min_size: int | None = None,
    tile: int | None = None,
    flips: bool = False,
    device: str = "auto",
    keep_probabilities: bool = True,
) -> Prediction:
    """Find the cells of an image.

    Parameters
    ----------
    image : (*S) or (C, *S) array of any real type
        A grey image, or channels first as many as the model was trained on.
    model : str, path or Model
        Name of a shipped model, path of a model file, or what `load` returned (to load only once).
    decode : {"argmax", "threshold", "watershed", "relief"} or DecodeRule, optional
        How probabilities become labels: the name of a rule whose thresholds the model file holds
        (see `tune`), or a rule of your own; by default what the model file says.
    min_size : int, optional
        Cells of fewer pixels are dropped; by default what the model file says.
    tile : int, optional
        Largest size, along each axis, that goes through the network at once; 1088 in 2D and 128
        in 3D by default, at least 192 and 96. Neighbouring tiles overlap and are blended. The
        network sees a little less near the border of a tile, so that a few pixels depend on the
        size. The tests require that at least 98 % of the cells match at IoU 0.9.
    flips : bool
        Average over all mirror images (4 in 2D, 8 in 3D): a little better, as many times slower.
    device : str
        "auto", "cpu", "cuda", … Not used if `model` is a `Model`.
    keep_probabilities : bool
        False decodes tile by tile. In addition to image and labels, memory then holds two tiles,
        the strip that neighbouring tiles share, and one class number per pixel. A watershed needs
        more: five bytes per pixel, and 37 while it floods.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        Wrong number of axes or channels, NaN or infinite pixels; tiles that are too small; a
        damaged model file; an unavailable device; a rule that the model has no thresholds for.
    FileNotFoundError
        The model does not exist.

    Notes
    -----
    Intensities are normalised once, from the whole image. A constant image is background. So is one
    of even noise (`normalization`), and one in which arg-max decoding is far less sure than in
    training; `caution` says so.

    Examples
    --------
    >>> from seamwise.synth import crowded_cells
    >>> prediction = segment(crowded_cells((128, 160), cells=12, rng=0).image)
    >>> prediction.labels.shape, prediction.probabilities.shape
    ((128, 160), (4, 128, 160))
    """
    options = SegmentOptions(decode=decode, min_size=min_size, tile=tile, flips=flips)
    if isinstance(model, ReadyNetwork):
        network = model
    else:
        options, network = replace(options, model=model), load(model, device=device)
    return segment_image(image, options, model=network, keep_probabilities=keep_probabilities)


def segment_image(
    image: NDArray[Any],
    options: SegmentOptions = SegmentOptions(),
    resources: Resources = Resources(),
    *,
    model: Model | None = None,
    spacing: Sequence[float] | None = None,
    keep_probabilities: bool = True,
    disagreement: bool = False,
) -> Prediction:
    """Find the cells of an image, with options and resources as values; see `segment`.

    Parameters
    ----------
    image : (*S) or (C, *S) array of any real type
    options : SegmentOptions
        `channel`, `axes` and `flood_halo` are for files; mode "2d-stitch" is for `segment_slices`.
    resources : Resources
        Only `device` is used.
    model : Model, optional
        What `load` returned, to load it only once: used in place of `options.model` and
        `options.runtime`.
    spacing : sequence of float, optional
        Pixel size in micrometres that is stored with the image; `options.spacing` goes before it.
    keep_probabilities : bool
        See `segment`.
    disagreement : bool
        Keep how far the mirror images disagree. Without `options.flips`, or without the
        probabilities, nothing is kept: the result has None.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError, FileNotFoundError
        See `segment`.

    Examples
    --------
    >>> from seamwise.synth import crowded_cells
    >>> image = crowded_cells((128, 160), cells=12, rng=0).image
    >>> options = SegmentOptions(min_size=20)
    >>> bool((segment_image(image, options).labels == segment(image, min_size=20).labels).all())
    True
    """
    if options.mode == "2d-stitch":
        raise ValueError("mode 2d-stitch segments slice by slice: use segment_slices")
    model = model or load(options.model, device=resources.device, runtime=options.runtime)
    channels = as_model_input(image, model.info)
    zoom = options.zoom(model.info, spacing)
    rule = decode_rule(model.info, options.decode, options.min_size, pixels=zoom.pixels)
    normalise = normalization(channels, model.info.normalization)
    has_disagreement = disagreement and options.flips and keep_probabilities
    keywords: dict[str, Any] = {
        "tile": options.tile,
        "flips": "compare" if has_disagreement else options.flips,
        "guides": rule.is_guided,
        "zoom": zoom,
        "normalise": normalise,
    }
    classes = model.info.architecture.out_channels
    probabilities = guides = apart = None
    if keep_probabilities:
        maps = class_probabilities(channels, model, **keywords)
        if has_disagreement:
            maps, apart = maps[:-1], maps[-1]
        probabilities, look = maps[:classes], look_at(maps, classes)
        guides = maps[classes:] if rule.is_guided else None
        labels = decode_whole(maps, rule)
    else:
        parts = probability_slabs(channels, model, offsets=False, **keywords)
        # in a lane the network has another image to compute meanwhile
        slabs = Watch(drawn_ahead(parts) if model.lane is None else parts, classes)
        labels = decode_slabs(slabs, channels.shape[1:], rule, classes=classes)
        look = slabs.look
    if sees_nothing(model.info, look, rule):
        labels = np.zeros_like(labels)
    cells = int(labels.max(initial=0))

    def read(box: Box) -> NDArray[Any]:
        return channels[(slice(None), *box)]

    view = view_of(model, zoom, normalise)
    caution = second_look(read, channels.shape[1:], view, look, cells=cells) or misfit(
        model.info,
        look,
        cells=cells,
        zoom=zoom,
        skew=skewness(channels[0]),
        diameter=options.diameter,
        is_blank=normalise.is_blank,
    )
    return Prediction(labels, probabilities, caution, guides, apart)


def view_of(model: Model, zoom: Zoom, normalise: Normalization) -> View:
    """Return what a `second_look` at an image needs."""
    guides = model.info.architecture.guides
    see = partial(model.call, tile_probabilities, model=model, guides=guides)
    return View(model.info, zoom, normalise, see)


def segment_normalized(
    image: NDArray[np.float32],
    model: Model,
    rule: DecodeRule | None = None,
    *,
    spacing: Sequence[float] | None = None,
) -> Labels:
    """Label an image `(C, *S)` that is normalised already, as those of `data.read_pair` are.

    Most rules of normalisation change an image again when they are applied twice. `spacing` is the
    pixel size that is stored with the image.
    """
    zoom = zoom_of(model.info, stored=spacing)
    rule = decode_rule(model.info, pixels=zoom.pixels) if rule is None else rule
    slabs = probability_slabs(
        image,
        model,
        normalise=identity_normalization(len(image)),
        guides=rule.is_guided,
        offsets=False,
        zoom=zoom,
    )
    classes = model.info.architecture.out_channels
    return decode_slabs(slabs, image.shape[1:], rule, classes=classes)


def class_probabilities(
    image: NDArray[Any],
    model: Model,
    *,
    tile: int | None = None,
    flips: Flips = False,
    normalise: Normalization | None = None,
    guides: bool = False,
    zoom: Zoom | None = None,
) -> NDArray[np.float32]:
    """Return class probabilities `(classes, *S)` of an image `(C, *S)` from `as_model_input`.

    With `guides` relief and offsets follow behind the classes, as in `tile_probabilities`; behind
    them, if `flips` is "compare", how far the mirror images disagree.
    """
    channels = model.info.architecture.out_channels + image.ndim * guides + (flips == "compare")
    probabilities = np.empty((channels, *image.shape[1:]), np.float32)
    slabs = probability_slabs(
        image, model, tile=tile, flips=flips, normalise=normalise, guides=guides, zoom=zoom
    )
    for box, slab in slabs:
        probabilities[(slice(None), *box)] = slab
    return probabilities


def decode_rule(
    info: SegmentationInfo,
    decode: str | DecodeRule | None = None,
    min_size: int | None = None,
    *,
    pixels: float | None = None,
) -> DecodeRule:
    """Return the rule to decode with: the model's own, changed by `decode` and `min_size`.

    The sizes of the model's own rule count pixels that the network sees: `pixels` for each of the
    image, by default as many as the model's own zoom makes of it.

    Raises
    ------
    ValueError
        The rule is unknown, or the model has no thresholds for it.
    """
    if pixels is None:
        pixels = zoom_of(info).pixels
    own = info.decode.with_zoom(pixels)
    rule = own if decode is None else decode
    if not isinstance(rule, DecodeRule):
        rule = own.with_name(rule)
    if min_size is None:
        return rule
    # smaller cells are wanted: keep crumbs of that size too
    return rule.model_copy(update={"min_size": min_size, "min_core": min(rule.min_core, min_size)})


def load(model: str | Path, *, device: str = "auto", runtime: str = "auto") -> Model:
    """Load a shipped model by name, or a model file by path, onto a device.

    `runtime` is a field of `SegmentOptions`.
    """
    return load_network(model, SegmentationInfo, device=device, runtime=runtime)


def load_for(model: str | Path, runtime: str, resources: Resources) -> Model:
    """Load a model to segment with resources.

    Workers elsewhere have devices of their own, which may be GPUs: for them "auto" is torch. The
    client must have the runtime too.

    Raises
    ------
    ValueError
        What `load` raises; the workers' device does not have the runtime; the model is a package,
        which is opened in a folder that workers elsewhere do not see.
    """
    if resources.scheduler is None:
        return load(model, device=resources.device, runtime=runtime)
    if is_package(Path(model)):
        raise ValueError(
            f"{model} is a package, which workers elsewhere cannot read: give a .safetensors file, "
            "or remove scheduler"
        )
    if runtime not in ("auto", "torch") and resources.device not in ("auto", "cpu"):
        raise ValueError(
            f"runtime {runtime} computes on the CPU, not on {resources.device}: choose device cpu, "
            "or runtime torch"
        )
    return load(model, device="cpu", runtime="torch" if runtime == "auto" else runtime)


def probability_slabs(
    image: NDArray[Any],
    model: Model,
    *,
    tile: int | None = None,
    flips: Flips = False,
    normalise: Normalization | None = None,
    guides: bool = False,
    offsets: bool = True,
    zoom: Zoom | None = None,
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.float32]]]:
    """Yield boxes and class probabilities of `(C, *S)`, part by part.

    `normalise` is measured from the image by default. For a part of an image, pass that of the
    whole. With `guides` relief and offsets follow behind the classes, as in `tile_probabilities`:
    decoding reads the relief only. `zoom` is the model's own by default; `tile` counts pixels that
    the network sees.
    """
    ndim = model.info.architecture.ndim
    size = _TILE[ndim] if tile is None else tile
    check_tile(size, model)
    factors = (zoom or zoom_of(model.info)).factors
    shape = image.shape[1:]
    scaling = normalization(image, model.info.normalization) if normalise is None else normalise

    channels = model.info.architecture.out_channels + guides * (1 + ndim * offsets)
    channels += flips == "compare"

    def compute(box: tuple[slice, ...]) -> NDArray[np.float32]:
        if not scaling.scale.any():  # without any contrast there is nothing to show to the network
            return _background(channels, [s.stop - s.start for s in box])
        block = scaling(image[(slice(None), *box)])
        return model.call(
            tile_probabilities,
            block,
            model,
            flips=flips,
            guides=guides,
            offsets=offsets,
            factors=factors,
        )

    sizes = [ceil(size / factor) for factor in factors]
    overlaps = [ceil(OVERLAP[ndim] / factor) for factor in factors]
    parts = tiles(shape, size=sizes, overlap=overlaps, multiple=model.info.architecture.multiple)
    yield from blend(parts, compute)
    if len(parts) > _FEW_TILES:  # what follows is decoding, which needs memory too
        model.call(model.runtime.release)


def _background(channels: int, shape: Sequence[int]) -> NDArray[np.float32]:
    """Class probabilities, and guides behind them, of background that is sure."""
    maps = np.zeros((channels, *shape), np.float32)
    maps[0] = 1
    return maps


def check_tile(size: int, model: Model) -> None:
    """Raise ValueError if tiles of this size are too small for the network to see enough."""
    minimum = 3 * OVERLAP[model.info.architecture.ndim]
    if size < minimum:
        raise ValueError(f"tile must be at least {minimum} pixels, not {size}")
