"""What every task trains and predicts with: loop, settings, devices, resources, listener."""

from seamwise.engine.listener import Listener, StageProgress
from seamwise.engine.memory import free_memory, parse_memory
from seamwise.engine.resources import Resources

__all__ = ["Listener", "Resources", "StageProgress", "free_memory", "parse_memory"]
