"""What a training run depends on; see `TrainSettings`."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from seamwise.io.models import NormalizationRule
from seamwise.segmentation.augment import Augmentation
from seamwise.segmentation.systems import BUILDERS, System, SystemName, system
from seamwise.segmentation.transforms import Annotation, TargetAndWeight

Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrainSettings:
    """Everything a training run depends on besides the images.

    Attributes
    ----------
    loss : system name
        Classes, loss and weight map: see `segmentation.systems`.
    lam : float
        λ of the J term, for each pair of classes.
    annotation : {"instances", "binary"}
        What the masks hold: a number for each cell, or black and white with lines of background between the cells.
    touching_radius, gap_radius
        See `labels.semantic_target`. Lengths are in pixels, of an anisotropic image in pixels of its finest axis.
    weights : mapping
        Arguments of the loss's weight map, e.g. ``{"beta": 20}``: see `seamwise.weights`.
    ndim, width, depth, norm
        See `nets.UNet`.
    steps, batch_size, crop : int
        Number of steps; crops per step; size of a crop along each axis.
    optimizer : {"adam", "adamw"}
    learning_rate, weight_decay : float
    schedule : {"constant", "cosine"}
        Learning rate over the steps after a linear warm-up of `warmup` steps.
    average : float
        Decay of the exponential moving average of the weights, which is what is validated and saved; after n
        steps at most n/(9 + n). 0 saves the weights themselves.
    seed : int
        First weights and every random choice.
    validate_every : int
        Steps between validations; each one writes the log, the curve, the checkpoint, and the model if it is the
        best so far.
    snapshot_every : int
        Steps between snapshots ``snapshot-<step>.safetensors``, each a model file, to be combined later
        (`segmentation.combine`); 0 writes none. Does not change the result.
    min_size, min_core, gap
        See `decode.argmax`; used at validation and written into the model file.
    normalization : NormalizationRule
    augmentation : Augmentation
    workers : int
        Processes that prepare samples beside the training; does not change the result.
    """

    loss: SystemName = "j4"
    lam: Annotated[float, Field(ge=0)] = 0.5
    annotation: Annotation = "instances"
    touching_radius: Positive = 2
    gap_radius: Annotated[float, Field(ge=0)] = 7.0
    weights: Mapping[str, Any] = field(default_factory=dict)
    ndim: Literal[2, 3] = 2
    width: Annotated[int, Field(ge=1, le=1024)] = 16
    depth: Annotated[int, Field(ge=0, le=6)] = 4
    norm: Literal["none", "batch"] = "batch"
    steps: Positive = 2000
    batch_size: Positive = 8
    crop: Annotated[int, Field(ge=1, le=4096)] = 256
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    validate_every: Positive = 200
    snapshot_every: Annotated[int, Field(ge=0)] = 0
    min_size: Annotated[int, Field(ge=0)] = 20
    min_core: Annotated[int, Field(ge=0)] = 20
    gap: Literal["second", "background"] = "second"
    normalization: NormalizationRule = NormalizationRule()
    augmentation: Augmentation = Augmentation()
    workers: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _weights_fit_the_map(self) -> Self:
        if self.weights and self.system().map is None:
            with_map = ", ".join(name for name in BUILDERS if system(name).map is not None)
            raise ValueError(f"loss {self.loss} has no weight map for [weights]: remove them, or choose {with_map}")
        self.transform()
        return self

    def system(self) -> System:
        """Classes, loss and weight map."""
        return system(self.loss, lam=self.lam)

    def transform(self, counts: tuple[int, ...] | None = None) -> TargetAndWeight:
        """How labels become target and weights; `counts` are the pixels of each class in the data set."""
        task = self.system()
        return TargetAndWeight(
            map=task.map,
            classes=task.classes,
            touching_radius=self.touching_radius,
            gap_radius=self.gap_radius,
            annotation=self.annotation,
            counts=counts,
            options=self.weights,
        )
