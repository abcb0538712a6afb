"""Which device, precision and memory layout to compute in."""

from typing import TypeVar

import torch

from seamwise.nets.average import Network

AnyNet = TypeVar("AnyNet", bound=Network)


def choose_device(device: str = "auto") -> torch.device:
    """Return the device: "auto" takes the first of CUDA, Apple's MPS and the CPU that is there.

    Raises
    ------
    ValueError
        The named device does not exist on this machine.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} is not to be had: {reason}; use auto, cpu, cuda or mps") from error
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"device {device!r} computes nothing here; use auto, cpu, cuda or mps")
    return chosen


def choose_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor computes in it, else float32.

    On a CPU with AVX512-BF16 or AMX a width-16 U-Net runs several times faster in bfloat16 with
    channels-last memory; on one without, bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


def memory_format(ndim: int) -> torch.memory_format:
    """Channels-last for the number of spatial axes: the layout convolutions are fastest in."""
    return torch.channels_last_3d if ndim == 3 else torch.channels_last


def place(net: AnyNet, device: torch.device, dtype: torch.dtype = torch.float32) -> AnyNet:
    """Move a network to a device, in the given precision and the layout its convolutions are fastest in."""
    layout = memory_format(net.ndim)
    return net.to(device=device, dtype=dtype, memory_format=layout)  # type: ignore[call-overload,no-any-return]
