"""Cells to and from other programs: ImageJ ROIs, GeoJSON (QuPath), MS COCO.

`export_labels` and `import_labels` are for files. `trace` and `fill` turn labels into `Outline`
values and back.
"""

from seamwise.exchange.coco import CocoImage, read_coco, write_coco
from seamwise.exchange.files import export_labels, import_labels
from seamwise.exchange.geojson import read_geojson, write_geojson
from seamwise.exchange.outlines import Filling, Outline, fill, trace
from seamwise.exchange.roi import read_rois, write_rois

__all__ = [
    "CocoImage",
    "Filling",
    "Outline",
    "export_labels",
    "fill",
    "import_labels",
    "read_coco",
    "read_geojson",
    "read_rois",
    "trace",
    "write_coco",
    "write_geojson",
    "write_rois",
]
