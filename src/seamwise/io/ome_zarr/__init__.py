"""OME-Zarr 0.4 and 0.5: read, planned, and written block by block.

`open_ome_zarr` reads what a folder says about its image. `create_image` and `create_labels` begin a
`Draft`, which becomes an image when it is finished; `write_image` writes an array at once. The
package zarr is imported where it is needed and not before.
"""

from seamwise.io.ome_zarr.draft import Draft
from seamwise.io.ome_zarr.label_table import write_properties
from seamwise.io.ome_zarr.levels import Level, plan_label_levels, plan_levels
from seamwise.io.ome_zarr.metadata import is_ome_zarr, plate_fields, read_record
from seamwise.io.ome_zarr.pixels import Pixels
from seamwise.io.ome_zarr.reading import (
    OmeImage,
    check_label_name,
    label_names,
    labels_of,
    load_ome_zarr,
    open_ome_zarr,
)
from seamwise.io.ome_zarr.writing import (
    ZarrStorage,
    check_version,
    create_image,
    create_labels,
    write_image,
)

__all__ = [
    "Draft",
    "Level",
    "OmeImage",
    "Pixels",
    "ZarrStorage",
    "check_label_name",
    "check_version",
    "create_image",
    "create_labels",
    "is_ome_zarr",
    "label_names",
    "labels_of",
    "load_ome_zarr",
    "open_ome_zarr",
    "plan_label_levels",
    "plan_levels",
    "plate_fields",
    "read_record",
    "write_image",
    "write_properties",
]
