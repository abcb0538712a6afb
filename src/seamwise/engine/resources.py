"""What a run may use; see `Resources`."""

from dataclasses import dataclass

from seamwise.plain_values import LARGEST, whole_number

_MOST_WORKERS = 1024  # far more than one machine has use for; each is a process


@dataclass(frozen=True)
class Resources:
    """What a run may use of the machine. Options say what is computed, resources say with what.

    A run may be resumed with other resources, and results made with others may be reused: they are
    recorded with the results, but not compared.

    Attributes
    ----------
    memory : int, optional
        Limit of resident memory in bytes, above 0, of all workers together; with `scheduler`, of
        each worker. By default 70 % of what is free. An image that would take more is segmented
        block by block, and the limit decides the size of the blocks. So the class of a few pixels
        near the ends of blocks may depend on it: of a million pixels 8 at most in 2D, of a million
        voxels 1,333 in the smallest blocks in 3D, fewer in larger ones (benchmarks/README.md,
        "Other resources").
    workers : int
        Processes on this machine, at most 1024; see `engine.cluster.task_runner`. More than one
        means block by block, and they share the memory: what may change is the same as with
        `memory`.
    scheduler : str, optional
        Address of a dask scheduler whose workers are used; block by block. What may change is the
        same as with `memory`.
    device : str
        "auto", "cpu", "cuda", …; see `engine.devices.choose_device`. It decides the speed, and how
        numbers are rounded (bfloat16 or float32; the order of sums).

    Raises
    ------
    ValueError
        A number is out of range, or both `workers` and `scheduler` are given.

    Notes
    -----
    A resumed run keeps the blocks that it was begun with, whatever the memory is now.
    """

    memory: int | None = None
    workers: int = 1
    scheduler: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        limits = (("memory", " byte", LARGEST), ("workers", "", _MOST_WORKERS))
        for name, unit, largest in limits:
            value = getattr(self, name)
            if name == "memory" and value is None:
                continue
            number = whole_number(name, value, largest=largest)
            if number < 1:
                raise ValueError(f"{name} must be at least 1{unit}, not {value}")
            object.__setattr__(self, name, number)
        if not isinstance(self.device, str):
            raise ValueError(f"device must be a word such as auto or cpu, not {self.device!r}")
        if not isinstance(self.scheduler, str | None):
            raise ValueError(f"scheduler must be an address, not {self.scheduler!r}")
        if self.scheduler is not None and self.workers > 1:
            raise ValueError(
                f"workers = {self.workers} are processes here, scheduler = {self.scheduler} "
                "has its own: give one"
            )
