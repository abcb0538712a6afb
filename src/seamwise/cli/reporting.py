"""`segment --report`."""

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seamwise.cli.measuring import afterwards, place_of_labels
from seamwise.cli.progress import Earlier, Progress, follow_files

if TYPE_CHECKING:
    from seamwise.segmentation import SegmentOptions

PAGE = "report.html"
"""Page that `segment --report` writes to the folder of the labels."""


def then_report(
    wanted: bool,
    images: list[str],
    labels: Path,
    options: "SegmentOptions",
    name: str,
    *,
    earlier: Earlier,
) -> AbstractContextManager[None]:
    """Once the block has ended, also if some files failed, write ``report.html`` to the labels.

    `labels` is the folder of the labels, or the OME-Zarr image that they are in, under this name.
    What `earlier` steps reported is not reported again.
    """
    return afterwards(wanted, partial(_report, images, labels, options, name, earlier))


def _report(
    images: list[str], labels: Path, options: "SegmentOptions", name: str, earlier: Earlier
) -> None:
    from seamwise.measure import pair_images
    from seamwise.report import segmentation_report

    is_inside = labels.suffix == ".zarr"
    page = labels.with_name(f"{labels.stem}_{PAGE}") if is_inside else labels / PAGE
    outcomes = segmentation_report(
        pair_images(images, place_of_labels(labels, name)),
        page,
        channel=options.channel,
        axes=options.axes,
        spacing=options.spacing,
    )
    with Progress() as progress:
        follow_files(
            progress,
            outcomes,
            "report",
            done=f"wrote {page}",
            nothing="the page shows no image",
            earlier=earlier,
        )
