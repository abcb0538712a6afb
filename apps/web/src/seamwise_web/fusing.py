"""The work that fuses an open burst: `fuse_open`; the methods that the page offers: `METHODS`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from seamwise.engine import StageProgress, free_memory
from seamwise.fusion import FuseOptions, fuse_burst, memory_of_burst, readable
from seamwise.io import photo_info
from seamwise_web.answers import RefusalError
from seamwise_web.bursts import OpenBurst
from seamwise_web.fused import FusedPicture, without_folders
from seamwise_web.jobs import Job

Result = TypeVar("Result")

_WORDS = {
    "auto": "The network focus-burst for three frames and more, "
    "focus-pair for two, or if only two add detail.",
    "focus-burst": "A network scores each frame against all others.",
    "focus-pair": "A network decides which of two frames is sharp, and joins both near seams.",
    "focus-seg": "A network decides which of two frames is sharp, frame after frame.",
    "gff": "Guided-filter fusion. Without a network.",
    "laplacian": "Laplacian pyramid: the largest detail wins. Fast, and keeps noise.",
    "dct-cv": "Variance of blocks, with neighbours that agree. Fast.",
    "cnn": "Liu's network for patches. Slow.",
}
METHODS = [{"name": name, "words": words} for name, words in _WORDS.items()]
"""What the page offers, with a line for each."""

_STAGES = {
    "align": "aligning",
    "align again": "aligning again",
    "brightness": "matching brightness",
    "moving": "looking for what moves",
    "fuse": "fusing",
    "fuse again": "fusing again",
}


def options_of(
    method: object, *, align: object, moving: object, skip_bad: object = False
) -> FuseOptions:
    """Return the options that the page chose; all others are those of `seamwise fuse`.

    Raises
    ------
    RefusalError
        The page has no such method, or a switch is not on or off.
    """
    if not isinstance(method, str) or method not in _WORDS:
        raise RefusalError(400, f"the page has no method {method!r}: choose one of the list")
    switches = {"align": align, "moving": moving, "skip_bad": skip_bad}
    if not all(isinstance(value, bool) for value in switches.values()):
        raise RefusalError(400, f"{', '.join(switches)} must be true or false")
    return FuseOptions(
        model=method, align=bool(align), moving=bool(moving), skip_bad=bool(skip_bad)
    )


def fuse_open(burst: OpenBurst, options: FuseOptions) -> Callable[[Job], None]:
    """Return the work that fuses a burst, which gets the picture when all is done.

    With `skip_bad` it loses the frames that cannot be used.
    """
    frames = tuple(burst.frames)

    def told(read: Callable[[], Result]) -> Result:
        try:
            return read()
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(without_folders(str(error), frames)) from error

    def report(job: Job, step: StageProgress) -> None:
        job.begin(_STAGES.get(step.stage, step.stage), step.done / step.total)

    def work(job: Job) -> None:
        job.begin("reading the frames")
        paths = frames
        numbers: Sequence[int] = range(len(frames))
        notes: tuple[str, ...] = ()
        if options.skip_bad:
            numbers, notes = told(lambda: readable(frames))
            paths = tuple(frames[number] for number in numbers)
        shape = photo_info(paths[0]).shape
        needed = memory_of_burst(shape, options, count=len(paths))
        if needed > free_memory():
            raise ValueError(
                f"fusing frames of this size takes about {needed / 1e9:.1f} GB of memory, and "
                f"{free_memory() / 1e9:.1f} GB are free: close other programs"
            )
        usual = replace(options, skip_bad=False)  # they are read already
        fusion = told(lambda: fuse_burst(paths, usual, report=lambda step: report(job, step)))
        fusion = replace(fusion, notes=(*notes, *fusion.notes))

        def keep() -> None:
            burst.keep(numbers)
            burst.fused = FusedPicture(paths, fusion)

        job.finish(keep)

    return work
