"""What every task trains and predicts with: loop, settings, devices, resources, listener."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamwise.engine.devices import (
        choose_device,
        choose_precision,
        is_first_process,
        memory_format,
    )
    from seamwise.engine.history import TrainProgress, read_log
    from seamwise.engine.lane import Lane
    from seamwise.engine.listener import Listener, StageProgress
    from seamwise.engine.loggers import log_to, open_logger
    from seamwise.engine.loop import check_output, fit, learning_rate, run_identity
    from seamwise.engine.memory import free_memory, parse_memory
    from seamwise.engine.networks import build_network, prepare_network
    from seamwise.engine.resources import Resources
    from seamwise.engine.runtime import Runtime, choose_runtime, describe_runtime
    from seamwise.engine.settings import RunSettings, read_settings

__all__ = [
    "Lane",
    "Listener",
    "Resources",
    "RunSettings",
    "Runtime",
    "StageProgress",
    "TrainProgress",
    "build_network",
    "check_output",
    "choose_device",
    "choose_precision",
    "choose_runtime",
    "describe_runtime",
    "fit",
    "free_memory",
    "is_first_process",
    "learning_rate",
    "log_to",
    "memory_format",
    "open_logger",
    "parse_memory",
    "prepare_network",
    "read_log",
    "read_settings",
    "run_identity",
]

_ROOMS = {
    "devices": ("choose_device", "choose_precision", "is_first_process", "memory_format"),
    "history": ("TrainProgress", "read_log"),
    "lane": ("Lane",),
    "listener": ("Listener", "StageProgress"),
    "loggers": ("log_to", "open_logger"),
    "loop": ("check_output", "fit", "learning_rate", "run_identity"),
    "memory": ("free_memory", "parse_memory"),
    "networks": ("build_network", "prepare_network"),
    "resources": ("Resources",),
    "runtime": ("Runtime", "choose_runtime", "describe_runtime"),
    "settings": ("RunSettings", "read_settings"),
}


def __getattr__(name: str) -> Any:
    # the loop and the networks need torch; neither `import seamwise` nor --help waits for it
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"seamwise.engine.{room}"), name)
    raise AttributeError(f"module 'seamwise.engine' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
