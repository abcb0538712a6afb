"""Networks from model files, ready to predict; see `load_network`."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import torch

from seamwise.engine.devices import choose_device, choose_precision, place
from seamwise.io.models import AnyInfo, Architecture, load_model, model_path
from seamwise.nets import Average, UNet
from seamwise.nets.average import Network


@dataclass(frozen=True)
class ReadyNetwork(Generic[AnyInfo]):
    """A network ready to predict, with its description."""

    net: Network
    info: AnyInfo
    device: torch.device
    dtype: torch.dtype


def load_network(
    model: str | Path, kind: type[AnyInfo], *, device: str = "auto"
) -> ReadyNetwork[AnyInfo]:
    """Load a shipped model by name, or a model file by path, onto a device.

    Raises
    ------
    FileNotFoundError
        There is no such model.
    ValueError
        The file is damaged, of a newer version, or for another task than `kind` describes; there is
        no such device.
    """
    path = model_path(model, kind)
    torch_device = choose_device(device)
    weights, info = load_model(path, kind)
    try:
        net = build_network(info.architecture)
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"model file {path} is damaged: its weights do not fit its description"
        ) from error
    return prepare_network(net, info, torch_device)


def build_network(architecture: Architecture) -> Network:
    """Build the untrained network that a model file describes."""
    members = [_build_unet(architecture) for _ in range(architecture.members)]
    return members[0] if len(members) == 1 else Average(members, classes=architecture.out_channels)


def prepare_network(net: Network, info: AnyInfo, device: torch.device) -> ReadyNetwork[AnyInfo]:
    """Return a copy of a trained network for prediction, in the device's best precision.

    Norms are folded into the convolutions.
    """
    dtype = choose_precision(device)
    net = deepcopy(net).fold_norms().requires_grad_(False)
    return ReadyNetwork(place(net, device, dtype), info, device, dtype)


def _build_unet(architecture: Architecture) -> UNet:
    return UNet(
        architecture.in_channels,
        architecture.output_channels,
        ndim=architecture.ndim,
        width=architecture.width,
        depth=architecture.depth,
        norm=architecture.norm,
    )
