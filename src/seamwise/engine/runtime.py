"""What computes a network: torch, OpenVINO or ONNX Runtime; see `choose_runtime`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.comparison import check_equal
from seamwise.engine.memory import is_out_of_memory
from seamwise.engine.onnx import CompiledOnnx, check_onnx, compile_onnx, runtime_errors
from seamwise.engine.openvino import (
    CompiledNetwork,
    check_openvino,
    choose_openvino_precision,
    compile_openvino,
    has_int8,
)
from seamwise.engine.processor import thread_count
from seamwise.engine.scorer import ArrayScorer, Scorer, TorchScorer
from seamwise.engine.softmax import take_softmax
from seamwise.io.errors import first_line
from seamwise.nets.burst_graph import MULTIPLE, BurstArrays, FeatureGraph, ScoreGraph
from seamwise.nets.graph import Graph, UNetArrays
from seamwise.words import RuntimeRecord, check_runtime

if TYPE_CHECKING:  # torch takes seconds to import, and the other runtimes do without it
    import torch
    from torch import Tensor

    from seamwise.nets import Average, BurstNet, UNet
    from seamwise.nets.average import Network
    from seamwise.nets.onnx import OnnxNetwork

_INSTALL = {
    "openvino": 'pip install "seamwise[fast]"',
    "onnx": 'pip install "seamwise[onnx]"',
}
STREAMS = 2
"""Calls of a network at the same time, in `Runtime.in_streams`."""
_Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Runtime:
    """A network as something computes it.

    Attributes
    ----------
    name : {"torch", "openvino float32", "openvino bfloat16", "openvino int8", "onnx float32"}
        What computes, for the record of a result. In which precision torch computes depends on the
        device, which is one of the resources.
    run : function
        Takes a batch `(N, C, *S)` of float32 on the CPU; returns the logits `(N, channels, *S)` as
        float32 on the device.
    note : str
        What the user should know about the choice, in one line; empty if nothing.
    release : function
        Gives back memory that is kept from one batch for the next. What follows takes a little
        longer.
    compute : function, optional
        The same as `run` for arrays, if it needs no torch.
    in_streams : function, optional
        Returns the same network, with the same numbers, for `STREAMS` threads that call it at the
        same time: each call has its share of the cores, and they do not wait for each other. A
        single call then takes longer.
    streams : int
        How many threads may call it at the same time.
    scorer : Scorer, optional
        What computes a `BurstNet`, which has no logits: then `run` is not for use.
    """

    name: RuntimeRecord
    run: "Callable[[Tensor], Tensor]"
    note: str = ""
    release: Callable[[], None] = lambda: None
    compute: _Compute | None = None
    in_streams: "Callable[[], Runtime] | None" = None
    streams: int = 1
    scorer: Scorer[Any] | None = None

    def logits(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of a batch of arrays `(N, C, *S)` as an array."""
        if self.compute is not None:
            return self.compute(batch)
        import torch

        with torch.inference_mode():
            logits: NDArray[np.float32] = self.run(torch.from_numpy(batch)).cpu().numpy()
        return logits

    def maps(self, batch: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
        """Return the softmax of the first channels, which are classes, and the others as they are.

        Parameters
        ----------
        batch : (N, C, *S) float32 array
        classes : int

        Returns
        -------
        (N, channels, *S) float32 array
        """
        if self.compute is not None:
            maps = self.compute(batch)
            take_softmax(maps[:, :classes], threads=thread_count() // self.streams)
            return maps
        import torch

        # torch takes no mirrored axis, not even one of a single pixel, which NumPy calls contiguous
        batch = batch if min(batch.strides) > 0 else batch.copy()
        with torch.inference_mode():
            logits = self.run(torch.from_numpy(batch))
            both = torch.cat([logits[:, :classes].softmax(1), logits[:, classes:]], 1)
        outputs: NDArray[np.float32] = both.cpu().numpy()
        return outputs


def choose_runtime(
    net: "Network",
    device: "torch.device",
    runtime: str = "auto",
    activations: Sequence[float] | None = None,
) -> Runtime:
    """Return what computes a network on a device.

    Parameters
    ----------
    net : UNet, Average, BurstNet or OnnxNetwork
        Ready to predict, with folded norms, on the device.
    device : torch.device
    runtime : {"auto", "torch", "openvino", "onnx"} or the `Runtime.name` of an earlier result
        "auto" takes OpenVINO if it is installed, works on this processor and the device is the CPU;
        otherwise torch. OpenVINO computes in 8-bit integers if there are `activations`,
        otherwise in bfloat16 if the processor does, else in float32; ONNX Runtime in float32. A
        `BurstNet` is always computed in float32.
    activations : sequence of float, optional
        Largest number that each convolution reads, see `ModelInfo`.

    Raises
    ------
    ValueError
        `runtime` is another word; one that was named is not installed, is too old or cannot compute
        this network here; the device is not the CPU.
    """
    from seamwise.nets.onnx import OnnxNetwork

    check_runtime(runtime)
    word, _, precision = runtime.partition(" ")
    if isinstance(net, OnnxNetwork):
        return _onnx_network(net, word, device)
    if word == "torch":
        return torch_runtime(net, device)
    if word == "auto":
        return _choose(net, device, activations)
    if device.type != "cpu":
        raise ValueError(
            f"runtime {word} computes on the CPU, not on {device}: choose device cpu, or "
            "runtime torch"
        )
    try:
        return _compiled(net, word, precision, activations)
    except MemoryError:
        raise
    except Exception as error:  # each version of a runtime has errors of its own
        reason, remedy = _fault(word, error)
        raise ValueError(f"runtime {runtime} {reason}: {remedy}choose runtime torch") from error


def _onnx_network(net: "OnnxNetwork", word: str, device: "torch.device") -> Runtime:
    """A network of another program, which only ONNX Runtime computes."""
    if word not in ("auto", "onnx") or device.type != "cpu":
        raise ValueError(
            "an ONNX network is computed by ONNX Runtime on the CPU: choose runtime "
            "onnx and device cpu"
        )
    try:
        check_onnx()
    except ImportError as error:
        raise ValueError(
            f"an ONNX network needs ONNX Runtime ({first_line(error)}): {_INSTALL['onnx']}"
        ) from error
    try:
        net.open()
    except MemoryError:
        raise
    except Exception as error:  # as in `choose_runtime`
        raise ValueError(
            f"ONNX Runtime cannot read the network ({first_line(error)}): update "
            "onnxruntime, or choose another model"
        ) from error
    compute = torch_runtime(net, device).run

    def run(batch: "Tensor") -> "Tensor":
        with runtime_errors():
            return compute(batch)

    return Runtime("onnx float32", _with_remedy(run, "onnx float32", "choose another model"))


def compile_arrays(
    net: UNetArrays | BurstArrays, runtime: str, activations: Sequence[float] | None = None
) -> Runtime | None:
    """Return what computes a network on the CPU, without torch.

    None if nothing but torch does: `choose_runtime` then says why. The arguments are its own.
    """
    word, _, precision = runtime.partition(" ")
    word = "openvino" if word == "auto" else word
    try:
        if isinstance(net, BurstArrays):
            return _compiled_scorer(net, word)
        return _compiled_arrays([net], word, precision, activations)
    except MemoryError:
        raise
    except Exception:  # as in `choose_runtime`
        return None


def torch_runtime(net: "Network", device: "torch.device") -> Runtime:
    """Return a network as torch computes it, in the precision of its weights."""
    import torch

    from seamwise.engine.devices import memory_format
    from seamwise.nets import BurstNet

    @torch.inference_mode()
    def run(batch: "Tensor") -> "Tensor":
        dtype = next((weight.dtype for weight in net.parameters()), torch.float32)
        logits: Tensor = net(batch.to(device, dtype, memory_format=memory_format(net.ndim)))
        return logits.float()

    return Runtime(
        "torch", run, scorer=TorchScorer(net, device) if isinstance(net, BurstNet) else None
    )


def describe_runtime(device: "torch.device") -> str:
    """Return what "auto" is on a device, in one line."""
    if device.type != "cpu":
        return "torch"
    try:
        check_openvino()
        precision = choose_openvino_precision()
        integers = ", int8 if a model has ranges" if has_int8() else ""
    except Exception as error:  # as in `choose_runtime`
        return f"torch; {_hint(error)}"
    reason = "" if precision == "bfloat16" else " (no bfloat16 here)"
    return f"openvino {precision}{reason}{integers}"


def _choose(
    net: "UNet | Average | BurstNet",
    device: "torch.device",
    activations: Sequence[float] | None,
) -> Runtime:
    if device.type != "cpu":
        return torch_runtime(net, device)
    try:
        return _compiled(net, "openvino", "", activations)
    except MemoryError:
        raise
    except Exception as error:  # as in `choose_runtime`
        return replace(torch_runtime(net, device), note=f"computing with torch; {_hint(error)}")


def _compiled(
    net: "UNet | Average | BurstNet",
    word: str,
    precision: str,
    activations: Sequence[float] | None,
) -> Runtime:
    from seamwise.nets import BurstNet, UNet

    if isinstance(net, BurstNet):
        return _compiled_scorer(net.arrays(), word)
    if isinstance(net, UNet):
        return _compiled_arrays([net.arrays()], word, precision, activations)
    members = [member.arrays() for member in net.nets]
    return _compiled_arrays(members, word, precision, activations, mean=net.mean)


def _compiled_arrays(
    nets: Sequence[UNetArrays],
    word: str,
    precision: str,
    activations: Sequence[float] | None,
    *,
    mean: "Callable[[list[Tensor]], Tensor] | None" = None,
    streams: int = 1,
) -> Runtime:
    """Networks in another runtime than torch, after a comparison with numpy.

    With their `mean` they are one network.
    """
    is_openvino = word == "openvino"
    precision = _openvino_precision(precision, activations) if is_openvino else "float32"
    name = cast(RuntimeRecord, f"{word} {precision}")
    members = [_compile(net, word, precision, activations, streams) for net in nets]
    multiple = max(net.multiple for net in nets)
    computes = [_of_any_size(member, multiple) for member in members]
    check_equal(nets[0], 2 * multiple, lambda batch: [computes[0](batch)], precision)
    computes = [_with_remedy(compute, name) for compute in computes]

    def run(batch: "Tensor") -> "Tensor":
        import torch

        array = batch.contiguous().numpy()
        outputs = [torch.from_numpy(compute(array)) for compute in computes]
        return outputs[0] if mean is None else mean(outputs)

    def release() -> None:
        for member in members:
            member.release()

    in_streams = None
    if is_openvino and thread_count() >= STREAMS > streams:
        in_streams = partial(
            _compiled_arrays, nets, word, precision, activations, mean=mean, streams=STREAMS
        )
    compute = computes[0] if mean is None else None
    return Runtime(
        name, run, release=release, compute=compute, in_streams=in_streams, streams=streams
    )


def _compiled_scorer(net: BurstArrays, word: str) -> Runtime:
    """A network that scores frames in another runtime than torch, after the same comparison."""
    name = cast(RuntimeRecord, f"{word} float32")
    compiled = []
    for part in (FeatureGraph(net), ScoreGraph(net)):
        member = _compile(part, word, "float32", None)
        check_equal(part, 2 * MULTIPLE, member.outputs, "float32")
        compiled.append(member)

    def run(batch: "Tensor") -> "Tensor":
        raise ValueError("a network that scores frames has no logits: use Runtime.scorer")

    def release() -> None:
        for member in compiled:
            member.release()

    of_features, of_scores = (_with_remedy(member.outputs, name) for member in compiled)
    return Runtime(name, run, release=release, scorer=ArrayScorer(net, of_features, of_scores))


def _compile(
    net: Graph, word: str, precision: str, activations: Sequence[float] | None, streams: int = 1
) -> CompiledNetwork | CompiledOnnx:
    if word == "openvino":
        check_openvino()
        return compile_openvino(net, precision, activations or (), streams)
    check_onnx()
    return compile_onnx(net)


def _openvino_precision(precision: str, activations: Sequence[float] | None) -> str:
    """The precision that was asked for, or the fastest one for a model with these ranges.

    Raises
    ------
    RuntimeError
        The processor or the model does not have it.
    """
    if not precision and activations and has_int8():
        return "int8"
    best = choose_openvino_precision()
    if precision == "bfloat16" != best:
        raise RuntimeError("this processor does not compute in bfloat16")
    if precision == "int8" and not activations:
        raise RuntimeError("the model has no ranges for int8")
    return precision or best


def _of_any_size(compute: _Compute, multiple: int) -> _Compute:
    """The same function for images of any size; they are padded by reflection, and cropped."""

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = batch
        for axis, length in enumerate(batch.shape[2:], start=2):
            if length % multiple:
                period = max(2 * (length - 1), 1)
                index = np.arange(length + -length % multiple) % period
                padded = padded.take(np.minimum(index, period - index), axis)
        part = (slice(length) for length in batch.shape[2:])
        return compute(np.ascontiguousarray(padded))[(slice(None), slice(None), *part)]

    return run


def _with_remedy(
    compute: Callable[..., Any], name: str, remedy: str = "choose runtime torch"
) -> Callable[..., Any]:
    """The same function; memory that runs out is a MemoryError, another error a ValueError."""

    def run_or_explain(batch: Any, *others: Any) -> Any:
        try:
            return compute(batch, *others)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(first_line(error)) from error
            raise ValueError(
                f"runtime {name} cannot compute {tuple(batch.shape)} ({_reason(error)}): {remedy}"
            ) from error

    return run_or_explain


def _reason(error: Exception) -> str:
    """The first line of an error that says why: OpenVINO begins with places in its source."""
    lines = str(error).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("Exception from "))
    return first_line(RuntimeError(text) if text else error)


def _fault(word: str, error: Exception) -> tuple[str, str]:
    """Why a runtime cannot be used, and what to do about it, if anything."""
    if isinstance(error, ImportError):
        return f"is not available ({first_line(error)})", f"{_INSTALL[word]}, or "
    return f"cannot compute this network here ({_reason(error)})", ""


def _hint(error: Exception) -> str:
    """What OpenVINO would bring, or why it cannot be used."""
    if isinstance(error, ModuleNotFoundError):
        return f"OpenVINO takes about 60 % of the time on a CPU: {_INSTALL['openvino']}"
    reason, remedy = _fault("openvino", error)
    return f"openvino {reason}{': ' * bool(remedy)}{remedy.removesuffix(', or ')}"
