"""What the runs of a comparison have in common, and what is a loss's own; see `settings_of`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from seamwise.engine.networks import build_network
from seamwise.engine.settings import change_settings, make_settings, read_toml
from seamwise.labels import CLASS_NAMES
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.samples import Samples
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.systems import system
from seamwise.segmentation.train import describe
from seamwise.words import SystemName

OWN_SETTINGS = (
    "lam",
    "loss_options",
    "weights",
    "touching_radius",
    "gap_radius",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "momentum",
    "betas",
    "epsilon",
    "schedule",
    "warmup",
    "average",
    "min_size",
    "min_core",
    "gap",
)
"""Settings that runs may differ in: they change neither the first weights nor the crops."""
_LAST = ("head.weight", "head.bias")


@dataclass(frozen=True)
class Run:
    """One loss, trained from one seed."""

    loss: SystemName
    seed: int

    def __str__(self) -> str:
        return f"{self.loss}-{self.seed}"


@dataclass(frozen=True)
class Conditions:
    """What all runs of a seed have in common, as SHA-256.

    Attributes
    ----------
    start : str
        First weights. The last layer has a row for each class; those of background and cell count.
    crops : str
        Crops of the first, the middle and the last step, before the touching contrast is changed.
    """

    start: str
    crops: str


def read_comparison(
    path: Path | None, losses: Sequence[str], options: Mapping[str, Any] | None = None
) -> tuple[dict[SystemName, dict[str, Any]], TrainSettings]:
    """Read the losses with their own settings, and the settings of all, from a TOML file.

    Parameters
    ----------
    path : Path, optional
        A file with fields of `TrainSettings`. Its tables ``[loss.w3]``, ``[loss.w3.weights]`` … are
        for one loss.
    losses : sequence of str
        Names of the losses to compare; "ce" is "ce3".
    options : mapping, optional
        Settings of all runs; they win over the file.

    Returns
    -------
    losses : dict
        For each loss, its own settings.
    settings : TrainSettings
        Settings of all losses.

    Raises
    ------
    ValueError
        A loss does not exist, or a table belongs to a loss that is not compared; and as
        `engine.settings.read_settings`.
    """
    content = {} if path is None else read_toml(path)
    tables = content.pop("loss", {})
    tables = tables if isinstance(tables, Mapping) else {}  # a file for `train` names a loss
    own = {_full_name(name): table for name, table in tables.items()}
    names = [_full_name(name) for name in losses]
    for name in names:
        system(name)  # raises ValueError if there is no such loss
    for name in own:
        if name not in names:
            raise ValueError(
                f"[loss.{name}] in {path} is for a loss that is not compared: remove the table, "
                f"or add the loss to {', '.join(names)}"
            )
    for key in ("weights", "lam", "loss_options"):
        if key in content:
            raise ValueError(
                f"{key} in {path} belongs to one loss: give it to that loss, "
                "e.g. as [loss.w3.weights], [loss.j4] lam = 0.5 or [loss.tversky.loss_options]"
            )
    settings = make_settings(TrainSettings, content, options, source=f" in {path}")
    return {name: dict(own.get(name, {})) for name in names}, settings


def settings_of(
    run: Run, settings: TrainSettings, own: Mapping[str, Any] | None = None
) -> TrainSettings:
    """Return the settings of one run: its loss, its seed and the loss's own settings.

    λ and the options of loss and weight map have their defaults unless the loss has its own.
    """
    own = own or {}
    source = f" of loss {run.loss}"
    for name in own:
        if name not in OWN_SETTINGS and name in {field.name for field in fields(settings)}:
            raise ValueError(
                f"setting {name}{source} must be the same for all losses: set it for all of them"
            )
    common = replace(settings, loss=run.loss, seed=run.seed, lam=None, loss_options={}, weights={})
    return change_settings(common, own, source=source)


def first_weights(
    settings: TrainSettings,
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
) -> dict[str, Tensor]:
    """Return the first weights of a run: a network of four classes, without those it lacks."""
    architecture = describe(settings, training, validation).architecture
    torch.manual_seed(settings.seed)
    weights = build_network(
        architecture.model_copy(update={"out_channels": len(CLASS_NAMES)})
    ).state_dict()
    return {
        name: w[: architecture.out_channels] if name in _LAST else w for name, w in weights.items()
    }


def conditions_of(
    settings: TrainSettings,
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
) -> Conditions:
    """Hash the first weights of a run and some of its crops."""
    start, crops = hashlib.sha256(), hashlib.sha256()
    for name, weights in first_weights(settings, training, validation).items():
        start.update((weights[:2] if name in _LAST else weights).numpy().tobytes())
    samples = Samples(
        training,
        seed=settings.seed,
        steps=settings.steps,
        batch_size=settings.batch_size,
        crop=settings.crop_shape(training[0].ndim),
        augmentation=replace(settings.augmentation, touching_contrast=0.0),
        transform=settings.transform(),
        sampling=settings.sampling,
    )
    for step in sorted({0, settings.steps // 2, settings.steps - 1}):
        for index in range(settings.batch_size):
            crops.update(samples[step * settings.batch_size + index][0].numpy().tobytes())
    return Conditions(start.hexdigest(), crops.hexdigest())


def _full_name(loss: str) -> SystemName:
    return cast(SystemName, "ce3" if loss == "ce" else loss)
