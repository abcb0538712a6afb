"""A model to train on from: what a new model takes from it; see `Start`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seamwise.engine.networks import build_network
from seamwise.engine.settings import read_toml
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    ReliefPair,
    SegmentationInfo,
    load_model,
    model_path,
)
from seamwise.io.outcome import amount
from seamwise.io.provenance import file_sha256
from seamwise.labels.slabs import areas
from seamwise.segmentation.data import AnnotatedImage, Pair, read_pairs
from seamwise.segmentation.fit import skewness
from seamwise.segmentation.settings import CROP
from seamwise.segmentation.zoom import diameter_of, zoom_of
from seamwise.words import Annotation

_HEAD = ("head.weight", "head.bias")
_FIRST = "down.0.0.weight"
_LOSSES = {2: "ce2", 3: "j3", 4: "j4"}
_LOOKED_AT = 8  # images that decide the settings
# median skewness: .86 in dsb2018, where few pixels are bright, .16 in phase contrast (usiigaci)
BRIGHT_ON_DARK = 0.4
_MARGIN = 1.5  # the median diameter stays so far within the range that a model knows
_LEAST_STEPS, _MOST_STEPS = 200, 2000
_VALIDATIONS = 12


@dataclass(frozen=True, eq=False)
class Start:
    """A model to train on from.

    Attributes
    ----------
    name : str
        Name of a shipped model or path of a file, as the user gave it.
    weights : mapping
        By name, in float32.
    info : SegmentationInfo
    sha256 : str
        Of the file.
    """

    name: str
    weights: Mapping[str, Tensor]
    info: SegmentationInfo
    sha256: str


def read_start(name: str) -> Start:
    """Read a shipped model by its name, or a model file by its path.

    Raises
    ------
    FileNotFoundError
        There is no such model.
    ValueError
        The file is damaged or for another task; it holds the mean of several networks.
    """
    path = model_path(name, SegmentationInfo)
    weights, info = load_model(path, SegmentationInfo)
    members = info.architecture.members
    if info.architecture.name != "unet":
        raise ValueError(
            f"start model {name} is a network of another program: give a model of seamwise"
        )
    if members > 1:
        raise ValueError(
            f"start model {name} must be one network, not the mean of {members}: "
            "give one of its members"
        )
    floats = {key: w.float() if w.is_floating_point() else w for key, w in weights.items()}
    return Start(name, floats, info, file_sha256(path))


def start_defaults(
    pairs: Sequence[Pair],
    path: Path | None = None,
    *,
    start: str | None = None,
    annotation: Annotation | None = None,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
) -> dict[str, Any]:
    """Return the defaults of a training on few images that begins with a model.

    ::

        steps = 100·√n, between 200 and 2000;   n = pixels that the network sees / 256²  (64³)

    There are twelve validations, and the run ends after five of them without progress.
    Classes, network and sizes are those of the model. So is the normalisation, unless it expects
    bright cells on dark ground ("contrast") and few of the images look so: then it is "deviation".

    Parameters
    ----------
    pairs : sequence of Pair
        For the training. At most eight of them are read.
    path : Path, optional
        File of settings, which may name the start and the kind of mask.
    start : str, optional
        As for `read_start`. There are no defaults if nothing names one.
    annotation, channel, axes
        As for `data.read_pair`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_start`, `data.read_pair` and `engine.settings.read_settings`; the images do not fit
        the model (`check_fits`).
    """
    content = {} if path is None else read_toml(path)
    name = start or content.get("start")
    if not isinstance(name, str):  # what is not a name, the settings refuse
        return {}
    model = read_start(name)
    images = read_pairs(
        list(pairs)[:: max(1, len(pairs) // _LOOKED_AT)][:_LOOKED_AT],
        rule=model.info.normalization,
        channel=channel,
        axes=axes,
        annotation=annotation or content.get("annotation", "instances"),
    )
    return settings_for(model, images, count=len(pairs))


def settings_for(start: Start, images: Sequence[AnnotatedImage], *, count: int) -> dict[str, Any]:
    """Return what `start_defaults` does, for some of `count` images that were read."""
    architecture, rule = start.info.architecture, start.info.decode
    check_fits(start, images)
    factors = magnification(start.info, images)
    seen = sum(image.labels.size * prod(factors) for image in images) * count / len(images)
    crops = seen / CROP[architecture.ndim] ** architecture.ndim
    interval = int(np.clip(100 * crops**0.5, _LEAST_STEPS, _MOST_STEPS)) // _VALIDATIONS
    own = start.info.training.get("settings", {})
    is_narrow = architecture.guides  # the recipes of models with guides draw thin seams
    return {
        "loss": own.get("loss", _LOSSES[architecture.out_channels]),
        "touching_radius": own.get("touching_radius", 1 if is_narrow else 2),
        "gap_radius": own.get("gap_radius", 3.0 if is_narrow else 7.0),
        "width": architecture.width,
        "depth": architecture.depth,
        "norm": architecture.norm,
        "normalization": normalization_for(start.info, images),
        "min_size": rule.min_size,
        "min_core": rule.min_core,
        "gap": rule.gap,
        "steps": interval * _VALIDATIONS,
        "batch_size": 4 if architecture.ndim == 2 else 2,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 20,
        "average": 0.98,
        "validate_every": interval,
        "patience": 5,
        "stored_as": "float16",
    }


def check_fits(start: Start, images: Sequence[AnnotatedImage]) -> None:
    """Raise ValueError if images have other axes or channels than a model can be trained on to.

    A model of one channel fits any number, one of several channels fits images of one.
    """
    net = start.info.architecture
    for image in images:
        if image.ndim != net.ndim:
            remedy = (
                "start from a model for stacks, e.g. nuclei-3d"
                if image.ndim == 3
                else "start from a model for planes, e.g. nuclei-2d"
            )
            raise ValueError(
                f"start model {start.name} is for {net.ndim} spatial axes, image {image.name} has "
                f"{image.ndim}: {remedy}, or name the axes, e.g. --axes CYX"
            )
        channels = len(image.image)
        if channels != net.in_channels and 1 not in (channels, net.in_channels):
            raise ValueError(
                f"start model {start.name} has {amount(net.in_channels, 'channel')}, "
                f"image {image.name} has {channels}: choose as many with --channel"
            )


def normalization_for(info: SegmentationInfo, images: Sequence[AnnotatedImage]) -> dict[str, Any]:
    """Return the normalisation for images to train on, as a setting; see `start_settings`."""
    rule = info.normalization
    skew = median(skewness(image.image[0]) for image in images)
    if rule.kind == "contrast" and skew < BRIGHT_ON_DARK:
        rule = NormalizationRule(kind="deviation")
    return rule.model_dump()


def description_from(
    start: Start, info: SegmentationInfo, images: Sequence[AnnotatedImage]
) -> SegmentationInfo:
    """Return the description of a model that is trained on from another.

    Guides and rule of decoding are those of the start; at the end `rules_from` are compared.
    Thresholds that were tuned on its classes are dropped. The zoom changes as far as the median
    diameter of the cells, as the network sees them, stays within the range that the start knows,
    1.5 times away from its ends.

    Parameters
    ----------
    start : Start
    info : SegmentationInfo
        Of a model that is trained on these images from nothing.
    images : sequence of AnnotatedImage
        For the training.

    Raises
    ------
    ValueError
        The images do not fit (`check_fits`), or the settings name another network.
    """
    check_fits(start, images)
    _check_network(start, info.architecture)
    factors = magnification(start.info, images)
    guided = start.info.architecture.guides
    decode = start.info.decode
    return info.model_copy(
        update={
            "architecture": info.architecture.model_copy(update={"guides": guided}),
            "spacing": _seen_spacing(start.info, info, factors),
            "zoom": factors[-1],
            "isotropic": start.info.isotropic,
            "decode": info.decode.model_copy(
                update={
                    "rule": decode.rule if decode.is_guided else "argmax",
                    "relief": decode.relief and decode.relief.model_copy(update={"tuning": None}),
                }
            ),
            "training": {**info.training, "start_sha256": start.sha256},
        }
    )


def rules_from(decode: DecodeRule) -> tuple[DecodeRule, ...]:
    """Return the rules to choose from for a model that is trained on from one with guides.

    That of the start comes first. It was tuned on its images; after a short training on others a
    network is less sure. The others do not count gap pixels as cells: the relief with neutral
    thresholds, the relief of the cells' middle, and the arg max.
    """
    neutral = ReliefPair()
    middle = ReliefPair(core=0.25, peak=0.45, saddle=0.9)  # tuned for `phase-2d`
    plain = decode.model_copy(update={"gap": "background"})
    return (
        decode,
        plain.model_copy(update={"relief": neutral}),
        plain.model_copy(update={"relief": middle}),
        plain.model_copy(update={"rule": "argmax"}),
    )


def weights_from(start: Start, architecture: Architecture, *, seed: int) -> dict[str, Tensor]:
    """Return the first weights of a network that is trained on from another.

    Rows of the head that the start has, of its first classes and of its guides, are kept. Classes
    that it lacks begin at random. One input channel becomes the mean of several: its weights are
    divided among them. Several become one: their weights are added.
    """
    torch.manual_seed(seed)
    fresh = build_network(architecture).state_dict()
    weights = dict(start.weights)
    first, count = weights[_FIRST], architecture.in_channels
    if first.shape[1] != count:
        weights[_FIRST] = first.sum(1, keepdim=True).expand_as(fresh[_FIRST]) / count
    old, new = start.info.architecture.out_channels, architecture.out_channels
    for name in _HEAD:
        head = weights[name]
        classes = torch.cat([head[: min(old, new)], fresh[name][min(old, new) : new]])
        weights[name] = torch.cat([classes, head[old:]])
    return weights


def _check_network(start: Start, architecture: Architecture) -> None:
    for name in ("width", "depth", "norm"):
        own, wanted = getattr(start.info.architecture, name), getattr(architecture, name)
        if own != wanted:
            raise ValueError(
                f"{name} must be {own}, that of start model {start.name}, not {wanted}: "
                f"remove {name}"
            )


def magnification(info: SegmentationInfo, images: Sequence[AnnotatedImage]) -> tuple[float, ...]:
    """Return how far images are magnified: as the model does, or so that it knows the cells."""
    stored = images[0].spacing
    usual = zoom_of(info, stored=stored).factors
    pixels = np.concatenate([areas(np.maximum(image.labels, 0))[1:] for image in images])
    if info.diameters is None or not pixels.any():
        return usual
    diameter = diameter_of(float(np.median(pixels[pixels > 0])) * prod(usual), len(usual))
    low, _, high = info.diameters
    least, most = sorted((low * _MARGIN, high / _MARGIN))
    wanted = min(max(diameter, least), most)
    return zoom_of(info, stored=stored, scale=wanted / diameter).factors


def _seen_spacing(
    start: SegmentationInfo, info: SegmentationInfo, factors: Sequence[float]
) -> tuple[float, ...] | None:
    """Pixel size that the network sees, if the start knows its own and all images have one."""
    if start.spacing is None or info.spacing is None:
        return None
    return tuple(step / factor for step, factor in zip(info.spacing, factors, strict=True))
