"""A network of another program, as ONNX; see `OnnxNetwork`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seamwise.nets.unet import pad_to_multiple
from seamwise.nets.wrapped import as_logits

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}  # as ONNX Runtime names them


class OnnxNetwork(nn.Module):
    """A network in an ONNX file, computed by ONNX Runtime on the CPU.

    ::

        forward(x) = log p,   p = f(gain · x + offset)

    so that softmax(forward(x)) = p. If f gives logits, forward(x) = f(gain · x + offset). A single
    output is the probability of the foreground; that of
    the background comes before it. Images of other sizes than the network takes are padded at their
    end by reflection, and cropped back.

    Parameters
    ----------
    in_channels : int
    ndim : int
    depth : int
        Sizes are multiples of 2 to the power of it.
    multiple : int, optional
        Sizes are multiples of this instead.
    has_logits : bool
        Whether it gives logits, not probabilities.
    """

    onnx: Tensor
    form: Tensor
    gain: Tensor
    offset: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        ndim: int,
        depth: int,
        multiple: int | None = None,
        has_logits: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.ndim, self.multiple = in_channels, ndim, multiple or 2**depth
        self.has_logits = has_logits
        if has_logits or self.multiple != 2**depth:  # other files do not need it
            self.register_buffer("form", torch.tensor([has_logits, self.multiple]))
        self.register_buffer("onnx", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("gain", torch.ones(in_channels))
        self.register_buffer("offset", torch.zeros(in_channels))
        self._session: Any = None

    @classmethod
    def from_bytes(
        cls,
        content: bytes,
        in_channels: int,
        *,
        ndim: int,
        multiple: int,
        has_logits: bool = False,
    ) -> "OnnxNetwork":
        """Return the network of an ONNX file with this content."""
        net = cls(in_channels, ndim=ndim, depth=0, multiple=multiple, has_logits=has_logits)
        net.onnx = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
        return net

    @property
    def entry_shape(self) -> list[int | str | None]:
        """The shape that it takes, where a free size is a name or None."""
        self.open()
        return list(self._session.get_inputs()[0].shape)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take the file and the numbers; the file has a size of its own.

        Raises
        ------
        RuntimeError
            They do not fit, or `form` is not 0 or 1 and a multiple.
        """
        self.onnx = torch.empty_like(state_dict["onnx"])
        if "form" in state_dict:
            self.has_logits, self.multiple = _read_form(state_dict["form"])
            self.register_buffer("form", state_dict["form"].clone())
        self._session = None
        return super().load_state_dict(state_dict, strict, assign)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logarithm of the probabilities, `(N, classes, *S)` float32.

        Raises
        ------
        Exception
            What ONNX Runtime raises; each of its errors has a type of its own.
        """
        shape = (1, -1) + (1,) * self.ndim
        linear = image.float() * self.gain.reshape(shape) + self.offset.reshape(shape)
        padded = pad_to_multiple(linear.cpu(), self.multiple)
        self.open()
        (entry,) = self._session.get_inputs()
        dtype = _TYPES[entry.type]
        outputs = [
            self._session.run(None, {entry.name: one[np.newaxis].astype(dtype, copy=False)})[0]
            for one in padded.contiguous().numpy()
        ]
        crop = (slice(None), slice(None), *map(slice, image.shape[2:]))
        maps = torch.from_numpy(np.concatenate(outputs).astype(np.float32, copy=False)[crop])
        return as_logits(maps, has_logits=self.has_logits)

    def fold_norms(self) -> "OnnxNetwork":
        """Return the network: its norms are its own affair."""
        return self

    def __deepcopy__(self, memo: Any) -> "OnnxNetwork":
        return self  # nothing of it changes, and its session cannot be copied

    def open(self) -> None:
        """Let ONNX Runtime read the file, once.

        Raises
        ------
        ValueError
            It takes something else than one array of floats.
        Exception
            What ONNX Runtime raises for a file that it cannot read.
        """
        if self._session is not None:
            return
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(
            self.onnx.numpy().tobytes(), options, providers=["CPUExecutionProvider"]
        )
        types = [entry.type for entry in session.get_inputs()]
        if len(types) != 1 or types[0] not in _TYPES:
            raise ValueError(f"it takes {', '.join(types) or 'nothing'}, not one array of floats")
        self._session = session


def _read_form(form: Tensor) -> tuple[bool, int]:
    """Whether a network gives logits, and its multiple, as a file has them."""
    numbers = form.flatten().tolist()
    is_whole = form.shape == (2,) and form.dtype == torch.int64
    if not is_whole or numbers[0] not in (0, 1) or numbers[1] < 1:
        raise RuntimeError(f"form must be 0 or 1 and a multiple of at least 1, not {numbers[:4]}")
    return bool(numbers[0]), int(numbers[1])
