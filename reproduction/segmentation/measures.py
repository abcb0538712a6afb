"""Measurements of a trained network: cells by each decoder, contours, curves, zero-shot scores."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.engine import read_log
from seamwise.io import DecodeRule
from seamwise.labels import TOUCHING, Labels, Target, relabel, semantic_target
from seamwise.metrics import Matching, contour_scores, match_many, overlap_table
from seamwise.segmentation import (
    AnnotatedImage,
    Model,
    as_model_input,
    class_probabilities,
    decode_whole,
    load,
)
from seamwise.segmentation.choose import combine, tune, with_pair
from seamwise.words import SystemName
from study import PLAIN, DataSet, Study, Variant
from units import RADII, score

RATE = 10  # every so many steps a training's loss is kept
COMBINED: tuple[SystemName, ...] = ("bwm", "unet", "w3")
IOU = 0.5  # of a cell that is found

Rules = Mapping[str, DecodeRule]


def network(study: Study, name: str, loss: str, seed: int, variant: Variant = PLAIN) -> Model:
    """Load a network, trained if it is not there; "comb" is the average of three."""
    if loss != "comb":
        return load(study.network(name, loss, seed, variant), device=study.device)
    path = study.runs / f"{name}-comb-{seed}.safetensors"
    combine([study.network(name, member, seed) for member in COMBINED], path)
    return load(path, device=study.device)


def instances(
    study: Study, name: str, loss: str, seed: int, variant: Variant = PLAIN
) -> dict[str, Any]:
    """Return scores of the test images by each decoder, measured if they are not there."""
    job = partial(_instances, study, name, loss, seed, variant)
    return study.measure_once(variant.kind, name, key_of(loss, seed, variant), job)


def key_of(loss: str, seed: int, variant: Variant) -> str:
    """Name of the measurements of a network."""
    return "/".join(part for part in (variant.name, loss, str(seed)) if part)


def _instances(study: Study, name: str, loss: str, seed: int, variant: Variant) -> dict[str, Any]:
    """Score by arg max, and by thresholds and watershed with the best pairs in validation."""
    data = study.data_set(name)
    model = network(study, name, loss, seed, variant)
    pairs = {
        "TH": tune(data.validation, model, decode="threshold").best.thresholds,
        "WT": tune(data.validation, model, decode="watershed").best.thresholds,
    }
    rules = rules_of({"pairs": pairs}, model)
    predictions = [cells(image, model, rules) for image in data.test]
    return {"pairs": pairs, **scores_by_rule(data.test, predictions, rules)}


def rules_of(unit: Mapping[str, Any], model: Model) -> dict[str, DecodeRule]:
    """Return the decoders with the pairs that `instances` found."""
    rule = model.info.decode
    both = {"MAP": rule}
    if model.info.architecture.out_channels == 4:
        both["MAP+gap"] = rule.model_copy(update={"gap": "background"})
    return {
        **both,
        "TH": with_pair(rule, "threshold", tuple(unit["pairs"]["TH"])),
        "WT": with_pair(rule, "watershed", tuple(unit["pairs"]["WT"])),
    }


def _with_pairs(
    study: Study,
    kind: str,
    measure: Callable[..., dict[str, Any]],
    name: str,
    loss: str,
    seed: int,
    variant: Variant = PLAIN,
) -> dict[str, Any]:
    """Measure with the pairs of thresholds of `instances`; both are measured if missing."""
    unit = instances(study, name, loss, seed, variant)
    job = partial(measure, study, name, loss, seed, unit)
    if variant is not PLAIN:
        job = partial(job, variant=variant)
    return study.measure_once(kind, name, key_of(loss, seed, variant), job)


def touching(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    """Count the touching cells of the test images that each decoder finds at IoU 0.5."""
    return _with_pairs(study, "touching", _touching, name, loss, seed)


def _touching(
    study: Study, name: str, loss: str, seed: int, unit: Mapping[str, Any]
) -> dict[str, Any]:
    data = study.data_set(name)
    model = network(study, name, loss, seed)
    rules = rules_of(unit, model)
    counts: dict[str, Any] = {rule: {"n_true": [], "tp": []} for rule in rules}
    for image in data.test:
        predictions = cells(image, model, rules)
        those = np.unique(image.labels[classes_of(image, 3, data) == TOUCHING])
        for rule, labels in predictions.items():
            hit = is_found(image.labels, labels)[
                np.isin(np.unique(image.labels[image.labels > 0]), those)
            ]
            counts[rule]["n_true"].append(int(hit.size))
            counts[rule]["tp"].append(int(hit.sum()))
    return counts


def is_found(labels: Labels, predicted: Labels) -> NDArray[np.bool_]:
    """Tell for each true cell, by ascending number, whether a prediction has an IoU of 0.5."""
    table = overlap_table(labels, predicted)
    if not table.n_pred:
        return np.zeros(table.n_true, bool)
    best: NDArray[np.float64] = table.iou().max(axis=1).toarray().ravel()
    return best >= IOU


def contours(
    study: Study, name: str, loss: str, seed: int, variant: Variant = PLAIN
) -> dict[str, Any]:
    """Score contours and detection of thresholded maps, on training images and each test field."""
    return _with_pairs(study, "contours", _contours, name, loss, seed, variant)


def _contours(
    study: Study,
    name: str,
    loss: str,
    seed: int,
    unit: Mapping[str, Any],
    variant: Variant = PLAIN,
) -> dict[str, Any]:
    data = study.data_set(name)
    model = network(study, name, loss, seed, variant)
    rule = rules_of(unit, model)["TH"]
    part_of = study.protocol["contours"]
    fields = {"training": (data.training[: part_of["training_images"]], 1.0)}
    fields |= {f"{field}X": (data.test, 1 / field) for field in part_of["fields"]}

    def contour_f1(true: Labels, labels: Labels) -> list[float]:
        return [round(each.f1, 4) for each in contour_scores(true, labels, radii=RADII)]

    content = {}
    for part, (whole, zoom) in fields.items():
        images = [rescale(image, zoom) for image in whole]
        rules = {"TH": resize_rule(rule, zoom, data)}
        predictions = [cells(image, model, rules)["TH"] for image in images]
        f1 = [
            contour_f1(image.labels, labels)
            for image, labels in zip(images, predictions, strict=True)
        ]
        content[part] = {"f1": f1, **scores(images, predictions)}
    return content


def training_curve(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    """Return the loss at each tenth step, and PQ and mean recall at each snapshot."""
    return _with_pairs(study, "curve", _training_curve, name, loss, seed)


def _training_curve(
    study: Study, name: str, loss: str, seed: int, unit: Mapping[str, Any]
) -> dict[str, Any]:
    data = study.data_set(name)
    folder = study.network(name, loss, seed).parent
    log = read_log(folder / "log.csv")
    snapshots = sorted(folder.glob("snapshot-*.safetensors"), key=_step)
    lines = []
    for path in snapshots:
        model = load(path, device=study.device)
        rules = rules_of(unit, model)
        results = [_with_recall(image, model, rules, data) for image in data.validation]
        quality = scores_by_rule(data.validation, [labels for labels, _ in results], rules)
        lines.append(
            {
                "step": _step(path),
                "recall": round(float(np.nanmean([recall for _, recall in results])), 4),
                **{rule: round(float(score(q, "PQ").mean()), 4) for rule, q in quality.items()},
            }
        )
    return {"loss": [round(progress.loss, 4) for progress in log][::RATE], "snapshots": lines}


def confusion(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    """Count pixels of the test images by true class (rows) and by arg max (columns)."""
    return study.measure_once(
        "confusion", name, f"{loss}/{seed}", partial(_confusion, study, name, loss, seed)
    )


def _confusion(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    data = study.data_set(name)
    model = network(study, name, loss, seed)
    classes = model.info.architecture.out_channels
    counts = np.zeros(classes**2, np.int64)
    for image in data.test:
        classes_seen = class_probabilities(as_model_input(image.image, model.info), model).argmax(
            axis=0
        )
        target = classes_of(image, classes, data)
        is_annotated = target >= 0
        counts += np.bincount(
            classes * target[is_annotated].astype(int) + classes_seen[is_annotated],
            minlength=classes**2,
        )
    return {"pixels": counts.reshape(classes, classes).tolist()}


def zero_shot(study: Study, name: str, loss: str, seed: int, other: str) -> dict[str, Any]:
    """Score arg max on another data set: as it is, and at the cell size of the training."""
    return study.measure_once(
        "zero_shot",
        name,
        f"{other}/{loss}/{seed}",
        partial(_zero_shot, study, name, loss, seed, other),
    )


def _zero_shot(study: Study, name: str, loss: str, seed: int, other: str) -> dict[str, Any]:
    target = study.data_set(other)
    model = network(study, name, loss, seed)
    scale = diameter(study.data_set(name).training) / diameter(target.test)
    content: dict[str, Any] = {"scale": round(scale, 2)}
    for way, zoom in (("as it is", 1.0), ("rescaled", scale)):
        images = [rescale(image, zoom) for image in target.test]
        rules = {"MAP": resize_rule(model.info.decode, zoom, target)}
        predictions = [cells(image, model, rules)["MAP"] for image in images]
        content[way] = scores(images, predictions)
    return content


def diameter(images: Iterable[AnnotatedImage]) -> float:
    """Return the median diameter of the cells, as discs or balls of their size, in pixels."""
    sizes = np.concatenate([np.bincount(image.labels[image.labels > 0]) for image in images])
    dimensions = next(iter(images)).ndim
    volume = float(np.median(sizes[sizes > 0]))
    return 2 * (volume / (np.pi if dimensions == 2 else 4 / 3 * np.pi)) ** (1 / dimensions)


def cells(image: AnnotatedImage, model: Model, rules: Rules) -> dict[str, Labels]:
    """Find the cells of an image by each rule; the network runs once."""
    probabilities = class_probabilities(as_model_input(image.image, model.info), model)
    return {name: decode_whole(probabilities, rule) for name, rule in rules.items()}


def scores_by_rule(
    images: Sequence[AnnotatedImage],
    predictions: Sequence[Mapping[str, Labels]],
    rules: Iterable[str],
) -> dict[str, dict[str, list[float]]]:
    """Score the cells that each rule makes of the images."""

    def of_rule(rule: str) -> dict[str, list[float]]:
        return scores(images, [labels[rule] for labels in predictions])

    return {rule: of_rule(rule) for rule in rules}


def scores(
    images: Iterable[AnnotatedImage], predictions: Iterable[Labels]
) -> dict[str, list[float]]:
    """Return counts of each image at IoU 0.5, and AP as its mean over IoU 0.5, 0.55, …, 0.95."""
    matchings = [
        match_many(image.labels, labels) for image, labels in zip(images, predictions, strict=True)
    ]
    half = [each[0] for each in matchings]

    def average_precision(per_threshold: Sequence[Matching]) -> float:
        return round(float(np.mean([each.accuracy for each in per_threshold])), 4)

    return {
        "n_true": [each.n_true for each in half],
        "n_pred": [each.n_pred for each in half],
        "tp": [each.tp for each in half],
        "iou": [round(each.mean_matched_score * each.tp, 4) for each in half],
        "ap": [average_precision(each) for each in matchings],
    }


def rescale(image: AnnotatedImage, zoom: float) -> AnnotatedImage:
    """Rescale an image to `zoom` times the pixels along each axis, anti-aliased if fewer."""
    if zoom == 1:
        return image
    sigma = (0.0, *((max(1 / zoom - 1, 0) / 2,) * image.ndim))
    picture = ndimage.zoom(
        ndimage.gaussian_filter(image.image, sigma), (1, *((zoom,) * image.ndim)), order=1
    )
    labels = ndimage.zoom(image.labels, zoom, order=0)
    return replace(image, image=picture.astype(np.float32), labels=relabel(labels).astype(np.int32))


def resize_rule(rule: DecodeRule, zoom: float, data: DataSet) -> DecodeRule:
    """Return a rule whose smallest cell and core are those of a data set on its rescaled images."""
    settings = data.settings
    pixels = zoom ** data.test[0].ndim
    sizes = {
        "min_size": round(settings.min_size * pixels),
        "min_core": round(settings.min_core * pixels),
    }
    return rule.model_copy(update=sizes)


def _with_recall(
    image: AnnotatedImage, model: Model, rules: Rules, data: DataSet
) -> tuple[dict[str, Labels], float]:
    """Return the cells by each rule, and the mean recall of the true classes by arg max."""
    probabilities = class_probabilities(as_model_input(image.image, model.info), model)
    classes = len(probabilities)
    target = classes_of(image, classes, data)
    classes_seen = probabilities.argmax(axis=0)
    recalls = [
        np.mean(classes_seen[target == k] == k) for k in range(classes) if (target == k).any()
    ]
    return {name: decode_whole(probabilities, rule) for name, rule in rules.items()}, float(
        np.mean(recalls)
    )


def classes_of(image: AnnotatedImage, classes: int, data: DataSet) -> Target:
    """Return the true class of each pixel."""
    return semantic_target(
        image.labels,
        classes=classes,
        touching_radius=data.settings.touching_radius,
        gap_radius=data.settings.gap_radius,
        spacing=image.relative_spacing,
    )


def _step(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
