"""Networks as ONNX: computed on a CPU, `compile_onnx`; for other programs, `export_model`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.onnx_normalization import normalize
from seamwise.engine.processor import thread_count
from seamwise.io.errors import first_line
from seamwise.io.models import NormalizationRule
from seamwise.nets.graph import Graph, UNetArrays, build_graph

OUTPUT = "probabilities"
"""Name of the output of an exported model."""

_OPSET, _IR = 17, 8  # read by every ONNX Runtime since 1.12


def check_onnx() -> None:
    """Raise ImportError unless ONNX Runtime and ONNX can be imported."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401


def compile_onnx(net: Graph) -> "CompiledOnnx":
    """Return a function of float32 arrays `(N, C, *S)`, of sizes that the network takes.

    It uses as many threads as torch does now. Threads may call it at the same time.

    Raises
    ------
    RuntimeError
        ONNX Runtime cannot compute the network on this processor.
    """
    import onnxruntime

    content = onnx_model(net).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    with runtime_errors():
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return CompiledOnnx(session)


class CompiledOnnx:
    """A network that ONNX Runtime computes, for arrays `(N, C, *S)` of float32."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of a batch."""
        return self.outputs(batch)[0]

    def outputs(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return what a network of several inputs or outputs gives."""
        with runtime_errors():
            results: list[NDArray[np.float32]] = self._session.run(
                None, dict(zip(_input_names(len(inputs)), inputs, strict=True))
            )
        return results

    def release(self) -> None:
        """Do nothing: ONNX Runtime keeps its memory."""


@contextmanager
def runtime_errors() -> Iterator[None]:
    """Raise the errors of ONNX Runtime, which have a type of their own each, as RuntimeError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise RuntimeError(first_line(error)) from error


def onnx_model(net: Graph) -> Any:
    """Return a network as an ONNX model, for any size that it takes."""
    from onnx import TensorProto, helper

    operations, names = Operations(net.ndim), _input_names(len(net.channels))
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in net.build(operations, names)
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, *"zyx"[-net.ndim :]])
        for name, channels in zip(names, net.channels, strict=True)
    ]
    graph = helper.make_graph(
        operations.nodes, "net", inputs, outputs, initializer=operations.constants
    )
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=_IR)


def _input_names(count: int) -> list[str]:
    return ["image", *(f"image_{number}" for number in range(1, count))]


def export_model(
    members: Sequence[UNetArrays],
    classes: int,
    metadata: Mapping[str, str],
    rule: NormalizationRule | None = None,
) -> Any:
    """Return a network as an ONNX model that gives probabilities, for other programs.

    Parameters
    ----------
    members : sequence of UNetArrays
        The networks whose probabilities are averaged, or one.
    classes : int
        How many of the output channels are classes. Behind them follow guides as they are.
    metadata : mapping of str to str
        Kept in the file.
    rule : NormalizationRule, optional
        The model then takes whole images as they are, and normalises them itself.

    Returns
    -------
    onnx.ModelProto
        Input ``image`` `(n, C, *S)`, output ``probabilities`` `(n, channels, *S)`. Sizes are
        multiples of `UNetArrays.multiple`.

    Raises
    ------
    NotImplementedError
        The network has a layer that is not among the operations.
    """
    from onnx import TensorProto, helper

    ndim = members[0].ndim
    operations = Operations(ndim)
    channels = members[0].in_channels, members[0].out_channels
    image = "image" if rule is None else normalize("image", rule, operations, ndim)
    logits = [build_graph(one, operations, image) for one in members]
    operations.output([operations.probabilities(one, classes, channels[1]) for one in logits])
    axes = "zyx"[-ndim:]
    inputs, outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count, *axes])
        for name, count in zip(("image", OUTPUT), channels, strict=True)
    )
    graph = helper.make_graph(
        operations.nodes, "seamwise", [inputs], [outputs], initializer=operations.constants
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(
        graph, opset_imports=[opset], ir_version=_IR, producer_name="seamwise"
    )
    helper.set_model_props(model, dict(metadata))
    return model


class Operations:
    """The operations of a network as nodes of an ONNX graph; a node is the name of its output."""

    def __init__(self, ndim: int) -> None:
        self._ndim = ndim
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def convolution(
        self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> str:
        """Convolve with stride 1, padded with zeros to the same size."""
        around = [side // 2 for side in weight.shape[2:]]
        return self._convolve(x, weight, bias, pads=[*around, *around])

    def inner_convolution(
        self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> str:
        """Convolve with stride 1 where the whole kernel lies in the image."""
        return self._convolve(x, weight, bias)

    def _convolve(self, x: str, weight: Any, bias: Any, **attributes: Any) -> str:
        numbers = [weight] if bias is None else [weight, bias]
        return self.add("Conv", x, *map(self.constant, numbers), **attributes)

    def relu(self, x: str) -> str:
        """Return max(x, 0)."""
        return self.add("Relu", x)

    def pool(self, x: str) -> str:
        """Return the largest of each 2^d pixels."""
        twos = [2] * self._ndim
        return self.add("MaxPool", x, kernel_shape=twos, strides=twos)

    def upsample(self, x: str) -> str:
        """Repeat each pixel 2^d times."""
        scales = self.constant(np.array([1, 1, *[2] * self._ndim], np.float32))
        return self.add(
            "Resize",
            x,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def concatenate(self, parts: Sequence[str]) -> str:
        """Join feature maps."""
        return self.add("Concat", *parts, axis=1)

    def instance_norm(self, x: str, *, eps: float) -> str:
        """Return (x − mean) / √(variance + eps) of each feature map of each image."""
        raise NotImplementedError("instance norms are computed by torch and openvino only")

    def pad(self, x: str, radius: int) -> str:
        """Repeat the pixels at the border, so many times."""
        around = [0, 0, *[radius] * self._ndim]
        return self.add("Pad", x, self.constant(np.array([*around, *around])), mode="edge")

    def mean_pool(self, x: str, side: int, stride: int) -> str:
        """Return means of squares of a side, so many pixels apart."""
        sides, strides = [side] * self._ndim, [stride] * self._ndim
        return self.add("AveragePool", x, kernel_shape=sides, strides=strides)

    def unshuffle(self, x: str) -> str:
        """Return the pixels of each 2×2 block of one feature map as four maps, row by row."""
        return self.add("SpaceToDepth", x, blocksize=2)

    def enlarge(self, x: str) -> str:
        """Return 2D maps in twice the size, linear between the centres of pixels."""
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.add(
            "Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
        )

    def absolute(self, x: str) -> str:
        """Return |x|."""
        return self.add("Abs", x)

    def plus(self, x: str, y: str) -> str:
        """Return x + y."""
        return self.add("Add", x, y)

    def probabilities(self, x: str, classes: int, channels: int) -> str:
        """Turn the first channels, which are classes, from logits to probabilities."""
        if classes == channels:
            return self.add("Softmax", x, axis=1)
        start, middle, end, axis = (
            self.constant(np.array([n], np.int64)) for n in (0, classes, channels, 1)
        )
        first = self.add("Softmax", self.add("Slice", x, start, middle, axis), axis=1)
        return self.add("Concat", first, self.add("Slice", x, middle, end, axis), axis=1)

    def output(self, parts: Sequence[str]) -> None:
        """Make the mean of the parts the output of the model."""
        from onnx import helper

        self.nodes.append(helper.make_node("Mean", list(parts), [OUTPUT]))

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node of ONNX; return the name of its first output."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name, *(f"{name}_{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Keep an array in the model."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name
