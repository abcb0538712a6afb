"""Outlines in ImageJ's ROI files, through roifile: `write_rois` and `read_rois`."""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seamwise.exchange.outlines import Outline, Ring, check_ring
from seamwise.io.atomic import atomic_path
from seamwise.io.errors import unreadable

if TYPE_CHECKING:
    from roifile import ImagejRoi

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # commands in the path of a composite ROI
_OVAL_POINTS = 181
_MOST_BYTES = 2**28  # of an archive's files: a million outlines
_OUR_NAME = re.compile(r"(\d+)(-z\d+)?(-t\d+)?")


def write_rois(path: Path, outlines: Iterable[Outline]) -> None:
    """Write a ZIP with an ROI for each outline; ImageJ's ROI Manager opens it.

    A cell with holes, or in several parts, becomes a composite ROI. Slice and time point are part
    of the name where there are several, as ROI files in a ZIP need names of their own.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for outline in outlines:
            roi = _as_roi(outline)
            # no date of today: the same cells are the same bytes
            archive.writestr(zipfile.ZipInfo(f"{roi.name}.roi"), roi.tobytes())


def read_rois(path: Path) -> tuple[list[Outline], str]:
    """Read the areas among the ROIs of a ``.zip`` or ``.roi`` file.

    Returns
    -------
    outlines : list of Outline
    note : str
        How many lines, points and texts were skipped; empty if none.

    Raises
    ------
    ValueError
        The file is damaged or holds shapes that cannot be read.
    OSError
        It is missing.
    """
    import roifile

    try:
        if path.suffix.lower() == ".zip":
            _check_length(path)
        rois = roifile.roiread(path)
        items = rois if isinstance(rois, list) else [rois]
        outlines = [outline for roi in items if (outline := _as_outline(roi)) is not None]
    except OSError:
        raise
    except Exception as error:  # struct.error, BadZipFile, NotImplementedError, …
        raise unreadable(path, "ImageJ ROI", error) from error
    skipped = len(items) - len(outlines)
    return outlines, f"ROIs that are not areas, skipped: {skipped}" if skipped else ""


def _check_length(path: Path) -> None:
    """Raise ValueError if a small archive unpacks to much more than outlines need."""
    with zipfile.ZipFile(path) as archive:
        length = sum(entry.file_size for entry in archive.infolist())
    if length > _MOST_BYTES:
        raise ValueError(f"it unpacks to {length / 1e6:.0f} MB, too many for outlines")


def _as_roi(outline: Outline) -> "ImagejRoi":
    import roifile

    name = outline.name
    name += f"-z{outline.z + 1:04}" if outline.z else ""
    name += f"-t{outline.t + 1:04}" if outline.t else ""
    where: dict[str, Any] = {"name": name, "z": outline.z, "t": outline.t}
    if len(outline.rings) == 1:
        roi = roifile.ImagejRoi.frompoints(outline.rings[0].astype(int), **where)
        roi.roitype = roifile.ROI_TYPE.TRACED
        return roi
    corners = np.concatenate(outline.rings)
    roi = roifile.ImagejRoi.frompoints(
        [corners.min(axis=0).astype(int), corners.max(axis=0).astype(int) - 1], **where
    )
    roi.roitype, roi.n_coordinates, roi.integer_coordinates = roifile.ROI_TYPE.RECT, 0, None
    roi.multi_coordinates = np.concatenate([_path(ring) for ring in outline.rings])
    roi.shape_roi_size = roi.multi_coordinates.size
    return roi


def _path(ring: Ring) -> Any:
    commands = np.column_stack([np.full(len(ring), _LINE), ring])
    commands[0, 0] = _MOVE
    return np.append(commands.ravel(), _CLOSE).astype(np.float32)


def _as_outline(roi: "ImagejRoi") -> Outline | None:
    import roifile

    kind = roifile.ROI_TYPE
    rings: list[Any]
    if roi.composite:
        rings = roi.coordinates(multi=True)  # type: ignore[assignment]
    elif roi.roitype == kind.OVAL:
        box = [[roi.left, roi.top], [roi.right, roi.bottom]]
        rings = [roifile.roifile.oval(box, points=_OVAL_POINTS)]
    elif roi.roitype in (kind.POLYGON, kind.FREEHAND, kind.TRACED, kind.RECT):
        rings = [roi.coordinates()]
    else:
        return None
    own = _OUR_NAME.fullmatch(roi.name)
    # what an odd number of rings goes around, wherever they lie
    parts = (tuple(np.asarray(ring, float) for ring in rings if len(ring) > 2),)
    for ring in parts[0]:
        check_ring(ring)
    z = roi.z_position or roi.position
    return Outline(own[1] if own else roi.name, parts, max(z - 1, 0), max(roi.t_position - 1, 0))
