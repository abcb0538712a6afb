"""Networks from model files, ready to predict; see `load_network`."""

from collections.abc import Callable
from concurrent.futures import Executor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from seamwise.engine.devices import choose_device, choose_precision, place
from seamwise.engine.runtime import Runtime, choose_runtime, torch_runtime
from seamwise.io.models import AnyInfo, Architecture, load_model, model_path
from seamwise.nets import Average, BurstNet, UNet
from seamwise.nets.average import Network
from seamwise.nets.onnx import OnnxNetwork
from seamwise.words import check_runtime

Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadyNetwork(Generic[AnyInfo]):
    """A network ready to predict, with its description; `runtime.run` computes it.

    `compiled` is the network in another runtime than torch, `note` what the user should know about
    the choice. `lane` is the one thread that computes it for several threads that share it: each
    thread that computes by itself would occupy all processors.
    """

    net: Network
    info: AnyInfo
    device: torch.device
    dtype: torch.dtype
    compiled: Runtime | None = None
    note: str = ""
    lane: Executor | None = None

    def call(self, function: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Return what a function gives that computes the network, called in the `lane`.

        Raises RuntimeError or CancelledError if the lane has been shut down.
        """
        if self.lane is None:
            return function(*arguments, **options)
        return self.lane.submit(function, *arguments, **options).result()

    @property
    def runtime(self) -> Runtime:
        """What computes the network."""
        return self.compiled or torch_runtime(self.net, self.device)


def load_network(
    model: str | Path, kind: type[AnyInfo], *, device: str = "auto", runtime: str = "auto"
) -> ReadyNetwork[AnyInfo]:
    """Load a shipped model by name, or a model file by path, onto a device.

    Parameters
    ----------
    model : str or Path
    kind : type
        What describes the model.
    device : str
        See `choose_device`; "auto" is the CPU for runtimes that only it has.
    runtime : str
        See `choose_runtime`.

    Raises
    ------
    FileNotFoundError
        There is no such model.
    ValueError
        The file is damaged, of a newer version, or for another task than `kind` describes; there is
        no such device; `runtime` is another word, or was named and cannot be used.
    """
    check_runtime(runtime)
    path = model_path(model, kind)
    is_for_cpu = runtime not in ("auto", "torch")
    torch_device = choose_device("cpu" if device == "auto" and is_for_cpu else device)
    weights, info = load_model(path, kind)
    try:
        net = build_network(info.architecture)
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"model file {path} is damaged: its weights do not fit its description"
        ) from error
    return prepare_network(net, info, torch_device, runtime=runtime)


def build_network(architecture: Architecture) -> Network:
    """Build the untrained network that a model file describes."""
    if architecture.name == "burst":
        return BurstNet(width=architecture.width)
    if architecture.name == "onnx":
        return OnnxNetwork(
            architecture.in_channels, ndim=architecture.ndim, depth=architecture.depth
        )
    members = [_build_unet(architecture) for _ in range(architecture.members)]
    return members[0] if len(members) == 1 else Average(members, classes=architecture.out_channels)


def prepare_network(
    net: Network, info: AnyInfo, device: torch.device, *, runtime: str = "torch"
) -> ReadyNetwork[AnyInfo]:
    """Return a copy of a trained network for prediction, in the device's best precision.

    Norms are folded into the convolutions. `runtime` is that of `choose_runtime`. A `BurstNet`
    computes in float32: it compares contrasts that are small against the brightness.
    """
    net = deepcopy(net).fold_norms().requires_grad_(False)
    chosen = choose_runtime(
        net, device, runtime, info.activations
    )  # from the weights before they are rounded
    is_float32 = chosen.name.endswith(("float32", "int8")) or isinstance(
        net, BurstNet | OnnxNetwork
    )
    dtype = torch.float32 if is_float32 else choose_precision(device)
    compiled = None if chosen.name == "torch" else chosen
    return ReadyNetwork(place(net, device, dtype), info, device, dtype, compiled, chosen.note)


def _build_unet(architecture: Architecture) -> UNet:
    return UNet(
        architecture.in_channels,
        architecture.output_channels,
        ndim=architecture.ndim,
        width=architecture.width,
        depth=architecture.depth,
        norm=architecture.norm,
    )
