"""What a training run depends on; see `TrainSettings`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from seamwise.io.models import NormalizationRule
from seamwise.segmentation.augment import Augmentation
from seamwise.segmentation.systems import SystemName

Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrainSettings:
    """Everything a training run depends on besides the images.

    Attributes
    ----------
    loss : system name
        See `segmentation.systems.system`.
    lam : float
        λ of the J term, for each pair of classes.
    touching_radius, gap_radius
        See `labels.semantic_target`.
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
    min_size, min_core, gap
        See `decode.argmax`; used at validation and written into the model file.
    normalization : NormalizationRule
    augmentation : Augmentation
    workers : int
        Processes that prepare samples beside the training; does not change the result.
    """

    loss: SystemName = "j4"
    lam: Annotated[float, Field(ge=0)] = 0.5
    touching_radius: Positive = 2
    gap_radius: Annotated[float, Field(ge=0)] = 7.0
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
    min_size: Annotated[int, Field(ge=0)] = 20
    min_core: Annotated[int, Field(ge=0)] = 20
    gap: Literal["second", "background"] = "second"
    normalization: NormalizationRule = NormalizationRule()
    augmentation: Augmentation = Augmentation()
    workers: Annotated[int, Field(ge=0)] = 0
