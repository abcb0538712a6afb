"""Fuse bursts of files into picture files; see `fuse_files`."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seamwise.fusion.align import Alignment, Motion
from seamwise.fusion.burst import Burst, burst_folders, check_outside, find_frames
from seamwise.fusion.methods import CLASSICAL, Report, fuse, load_method, method_of
from seamwise.fusion.predict import TILE, Mode, Model
from seamwise.fusion.result import Fusion
from seamwise.io.atomic import atomic_path, check_writable, make_folder
from seamwise.io.images import SUFFIXES, find_images
from seamwise.io.outcome import Outcome, naming
from seamwise.io.photo import JPEG_EXIF_LIMIT, JPEG_SIDE_LIMIT, write_photo
from seamwise.io.tiff import CLASSIC_LIMIT

_BYTES_PER_PIXEL = {
    "laplacian": 100,
    "gff": 120,
    "dct": 50,
    "dct-cv": 50,
    "matting": 110,
    "cnn": 100,
}
_NETWORK_BYTES_PER_PIXEL, _TILE_BYTES_PER_FEATURE = 80, 20
_ALIGNED_BYTES = 24
_PROGRAM = 500e6
_JPEG, _TIFF = (".jpg", ".jpeg"), (".tif", ".tiff")


@dataclass(frozen=True)
class FuseOptions:
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

    model: str = "focus-seg"
    mode: Mode = "sequence"
    nearest: bool | None = None
    align: bool = True
    motion: Motion = "affine"
    exposure: bool = True
    crop: bool = True
    tile: int | None = None
    depth_map: bool = False
    focus_maps: bool = False
    alignment: Path | None = None


@dataclass(frozen=True)
class FuseJob:
    """Frames and the picture they become; or what is wrong with the folder they should lie in. A note is to be said."""

    frames: tuple[Path, ...]
    output: Path
    fault: str = ""
    note: str = ""

    def depth_map(self) -> Path:
        """Where the depth map goes."""
        return self.output.with_name(f"{self.output.stem}_depth.png")

    def focus_map(self, number: int) -> Path:
        """Where the focus map of a frame goes."""
        return self.output.with_name(f"{self.output.stem}_focus_{number}.png")

    def outputs(self, options: FuseOptions) -> list[Path]:
        """All that the job writes, the picture first."""
        maps = [self.depth_map()] if options.depth_map else []
        maps += (
            [self.focus_map(number) for number in range(len(self.frames))]
            if options.focus_maps
            else []
        )
        return [self.output, *maps]


def fuse_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: FuseOptions,
    *,
    overwrite: bool = False,
    device: str = "auto",
    announce: Callable[[str], None] = lambda text: None,
    report: Report = lambda stage, done, total: None,
) -> Iterator[Outcome]:
    """Fuse one burst into a picture file, or many into a folder, one by one.

    What would stop the whole job is checked at the call; the work is done as the outcomes are drawn. A burst that
    cannot be read, aligned, fused or written is reported and left out; the others go on. Of many bursts, those whose
    picture is there already are passed over, unless `overwrite`.

    Parameters
    ----------
    inputs : sequence of str or Path
        Frames, patterns and folders: see `plan`.
    output : Path
        A picture file, or a folder, made if it is not there.
    options : FuseOptions
    overwrite : bool
        Fuse again what is there. Old maps beside the picture are deleted first.
    device : str
        See `engine.devices.choose_device`.
    announce : function
        Called before each burst with what is about to be done, and about how much memory it takes.
    report : function
        See `fuse`.

    Raises
    ------
    ValueError
        The options do not fit each other, or a result would replace a frame or lie among the frames.
    FileExistsError
        A result of one burst is there already, and `overwrite` is False.
    OSError
        An input is not there, or the output cannot be written.
    """
    jobs = plan(inputs, output, options)
    single = _is_picture(output)
    if single and not overwrite:
        there = next((path for path in jobs[0].outputs(options) if path.exists()), None)
        if there is not None:
            raise FileExistsError(f"{there} is there already: --overwrite replaces it")
    _check_alignment_file(options, single)
    model: str | Model = options.model
    if options.model not in CLASSICAL:
        model = load_method(options.model, device=device)
    method_of(model, mode=options.mode, nearest=options.nearest, tile=options.tile, device=device)
    make_folder(jobs[0].output.parent)

    def outcomes() -> Iterator[Outcome]:
        for job in jobs:
            notes = (job.note,) if job.note else ()
            if job.output.exists() and not overwrite:
                yield Outcome(job.output, len(jobs), messages=(*notes, _passed_over(job, options)))
                continue
            try:
                _prepare(job, options, model, overwrite, announce)
                fusion = _fused(job, options, model, device, report)
                exif, left_out = _fitting_exif(job.output, fusion.exif)
                _write(job, replace(fusion, exif=exif), options)
            except (ValueError, TypeError, OSError, MemoryError) as error:
                yield Outcome(job.output, len(jobs), True, (*notes, naming(job.output, error)))
                continue
            size = " × ".join(str(length) for length in fusion.image.shape[1::-1])
            said = f"{job.output}: {len(job.frames)} frames, {size} pixels"
            yield Outcome(job.output, len(jobs), messages=(*notes, *fusion.notes, *left_out, said))

    return outcomes()


def plan(
    inputs: Sequence[str | Path], output: Path, options: FuseOptions = FuseOptions()
) -> list[FuseJob]:
    """Say which frames become which picture.

    With an output that ends like a picture, all inputs are the frames of one burst. Otherwise the output is a folder,
    and every input folder is a burst, or holds a folder for each burst (`burst_folders`); the picture is named like its
    burst's folder, in the format of its frames.

    Raises
    ------
    ValueError
        A result is one of the frames, or would lie in a folder of frames, where the next run would take it for one;
        two bursts would write the same file; a frame is given where a folder is expected, or the output ends like
        a picture that cannot be written.
    FileNotFoundError
        An input is not there, or one burst has no picture.
    """
    if _is_picture(output):
        _check_frames_inside(inputs, output)
        jobs = [FuseJob(tuple(find_frames(inputs)), output)]
    elif output.suffix and not output.is_dir():
        raise ValueError(
            f"cannot write {output}: a picture ends in {', '.join(SUFFIXES)}; a folder has no suffix"
        )
    else:
        jobs = [job for given in inputs for job in _jobs_of(Path(given), output)]
    check_outside(
        output if not _is_picture(output) else output.parent, inputs, nested=not _is_picture(output)
    )
    frames = {frame.resolve(): frame for job in jobs for frame in job.frames}
    written: dict[Path, FuseJob] = {}
    for job in jobs:
        for path in job.outputs(options):
            place = path.resolve()
            if place in frames:
                raise ValueError(
                    f"{frames[place]} is a frame and would be replaced: name another output"
                )
            if place in written:
                raise ValueError(f"two bursts would both write {path}: rename the folder of one")
            written[place] = job
    return jobs


def memory_estimate(
    shape: tuple[int, ...],
    *,
    model: str | Model = "focus-seg",
    aligned: bool = True,
    tile: int | None = None,
) -> int:
    """Bytes of memory that fusing takes, roughly, for frames of this shape; their number does not matter.

    A network adds what a tile of features takes. Counted from the arrays that are held, for colour frames; grey frames
    take less.
    """
    pixels = shape[0] * shape[1]
    per_pixel = _ALIGNED_BYTES * aligned
    if isinstance(model, str) and model in CLASSICAL:
        return int(_PROGRAM + (per_pixel + _BYTES_PER_PIXEL[model]) * pixels)
    width = 16 if isinstance(model, str) else model.info.architecture.width
    in_tile = min(pixels, (TILE if tile is None else tile) ** 2)
    return int(
        _PROGRAM
        + (per_pixel + _NETWORK_BYTES_PER_PIXEL) * pixels
        + _TILE_BYTES_PER_FEATURE * width * in_tile
    )


def write_depth(path: Path, depth: NDArray[Any], count: int) -> None:
    """Write frame numbers as a PNG in colours from dark (the first frame) to bright (the last).

    The numbers themselves are the indices of its palette; above 256 frames it is a 16-bit grey PNG of the numbers.
    """
    with atomic_path(path) as temporary:
        if count > 256:
            Image.fromarray(depth.astype(np.uint16)).save(temporary, format="PNG")
            return
        from matplotlib import colormaps  # slow to import, needed only here

        picture = Image.fromarray(depth.astype(np.uint8))
        colours = colormaps["viridis"](np.linspace(0, 1, count))[:, :3]
        picture.putpalette(np.round(255 * colours).astype(np.uint8).tobytes())
        picture.save(temporary, format="PNG")


def _prepare(
    job: FuseJob,
    options: FuseOptions,
    model: str | Model,
    overwrite: bool,
    announce: Callable[[str], None],
) -> None:
    """Find out before the work what would stop it, and clear the way."""
    if job.fault:
        raise ValueError(job.fault)
    burst = Burst(job.frames)  # reads the headers of all frames
    if burst.dtype.itemsize > 1 and job.output.suffix.lower() in _JPEG:
        raise ValueError("a JPEG holds 8 bits and the frames have 16: name it .png or .tif")
    if not (options.align and options.crop):  # else the picture may be smaller than the frames
        _check_holds(job.output, burst)
    there = next((path for path in job.outputs(options) if path.exists()), None)
    if there is not None and not overwrite:
        raise FileExistsError(f"{there} is there already: --overwrite replaces it")
    check_writable(job.output)
    needed = memory_estimate(burst.shape, model=model, aligned=options.align, tile=options.tile)
    _check_memory(needed)
    size = " × ".join(str(length) for length in burst.shape[1::-1])
    announce(
        f"{job.output}: {len(job.frames)} frames of {size} pixels, about {needed / 1e9:.1f} GB of memory"
    )
    if job.output.exists():
        for old in (job.depth_map(), *job.output.parent.glob(f"{job.output.stem}_focus_*.png")):
            old.unlink(missing_ok=True)


def _check_holds(output: Path, burst: Burst) -> None:
    """Raise ValueError if the format cannot hold a picture of the size of the frames."""
    if output.suffix.lower() in _JPEG and max(burst.shape) > JPEG_SIDE_LIMIT:
        size = " × ".join(str(length) for length in burst.shape[1::-1])
        raise ValueError(
            f"a JPEG holds {JPEG_SIDE_LIMIT} pixels a side and the frames have {size}: name it .png or .tif"
        )
    needed = math.prod(burst.shape) * burst.dtype.itemsize
    if output.suffix.lower() in _TIFF and needed > CLASSIC_LIMIT:
        raise ValueError(
            f"a TIFF holds less than 4 GB and the picture would have {needed / 1e9:.1f} GB: name it .png"
        )


def _fused(
    job: FuseJob, options: FuseOptions, model: str | Model, device: str, report: Report
) -> Fusion:
    align: bool | Alignment = options.align
    if options.alignment is not None and options.alignment.exists():
        align = Alignment.load(options.alignment)
    return fuse(
        job.frames, model=model, mode=options.mode, nearest=options.nearest, align=align, motion=options.motion,
        exposure=options.exposure, crop=options.crop, tile=options.tile, device=device, report=report,
    )  # fmt: skip


def _fitting_exif(output: Path, exif: bytes) -> tuple[bytes, list[str]]:
    """The EXIF, or none and a note if the file cannot hold it: without it the picture is still worth the work."""
    if output.suffix.lower() not in _JPEG or len(exif) <= JPEG_EXIF_LIMIT:
        return exif, []
    return b"", [
        f"{output}: its EXIF of {len(exif)} bytes does not fit into a JPEG and is left out; "
        "name it .png or .tif to keep it"
    ]


def _write(job: FuseJob, fusion: Fusion, options: FuseOptions) -> None:
    """The picture comes last: while it is missing, the burst counts as not done, and no maps are left behind."""
    if (
        options.alignment is not None
        and fusion.alignment is not None
        and not options.alignment.exists()
    ):
        fusion.alignment.save(options.alignment)
    picture, *maps = job.outputs(options)
    try:
        if options.depth_map:
            write_depth(job.depth_map(), fusion.depth, len(job.frames))
        for number in range(len(job.frames) if options.focus_maps else 0):
            write_photo(job.focus_map(number), (255 * (fusion.depth == number)).astype(np.uint8))
        write_photo(picture, fusion.image, exif=fusion.exif, icc=fusion.icc)
    except BaseException:
        for path in maps:
            path.unlink(missing_ok=True)
        raise


def _passed_over(job: FuseJob, options: FuseOptions) -> str:
    missing = [path.name for path in job.outputs(options) if not path.exists()]
    without = f", without {missing[0]}: --overwrite makes it" if missing else ""
    return f"{job.output} is there already{without}"


def _is_picture(output: Path) -> bool:
    return output.suffix.lower() in SUFFIXES and not output.is_dir()


def _check_frames_inside(inputs: Sequence[str | Path], output: Path) -> None:
    """Raise FileNotFoundError if what is given as one burst is a folder of bursts."""
    for folder in (Path(given) for given in inputs if Path(given).is_dir()):
        inside = [
            inner for inner in burst_folders(folder)[0] if inner != folder and _holds_images(inner)
        ]
        if inside:
            raise FileNotFoundError(
                f"folder {folder} holds no image but folders of them, as {inside[0].name}: to fuse each, name a folder "
                f"as output, -o {output.with_suffix('')}"
            )


def _holds_images(folder: Path) -> bool:
    try:
        return bool(find_images(folder))
    except FileNotFoundError:
        return False


def _jobs_of(given: Path, output: Path) -> list[FuseJob]:
    if given.is_file():
        raise ValueError(
            f"{given} is a frame: name the picture it becomes part of, e.g. -o sharp.png"
        )
    if not given.is_dir():
        raise FileNotFoundError(f"there is no folder {given}")
    folders, note = burst_folders(given)
    return [replace(_job_of(folder, output), note=note) for folder in folders]


def _job_of(folder: Path, output: Path) -> FuseJob:
    name = folder.resolve().name
    try:
        frames = find_frames([folder])
    except (ValueError, OSError) as error:
        return FuseJob((), output / f"{name}.png", fault=str(error))
    return FuseJob(tuple(frames), output / (name + frames[0].suffix))


def _check_alignment_file(options: FuseOptions, single: bool) -> None:
    file = options.alignment
    if file is None:
        return
    if not single or not options.align:
        raise ValueError("an alignment file goes with one burst that is aligned: leave it out")
    if file.is_dir() or not file.exists():
        check_writable(file)


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
