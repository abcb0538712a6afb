"""Frames of layers, fused: `frames_of`, `fuse_frames`. Needs no Qt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine import StageProgress
from seamwise.fusion import CLASSICAL, FuseOptions, Fusion, fuse_burst
from seamwise.io import FusionInfo, describe_model, shipped_models
from seamwise_napari.work import Work

_STAGES = {"align": "aligning", "brightness": "comparing brightness", "fuse": "fusing"}


def methods() -> tuple[str, ...]:
    """Return the names of all ways to fuse, "auto" first."""
    networks = (
        name
        for name, path in shipped_models().items()
        if isinstance(describe_model(path), FusionInfo)
    )
    return ("auto", *networks, *CLASSICAL)


def frames_of(layers: Sequence[Any]) -> list[NDArray[Any]]:
    """Return the frames that image layers hold: the planes of one, or one of each.

    Parameters
    ----------
    layers : sequence of napari image layers

    Raises
    ------
    ValueError
        There are fewer than two frames, or a layer has other axes.
    """
    axes = [layer.data.ndim - bool(layer.rgb) for layer in layers]
    if axes == [3]:
        return list(np.asarray(layers[0].data))
    if len(layers) < 2 or set(axes) != {2}:
        raise ValueError("choose one stack of focus planes, or two or more pictures")
    return [np.asarray(layer.data) for layer in layers]


def fuse_frames(frames: list[NDArray[Any]], options: FuseOptions, work: Work) -> Fusion:
    """Fuse frames; a cancel stops it between two of them."""

    def report(progress: StageProgress) -> None:
        stage = _STAGES.get(progress.stage, progress.stage)
        work.tell(stage, progress.done / max(1, progress.total))

    return fuse_burst(frames, options, report=report)
