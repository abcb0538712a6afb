"""The U-Net of the thesis' Table 1, in any dimension; see `UNet`."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seamwise.nets.graph import UNetArrays, fold_weights

Norm = Literal["none", "batch", "instance"]

_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_NORM: dict[str, dict[int, Callable[[int], nn.Module]]] = {
    "batch": {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
    "instance": {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
}
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


class UNet(nn.Module):
    """U-Net: image `(N, in_channels, *S)` → logits `(N, out_channels, *S)`, for any size S.

    On each of `depth` + 1 levels two 3^d convolutions (padding 1), each followed by ReLU; between
    levels max-pooling by 2 on the way down, nearest-neighbour upsampling by 2 (no convolution) and
    concatenation with the level's features on the way up; a 1^d convolution at the end. Level l has
    `width`·2^l feature maps. Weights are drawn from Xavier's normal distribution, biases are 0.

    Parameters
    ----------
    in_channels, out_channels : int
    ndim : {1, 2, 3}
        Number of spatial axes.
    width : int
        Feature maps of the first level; 64 in the thesis. Cost grows with width², memory with
        width.
    depth : int
        Number of poolings; 4 in the thesis.
    norm : {"none", "batch", "instance"}
        Normalisation between convolution and ReLU; the thesis has none. A normalised convolution
        has no bias of its own. "instance" takes statistics from whatever the network sees: cut an
        image into tiles and the result depends on them.

    Notes
    -----
    `UNet(3, 4)` has exactly 31,379,140 parameters, the total of the thesis' Table 1 (its last row,
    the 1×1 convolution to four classes, is missing in print but counted in the total). Sizes that
    are not multiples of 2^depth are padded at their end by reflection and cropped back; this works
    down to a single pixel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        ndim: int = 2,
        width: int = 64,
        depth: int = 4,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        if ndim not in _CONV:
            raise ValueError(f"ndim must be 1, 2 or 3, not {ndim}")
        if norm not in ("none", *_NORM):
            raise ValueError(f"norm must be one of none, {', '.join(_NORM)}, not {norm!r}")
        if min(in_channels, out_channels, width) < 1 or depth < 0:
            raise ValueError(
                "in_channels, out_channels and width must be at least 1 and depth at least 0, "
                f"not {in_channels}, {out_channels}, {width} and {depth}"
            )
        self.in_channels, self.ndim, self.depth = in_channels, ndim, depth
        widths = [width * 2**level for level in range(depth + 1)]
        inputs = [in_channels, *widths]
        self.down = nn.ModuleList(
            _level(i, w, ndim, norm) for i, w in zip(inputs, widths, strict=False)
        )
        self.up = nn.ModuleList(
            _level(lower + skip, skip, ndim, norm)
            for lower, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = _CONV[ndim](width, out_channels, 1)
        self.pool = _POOL[ndim](2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.apply(_initialise)

    @property
    def multiple(self) -> int:
        """Sizes that are multiples of this need no padding: 2^depth."""
        return 1 << self.depth

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits `(N, out_channels, *S)` of `image` `(N, in_channels, *S)`."""
        if image.ndim != self.ndim + 2 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"image must be (N, {self.in_channels}, {self.ndim} spatial axes), "
                f"not {tuple(image.shape)}"
            )
        size = image.shape[2:]
        features = pad_to_multiple(image, self.multiple)
        skips: list[Tensor] = []
        for level in self.down[:-1]:
            skips.append(level(features))
            features = self.pool(skips[-1])
        features = self.down[-1](features)
        for level in self.up:
            features = level(torch.cat([self.upsample(features), skips.pop()], 1))
        logits: Tensor = self.head(features)
        for axis, length in enumerate(size, start=2):
            logits = logits.narrow(axis, 0, length)
        return logits

    def arrays(self) -> UNetArrays:
        """Return what the network computes with as arrays, its batch norms folded."""
        weights = {name: tensor.float().cpu().numpy() for name, tensor in self.state_dict().items()}
        has_instance_norms = any(isinstance(layer, _INSTANCE_NORMS) for layer in self.modules())
        return fold_weights(weights, depth=self.depth, has_instance_norms=has_instance_norms)

    def fold_norms(self) -> "UNet":
        """Fold each batch norm into the convolution before it, in place: equal outputs, faster.

        For inference only; does nothing for other norms.
        """
        self.eval()
        for level in cast(Iterable[nn.Sequential], (*self.down, *self.up)):
            layers = list(level)
            for i, (layer, following) in enumerate(pairwise(layers)):
                if isinstance(layer, CONVOLUTIONS) and isinstance(following, _BATCH_NORMS):
                    level[i] = fuse_conv_bn_eval(layer, following)
                    level[i + 1] = nn.Identity()
        return self


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad the spatial axes of `(N, C, *S)` at their end by reflection to the next multiple.

    Unlike `torch.nn.functional.pad`, the padding may exceed the image: reflection goes back and
    forth.
    """
    for axis in range(2, image.ndim):
        length = image.shape[axis]
        padding = -length % multiple
        if padding:
            period = max(2 * (length - 1), 1)
            index = torch.arange(length + padding, device=image.device) % period
            image = image.index_select(axis, torch.minimum(index, period - index))
    return image


def _level(in_channels: int, out_channels: int, ndim: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers.append(_CONV[ndim](channels, out_channels, 3, padding=1, bias=norm == "none"))
        if norm != "none":
            layers.append(_NORM[norm][ndim](out_channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, CONVOLUTIONS):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
