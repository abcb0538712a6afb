"""Networks from model files, ready to predict; see `load_network`."""

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.openvino import choose_openvino_precision
from seamwise.engine.processor import is_surely_cpu
from seamwise.engine.runtime import (
    STREAMS,
    Runtime,
    choose_runtime,
    compile_arrays,
    torch_runtime,
)
from seamwise.io.models import (
    AnyInfo,
    Architecture,
    DecodeRule,
    NormalizationRule,
    SegmentationInfo,
    load_arrays_of_model,
    load_model,
    model_path,
    save_model,
)
from seamwise.io.provenance import file_sha256
from seamwise.nets.burst_graph import BurstArrays, burst_shapes, fold_burst
from seamwise.nets.graph import UNetArrays, fold_weights, unet_shapes
from seamwise.words import NetworkOutputs, Precision, check_runtime

if TYPE_CHECKING:  # torch takes seconds to import, and the other runtimes do without it
    import torch

    from seamwise.nets.average import Network

Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadyNetwork(Generic[AnyInfo]):
    """A network ready to predict, with its description; `runtime.run` computes it.

    `make_net` returns the network as torch has it, always the same one. `device` is that of torch,
    such as "cpu" or "cuda:1". `compiled` is the network in another runtime than torch, `note` what
    the user should know about the choice. `lane` has the threads that compute it for others that
    share it (`shared`): each thread that computes by itself would occupy all processors.
    `sha256` is that of the model file, and `source` its name or path as they were given to
    `load_network`; both are empty if the network comes from none.
    """

    make_net: "Callable[[], Network]"
    info: AnyInfo
    device: str
    precision: Precision
    compiled: Runtime | None = None
    note: str = ""
    lane: Executor | None = None
    sha256: str = ""
    source: str = ""

    @staticmethod
    def from_network(
        net: "torch.nn.Module | Callable[..., Any] | str | Path | bytes",
        *,
        classes: int,
        channels: int = 1,
        ndim: Literal[2, 3] = 2,
        multiple: int = 1,
        outputs: NetworkOutputs = "logits",
        normalization: NormalizationRule = NormalizationRule(),
        decode: DecodeRule = DecodeRule(),
    ) -> "ReadyNetwork[SegmentationInfo]":
        """Return any network that segments, ready for `segment`, `segment_volume`, `tune`, …

        Parameters
        ----------
        net : module, function, path or bytes
            A torch module gets `(N, C, *S)` on the device of its weights, in evaluation. A function
            gets and returns float32 arrays. A path or bytes are those of an ONNX file, which ONNX
            Runtime computes on the CPU; channels and axes are its own if it names them. If
            there are several outputs, the first counts.
        classes : {2, 3, 4}
            Background, cell, touching, gap. One output channel, as for a sigmoid, is two classes.
        channels, ndim : int
            Of the images.
        multiple : int
            Sizes that the network takes are multiples of it; others are padded.
        outputs : {"logits", "probabilities"}
        normalization : NormalizationRule
            What is done to the intensities of an image before the network sees it.
        decode : DecodeRule
            How probabilities become cells.

        Raises
        ------
        TypeError
            `net` is none of these.
        ValueError
            A small image of noise does not give `(1, classes, *S)` of what `outputs` says; a value
            is out of range.
        FileNotFoundError
            The ONNX file does not exist.

        Notes
        -----
        `save` writes a network of an ONNX file as a model file. A module or function is code, which
        a file of seamwise never holds: export it as ONNX.

        Examples
        --------
        A network that takes bright pixels for cells:

        >>> net = ReadyNetwork.from_network(lambda image: 40 * (image - 0.5), classes=2)
        >>> net.info.classes
        ('background', 'cell')
        """
        from seamwise.engine.wrapping import wrap_network

        return wrap_network(
            net,
            classes=classes,
            channels=channels,
            ndim=ndim,
            multiple=multiple,
            outputs=outputs,
            normalization=normalization,
            decode=decode,
        )

    def save(self, path: str | Path) -> None:
        """Write the network of an ONNX file, with its description, as a model file.

        Raises
        ------
        ValueError
            It is code, or comes from a model file.
        """
        name = self.info.architecture.name
        if name == "wrapped":
            raise ValueError(
                f"{path} cannot hold this network, which is code: export it as ONNX and give that "
                "file to from_network"
            )
        if name != "onnx":
            raise ValueError(f"{path} would be a copy of a model file: copy the file itself")
        save_model(Path(path), self.net.state_dict(), self.info)

    def call(self, function: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Return what a function gives that computes the network, called in the `lane`.

        Raises RuntimeError or CancelledError if the lane has been shut down.
        """
        if self.lane is None:
            return function(*arguments, **options)
        return self.lane.submit(function, *arguments, **options).result()

    @contextmanager
    def shared(self, *, in_streams: bool) -> "Iterator[ReadyNetwork[AnyInfo]]":
        """Give the same network to several threads, with a `lane` that is shut down at the end.

        With `in_streams`, where the runtime has them, two calls are computed at once, each on half
        of the cores: two halves compute more than the whole, whose parts wait for each other.
        Otherwise, or if the network cannot be compiled for streams, the lane is one thread, and
        each call has all cores. A `lane` that the network has already is not used meanwhile.
        """
        streams = self.compiled and self.compiled.in_streams
        halves = None
        if in_streams and streams:
            with suppress(RuntimeError, MemoryError):
                halves = streams()
        with ThreadPoolExecutor(STREAMS if halves else 1) as lane:
            yield replace(self, compiled=halves or self.compiled, lane=lane)

    def stop(self) -> None:
        """Shut down the lane, if there is one: who waits for it gets an error, soon."""
        if self.lane is not None:
            self.lane.shutdown(wait=False, cancel_futures=True)

    @property
    def net(self) -> "Network":
        """The network as torch has it."""
        return self.make_net()

    @property
    def number_bytes(self) -> int:
        """Size of a number between the layers."""
        precision = choose_openvino_precision() if self.precision == "int8" else self.precision
        return 2 if precision == "bfloat16" else 4

    @property
    def runtime(self) -> Runtime:
        """What computes the network."""
        if self.compiled is not None:
            return self.compiled
        import torch

        return torch_runtime(self.net, torch.device(self.device))


def load_network(
    model: str | Path, kind: type[AnyInfo], *, device: str = "auto", runtime: str = "auto"
) -> ReadyNetwork[AnyInfo]:
    """Load a shipped model by name, or a model file by path, onto a device.

    Parameters
    ----------
    model : str or Path
    kind : type
        What describes the model.
    device : str
        See `choose_device`; "auto" is the CPU for runtimes and networks that only it has.
    runtime : str
        See `choose_runtime`.

    Raises
    ------
    FileNotFoundError
        There is no such model.
    ValueError
        The file is damaged, of a newer version, or for another task than `kind` describes; there is
        no such device; `runtime` is another word, or was named and cannot be used.
    """
    check_runtime(runtime)
    path = model_path(model, kind)
    sha256 = file_sha256(path) if path.is_file() else ""  # its absence is reported below
    is_for_cpu = runtime not in ("auto", "torch")
    device = "cpu" if device == "auto" and is_for_cpu else device
    if runtime != "torch" and is_surely_cpu(device):
        ready = _load_compiled(path, kind, runtime)
        if ready is not None:
            return replace(ready, sha256=sha256, source=str(model))
    from seamwise.engine.devices import choose_device

    if device != "auto":
        choose_device(device)  # its error comes before a large file is read
    net, info = _load_net(path, kind)
    if device == "auto" and info.architecture.name == "onnx":
        device = "cpu"
    ready = prepare_network(net, info, choose_device(device), runtime=runtime)
    return replace(ready, sha256=sha256, source=str(model))


def _load_net(path: Path, kind: type[AnyInfo]) -> "tuple[Network, AnyInfo]":
    weights, info = load_model(path, kind)
    # checked first: a small file could describe a network that fills the memory
    if _weight_count(info.architecture) > sum(one.numel() for one in weights.values()):
        raise _damaged(path)
    try:
        net = build_network(info.architecture)
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise _damaged(path) from error
    return net, info


def _damaged(path: Path) -> ValueError:
    return ValueError(f"model file {path} is damaged: its weights do not fit its description")


def _weight_count(architecture: Architecture) -> int:
    """Numbers in the weights of a network; 0 for one of ONNX, which only its file can tell."""
    if architecture.name == "burst":
        shapes = burst_shapes(architecture.width)
    elif architecture.name == "unet":
        shapes = unet_shapes(**_unet_options(architecture))
    else:
        return 0
    return architecture.members * sum(map(math.prod, shapes.values()))


def _load_compiled(path: Path, kind: type[AnyInfo], runtime: str) -> ReadyNetwork[AnyInfo] | None:
    """A network that another runtime than torch computes, without torch; None if that fails."""
    try:
        weights, info = load_arrays_of_model(path, kind)
    except TypeError:  # numpy lacks bfloat16
        return None
    arrays = _arrays(weights, info.architecture)
    compiled = None if arrays is None else compile_arrays(arrays, runtime, info.activations)
    if compiled is None:
        return None

    @cache
    def make_net() -> "Network":
        import torch

        from seamwise.engine.devices import place

        net, _ = _load_net(path, kind)
        return place(net.fold_norms().requires_grad_(False), torch.device("cpu"))

    precision = cast(Precision, compiled.name.rpartition(" ")[2])
    return ReadyNetwork(make_net, info, "cpu", precision, compiled)


def _arrays(
    weights: Mapping[str, NDArray[np.floating]], architecture: Architecture
) -> UNetArrays | BurstArrays | None:
    """The network of a file without torch; None if it is of another kind, or damaged."""
    shapes = {name: array.shape for name, array in weights.items()}
    if architecture.name == "burst":
        return fold_burst(weights) if shapes == burst_shapes(architecture.width) else None
    if architecture.name != "unet" or architecture.members > 1:
        return None
    if shapes != unet_shapes(**_unet_options(architecture)):
        return None
    return fold_weights(weights, depth=architecture.depth)


def build_network(architecture: Architecture) -> "Network":
    """Build the untrained network that a model file describes."""
    from seamwise.nets import Average, BurstNet, UNet
    from seamwise.nets.onnx import OnnxNetwork

    if architecture.name == "burst":
        return BurstNet(width=architecture.width)
    if architecture.name == "wrapped":
        raise ValueError("a model file holds no network of other code: it is damaged")
    if architecture.name == "onnx":
        return OnnxNetwork(
            architecture.in_channels, ndim=architecture.ndim, depth=architecture.depth
        )
    members = [UNet(**_unet_options(architecture)) for _ in range(architecture.members)]
    return members[0] if len(members) == 1 else Average(members, classes=architecture.out_channels)


def prepare_network(
    net: "Network", info: AnyInfo, device: "torch.device", *, runtime: str = "torch"
) -> ReadyNetwork[AnyInfo]:
    """Return a copy of a trained network for prediction, in the device's best precision.

    Norms are folded into the convolutions. `runtime` is that of `choose_runtime`. A `BurstNet`
    computes in float32: it compares contrasts that are small against the brightness.
    """
    import torch

    from seamwise.engine.devices import choose_precision, place
    from seamwise.nets import BurstNet
    from seamwise.nets.onnx import OnnxNetwork

    net = deepcopy(net).fold_norms().requires_grad_(False)
    chosen = choose_runtime(
        net, device, runtime, info.activations
    )  # from the weights before they are rounded
    is_float32 = chosen.name.endswith(("float32", "int8")) or isinstance(
        net, BurstNet | OnnxNetwork
    )
    dtype = torch.float32 if is_float32 else choose_precision(device)
    ready = place(net, device, dtype)
    compiled = None if chosen.name == "torch" else chosen
    word = str(dtype).removeprefix("torch.") if compiled is None else chosen.name.split()[-1]
    precision = cast(Precision, word)
    return ReadyNetwork(lambda: ready, info, str(device), precision, compiled, chosen.note)


def _unet_options(architecture: Architecture) -> dict[str, Any]:
    return {
        "in_channels": architecture.in_channels,
        "out_channels": architecture.output_channels,
        "ndim": architecture.ndim,
        "width": architecture.width,
        "depth": architecture.depth,
        "norm": architecture.norm,
    }
