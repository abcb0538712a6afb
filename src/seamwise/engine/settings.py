"""What every training run depends on, whatever its task; see `RunSettings`."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

Positive = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=4096)]  # of a training crop, in pixels


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RunSettings:
    """Network size, optimizer, schedule and bookkeeping of a training run.

    Attributes
    ----------
    width, depth, norm
        See `nets.UNet`.
    steps, batch_size : int
        Number of steps; samples per step.
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
        Steps between snapshots ``snapshot-<step>.safetensors``, each a model file, and with each a checkpoint to go
        on from; 0 writes none. Does not change the result.
    stored_as : {"float32", "float16"}
        Numbers of the model file. In float16 it has half the size, and weights are rounded to 11 bits; a network
        that computes in bfloat16 keeps 8 of them.
    workers : int
        Processes that prepare samples beside the training; does not change the result.
    devices, nodes : int
        GPUs of each machine (on a CPU: processes), and machines, that share every batch; see `engine.loop.fit`.
    """

    width: Annotated[int, Field(ge=1, le=1024)] = 16
    depth: Annotated[int, Field(ge=0, le=6)] = 4
    norm: Literal["none", "batch"] = "batch"
    steps: Positive = 2000
    batch_size: Positive = 8
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    validate_every: Positive = 200
    snapshot_every: Annotated[int, Field(ge=0)] = 0
    stored_as: Literal["float32", "float16"] = "float32"
    workers: Annotated[int, Field(ge=0)] = 0
    devices: Positive = 1
    nodes: Positive = 1

    @property
    def processes(self) -> int:
        """How many processes compute: one for each device of each node."""
        return self.devices * self.nodes

    @model_validator(mode="after")
    def _batch_can_be_shared(self) -> Self:
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size must be a multiple of devices times nodes, {self.processes}, not {self.batch_size}: "
                "they share each batch"
            )
        return self
