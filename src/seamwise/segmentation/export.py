"""A model for other programs; see `export_onnx`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seamwise.engine.networks import build_network
from seamwise.engine.onnx import check_onnx, export_model
from seamwise.engine.runtime import torch_runtime
from seamwise.io.atomic import atomic_path
from seamwise.io.errors import first_line
from seamwise.io.models import NormalizationRule, SegmentationInfo, load_model, model_path
from seamwise.nets import Average, UNet
from seamwise.segmentation.normalization import normalization

DESCRIPTION = "seamwise"
"""Key of the model's description among the metadata of an ONNX file."""

TOLERANCE = 1e-4
"""Largest difference between the probabilities of the file and those of torch."""

_LEAST = 16  # pixels along each axis of an image that is normalised


def export_onnx(model: str | Path, path: Path) -> SegmentationInfo:
    """Write a segmentation model as an ONNX file; check it against torch before it is kept.

    The input ``image`` is float32 `(n, C, *S)`, normalised and at the scale of the model. Every
    size is a multiple of 2 to the power of the depth. The output ``probabilities`` has the classes
    and, with guides, relief and offsets behind them. Normalisation, tiles and decoding are not part
    of it: `segmentation.normalization` and `decode_maps` do them.

    Parameters
    ----------
    model : str or Path
        Name of a shipped model, or path of a model file.
    path : Path
        The file to write, ``.onnx``.

    Returns
    -------
    SegmentationInfo
        The description, which is also in the file, as JSON under the key ``seamwise``.

    Raises
    ------
    ValueError
        The ending is another, ONNX or ONNX Runtime is not installed, the network cannot be
        exported, or the file does not compute what torch does.
    FileNotFoundError
        There is no such model.
    OSError
        The file cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise ValueError(f"cannot write {path}: expected a name ending in .onnx")
    net, info = load_for_export(model)
    content = onnx_content(net, info, name=str(model))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return info


def load_for_export(model: str | Path) -> tuple[UNet | Average, SegmentationInfo]:
    """Load the network of a model, ready to be exported."""
    try:
        check_onnx()
    except ImportError as error:
        raise ValueError(
            f'export needs onnx and onnxruntime ({first_line(error)}): pip install "seamwise[onnx]"'
        ) from error
    weights, info = load_model(model_path(model, SegmentationInfo), SegmentationInfo)
    net = build_network(info.architecture)
    net.load_state_dict(weights)
    if not isinstance(net, UNet | Average):
        raise ValueError(f"{model} is not a network of seamwise: choose another")
    return net.fold_norms().requires_grad_(False), info


def onnx_content(
    net: UNet | Average,
    info: SegmentationInfo,
    rule: NormalizationRule | None = None,
    *,
    name: str,
) -> bytes:
    """Return a network as an ONNX file, compared with torch; with a `rule` it normalises, too.

    Errors name the model by its `name`.
    """
    metadata = {DESCRIPTION: info.model_dump_json()}
    classes = info.architecture.out_channels
    members = [one.arrays() for one in ([net] if isinstance(net, UNet) else net.nets)]
    try:
        content: bytes = export_model(members, classes, metadata, rule).SerializeToString()
    except NotImplementedError as error:
        raise ValueError(
            f"{name} cannot be exported: {first_line(error)}; choose another model"
        ) from error
    _check(content, net, info, rule)
    return content


def onnx_session(content: bytes) -> Any:
    """Return an ONNX file, ready to run on a CPU."""
    import onnxruntime

    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def _check(
    content: bytes,
    net: UNet | Average,
    info: SegmentationInfo,
    rule: NormalizationRule | None,
) -> None:
    """Raise ValueError unless the file computes what torch does, for two sizes."""
    session = onnx_session(content)
    classes = info.architecture.out_channels
    side = net.multiple if rule is None else max(net.multiple, _LEAST)
    for times in (1, 2):
        sizes = [side * times, *[side] * (net.ndim - 1)]
        image = _pattern((1, info.architecture.in_channels, *sizes))
        seen = image if rule is None else normalization(image[0], rule)(image[0])[np.newaxis]
        logits = torch_runtime(net, torch.device("cpu")).run(torch.from_numpy(seen)).float()
        expected = torch.cat([logits[:, :classes].softmax(1), logits[:, classes:]], 1).numpy()
        (ours,) = session.run(None, {"image": image})
        difference = np.abs(ours - expected).max()
        if not difference <= TOLERANCE * max(1, np.abs(expected).max()):
            raise ValueError(
                f"the exported network differs from torch by {difference:.2g}: "
                "update onnx and onnxruntime"
            )


def _pattern(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, np.float32)
