"""What computes a network: torch, OpenVINO or ONNX Runtime; see `choose_runtime`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.memory import is_out_of_memory
from seamwise.engine.onnx import check_onnx, compile_onnx, runtime_errors
from seamwise.engine.openvino import (
    CompiledNetwork,
    check_openvino,
    choose_openvino_precision,
    compile_openvino,
    has_int8,
)
from seamwise.engine.softmax import take_softmax
from seamwise.io.errors import first_line
from seamwise.io.models import model_path
from seamwise.io.provenance import file_sha256
from seamwise.nets.graph import ArrayOperations, UNetArrays, build_graph
from seamwise.words import AnyRuntime, RuntimeRecord, check_runtime

if TYPE_CHECKING:  # torch takes seconds to import, and the other runtimes do without it
    import torch
    from torch import Tensor

    from seamwise.nets import Average, UNet
    from seamwise.nets.average import Network
    from seamwise.nets.onnx import OnnxNetwork

_INSTALL = {
    "openvino": 'pip install "seamwise[fast]"',
    "onnx": 'pip install "seamwise[onnx]"',
}
# of the largest logit of a small image
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "int8": 0.2}
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
    """

    name: RuntimeRecord
    run: "Callable[[Tensor], Tensor]"
    note: str = ""
    release: Callable[[], None] = lambda: None
    compute: _Compute | None = None

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
            take_softmax(maps[:, :classes])
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
        Ready to predict, with folded norms, on the device. torch alone computes a `BurstNet`.
    device : torch.device
    runtime : {"auto", "torch", "openvino", "onnx"} or the `Runtime.name` of an earlier result
        "auto" takes OpenVINO if it is installed, works on this processor and the device is the CPU;
        otherwise torch. OpenVINO computes in 8-bit integers if there are `activations`,
        otherwise in bfloat16 if the processor does, else in float32; ONNX Runtime in float32.
    activations : sequence of float, optional
        Largest number that each convolution reads, see `ModelInfo`.

    Raises
    ------
    ValueError
        `runtime` is another word; one that was named is not installed, is too old or cannot compute
        this network here; the device is not the CPU.
    """
    from seamwise.nets import BurstNet
    from seamwise.nets.onnx import OnnxNetwork

    check_runtime(runtime)
    word, _, precision = runtime.partition(" ")
    if isinstance(net, OnnxNetwork):
        return _onnx_network(net, word, device)
    if word == "torch" or (word == "auto" and isinstance(net, BurstNet)):
        return torch_runtime(net, device)
    if isinstance(net, BurstNet):
        raise ValueError(
            f"runtime {word} does not compute networks that score all frames: choose runtime torch"
        )
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
    net: UNetArrays, runtime: str, activations: Sequence[float] | None = None
) -> Runtime | None:
    """Return what computes a network on the CPU, without torch.

    None if nothing but torch does: `choose_runtime` then says why. The arguments are its own.
    """
    word, _, precision = runtime.partition(" ")
    try:
        return _compiled_arrays(
            [net], "openvino" if word == "auto" else word, precision, activations
        )
    except MemoryError:
        raise
    except Exception:  # as in `choose_runtime`
        return None


def torch_runtime(net: "Network", device: "torch.device") -> Runtime:
    """Return a network as torch computes it, in the precision of its weights."""
    import torch

    from seamwise.engine.devices import memory_format

    @torch.inference_mode()
    def run(batch: "Tensor") -> "Tensor":
        dtype = next((weight.dtype for weight in net.parameters()), torch.float32)
        logits: Tensor = net(batch.to(device, dtype, memory_format=memory_format(net.ndim)))
        return logits.float()

    return Runtime("torch", run)


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


def kept_runtime(
    runtime: AnyRuntime, record: Mapping[str, Any] | None, *, model: str | Path
) -> AnyRuntime:
    """Return the runtime for results that have a record: "auto" is that of the record.

    A record of another model file, or with a word that is not a runtime, decides nothing: who
    compares it with the present options refuses its results. Records of version 0.1.0 have no
    runtime: it was torch.
    """
    if runtime != "auto" or record is None:
        return runtime
    try:
        is_same_model = record.get("model_sha256") == file_sha256(model_path(model))
    except OSError:  # reported where the model is loaded
        return runtime
    recorded: Any = record.get("runtime", "torch")
    is_known = recorded in get_args(RuntimeRecord)
    return cast(RuntimeRecord, recorded) if is_same_model and is_known else runtime


@contextmanager
def runtime_of_record(place: Path, runtime: AnyRuntime, *, asked: AnyRuntime) -> Iterator[None]:
    """Explain the error of a runtime that a record has named, not the user who `asked` for "auto".

    Raises
    ------
    ValueError
        The block could not get the runtime for the results in `place`.
    """
    try:
        yield
    except ValueError as error:
        if runtime == asked or not str(error).startswith("runtime "):
            raise
        reason = str(error).rpartition(":")[0]
        raise ValueError(
            f"{place} holds results made with runtime {runtime}, which cannot be used here "
            f"({reason}): write to another folder, or --overwrite all of them"
        ) from error


def _choose(
    net: "UNet | Average", device: "torch.device", activations: Sequence[float] | None
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
    net: "UNet | Average", word: str, precision: str, activations: Sequence[float] | None
) -> Runtime:
    from seamwise.nets import UNet

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
) -> Runtime:
    """Networks in another runtime than torch, after a comparison with numpy.

    With their `mean` they are one network.
    """
    members: Sequence[_Compute]
    if word == "openvino":
        check_openvino()
        precision = _openvino_precision(precision, activations)
        name = cast(RuntimeRecord, f"openvino {precision}")
        members = [compile_openvino(net, precision, activations or ()) for net in nets]
    else:
        check_onnx()
        name, precision = "onnx float32", "float32"
        members = [compile_onnx(net) for net in nets]
    multiple = max(net.multiple for net in nets)
    computes = [_of_any_size(member, multiple) for member in members]
    _check_equal(nets[0], computes[0], _TOLERANCE[precision])
    computes = [_with_remedy(compute, name) for compute in computes]

    def run(batch: "Tensor") -> "Tensor":
        import torch

        array = batch.contiguous().numpy()
        outputs = [torch.from_numpy(compute(array)) for compute in computes]
        return outputs[0] if mean is None else mean(outputs)

    def release() -> None:
        for member in members:
            if isinstance(member, CompiledNetwork):
                member.release()

    return Runtime(name, run, release=release, compute=computes[0] if mean is None else None)


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
    compute: Callable[[Any], Any], name: str, remedy: str = "choose runtime torch"
) -> Callable[[Any], Any]:
    """The same function; memory that runs out is a MemoryError, another error a ValueError."""

    def run_or_explain(batch: Any) -> Any:
        try:
            return compute(batch)
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


def _check_equal(net: UNetArrays, compute: _Compute, tolerance: float) -> None:
    """Raise RuntimeError if the logits of a small image are not those of numpy."""
    side = 2 * net.multiple
    shape = (1, net.in_channels, *(side,) * net.ndim)
    image = np.linspace(-1, 1, side**net.ndim * net.in_channels, dtype=np.float32).reshape(shape)
    expected = build_graph(net, ArrayOperations(), image)
    difference = np.abs(compute(image) - expected).max()
    if not difference <= tolerance * (1 + np.abs(expected).max()):
        raise RuntimeError(f"its numbers are wrong by {difference:.2g}")


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
