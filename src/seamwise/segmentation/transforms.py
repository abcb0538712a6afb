"""From labels to the target and the weights of a training; see `TargetAndWeight`.

`TargetAndWeightd` does the same for samples that are dictionaries, like those of MONAI's
transforms.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from itertools import zip_longest
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from seamwise import weights
from seamwise.array_like import as_array
from seamwise.labels import Labels, Target, as_labels, binary_target, semantic_target
from seamwise.words import Annotation, MapName

MAPS: dict[str, Callable[..., NDArray[np.float32]]] = {
    "balance": weights.balance,
    "dwm": weights.dwm,
    "pieces": weights.pieces,
    "saw": weights.saw,
    "unet": weights.unet,
    "w3": weights.w3,
}
"""The weight maps by their names."""
_CALL = ("labels", "target", "spacing", "counts")
_MOST_AXES = 3  # of an image; a batch of volumes has more
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
    map : {"balance", "dwm", "pieces", "saw", "unet", "w3"}, optional
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
    scale : "mean" or float, optional
        "mean" gives the weights of every crop a mean of 1 over the pixels that are not ignored. A
        number multiplies them, such as 1 / `mean_weight` of the data set, which keeps the
        differences between crops. By default they stay as the map gives them. See the section "How
        large are the weights?" of ``docs/which-loss.md``.

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
    scale: Literal["mean"] | float | None = None

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
        _check_scale(self.scale, self.map)
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
        self, labels: Array, *, spacing: Sequence[float] | None = None, batched: bool = False
    ) -> tuple[Array, Array | None]:
        """Return target and weight map of labels `(*S)`.

        Parameters
        ----------
        labels : (*S) array or tensor
            0 background, 1..n cells, negative = ignore. Floating numbers must be whole.
        spacing : sequence of float, optional
            Pixel size along each axis of S.
        batched : bool
            True: labels are `(N, *S)` or `(N, 1, *S)`, and each image is one of its own. Without
            it three axes are a volume.

        Returns
        -------
        target : (*S) int8 array, or int64 tensor on the device of `labels`
            In the shape of the labels.
        weight : (*S) float32 array or tensor, or None without a map

        Raises
        ------
        ValueError
            The labels have more than three axes, or one more than `spacing`, as a batch has, and
            `batched` is False; or they are not whole numbers. With `batched` they have one axis
            alone, or no image.
        TypeError
            They are neither integers nor floating numbers, or of bfloat16.
        """
        if isinstance(labels, torch.Tensor):
            values = as_array(labels, name="labels")
            target, weight = self(values, spacing=spacing, batched=batched)
            on_device = None if weight is None else torch.from_numpy(weight).to(labels.device)
            return torch.from_numpy(target).to(labels.device, torch.int64), on_device
        integers = _whole_numbers(labels)
        if batched:
            return self._batch(integers, spacing)
        if integers.ndim > _MOST_AXES or _has_axes(spacing, integers.ndim - 1):
            raise ValueError(
                f"labels must be those of one image, not {integers.shape}: give batched=True for a "
                "batch (N, *S) or (N, 1, *S)"
            )
        target = self.target(integers, spacing=spacing)
        return target, None if self.map is None else self.weight(integers, target, spacing=spacing)

    def _batch(
        self, labels: Labels, spacing: Sequence[float] | None
    ) -> tuple[Target, NDArray[np.float32] | None]:
        """Target and weights of labels `(N, *S)` or `(N, 1, *S)`, image by image."""
        if labels.ndim < 2 or not len(labels):
            raise ValueError(
                f"labels must be a batch (N, *S) or (N, 1, *S) of images, not {labels.shape}"
            )
        axes = labels.ndim - 1  # of an image of one slice, if spacing says so
        has_channel = axes > 1 and labels.shape[1] == 1 and not _has_axes(spacing, axes)
        images = labels[:, 0] if has_channel else labels
        pairs = [self(image, spacing=spacing) for image in images]
        target = np.stack([target for target, _ in pairs]).reshape(labels.shape)
        if self.map is None:
            return target, None
        maps = [weight for _, weight in pairs if weight is not None]
        return target, np.stack(maps).reshape(labels.shape)

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
        make = MAPS[self.map]
        # "pieces" compares within a class
        counts = {"counts": self.counts} if "counts" in signature(make).parameters else {}
        weight = make(labels, target, spacing=spacing, **counts, **self.options)
        if self.scale is None:
            return weight
        if self.scale != "mean":
            return weight * np.float32(self.scale)
        mean = _mean(weight, target)
        return weight / np.float32(mean) if mean else weight


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
        `(N, 1, *S)`, which our losses take as it is.
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

    The result is the `counts` of a `TargetAndWeight`; `spacings` are the pixel sizes of the images,
    one for each. Labels may be floating whole numbers or tensors, as in `TargetAndWeight`.
    """
    total = np.zeros(4, np.int64)
    for one, spacing in _with_spacings(labels, spacings):
        total += weights.counts_of(transform.target(one, spacing=spacing))
    return tuple(int(n) for n in total)


def mean_weight(
    labels: Iterable[Labels],
    transform: TargetAndWeight,
    *,
    spacings: Iterable[Sequence[float] | None] | None = None,
) -> float:
    """Mean weight over the pixels of all label images together that are not ignored.

    With `scale` = 1 / this number the weights have a mean of 1 over the data set. Without such
    pixels, or if all their weights are 0, it is 0: then there is no scale, and 1 / 0 raises
    ZeroDivisionError. The transform's own `scale` does not count. `labels` and `spacings` as in
    `count_classes`.

    Examples
    --------
    >>> labels = [np.array([[1, 1, 0, 0]]), np.array([[0, 0, 0, 0]])]
    >>> balance = TargetAndWeight(map="balance", classes=2, counts=(6, 2))
    >>> round(mean_weight(labels, balance), 6)  # six pixels of 1/3, two of 1
    0.5
    """
    total, pixels, transform = 0.0, 0, replace(transform, scale=None)
    for one, spacing in _with_spacings(labels, spacings):
        target = transform.target(one, spacing=spacing)
        weight = transform.weight(one, target, spacing=spacing)
        total += float(weight[target >= 0].sum(dtype=np.float64))
        pixels += int((target >= 0).sum())
    return total / max(pixels, 1)


def _with_spacings(
    labels: Iterable[Labels], spacings: Iterable[Sequence[float] | None] | None
) -> Iterator[tuple[Labels, Sequence[float] | None]]:
    """Each label image as integers, with its spacing."""
    if spacings is None:
        for one in labels:
            yield _whole_numbers(one), None
        return
    nothing: Any = object()
    pairs: Iterable[tuple[Any, Any]] = zip_longest(labels, spacings, fillvalue=nothing)
    for one, spacing in pairs:
        if one is nothing or spacing is nothing:
            amount = "more" if one is nothing else "fewer"
            raise ValueError(f"spacings must be one for each label image, not {amount}")
        yield _whole_numbers(one), spacing


def _check_scale(scale: Any, map_name: str | None) -> None:
    if scale is None:
        return
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if scale != "mean" and not (is_number and 0 < scale < np.inf):
        raise ValueError(f'scale must be "mean" or a positive number, not {scale!r}')
    if map_name is None:
        raise ValueError(f"scale belongs to a weight map: set map to one of {_names()}")


def _mean(weight: NDArray[np.float32], target: Target) -> float:
    """Over the pixels that are not ignored; 0 without one."""
    valid = weight[target >= 0]
    return float(valid.mean(dtype=np.float64)) if valid.size else 0.0


def _whole_numbers(labels: NDArray[Any]) -> Labels:
    """Labels as integers; loaders like MONAI's return floating numbers."""
    labels = as_array(labels, name="labels")
    if labels.dtype.kind != "f":
        return as_labels(labels)
    integers: Labels = np.nan_to_num(labels).astype(np.int64)
    if (integers != labels).any():
        raise ValueError(
            "labels must be whole numbers: resample them with nearest neighbours, not linearly"
        )
    return integers


def _has_axes(spacing: Sequence[float] | None, axes: int) -> bool:
    return spacing is not None and len(spacing) == axes


def _names() -> str:
    return ", ".join(MAPS)
