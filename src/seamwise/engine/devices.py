"""Devices, precision and memory layout to compute with."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch

from seamwise.io.errors import first_line
from seamwise.nets.average import Network

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_KINDS = ("cpu", "cuda", "mps")

AnyNet = TypeVar("AnyNet", bound=Network)


def choose_device(device: str = "auto") -> torch.device:
    """Return the device: "auto" takes the first available of CUDA, Apple's MPS and the CPU.

    Raises
    ------
    ValueError
        The device does not exist on this machine, or is of another kind.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if device.partition(":")[0] not in _KINDS:
        raise ValueError(f"device {device!r} is not available: use auto, cpu, cuda or mps")
    try:
        torch_device = torch.device(device)
        torch.empty(0, device=torch_device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {device!r} is not available: {first_line(error)}; use auto, cpu, cuda or mps"
        ) from error
    return torch_device


def choose_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the processor computes in it, else float32.

    On a CPU with AVX512-BF16 or AMX a width-16 U-Net runs several times faster in bfloat16 with
    channels-last memory; on one without, bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        is_supported = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if is_supported else torch.float32
    if device.type == "cpu":
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


def memory_format(ndim: int) -> torch.memory_format:
    """Return channels-last for the number of spatial axes: convolutions are fastest in it."""
    return torch.channels_last_3d if ndim == 3 else torch.channels_last


def place(net: AnyNet, device: torch.device, dtype: torch.dtype = torch.float32) -> AnyNet:
    """Move a network to a device, in a precision and in the layout that is fastest."""
    layout = memory_format(net.ndim)
    return net.to(device=device, dtype=dtype, memory_format=layout)  # type: ignore[call-overload,no-any-return]


@contextmanager
def launch(device: torch.device, *, devices: int = 1, nodes: int = 1) -> "Iterator[Fabric]":
    """Yield Fabric on one device, or on several, each with a process that runs the same block.

    Processes that torchrun or SLURM has started are used. Without them, this process starts the
    others of its machine, which run the same command line from its beginning. They compute as
    ``torch.nn.parallel.DistributedDataParallel``, over NCCL on GPUs and gloo on CPUs. If the block
    fails, the processes started here are ended.

    Parameters
    ----------
    device : torch.device
    devices, nodes : int
        Number of GPUs of each machine (on a CPU: of processes), and number of machines.

    Raises
    ------
    ValueError
        The machine has fewer GPUs; `device` is one GPU, but `devices` is more; torchrun or SLURM
        has started another number of processes.
    ConnectionError
        Another process has ended in the middle of the block.
    """
    from lightning_fabric import Fabric  # slow to import, and not needed to predict

    # it logs its precision on every start; ours is in `seamwise info`
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    is_parallel = devices * nodes > 1
    has_number = device.index is not None and device.type != "cpu"
    _check_devices(device, devices, nodes)
    fabric = Fabric(
        accelerator=device.type,
        devices=[device.index] if has_number and not is_parallel else devices,
        num_nodes=nodes,
        strategy="ddp" if is_parallel else "auto",
        precision="bf16-mixed" if choose_precision(device) == torch.bfloat16 else "32-true",
    )
    if is_parallel:
        fabric.launch()
        _check_started(fabric.world_size, devices, nodes)
    try:
        yield fabric
    except BaseException as error:
        if is_parallel:
            _end_started(fabric)
        if is_parallel and _is_lost(error):
            raise ConnectionError(
                "another process of this training has ended: read its error"
            ) from error
        raise


def is_first_process(processes: int) -> bool:
    """Return whether this process writes and reports, of the `processes` of a training.

    It is read from the environment, so that it is known before they are connected: RANK is
    torchrun's, SLURM_PROCID SLURM's; LOCAL_RANK and NODE_RANK mark a process that Fabric has
    started.
    """
    if processes == 1:
        return True
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    return all(
        os.environ.get(name, "0") == "0" for name in ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    )


def _check_devices(device: torch.device, devices: int, nodes: int) -> None:
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        _check_started(int(os.environ["WORLD_SIZE"]), devices, nodes)
    if devices * nodes == 1:
        return
    if device.type == "mps":
        raise ValueError(f"devices must be 1 on mps, not {devices}: mps computes in one process")
    if ":" in str(device):
        raise ValueError(
            f"device must be {device.type} for {devices} devices, not {device}, which is one"
        )
    if device.type == "cuda" and torch.cuda.device_count() < devices:
        raise ValueError(
            f"devices must be at most {torch.cuda.device_count()}, the visible GPUs, not {devices}"
        )


def _check_started(processes: int, devices: int, nodes: int) -> None:
    if processes != devices * nodes:
        raise ValueError(
            f"devices × nodes must be {processes}, the number of processes that are started, "
            f"not {devices} × {nodes}: "
            "devices is their number on each machine, nodes the number of machines"
        )


def _end_started(fabric: "Fabric") -> None:
    """End the processes that this one has started, which would wait for it forever."""
    launched_processes = getattr(fabric.strategy.launcher, "procs", [])
    processes = list(launched_processes)
    launched_processes.clear()  # or Fabric kills this process, too, when one of them ends
    for process in processes:
        process.terminate()


def _is_lost(error: BaseException) -> bool:
    """Whether torch reports that another process is gone; errors of gloo have no own type."""
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in str(error) or "Connection" in str(error))
    )
