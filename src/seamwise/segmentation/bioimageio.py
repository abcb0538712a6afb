"""A model as a package of bioimage.io; see `export_bioimageio`."""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from seamwise import __version__
from seamwise.io.atomic import atomic_path
from seamwise.io.bioimageio import ATTACHMENT, DESCRIPTION_NAMES
from seamwise.io.errors import first_line
from seamwise.io.models import SegmentationInfo, model_path, shipped_models
from seamwise.nets import Average, UNet
from seamwise.segmentation.export import load_for_export, onnx_content, onnx_session
from seamwise.synth import crowded_cells

FORMAT = "0.5.5"
"""Version of the format of bioimage.io that is written."""

_OPSET = 17
_LEAST = 32  # the smallest image has at least this many pixels along each axis
_TEST_SIDE = {2: 128, 3: 32}
_OURS = ("The seamwise developers", "BSD-3-Clause")
_PAPER = {
    "text": "Guerrero Peña et al. (2019): J regularization improves imbalanced multiclass "
    "segmentation",
    "url": "https://arxiv.org/abs/1910.09783",
}
_DATE = (1980, 1, 1, 0, 0, 0)  # equal models become equal files


def export_bioimageio(
    model: str | Path, path: Path, *, authors: Sequence[str] = (), licence: str = ""
) -> SegmentationInfo:
    """Write a segmentation model as a package of bioimage.io, for Fiji, ilastik, napari and others.

    The package has the description (``rdf.yaml``, format 0.5), the network as ONNX, a test image
    with its result, documentation and, for `segment`, the model file itself. The ONNX network takes
    images as they are: it normalises them itself, because the format has no word for our
    normalisation. Magnification (`SegmentationInfo.zoom`) and decoding are not part of it; the
    documentation tells.

    Parameters
    ----------
    model : str or Path
        Name of a shipped model, or path of a model file.
    path : Path
        The file to write, ``.zip``.
    authors : sequence of str, optional
        Names; for a shipped model the developers of seamwise.
    licence : str, optional
        Identifier of SPDX, such as CC-BY-4.0; a shipped model has that of seamwise.

    Returns
    -------
    SegmentationInfo
        The description of the model.

    Raises
    ------
    ValueError
        The ending is another, a library is not installed, the network cannot be exported, or the
        ONNX file does not compute what torch does; bioimageio.spec refuses the description, such as
        a licence that is not one of SPDX.
    FileNotFoundError
        There is no such model.
    OSError
        The file cannot be written.
    """
    if path.suffix.lower() != ".zip":
        raise ValueError(f"cannot write {path}: expected a name ending in .zip")
    _check_library()
    source, name = model_path(model, SegmentationInfo), _name(model)
    net, info = load_for_export(model)
    weights = onnx_content(net, info, info.normalization, name=str(model))
    is_ours = source in shipped_models().values()
    if is_ours:
        authors, licence = authors or _OURS[:1], licence or _OURS[1]
    image = _test_image(net, info.architecture.in_channels)
    (maps,) = onnx_session(weights).run(None, {"image": image})
    files = {
        "weights.onnx": weights,
        ATTACHMENT: source.read_bytes(),
        "test_input.npy": _as_npy(image),
        "test_output.npy": _as_npy(maps),
        "README.md": _documentation(info, name, _least_side(net)).encode(),
    }
    description = _describe(info, name, net, files)
    description |= {"authors": [{"name": author} for author in authors]}
    if licence:
        description["license"] = licence
    _validate(description)
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=100)
    with atomic_path(path) as temporary:
        _write(temporary, {DESCRIPTION_NAMES[0]: text.encode(), **files})
    return info


def _name(model: str | Path) -> str:
    """The name of a model: of its file or package as the user gave it, or of a shipped model."""
    path = Path(model)
    if path.name in DESCRIPTION_NAMES:
        path = path.absolute().parent
    return path.name if path.is_dir() else path.stem


def _check_library() -> None:
    try:
        import bioimageio.spec  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"a package of bioimage.io needs bioimageio.spec ({first_line(error)}): "
            'pip install "seamwise[bioimageio]"'
        ) from error


def _validate(description: Mapping[str, Any]) -> None:
    """Raise ValueError unless the description is valid; nothing is read from the network."""
    from bioimageio.spec import ValidationContext, validate_format

    context = ValidationContext(perform_io_checks=False)
    summary = validate_format(dict(description), context=context)
    errors = [error for detail in summary.details for error in detail.errors]
    if summary.status == "failed":
        first = errors[0]
        place = ".".join(str(part) for part in first.loc)
        raise ValueError(f"bioimageio.spec refuses the description: {place}: {first.msg}")


def _describe(
    info: SegmentationInfo, name: str, net: UNet | Average, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """The description, without authors and licence."""
    axes = "zyx"[-net.ndim :]
    sizes = {"min": _least_side(net), "step": net.multiple}
    channels = [*info.classes, *_guides(info, axes)]
    scales = dict(zip(axes, info.spacing or (), strict=False))
    space = [
        {"type": "space", "id": axis, "scale": scales[axis], "unit": "micrometer"}
        if axis in scales
        else {"type": "space", "id": axis}
        for axis in axes
    ]
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": "seamwise " + re.sub(r"[^\w +()-]", "-", name, flags=re.ASCII),
        "version": "1",
        "description": "Class probabilities of touching cells, for a label image of each cell.",
        "cite": [_PAPER],
        "tags": ["segmentation", "instance-segmentation", "unet", "seamwise", f"{net.ndim}d"],
        "documentation": _file("README.md", files),
        "attachments": [_file(ATTACHMENT, files)],
        "inputs": [
            {
                "id": "image",
                "description": "The whole image, as it comes from the microscope.",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": _identifiers(info.channels)},
                    *[{**axis, "size": dict(sizes)} for axis in space],
                ],
                "data": {"type": "float32"},
                "test_tensor": _file("test_input.npy", files),
            }
        ],
        "outputs": [
            {
                "id": "probabilities",
                "description": "Probability of each class; behind them relief and offsets, if any.",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": _identifiers(channels)},
                    *[
                        {**axis, "size": {"tensor_id": "image", "axis_id": axis["id"]}}
                        for axis in space
                    ],
                ],
                "data": {"type": "float32"},
                "test_tensor": _file("test_output.npy", files),
            }
        ],
        "weights": {"onnx": {**_file("weights.onnx", files), "opset_version": _OPSET}},
        "config": {"seamwise": {"version": __version__}},
    }


def _documentation(info: SegmentationInfo, name: str, least: int) -> str:
    """What a user of another program must know."""
    classes = ", ".join(info.classes)
    size = ""
    if info.diameters:
        low, middle, high = info.diameters
        size = (
            f"\nThe network knows cells {low:.0f} to {high:.0f} pixels across, most of them about "
            f"{middle:.0f}.\n"
        )
    return f"""# {name}

A U-Net of seamwise {__version__}. It gives the probabilities of {classes}.
{size}
## What is in the network

The ONNX network takes an image as it comes from the microscope, and normalises it itself
(rule "{info.normalization.kind}"). So give it whole images, not tiles of one: an empty tile would
be brightened.

Sizes are multiples of {info.architecture.multiple} pixels, {least} at least. Pad other images at
their end by reflection, and crop the result.

## What is not

- **Magnification.** {_magnification(info)}
- **Decoding.** Cells come from the probabilities by the rule "{info.decode.rule}". In seamwise:
  `seamwise segment IMAGES -o labels --model PACKAGE.zip` does all of it.

## Validation

Compare the labels with masks that a person drew: `seamwise evaluate labels masks`. The test image
of this package is drawn by a computer; it tests the numbers, not the quality.
"""


def _magnification(info: SegmentationInfo) -> str:
    if info.spacing:
        sizes = " × ".join(map(str, info.spacing))
        return f"Magnify an image to pixels of {sizes} µm before the network sees it."
    by = f"Magnify an image by {info.zoom:g} before the network sees it."
    if info.isotropic:
        first = by if info.zoom != 1 else "Keep the pixels of a plane."
        return (
            f"{first} The network sees cubic voxels: magnify a stack along z\n"
            "  by its voxel size along z over that along x, too."
        )
    return by if info.zoom != 1 else "Nothing is needed."


def _test_image(net: UNet | Average, in_channels: int) -> NDArray[np.float32]:
    """A small drawn image `(1, C, *S)`, in 8-bit intensities."""
    side = max(_least_side(net), _TEST_SIDE[net.ndim])
    shape = (side,) * net.ndim
    channels = [
        crowded_cells(shape, cells=6 * net.ndim, rng=number).image for number in range(in_channels)
    ]
    intensities = np.clip(np.stack(channels) * 200, 0, 255).round()
    image: NDArray[np.float32] = intensities[np.newaxis].astype(np.float32)
    return image


def _least_side(net: UNet | Average) -> int:
    return max(2 * net.multiple, _LEAST)


def _guides(info: SegmentationInfo, axes: str) -> list[str]:
    return ["relief", *(f"offset_{axis}" for axis in axes)] if info.architecture.guides else []


def _identifiers(names: Sequence[str]) -> list[str]:
    """Names as the format allows them: letters, digits and underscores, no two the same."""
    plain = [re.sub(r"\W|^(?=\d)", "_", name) for name in names]
    if len(set(plain)) < len(plain) or not all(plain):
        return [f"channel_{number}" for number in range(len(names))]
    return plain


def _file(name: str, files: Mapping[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def _as_npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(
                zipfile.ZipInfo(name, _DATE), content, compress_type=zipfile.ZIP_DEFLATED
            )
