"""What this processor is and has, without torch, which takes seconds to import."""

import os
import re
import sys
from functools import cache
from pathlib import Path

import psutil  # type: ignore[import-untyped]

# of CUDA, of CUDA on boards, of ROCm, of Windows below
_GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/nvmap", "/dev/kfd", "/dev/dxg")


def is_surely_cpu(device: str) -> bool:
    """Return whether `choose_device` takes the CPU; False if only torch can tell.

    "auto" is known on Linux without the driver of a GPU.
    """
    if device != "auto":
        return device == "cpu"
    if "torch" in sys.modules or sys.platform != "linux":
        return False
    return not any(Path(name).exists() for name in _GPU_FILES)


def thread_count() -> int:
    """Return how many threads a network may use: as many as torch takes, whether loaded or not.

    One for each core, or fewer if OMP_NUM_THREADS or MKL_NUM_THREADS says so.
    """
    if "torch" in sys.modules:
        import torch

        return torch.get_num_threads()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1024
    cores = min(_core_count(), usable)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        number = re.match(r"\s*0*([1-9][0-9]*)", os.environ.get(variable, ""))
        if number:
            return min(int(number[1]), cores)
    return cores


@cache
def _core_count() -> int:
    """Cores of this machine: to count them takes longer than a small image."""
    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Return whether the processor computes in bfloat16 (AVX512-BF16 or AMX), see
    `choose_precision`.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import torch

        from seamwise.engine.devices import choose_precision

        return choose_precision(torch.device("cpu")) == torch.bfloat16
    return re.search(r"\b(avx512_bf16|amx_bf16)\b", text) is not None
