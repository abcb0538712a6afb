"""What the training of a fusion network depends on; see `FusionSettings`."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from seamwise.engine.settings import Count, Positive, RunSettings, Side
from seamwise.fusion.bands import PAIR_BANDS
from seamwise.words import FusionLoss, FusionNetwork, Sampling

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Simulation:
    """How pairs of different focus are made from a sharp picture; see `synth.focus_pair`.

    Attributes
    ----------
    sigma : (low, high)
        Range of the blur's standard deviation in pixels.
    matte, disc : float in 0..1
        Share of pairs with ``edges="matte"``, and of pairs with ``kernel="disc"``.
    shapes : float in 0..1
        Share of pairs whose mask comes from random shapes although the picture has segments.
    noise, brightness : float
        See `synth.focus_pair`.
    scale : float
        The picture is magnified by a factor whose logarithm is uniform in ±log(1 + scale).
    gamma : float
        Intensities of the sharp picture are raised to a power whose logarithm is uniform in ±log(1
        + gamma).
    grey : float in 0..1
        Share of pictures that are made grey.
    mirror : bool
        Mirror each axis, and exchange them, with probability 1/2.
    """

    sigma: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (1.0, 5.0)
    matte: Share = 0.0
    disc: Share = 0.0
    shapes: Share = 0.0
    noise: Annotated[float, Field(ge=0)] = 0.0
    brightness: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0)] = 0.0
    gamma: Annotated[float, Field(ge=0)] = 0.0
    grey: Share = 0.0
    mirror: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.sigma[0] > self.sigma[1]:
            raise ValueError(f"sigma must be a range from low to high, not {self.sigma}: swap them")
        return self


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class FusionSettings(RunSettings):
    """Everything the training of a fusion network depends on, apart from the pictures.

    Attributes
    ----------
    network : {"selection", "bands", "picture"}
        HF-Seg: the probability of each source, trained with cross entropy. "bands": these of a
        network that is trained already, and weights for each of six bands of details near its
        seams: see `bands_loss.BandsLoss`. HF-Reg: the fused colours, trained with `loss`.
    loss : {"nps", "l1", "l2", "huber", "gradient", "ssim", "perceptual"}
        Of HF-Reg: φ in thesis (6.4), summed over the channels, mean over the pixels; "ssim" and
        "perceptual" are as in `seamwise.losses`. "perceptual" needs a feature network, which
        `train` takes from Python.
    added : mapping
        Of HF-Reg: further losses that are added, each times its weight, e.g. ``{"ssim": 0.1}``.
    alpha : float
        Of NPS.
    delta : float
        Of Huber's loss.
    bounds : bool
        Add the bounds of (6.4) to the loss of HF-Reg.
    symmetric : bool
        Tie the weights so that the result does not depend on the order of the sources; see
        `nets.tie_halves`. Needs an even width.
    picture_weight : float
        Of HF-Seg: add to the cross entropy this times the NPS, α = 6, between the picture that it
        selects and the truth.
    start : str, optional
        A shipped model or a model file of the same architecture, whose weights the training starts
        from. "bands" needs a model with network "selection": all bands have its logits at first,
        and its decisions are kept.
    sampling : {"random", "epochs"}
        Draw any picture each time, or each once in an epoch: see `engine.draws.ImageDraws`.
    simulation : Simulation
    crop : int
        Size of a training crop along both axes.
    width, steps, learning_rate, seed, …
        See `engine.settings.RunSettings`. `batch_size` counts pairs; each goes through the network
        in both orders.

    Notes
    -----
    The thesis (section 6.2.3) trains for 1,000 epochs of MS COCO with Adam at 1e-5, three pairs a
    step and crops of 400 pixels. For runs of thousands of steps that rate is too low; the default
    here is 1e-3 after a warm-up.
    """

    network: FusionNetwork = "selection"
    loss: FusionLoss = "nps"
    added: Mapping[FusionLoss, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = field(
        default_factory=dict
    )
    alpha: Annotated[float, Field(gt=0)] = 6.0
    delta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    bounds: bool = True
    symmetric: bool = True
    picture_weight: Annotated[float, Field(ge=0)] = 0.0
    start: str | None = None
    sampling: Sampling = "random"
    simulation: Simulation = Simulation()
    crop: Side = 256
    batch_size: Positive = 4
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    warmup: Count = 50

    page: ClassVar[str] = "docs/fusion.md"
    old_defaults: ClassVar[Mapping[str, Any]] = {
        **RunSettings.old_defaults,
        "added": {},
        "delta": 1.0,
        "sampling": "random",
    }

    @property
    def has_one_order(self) -> bool:
        """Whether a batch shows each pair in one order: the network was tied before."""
        return self.network == "bands" and self.symmetric

    @property
    def losses(self) -> Mapping[FusionLoss, float]:
        """Weight of each loss of HF-Reg."""
        return {self.loss: 1.0, **self.added}

    @model_validator(mode="after")
    def _fits_the_network(self) -> Self:
        of_colours = (self.loss, dict(self.added), self.alpha, self.delta, self.bounds)
        if self.network != "picture" and of_colours != ("nps", {}, 6.0, 1.0, True):
            raise ValueError(
                "loss, added, alpha, delta and bounds are options of network 'picture': remove them"
            )
        if self.loss in self.added:
            raise ValueError(f"added must be other losses than {self.loss}, which is the loss")
        if self.network == "picture" and self.simulation.brightness > 0:
            raise ValueError(
                f"brightness must be 0 for network 'picture', not {self.simulation.brightness}: "
                "both orders of a pair have one truth"
            )
        if self.network != "selection" and self.picture_weight > 0:
            raise ValueError("picture_weight is an option of network 'selection': remove it")
        if self.network == "bands" and self.start is None:
            raise ValueError(
                "network 'bands' needs start, the network 'selection' whose decisions it keeps: "
                "set start"
            )
        if self.network == "bands" and self.crop % 2 ** (PAIR_BANDS - 1):
            raise ValueError(
                f"crop must be a multiple of {2 ** (PAIR_BANDS - 1)} for network 'bands', not "
                f"{self.crop}: change it"
            )
        if self.symmetric and self.width % 2:
            raise ValueError(
                f"width must be even for a symmetric network, not {self.width}: "
                "change it, or set symmetric = false"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BurstSimulation:
    """How bursts are made from sharp pictures; see `synth.draw_scene` and `synth.focus_burst`.

    Attributes
    ----------
    frames : (low, high)
        Their number; its logarithm is uniform. Every burst of a step has the same.
    blur : (low, high)
        Radius in pixels at the far end of a scene when its near end is in focus; its logarithm is
        uniform.
    scale : float
        Pictures are made smaller by a factor of at most this; its logarithm is uniform.
    noise : (low, high)
        Standard deviation of the noise in three of four bursts; its logarithm is uniform.
    gain : float
        In three of ten bursts the network sees frames brighter or darker by up to this share.
    surfaces, hairs : float in 0..1
        Shares of kinds of scenes; see `synth.draw_scene`.
    hot, dust, grey : float in 0..1
        Share of bursts with hot pixels, and with dark spots, which move from frame to frame as
        they do after an alignment; and of grey ones.
    trails : float in 0..1
        Share of these bursts in which the spots form trails, as a breathing lens makes them.
    blank : float in 0..1
        Share of bursts of three frames and more with one to four frames at the ends that are far
        out of focus or show nothing.
    """

    frames: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2, le=100)]] = (2, 30)
    blur: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0, le=24)]] = (2.5, 18.0)
    scale: Annotated[float, Field(ge=1)] = 2.2
    noise: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.0007, 0.03)
    gain: Share = 0.03
    surfaces: Share = 0.45
    hairs: Share = 0.28
    hot: Share = 0.3
    dust: Share = 0.15
    trails: Share = 0.5
    grey: Share = 0.2
    blank: Share = 0.25

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("frames", "blur", "noise"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(
                    f"{name} must be a range from low to high, not {(low, high)}: swap them"
                )
        return self


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BurstSettings(RunSettings):
    """Everything the training of `nets.BurstNet` depends on, apart from the pictures.

    Attributes
    ----------
    start : str, optional
        A shipped model or a model file of the same width, whose weights the training starts from.
    simulation : BurstSimulation
    crop : int
        Size of a training crop along both axes, a multiple of 16.
    width, steps, learning_rate, seed, …
        See `engine.settings.RunSettings`. `depth` and `norm` are not used; `batch_size` counts
        bursts.
    """

    old_defaults: ClassVar[Mapping[str, Any]] = {
        **RunSettings.old_defaults,
        "simulation": {"blank": 0.0, "dust": 0.0, "trails": 0.0},
    }
    start: str | None = None
    simulation: BurstSimulation = BurstSimulation()
    crop: Annotated[int, Field(ge=32, le=4096, multiple_of=16)] = 96
    batch_size: Positive = 2
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    warmup: Count = 50

    page: ClassVar[str] = "docs/fusion.md"
