"""Every method by its name, and one picture in focus everywhere from several; see `fuse`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion import classical
from seamwise.fusion.align import GAINS, AlignedFrames, Alignment, Motion, estimate_alignment
from seamwise.fusion.burst import Burst, Frame
from seamwise.fusion.frames import Frames, Picture
from seamwise.fusion.predict import Mode, Model, check_options, fuse_frames, load, passes
from seamwise.fusion.result import Fusion

Stage = Literal["align", "fuse"]
Report = Callable[[Stage, int, int], None]


@dataclass(frozen=True)
class Classical:
    """A classical method, how often it reads each frame, and whether it can run on a GPU."""

    fuse: Callable[..., Fusion]
    passes: int
    takes_device: bool = False


CLASSICAL = {
    "laplacian": Classical(classical.laplacian_pyramid, 1),
    "gff": Classical(classical.gff, 2),
    "dct": Classical(classical.dct, 2),
    "dct-cv": Classical(classical.dct_cv, 2),
    "matting": Classical(classical.matting, 1),
    "cnn": Classical(classical.cnn, 1, takes_device=True),
}


def fuse(
    frames: Sequence[Frame],
    *,
    model: str | Path | Model = "focus-seg",
    mode: Mode = "sequence",
    nearest: bool | None = None,
    align: bool | Alignment = False,
    motion: Motion = "affine",
    exposure: bool = True,
    crop: bool = True,
    tile: int | None = None,
    device: str = "auto",
    report: Report = lambda stage, done, total: None,
) -> Fusion:
    """Fuse pictures of one scene with different focus into one that is in focus everywhere.

    Parameters
    ----------
    frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
        Two or more, all of one size, type (uint8, uint16, or floats in 0..1) and number of channels. Files are read
        one at a time and never all held.
    model : str, path or Model
        A shipped model ("focus-seg", "focus-reg"), a model file, what `load` returned, or a classical method:
        "laplacian", "gff", "dct", "dct-cv", "matting", "cnn" (see `fusion.classical`).
    mode : {"sequence", "together"}
        How a network fuses three frames or more: see `fusion.predict.fuse_frames`. In "sequence" the result depends
        on their order: give them from near to far or from far to near.
    nearest : bool, optional
        Give each pixel the colour of the nearest source (thesis (6.6)); by default for networks that regress colours.
    align : bool or Alignment
        Lay the frames over each other first, as for hand-held bursts and breathing lenses: see
        `fusion.align.estimate_alignment`. Or an alignment that is known already.
    motion, exposure
        See there.
    crop : bool
        After alignment, cut to the area that all frames cover; otherwise borders are mirrored.
    tile : int, optional
        Pixels per side that go through a network at once.
    device : str
        See `engine.devices.choose_device`.
    report : function
        Called with the stage, the steps done in it and their number.

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError
        Fewer than two frames, frames that differ in size, type or channels; a frame that cannot be aligned
        (`AlignmentError`), that is damaged or leaves 0..1; a classical method with an option that is a network's.
    TypeError
        Frames of another type, or one name instead of a list.
    FileNotFoundError
        No such file or model.

    Examples
    --------
    >>> from skimage.data import camera
    >>> from seamwise.synth import focus_pair
    >>> left = np.arange(512)[np.newaxis].repeat(512, 0) < 256
    >>> pair = focus_pair(camera(), left, sigma=3.0)
    >>> fusion = fuse([pair.a, pair.b], model="gff")
    >>> bool(abs(fusion.image - pair.truth).mean() < abs(pair.a - pair.truth).mean() / 5)
    True
    """
    burst = Burst(frames)
    method, passes = method_of(model, mode=mode, nearest=nearest, tile=tile, device=device)
    count = len(burst)
    alignment = None
    notes: list[str] = []
    laid: Frames = burst
    if isinstance(align, Alignment):
        alignment = align
    elif align:
        watched = WatchedFrames(burst, partial(report, "align"), count)
        alignment = estimate_alignment(
            watched,
            motion=motion,
            exposure=exposure,
            names=[Path(name).name for name in burst.names],
        )
        notes = _exposure_notes(alignment)
    if alignment is not None:
        laid = AlignedFrames(burst, alignment, crop=crop)
    fused = method(WatchedFrames(laid, partial(report, "fuse"), passes * count))
    image = in_dtype(fused.image, burst.dtype)
    return Fusion(image, fused.depth, alignment, (*burst.notes, *notes), burst.exif, burst.icc)


def load_method(model: str | Path, *, device: str = "auto") -> Model:
    """Load a network; if there is none of that name, say what else there is."""
    try:
        return load(model, device=device)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; classical methods are {', '.join(CLASSICAL)}") from error


def in_dtype(image: Picture, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a picture in 0..1 as uint8 or uint16, rounded, or as floats of another size."""
    if dtype.kind == "f":
        return image.astype(dtype)
    return np.round(image * np.float32(np.iinfo(dtype).max)).astype(dtype)


class WatchedFrames(Sequence[Picture]):
    """A burst that says how often it was read, out of how often it will be."""

    def __init__(self, frames: Frames, report: Callable[[int, int], None], total: int) -> None:
        self.frames, self.report, self.total, self.reads = frames, report, total, 0

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        """Read frame `index`."""
        frame = self.frames[index]
        self.reads = min(self.reads + 1, self.total)  # one more read tells some methods the size
        self.report(self.reads, self.total)
        return frame


def _exposure_notes(alignment: Alignment) -> list[str]:
    """A line for each frame whose gain is at its bound (`estimate_alignment`)."""
    reference, at_bound = alignment.names[alignment.reference], np.isin(alignment.gains, GAINS)
    return [
        f"{name}: its brightness differs from that of {reference} by one stop or more and is matched by one stop only; "
        "where this shows in the picture, expose the frames alike"
        for name, channels in zip(alignment.names, at_bound, strict=True)
        if channels.any()
    ]


def method_of(
    model: str | Path | Model, *, mode: Mode, nearest: bool | None, tile: int | None, device: str
) -> tuple[Callable[[Frames], Fusion], int]:
    """Return how to fuse, and how often that reads each frame.

    Raises
    ------
    ValueError
        A classical method has no such option, tiles are too small, or the network cannot fuse in this mode.
    FileNotFoundError
        There is no such model.
    """
    if isinstance(model, str) and model in CLASSICAL:
        of_networks = {
            "mode": mode != "sequence",
            "nearest": nearest is not None,
            "tile": tile is not None,
        }
        given = [name for name, is_given in of_networks.items() if is_given]
        if given:
            are, them = ("is an option", "it") if len(given) == 1 else ("are options", "them")
            raise ValueError(
                f"{', '.join(given)} {are} of networks: leave {them} out with the method {model}"
            )
        method = CLASSICAL[model]
        return partial(
            method.fuse, **({"device": device} if method.takes_device else {})
        ), method.passes
    network = load_method(model, device=device) if isinstance(model, str | Path) else model
    check_options(network, mode=mode, tile=tile)
    return partial(fuse_frames, model=network, mode=mode, nearest=nearest, tile=tile), passes(
        mode, nearest=bool(nearest)
    )
