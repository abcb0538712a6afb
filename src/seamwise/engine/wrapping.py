"""A network of other code, ready to predict; see `wrap_network`."""

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from seamwise.io.errors import first_line
from seamwise.io.models import Architecture, DecodeRule, NormalizationRule, SegmentationInfo
from seamwise.labels import CLASS_NAMES
from seamwise.plain_values import whole_number
from seamwise.words import NetworkOutputs, check_word

if TYPE_CHECKING:
    import torch

    from seamwise.engine.networks import ReadyNetwork
    from seamwise.nets.average import Network
    from seamwise.nets.onnx import OnnxNetwork

_PROBE = {2: 64, 3: 32}  # side of the image that a network is tried on
_SLACK = 0.05  # in a sum of probabilities
_DEEPEST = 8


def wrap_network(
    net: "torch.nn.Module | Callable[..., Any] | str | Path | bytes",
    *,
    classes: int,
    channels: int,
    ndim: Literal[2, 3],
    multiple: int,
    outputs: NetworkOutputs,
    normalization: NormalizationRule,
    decode: DecodeRule,
) -> "ReadyNetwork[SegmentationInfo]":
    """Return a network of other code, described and tried; see `ReadyNetwork.from_network`."""
    import torch

    from seamwise.engine.networks import ReadyNetwork, prepare_network
    from seamwise.nets.wrapped import WrappedNetwork

    check_word("outputs", outputs, ("logits", "probabilities"))
    classes, channels = whole_number("classes", classes), whole_number("channels", channels, 1)
    if classes not in (2, 3, 4):
        raise ValueError(f"classes must be 2, 3 or 4, not {classes}")
    if ndim not in (2, 3):
        raise ValueError(f"ndim must be 2 or 3, not {ndim!r}")
    ndim, multiple = 2 if ndim == 2 else 3, whole_number("multiple", multiple, 1)
    has_logits, device = outputs == "logits", torch.device("cpu")
    network: OnnxNetwork | WrappedNetwork
    if isinstance(net, str | Path | bytes):
        network, channels, ndim = _onnx(net, channels, ndim, multiple, has_logits)
    elif callable(net):
        network = WrappedNetwork(net, ndim=ndim, multiple=multiple, has_logits=has_logits)
        device = next((weight.device for weight in network.parameters()), device)
    else:
        raise TypeError(
            "net must be a torch module, a function of arrays, or the path or bytes of an ONNX "
            f"file, not {type(net).__name__}"
        )
    info = SegmentationInfo(
        architecture=Architecture(
            name="onnx" if isinstance(net, str | Path | bytes) else "wrapped",
            in_channels=channels,
            out_channels=classes,
            ndim=ndim,
            depth=min((multiple & -multiple).bit_length() - 1, _DEEPEST),
        ),
        classes=CLASS_NAMES[:classes],
        channels=("grey",) if channels == 1 else tuple(f"channel {n}" for n in range(channels)),
        normalization=normalization,
        decode=decode,
    )
    if isinstance(network, WrappedNetwork):
        ready = ReadyNetwork(lambda: cast("Network", network), info, str(device), "float32")
    else:
        ready = prepare_network(network, info, device, runtime="onnx")
    _try_out(ready, multiple, has_logits)
    return ready


def _onnx(
    net: str | Path | bytes, channels: int, ndim: Literal[2, 3], multiple: int, has_logits: bool
) -> "tuple[OnnxNetwork, int, Literal[2, 3]]":
    """Read an ONNX file; its channels and axes count, if it names them."""

    from seamwise.engine.onnx import check_onnx
    from seamwise.nets.onnx import OnnxNetwork

    try:
        check_onnx()
    except ImportError as error:
        raise ValueError(
            f'net is an ONNX file, which needs ONNX Runtime: pip install "seamwise[onnx]" '
            f"({first_line(error)})"
        ) from error
    content = net if isinstance(net, bytes) else Path(net).read_bytes()
    try:
        shape = OnnxNetwork.from_bytes(content, channels, ndim=ndim, multiple=multiple).entry_shape
    except MemoryError:
        raise
    except Exception as error:  # each version of ONNX Runtime has errors of its own
        name = "net" if isinstance(net, bytes) else net
        raise ValueError(f"{name} is not a usable ONNX file: {first_line(error)}") from error
    if len(shape) in (4, 5):
        ndim = 2 if len(shape) == 4 else 3
        channels = shape[1] if isinstance(shape[1], int) else channels
    network = OnnxNetwork.from_bytes(
        content, channels, ndim=ndim, multiple=multiple, has_logits=has_logits
    )
    return network, channels, ndim


def _try_out(ready: "ReadyNetwork[SegmentationInfo]", multiple: int, has_logits: bool) -> None:
    """Raise ValueError unless a small image of noise gives what the description says."""
    import torch

    architecture = ready.info.architecture
    side = multiple * ceil(_PROBE[architecture.ndim] / multiple)
    shape = (1, architecture.in_channels, *[side] * architecture.ndim)
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    try:
        with torch.inference_mode():
            logits = ready.runtime.run(torch.from_numpy(noise)).cpu()
    except MemoryError:
        raise
    except Exception as error:  # it is the caller's code
        raise ValueError(
            f"net fails for an image {shape}: {first_line(error)}: check channels, ndim and "
            "multiple"
        ) from error
    expected = (1, architecture.out_channels, *shape[2:])
    if tuple(logits.shape) != expected:
        raise ValueError(
            f"net must return {expected} for an image {shape}, not {tuple(logits.shape)}: check "
            "classes (of one output channel there are two) and ndim"
        )
    if not torch.isfinite(logits).all():
        raise ValueError("net returns NaN or infinite numbers for an image of noise: check it")
    values = logits if has_logits else logits.exp()
    is_probability = bool(((values.sum(1) - 1).abs() < _SLACK).all() and values.min() >= 0)
    # of one channel x there are (0, x): here x is a probability
    is_share = values.shape[1] == 2 and not values[:, 0].any()
    is_share = is_share and bool(((values[:, 1] >= 0) & (values[:, 1] <= 1)).all())
    if has_logits and (is_probability or is_share):
        raise ValueError("net returns probabilities, not logits: give outputs='probabilities'")
    if not has_logits and not is_probability:
        raise ValueError(
            "net must return probabilities that sum to 1 at each pixel, not to "
            f"{values.sum(1).min():.3g} to {values.sum(1).max():.3g}: give outputs='logits', or "
            "apply softmax"
        )
