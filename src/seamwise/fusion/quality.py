"""The quality of pictures that are JPEGs: `check_quality`, `with_quality`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seamwise.fusion.jobs import FuseJob, pictures_in
from seamwise.fusion.options import FuseOutputs
from seamwise.io.jsonfile import read_json
from seamwise.io.photo_jpeg import QUALITY
from seamwise.io.provenance import RECORD, Provenance

_JPEG = (".jpg", ".jpeg")


def check_quality(jobs: Sequence[FuseJob], files: FuseOutputs) -> None:
    """Raise ValueError if a quality is given and no picture has one."""
    if files.quality is None or any(job.fault or _is_jpeg(job.output) for job in jobs):
        return
    raise ValueError(
        f"--quality is for JPEG, not for {jobs[0].output.name}: remove it, or name a picture .jpg"
    )


def with_quality(
    provenance: Provenance, output: Path, jobs: Sequence[FuseJob], quality: int
) -> Provenance:
    """Return what a folder keeps, with the quality of its JPEGs if it has any."""
    path = output / RECORD
    before = read_json(path).get("quality") if path.exists() else None
    if not any(_is_jpeg(job.output) for job in jobs):
        notes = {} if before is None else {"quality": before}
        return replace(provenance, notes={**provenance.notes, **notes})
    # pictures of other formats do not depend on it, and earlier versions did not note it
    default = QUALITY if any(map(_is_jpeg, pictures_in(output, jobs))) else quality
    inputs, defaults = {**provenance.inputs, "quality": quality}, {"quality": default}
    return replace(provenance, inputs=inputs, defaults={**provenance.defaults, **defaults})


def _is_jpeg(path: Path) -> bool:
    return path.suffix.lower() in _JPEG
