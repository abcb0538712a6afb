"""Outlines of many images in one file of the form of MS COCO: `write_coco` and `read_coco`."""

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.exchange.outlines import MOST_PIXELS, Outline, check_ring, fill, moved, trace
from seamwise.io.errors import WRONG_FIELDS, unreadable
from seamwise.io.jsonfile import write_json
from seamwise.labels import Labels

_CATEGORY = {"id": 1, "name": "cell", "supercategory": "cell"}


@dataclass(frozen=True, eq=False)
class CocoImage:
    """The cells of one image.

    Attributes
    ----------
    file_name : str
    shape : (height, width)
    outlines : list of Outline
    """

    file_name: str
    shape: tuple[int, int]
    outlines: list[Outline]


def write_coco(path: Path, images: Sequence[CocoImage]) -> None:
    """Write images, annotations and one category, ``cell``.

    A cell without holes is a list of polygons. One with holes is a run-length code without
    compression, as polygons of COCO have no holes. ``label`` is the number of the cell.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        for outline in image.outlines:
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            annotations.append(one | _annotation(outline, image.shape))
    rows = [
        {"id": i, "file_name": one.file_name, "height": one.shape[0], "width": one.shape[1]}
        for i, one in enumerate(images, 1)
    ]
    content = {"images": rows, "annotations": annotations, "categories": [_CATEGORY]}
    write_json(path, content)


def read_coco(path: Path) -> list[CocoImage]:
    """Read polygons and run-length codes, also compressed ones, of every image.

    Raises
    ------
    ValueError
        The file is damaged or not of this form.
    OSError
        It is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return list(_images(content))
    except OSError:
        raise
    except WRONG_FIELDS as error:
        raise unreadable(path, "COCO", error) from error


def _annotation(outline: Outline, shape: tuple[int, int]) -> dict[str, Any]:
    corners = np.concatenate(outline.rings)
    low, size = corners.min(axis=0), np.ptp(corners, axis=0)
    mask = fill([Outline("1", outline.parts)], (1, *shape)).labels[0]
    segmentation: Any = [part[0].ravel().tolist() for part in outline.parts]
    if any(len(part) > 1 for part in outline.parts):
        segmentation = {"size": list(shape), "counts": _counts(mask)}
    return {
        "label": int(outline.name),
        "segmentation": segmentation,
        "area": int(np.count_nonzero(mask)),
        "bbox": [*low.tolist(), *size.tolist()],
    }


def _counts(mask: Labels) -> list[int]:
    """Lengths of the runs of 0 and 1 in turn, down the columns, beginning with 0."""
    pixels = mask.T.ravel() > 0
    changes = np.flatnonzero(np.diff(pixels, prepend=False))
    counts: list[int] = np.diff(changes, prepend=0, append=pixels.size).tolist()
    return counts


def _images(content: Mapping[str, Any]) -> Iterator[CocoImage]:
    by_image: dict[Any, list[Mapping[str, Any]]] = {one["id"]: [] for one in content["images"]}
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    for image in content["images"]:
        shape = (int(image["height"]), int(image["width"]))
        own = by_image[image["id"]]
        # our own numbers if every cell has one
        names = [str(one.get("label", "")) for one in own]
        outlines = [_outline(one, name) for one, name in zip(own, names, strict=True)]
        yield CocoImage(str(image["file_name"]), shape, outlines)


def _outline(annotation: Mapping[str, Any], name: str) -> Outline:
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, list):
        rings = [np.array(points, float).reshape(-1, 2) for points in segmentation]
        for ring in rings:
            check_ring(ring)
        return Outline(name, tuple((ring,) for ring in rings))
    height, width = map(operator.index, segmentation["size"])
    code = segmentation["counts"]
    counts = np.asarray(_decompressed(code) if isinstance(code, str) else code)
    is_whole = counts.ndim == 1 and counts.dtype.kind == "i" and (counts >= 0).all()
    if not is_whole or min(height, width) < 1 or sum(counts.tolist()) != height * width:
        raise ValueError(f"a run-length code does not fit its size, {height} × {width} pixels")
    first, mask = _columns_of(counts, height)
    corner = np.array([first, 0.0])
    parts = (part for outline in trace(mask) for part in outline.parts)
    return Outline(name, tuple(moved(part, corner) for part in parts))


def _columns_of(counts: NDArray[np.int64], height: int) -> tuple[int, Labels]:
    """The first column of a cell, and its pixels from there to its last column.

    `counts` are the lengths of runs of 0 and 1 in turn, down the columns.
    """
    stops = np.cumsum(counts)
    starts = stops - counts
    is_cell = (np.arange(len(counts)) % 2 == 1) & (counts > 0)
    if not is_cell.any():
        return 0, np.zeros((height, 0), np.uint8)
    first = int(starts[is_cell].min()) // height
    width = (int(stops[is_cell].max()) - 1) // height + 1 - first
    if width * height > MOST_PIXELS:
        raise ValueError(f"a run-length code covers {width} columns of {height} pixels, too many")
    low, high = first * height, (first + width) * height
    lengths = np.clip(stops, low, high) - np.clip(starts, low, high)
    return first, np.repeat(is_cell.astype(np.uint8), lengths).reshape(width, height).T


def _decompressed(text: str) -> list[int]:
    """Counts of a compressed code: 5 bits for each letter; from the third on, differences.

    Source: ``rleFrString`` of pycocotools.
    """
    counts: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        while True:
            bits = ord(text[place]) - 48
            place += 1
            value |= (bits & 31) << shift
            shift += 5
            if not bits & 32:
                break
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts
