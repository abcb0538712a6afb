"""A folder of fused pictures that were made in one way: `begin_results`."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from seamwise.fusion.jobs import FuseJob, pictures_in
from seamwise.io.provenance import RECORD, Provenance
from seamwise.io.result_folder import open_results


def begin_results(
    output: Path, jobs: Sequence[FuseJob], provenance: Provenance, overwrite: bool
) -> ExitStack:
    """Keep in a folder how its pictures are made, or refuse to mix them; see `open_results`.

    A folder of pictures without a record stays without one.
    """
    pictures, targets = pictures_in(output, jobs), {job.output for job in jobs}
    remaining = pictures - targets if overwrite else pictures
    if remaining and not (output / RECORD).exists():
        return ExitStack()
    return open_results(
        output,
        provenance,
        list_results=lambda: pictures_in(output, jobs),
        targets=targets,
        overwrite=overwrite,
        remove_targets=partial(_remove_results, jobs),
    )


def _remove_results(jobs: Sequence[FuseJob]) -> None:
    """Delete what earlier runs made of the bursts."""
    for job in jobs:
        for path in job.old_maps() if job.output.exists() else ():
            path.unlink()
        if job.output.is_dir():
            shutil.rmtree(job.output)
        job.output.unlink(missing_ok=True)
