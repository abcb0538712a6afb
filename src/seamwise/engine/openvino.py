"""Networks computed by OpenVINO on a CPU; see `compile_openvino`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.metadata import version
from inspect import getfile
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.compile_cache import cache_key, from_cache
from seamwise.engine.processor import has_bfloat16, thread_count
from seamwise.nets import graph
from seamwise.nets.graph import Graph

OLDEST_VERSION = (2025, 0)

_TELEMETRY = "openvino_telemetry"
_import_lock, _core_lock = Lock(), Lock()


def choose_openvino_precision() -> str:
    """Return "bfloat16" if the processor computes in it and OpenVINO uses it, else "float32"."""
    return "bfloat16" if "BF16" in _capabilities() and has_bfloat16() else "float32"


def has_int8() -> bool:
    """Return whether OpenVINO computes in 8-bit integers on this processor."""
    return "INT8" in _capabilities()


def _capabilities() -> list[str]:
    words: list[str] = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return words


def compile_openvino(
    net: Graph, precision: str, activations: Sequence[float] = (), streams: int = 1
) -> "CompiledNetwork":
    """Return a function of float32 arrays `(N, C, *S)`, of sizes that the network takes.

    `precision` "int8" needs `activations`, the largest number that each convolution reads; what is
    not in integers then is in bfloat16, if the processor computes in it. The network uses as many
    threads as torch does now. Threads may call it at the same time: `streams` calls are computed
    at once, each with its share of the threads, the others wait. Its numbers do not depend on
    `streams`. What was compiled is kept for the next start, see `compile_cache`.

    Raises
    ------
    RuntimeError
        OpenVINO cannot compute the network on this processor.
    """
    rest = choose_openvino_precision() if precision == "int8" else precision
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if rest == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": thread_count(),
        "NUM_STREAMS": streams,
        # several processes would all compute on the first cores
        "ENABLE_CPU_PINNING": False,
    }
    core = _core()

    def compile_model() -> Any:
        return core.compile_model(_model(net, precision, activations), "CPU", hints)

    def read(content: bytes) -> Any:
        return core.import_model(BytesIO(content), "CPU", hints)

    key = _key(net, precision, activations, hints)
    compiled = from_cache(key, compile_model, write=_export, read=read)
    return CompiledNetwork(compiled, streams)


class CompiledNetwork:
    """A network that OpenVINO computes, for arrays `(N, C, *S)` of float32."""

    def __init__(self, compiled: Any, streams: int = 1) -> None:
        self._compiled = compiled
        self._requests: SimpleQueue[Any] = SimpleQueue()  # each holds the memory of one call
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        self._streams, self._release_lock = streams, Lock()

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of a batch."""
        return self.outputs(batch)[0]

    def outputs(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return what a network of several inputs or outputs gives."""
        with self._taken() as request:
            results = request.infer(inputs, share_inputs=True)
            return [results[number] for number in range(len(results))]

    def release(self) -> None:
        """Give back the memory that it keeps from one call for the next, if OpenVINO can."""
        with self._release_lock, ExitStack() as stack:
            for _ in range(self._streams):
                stack.enter_context(self._taken())
            self._compiled.release_memory()

    @contextmanager
    def _taken(self) -> Iterator[Any]:
        request = self._requests.get()
        try:
            yield request
        finally:
            self._requests.put(request)


def _model(net: Graph, precision: str, activations: Sequence[float]) -> Any:
    """The network as a model of OpenVINO, for images of any size."""
    openvino = _import()
    inputs = [
        openvino.opset13.parameter([-1, channels, *(-1,) * net.ndim], np.float32)
        for channels in net.channels
    ]
    operations = _Operations(openvino.opset13, net.ndim)
    if precision == "int8":
        operations = _Int8Operations(openvino.opset13, net.ndim, activations)
    return openvino.Model(net.build(operations, inputs), inputs, "net")


def _export(compiled: Any) -> bytes:
    content: bytes = compiled.export_model().getvalue()
    return content


def _key(net: Graph, precision: str, activations: Sequence[float], hints: object) -> str:
    """Name of a compiled network: all that decides it, the code that builds it among them."""
    processor = _core().get_property("CPU", "FULL_DEVICE_NAME")
    facts = (
        version("openvino"), processor, precision, tuple(activations), hints, net.channels,
        net.description,
    )  # fmt: skip
    weights = (array.tobytes() for array in net.arrays)
    files = __file__, graph.__file__, getfile(type(net))
    sources = (Path(name).read_bytes() for name in files)
    return cache_key(repr(facts).encode(), *sources, *weights)


def check_openvino() -> None:
    """Raise ImportError unless OpenVINO can be imported and is not too old."""
    _import()
    if tuple(int(part) for part in version("openvino").split(".")[:2]) < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise ImportError(f"openvino {version('openvino')} is too old, {oldest} is needed")


def _import() -> Any:
    """Import OpenVINO, which sends statistics on import unless its telemetry is missing."""
    with _import_lock, _without_telemetry():
        import openvino
        import openvino.opset13
    return openvino


def _core() -> Any:
    with _core_lock:
        return _only_core()


@cache
def _only_core() -> Any:
    """Return OpenVINO's entry, made once for the process and never freed.

    Each one gives its thread a stack for signals. Two that are freed in the order in which they
    were made leave a stack that is gone: the next signal, that of a child which ends for example,
    would kill the process.
    """
    return _import().Core()


@contextmanager
def _without_telemetry() -> Iterator[None]:
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # an import of it fails
    try:
        yield
    finally:
        sys.modules.pop(_TELEMETRY, None)


class _Operations:
    """The operations of a network in an opset of OpenVINO."""

    def __init__(self, opset: Any, ndim: int) -> None:
        self._opset, self._ndim = opset, ndim

    def convolution(
        self, x: Any, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> Any:
        """Convolve with stride 1, padded with zeros to the same size."""
        # as a bare array it would become a list of numbers, which is slow
        return self._convolve(x, self._opset.constant(weight), bias)

    def _convolve(
        self, x: Any, kernel: Any, bias: NDArray[np.float32] | None, *, has_margin: bool = True
    ) -> Any:
        sides, ones = list(kernel.shape)[2:], [1] * self._ndim
        around = [side // 2 if has_margin else 0 for side in sides]
        result = self._opset.convolution(x, kernel, ones, around, around, ones)
        if bias is None:
            return result
        return self._opset.add(result, self._opset.constant(bias.reshape(1, -1, *ones)))

    def relu(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return self._opset.relu(x)

    def pool(self, x: Any) -> Any:
        """Return the largest of each 2^d pixels."""
        ones, zeros, twos = ([number] * self._ndim for number in (1, 0, 2))
        return self._opset.max_pool(x, twos, ones, zeros, zeros, twos).output(0)

    def upsample(self, x: Any) -> Any:
        """Repeat each pixel 2^d times."""
        return self._opset.interpolate(
            x,
            np.full(self._ndim, 2, np.float32),
            mode="nearest",
            shape_calculation_mode="scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=np.arange(2, 2 + self._ndim),
        )

    def concatenate(self, parts: Sequence[Any]) -> Any:
        """Join feature maps."""
        return self._opset.concat(list(parts), 1)

    def instance_norm(self, x: Any, *, eps: float) -> Any:
        """Return (x − mean) / √(variance + eps) of each feature map of each image."""
        axes = np.arange(2, 2 + self._ndim)
        return self._opset.mvn(x, axes, True, eps, "inside_sqrt")

    def pad(self, x: Any, radius: int) -> Any:
        """Repeat the pixels at the border, so many times."""
        around = np.array([0, 0, *[radius] * self._ndim])
        return self._opset.pad(x, around, around, "edge")

    def inner_convolution(
        self, x: Any, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> Any:
        """Convolve with stride 1 where the whole kernel lies in the image."""
        return self._convolve(x, self._opset.constant(weight), bias, has_margin=False)

    def mean_pool(self, x: Any, side: int, stride: int) -> Any:
        """Return means of squares of a side, so many pixels apart."""
        strides, zeros, sides = ([number] * self._ndim for number in (stride, 0, side))
        return self._opset.avg_pool(x, strides, zeros, zeros, sides, True)

    def unshuffle(self, x: Any) -> Any:
        """Return the pixels of each 2×2 block of one feature map as four maps, row by row."""
        return self._opset.space_to_depth(x, "blocks_first", 2)

    def enlarge(self, x: Any) -> Any:
        """Return 2D maps in twice the size, linear between the centres of pixels."""
        return self._opset.interpolate(
            x,
            np.full(2, 2, np.float32),
            mode="linear_onnx",
            shape_calculation_mode="scales",
            coordinate_transformation_mode="half_pixel",
            axes=np.array([2, 3]),
        )

    def absolute(self, x: Any) -> Any:
        """Return |x|."""
        return self._opset.abs(x)

    def plus(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return self._opset.add(x, y)


class _Int8Operations(_Operations):
    """The same with convolutions of 8-bit integers::

        x → round(255·min(x, a)/a),   w → round(127·w/max |w|)

    with a from `activations` (what a convolution reads is never negative, after a ReLU), and the
    maximum over the weights of an output channel. The first two convolutions and the last two
    read or write the full resolution's first and last maps: there rounding costs most, and
    they stay in bfloat16 or float32.
    """

    def __init__(self, opset: Any, ndim: int, activations: Sequence[float]) -> None:
        super().__init__(opset, ndim)
        self._remaining = [0.0, 0.0, *activations[2:-2], 0.0, 0.0]

    def convolution(
        self, x: Any, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> Any:
        """Convolve with stride 1, padded with zeros to the same size."""
        largest = self._remaining.pop(0)
        if not largest:
            return super().convolution(x, weight, bias)
        ends = [self._opset.constant(np.float32(end)) for end in (0, largest)]
        x = self._opset.fake_quantize(x, *ends, *ends, 256)
        highest = np.abs(weight).max(tuple(range(1, weight.ndim)), keepdims=True)
        ends = [self._opset.constant(end) for end in (-highest, highest)]
        kernel = self._opset.fake_quantize(self._opset.constant(weight), *ends, *ends, 255)
        return self._convolve(x, kernel, bias)
