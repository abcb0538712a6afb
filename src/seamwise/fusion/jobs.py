"""Which frames become which picture; see `plan` and `FuseJob`."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seamwise.fusion.alignment import picture_of
from seamwise.fusion.burst import burst_folders, check_outside, find_frames
from seamwise.fusion.capture_time import split_by_time, with_headers
from seamwise.fusion.options import FuseOutputs
from seamwise.fusion.stack import Plane, Stack, stack_of
from seamwise.fusion.stored_alignment import next_to, without_maps
from seamwise.io.links import one_place, real_path
from seamwise.io.listing import SUFFIXES, ZARR, find_images, stem
from seamwise.io.tiff import OME_SUFFIXES

_ENDINGS = (*SUFFIXES, *OME_SUFFIXES, ZARR, f".ome{ZARR}")
_MOST_NAMED = 3  # focus maps; of more, the first and the last are named


@dataclass(frozen=True)
class FuseJob:
    """Frames and the picture they become.

    Attributes
    ----------
    frames : tuple of Path or Plane
    output : Path
        The picture.
    fault : str
        Why the folder of frames cannot be fused; empty if it can.
    note : str
        What the user should know, in one line; empty if nothing.
    has_twin : bool
        Whether a picture next to the output has another suffix alone. Then the maps of x.png are
        named ``x_png_depth.png``.
    stack : Stack, optional
        The file of the frames, if its planes are the frames. If it has several time points or
        channels, `frames` are those of the first.
    tag : str
        Which time point and channel this is, such as ``t0_c1``.
    keeps_alignment : bool
        Whether the alignment is written next to the picture if a frame was changed, as in a folder
        of pictures.
    """

    frames: tuple[Path | Plane, ...]
    output: Path
    fault: str = ""
    note: str = ""
    has_twin: bool = False
    stack: Stack | None = None
    tag: str = ""
    keeps_alignment: bool = False

    @property
    def held_bytes(self) -> int:
        """Memory that stays in use once a frame was read: `Plane.held_bytes`."""
        first = self.frames[0] if self.frames else None
        return first.held_bytes if isinstance(first, Plane) else 0

    def depth_map(self) -> Path:
        """Return the file of the depth map."""
        return self._next_to("depth.png")

    def surface_files(self) -> dict[str, Path]:
        """Return the files of the surface by what they hold."""
        return {
            "height": self._next_to("height.tif"),
            "colours": self._next_to("height.png"),
            "confidence": self._next_to("confidence.png"),
            "relief": self._next_to("relief.png"),
            "mesh": self._next_to("relief.ply"),
        }

    def alignment(self) -> Path:
        """Return the file of the alignment, which a folder of pictures keeps."""
        return self._next_to("alignment.json")

    def focus_map(self, number: int | str) -> Path:
        """Return the file of the focus map of a frame."""
        return self._next_to(f"focus_{number}.png")

    def _next_to(self, ending: str) -> Path:
        tag = f"{self.tag}_" if self.tag else ""
        return next_to(self.output, tag + ending, has_twin=self.has_twin)

    def parts(self) -> "list[FuseJob]":
        """Return the job of each time point and channel; itself if there is one."""
        if self.stack is None or not self.stack.axes:
            return [self]
        parts = zip(self.stack.bursts, self.stack.tags(), strict=True)
        alone = replace(self.stack, times=1, channels=1)
        job = replace(self, keeps_alignment=False)
        return [
            replace(job, frames=burst, tag=tag, stack=replace(alone, bursts=(burst,)))
            for burst, tag in parts
        ]

    def outputs(self, files: FuseOutputs) -> list[Path]:
        """Return all files that the job writes, the picture first."""
        parts = self.parts()
        if len(parts) > 1:
            return [self.output, *(path for part in parts for path in part.outputs(files)[1:])]
        paths = [self.output]
        if files.depth_map:
            paths.append(self.depth_map())
        if files.surface:
            paths += self.surface_files().values()
        if files.focus_maps:
            paths += [self.focus_map(number) for number in range(len(self.frames))]
        if self.keeps_alignment:
            paths.append(self.alignment())
        return paths

    def names_next_to(self, files: FuseOutputs) -> list[str]:
        """Return the names of the files that exist next to the picture; of many focus maps, two."""
        names = [path.name for path in self.outputs(files)[1:] if path.exists()]
        maps = [self.focus_map(number).name for number in range(len(self.frames))]
        if len(maps) <= _MOST_NAMED:
            return names
        others = set(maps[1:])
        return [
            f"{maps[0]} to {maps[-1]}" if name == maps[0] else name
            for name in names
            if name not in others
        ]

    def old_maps(self) -> list[Path]:
        """Return the maps that exist next to the picture, made with whatever options.

        An alignment is one of them only if the job keeps alignments. If the picture got a twin
        since, its older maps are among them where they cannot be those of the twin.
        """
        paths = [path for part in self.parts() for path in part._existing_maps()]
        before = replace(self, has_twin=False).parts() if self.has_twin else []
        of_before = [path for part in before for path in part._existing_maps()]
        return paths + [path for path in of_before if self._is_own(path)]

    def _existing_maps(self) -> list[Path]:
        start, end = self.focus_map("*").name.rsplit("*", 1)
        pattern = re.compile(rf"{re.escape(start)}[0-9]+{re.escape(end)}")
        paths = [path for path in self.output.parent.iterdir() if pattern.fullmatch(path.name)]
        others = [self.depth_map(), *self.surface_files().values()]
        others += [self.alignment()] * self.keeps_alignment
        return paths + [path for path in others if path.exists()]

    def _is_own(self, path: Path) -> bool:
        """Whether a map whose name does not tell the suffix cannot be that of a twin."""
        ending = path.name.removeprefix(f"{stem(self.output)}_")
        if path == next_to(self.output, "alignment.json"):
            return picture_of(path) == self.output.name
        twins = (twin for twin in _twins(self.output) if twin.exists())
        return all(next_to(twin, ending, has_twin=True).exists() for twin in twins)

    def first_existing(self, files: FuseOutputs, *, without: Collection[Path] = ()) -> Path | None:
        """Return the first output that exists already, without those that may be replaced."""
        paths = (path for path in self.outputs(files) if path not in without)
        return next((path for path in paths if path.exists()), None)


def plan(
    inputs: Sequence[str | Path],
    output: Path,
    files: FuseOutputs = FuseOutputs(),
    *,
    skip_bad: bool = False,
) -> list[FuseJob]:
    """List the bursts and the picture that each becomes.

    If the output's name ends like a picture, all inputs are the frames of one burst. Otherwise the
    output is a folder, and every input folder is a burst or holds a folder for each burst
    (`burst_folders`). The picture is named like its burst's folder, in the format of its frames.
    With `files.split_by_time`, all inputs are photographs of several bursts, and each picture is
    named like the first frame of its burst; `skip_bad` leaves those out that cannot be read, with
    a note.

    Raises
    ------
    ValueError
        A result is one of the frames, or would lie in a folder of frames, where the next run would
        take it for one; two bursts would write the same file; a frame is given where a folder is
        expected, or the output ends like a picture that cannot be written.
    FileNotFoundError
        An input does not exist, or one burst has no picture.
    """
    is_single = is_picture(output)
    if is_single:
        _check_one_burst(inputs, output)
        jobs = [_job(find_frames(inputs), output)]
    elif output.suffix and not output.is_dir():
        raise ValueError(
            f"{output} cannot be written: end the name of a picture in {', '.join(SUFFIXES)} or "
            f"{ZARR}, "
            "and give a folder a name without suffix"
        )
    else:
        jobs = _jobs(inputs, output, files, skip_bad=skip_bad)
    if is_single and files.split_by_time:
        raise ValueError(f"--split-by-time needs a folder for its pictures, not {output}: name one")
    check_outside(output.parent if is_single else output, inputs, with_subfolders=not is_single)
    jobs = [
        replace(job, has_twin=_has_twin(job, jobs), keeps_alignment=not is_single) for job in jobs
    ]
    _check_outputs(jobs, files)
    return jobs


def _jobs(
    inputs: Sequence[str | Path], output: Path, files: FuseOutputs, *, skip_bad: bool
) -> list[FuseJob]:
    """The jobs whose pictures go into a folder."""
    if not files.split_by_time:
        return [job for source in inputs for job in _jobs_of(Path(source), output)]
    paths = find_frames(inputs)
    paths, notes = with_headers(paths) if skip_bad else (paths, [])
    bursts = split_by_time(paths)
    alone = [burst[0].name for burst in bursts if len(burst) == 1]
    if alone:
        notes.append(f"{', '.join(alone)}: taken alone, so skipped")
    jobs = [
        FuseJob(tuple(burst), output / (stem(burst[0]) + _suffix(burst[0])))
        for burst in bursts
        if len(burst) > 1
    ]
    if not jobs:
        raise ValueError(
            f"no two of {len(bursts)} photographs were taken within a burst: remove --split-by-time"
        )
    return [replace(jobs[0], note="; ".join(notes)), *jobs[1:]]


def is_picture(output: Path) -> bool:
    """Whether an output is one picture, not a folder of pictures."""
    if output.suffix.lower() == ZARR:
        return True
    return output.suffix.lower() in SUFFIXES and not output.is_dir()


def pictures_in(folder: Path, jobs: Sequence[FuseJob] = ()) -> set[Path]:
    """Return the pictures of a folder, without the maps of these and of what jobs will write."""
    paths = [path for path in folder.iterdir() if is_picture(path)]
    return set(without_maps(paths, planned=[job.output for job in jobs]))


def _job(paths: Sequence[Path], output: Path) -> FuseJob:
    """The job of the planes of a file that is alone, or of the files."""
    stack = stack_of(paths[0]) if len(paths) == 1 else None
    return FuseJob(stack.bursts[0] if stack else tuple(paths), output, stack=stack)


def _has_twin(job: FuseJob, jobs: Sequence[FuseJob]) -> bool:
    """Whether a picture that exists or will be written has another suffix alone."""
    outputs = {other.output for other in jobs if not other.fault}
    return any(twin in outputs or twin.exists() for twin in _twins(job.output))


def _twins(output: Path) -> set[Path]:
    """The pictures, whether they exist or not, whose names differ from this in the suffix alone."""
    return {output.with_name(stem(output) + ending) for ending in _ENDINGS} - {output}


def _check_outputs(jobs: Sequence[FuseJob], files: FuseOutputs) -> None:
    """Raise ValueError if a job would replace a frame, or what another job writes."""
    frames = {one_place(_file_of(frame)): frame for job in jobs for frame in job.frames}
    places: set[str] = set()
    for path in (path for job in jobs for path in job.outputs(files)):
        place = one_place(path)
        if place in frames:
            raise ValueError(
                f"{frames[place]} is a frame and would be replaced: name another output"
            )
        if place in places:
            raise ValueError(f"two bursts would both write {path}: rename the folder of one")
        places.add(place)


def _file_of(frame: Path | Plane) -> Path:
    return frame.volume.path if isinstance(frame, Plane) else frame


def _check_one_burst(inputs: Sequence[str | Path], output: Path) -> None:
    """Raise FileNotFoundError if an input of one burst is a folder of bursts."""
    for folder in (Path(path) for path in inputs if _is_folder(Path(path))):
        bursts = [
            inner for inner in burst_folders(folder)[0] if inner != folder and _has_images(inner)
        ]
        if bursts:
            raise FileNotFoundError(
                f"folder {folder} holds no picture but folders of them, such as {bursts[0].name}: "
                f"to fuse each, name a folder as output, -o {output.with_suffix('')}"
            )


def _has_images(folder: Path) -> bool:
    try:
        return bool(find_images(folder, photos=True))
    except FileNotFoundError:
        return False


def _jobs_of(source: Path, output: Path) -> list[FuseJob]:
    if source.exists() and not _is_folder(source):
        if _is_stack_or_damaged(source):
            return [_job_of_file(source, output, stem(source))]
        raise ValueError(
            f"{source} is a frame: name the picture it becomes part of, e.g. -o sharp.png"
        )
    if not source.is_dir():
        raise FileNotFoundError(f"folder {source} does not exist: check its name")
    folders, note = burst_folders(source)
    jobs = [job for folder in folders for job in _jobs_of_folder(folder, output)]
    return [replace(job, note=note) for job in jobs]


def _jobs_of_folder(folder: Path, output: Path) -> list[FuseJob]:
    """One job for the frames in a folder, or one for each stack."""
    name = real_path(folder).name
    try:
        frames = find_frames([folder])
        is_stacks = _are_stacks(frames)
    except (ValueError, OSError) as error:
        return [FuseJob((), output / f"{name}.png", fault=str(error))]
    if is_stacks:
        names = [stem(path) for path in frames] if len(frames) > 1 else [name]
        return [_job_of_file(path, output, n) for path, n in zip(frames, names, strict=True)]
    return [FuseJob(tuple(frames), output / (name + _suffix(frames[0])))]


def _is_stack_or_damaged(path: Path) -> bool:
    try:
        return stack_of(path) is not None
    except (ValueError, OSError):
        return True


def _are_stacks(paths: Sequence[Path]) -> bool:
    """Whether the first file that can be read is a stack; the error of the first if none can."""
    errors: list[ValueError | OSError] = []
    for path in paths:
        try:
            return stack_of(path) is not None
        except (ValueError, OSError) as error:
            errors.append(error)
    raise errors[0]


def _job_of_file(path: Path, output: Path, name: str) -> FuseJob:
    target = output / (name + path.name.removeprefix(stem(path)))
    try:
        stack = stack_of(path)
        if stack is None:
            raise ValueError(f"{path} is not a stack, unlike others of its folder: move it")
    except (ValueError, OSError) as error:
        return FuseJob((), target, fault=str(error))
    return FuseJob(stack.bursts[0], target, stack=stack)


def _suffix(frame: Path) -> str:
    """What the name of a picture ends in: TIFF if frames like this are not written."""
    return frame.suffix if frame.suffix.lower() in SUFFIXES else ".tif"


def _is_folder(path: Path) -> bool:
    """Whether this is a folder, and not an image that is stored as one."""
    return path.is_dir() and path.suffix.lower() != ZARR
