"""How probabilities become labels, as a model file says it: see `DecodeRule`."""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seamwise.words import BackgroundAs, RuleName, TunedRule

Probability = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """A part of the description in a model file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TuningRecord(Frozen):
    """How a pair of thresholds was tuned: see `segmentation.tune`.

    Attributes
    ----------
    panoptic_quality, argmax_panoptic_quality : float
        Pooled PQ at IoU 0.5 on the images it was tuned on, with these thresholds and by arg max.
    images : int
        Number of those images.
    grid : str
        The values that were tried for each of the two thresholds.
    decodings : int
        How many of the pairs on the grid were decoded and scored.
    """

    panoptic_quality: float
    argmax_panoptic_quality: float
    images: int
    grid: str
    decodings: int


class ThresholdPair(Frozen):
    """γ2 and γ1 of `decode.threshold`."""

    touching: Probability
    cell: Probability
    tuning: TuningRecord | None = None


class WatershedPair(Frozen):
    """τ0 and τ1 of `decode.watershed`."""

    background: Probability
    cell: Probability
    background_as: BackgroundAs = "marker"
    tuning: TuningRecord | None = None


class ReliefPair(Frozen):
    """Thresholds of `decode.relief`; only for a model with guides."""

    foreground: Probability = 0.5
    core: Probability = 0.0
    peak: Probability = 0.3
    saddle: float = Field(default=0.8, ge=0)
    tuning: TuningRecord | None = None


class DecodeRule(Frozen):
    """How probabilities become labels.

    Attributes
    ----------
    rule : {"argmax", "threshold", "watershed", "relief"}
        The rule that is used by default.
    gap, min_size, min_core
        See `decode.argmax`, `decode.threshold`, `decode.watershed` and `decode.relief`. Sizes in a
        model file count pixels that the network sees; see `with_zoom`.
    threshold, watershed, relief : ThresholdPair, WatershedPair, ReliefPair, optional
        Tuned thresholds, for every rule that may be used.
    """

    rule: RuleName = "argmax"
    gap: Literal["second", "background"] = "second"
    min_size: int = Field(default=0, ge=0)
    min_core: int = Field(default=0, ge=0)
    threshold: ThresholdPair | None = None
    watershed: WatershedPair | None = None
    relief: ReliefPair | None = None

    @model_validator(mode="after")
    def _has_its_thresholds(self) -> Self:
        if self.rule != "argmax" and self.pair is None:
            raise ValueError(
                f"rule {self.rule!r} needs its thresholds: give {self.rule}=…, "
                "or use `seamwise tune`"
            )
        return self

    @property
    def is_guided(self) -> bool:
        """Whether the rule needs the guides of the network in addition to its classes."""
        return self.rule == "relief"

    @property
    def pair(self) -> ThresholdPair | WatershedPair | ReliefPair | None:
        """The thresholds of `rule`; None for the arg max."""
        return None if self.rule == "argmax" else getattr(self, self.rule)

    def with_zoom(self, pixels: float) -> "DecodeRule":
        """Return this rule with sizes in pixels of the image.

        `pixels` is how many pixels the network sees for each of them.
        """
        if pixels == 1:
            return self
        sizes = {name: round(getattr(self, name) / pixels) for name in ("min_size", "min_core")}
        return self.model_copy(update=sizes)

    def with_name(self, rule: str) -> "DecodeRule":
        """Return this rule with another name, if it holds the thresholds for it.

        Raises
        ------
        ValueError
            There is no such rule, or it was never tuned.
        """
        if rule not in get_args(RuleName):
            raise ValueError(f"decode must be one of {', '.join(get_args(RuleName))}, not {rule!r}")
        if rule == "relief" and self.relief is None:
            raise ValueError(
                "the model has no relief to decode by: it was trained on classes alone"
            )
        if rule != "argmax" and getattr(self, rule) is None:
            advice = (
                f"tune them on annotated images with `seamwise tune MODEL DATA --decode {rule}`"
                if rule in get_args(TunedRule)
                else "choose another rule"
            )
            raise ValueError(f"the model has no thresholds for decode {rule!r}: {advice}")
        return self.model_copy(update={"rule": rule})
