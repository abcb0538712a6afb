"""The cells of a large image as a whole: `WholeCells`, and the work that finds them."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.engine import Listener, Resources, StageProgress
from seamwise.io import label_names, open_ome_zarr
from seamwise.measure import MeasureJob, MeasureOptions, Table, measure_file
from seamwise.segmentation import SegmentOptions, segment_volume
from seamwise_web.answers import RefusalError, binary, for_the_page
from seamwise_web.folder import ZARR
from seamwise_web.fused import without_folders
from seamwise_web.jobs import Job
from seamwise_web.levels import Levels, ZarrLevels
from seamwise_web.offers import Shelf
from seamwise_web.pyramid import TILE, Pyramid
from seamwise_web.scratch import scratch_folder

if TYPE_CHECKING:
    from starlette.responses import Response

    from seamwise_web.tiled import TiledImage

_LARGEST = 2**32 - 1  # label
_MEMORY = 1_500_000_000  # bytes for a block; smaller blocks also hear a cancel sooner

_STAGES = {
    "sample": "measuring intensities",
    "classify": "looking for cells",
    "find": "separating cells",
    "label": "separating cells",
    "unite": "joining cells of neighbouring blocks",
    "write": "writing labels",
}


class WholeCells:
    """The labels of a large image, on disk, shown by tiles.

    Parameters
    ----------
    path : Path
        OME-Zarr folder of the labels.
    source : str
        Where they come from, in words.
    count : int, optional
        Number of cells; None if nobody counted.
    caution : str
    scratch : TemporaryDirectory, optional
        Removed with them.

    Attributes
    ----------
    is_saved : bool
        Whether nothing is lost with the image: they lie in its file, or were saved as a TIFF.
    """

    def __init__(
        self,
        path: Path,
        source: str,
        *,
        count: int | None = None,
        caution: str = "",
        scratch: "tempfile.TemporaryDirectory[str] | None" = None,
    ) -> None:
        self.path, self.source, self.count, self.caution = path, source, count, caution
        self._scratch = scratch
        self.is_saved = scratch is None
        self.pyramid = Pyramid(ZarrLevels(open_ome_zarr(path)))

    def tile(self, level: int, row: int, column: int, *, time: int, z: int) -> "Response":
        """Answer the labels of a tile in 32 bits, with its width and height."""
        plane = 0, time, z
        self.pyramid.check(plane)
        labels = self.pyramid.read(level, *self.pyramid.box(level, row, column), plane)
        size = {"bits": 32, "width": labels.shape[1], "height": labels.shape[0]}
        return binary(_in_32_bits(labels).astype("<u4").tobytes(), size)

    def write_tiff(self, path: Path) -> None:
        """Write the labels as a TIFF with their pixel size, tile by tile."""
        lengths = self.pyramid.levels.lengths
        height, width = self.pyramid.sizes[0]
        axes = [axis for axis in "TZ" if lengths.get(axis, 1) > 1]
        shape = (*(lengths[axis] for axis in axes), height, width)
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            writer.write(
                self._tiles(),
                shape=shape,
                dtype=np.uint32,
                tile=(TILE, TILE),
                compression="zlib",
                photometric="minisblack",
                **self._sizes("".join([*axes, "YX"])),
            )

    def table(self, image: Path, axes: str | None = None) -> Table:
        """Return the measurements of all cells, read block by block; `axes` are the image's."""
        return measure_file(MeasureJob(image, self.path), MeasureOptions(axes=axes)).cells

    def description(self) -> dict[str, Any]:
        """Return what the page shows of them."""
        return {
            "source": self.source,
            "count": self.count,
            "caution": self.caution,
            "is_saved": self.is_saved,
            "levels": self.pyramid.sizes,
        }

    def close(self) -> None:
        """Remove the files of cells that were found here."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def _sizes(self, axes: str) -> dict[str, Any]:
        """What a TIFF of these axes says of them, and of the size of a pixel."""
        spacing = self.pyramid.levels.spacing
        if spacing is None:
            return {"metadata": {"axes": axes}}
        steps = {"T": 1.0} | dict(zip("ZYX"[-len(spacing) :], spacing, strict=True))
        return {
            "metadata": {"axes": axes, "unit": "um", "spacing": [steps[axis] for axis in axes]},
            "resolution": (1e4 / steps["X"], 1e4 / steps["Y"]),
            "resolutionunit": "CENTIMETER",
        }

    def _tiles(self) -> Iterator[NDArray[np.uint32]]:
        """All tiles of all planes, filled up with background at the ends."""
        rows, columns = (range(0, length, TILE) for length in self.pyramid.sizes[0])
        places = list(product(rows, columns))
        for time in range(self.pyramid.length("T")):
            for z in range(self.pyramid.length("Z")):
                for row, column in places:
                    box = self.pyramid.box(0, row // TILE, column // TILE)
                    labels = self.pyramid.read(0, *box, (0, time, z))
                    tile = np.zeros((TILE, TILE), np.uint32)
                    tile[: labels.shape[0], : labels.shape[1]] = _in_32_bits(labels)
                    yield tile


def stored_cells(levels: Levels) -> tuple[WholeCells | None, str]:
    """Return the labels that lie in an OME-Zarr image: `cells`, or the first; None without any.

    The words say why labels of the file cannot be shown; they are empty otherwise.
    """
    if not levels.path.name.lower().endswith(ZARR):
        return None, ""
    try:
        names = label_names(levels.path)
        if not names:
            return None, ""
        name = "cells" if "cells" in names else names[0]
        cells = WholeCells(levels.path / "labels" / name, f"labels “{name}” of the file")
    except (ValueError, OSError) as error:
        words = without_folders(str(error), [levels.path])
        return None, f"labels of the file cannot be shown: {words}"
    if _extent(cells.pyramid.levels) != _extent(levels):
        return None, f"labels “{name}” of the file cannot be shown: they have another size"
    return cells, ""


def _extent(levels: Levels) -> tuple[int, ...]:
    """How many time points and slices, height and width."""
    return *(levels.lengths.get(axis, 1) for axis in "TZ"), *levels.sizes[0]


def _in_32_bits(labels: NDArray[Any]) -> NDArray[np.uint32]:
    """Labels as the page and a TIFF take them; a negative one, "ignored", is background.

    Raises
    ------
    ValueError
        A label does not fit 32 bits.
    """
    largest = int(labels.max(initial=0))
    if largest > _LARGEST:
        raise ValueError(f"the label {largest} does not fit 32 bits: number the cells from 1 on")
    kept: NDArray[np.uint32] = np.maximum(labels, 0).astype(np.uint32)
    return kept


@dataclass(frozen=True)
class WholeSearch:
    """What to look for in all of a large image.

    Attributes
    ----------
    model : str
        Name of the model.
    channel : int
    diameter : float, optional
        Usual diameter of the cells in pixels.
    """

    model: str
    channel: int
    diameter: float | None = None


def find_all_cells(image: "TiledImage", shelf: Shelf, search: WholeSearch) -> Callable[[Job], None]:
    """Return the work that finds all cells of a large image, block by block.

    Its labels are those of `seamwise segment`, in a temporary folder until the image is closed.
    """

    def report(job: Job, step: StageProgress) -> None:
        job.begin(_STAGES.get(step.stage, step.stage), step.done / step.total)

    def work(job: Job) -> None:
        job.begin("loading the model")
        offer = shelf.find(search.model)
        if offer is None:
            raise ValueError(f"the model {search.model} was closed: choose another")
        several = image.length("C") > 1
        options = SegmentOptions(
            model=offer.path,
            axes=image.axes,
            channel=search.channel if several else None,
            diameter=search.diameter,
        )
        scratch = scratch_folder()
        try:
            found = segment_volume(
                image.path,
                Path(scratch.name) / "cells.ome.zarr",
                options,
                Resources(memory=_MEMORY),
                listener=Listener(report=lambda step: report(job, step)),
            )
            caution = " ".join([for_the_page(found.caution), *found.damaged]).strip()
            cells = WholeCells(
                found.path,
                f"found by {search.model}",
                count=sum(found.cells),
                caution=caution,
                scratch=scratch,
            )
            job.finish(lambda: image.keep(cells))
        except BaseException:
            scratch.cleanup()
            raise

    return work


def cells_of(image: "TiledImage") -> WholeCells:
    """Return the cells of all of an image.

    Raises
    ------
    RefusalError
        There are none.
    """
    if image.cells is None:
        raise RefusalError(409, "the cells of the whole image were not looked for yet: find them")
    return image.cells
