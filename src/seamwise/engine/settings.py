"""What every training run depends on: `RunSettings`; read from a file: `read_settings`."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from seamwise.io.errors import expected

# below 2³¹, so that a product of two, such as all samples of a run, has 64 bits
Count = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[int, Field(ge=1, lt=2**31)]
Side = Annotated[int, Field(ge=1, le=4096)]  # of a training crop, in pixels
Decay = Annotated[float, Field(ge=0, lt=1)]  # of an average
AnySettings = TypeVar("AnySettings", bound="RunSettings")

_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")  # of dataclasses, of models


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RunSettings:
    """Network size, optimizer, schedule and bookkeeping of a training run.

    Attributes
    ----------
    width, depth, norm
        See `nets.UNet`.
    steps, batch_size : int
        Number of steps; samples per step.
    optimizer : {"adam", "adamw", "sgd"}
        "sgd" is stochastic gradient descent, thesis (2.4).
    learning_rate, weight_decay : float
    momentum : float
        Of "sgd": the share of the last step that the next one keeps.
    betas : (float, float)
        Of "adam" and "adamw": β1 and β2, the decay of the averages of gradients and of their
        squares. By default as torch and Kingma and Ba 2015 have them; the thesis (2.3) prints 0.9
        and 0.99.
    epsilon : float
        Of "adam" and "adamw": what is added to the root in the denominator. The thesis prints
        about 1e-10.
    schedule : {"constant", "cosine"}
        Learning rate after a linear warm-up of `warmup` steps.
    average : float
        Decay of the exponential moving average of the weights, at most n/(9 + n) after n steps. The
        average is validated and saved; 0 saves the weights themselves.
    seed : int
        Decides the first weights and every random choice.
    validate_every : int
        Steps between validations. Each one writes the log, the curve and the checkpoint, and the
        model if it is the best so far.
    patience : int
        The run ends after so many validations without a better score; 0 trains all steps. The
        count begins with the first score above 0.
    snapshot_every : int
        Steps between snapshots ``snapshot-<step>.safetensors``. Each is a model file, written
        together with a checkpoint. 0 writes none. Does not change the result.
    stored_as : {"float32", "float16"}
        Type of the weights in the model file. float16 halves its size and rounds weights to 11
        bits; a network that computes in bfloat16 uses 8 of them.
    workers : int
        Processes that prepare samples during the training. Does not change the result.
    devices, nodes : int
        GPUs of each machine (on a CPU: processes) and number of machines that share every batch;
        see `engine.loop.fit`.
    """

    width: Annotated[int, Field(ge=1, le=1024)] = 16
    depth: Annotated[int, Field(ge=0, le=6)] = 4
    norm: Literal["none", "batch"] = "batch"
    steps: Positive = 2000
    batch_size: Positive = 8
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-8
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Count = 0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    validate_every: Positive = 200
    patience: Count = 0
    snapshot_every: Count = 0
    stored_as: Literal["float32", "float16"] = "float32"
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    devices: Positive = 1
    nodes: Positive = 1

    page: ClassVar[str] = "docs/training.md"  # where a reader finds the names
    # settings that checkpoints of earlier versions lack, with what they were
    old_defaults: ClassVar[Mapping[str, Any]] = {
        "patience": 0,
        "momentum": 0.0,
        "betas": (0.9, 0.999),
        "epsilon": 1e-8,
    }

    @property
    def processes(self) -> int:
        """Number of processes that compute: one for each device of each node."""
        return self.devices * self.nodes

    @model_validator(mode="after")
    def _fits_the_optimizer(self) -> Self:
        if self.optimizer == "sgd" and (self.betas, self.epsilon) != ((0.9, 0.999), 1e-8):
            raise ValueError(
                "betas and epsilon are options of optimizer adam or adamw, not sgd: remove them"
            )
        if self.optimizer != "sgd" and self.momentum:
            raise ValueError(
                f"momentum is an option of optimizer sgd, not {self.optimizer}: remove it, or "
                "give betas"
            )
        return self

    @model_validator(mode="after")
    def _batch_can_be_shared(self) -> Self:
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size must be a multiple of devices times nodes, {self.processes}, "
                f"not {self.batch_size}: they share each batch"
            )
        return self


def read_settings(
    kind: type[AnySettings],
    path: Path | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
) -> AnySettings:
    """Read the settings of a training run from a TOML file and options, which win.

    Parameters
    ----------
    kind : class
        `TrainSettings` or `FusionSettings`.
    path : Path, optional
        The file; without one every setting has its default.
    options : mapping, optional
        Settings by name; None means that the file or the default decides.
    defaults : mapping, optional
        Settings that replace the defaults of `kind`.

    Raises
    ------
    ValueError
        The file is not TOML, a setting is unknown or out of range, or two settings contradict each
        other.
    FileNotFoundError, IsADirectoryError
        There is no such file.
    """
    content = {} if path is None else read_toml(path)
    return make_settings(kind, {**(defaults or {}), **content}, options, source=f" in {path}")


def make_settings(
    kind: type[AnySettings],
    content: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    *,
    source: str = "",
) -> AnySettings:
    """Make settings as `read_settings` does, from the content of a file.

    `source` follows the name of a setting in an error, e.g. " in run.toml".
    """
    overrides = {name: value for name, value in (options or {}).items() if value is not None}
    try:
        return TypeAdapter(kind).validate_python({**content, **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        message = expected(first["msg"])
        if not first["loc"]:  # two settings contradict each other
            raise ValueError(message) from error
        name = ".".join(str(part) for part in first["loc"])
        source_note = "" if first["loc"][0] in overrides else source
        if first["type"] in _UNKNOWN:
            raise ValueError(unknown_setting(kind, name, source_note)) from error
        raise ValueError(
            f"setting {name}{source_note}: {message}, not {first['input']!r}"
        ) from error


def change_settings(
    settings: AnySettings, changes: Mapping[str, Any], *, source: str = ""
) -> AnySettings:
    """Return settings with some of them changed, checked as `make_settings` does."""
    rest = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name not in changes
    }
    return make_settings(type(settings), changes, rest, source=source)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of settings; the errors are those of `read_settings`."""
    if path.is_dir():
        raise IsADirectoryError(f"settings {path} is a folder: give a TOML file")
    if not path.exists():
        raise FileNotFoundError(f"settings file {path} does not exist: check its name and folder")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"cannot read settings {path} as TOML: {error}") from error


def unknown_setting(kind: type[RunSettings], name: str, source: str = "") -> str:
    """Return the message about a setting that does not exist, with the closest name that does."""
    names = _names_of(kind)
    leaves = {full_name.rpartition(".")[2]: full_name for full_name in names}
    close = get_close_matches(name, names, 1)
    leaf = [leaves[match] for match in get_close_matches(name.rpartition(".")[2], leaves, 1)]
    hint = f"did you mean {(close or leaf)[0]!r}?" if close or leaf else f"see {kind.page}"
    return f"unknown setting {name!r}{source}: {hint}"


def _names_of(kind: Any) -> list[str]:
    """Names of all settings, those of a table as ``table.name``."""
    settings = getattr(kind, "__pydantic_fields__", {})
    names = []
    for name, information in settings.items():
        inner = _names_of(information.annotation)
        names += [name, *(f"{name}.{setting}" for setting in inner)]
    return names
