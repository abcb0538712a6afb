"""Fuse bursts of files into picture files; see `fuse_files`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seamwise.engine.listener import Listener
from seamwise.engine.resources import Resources
from seamwise.engine.runtime import kept_runtime, runtime_of_record
from seamwise.fusion.burst import BadFrameError, Burst, Frame
from seamwise.fusion.frames import pixel_size
from seamwise.fusion.jobs import FuseJob, is_picture, pictures_in, plan
from seamwise.fusion.memory import check_memory, memory_estimate
from seamwise.fusion.methods import CLASSICAL, fuse_burst, named_network, ready_method
from seamwise.fusion.options import FuseOptions, FuseOutputs
from seamwise.fusion.predict import Model
from seamwise.fusion.readable import readable, renumbered
from seamwise.fusion.result import Fusion
from seamwise.fusion.stack import Plane
from seamwise.fusion.stored_alignment import changes_frames, load_for
from seamwise.fusion.surface_files import (
    draw_height,
    draw_relief,
    write_confidence,
    write_height,
    write_ply,
)
from seamwise.io.atomic import atomic_path, check_writable, make_folder
from seamwise.io.errors import error_line
from seamwise.io.journal import journal, unfinished
from seamwise.io.jsonfile import read_json
from seamwise.io.models import FusionInfo, model_path
from seamwise.io.outcome import Outcome
from seamwise.io.photo import check_format_holds, format_holds_exif, write_photo
from seamwise.io.provenance import RECORD, Provenance, check_folder, file_sha256, write_record
from seamwise.words import RuntimeRecord

_PALETTE = 256  # colours of a PNG with 8 bits


def fuse_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: FuseOptions = FuseOptions(),
    resources: Resources = Resources(),
    *,
    files: FuseOutputs = FuseOutputs(),
    listener: Listener = Listener(),
) -> Iterator[Outcome]:
    """Fuse one burst into a picture file, or many into a folder, one by one.

    Everything that would stop the whole job is checked at the call. The work is done as the
    outcomes are drawn. A burst that cannot be read, aligned, fused or written is reported and
    skipped. If the output is a folder, bursts whose picture already exists are skipped, unless
    `files.overwrite`.

    Parameters
    ----------
    inputs : sequence of str or Path
        Frames, patterns and folders: see `plan`.
    output : Path
        A picture file; or a folder, made if it does not exist. ``seamwise.json`` in it records how
        its pictures were made: it holds the results of one way only. A folder of pictures without
        this file, from version 0.1.0, keeps none, and nothing is compared.
    options : FuseOptions
    resources : Resources
        `device` computes; a burst that takes more than `memory`, by default all that this process
        may use, is not begun. `workers` and `scheduler` are not used.
    files : FuseOutputs
        If a picture is replaced, old maps next to it are deleted first. If a folder is overwritten
        with other options, the old results of these inputs are deleted first.
    listener : Listener
        Hears before each burst what will be done and how much memory it takes, and then of each
        frame.

    Raises
    ------
    ValueError
        The options do not fit each other, a result would replace a frame or lie among the frames,
        or the folder holds pictures made with other options.
    FileExistsError
        A result of one burst exists already, and `files.overwrite` is False.
    OSError
        An input does not exist, or the output cannot be written.
    """
    jobs = plan(inputs, output, files)
    is_single = is_picture(output)
    if is_single:
        _check_new(jobs[0], files)
    _check_alignment_file(options, files, is_single)
    asked = options.runtime
    if options.model not in CLASSICAL and not (is_single or files.overwrite):
        options = _as_recorded(options, output / RECORD, listener)
    with runtime_of_record(output, options.runtime, asked=asked):
        models = _ready_models(jobs, options, resources)
    for note in dict.fromkeys(model.note for model in models.values() if model and model.note):
        listener.announce(note)
    options = replace(options, runtime=_runtime_name(models.values()))
    make_folder(jobs[0].output.parent)
    if not is_single:
        _prepare(output, jobs, _provenance(options, resources), files.overwrite)

    def run(job: FuseJob) -> tuple[str, ...]:
        numbers, bad = _usable(job, options)
        frames = [job.frames[i] for i in numbers]
        shape = _checked_shape(job, frames, options, files)
        of_burst = replace(options.of_burst(len(frames)), skip_bad=False)
        model = models[of_burst.model]
        memory = memory_estimate(shape, of_burst, model=model)
        check_memory(memory, resources.memory)
        listener.announce(
            f"{job.output}: {len(frames)} frames of {pixel_size(shape)} pixels, "
            f"about {memory / 1e9:.1f} GB of memory"
        )
        alignment = None
        if files.alignment is not None and files.alignment.exists():
            alignment = load_for(files.alignment, [Path(str(frame)).name for frame in frames])
        fusion = fuse_burst(
            frames,
            of_burst,
            resources,
            model=model,
            alignment=alignment,
            surface=files.surface,
            report=listener.report,
        )
        fusion = _with_sizes(fusion, frames, files)
        fusion = renumbered(fusion, numbers, len(job.frames), bad)
        fusion = _without_long_exif(fusion, job.output)
        _delete_old_maps(job)
        _write(job, fusion, files, keep_alignment=not is_single)
        size = f"{len(frames)} frames, {pixel_size(fusion.image.shape)} pixels"
        moved = "" if fusion.alignment is None else f"; {fusion.alignment.summary()}"
        return (*fusion.notes, f"{job.output}: {size}{moved}")

    def outcomes() -> Iterator[Outcome]:
        for job in jobs:
            notes = (job.note,) if job.note else ()
            is_done = job.output.exists() and job.output not in unfinished(job.output)
            if is_done and not files.overwrite:
                yield Outcome(job.output, len(jobs), messages=(*notes, _skip_note(job, files)))
                continue
            try:
                messages = run(job)
            except (ValueError, TypeError, OSError, MemoryError) as error:
                yield Outcome(job.output, len(jobs), True, (*notes, _error_line(job, error)))
                continue
            yield Outcome(job.output, len(jobs), messages=(*notes, *messages))

    return outcomes()


def write_depth(path: Path, depth: NDArray[Any], count: int) -> None:
    """Write frame numbers as a PNG in colours from dark (the first frame) to bright (the last).

    The numbers themselves are the indices of its palette. Above 256 frames it is a 16-bit grey PNG
    of the numbers.
    """
    with atomic_path(path) as temporary:
        if count > _PALETTE:
            Image.fromarray(depth.astype(np.uint16)).save(temporary, format="PNG")
            return
        from matplotlib import colormaps  # slow to import, needed only here

        picture = Image.fromarray(depth.astype(np.uint8))
        colours = colormaps["viridis"](np.linspace(0, 1, count))[:, :3]
        picture.putpalette(np.round(255 * colours).astype(np.uint8).tobytes())
        picture.save(temporary, format="PNG")


def _usable(job: FuseJob, options: FuseOptions) -> tuple[Sequence[int], tuple[str, ...]]:
    """Numbers of the frames that will be fused, and notes on the others."""
    if job.fault:
        raise ValueError(job.fault)
    return readable(job.frames) if options.skip_bad else (range(len(job.frames)), ())


def _error_line(job: FuseJob, error: Exception) -> str:
    hint = "; --skip-bad fuses the others" if isinstance(error, BadFrameError) else ""
    return error_line(job.output, error) + hint


def _ready_models(
    jobs: Sequence[FuseJob], options: FuseOptions, resources: Resources
) -> dict[str | Path, Model | None]:
    """Load the networks that the bursts need, by name; None for a classical method."""
    models: dict[str | Path, Model | None] = {}
    # a burst of many frames may have two that can be read
    counts = {len(job.frames) for job in jobs} | ({2} if options.skip_bad else set())
    for count in sorted(counts):
        of_burst = options.of_burst(count)
        if of_burst.model not in models:
            model = None
            if of_burst.model not in CLASSICAL:
                model = named_network(
                    of_burst.model, device=resources.device, runtime=of_burst.runtime
                )
            ready_method(of_burst, resources, model=model)
            models[of_burst.model] = model
    return models


def _as_recorded(options: FuseOptions, path: Path, listener: Listener) -> FuseOptions:
    """The options with the runtime of earlier pictures of a folder; "auto" is their one model.

    In version 0.1.0 the default model was `focus-seg`, for any number of frames.
    """
    if not path.exists():
        return options
    record, model = read_json(path), options.of_burst(2).model
    sha256 = file_sha256(model_path(model, FusionInfo))
    has_one_model = not record.get("burst_model_sha256") and record.get("model_sha256") == sha256
    if options.model == "auto" and has_one_model:
        listener.announce(f"{path.parent} was begun with {model}, which is used again")
        options = replace(options, model=model)
    return replace(options, runtime=kept_runtime(options.runtime, record, model=model))


def _runtime_name(models: Iterable[Model | None]) -> RuntimeRecord:
    """What computes the network for pairs; torch if there is none."""
    names = [model.runtime.name for model in models if model and model.info.output != "scores"]
    return names[0] if names else "torch"


def _provenance(options: FuseOptions, resources: Resources) -> Provenance:
    """What a picture depends on in addition to its frames."""
    if options.model in CLASSICAL:
        return options.provenance(None, resources)
    # a folder may get bursts of any number of frames
    of_pair, of_more = (
        file_sha256(model_path(options.of_burst(count).model, FusionInfo)) for count in (2, 3)
    )
    is_same = of_pair == of_more
    return options.provenance(of_pair, resources, burst_model_sha256=None if is_same else of_more)


def _prepare(
    output: Path, jobs: Sequence[FuseJob], provenance: Provenance, overwrite: bool
) -> None:
    """Keep in a folder how its pictures are made, or refuse to mix them.

    A folder of pictures without a record stays without one.
    """
    pictures, targets = pictures_in(output), {job.output for job in jobs}
    remaining = pictures - targets if overwrite else pictures
    if remaining and not (output / RECORD).exists():
        return
    if check_folder(output, provenance, results=pictures, targets=targets, overwrite=overwrite):
        for job in jobs:
            _delete_old_maps(job)
            job.output.unlink(missing_ok=True)
    write_record(output, provenance)


def _check_new(job: FuseJob, files: FuseOutputs) -> None:
    """Raise FileExistsError if a result exists and must not be replaced.

    What a killed process left of the same results is replaced.
    """
    existing = job.first_existing(files, without=unfinished(job.output))
    if existing is not None and not files.overwrite:
        raise FileExistsError(f"{existing} already exists: --overwrite replaces it")


def _check_alignment_file(options: FuseOptions, files: FuseOutputs, is_single: bool) -> None:
    path = files.alignment
    if path is None:
        return
    if not is_single or not options.align:
        raise ValueError(f"--alignment {path} needs a single burst and --align: remove it")
    if path.is_dir() or not path.exists():
        check_writable(path)


def _checked_shape(
    job: FuseJob, frames: Sequence[Frame], options: FuseOptions, files: FuseOutputs
) -> tuple[int, ...]:
    """Check before the work all that would stop it, and return the shape of a frame."""
    burst = Burst(frames)  # reads the headers of all frames
    # the picture of an aligned burst may be smaller than its frames
    shape = None if options.align and options.crop else burst.shape
    check_format_holds(job.output, burst.dtype, shape)
    _check_new(job, files)
    check_writable(job.output)
    return burst.shape


def _with_sizes(fusion: Fusion, frames: Sequence[Frame], files: FuseOutputs) -> Fusion:
    """The fusion with the sizes of its surface in micrometres, as far as they are known."""
    if fusion.surface is None:
        return fusion
    spacing = frames[0].volume.spacing if isinstance(frames[0], Plane) else None
    z_step, _, x = spacing or (None, None, None)
    surface = replace(fusion.surface, z_step=files.z_step or z_step, pixel_size=x)
    return replace(fusion, surface=surface)


def _write_surface(job: FuseJob, fusion: Fusion) -> None:
    surface, paths = fusion.surface, job.surface_files()
    if surface is None:
        return
    write_height(paths["height"], surface)
    draw_height(paths["colours"], surface)
    write_confidence(paths["confidence"], surface)
    draw_relief(paths["relief"], surface, fusion.image)
    write_ply(paths["mesh"], surface, fusion.image)


def _delete_old_maps(job: FuseJob) -> None:
    """Delete the maps of a picture that will be replaced."""
    if job.output.exists():
        for path in (
            job.depth_map(),
            job.alignment(),
            *job.surface_files().values(),
            *job.output.parent.glob(job.focus_map("*").name),
        ):
            path.unlink(missing_ok=True)


def _without_long_exif(fusion: Fusion, output: Path) -> Fusion:
    """Drop EXIF that the file cannot hold, with a note: the picture is useful without it."""
    if format_holds_exif(output, fusion.exif):
        return fusion
    note = (
        f"{output}: its EXIF of {len(fusion.exif)} bytes does not fit into a JPEG and is dropped; "
        "name it .png or .tif to keep it"
    )
    return replace(fusion, exif=b"", notes=(*fusion.notes, note))


def _write(job: FuseJob, fusion: Fusion, files: FuseOutputs, *, keep_alignment: bool) -> None:
    """Write the maps, then the picture.

    While the picture is missing, the burst counts as not done. If one file fails, no map stays.
    """
    path = files.alignment
    if path is not None and fusion.alignment is not None and not path.exists():
        fusion.alignment.save(path)
    with journal(job.output, job.outputs(files)):
        _write_together(job, fusion, files, keep_alignment=keep_alignment)


def _write_together(
    job: FuseJob, fusion: Fusion, files: FuseOutputs, *, keep_alignment: bool
) -> None:
    picture, *maps = job.outputs(files)
    try:
        if keep_alignment:
            maps.append(job.alignment())
            job.alignment().unlink(missing_ok=True)
            if fusion.alignment is not None and changes_frames(fusion.alignment):
                fusion.alignment.save(job.alignment())
        if files.depth_map:
            write_depth(job.depth_map(), fusion.depth, len(job.frames))
        _write_surface(job, fusion)
        for number in range(len(job.frames) if files.focus_maps else 0):
            write_photo(job.focus_map(number), (255 * (fusion.depth == number)).astype(np.uint8))
        write_photo(picture, fusion.image, exif=fusion.exif, icc=fusion.icc, quality=files.quality)
    except BaseException:
        for path in maps:
            path.unlink(missing_ok=True)
        raise


def _skip_note(job: FuseJob, files: FuseOutputs) -> str:
    missing = [path.name for path in job.outputs(files) if not path.exists()]
    without = f", without {missing[0]}: --overwrite makes it" if missing else ""
    if not missing and not (job.output.parent / RECORD).exists():
        without = "; how it was made is not known: --overwrite makes it again"
    return f"{job.output} already exists{without}"
