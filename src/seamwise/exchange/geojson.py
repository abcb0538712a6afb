"""Outlines in GeoJSON, as QuPath reads and writes it: `write_geojson` and `read_geojson`."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from seamwise.exchange.outlines import Outline, Ring, check_ring
from seamwise.io.errors import WRONG_FIELDS, unreadable
from seamwise.io.jsonfile import write_json


def write_geojson(
    path: Path,
    outlines: Iterable[Outline],
    *,
    numbers: Mapping[tuple[int, str], Mapping[str, float]] = MappingProxyType({}),
) -> None:
    """Write a FeatureCollection with a feature for each outline.

    The geometry is a Polygon with its holes, or a MultiPolygon if the cell is in several parts.
    ``plane`` in it holds slice and time point, as in QuPath. ``name`` in the properties is the
    number of the cell. ``measurements`` are its `numbers`, by which QuPath colours cells.

    Parameters
    ----------
    path : Path
    outlines : iterable of Outline
    numbers : mapping, optional
        Time point and name of an outline → finite numbers by their names.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    features = [
        _feature(outline, numbers.get((outline.t, outline.name), {})) for outline in outlines
    ]
    write_json(path, {"type": "FeatureCollection", "features": features})


def read_geojson(path: Path) -> tuple[list[Outline], str]:
    """Read the polygons of a FeatureCollection, a list of features, or a single one.

    Returns
    -------
    outlines : list of Outline
    note : str
        How many features are not areas and were skipped; empty if none.

    Raises
    ------
    ValueError
        The file is damaged or not GeoJSON.
    OSError
        It is missing.
    """
    try:
        features = list(_features(json.loads(path.read_text(encoding="utf-8"))))
        outlines = [outline for one in features if (outline := _outline(one)) is not None]
    except OSError:
        raise
    except WRONG_FIELDS as error:
        raise unreadable(path, "GeoJSON", error) from error
    skipped = len(features) - len(outlines)
    return outlines, f"features that are not areas, skipped: {skipped}" if skipped else ""


def _feature(outline: Outline, numbers: Mapping[str, float]) -> dict[str, Any]:
    polygons = [list(map(_closed, part)) for part in outline.parts]
    is_single = len(polygons) == 1
    geometry = {
        "type": "Polygon" if is_single else "MultiPolygon",
        "coordinates": polygons[0] if is_single else polygons,
        "plane": {"c": -1, "z": outline.z, "t": outline.t},
    }
    properties: dict[str, Any] = {"objectType": "detection", "name": outline.name}
    if numbers:
        properties["measurements"] = dict(numbers)
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _closed(ring: Ring) -> list[list[float]]:
    points: list[list[float]] = ring.tolist()
    return [*points, points[0]]


def _features(content: Any) -> Iterator[Mapping[str, Any]]:
    """Every feature of a file; a bare geometry counts as one."""
    if isinstance(content, list):
        items = content
    elif content["type"] == "FeatureCollection":
        items = content["features"]
    else:
        items = [content]
    for item in items:
        yield item if item["type"] == "Feature" else {"geometry": item}


def _outline(feature: Mapping[str, Any]) -> Outline | None:
    geometry = feature["geometry"] or {"type": "none"}
    kind = geometry["type"]
    if kind not in ("Polygon", "MultiPolygon"):
        return None
    polygons = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
    parts = tuple(tuple(map(_ring, polygon)) for polygon in polygons)
    plane = geometry.get("plane") or {}
    properties = feature.get("properties") or {}
    name = str(properties.get("name") or feature.get("id") or "")
    return Outline(name, parts, int(plane.get("z", 0)), int(plane.get("t", 0)))


def _ring(points: Any) -> Ring:
    ring = np.array([point[:2] for point in points], float)
    if ring.ndim != 2 or len(ring) < 3:
        raise ValueError("a ring needs three or more points of finite x and y")
    check_ring(ring)
    return ring
