"""What a model knows, written into its file when it is trained: see `record_range`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from seamwise.io.models import DecodeRule, SegmentationInfo, describe_model, load_model, save_model
from seamwise.labels import Labels
from seamwise.labels.slabs import areas
from seamwise.metrics import match_dataset
from seamwise.nets.unet import CONVOLUTIONS
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.decoding import decode_whole
from seamwise.segmentation.fit import Look, fit_of, look_at, skewness
from seamwise.segmentation.normalization import identity_normalization
from seamwise.segmentation.predict import class_probabilities, load, probability_slabs
from seamwise.segmentation.zoom import cell_diameters, zoom_of


def has_range(path: Path) -> bool:
    """Whether a model file says how large the cells are that it knows."""
    info = describe_model(path)
    return isinstance(info, SegmentationInfo) and info.diameters is not None


def record_range(path: Path, images: Iterable[AnnotatedImage], *, device: str = "auto") -> None:
    """Write into a model file how large the cells are that it knows, and how sure it is of them.

    Sets `diameters` and `fit` of its description; see `fit.misfit` for their use.

    Parameters
    ----------
    path : Path
        The model file; it is replaced.
    images : iterable of AnnotatedImage
        Like those that the model was trained on, normalised for it. Images that it was not trained
        on say more: a network is surer of those that it has seen.
    device : str
        Where the network is computed.
    """
    model = load(path, device=device, runtime="torch")
    architecture = model.info.architecture
    looks, skews = [], []
    sizes: list[NDArray[Any]] = [np.zeros(0)]
    for image in images:
        zoom = zoom_of(model.info, stored=image.spacing)
        slabs = probability_slabs(
            image.image,
            model,
            normalise=identity_normalization(len(image.image)),
            guides=model.info.decode.is_guided,
            zoom=zoom,
        )
        looks.append(sum((look_at(slab, architecture.out_channels) for _, slab in slabs), Look()))
        skews.append(skewness(image.image[0]))
        pixels = areas(np.maximum(image.labels, 0))[1:]
        sizes.append(pixels[pixels > 0] * zoom.pixels)
    _replace_info(
        path,
        diameters=cell_diameters(np.concatenate(sizes), architecture.ndim),
        fit=fit_of(looks, skews),
    )


def record_rule(
    path: Path,
    images: Sequence[AnnotatedImage],
    rules: Sequence[DecodeRule],
    *,
    device: str = "auto",
) -> None:
    """Write into a model file which of some rules decodes it best.

    Sets `decode` of its description: the rule with the highest panoptic quality at IoU 0.5, pooled
    over the images; the first of equals.

    Parameters
    ----------
    path : Path
        The model file; it is replaced.
    images : sequence of AnnotatedImage
        Images that the model was not trained on, normalised for it.
    rules : sequence of DecodeRule
        Their sizes count pixels that the network sees.
    device : str
        Where the network is computed.
    """
    model = load(path, device=device, runtime="torch")
    pairs: list[list[tuple[Labels, Labels]]] = [[] for _ in rules]
    for image in images:
        zoom = zoom_of(model.info, stored=image.spacing)
        maps = class_probabilities(
            image.image,
            model,
            normalise=identity_normalization(len(image.image)),
            guides=model.info.architecture.guides,
            zoom=zoom,
        )
        for rule, cells in zip(rules, pairs, strict=True):
            part = maps if rule.is_guided else maps[: model.info.architecture.out_channels]
            cells.append((image.labels, decode_whole(part, rule.with_zoom(zoom.pixels))))
    scores = [match_dataset(cells, ious=(0.5,)).pooled[0].panoptic_quality for cells in pairs]
    _replace_info(path, decode=rules[int(np.argmax(scores))])


def record_activations(path: Path, images: Iterable[NDArray[Any]]) -> None:
    """Write into a model file how large the numbers are that its convolutions read.

    Sets `activations` of its description, with which the network may be computed in 8-bit integers.
    Score the model with and without it before it ships.

    Parameters
    ----------
    path : Path
        The model file, of a single network; it is replaced.
    images : iterable of (C, *S) arrays
        As `as_model_input` returns them; they should hold all that the network is to see.

    Raises
    ------
    ValueError
        The model is the mean of several networks; there is no image, or none with contrast. The
        file stays as it is.
    """
    model = load(path, device="cpu", runtime="torch")
    members = model.info.architecture.members
    if members > 1:
        raise ValueError(f"{path} must hold one network, not the mean of {members}: name another")
    largest: dict[nn.Module, float] = {}

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        largest[layer] = max(largest.get(layer, 0.0), float(inputs[0].max()))

    for layer in model.net.modules():
        if isinstance(layer, CONVOLUTIONS):
            layer.register_forward_pre_hook(watch)
    for image in images:
        for _ in probability_slabs(image, model):
            pass
    if not largest or min(largest.values()) <= 0:
        raise ValueError(
            f"images for {path} must have contrast: a convolution read nothing but zeros"
        )
    _replace_info(path, activations=tuple(largest.values()))


def _replace_info(path: Path, **fields: Any) -> None:
    """Change fields of the description in a model file."""
    weights, info = load_model(path, SegmentationInfo)
    stored_as = next(value.dtype for value in weights.values() if value.is_floating_point())
    save_model(path, weights, info.model_copy(update=fields), stored_as=stored_as)
