"""Files in and out: images, label images, OME-Zarr, photographs, models.

`read_image`, `read_labels` and `find_images` read; `write_labels`, `write_map` and `write_png`
write. `open_volume` reads an image part by part; `create_image`, `create_labels` and `write_image`
write OME-Zarr. `read_photo` and `write_photo` keep what a camera noted. `load_model` and
`save_model` are for model files.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamwise.io.errors import DamagedError
    from seamwise.io.images import (
        Image,
        read_image,
        read_labels,
        read_spaced_labels,
        write_labels,
        write_map,
        write_png,
    )
    from seamwise.io.listing import find_images
    from seamwise.io.models import (
        FusionInfo,
        ModelInfo,
        SegmentationInfo,
        describe_model,
        load_model,
        model_path,
        save_model,
        shipped_models,
    )
    from seamwise.io.ome_zarr import (
        Draft,
        Level,
        OmeImage,
        ZarrStorage,
        create_image,
        create_labels,
        label_names,
        open_ome_zarr,
        plan_levels,
        write_image,
    )
    from seamwise.io.photo import Photo, PhotoInfo, photo_info, read_photo, write_photo
    from seamwise.io.volume import Volume, open_volume

__all__ = [
    "DamagedError",
    "Draft",
    "FusionInfo",
    "Image",
    "Level",
    "ModelInfo",
    "OmeImage",
    "Photo",
    "PhotoInfo",
    "SegmentationInfo",
    "Volume",
    "ZarrStorage",
    "create_image",
    "create_labels",
    "describe_model",
    "find_images",
    "label_names",
    "load_model",
    "model_path",
    "open_ome_zarr",
    "open_volume",
    "photo_info",
    "plan_levels",
    "read_image",
    "read_labels",
    "read_photo",
    "read_spaced_labels",
    "save_model",
    "shipped_models",
    "write_image",
    "write_labels",
    "write_map",
    "write_photo",
    "write_png",
]

_ROOMS = {
    "errors": ("DamagedError",),
    "images": (
        "Image",
        "read_image",
        "read_labels",
        "read_spaced_labels",
        "write_labels",
        "write_map",
        "write_png",
    ),
    "listing": ("find_images",),
    "models": (
        "FusionInfo",
        "ModelInfo",
        "SegmentationInfo",
        "describe_model",
        "load_model",
        "model_path",
        "save_model",
        "shipped_models",
    ),
    "ome_zarr": (
        "Draft",
        "Level",
        "OmeImage",
        "ZarrStorage",
        "create_image",
        "create_labels",
        "label_names",
        "open_ome_zarr",
        "plan_levels",
        "write_image",
    ),
    "photo": ("Photo", "PhotoInfo", "photo_info", "read_photo", "write_photo"),
    "volume": ("Volume", "open_volume"),
}


def __getattr__(name: str) -> Any:
    # models need torch and photographs OpenCV; neither `import seamwise` nor --help waits for them
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"seamwise.io.{room}"), name)
    raise AttributeError(f"module 'seamwise.io' has no attribute '{name}'")
