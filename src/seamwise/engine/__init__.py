"""What every task trains and predicts with: the loop, its settings, devices, memory, resources."""

from seamwise.engine.memory import free_memory, parse_memory
from seamwise.engine.resources import Resources

__all__ = ["Resources", "free_memory", "parse_memory"]
