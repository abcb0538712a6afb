"""Every method by its name, and one picture in focus everywhere from several; see `fuse`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.resources import Resources
from seamwise.fusion import classical
from seamwise.fusion.alignable import is_alignable
from seamwise.fusion.alignment import AlignedFrames, Alignment
from seamwise.fusion.alignment_notes import alignment_notes
from seamwise.fusion.brightness import find_brightness
from seamwise.fusion.burst import Burst, unstacked
from seamwise.fusion.classical.cnn import WEIGHTS
from seamwise.fusion.frames import CountedFrames, Frames, ReorderedFrames
from seamwise.fusion.headers import Frame, source_of
from seamwise.fusion.moving import taken_whole
from seamwise.fusion.options import FuseOptions
from seamwise.fusion.predict import Model, check_options, fuse_frames, load, passes
from seamwise.fusion.readable import readable, renumbered
from seamwise.fusion.register import estimate_alignment
from seamwise.fusion.result import Fusion, depth_dtype
from seamwise.fusion.stages import Report, stage_report, two_rounds
from seamwise.fusion.surface import find_surface
from seamwise.fusion.transparency import MaskedFrames, moved_mask
from seamwise.fusion.useful import second_opinion, useful_frames
from seamwise.pictures import in_dtype
from seamwise.types import Picture
from seamwise.words import FusionMode


@dataclass(frozen=True)
class Classical:
    """A classical method, how often it reads each frame, and whether it can run on a GPU.

    A sequential one depends on the order of three or more frames.
    """

    fuse: Callable[..., Fusion]
    passes: int
    takes_device: bool = False
    is_sequential: bool = False


CLASSICAL = {
    "laplacian": Classical(classical.laplacian_pyramid, 1),
    "gff": Classical(classical.gff, 2),
    "dct": Classical(classical.dct, 2),
    "dct-cv": Classical(classical.dct_cv, 2),
    "matting": Classical(classical.matting, 1, is_sequential=True),
    "cnn": Classical(classical.cnn, 1, takes_device=True, is_sequential=True),
}
"""The classical methods by their names."""


@dataclass(frozen=True)
class Method:
    """A way of fusing that is ready to be used, and how often it reads each frame.

    A sequential one depends on the order of three or more frames. One that needs brightness was
    trained on pictures that use the whole range: `fuse` then takes `brightness`, too.
    """

    fuse: Callable[..., Fusion]
    passes: int
    is_sequential: bool = False
    needs_brightness: bool = False


def fuse(
    frames: Sequence[Frame],
    *,
    model: str | Path | Model = "auto",
    mode: FusionMode | None = None,
    nearest: bool | None = None,
    align: bool | Alignment = False,
    crop: bool = True,
    device: str = "auto",
    report: Report = lambda progress: None,
) -> Fusion:
    """Fuse pictures of one scene with different focus into one that is in focus everywhere.

    `fuse_burst` takes all options, as values.

    Parameters
    ----------
    frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
        Two or more, all of one size, type (uint8, uint16, or floats in 0..1) and number of
        channels. Files are read one at a time; they are never all in memory.
    model : str, path or Model
        "auto": focus-burst for three frames and more, focus-pair for two and where only two frames
        add detail (see `fuse_burst`), focus-seg where there is a `mode`. Or a shipped model
        ("focus-burst", "focus-pair", "focus-seg", "focus-reg"), a model file, what `load` returned,
        or a classical method: "laplacian", "gff", "dct", "dct-cv", "matting", "cnn" (see
        `fusion.classical`).
    mode : {"sequence", "together"}, optional
        How a network that takes pairs fuses three frames or more: see `fuse_frames`; "sequence" by
        default. Its result depends on the order of the frames: give them from near to far or from
        far to near.
    nearest : bool, optional
        Give each pixel the colour of the nearest source (thesis (6.6)); by default for networks
        that regress colours.
    align : bool or Alignment
        Align the frames first, as hand-held bursts and breathing lenses need: see
        `estimate_alignment`. Or an alignment that is known already.
    crop : bool
        After aligning, cut the picture to the area that all frames cover. Otherwise borders are
        mirrored.
    device : str
        See `engine.devices.choose_device`.
    report : function
        Called with an `engine.StageProgress`; the stages are "align" and "fuse".

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError
        Fewer than two frames; frames that differ in size, type or channels; a frame that cannot be
        aligned (`AlignmentError`), is damaged or has values outside 0..1; a classical method with
        an option that only networks have.
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
    options = FuseOptions(mode=mode, nearest=nearest, align=bool(align), crop=crop)
    network = None
    if isinstance(model, str | Path):
        options = replace(options, model=model)
    else:
        network = model
    return fuse_burst(
        frames,
        options,
        Resources(device=device),
        model=network,
        alignment=align if isinstance(align, Alignment) else None,
        report=report,
    )


def fuse_burst(
    frames: Sequence[Frame],
    options: FuseOptions = FuseOptions(),
    resources: Resources = Resources(),
    *,
    model: Model | None = None,
    alignment: Alignment | None = None,
    surface: bool = False,
    report: Report = lambda progress: None,
    other_model: Callable[[], Model] | None = None,
) -> Fusion:
    """Fuse a burst, with options and resources as values; see `fuse`.

    Parameters
    ----------
    frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
    options : FuseOptions
    resources : Resources
        Only `device` is used.
    model : Model, optional
        What `load` returned, to load it only once: used in place of `options.model` and
        `options.runtime`.
    alignment : Alignment, optional
        A known alignment: used whether or not `options.align` is set.
    surface : bool
        Also find where each pixel is sharpest, `find_surface`, from the aligned frames in the order
        of the burst. This reads them once more.
    report : function
    other_model : function, optional
        For a `model` that stands for "auto": returns the network for two frames if there are more,
        and for more if there are two. See the notes. It counts
        whatever `options.model` says.

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        See `fuse`.

    Notes
    -----
    With "auto", if only two frames have over 1/2000 of the finest details, they are fused as two
    frames are, unless frames may be transparent. Where highlights of a pair grow to discs, it is
    fused as a burst. Both up to 8 megapixels.
    """
    if options.skip_bad:
        if len(frames) == 1:
            frames = unstacked([source_of(frames[0])])
        numbers, notes_of_bad = readable(frames)
        fusion = fuse_burst(
            [frames[i] for i in numbers],
            replace(options, skip_bad=False),
            resources,
            model=model,
            alignment=alignment,
            surface=surface,
            report=report,
            other_model=other_model,
        )
        return renumbered(fusion, numbers, len(frames), notes_of_bad)
    burst = Burst(frames)
    other_method = _other_method(options, resources, model, other_model, len(burst))
    options = options.of_burst(len(burst))
    method = ready_method(options, resources, model=model)
    notes: list[str] = []
    if alignment is None:
        alignment = estimated_alignment(burst, options, report)
    aligned: Frames = burst
    if alignment is not None:
        aligned = AlignedFrames(burst, alignment, crop=options.crop)
        names = tuple(Path(name).name for name in burst.names)  # it may be of another burst
        notes += alignment_notes(replace(alignment, names=names))
    order: Sequence[int] = burst.order if method.is_sequential else burst.order_of_sums()
    if method.is_sequential and len(burst) > 2 and burst.is_own_order:
        order = range(len(burst))
    order = useful_frames(order, alignment)
    masked = _masked(aligned, burst, alignment, crop=options.crop) if burst.has_alpha else None
    shown = masked or aligned
    whole = None
    if options.moving:
        seen = _seen_by_all(aligned, masked)
        reading = stage_report(report, "moving")
        counted = CountedFrames(ReorderedFrames(shown, order), reading, len(order))
        whole, notes_of_moving = taken_whole(shown, counted, order, seen, burst.names)
        shown, notes = whole or shown, notes + notes_of_moving
    fusion = _in_order(method, shown, order, masked or burst, stage_report(report, "fuse"))
    if other_method is not None and (len(burst) == 2 or not burst.has_alpha):
        still, again = masked or burst, stage_report(report, "fuse again")
        fusion = second_opinion(
            fusion,
            ReorderedFrames(shown, order),
            [burst.names[number] for number in order],
            lambda pair: _in_order(other_method(), shown, [order[i] for i in pair], still, again),
        )
    if whole is not None:
        fusion = replace(fusion, depth=whole.settled(fusion.depth))
    if masked is not None:
        fusion = masked.settled(fusion)
    if surface:
        in_focus = range(len(burst)) if burst.is_own_order else burst.order
        counted = CountedFrames(
            ReorderedFrames(shown, in_focus), stage_report(report, "surface"), len(burst)
        )
        scanned = find_surface(counted, grey_step=_grey_step(burst))
        if np.isnan(scanned.position).all():
            notes.append("the surface is empty: no frame is sharp anywhere")
        fusion = replace(fusion, surface=scanned)
    return replace(
        fusion,
        image=_as_given(fusion.image, burst),
        detail=None,
        alignment=alignment,
        notes=(*burst.notes, *burst.blank_notes(), *notes, *fusion.notes),
        exif=burst.exif,
        icc=burst.icc,
    )


def _in_order(
    method: Method,
    shown: Frames,
    order: Sequence[int],
    still: Frames,
    progress: Callable[[int, int], None],
) -> Fusion:
    """Fuse frames in an order; the brightness is that of others, which are read faster."""
    total = method.passes * len(order)
    counted = CountedFrames(ReorderedFrames(shown, order), progress, total)
    fuse_with_method = method.fuse
    if method.needs_brightness:
        brightness = find_brightness(ReorderedFrames(still, order))
        fuse_with_method = partial(fuse_with_method, brightness=brightness)
    fusion = fuse_with_method(counted)
    return replace(fusion, depth=np.array(order, depth_dtype(len(still)))[fusion.depth])


def _other_method(
    options: FuseOptions,
    resources: Resources,
    model: Model | None,
    other_model: Callable[[], Model] | None,
    count: int,
) -> Callable[[], Method] | None:
    """What makes the other method of "auto" ready: for two frames, or for more if there are two."""
    other = options.of_burst(3 if count == 2 else 2)
    if model is None and options.model == "auto" and options.mode is None:
        other_model = partial(
            named_network, other.model, device=resources.device, runtime=options.runtime
        )
    if other_model is None:
        return None
    network = other_model
    return lambda: ready_method(other, resources, model=network())


def _masked(
    aligned: Frames, burst: Burst, alignment: Alignment | None, *, crop: bool
) -> MaskedFrames | None:
    """The frames without their transparent parts; None if they have none."""

    def opaque(i: int) -> NDArray[np.bool_] | None:
        mask = burst.opaque(i)
        if mask is None or alignment is None:
            return mask
        return moved_mask(mask, alignment, i, crop=crop)

    masked = MaskedFrames(aligned, opaque)
    return masked if masked.is_masked else None


def _seen_by_all(aligned: Frames, masked: MaskedFrames | None) -> NDArray[np.bool_] | None:
    """Where every frame shows something; None for everywhere."""
    seen = aligned.seen() if isinstance(aligned, AlignedFrames) else None
    if masked is None:
        return seen
    return masked.seen() if seen is None else masked.seen() & seen[masked.box]


def ready_method(
    options: FuseOptions, resources: Resources = Resources(), *, model: Model | None = None
) -> Method:
    """Return the method that options name, its network loaded.

    Parameters
    ----------
    options : FuseOptions
        Of a burst: its model is not "auto" (`FuseOptions.of_burst`).
    resources : Resources
        Only `device` is used.
    model : Model, optional
        Used in place of `options.model` and `options.runtime`.

    Raises
    ------
    ValueError
        A classical method does not have such an option, tiles are too small, or the network cannot
        fuse in this mode.
    FileNotFoundError
        There is no such model.
    """
    if model is None and options.model in CLASSICAL:
        return _classical_method(options, resources)
    network = model or named_network(
        options.model, device=resources.device, runtime=options.runtime
    )
    check_options(network, mode=options.mode, tile=options.tile)
    of_network = partial(
        fuse_frames, model=network, mode=options.mode, nearest=options.nearest, tile=options.tile
    )
    takes_pairs = network.info.output != "scores"  # the other kind looks at contrasts alone
    is_sequential = takes_pairs and options.mode != "together"
    n_passes = passes(network, options.mode, nearest=bool(options.nearest))
    return Method(of_network, n_passes, is_sequential, needs_brightness=takes_pairs)


def named_network(model: str | Path, *, device: str = "auto", runtime: str = "auto") -> Model:
    """Load a network; if there is none of that name, the error also lists the classical methods."""
    try:
        return load(model, device=device, runtime=runtime)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; classical methods are {', '.join(CLASSICAL)}") from error


def shipped_weights() -> dict[str, Path]:
    """Return the weight files of classical methods that ship with the package, by method.

    `seamwise.io.models.shipped_models` lists the models.
    """
    return {"cnn": WEIGHTS}


def _as_given(picture: Picture, burst: Burst) -> NDArray[Any]:
    """A picture in 0..1 in the type and numbers of the frames."""
    return burst.scale.stored(picture) if burst.scale else in_dtype(picture, burst.dtype)


def _grey_step(burst: Burst) -> float:
    """The difference of two neighbouring values in 0..1; of floats, which may have been 16 bits."""
    if burst.scale and burst.dtype.kind != "f":
        return 1 / burst.scale.span
    return 1 / np.iinfo(np.uint16 if burst.dtype.kind == "f" else burst.dtype).max


def _classical_method(options: FuseOptions, resources: Resources) -> Method:
    default = FuseOptions()
    names = [
        name
        for name in ("mode", "nearest", "tile")
        if getattr(options, name) != getattr(default, name)
    ]
    if options.runtime not in ("auto", "torch"):
        names.append("runtime")
    if names:
        are, them = ("is an option", "it") if len(names) == 1 else ("are options", "them")
        raise ValueError(
            f"{', '.join(names)} {are} of networks: remove {them}, or choose a network "
            f"instead of {options.model}"
        )
    method = CLASSICAL[str(options.model)]
    of_device = {"device": resources.device} if method.takes_device else {}
    return Method(partial(method.fuse, **of_device), method.passes, method.is_sequential)


def estimated_alignment(burst: Burst, options: FuseOptions, report: Report) -> Alignment | None:
    """Return the alignment that options ask for; None if the frames stay as they are."""
    is_moving = options.align and options.motion != "none"
    if not (is_moving or (options.exposure and is_alignable(burst.shape))):
        return None
    stage = two_rounds(report, "align" if is_moving else "brightness", len(burst))
    alignment = estimate_alignment(
        CountedFrames(ReorderedFrames(burst, burst.order), stage, 2 * len(burst)),
        motion=options.motion if is_moving else "none",
        exposure=options.exposure,
        names=[Path(burst.names[i]).name for i in burst.order],
    ).reordered(np.argsort(burst.order).tolist())
    is_changed = not all(map(alignment.is_untouched, range(len(burst))))
    return alignment if options.align or is_changed else None
