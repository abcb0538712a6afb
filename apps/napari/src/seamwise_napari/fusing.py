"""Frames of layers, fused: `arrays_of`, `fuse_frames`. Needs no Qt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine import StageProgress
from seamwise.fusion import CLASSICAL, FuseOptions, Fusion, fuse_burst
from seamwise.io import FusionInfo, describe_model, shipped_models
from seamwise_napari.layers import finest_of
from seamwise_napari.work import Work

_STAGES = {
    "align": "aligning",
    "align again": "aligning again",
    "brightness": "comparing brightness",
    "fuse": "fusing",
    "fuse again": "fusing again",
}


def methods() -> tuple[str, ...]:
    """Return the names of all ways to fuse, "auto" first."""
    networks = (
        name
        for name, path in shipped_models().items()
        if isinstance(describe_model(path), FusionInfo)
    )
    return ("auto", *networks, *CLASSICAL)


def arrays_of(layers: Sequence[Any]) -> list[Any]:
    """Return the pixels of the layers to fuse, without computing lazy ones: a stack, or pictures.

    Parameters
    ----------
    layers : sequence of napari image layers

    Raises
    ------
    ValueError
        There are fewer than two frames, or a layer has other axes.
    """
    axes = [finest_of(layer).ndim - bool(layer.rgb) for layer in layers]
    if axes != [3] and (len(axes) < 2 or set(axes) != {2}):
        raise ValueError("choose one stack of focus planes, or two or more pictures")
    return [finest_of(layer) for layer in layers]


def frames_of(arrays: Sequence[Any]) -> list[NDArray[Any]]:
    """Return the frames of what `arrays_of` returned: the planes of a stack, or the pictures."""
    if len(arrays) == 1:
        return list(np.asarray(arrays[0]))
    return [np.asarray(picture) for picture in arrays]


def fuse_frames(arrays: Sequence[Any], options: FuseOptions, work: Work) -> Fusion:
    """Fuse what `arrays_of` returned; a cancel stops it between two frames."""
    work.tell("reading")
    frames = frames_of(arrays)

    def report(progress: StageProgress) -> None:
        stage = _STAGES.get(progress.stage, progress.stage)
        work.tell(stage, progress.done / max(1, progress.total))

    return fuse_burst(frames, options, report=report)
