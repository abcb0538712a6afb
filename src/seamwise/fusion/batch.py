"""Fuse bursts of files into picture files; see `fuse_files`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.listener import Listener
from seamwise.engine.resources import Resources
from seamwise.engine.runtime_record import runtime_of_record
from seamwise.fusion.alignment import Alignment
from seamwise.fusion.burst import Burst
from seamwise.fusion.depth_map import write_depth
from seamwise.fusion.frames import pixel_size
from seamwise.fusion.fused_planes import check_volume_output, is_volume, write_planes
from seamwise.fusion.headers import BadFrameError, Frame
from seamwise.fusion.hyperstack import (
    Part,
    aligned_parts,
    cut,
    known_parts,
    most_moved,
    shared_box,
)
from seamwise.fusion.jobs import FuseJob, is_picture, plan
from seamwise.fusion.memory import check_memory, memory_of_burst
from seamwise.fusion.methods import CLASSICAL, fuse_burst, named_network
from seamwise.fusion.networks import (
    as_recorded,
    precision_of,
    provenance_of,
    ready_models,
    runtime_name,
)
from seamwise.fusion.options import FuseOptions, FuseOutputs
from seamwise.fusion.predict import Model
from seamwise.fusion.quality import check_quality, with_quality
from seamwise.fusion.readable import readable, renumbered
from seamwise.fusion.result import Fusion
from seamwise.fusion.result_folder import begin_results
from seamwise.fusion.stack import Plane, Stack
from seamwise.fusion.stored_alignment import changes_frames, load_for, load_parts, save_parts
from seamwise.fusion.surface_files import (
    draw_height,
    draw_relief,
    write_confidence,
    write_height,
    write_ply,
)
from seamwise.io.atomic import check_writable, make_folder
from seamwise.io.errors import error_line
from seamwise.io.journal import clear_finished, draft, unfinished
from seamwise.io.outcome import Outcome, amount
from seamwise.io.photo import check_format_holds, format_holds_exif, write_photo
from seamwise.io.photo_jpeg import QUALITY
from seamwise.io.provenance import RECORD


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
        If a picture is replaced, old maps next to it are replaced or deleted once the new files are
        complete. If a folder is overwritten with other options, the old results of these inputs are
        deleted first.
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
    jobs = plan(inputs, output, files, skip_bad=options.skip_bad)
    is_single = is_picture(output)
    if is_single:
        _check_new(jobs[0], files)
    _check_alignment_file(options, files, is_single)
    check_quality(jobs, files)
    asked = options.runtime
    if options.model not in CLASSICAL and not (is_single or files.overwrite):
        options = as_recorded(options, output / RECORD, listener)
    with runtime_of_record(output, options.runtime, asked=asked):
        models = ready_models(jobs, options, resources)
    for note in dict.fromkeys(model.note for model in models.values() if model and model.note):
        listener.announce(note)
    options = replace(options, runtime=runtime_name(models.values()))
    make_folder(jobs[0].output.parent)
    results = ExitStack()
    if not is_single:
        provenance = provenance_of(options, resources, precision_of(models.values()))
        provenance = with_quality(provenance, output, jobs, files.quality or QUALITY)
        results = begin_results(output, jobs, provenance, files.overwrite)

    work = _Work(options, resources, files, listener, models)

    def outcomes() -> Iterator[Outcome]:
        with results:
            for job in jobs:
                yield work.outcome(job, len(jobs))

    return outcomes()


@dataclass(frozen=True)
class _Work:
    """What all bursts have in common; `run` fuses one and returns lines for the user."""

    options: FuseOptions
    resources: Resources
    files: FuseOutputs
    listener: Listener
    models: Mapping[str | Path, Model | None]

    @cached_property
    def _others(self) -> dict[str | Path, Model]:
        return {name: model for name, model in self.models.items() if model is not None}

    def other_model(self, count: int) -> Model:
        """The network of "auto" for two frames, or for more if there are two; loaded once."""
        other = self.options.of_burst(3 if count == 2 else 2)
        if other.model not in self._others:
            self._others[other.model] = named_network(
                other.model, device=self.resources.device, runtime=other.runtime
            )
        return self._others[other.model]

    def outcome(self, job: FuseJob, total: int) -> Outcome:
        """Fuse a burst unless its picture exists; errors become a line."""
        notes = (job.note,) if job.note else ()
        if job.output.exists() and not self.files.overwrite:
            clear_finished(job.output)
            return Outcome(job.output, total, messages=(*notes, _skip_note(job, self.files)))
        try:
            messages = self.run(job)
        except (ValueError, TypeError, OSError, MemoryError) as error:
            return Outcome(job.output, total, True, (*notes, _error_line(job, error)))
        return Outcome(job.output, total, messages=(*notes, *messages))

    def run(self, job: FuseJob) -> tuple[str, ...]:
        try:
            if job.stack is not None and job.stack.axes:
                return self._run_stack(job, job.stack)
            return self._run_burst(job)
        finally:
            if job.stack is not None:
                job.stack.release()

    def _run_burst(self, job: FuseJob) -> tuple[str, ...]:
        fusion, count = self._fused(job, self.options)
        fusion = _without_long_exif(fusion, job.output)
        is_new = _write(job, fusion, self.files)
        alignment = [str(self.files.alignment)] if is_new else []
        names = _names_next_to(job, self.files, alignment)
        frames = amount(count, "frame")
        summary = _summary(job, fusion.image.shape, fusion.alignment, frames)
        return (*fusion.notes, *names, summary)

    def _run_stack(self, job: FuseJob, stack: Stack) -> tuple[str, ...]:
        check_volume_output(job.output, stack)
        _check_new(job, self.files)
        parts, is_new = self._parts(stack)
        plane = stack.bursts[0][0]
        box = shared_box(parts if self.options.crop else [], plane.shape)
        # each part is cut to the box of all, so that they fit into one file
        whole = replace(self.options, crop=False, exposure=False)
        size = box[1] - box[0], box[3] - box[2]
        notes: list[str] = []
        with _in_draft(job) as hidden:

            def images() -> Iterator[NDArray[Any]]:
                places = zip(job.parts(), hidden.parts(), parts, strict=True)
                for of_job, place, part in places:
                    fusion = cut(self._fused(of_job, whole, part)[0], box)
                    _write_maps(place, fusion, self.files)
                    notes.extend(fusion.notes)
                    yield fusion.image

            write_planes(
                hidden.output,
                images(),
                stack,
                size=size,
                dtype=plane.volume.dtype,
                overwrite=self.files.overwrite,
            )
            if is_new and self.files.alignment is not None:
                save_parts(self.files.alignment, [x.alignment for x in parts if x.alignment])
        frames = f"{amount(len(parts), 'plane')}, each of {amount(len(parts[-1].numbers), 'frame')}"
        names = _names_next_to(job, self.files, [str(self.files.alignment)] if is_new else [])
        summary = _summary(job, size, most_moved(parts), frames)
        return (*dict.fromkeys(notes), *names, summary)

    def _parts(self, stack: Stack) -> tuple[list[Part], bool]:
        """The parts of a stack, and whether their alignment is to be written to a new file."""
        path = self.files.alignment
        if path is not None and path.exists():
            alignments = load_parts(path, len(stack.bursts))
            return known_parts(stack, alignments, self.options), False
        parts = aligned_parts(stack, self.options, self.listener.report)
        return parts, path is not None and all(x.alignment is not None for x in parts)

    def _fused(
        self, job: FuseJob, options: FuseOptions, part: Part | None = None
    ) -> tuple[Fusion, int]:
        """Fuse a burst, or a part that was aligned before; return how many frames it has, too."""
        numbers, bad = _usable(job, options) if part is None else (part.numbers, part.notes)
        frames = [job.frames[i] for i in numbers]
        burst = _checked_burst(job, frames, options, self.files)
        shape, surface = burst.shape, self.files.surface
        of_burst = replace(options.of_burst(len(frames)), skip_bad=False)
        is_auto = options.model == "auto" and options.mode is None
        model = self.models[of_burst.model]
        memory = job.held_bytes + memory_of_burst(
            shape,
            options,
            model=model,
            surface=surface,
            has_alpha=burst.has_alpha,
            dtype=burst.dtype,
            count=len(frames),
        )
        check_memory(memory, self.resources.memory)
        self.listener.announce(
            f"{job.output}: {amount(len(frames), 'frame')} of {pixel_size(shape)} pixels, "
            f"about {memory / 1e9:.1f} GB of memory"
        )
        alignment = None
        if part is not None:
            alignment = part.alignment
        elif self.files.alignment is not None and self.files.alignment.exists():
            alignment = load_for(self.files.alignment, [Path(str(frame)).name for frame in frames])
        fusion = fuse_burst(
            frames,
            of_burst,
            self.resources,
            model=model,
            alignment=alignment,
            surface=surface,
            report=self.listener.report,
            other_model=partial(self.other_model, len(frames)) if is_auto else None,
        )
        fusion = _with_sizes(fusion, frames, self.files)
        return renumbered(fusion, numbers, len(job.frames), bad), len(frames)


def _usable(job: FuseJob, options: FuseOptions) -> tuple[Sequence[int], tuple[str, ...]]:
    """Numbers of the frames that will be fused, and notes on the others."""
    if job.fault:
        raise ValueError(job.fault)
    return readable(job.frames) if options.skip_bad else (range(len(job.frames)), ())


def _error_line(job: FuseJob, error: Exception) -> str:
    hint = "; --skip-bad fuses the others" if isinstance(error, BadFrameError) else ""
    return error_line(job.output, error) + hint


def _check_new(job: FuseJob, files: FuseOutputs) -> None:
    """Raise FileExistsError if a result exists and must not be replaced.

    Maps that a killed process left, and that nobody has changed since, are replaced.
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


def _checked_burst(
    job: FuseJob, frames: Sequence[Frame], options: FuseOptions, files: FuseOutputs
) -> Burst:
    """Check before the work all that would stop it, and return the frames."""
    check_volume_output(job.output, job.stack)
    burst = Burst(frames)  # reads the headers of all frames
    # the picture of an aligned burst may be smaller than its frames
    shape = None if options.align and options.crop else burst.shape
    check_format_holds(job.output, burst.dtype, shape)
    _check_new(job, files)
    if not job.output.is_dir():
        check_writable(job.output)
    return burst


def _with_sizes(fusion: Fusion, frames: Sequence[Frame], files: FuseOutputs) -> Fusion:
    """The fusion with the sizes of its surface in micrometres, as far as they are known."""
    if fusion.surface is None:
        return fusion
    z_step, spacing = files.z_step, None
    if isinstance(frames[0], Plane):
        z_step, spacing = z_step or frames[0].z_step, frames[0].spacing
    return replace(fusion, surface=replace(fusion.surface, z_step=z_step, spacing=spacing))


def _write_surface(job: FuseJob, fusion: Fusion) -> None:
    surface, paths = fusion.surface, job.surface_files()
    if surface is None:
        return
    write_height(paths["height"], surface)
    draw_height(paths["colours"], surface)
    write_confidence(paths["confidence"], surface)
    draw_relief(paths["relief"], surface, fusion.image)
    write_ply(paths["mesh"], surface, fusion.image)


def _without_long_exif(fusion: Fusion, output: Path) -> Fusion:
    """Drop EXIF that the file cannot hold, with a note: the picture is useful without it."""
    if format_holds_exif(output, fusion.exif):
        return fusion
    note = (
        f"{output}: its EXIF of {len(fusion.exif)} bytes does not fit into a JPEG and is dropped; "
        "name it .png or .tif to keep it"
    )
    return replace(fusion, exif=b"", notes=(*fusion.notes, note))


@contextmanager
def _in_draft(job: FuseJob) -> Iterator[FuseJob]:
    """Yield the job with a hidden output; what it writes there appears together, the picture last.

    If the block fails, all stays as it was. Otherwise old maps of the picture are deleted.
    """
    is_new = not job.output.exists()
    with draft(job.output) as folder:
        yield replace(job, output=folder / job.output.name)
        names = {path.name for path in folder.iterdir()}
    for path in () if is_new else job.old_maps():
        if path.name not in names:
            path.unlink()


def _write(job: FuseJob, fusion: Fusion, files: FuseOutputs) -> bool:
    """Write the picture and what belongs to it; return whether the file of alignment is new."""
    path = files.alignment
    is_new = False
    if path is not None and fusion.alignment is not None and not path.exists():
        fusion.alignment.save(path)
        is_new = True
    with _in_draft(job) as hidden:
        alignment = fusion.alignment if job.keeps_alignment else None
        if alignment is not None and changes_frames(alignment):
            alignment.save(hidden.alignment(), picture=job.output.name)
        _write_maps(hidden, fusion, files)
        if job.stack is not None and is_volume(job.output) and fusion.image.ndim == 2:
            write_planes(
                hidden.output,
                [fusion.image],
                job.stack,
                size=fusion.depth.shape,
                dtype=fusion.image.dtype,
                overwrite=files.overwrite,
            )
        else:
            quality = files.quality or QUALITY
            write_photo(
                hidden.output, fusion.image, exif=fusion.exif, icc=fusion.icc, quality=quality
            )
    return is_new


def _write_maps(job: FuseJob, fusion: Fusion, files: FuseOutputs) -> None:
    if files.depth_map:
        write_depth(job.depth_map(), fusion.depth, len(job.frames))
    _write_surface(job, fusion)
    for number in range(len(job.frames) if files.focus_maps else 0):
        write_photo(job.focus_map(number), (255 * (fusion.depth == number)).astype(np.uint8))


def _summary(job: FuseJob, shape: tuple[int, ...], alignment: Alignment | None, frames: str) -> str:
    moved = "" if alignment is None else f"; {alignment.summary()}"
    return f"{job.output}: {frames}, {pixel_size(shape)} pixels{moved}"


def _names_next_to(job: FuseJob, files: FuseOutputs, others: Sequence[str] = ()) -> tuple[str, ...]:
    """A line that names the files that were written next to the picture, and others."""
    names = [name for part in job.parts() for name in part.names_next_to(files)]
    names += others
    return (f"{job.output.name} comes with {', '.join(names)}",) if names else ()


def _skip_note(job: FuseJob, files: FuseOutputs) -> str:
    outputs = replace(job, keeps_alignment=False).outputs(files)
    missing = [path.name for path in outputs if not path.exists()]
    without = f", without {missing[0]}: --overwrite makes it" if missing else ""
    if not missing and not (job.output.parent / RECORD).exists():
        without = "; how it was made is not known: --overwrite makes it again"
    return f"{job.output} already exists{without}"
