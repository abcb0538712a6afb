"""Squared error between the features that a frozen network sees; see `perceptual`."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from seamwise.losses.inputs import image_pair
from seamwise.losses.pixel import l2

Features = Callable[[Tensor], Tensor | Sequence[Tensor]]


def perceptual(
    prediction: Tensor, truth: Tensor, *, features: Features, weight: Tensor | None = None
) -> Tensor:
    """Mean over the feature maps φ_k of the mean squared error between φ_k(y) and φ_k(z).

    ::

        L = (1/F) Σ_k 1/(N·C_k·|Ω_k|) Σ_n Σ_l Σ_p ω_k(p) · (φ_kl(y)(p) − φ_kl(z)(p))²

    Parameters
    ----------
    prediction : (N, C, *S) floating tensor
        z, in the range that the network was trained with.
    truth : (N, C, *S) floating tensor
        y, likewise.
    features : callable
        φ: takes images `(N, C, *S)` and returns one tensor or a sequence of F ≥ 1 tensors `(N, C_k,
        *S_k)`. A frozen network: an `nn.Module` must be in evaluation mode and none of its
        parameters may ask for a gradient (`features.eval().requires_grad_(False)`). Normalisation
        of the input belongs into it. It may overwrite what it is given: it never sees the caller's
        own tensors.
    weight : (N, *S) tensor, optional
        ω ≥ 0, one number per pixel; 1 everywhere by default; for images of 1 to 3 axes. ω_k(p) is
        the mean of ω over the part of the image that lies under the feature p (area interpolation;
        what else the feature sees does not matter). Pixels of weight 0 are 0 in both images before
        the network sees them: they have no loss and no gradient, whatever is there, even NaN.

    Returns
    -------
    scalar tensor, float32 (float64 for a float64 prediction)
        Exactly 0, with a gradient of 0, where the images are equal or all weights are 0.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers, or the network's parameters are not of the type it
        computes in.
    ValueError
        The shapes do not fit together, there are no pixels, weights come with images of more than 3
        axes, the network is not frozen, or it returns something else than feature maps of as many
        images and axes.

    Notes
    -----
    The network too computes in float32 (float64 for a float64 prediction) under autocast and for
    half precision, and must have parameters of that type: with 8 bits the difference of two nearly
    equal features is mostly rounding.

    Source: thesis (2.17); Johnson et al. 2016, arXiv:1603.08155.

    Thesis (2.17) divides by F · Σ_k (|Ω_k| + C_k), which is not a number of features; we take the
    mean of each map, so that every map counts alike whatever its size, and then their mean, as
    Johnson et al. do for one map.

    Examples
    --------
    >>> import torch
    >>> blocks = torch.nn.AvgPool1d(2).eval()
    >>> image = torch.tensor([[[1.0, 3.0, 4.0, 4.0]]])
    >>> perceptual(image, torch.zeros(1, 1, 4), features=blocks)  # (2² + 4²) / 2
    tensor(10.)
    """
    _check_frozen(features)
    z, y = image_pair(prediction, truth, weight)
    if weight is not None and z.ndim > 5:
        raise ValueError(
            f"weight must come with images of 1 to 3 axes, not {z.ndim - 2}: remove it"
        )
    _check_type(features, z.dtype)
    # a network that starts in place, as with ReLU(inplace=True), must not overwrite the caller's
    # images
    z, y = (
        image.clone() if image is original else image
        for image, original in ((z, prediction), (y, truth))
    )
    with torch.autocast(z.device.type, enabled=False):
        pairs = list(zip(_maps(features, z), _maps(features, y), strict=True))
    losses = [l2(predicted, true, weight=_shrink(weight, predicted)) for predicted, true in pairs]
    return torch.stack(losses).mean()


def _check_frozen(features: Features) -> None:
    if isinstance(features, nn.Module) and (
        features.training or any(x.requires_grad for x in features.parameters())
    ):
        raise ValueError(
            "features must be a frozen network, not one in training: "
            "features.eval().requires_grad_(False)"
        )


def _check_type(features: Features, dtype: torch.dtype) -> None:
    if isinstance(features, nn.Module):
        for parameter in features.parameters():
            if parameter.is_floating_point() and parameter.dtype != dtype:
                raise TypeError(
                    f"features must have parameters of {dtype}, in which this loss computes here, "
                    f"not {parameter.dtype}: features.to({dtype})"
                )


def _maps(features: Features, image: Tensor) -> Sequence[Tensor]:
    """φ_k(image) for each k."""
    output = features(image)
    maps = [output] if isinstance(output, Tensor) else output
    shapes = [tuple(each.shape) for each in maps]
    if not maps or any(len(shape) != image.ndim or shape[0] != len(image) for shape in shapes):
        raise ValueError(
            "features must return maps (N, C_k, *S_k) with the N and the axes of images "
            f"{tuple(image.shape)}, "
            f"not {shapes}"
        )
    return maps


def _shrink(weight: Tensor | None, feature_map: Tensor) -> Tensor | None:
    """Mean of the weights over the pixels under each position of the map `(N, *S_k)`."""
    if weight is None:
        return None
    return functional.interpolate(
        weight.unsqueeze(1).to(feature_map), feature_map.shape[2:], mode="area"
    ).squeeze(1)


class Perceptual(nn.Module):
    """`perceptual` as a module."""

    def __init__(self, *, features: Features) -> None:
        super().__init__()
        self.features = features

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `perceptual`."""
        return perceptual(prediction, truth, features=self.features, weight=weight)

    def train(self, mode: bool = True) -> "Perceptual":
        """Set the mode of the loss; its network stays in evaluation mode, for it is frozen."""
        super().train(mode)
        if isinstance(self.features, nn.Module):
            self.features.eval()
        return self
