"""Which settings suit a training folder; see `advise`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import RootModel
from torch import Tensor

from seamwise.engine.devices import choose_device, place
from seamwise.engine.loop import Task
from seamwise.engine.networks import build_network, prepare_network
from seamwise.engine.settings import make_settings
from seamwise.io.atomic import atomic_path
from seamwise.io.models import SegmentationInfo
from seamwise.labels import CLASS_NAMES
from seamwise.segmentation.check.survey import SHARE_MISSING, Look, Survey
from seamwise.segmentation.data import AnnotatedImage, Pair, read_pairs
from seamwise.segmentation.settings import CROP, TrainSettings
from seamwise.segmentation.start import BRIGHT_ON_DARK, magnification, read_start, settings_for
from seamwise.segmentation.train import training_task
from seamwise.segmentation.transforms import count_classes
from seamwise.words import Annotation, SystemName

_FEW = 5  # images, with which plain cross entropy did best
_RARE = 0.05  # share of cells that touch, below which `dsc` did best
_THIN = 15.0  # pixels across: a seam of radius 2 would leave too little of a smaller cell
_SHARE_OF_DIAMETER = 0.3  # a gap as wide as a cell's radius is still narrow
_GAPS = (2.0, 10.0)
_SHOWN = (5, 50, 95)  # percentiles of the diameters
_BRIGHT_RIM = 0.5  # a pixel at the rim is brighter than one inside as often as not
_COLOURS = 3
_VALIDATED = 7  # of so many images one is held out for validation
_REASONS = {
    "touching_radius": "by the median diameter of the cells, as the network sees them",
    "gap_radius": "0.3 of the median diameter, as the network sees it",
    "crop": "as large as fits the images, at most the usual size",
    "unlabelled": "masks lack cells: what is far from a numbered one counts as not known",
    "steps": "from the pixels of all images; the training ends earlier if nothing improves",
}
_READ = 6  # images of which pixels are counted and steps timed
_TIMED = 2
_TIMED_SIDES = {2: 512, 3: 96}  # of the part of an image that is predicted


@dataclass(frozen=True, eq=False)
class Advice:
    """Settings for a training, and why.

    Attributes
    ----------
    settings : mapping
        Fields of `TrainSettings`.
    reasons : mapping
        For settings, why they have their value.
    diameters : tuple of three float, optional
        5th, 50th and 95th percentile of the cells' diameters, see `Look`.
    classes : mapping
        Share of the pixels of some of the images that are of each class.
    seconds : float, optional
        Estimated time of the training on this machine.
    caution : str
        What speaks against the start, in a sentence; empty if nothing does.
    """

    settings: Mapping[str, Any]
    reasons: Mapping[str, str]
    diameters: tuple[float, float, float] | None
    classes: Mapping[str, float]
    seconds: float | None
    caution: str = ""


def advise(
    survey: Survey,
    pairs: Sequence[Pair],
    *,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    annotation: Annotation = "instances",
    start: str | None = None,
    device: str = "auto",
    validation: int | None = None,
) -> Advice | None:
    """Suggest settings for a folder; None if it holds no image with cells that can be used.

    Parameters
    ----------
    survey : Survey
    pairs : sequence of Pair
        Of the folder. Those that the survey could use and that have cells are read, at most six.
    channel, axes, annotation
        As for `data.read_pair`.
    start : str, optional
        A model to train on from; by default one that ships, by the look of the images.
    device : str
        Where two steps and a prediction are timed.
    validation : int, optional
        How many images the training validates on; by default a seventh.

    Notes
    -----
    - Start: for stacks `walls-3d` if cells are darker inside than at their rim, else `nuclei-3d`;
      else `nuclei-2d` if few pixels are bright, or `phase-2d`. No shipped model is for dark cells
      in colour or, bright on dark, cells with bright rims: the start is then a beginning.
    - Loss: by `docs/which-loss.md`: `ce3` up to five images, `dsc` if less than 5 % of the cells
      touch, else `j4`; `saw` for black-and-white masks.
    - Touching radius: 1 for cells of less than 15 pixels across, else 2.
    - Gap radius: 0.3 of the median diameter, from 2 to 10 pixels.
    - Steps: `start.start_defaults`.
    - "near" for what 0 means if the survey noted that the masks lack a tenth of the cells.
    """
    looks = [look for look in survey.looks if len(look.sizes)]
    if not looks:
        return None
    names = {look.name for look in looks}
    chosen = [pair for pair in pairs if pair.name in names]
    few = chosen[:: max(1, len(chosen) // _READ)][:_READ]
    options: dict[str, Any] = {"channel": channel, "axes": axes, "annotation": annotation}
    choice = _Start(start, "you named it") if start else _start_for(looks)
    model = read_start(choice.name)
    images = read_pairs(few, rule=model.info.normalization, **options)
    low, middle, high = np.percentile(np.concatenate([look.diameters for look in looks]), _SHOWN)
    diameters = (float(low), float(middle), float(high))
    loss, why = _loss(looks, len(chosen), annotation)
    settings = {
        **settings_for(model, images, count=len(chosen)),
        "start": model.name,
        "loss": loss,
        "annotation": annotation,
        **_sizes(looks, diameters[1], magnification(model.info, images), images[0].spacing),
        **_unlabelled(survey),
        "ndim": len(looks[0].shape),
    }
    checked = make_settings(TrainSettings, settings)
    normal = read_pairs(few, rule=checked.normalization, **options)
    held_out = ceil(len(chosen) / _VALIDATED) if validation is None else validation
    seconds = training_seconds(normal, checked, validation=held_out, device=device)
    reasons = {
        "start": choice.reason,
        "loss": why,
        **{name: reason for name, reason in _REASONS.items() if name in settings},
    }
    shares = _shares(images, checked)
    return Advice(settings, reasons, diameters, shares, seconds, choice.caution)


def _unlabelled(survey: Survey) -> dict[str, Any]:
    """ "near" where masks lack so many cells that background would be learned wrong."""
    missing = sum(one.count for one in survey.findings if one.kind == "unlabelled")
    cells = sum(len(look.sizes) for look in survey.looks)
    return {"unlabelled": "near"} if missing >= SHARE_MISSING * (cells + missing) > 0 else {}


def _sizes(
    looks: Sequence[Look],
    diameter: float,
    factors: Sequence[float],
    spacing: tuple[float, ...] | None,
) -> dict[str, Any]:
    """Settings that follow from sizes, in pixels of the finest axis that the network sees."""
    steps = (spacing or (1.0,) * len(factors))[-len(factors) :]
    pixels = [step / factor for step, factor in zip(steps, factors, strict=True)]
    seen = diameter * min(steps) / min(pixels)
    return {
        "touching_radius": 1 if seen < _THIN else 2,
        "gap_radius": float(np.clip(round(_SHARE_OF_DIAMETER * seen), *_GAPS)),
        "crop": _crop(looks, factors[-1]),
    }


def _shares(images: Sequence[AnnotatedImage], settings: TrainSettings) -> dict[str, float]:
    counts = count_classes((image.labels for image in images), settings.transform())
    return {c: n / max(sum(counts), 1) for c, n in zip(CLASS_NAMES, counts, strict=True)}


@dataclass(frozen=True)
class _Start:
    """A model to train on from, why, and how the images differ from all that ship models."""

    name: str
    reason: str
    difference: str = ""

    @property
    def caution(self) -> str:
        if not self.difference:
            return ""
        return (
            f"No shipped model is for {self.difference}. {self.name} is only a beginning: annotate "
            "more images, and judge the new model with seamwise evaluate."
        )


def _start_for(looks: Sequence[Look]) -> _Start:
    """A shipped model by the look of the images."""
    values = [(look.skewness, look.brightness, look.rim) for look in looks]
    skew, inside, rim = np.median(values, axis=0).tolist()
    if len(looks[0].shape) == 3:
        if rim > _BRIGHT_RIM:
            return _Start("walls-3d", "cells are darker inside than at their rim")
        difference = "" if inside > 0.5 else "stacks of dark cells without bright walls"
        return _Start("nuclei-3d", "cells are brighter inside than at their rim", difference)
    is_bright = skew >= BRIGHT_ON_DARK
    difference = ""
    if looks[0].channels == _COLOURS and inside < 0.5:
        difference = "dark cells in colour, as in histology"
    elif is_bright and rim > _BRIGHT_RIM:
        difference = "cells with bright rims, as with stained membranes"
    if is_bright:
        return _Start("nuclei-2d", "few pixels are bright", difference)
    return _Start("phase-2d", "cells are not bright on dark", difference)


def _loss(looks: Sequence[Look], images: int, annotation: Annotation) -> tuple[SystemName, str]:
    cells = sum(len(look.sizes) for look in looks)
    share = sum(look.touching for look in looks) / max(cells, 1)
    if annotation == "binary":
        return "saw", "black-and-white masks: the line between cells becomes the class touching"
    if images <= _FEW:
        return "ce3", f"best with {_FEW} images or fewer"
    if share < _RARE:
        return "dsc", f"only {share:.0%} of the cells touch"
    return "j4", f"{share:.0%} of the cells touch"


def _crop(looks: Sequence[Look], zoom: float) -> int:
    """A multiple of 16 not above the usual crop nor, by much, the shortest typical side."""
    ndim = len(looks[0].shape)
    side = np.median([min(look.shape[-2:]) for look in looks]) * zoom
    return int(np.clip(np.ceil(side / 16) * 16, 32, CROP[ndim]))


def training_seconds(
    images: Sequence[AnnotatedImage],
    settings: TrainSettings,
    *,
    validation: int,
    device: str = "auto",
) -> float:
    """Estimate how long a training takes on this machine.

    Two steps are timed after a first one, and the prediction of the middle of one image.

    Parameters
    ----------
    images : sequence of AnnotatedImage
        Some of those of the training.
    settings : TrainSettings
    validation : int
        How many images it validates on, of the size of these.
    device : str
    """
    part = _middle(images[0])
    task, first = training_task(images, [part], settings)
    place_ = choose_device(device)
    net = build_network(task.info.architecture)
    if first is not None:  # a random network predicts specks, which take long to decode
        net.load_state_dict(first)
    net = place(net, place_).train()
    step = _step_seconds(task, net, place_, settings.batch_size)
    began = time.monotonic()
    task.validate(prepare_network(net, task.info, place_))
    share = np.mean([image.labels.size for image in images]) / part.labels.size
    one = (time.monotonic() - began) * share
    passes = ceil(settings.steps / settings.validate_every)
    return step * settings.steps + passes * validation * float(one)


def _middle(image: AnnotatedImage) -> AnnotatedImage:
    """The part of an image that is predicted; a corner is often empty."""
    most = _TIMED_SIDES[image.ndim]
    starts = [max(0, (n - most) // 2) for n in image.labels.shape]
    box = tuple(slice(start, start + most) for start in starts)
    return replace(image, image=image.image[(slice(None), *box)], labels=image.labels[box])


def _step_seconds(
    task: Task[SegmentationInfo],
    net: Callable[[Tensor], Tensor],
    device: torch.device,
    batch_size: int,
) -> float:
    """Mean time of the training steps after a first one."""
    samples = task.samples()
    times = []
    for step in range(1 + _TIMED):
        began = time.monotonic()
        drawn = [samples[step * batch_size + i] for i in range(batch_size)]
        batch = [torch.stack(parts).to(device) for parts in zip(*drawn, strict=True)]
        task.loss(net, batch).backward()  # type: ignore[no-untyped-call]
        times.append(time.monotonic() - began)
    return float(np.mean(times[1:]))


def write_settings(path: Path, advice: Advice, *, data: Path) -> None:
    """Write settings as a TOML file that `seamwise train --settings` reads, with the reasons."""
    content = RootModel(make_settings(TrainSettings, advice.settings)).model_dump(mode="json")
    lines = [f"# settings for {data.name}, suggested by `seamwise check`"]
    tables = []
    for name in advice.settings:
        value = content[name]
        reason = f"  # {advice.reasons[name]}" if name in advice.reasons else ""
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in value.items())]
        elif value is not None:
            lines.append(f"{name} = {_toml(value)}{reason}")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([*lines, *tables]) + "\n", encoding="utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
