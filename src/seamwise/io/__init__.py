"""Files in and out: images, label images, OME-Zarr, photographs, models.

`read_image`, `read_labels` and `find_images` read; `write_labels`, `write_map` and `write_png`
write. `open_volume` and `open_labels` read part by part; `create_image`, `create_labels` and
`write_image` write OME-Zarr. `read_photo` and `write_photo` keep what a camera noted.
`write_columns` writes a table. `load_model` and `save_model` are for model files.
`atomic_path` writes a file whole or not at all. `Provenance` tells whether a result may be reused.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamwise.io.atomic import atomic_path, check_writable, make_folder
    from seamwise.io.bioimageio import is_package
    from seamwise.io.cache import user_cache
    from seamwise.io.card import Card, read_card
    from seamwise.io.csvfile import write_columns
    from seamwise.io.errors import DamagedError
    from seamwise.io.images import (
        Image,
        read_image,
        read_labels,
        read_spaced_labels,
        write_labels,
        write_map,
        write_png,
        write_probabilities,
    )
    from seamwise.io.jsonfile import read_json, write_json
    from seamwise.io.links import real_path
    from seamwise.io.listing import find_images
    from seamwise.io.lock import lock_file
    from seamwise.io.models import (
        Architecture,
        DecodeRule,
        FusionInfo,
        ModelInfo,
        NormalizationRule,
        ReliefPair,
        SegmentationInfo,
        check_model_output,
        describe_model,
        load_model,
        model_path,
        renamed_note,
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
    from seamwise.io.outcome import Outcome, amount
    from seamwise.io.photo import Photo, PhotoInfo, photo_info, read_photo, write_photo
    from seamwise.io.provenance import Provenance, file_sha256
    from seamwise.io.scratch import open_scratch
    from seamwise.io.tiff_set import set_of_files
    from seamwise.io.volume import Volume, count_samples, open_labels, open_volume

__all__ = [
    "Architecture",
    "Card",
    "DamagedError",
    "DecodeRule",
    "Draft",
    "FusionInfo",
    "Image",
    "Level",
    "ModelInfo",
    "NormalizationRule",
    "OmeImage",
    "Outcome",
    "Photo",
    "PhotoInfo",
    "Provenance",
    "ReliefPair",
    "SegmentationInfo",
    "Volume",
    "ZarrStorage",
    "amount",
    "atomic_path",
    "check_model_output",
    "check_writable",
    "count_samples",
    "create_image",
    "create_labels",
    "describe_model",
    "file_sha256",
    "find_images",
    "is_package",
    "label_names",
    "load_model",
    "lock_file",
    "make_folder",
    "model_path",
    "open_labels",
    "open_ome_zarr",
    "open_scratch",
    "open_volume",
    "photo_info",
    "plan_levels",
    "read_card",
    "read_image",
    "read_json",
    "read_labels",
    "read_photo",
    "read_spaced_labels",
    "real_path",
    "renamed_note",
    "save_model",
    "set_of_files",
    "shipped_models",
    "user_cache",
    "write_columns",
    "write_image",
    "write_json",
    "write_labels",
    "write_map",
    "write_photo",
    "write_png",
    "write_probabilities",
]

_ROOMS = {
    "atomic": (
        "atomic_path",
        "check_writable",
        "make_folder",
    ),
    "bioimageio": ("is_package",),
    "cache": ("user_cache",),
    "card": ("Card", "read_card"),
    "csvfile": ("write_columns",),
    "errors": ("DamagedError",),
    "images": (
        "Image",
        "read_image",
        "read_labels",
        "read_spaced_labels",
        "write_labels",
        "write_map",
        "write_png",
        "write_probabilities",
    ),
    "jsonfile": (
        "read_json",
        "write_json",
    ),
    "listing": ("find_images",),
    "links": ("real_path",),
    "lock": ("lock_file",),
    "models": (
        "Architecture",
        "DecodeRule",
        "FusionInfo",
        "ModelInfo",
        "NormalizationRule",
        "ReliefPair",
        "SegmentationInfo",
        "check_model_output",
        "describe_model",
        "load_model",
        "model_path",
        "renamed_note",
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
    "outcome": ("Outcome", "amount"),
    "photo": (
        "Photo",
        "PhotoInfo",
        "photo_info",
        "read_photo",
        "write_photo",
    ),
    "provenance": (
        "Provenance",
        "file_sha256",
    ),
    "scratch": ("open_scratch",),
    "tiff_set": ("set_of_files",),
    "volume": (
        "Volume",
        "count_samples",
        "open_labels",
        "open_volume",
    ),
}


def __getattr__(name: str) -> Any:
    # models need torch and photographs OpenCV; neither `import seamwise` nor --help waits for them
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"seamwise.io.{room}"), name)
    raise AttributeError(f"module 'seamwise.io' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
