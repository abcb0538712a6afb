"""Model files: weights and their description in one safetensors file."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open

from seamwise.io.atomic import atomic_path
from seamwise.io.bioimageio import is_package
from seamwise.io.decode_rule import DecodeRule as DecodeRule
from seamwise.io.decode_rule import Frozen
from seamwise.io.decode_rule import ReliefPair as ReliefPair
from seamwise.io.decode_rule import ThresholdPair as ThresholdPair
from seamwise.io.decode_rule import TuningRecord as TuningRecord
from seamwise.io.decode_rule import WatershedPair as WatershedPair
from seamwise.io.errors import expected, first_line
from seamwise.io.links import real_path

if TYPE_CHECKING:  # slow to import: networks that other runtimes compute do without it
    import torch
    from torch import Tensor

FORMAT_VERSION = 4


# earlier names of shipped models: the present name, and a note about it
RENAMED = {
    "tissue-3d": (
        "walls-3d",
        "tissue-3d is now named walls-3d, for cells with stained walls; for nuclei: nuclei-3d",
    )
}

_KEY = "seamwise"

_Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Architecture(Frozen):
    """What `nets.UNet` is built from; with more than one of `members`, each of a `nets.Average`.

    "burst" is a `nets.BurstNet`, for which only `width` counts. With `guides` the network has 1 +
    ndim more output channels behind the classes: see `labels.guides`. "onnx" is an
    `OnnxNetwork` of another program, "wrapped" code of the caller's, which no file holds."""

    name: Literal["unet", "burst", "onnx", "wrapped"] = "unet"
    in_channels: int = Field(ge=1)
    out_channels: int = Field(ge=2, le=16)
    ndim: Literal[2, 3] = 2
    width: int = Field(default=64, ge=1, le=1024)
    depth: int = Field(default=4, ge=0, le=8)
    norm: Literal["none", "batch"] = "none"
    members: int = Field(default=1, ge=1)
    guides: bool = False

    @property
    def output_channels(self) -> int:
        """Classes and, behind them, guides."""
        return self.out_channels + (1 + self.ndim) * self.guides

    @property
    def convolutions(self) -> int:
        """Convolutions of one member: two a level, down and up, and the head."""
        return 2 * (2 * self.depth + 1) + 1

    @property
    def multiple(self) -> int:
        """Sizes that are multiples of this need no padding: 2^depth."""
        return 1 << self.depth


class NormalizationRule(Frozen):
    """How intensities become numbers of a common range; see `segmentation.normalization`.

    Attributes
    ----------
    kind : {"percentiles", "contrast", "deviation", "range", "standard", "identity"}
        "percentiles": `low` and `high` of the whole image become 0 and 1. "contrast": background
        becomes 0, the usual contrast of the cells about 0.7. "deviation": the same on both sides.
        Networks of other programs have "range": just the percentiles; "standard": mean 0 and
        standard deviation 1; and "identity": the image as it is.
    low, high : float
    """

    kind: Literal["percentiles", "contrast", "deviation", "range", "standard", "identity"] = (
        "percentiles"
    )
    low: float = Field(default=1.0, ge=0, lt=100)
    high: float = Field(default=99.8, gt=0, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        return self


class Fit(Frozen):
    """What a model saw in its training images, to tell others from them: see `segmentation.fit`.

    Attributes
    ----------
    certainty : float
        Least mean certainty of the foreground of an image.
    skewness : float
        Least skewness of the intensities of an image.
    by_relief : bool, optional
        Whether the certainty is the relief, not the gap between the most likely class and the next;
        by default (earlier versions) it is if the network has guides.
    """

    certainty: float
    skewness: float
    by_relief: bool | None = None


class ModelInfo(Frozen):
    """What a model file says about its weights, whatever their task.

    Attributes
    ----------
    architecture : Architecture
    training : dict
        Provenance: settings, data, seed, scores, software versions.
    activations : tuple of float, optional
        Largest number that each convolution reads, in the order of computation, in images of its
        recipe. A model that has them may be computed in 8-bit integers: its card says what that
        costs.
    format_version : int
        Version of this description: 2 since there are thresholds and members, 3 since there are
        several tasks, 4 since there are guides, a normalisation by contrast and a zoom. Older
        versions are read too.
    """

    architecture: Architecture
    training: dict[str, Any] = Field(default={})
    activations: tuple[_Length, ...] | None = None
    format_version: int = FORMAT_VERSION
    task: str

    @model_validator(mode="after")
    def _has_a_range_for_each_convolution(self) -> Self:
        if self.activations is None:
            return self
        net, numbers = self.architecture, len(self.activations)
        if net.members > 1 or numbers != net.convolutions:
            raise ValueError(
                f"activations must have {net.convolutions} numbers and the network one member, "
                f"not {numbers} and {net.members}"
            )
        return self


class SegmentationInfo(ModelInfo):
    """What a model file says about a segmentation model.

    Attributes
    ----------
    classes : tuple of str
        Name of each output channel.
    channels : tuple of str
        Name of each input channel.
    spacing : tuple of float, optional
        Size in micrometres, along (z,) y, x, of the pixels that the network sees: an image with
        another known pixel size is magnified to it. See `segmentation.zoom`.
    zoom : float
        An image is magnified by this before the network sees it, where its pixel size or the
        model's is unknown.
    isotropic : bool
        The network sees cubic voxels: a stack is magnified along z, by its voxel size.
    diameters : tuple of three float, optional
        5th, 50th and 95th percentile of the diameters of the cells in training, in pixels that the
        network sees.
    fit : Fit, optional
        How sure the model is of images like those of its training.
    normalization : NormalizationRule
    decode : DecodeRule
    """

    task: Literal["segmentation"] = "segmentation"
    classes: tuple[str, ...] = Field(max_length=4)
    channels: tuple[str, ...]
    spacing: tuple[_Length, ...] | None = None
    zoom: float = Field(default=1.0, ge=1 / 32, le=32)
    isotropic: bool = False
    diameters: tuple[_Length, _Length, _Length] | None = None
    fit: Fit | None = None
    normalization: NormalizationRule = NormalizationRule()
    decode: DecodeRule = DecodeRule()

    @property
    def known_diameters(self) -> tuple[float, float, float] | None:
        """`diameters` in pixels of an image whose pixel size is not known."""
        if self.diameters is None:
            return None
        low, middle, high = self.diameters
        return low / self.zoom, middle / self.zoom, high / self.zoom

    @model_validator(mode="after")
    def _names_every_channel(self) -> Self:
        counts = (len(self.classes), len(self.channels))
        if counts != (self.architecture.out_channels, self.architecture.in_channels):
            raise ValueError(
                f"{counts[0]} classes and {counts[1]} channels do not fit the architecture"
            )
        if self.decode.relief is not None and not self.architecture.guides:
            raise ValueError("decode.relief needs a network with guides")
        return self

    @model_validator(mode="after")
    def _has_sizes_that_fit(self) -> Self:
        ndim = self.architecture.ndim
        if self.spacing is not None and len(self.spacing) != ndim:
            raise ValueError(f"spacing must have {ndim} numbers, not {len(self.spacing)}")
        if self.diameters is not None and list(self.diameters) != sorted(self.diameters):
            raise ValueError(f"diameters must ascend, not be {self.diameters}")
        return self


class FusionInfo(ModelInfo):
    """What a model file says about a model that fuses pictures with different focus.

    Attributes
    ----------
    output : {"selection", "bands", "picture", "scores"}
        Two pictures give a logit for each source (HF-Seg), or one that decides and one for each
        band, the first source's first; or colours (HF-Reg). Bursts give scores of each frame.
    colours : {1, 3}
        Channels of a picture, 3 for red, green and blue; the network takes those of both sources.
    temperature, smoothing : float
        Of logits: see `fusion.fuse_pair`.
    """

    task: Literal["fusion"] = "fusion"
    output: Literal["selection", "bands", "picture", "scores"]
    colours: Literal[1, 3] = 3
    temperature: float = Field(default=1.0, gt=0)
    smoothing: float = Field(default=0.0, ge=0, le=10)

    @model_validator(mode="after")
    def _fits_the_network(self) -> Self:
        if (self.output == "scores") != (self.architecture.name == "burst"):
            raise ValueError("output 'scores' is that of a network 'burst', and of no other")
        if self.output == "scores":
            return self
        net = self.architecture
        of_bands = max(4, net.out_channels + net.out_channels % 2)  # pairs, two or more
        channels = {"selection": 2, "bands": of_bands, "picture": self.colours}[self.output]
        if (net.in_channels, net.out_channels, net.ndim) != (2 * self.colours, channels, 2):
            raise ValueError(
                f"a fusion network for {self.output} must have 2D, {2 * self.colours} input and "
                f"{'4, 6, 8 …' if self.output == 'bands' else channels} output channels"
            )
        if self.output == "picture" and (self.temperature, self.smoothing) != (1, 0):
            raise ValueError(
                "temperature and smoothing must be 1 and 0 for a picture, which has no logits"
            )
        return self


AnyInfo = TypeVar("AnyInfo", bound=ModelInfo)

_COMMANDS = {"segmentation": "seamwise segment", "fusion": "seamwise fuse"}
_KINDS: dict[str, type[ModelInfo]] = {"segmentation": SegmentationInfo, "fusion": FusionInfo}


def save_model(
    path: Path,
    weights: "Mapping[str, Tensor]",
    info: ModelInfo,
    *,
    stored_as: "torch.dtype | None" = None,
) -> None:
    """Write weights and description as one file of the present version, whole or not at all.

    Floating weights are stored in the type `stored_as`, by default float32.
    """
    import torch

    info = info.model_copy(update={"format_version": FORMAT_VERSION})
    tensors = {
        name: _convert(tensor, stored_as or torch.float32).detach().cpu().contiguous()
        for name, tensor in weights.items()
    }
    content = model_bytes(tensors, info)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def model_bytes(tensors: "Mapping[str, Tensor]", info: ModelInfo) -> bytes:
    """Return the content of a model file."""
    from safetensors.torch import save

    return save(dict(tensors), metadata={_KEY: info.model_dump_json()})


def load_model(path: Path, kind: type[AnyInfo]) -> "tuple[dict[str, Tensor], AnyInfo]":
    """Read the weights and the description of a model.

    Runs no code from the file and needs no network.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, for example with weights that are NaN or infinite; it is not a seamwise
        model, of a newer version, or for another task.
    """
    return _load(path, kind, "pt")


def load_arrays_of_model(
    path: Path, kind: type[AnyInfo]
) -> tuple[dict[str, NDArray[Any]], AnyInfo]:
    """Read the weights as arrays, without torch, and the description of a model.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `load_model`.
    TypeError
        A weight has a type that numpy lacks, such as bfloat16.
    """
    return _load(path, kind, "np")


def _load(path: Path, kind: type[AnyInfo], framework: str) -> tuple[dict[str, Any], AnyInfo]:
    info = describe_model(path)
    if not isinstance(info, kind):
        raise ValueError(
            f"model file {path} is for {info.task}: use it with `{_COMMANDS[info.task]}`"
        )
    with safe_open(path, framework) as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, weight in weights.items():
        if not ((weight > -inf) & (weight < inf)).all():
            raise ValueError(
                f"model file {path} is damaged ({name} has NaN or infinite weights): copy it "
                "again, or train it again with a lower learning rate"
            )
    return weights, info


def describe_model(path: Path) -> ModelInfo:
    """Read the description of a model file, whatever its task; errors as in `load_model`."""
    if not path.is_file():
        raise FileNotFoundError(f"model file {path} does not exist: check its name and folder")
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"cannot read model file {path}: {first_line(error)}; is it complete?"
        ) from error
    return _parse(path, metadata)


def model_path(model: str | Path, kind: type[ModelInfo] = ModelInfo) -> Path:
    """Path of a model file, or of a shipped model by its name (see `shipped_models`).

    An earlier name stands for the present one; see `renamed_note`. For a package of bioimage.io it
    is that of the model file in it; see `package_models`.
    """
    path = Path(model)
    if is_package(path):
        from seamwise.io.package_models import package_model  # it makes models

        return package_model(path)
    if path.suffix == ".safetensors" or path.is_file():
        return path
    built_in = shipped_models()
    present, _ = RENAMED.get(str(model), (str(model), ""))
    if present not in built_in:
        names = [name for name, file in built_in.items() if isinstance(describe_model(file), kind)]
        raise FileNotFoundError(
            f"no model named {str(model)!r}: give one of {', '.join(names) or '(none ships)'} "
            "or the path of a .safetensors file"
        )
    return built_in[present]


def renamed_note(model: str | Path) -> str:
    """Return what to tell a user who gives an earlier name of a shipped model; else nothing."""
    is_file = Path(model).is_file()
    _, note = RENAMED.get(str(model), ("", ""))
    return "" if is_file else note


def check_model_output(path: Path, *, members: Sequence[Path] = ()) -> None:
    """Raise ValueError if a model must not be written there.

    Its name does not end in .safetensors, a model with this file ships with the package, or it is
    one of `members`, from which the model is made.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"cannot write a model to {path}: expected a name ending in .safetensors")
    built_in = {real_path(file): name for name, file in shipped_models().items()}
    if real_path(path) in built_in:
        raise ValueError(
            f"the model {built_in[real_path(path)]} ships with seamwise and stays as it is: "
            "name another file, e.g. -o mine.safetensors"
        )
    if real_path(path) in [real_path(member) for member in members]:
        raise ValueError(f"{path} is one of the models to combine: name another file")


def shipped_models() -> dict[str, Path]:
    """Return name and path of the models that ship; each has a card ``<name>.md`` next to it."""
    folder = Path(str(resources.files("seamwise"))) / "models"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def _convert(tensor: "Tensor", dtype: "torch.dtype") -> "Tensor":
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _parse(path: Path, metadata: Mapping[str, str]) -> ModelInfo:
    try:
        fields = json.loads(metadata[_KEY])
        version = int(fields["format_version"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"{path} is a safetensors file without seamwise's description: "
            "train a model with `seamwise train`"
        ) from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"model file {path} has format version {version}, this seamwise reads up to "
            f"{FORMAT_VERSION}: update seamwise"
        )
    # before version 3 there was no other task
    kind = _KINDS.get(str(fields.get("task", "segmentation")))
    if kind is None:
        raise ValueError(
            f"model file {path} is for {fields['task']!r}, which this seamwise does not know: "
            "update seamwise"
        )
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        words = ": ".join(filter(None, [".".join(map(str, first["loc"])), expected(first["msg"])]))
        raise ValueError(f"model file {path} is damaged: {words}: copy it again") from error
