"""Fuse bursts of files into picture files; see `fuse_files`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seamwise.fusion.align import Alignment
from seamwise.fusion.align import Model as Motion
from seamwise.fusion.burst import find_frames, natural_order
from seamwise.fusion.methods import CLASSICAL, Fusion, Report, fuse, load_method
from seamwise.fusion.predict import Mode, Model, check_options
from seamwise.io.atomic import atomic_path, make_folder
from seamwise.io.images import SUFFIXES
from seamwise.io.outcome import Outcome, naming
from seamwise.io.photo import photo_header, write_photo

_BYTES_PER_PIXEL = {"focus": 76, "laplacian": 130, "gff": 120, "dct": 60, "dct-cv": 60, "matting": 400, "cnn": 120}
_ALIGNED_BYTES = 24
_BASE = 600e6


@dataclass(frozen=True)
class Options:
    """How to fuse: see `fuse`, and what to write beside the picture.

    Attributes
    ----------
    depth_map : bool
        Write ``<stem>_depth.png``: the number of the frame that each pixel comes from, in colours.
    focus_maps : bool
        Write ``<stem>_focus_<i>.png`` for each frame i: white where the pixels come from it.
    alignment : Path, optional
        File of the alignment: used if it is there, else written. For one burst.
    """

    method: str = "focus-seg"
    mode: Mode = "sequence"
    near: bool | None = None
    align: bool = True
    motion: Motion = "affine"
    exposure: bool = True
    crop: bool = True
    tile: int | None = None
    depth_map: bool = False
    focus_maps: bool = False
    alignment: Path | None = None


@dataclass(frozen=True)
class Job:
    """Frames and the picture they become."""

    frames: tuple[Path, ...]
    output: Path


def fuse_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: Options,
    *,
    overwrite: bool = False,
    device: str = "auto",
    report: Report = lambda stage, done, total: None,
) -> Iterator[Outcome]:
    """Fuse one burst into a picture file, or many into a folder, one by one.

    What would stop the whole job is checked at the call; the work is done as the outcomes are drawn. A burst that
    cannot be read, aligned or fused is reported and left out; the others go on. Errors of writing are raised. A
    picture that is there already is passed over, unless `overwrite`.

    Parameters
    ----------
    inputs : sequence of str or Path
        Frames, patterns and folders: see `plan`.
    output : Path
        A picture file, or a folder, made if it is not there.
    options : Options
    overwrite : bool
    device : str
        See `engine.devices.choose_device`.
    report : function
        See `fuse`.

    Raises
    ------
    ValueError
        The options do not fit each other, or an output would replace a frame.
    OSError
        An input is not there, or the output cannot be written.
    """
    jobs = plan(inputs, output)
    if options.alignment is not None and (len(jobs) > 1 or not options.align):
        raise ValueError("an alignment file goes with one burst that is aligned: leave it out")
    model: str | Model = options.method
    if options.method not in CLASSICAL:
        model = load_method(options.method, device=device)
        check_options(model, mode=options.mode, tile=options.tile)
    make_folder(jobs[0].output.parent)

    def outcomes() -> Iterator[Outcome]:
        for job in jobs:
            if job.output.exists() and not overwrite:
                yield Outcome(job.output, len(jobs), messages=(f"{job.output} is there already",))
                continue
            try:
                fusion = _fuse_job(job, options, model, device, report)
            except (ValueError, TypeError, OSError, MemoryError) as error:
                yield Outcome(job.output, len(jobs), True, (naming(job.output, error),))
                continue
            _write(job, fusion, options)
            size = " × ".join(str(length) for length in fusion.image.shape[1::-1])
            said = f"{job.output}: {len(job.frames)} frames, {size} pixels"
            yield Outcome(job.output, len(jobs), messages=(*fusion.notes, said))

    return outcomes()


def plan(inputs: Sequence[str | Path], output: Path) -> list[Job]:
    """Say which frames become which picture.

    With an output that ends like a picture, all inputs are the frames of one burst. Otherwise the output is a folder,
    and every input folder is a burst, or holds a folder for each burst; the picture is named like its burst's
    folder, in the format of its frames.

    Raises
    ------
    ValueError
        An output is one of the frames, two bursts have the same name, or a frame is given where a folder is expected.
    FileNotFoundError
        An input is not there or holds no picture.
    """
    if output.suffix.lower() in SUFFIXES:
        jobs = [Job(tuple(find_frames(inputs)), output)]
    else:
        folders = [folder for given in inputs for folder in _burst_folders(Path(given))]
        bursts = [(folder, find_frames([folder])) for folder in folders]
        jobs = [Job(tuple(frames), output / (folder.name + frames[0].suffix)) for folder, frames in bursts]
    written: dict[Path, Path] = {}
    for job in jobs:
        place = job.output.resolve()
        if place in written:
            raise ValueError(f"{written[place]} and {job.frames[0].parent} would both become {job.output}: rename one")
        written[place] = job.frames[0].parent
    for job in jobs:
        taken = next((frame for frame in job.frames if frame.resolve() in written), None)
        if taken is not None:
            raise ValueError(f"{taken} is a frame and would be replaced: name another output")
    return jobs


def memory_estimate(shape: tuple[int, ...], *, method: str = "focus-seg", aligned: bool = True) -> int:
    """Bytes of memory that fusing takes, roughly, for frames of this shape; their number does not matter.

    Measured with three frames of 24 megapixels in colour: see the benchmarks page. Grey frames take less.
    """
    per_pixel = _BYTES_PER_PIXEL.get(method, _BYTES_PER_PIXEL["focus"]) + aligned * _ALIGNED_BYTES
    return int(_BASE + per_pixel * shape[0] * shape[1])


def write_depth(path: Path, depth: NDArray[Any], count: int) -> None:
    """Write frame numbers as a PNG in colours from dark (the first frame) to bright (the last).

    The numbers themselves are the indices of its palette; above 256 frames it is a 16-bit grey PNG of the numbers.
    """
    with atomic_path(path) as temporary:
        if count > 256:
            Image.fromarray(depth.astype(np.uint16)).save(temporary, format="PNG")
            return
        from matplotlib import colormaps  # slow to import, needed only here

        picture = Image.fromarray(depth.astype(np.uint8)).convert("L")
        colours = colormaps["viridis"](np.linspace(0, 1, count))[:, :3]
        picture.putpalette(np.round(255 * colours).astype(np.uint8).tobytes())
        picture.save(temporary, format="PNG")


def _fuse_job(job: Job, options: Options, model: str | Model, device: str, report: Report) -> Fusion:
    header = photo_header(job.frames[0])
    if header.dtype.itemsize > 1 and job.output.suffix.lower() in (".jpg", ".jpeg"):
        raise ValueError("a JPEG holds 8 bits and the frames have 16: name it .png or .tif")
    needed = memory_estimate(header.shape, method=options.method, aligned=options.align)
    _check_memory(needed)
    align: bool | Alignment = options.align
    if options.alignment is not None and options.alignment.exists():
        align = Alignment.load(options.alignment)
    return fuse(
        job.frames, model=model, mode=options.mode, near=options.near, align=align, motion=options.motion,
        exposure=options.exposure, crop=options.crop, tile=options.tile, device=device, report=report,
    )  # fmt: skip


def _write(job: Job, fusion: Fusion, options: Options) -> None:
    """The picture comes last: while it is missing, the burst counts as not done."""
    if options.alignment is not None and fusion.alignment is not None and not options.alignment.exists():
        fusion.alignment.save(options.alignment)
    beside = job.output.parent / job.output.stem
    if options.depth_map:
        write_depth(beside.with_name(f"{beside.name}_depth.png"), fusion.depth, len(job.frames))
    for number in range(len(job.frames) if options.focus_maps else 0):
        white = (255 * (fusion.depth == number)).astype(np.uint8)
        write_photo(beside.with_name(f"{beside.name}_focus_{number}.png"), white)
    write_photo(job.output, fusion.image, exif=fusion.exif, icc=fusion.icc)


def _burst_folders(given: Path) -> list[Path]:
    if given.is_file():
        raise ValueError(f"{given} is a frame: name the picture it becomes part of, e.g. -o sharp.png")
    if not given.is_dir():
        raise FileNotFoundError(f"there is no folder {given}")
    inside = sorted((path for path in given.iterdir() if path.is_dir() and path.name[0] != "."), key=natural_order)
    pictures = any(path.suffix.lower() in SUFFIXES for path in given.iterdir())
    return [given] if pictures or not inside else inside


def _check_memory(needed: int) -> None:
    """Raise MemoryError if this machine has less memory in all."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return
    if needed > there:
        raise MemoryError(
            f"fusing frames of this size takes about {needed / 1e9:.1f} GB of memory, this machine has "
            f"{there / 1e9:.1f} GB: make the frames smaller"
        )
