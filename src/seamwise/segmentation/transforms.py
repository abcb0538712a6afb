"""From labels to the target and the weights of a training; see `TargetAndWeight`.

`TargetAndWeightd` does the same for samples that are dictionaries, like those of MONAI's
transforms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from seamwise import weights
from seamwise.labels import Labels, Target, as_labels, binary_target, semantic_target
from seamwise.words import Annotation, MapName

MAPS = {
    "balance": weights.balance,
    "dwm": weights.dwm,
    "saw": weights.saw,
    "unet": weights.unet,
    "w3": weights.w3,
}
_CALL = ("labels", "target", "spacing", "counts")
_NEW_NAMES = {"normalization": "balance"}

Array = TypeVar("Array", NDArray[Any], torch.Tensor)  # the result has the type of the labels


@dataclass(frozen=True, kw_only=True)
class TargetAndWeight:
    """Make semantic target and weight map of labels.

    Call it after the geometric augmentation, on the warped labels. A weight map that is made before
    the crop is rotated or scaled would have to be interpolated, and its distances and contours
    would no longer be those of the crop.

    Attributes
    ----------
    map : {"balance", "dwm", "saw", "unet", "w3"}, optional
        The weight map (see `seamwise.weights`); None gives no weights. W³ is balanced by
        "frequency" by default, the other maps by "rarest".
    classes : {2, 3, 4}
        See `labels.semantic_target`.
    touching_radius : int
        See `labels.semantic_target`; not used with ``annotation="binary"``.
    gap_radius : float
        See `labels.semantic_target`; in units of `spacing`.
    annotation : {"instances", "binary"}
        "binary": lines of background separate the cells, and the classes are those of
        `labels.binary_target`. The labels must still number the pieces
        (`labels.connected_components`).
    counts : sequence of int, optional
        Pixels of each class in the whole data set. With them the scale of the weights is the same
        in every crop.
    options : mapping
        Options of the weight map, e.g. ``{"beta": 20}``.

    Raises
    ------
    ValueError
        The map or one of its options does not exist, or a value is out of range.

    Examples
    --------
    >>> target, weight = TargetAndWeight(map="w3")(np.array([[1, 1, 2, 2, 0, -1]]))
    >>> target, weight.shape, weight.dtype.name
    (array([[ 2,  2,  2,  2,  0, -1]], dtype=int8), (1, 6), 'float32')
    """

    map: MapName | None = None
    classes: int = 3
    touching_radius: int = 2
    gap_radius: float = 7.0
    annotation: Annotation = "instances"
    counts: Sequence[int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.annotation not in ("instances", "binary"):
            raise ValueError(f"annotation must be 'instances' or 'binary', not {self.annotation!r}")
        if self.map is not None and self.map not in MAPS:
            raise ValueError(f"map must be one of {_names()}, not {self.map!r}")
        if self.map is None and self.options:
            raise ValueError(
                f"options {', '.join(self.options)} belong to a weight map: set map to one of "
                f"{_names()}"
            )
        parameters = signature(MAPS[self.map]).parameters if self.map else ()
        names = [name for name in parameters if name not in _CALL]
        for name in self.options:
            if name in _NEW_NAMES:
                raise ValueError(
                    f"weight map {self.map} has no option {name!r}: use its new name, "
                    f"{_NEW_NAMES[name]}"
                )
            if name not in names:
                raise ValueError(
                    f"weight map {self.map} has no option {name!r}: it has {', '.join(names)}"
                )
        self(np.array([[0, 1]]))  # raises now if a value is out of range

    def __call__(
        self, labels: Array, *, spacing: Sequence[float] | None = None
    ) -> tuple[Array, Array | None]:
        """Return target and weight map of labels `(*S)`.

        Parameters
        ----------
        labels : (*S) array or tensor
            0 background, 1..n cells, negative = ignore. Floating numbers must be whole.
        spacing : sequence of float, optional
            Pixel size along each axis.

        Returns
        -------
        target : (*S) int8 array, or int64 tensor on the device of `labels`
        weight : (*S) float32 array or tensor, or None without a map
        """
        if isinstance(labels, torch.Tensor):
            target, weight = self(labels.detach().cpu().numpy(), spacing=spacing)
            on_device = None if weight is None else torch.from_numpy(weight).to(labels.device)
            return torch.from_numpy(target).to(labels.device, torch.int64), on_device
        integers = _whole_numbers(labels)
        target = self.target(integers, spacing=spacing)
        return target, None if self.map is None else self.weight(integers, target, spacing=spacing)

    def target(self, labels: Labels, *, spacing: Sequence[float] | None = None) -> Target:
        """Return the semantic target alone."""
        if self.annotation == "binary":
            return binary_target(
                labels, classes=self.classes, gap_radius=self.gap_radius, spacing=spacing
            )
        return semantic_target(
            labels,
            classes=self.classes,
            touching_radius=self.touching_radius,
            gap_radius=self.gap_radius,
            spacing=spacing,
        )

    def weight(
        self, labels: Labels, target: Target, *, spacing: Sequence[float] | None = None
    ) -> NDArray[np.float32]:
        """Return the weight map alone."""
        if self.map is None:
            raise ValueError(f"map is None: choose one of {_names()} for weights")
        return MAPS[self.map](labels, target, spacing=spacing, counts=self.counts, **self.options)


class TargetAndWeightd:
    """`TargetAndWeight` for samples that are dictionaries, as in MONAI's `Compose`.

    It follows the last geometric transform of the labels, which must use nearest neighbours.

    Parameters
    ----------
    keys : str or sequence of one str
        Key of the labels: `(1, *S)`, as MONAI loads them, or `(*S)`.
    transform : TargetAndWeight
    target_key, weight_key : str
        Keys to add: target and weights in the shape of the labels. With a channel axis, a batch is
        `(N, 1, *S)`: give `batch["target"][:, 0]` to losses that take `(N, *S)`.
    spacing : sequence of float, optional
        Pixel size along each axis of S.

    Examples
    --------
    >>> sample = {"label": torch.tensor([[[1.0, 1.0, 2.0, 2.0, 0.0]]])}
    >>> sample = TargetAndWeightd("label", TargetAndWeight(map="balance"))(sample)
    >>> sample["target"], sample["weight"]
    (tensor([[[2, 2, 2, 2, 0]]]), tensor([[[0.2500, 0.2500, 0.2500, 0.2500, 1.0000]]]))
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        transform: TargetAndWeight,
        *,
        target_key: str = "target",
        weight_key: str = "weight",
        spacing: Sequence[float] | None = None,
    ) -> None:
        names = [keys] if isinstance(keys, str) else list(keys)
        if len(names) != 1:
            raise ValueError(
                f"keys must name one label image, not {names}; add a transform for each"
            )
        self.key, self.transform, self.spacing = names[0], transform, spacing
        self.target_key, self.weight_key = target_key, weight_key

    def __call__(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sample with target and weights added."""
        if self.key not in sample:
            raise KeyError(f"the sample has no {self.key!r}, only {', '.join(map(str, sample))}")
        labels = sample[self.key]
        # a single channel is dropped; a volume of one slice has the maps of a plane
        has_channel = (
            labels.ndim > 2 and len(labels) == 1 and len(self.spacing or ()) != labels.ndim
        )
        plane = labels[0] if has_channel else labels
        target, weight = self.transform(plane, spacing=self.spacing)
        entries = {self.target_key: target.reshape(labels.shape)}
        if weight is not None:
            entries[self.weight_key] = weight.reshape(labels.shape)
        return {**sample, **entries}


def count_classes(
    labels: Iterable[Labels],
    transform: TargetAndWeight,
    *,
    spacings: Iterable[Sequence[float] | None] | None = None,
) -> tuple[int, ...]:
    """Count the pixels of each class 0..3 in all label images together.

    The result is the `counts` of a `TargetAndWeight`; `spacings` are the pixel sizes of the images.
    """
    pairs = zip(labels, repeat(None) if spacings is None else spacings, strict=False)
    total = np.zeros(4, np.int64)
    for one, spacing in pairs:
        total += weights.counts_of(transform.target(one, spacing=spacing))
    return tuple(int(n) for n in total)


def _whole_numbers(labels: NDArray[Any]) -> Labels:
    """Labels as integers; loaders like MONAI's return floating numbers."""
    if labels.dtype.kind != "f":
        return as_labels(labels)
    integers: Labels = np.nan_to_num(labels).astype(np.int64)
    if (integers != labels).any():
        raise ValueError(
            "labels must be whole numbers: resample them with nearest neighbours, not linearly"
        )
    return integers


def _names() -> str:
    return ", ".join(MAPS)
