"""All settings of a segmentation training; see `TrainSettings`."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass

from seamwise.engine.settings import Count, Positive, RunSettings, Side
from seamwise.io.models import NormalizationRule
from seamwise.segmentation.augment import Augmentation
from seamwise.segmentation.systems import BUILDERS, WITH_J, System, system
from seamwise.segmentation.transforms import TargetAndWeight
from seamwise.words import Annotation, Sampling, SystemName, Unlabelled

CROP = {2: 256, 3: 64}
"""Side of a crop by the number of spatial axes, unless settings say another."""


def _in_one_line(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:  # it has a line for each type that the value may have
        raise ValueError(
            "expected 1 to 4096 pixels, or a number for each axis, e.g. [48, 96, 96]"
        ) from None


def _number_or_matrix(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        raise ValueError(
            "expected a number of at least 0, or a row of them for each class, "
            "e.g. [[0, 0.2, 0.1], [0.2, 0, 0.4], [0.1, 0.4, 0]]"
        ) from None


_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrainSettings(RunSettings):
    """Everything that a training run depends on, except the images.

    Attributes
    ----------
    loss : system name
        Classes, loss and weight map; see `segmentation.systems`.
    lam : float or (C, C) matrix, optional
        λ of the J term for each ordered pair of classes, or λ_ik in row i and column k, where the
        diagonal counts nothing; by default 1/(C(C − 1)), the mean over the
        pairs. The authors' code has 0.5, which did worse on one data set
        (`docs/segmentation-thesis.md`, "Why?").
    loss_options : mapping
        Numbers of the loss: ``gamma`` of `fl`; ``gamma`` and ``focal_weight`` of `dice_focal`;
        ``alpha`` and ``beta`` of `tversky`, and also ``gamma`` of `focal_tversky`. See
        `seamwise.losses`.
    annotation : {"instances", "binary"}
        Content of the masks: a number for each cell, or black and white with lines of background
        between the cells.
    unlabelled : {"background", "ignore", "near"}
        What 0 means in masks where cells are missing: see `unlabelled.with_unlabelled`. Masks that
        a person corrected are complete.
    unlabelled_radius : float, optional
        For "near": in pixels, or in those of the finest axis; by default a quarter of the median
        diameter of the cells.
    sampling : {"random", "epochs"}
        Draw any image each time, or each image once in an epoch: see `engine.draws.ImageDraws`.
    corrected_weight : float
        How often an image with a corrected mask is drawn, compared with others.
    start : str, optional
        A shipped model or a model file to train on from: see `start.read_start`.
    touching_radius, gap_radius
        See `labels.semantic_target`. Lengths are in pixels; for an anisotropic image, in pixels of
        its finest axis.
    weights : mapping
        Options of the loss's weight map, e.g. ``{"beta": 20}``; see `seamwise.weights`. W³ takes
        ``balance = "frequency"`` by default, the other maps "rarest". ``scale``, the word
        "mean" or a number, is that of `TargetAndWeight`.
    ndim : {2, 3}, optional
        Number of spatial axes; by default that of the images.
    crop : int or tuple of int, optional
        Side of a training crop in pixels, or one for each axis, e.g. (48, 96, 96). By default 256
        in 2D and 64 in 3D, where a side of 256 would give 17 million pixels.
    min_size, min_core, gap
        See `decode.argmax`; used at validation and written into the model file. Unlike there, gap
        pixels become background by default: the thesis' rule makes them join cells
        (`docs/segmentation-thesis.md`, Table 7).
    normalization : NormalizationRule
    augmentation : Augmentation
    width, steps, learning_rate, seed, …
        See `engine.settings.RunSettings`.
    """

    old_defaults: ClassVar[Mapping[str, Any]] = {
        **RunSettings.old_defaults,
        "normalization": {"kind": "percentiles"},
        "unlabelled": "background",
        "unlabelled_radius": None,
        "corrected_weight": 3.0,
        "start": None,
        "loss_options": {},
        "sampling": "random",
    }
    loss: SystemName = "j4"
    lam: Annotated[
        _Weight | tuple[tuple[_Weight, ...], ...] | None, WrapValidator(_number_or_matrix)
    ] = None
    loss_options: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]] = field(
        default_factory=dict
    )
    annotation: Annotation = "instances"
    unlabelled: Unlabelled = "background"
    unlabelled_radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    sampling: Sampling = "random"
    corrected_weight: Annotated[float, Field(gt=0, le=1000)] = 3.0
    start: str | None = None
    touching_radius: Positive = 2
    gap_radius: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 7.0
    weights: Mapping[str, Any] = field(default_factory=dict)
    ndim: Literal[2, 3] | None = None
    crop: Annotated[Side | tuple[Side, ...] | None, WrapValidator(_in_one_line)] = None
    min_size: Count = 20
    min_core: Count = 20
    gap: Literal["second", "background"] = "background"
    normalization: NormalizationRule = NormalizationRule()
    augmentation: Augmentation = Augmentation()

    @field_validator("loss", mode="before")
    @classmethod
    def _one_loss(cls, loss: Any) -> Any:
        if isinstance(loss, Mapping):
            raise ValueError("expected one name; tables [loss.NAME] are for `seamwise compare`")
        return loss

    @model_validator(mode="after")
    def _weights_fit_the_map(self) -> Self:
        if self.weights and self.system().map is None:
            with_map = ", ".join(name for name in BUILDERS if system(name).map is not None)
            raise ValueError(
                f"loss {self.loss} has no weight map for [weights]: remove the table, or choose "
                f"{with_map}"
            )
        self.transform()
        return self

    @model_validator(mode="after")
    def _lam_fits_the_classes(self) -> Self:
        if self.lam is not None and self.loss not in WITH_J:
            raise ValueError(
                f"loss {self.loss} has no J term for the setting lam: remove it, or choose "
                f"{' or '.join(WITH_J)}"
            )
        classes = self.system().classes
        if isinstance(self.lam, tuple) and {len(row) for row in (self.lam, *self.lam)} != {classes}:
            raise ValueError(
                f"setting lam must have {classes} rows of {classes} numbers for {self.loss}, "
                f"not rows of {', '.join(str(len(row)) for row in self.lam)}"
            )
        return self

    @model_validator(mode="after")
    def _loss_takes_its_options(self) -> Self:
        if self.loss_options or self.lam is not None:  # a pixel of each class tells
            task = self.system()
            logits = torch.zeros(1, task.classes, task.classes, requires_grad=True)
            loss = task.loss(logits, torch.arange(task.classes)[None])
            (gradient,) = torch.autograd.grad(loss, logits)
            if not (loss.isfinite() and gradient.isfinite().all()):
                names = "loss_options" if self.loss_options else "lam"
                raise ValueError(
                    f"with this setting {names} the loss {self.loss} is not finite: give numbers "
                    "nearer to 1"
                )
        return self

    @model_validator(mode="after")
    def _black_and_white_masks_have_background(self) -> Self:
        if self.annotation == "binary" and self.unlabelled == "ignore":
            raise ValueError(
                "unlabelled must be background or near for black-and-white masks, not ignore: the "
                "line between two cells is background"
            )
        return self

    @model_validator(mode="after")
    def _radius_has_a_use(self) -> Self:
        if self.unlabelled_radius is not None and self.unlabelled != "near":
            raise ValueError(
                f"unlabelled_radius = {self.unlabelled_radius:g} is for unlabelled = near, not "
                f"{self.unlabelled}: remove it, or choose near"
            )
        return self

    @model_validator(mode="after")
    def _crop_fits_the_axes(self) -> Self:
        if self.ndim is not None:
            self.crop_shape(self.ndim)
        return self

    def crop_shape(self, ndim: int) -> tuple[int, ...]:
        """Size of a crop along each of `ndim` axes; ValueError if `crop` has other axes."""
        sides = CROP[ndim] if self.crop is None else self.crop
        shape = (sides,) * ndim if isinstance(sides, int) else sides
        if len(shape) != ndim:
            raise ValueError(
                f"crop has {len(shape)} sizes, the images have {ndim} spatial axes: "
                "give one number, or one for each axis"
            )
        return shape

    def fill_in(self, ndim: Literal[2, 3]) -> Self:
        """Fill in the settings that depend on the images, which have `ndim` spatial axes."""
        self.crop_shape(ndim)
        return replace(self, ndim=ndim, crop=CROP[ndim] if self.crop is None else self.crop)

    def system(self) -> System:
        """Classes, loss and weight map."""
        return system(self.loss, lam=self.lam, options=self.loss_options)

    def transform(self, counts: tuple[int, ...] | None = None) -> TargetAndWeight:
        """Target and weights of labels; `counts` are the pixels of each class in the data set."""
        task, options = self.system(), dict(self.weights)
        scale = options.pop("scale", None)
        return TargetAndWeight(
            map=task.map,
            classes=task.classes,
            touching_radius=self.touching_radius,
            gap_radius=self.gap_radius,
            annotation=self.annotation,
            counts=counts,
            scale=scale,
            options=options,
        )
