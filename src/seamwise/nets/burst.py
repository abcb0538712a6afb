"""Which frame of a burst is in focus, whatever their number and order; see `BurstNet`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad, pixel_unshuffle

from seamwise.nets.burst_graph import (
    BANDS,
    COARSE,
    FARTHEST,
    FILTERS,
    FINE,
    FLOOR,
    LEAST,
    MULTIPLE,
    STRONGEST,
    BurstArrays,
    Summary,
    clearness,
    fold_burst,
    head_level,
    level_widths,
    noise_activity,
)

_ROWS = 32  # of maps that go through a layer at once


@dataclass(frozen=True, eq=False)
class Features:
    """What the network sees of a frame.

    Attributes
    ----------
    responses : (N, 12, Y/2, X/2) Tensor
        Local contrast in several directions and two sizes, not negative.
    grey : (N, 1, Y/2, X/2) Tensor
        Brightness.
    """

    responses: Tensor
    grey: Tensor


_Frames = TypeVar("_Frames", Features, Summary[Tensor])


class BurstNet(nn.Module):
    """Scores of each frame of a burst, from features of itself against a summary of all.

    ::

        r_i = ReLU(E * |D * x_i|)                             responses, at half the size
        m = mean_i r_i,    h = max_i r_i                      summary
        s_i = g(log(r_i / h), log(m / h), log(h / mean h), brightness of x_i, of all)

    with D filters without a mean, E others, all without bias, and g a small U-Net. So a frame is
    only compared with the others, and the order of the frames does not matter. A response grows
    with the contrast, and g sees ratios only: a burst that is half as bright, or has a constant
    added to it, gets the same scores. (ε is added before each logarithm.)

    Where no frame shows more than noise, the scores of the two finest bands are 0, so that all
    count alike and their noise is averaged: they are multiplied by ::

        c = clip((max_i A_i / N − 1.15) / 0.45, 0, 1),   c²·(3 − 2c)

    with A_i the `activity` of a frame and N that of noise (`noise_activity`).

    The scores `forward` returns, one `(N, n, 1, …)` tensor for each of the four bands, are at half
    the size for the first two, at a quarter and at an eighth: a softmax over the frames makes
    weights of them. `features`, `summarise` and `scores` do the same frame by frame, in a memory
    that does not grow with their number.

    Parameters
    ----------
    width : int
        Feature maps of g at half the size; further down 3/2 and 2 times as many. Even.

    Notes
    -----
    Source: ours. A function of a set from features of each member and their mean and maximum is
    that of Zaheer et al. 2017, "Deep sets", arXiv:1703.06114. 87,000 parameters at a width of 16.

    Examples
    --------
    >>> net = BurstNet(width=4).requires_grad_(False)
    >>> burst = torch.rand(1, 3, 1, 16, 32)
    >>> [tuple(scores.shape) for scores in net(burst)]
    [(1, 3, 1, 8, 16), (1, 3, 1, 8, 16), (1, 3, 1, 4, 8), (1, 3, 1, 2, 4)]
    >>> torch.allclose(net(burst.flip(1))[0], net(burst)[0].flip(1), atol=1e-5)
    True
    """

    ndim = 2
    multiple = MULTIPLE

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"width must be even and at least 2, not {width}: try 16")
        self.fine = nn.Conv2d(4, FILTERS, 3, bias=False)
        self.fine_energy = nn.Conv2d(FILTERS, FINE, 3, bias=False)
        self.coarse = nn.Conv2d(1, FILTERS, 3, bias=False)
        self.coarse_energy = nn.Conv2d(FILTERS, COARSE, 3, bias=False)
        widths = level_widths(width)
        self.compare = nn.Conv2d(3 * (FINE + COARSE) + 3, width, 1)
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(below, above), nn.ReLU(), *_second(above, number > 0))
            for number, (below, above) in enumerate(zip([width, *widths], widths, strict=False))
        )
        self.up = nn.ModuleList(
            _convolution(above + below, below)
            for above, below in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        of_heads = (widths[head_level(band)] for band in range(BANDS))
        self.heads = nn.ModuleList(nn.Conv2d(features, 1, 1) for features in of_heads)
        self.apply(_initialise)

    def forward(self, burst: Tensor) -> tuple[Tensor, ...]:
        """Score all frames of bursts `(N, n, 1, Y, X)` of grey pictures at once."""
        count = burst.shape[1]
        each = self.features(burst.flatten(0, 1))
        frames = zip(_of_frames(each.responses, count), _of_frames(each.grey, count), strict=True)
        summary = summarise([Features(*frame) for frame in frames])
        repeated = Summary(*(x.repeat_interleave(count, 0) for x in vars(summary).values()))
        return tuple(
            scores.reshape(-1, count, *scores.shape[1:]) for scores in self.scores(each, repeated)
        )

    def features(self, grey: Tensor) -> Features:
        """Return the features of frames `(N, 1, Y, X)`, with sides that are multiples of 16."""
        parts = pixel_unshuffle(grey, 2)
        half = parts.mean(1, keepdim=True)
        fine = _energy(parts, self.fine, self.fine_energy)
        coarse = _energy(avg_pool2d(half, 2), self.coarse, self.coarse_energy)
        coarse = interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return Features(torch.cat([fine, coarse], 1), half)

    def scores(self, frame: Features, burst: Summary[Tensor]) -> list[Tensor]:
        """Score frames against the summary of their bursts: `(N, 1, …)` for each band."""
        x = self._compared(frame, burst)
        skips = []
        for number, level in enumerate(self.down):
            x = level(avg_pool2d(x, 2)) if number else _first_level(level, x)
            skips.append(x)
        outputs = [skips.pop()]
        for level in self.up:
            x = _joined(level, x, skips.pop())
            outputs.insert(0, x)
        scores = [head(outputs[head_level(band)]) for band, head in enumerate(self.heads)]
        finest, fine, *coarse = [STRONGEST * torch.tanh(score / STRONGEST) for score in scores]
        share = clearness(burst.clearest, burst.noise)
        return [finest * share, fine * share, *coarse]

    def _compared(self, frame: Features, burst: Summary[Tensor]) -> Tensor:
        if torch.is_grad_enabled():
            return self._compared_at_once(frame, burst)
        # row by row the many intermediate results fit into a cache
        parts = []
        for first in range(0, frame.grey.shape[2], _ROWS):
            rows = slice(first, first + _ROWS)
            parts.append(self._compared_at_once(_rows_of(frame, rows), _rows_of(burst, rows)))
        return torch.cat(parts, 2)

    def _compared_at_once(self, frame: Features, burst: Summary[Tensor]) -> Tensor:
        comparison = _comparison(frame, burst).clamp(-FARTHEST, FARTHEST)
        return cast(Tensor, self.compare(comparison).relu())

    def arrays(self) -> BurstArrays:
        """Return what other runtimes than torch compute with."""
        return fold_burst({name: x.numpy(force=True) for name, x in self.state_dict().items()})

    def fold_norms(self) -> Self:
        """Return the network, ready to predict: it has no norms."""
        return self.eval()


def summarise(frames: Sequence[Features]) -> Summary[Tensor]:
    """Return what all frames of bursts have in common."""
    responses = torch.stack([frame.responses for frame in frames])
    grey = torch.stack([frame.grey for frame in frames])
    activities = torch.stack([activity(frame) for frame in frames])
    mean, mean_grey, axes = responses.mean(0), grey.mean(0), (1, 2, 3)
    level = mean_grey.mean(axes, keepdim=True)
    variance = grey.square().mean(0).mean(axes, keepdim=True) - level.square()
    return Summary(
        mean=mean,
        highest=responses.amax(0),
        mean_grey=mean_grey,
        highest_grey=grey.amax(0),
        clearest=activities.amax(0),
        strength=mean.mean(axes, keepdim=True),
        level=level,
        spread=variance.clamp_min(0).sqrt(),
        noise=_noise(activities.mean(0), activities.amin(0)),
    )


def activity(frame: Features) -> Tensor:
    """Return how much there is of fine details and noise, `(N, 1, Y/2, X/2)`.

    It is the mean of the eight fine responses over 5×5 pixels.
    """
    response = frame.responses[:, :FINE].mean(1, keepdim=True)
    return avg_pool2d(pad(response, (2, 2, 2, 2), mode="replicate"), 5, 1)


def _noise(mean: Tensor, least: Tensor) -> Tensor:
    """`noise_activity`, which has no slopes."""
    maps = (x.detach().float().cpu().numpy() for x in (mean, least))
    return torch.from_numpy(noise_activity(*maps)).to(mean)


def _of_frames(x: Tensor, count: int) -> tuple[Tensor, ...]:
    """`(N·n, …)` → n tensors `(N, …)`."""
    return x.reshape(-1, count, *x.shape[1:]).unbind(1)


def _comparison(frame: Features, burst: Summary[Tensor]) -> Tensor:
    floor = FLOOR * burst.strength + LEAST
    highest, spread = burst.highest + floor, burst.spread + LEAST
    return torch.cat(
        [
            torch.log((frame.responses + floor) / highest),
            torch.log((burst.mean + floor) / highest),
            torch.log(highest / (burst.strength + LEAST)),
            (frame.grey - burst.level) / spread,
            (frame.grey - burst.mean_grey) / spread,
            (burst.highest_grey - burst.mean_grey) / spread,
        ],
        1,
    )


def _first_level(level: nn.Module, x: Tensor) -> Tensor:
    """A convolution and ReLU."""
    if torch.is_grad_enabled():
        return cast(Tensor, level(x))
    convolution, _ = cast(nn.Sequential, level)
    return _by_rows(convolution, x.shape[2], lambda first, end: x[:, :, first:end])


def _joined(level: nn.Module, coarse: Tensor, skip: Tensor) -> Tensor:
    """A convolution over maps of half the size and those next to them, and ReLU."""

    def rows(first: int, end: int) -> Tensor:
        large = interpolate(coarse[:, :, first // 2 : -(-end // 2)], scale_factor=2, mode="nearest")
        large = large[:, :, first % 2 :][:, :, : end - first]
        return torch.cat([large, skip[:, :, first:end]], 1)

    if torch.is_grad_enabled():
        return cast(Tensor, level(rows(0, skip.shape[2])).relu())
    return _by_rows(level, skip.shape[2], rows)


def _by_rows(layer: nn.Module, height: int, rows: Callable[[int, int], Tensor]) -> Tensor:
    """A convolution of 3×3 and ReLU, some rows after the other, so that copies are small."""
    weight, bias = cast(nn.Conv2d, layer).weight, cast(nn.Conv2d, layer).bias
    parts = []
    for first in range(0, height, _ROWS):
        end = min(first + _ROWS, height)
        inside = rows(max(first - 1, 0), min(end + 1, height))
        edges = (1, 1, int(first == 0), int(end == height))
        wide = pad(inside, edges, mode="replicate")
        parts.append(conv2d(wide, weight, bias).relu_())
    return torch.cat(parts, 2) if len(parts) > 1 else parts[0]


def _rows_of(x: _Frames, rows: slice) -> _Frames:
    """Rows of every map; numbers of whole pictures stay."""
    maps = {name: value for name, value in vars(x).items() if value.shape[2] > 1}
    return replace(x, **{name: value[:, :, rows] for name, value in maps.items()})


def _energy(x: Tensor, filters: nn.Conv2d, energy: nn.Conv2d) -> Tensor:
    weight = filters.weight - filters.weight.mean((1, 2, 3), keepdim=True)
    edges = conv2d(pad(x, (1, 1, 1, 1), mode="replicate"), weight).abs()
    return cast(Tensor, energy(pad(edges, (1, 1, 1, 1), mode="replicate")).relu())


def _second(width: int, is_present: bool) -> list[nn.Module]:
    return [_convolution(width, width), nn.ReLU()] if is_present else []


def _convolution(below: int, above: int) -> nn.Conv2d:
    return nn.Conv2d(below, above, 3, padding=1, padding_mode="replicate")


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
