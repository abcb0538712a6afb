"""How a loss changes around a trained network: see `loss_landscape` and `random_direction`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from operator import index
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn


Direction = Mapping[str, "Tensor"]
Loss = Callable[["nn.Module"], "float | Tensor | Mapping[str, float | Tensor]"]


@dataclass(frozen=True, eq=False)
class LossLandscape:
    """What `loss_landscape` found.

    Attributes
    ----------
    coordinates : tuple of (steps,) float64 arrays
        One for each direction: the multiples of it that were added to the parameters.
    values : mapping of str to (steps, …) float64 arrays
        For each loss its value at each point, an axis for each direction; a loss without a name is
        called "loss".
    """

    coordinates: tuple[NDArray[np.float64], ...]
    values: Mapping[str, NDArray[np.float64]]


def random_direction(
    network: "nn.Module", *, rng: int | np.random.Generator
) -> dict[str, "Tensor"]:
    """Draw a direction among a network's parameters, each filter as long as the network's own.

    With w_ij the filter j of layer i, that is the weights of one output, and g_ij as many standard
    normal numbers::

        d_ij = g_ij / ‖g_ij‖ · ‖w_ij‖

    so that a step of 1 changes every filter by as much as it holds, whatever the scale of its
    layer.

    Parameters
    ----------
    network : nn.Module
        Left as it is.
    rng : int or numpy.random.Generator
        The same seed gives the same direction, on any device.

    Returns
    -------
    dict of str to tensor
        For each of `network.named_parameters()` a tensor of its shape, type and device.

    Raises
    ------
    ValueError
        The network has no filters.

    Notes
    -----
    *What stays.* Parameters of one axis, which are biases and the scales and shifts of norms, get
    0, as in the authors' code ("ignore biasbn"): one number is not a filter, its random direction
    would be ± itself, and steps along it would drown the rest. Running statistics are not
    parameters and have no direction. A filter that is 0 gets 0.

    *Scale.* Multiplying a ReLU layer by a and dividing the next by a changes neither the network
    nor its landscape along the directions of one seed. That needs one factor for all filters of the
    layer: another factor for each leaves the network as it is as well, but not the next layer's
    directions, whose filters span all of them.

    *Filters* are the slices along the first axis, as in the authors' code. A transposed convolution
    has its outputs along the second, and the invariance does not hold for it.

    *More than one.* Two random directions of n parameters have an angle whose cosine is about 1/√n:
    they are as good as orthogonal, and are not made so.

    Source: thesis section 5.3.1; Li et al. 2018, arXiv:1712.09913, section 4.

    Examples
    --------
    >>> from torch import nn
    >>> layer = nn.Linear(5, 2)
    >>> direction = random_direction(layer, rng=0)
    >>> bool((direction["weight"].norm(dim=1) / layer.weight.norm(dim=1) - 1).abs().max() < 1e-6)
    True
    >>> direction["bias"].tolist()
    [0.0, 0.0]
    """
    if all(parameter.ndim < 2 for parameter in network.parameters()):
        raise ValueError(
            "network must have parameters of two axes or more, not none: "
            "give one with convolutions or linear layers"
        )
    generator = np.random.default_rng(rng)
    return {
        name: _like_filters(parameter.detach(), generator)
        for name, parameter in network.named_parameters()
    }


def loss_landscape(
    network: "nn.Module",
    loss_of: Loss,
    *,
    directions: Sequence[Direction],
    extent: float = 1.0,
    steps: int = 21,
    batch_statistics: bool = False,
) -> LossLandscape:
    """Losses of a network at the points of a line, a plane or a space through its parameters.

    With θ the parameters and d_1 … d_n the directions::

        f(a_1, …, a_n) = L(θ + a_1 d_1 + … + a_n d_n),   a_i = −extent, …, extent in equal steps

    Parameters
    ----------
    network : nn.Module
        Parameters, buffers (running statistics) and training flags are afterwards exactly what they
        were before, also if `loss_of` raises.
    loss_of : callable
        Takes the network and returns a number, or numbers by name: several losses of the same
        logits cost one pass, and share the plane. Called without gradients. It must see the same
        images at every point.
    directions : sequence of mappings of str to tensor
        One for a curve, two for a surface: from `random_direction`, or any others, such as the
        difference to another network's parameters. Names are those of `network.named_parameters()`;
        the others stay as they are.
    extent : float
        > 0, in lengths of the directions. At 1 a random direction has added to each filter as much
        as it held.
    steps : int ≥ 2
        Points along each direction. With an odd number the network itself is in the middle, at
        exactly 0.
    batch_statistics : bool
        False: the network is in eval mode. True: in eval mode except that batch norm takes mean and
        variance from the batch. Without batch norm both are the same.

    Returns
    -------
    LossLandscape

    Raises
    ------
    TypeError
        `steps` is not an integer.
    ValueError
        There is no direction, one does not fit the network, `extent` or `steps` is out of range, or
        `loss_of` returns other names than at the first point.

    Notes
    -----
    *Batch norm.* In eval mode, which the authors' code uses, running statistics are those of the
    middle of the landscape and wrong everywhere else: it shows what a saved model would do if its
    weights were disturbed, and rises the more steeply. With batch statistics it shows what training
    walks on, in which the scale of a filter before a batch norm does not matter.

    *Reading it.* A plane through millions of axes shows little of them. Landscapes of several
    losses may be compared where they share the plane, as in the thesis' figure 37.

    *Cost.* One call of `loss_of` for each point, and one more copy of the parameters in memory.

    Source: thesis section 5.3.1; Li et al. 2018, arXiv:1712.09913.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
    >>> along = {"weight": torch.tensor([[3.0, 4.0]])}
    >>> def loss(net):
    ...     return net.weight.square().sum()
    >>> around = loss_landscape(layer, loss, directions=[along], steps=5)
    >>> around.coordinates[0].tolist()
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    >>> around.values["loss"].tolist()
    [0.0, 6.25, 25.0, 56.25, 100.0]
    """
    import torch  # slow to import, needed only here

    axis = _coordinates(extent, steps)
    _check_directions(network, directions)
    values: dict[str, NDArray[np.float64]] = {}
    with torch.no_grad(), _restore(network) as parameters:
        _set_mode(network, batch_statistics)
        for point in product(range(len(axis)), repeat=len(directions)):
            _move(network, parameters, directions, axis[list(point)])
            losses = _by_name(loss_of(network))
            if not values:
                values = {name: np.empty((len(axis),) * len(directions)) for name in losses}
            elif losses.keys() != values.keys():
                raise ValueError(
                    f"loss_of must return the names {sorted(values)} at every point, not "
                    f"{sorted(losses)}: "
                    "return the same losses whatever the network"
                )
            for name, value in losses.items():
                values[name][point] = value
    return LossLandscape((axis,) * len(directions), values)


def _like_filters(weight: "Tensor", generator: np.random.Generator) -> "Tensor":
    """Draw numbers in the shape of a parameter, as long as it in each filter; 0 for a vector."""
    import torch

    if weight.ndim < 2:
        return torch.zeros_like(weight)
    # numpy's numbers are the same on every device; in double precision on the CPU, which every type
    # fits into
    noise = torch.from_numpy(generator.standard_normal(tuple(weight.shape)))
    filters = noise.flatten(1)
    lengths = weight.double().cpu().flatten(1).norm(dim=1, keepdim=True)
    direction: Tensor = (
        (filters / filters.norm(dim=1, keepdim=True) * lengths).view_as(noise).to(weight)
    )
    return direction


def _coordinates(extent: float, steps: int) -> NDArray[np.float64]:
    if not 0 < extent < np.inf:
        raise ValueError(f"extent must be a positive number, not {extent}: e.g. 1")
    try:
        count = index(steps)
    except TypeError:
        raise TypeError(f"steps must be an integer, not {steps!r}: e.g. 21") from None
    if count < 2:
        raise ValueError(
            f"steps must be 2 or more, not {steps}: with an odd number the network is in the middle"
        )
    # unlike linspace, exactly 0 in the middle and alike on both sides
    return (2 * np.arange(count) - (count - 1)) / (count - 1) * extent


def _check_directions(network: "nn.Module", directions: Sequence[Direction]) -> None:
    if not directions:
        raise ValueError(
            "directions must hold one or more, not none: draw them with random_direction"
        )
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    for number, direction in enumerate(directions):
        for name, step in direction.items():
            if name not in shapes:
                raise ValueError(
                    f"directions must have names of the network's parameters, not {name!r} in "
                    f"number {number}: "
                    "draw it for this network"
                )
            if tuple(step.shape) != shapes[name]:
                raise ValueError(
                    f"directions must have shape {shapes[name]} for {name!r}, not "
                    f"{tuple(step.shape)} "
                    f"in number {number}: draw it for this network"
                )


@contextmanager
def _restore(network: "nn.Module") -> Iterator[dict[str, "Tensor"]]:
    """Give copies of the parameters; restore parameters, buffers and training flags at the end."""
    parameters = {
        name: parameter.detach().clone() for name, parameter in network.named_parameters()
    }
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    flags = [(module, module.training) for module in network.modules()]
    try:
        yield parameters
    finally:
        for name, parameter in network.named_parameters():
            parameter.copy_(parameters[name])
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
        for module, training in flags:
            module.training = training


def _set_mode(network: "nn.Module", batch_statistics: bool) -> None:
    from torch.nn.modules.batchnorm import _BatchNorm

    network.eval()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.train(batch_statistics)


def _move(
    network: "nn.Module",
    origin: Mapping[str, "Tensor"],
    directions: Sequence[Direction],
    point: NDArray[np.float64],
) -> None:
    """Set the parameters to θ + Σ a_i d_i; always from θ on, so that rounding does not add up."""
    for name, parameter in network.named_parameters():
        parameter.copy_(origin[name])
        for step, direction in zip(point.tolist(), directions, strict=True):
            if name in direction:
                parameter.add_(direction[name].to(parameter), alpha=step)


def _by_name(losses: "float | Tensor | Mapping[str, float | Tensor]") -> dict[str, float]:
    by_name = losses if isinstance(losses, Mapping) else {"loss": losses}
    return {name: float(value) for name, value in by_name.items()}
