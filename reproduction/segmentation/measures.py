"""What is measured of a trained network: its cells by each decoder, contours, courses during training, other data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.engine.history import read_log
from seamwise.io.models import DecodeRule
from seamwise.labels import Labels, Target, relabel, semantic_target
from seamwise.metrics import contour_scores, match_many
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.decoding import decode_whole
from seamwise.segmentation.ensemble import combine
from seamwise.segmentation.predict import Model, as_model_input, class_probabilities, load
from seamwise.segmentation.systems import SystemName
from seamwise.segmentation.tune import tune, with_pair
from study import PLAIN, DataSet, Study, Variant

FIELDS = (1.0, 1.1, 2.0, 4.0)  # of view, as in the thesis' Figure 15
RADII = (1, 2, 3, 4, 5, 6, 7)
COMBINED: tuple[SystemName, ...] = ("bwm", "unet", "w3")
TRAINING_IMAGES = 6  # are scored as well

Rules = Mapping[str, DecodeRule]


def network(study: Study, name: str, loss: str, seed: int, variant: Variant = PLAIN) -> Model:
    """Load a network, trained if it is not there; "comb" is the average of three."""
    if loss != "comb":
        return load(study.network(name, loss, seed, variant), device=study.device)
    path = study.runs / f"{name}-comb-{seed}.safetensors"
    combine([study.network(name, member, seed) for member in COMBINED], path)
    return load(path, device=study.device)


def instances(study: Study, name: str, loss: str, seed: int, variant: Variant = PLAIN) -> dict[str, Any]:
    """Scores of the test images by each decoder, measured if they are not there."""
    kept = study.kept("variants" if variant.name else "instances", name)
    key = "/".join(part for part in (variant.name, loss, str(seed)) if part)
    return kept.get(key, partial(_instances, study, name, loss, seed, variant), machine=study.machine)


def _instances(study: Study, name: str, loss: str, seed: int, variant: Variant) -> dict[str, Any]:
    """By arg max, and by thresholds and watershed with the best pairs of the validation images."""
    data = study.data_set(name)
    model = network(study, name, loss, seed, variant)
    rules = {"MAP": model.info.decode}
    if model.info.architecture.out_channels == 4:
        rules["MAP+gap"] = model.info.decode.model_copy(update={"gap": "background"})
    pairs = {}
    for short, decode in (("TH", "threshold"), ("WT", "watershed")):
        pairs[short] = tune(data.validation, model, decode=decode).best.thresholds
        rules[short] = with_pair(model.info.decode, decode, pairs[short])
    found = [cells(image, model, rules) for image in data.test]
    return {"pairs": pairs, **{rule: scores(data.test, [each[rule] for each in found]) for rule in rules}}


def rules_of(unit: Mapping[str, Any], model: Model) -> dict[str, DecodeRule]:
    """The three decoders with the pairs that `instances` found."""
    rule = model.info.decode
    return {
        "MAP": rule,
        "TH": with_pair(rule, "threshold", tuple(unit["pairs"]["TH"])),
        "WT": with_pair(rule, "watershed", tuple(unit["pairs"]["WT"])),
    }


def contours(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    """Contour F1 by radius and detection of thresholded maps: some training images, and the test at each field."""
    unit = instances(study, name, loss, seed)
    return study.kept("contours", name).get(
        f"{loss}/{seed}", partial(_contours, study, name, loss, seed, unit), machine=study.machine
    )


def _contours(study: Study, name: str, loss: str, seed: int, unit: Mapping[str, Any]) -> dict[str, Any]:
    data = study.data_set(name)
    model = network(study, name, loss, seed)
    rules = {"TH": rules_of(unit, model)["TH"]}
    shown = {"training": data.training[:TRAINING_IMAGES]}
    shown |= {f"{field}X": tuple(smaller(image, field) for image in data.test) for field in FIELDS}
    content = {}
    for part, images in shown.items():
        found = [cells(image, model, rules)["TH"] for image in images]
        f1 = [
            [round(each.f1, 4) for each in contour_scores(image.labels, labels, radii=RADII)]
            for image, labels in zip(images, found, strict=True)
        ]
        content[part] = {"f1": f1, **scores(images, found)}
    return content


def course(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    """Loss at each tenth step; PQ by each decoder and the mean recall of the classes at each snapshot (validation)."""
    unit = instances(study, name, loss, seed)
    return study.kept("course", name).get(
        f"{loss}/{seed}", partial(_course, study, name, loss, seed, unit), machine=study.machine
    )


def _course(study: Study, name: str, loss: str, seed: int, unit: Mapping[str, Any]) -> dict[str, Any]:
    data = study.data_set(name)
    folder = study.network(name, loss, seed).parent
    log = read_log(folder / "log.csv")
    snapshots = sorted(folder.glob("snapshot-*.safetensors"), key=_step)
    lines = []
    for path in snapshots:
        model = load(path, device=study.device)
        rules = rules_of(unit, model)
        found = [_with_recall(image, model, rules, data) for image in data.validation]
        quality = {rule: scores(data.validation, [labels[rule] for labels, _ in found]) for rule in rules}
        lines.append(
            {
                "step": _step(path),
                "recall": round(float(np.nanmean([recall for _, recall in found])), 4),
                **{rule: round(float(panoptic_quality(q).mean()), 4) for rule, q in quality.items()},
            }
        )
    return {"loss": [round(progress.loss, 4) for progress in log][::10], "snapshots": lines}


def confusion(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    """Pixels of the test images by true class (rows) and by arg max (columns)."""
    return study.kept("confusion", name).get(
        f"{loss}/{seed}", partial(_confusion, study, name, loss, seed), machine=study.machine
    )


def _confusion(study: Study, name: str, loss: str, seed: int) -> dict[str, Any]:
    data = study.data_set(name)
    model = network(study, name, loss, seed)
    classes = model.info.architecture.out_channels
    counts = np.zeros(classes**2, np.int64)
    for image in data.test:
        said = class_probabilities(as_model_input(image.image, model.info), model).argmax(axis=0)
        target = classes_of(image, classes, data)
        seen = target >= 0
        counts += np.bincount(classes * target[seen].astype(int) + said[seen], minlength=classes**2)
    return {"pixels": counts.reshape(classes, classes).tolist()}


def elsewhere(study: Study, name: str, loss: str, seed: int, other: str) -> dict[str, Any]:
    """Scores by arg max on another data set: as it is, and with its cells as large as those the network knows."""
    return study.kept("elsewhere", name).get(
        f"{other}/{loss}/{seed}", partial(_elsewhere, study, name, loss, seed, other), machine=study.machine
    )


def _elsewhere(study: Study, name: str, loss: str, seed: int, other: str) -> dict[str, Any]:
    test = study.data_set(other).test
    model = network(study, name, loss, seed)
    scale = diameter(study.data_set(name).training) / diameter(test)
    content: dict[str, Any] = {"scale": round(scale, 2)}
    for how, zoom in (("as it is", 1.0), ("rescaled", scale)):
        images = tuple(smaller(image, 1 / zoom) for image in test)
        found = [cells(image, model, {"MAP": model.info.decode})["MAP"] for image in images]
        content[how] = scores(images, found)
    return content


def diameter(images: Iterable[AnnotatedImage]) -> float:
    """Median diameter of the cells, as discs or balls of their size, in pixels."""
    sizes = np.concatenate([np.bincount(image.labels[image.labels > 0]) for image in images])
    dimensions = next(iter(images)).ndim
    volume = float(np.median(sizes[sizes > 0]))
    return 2 * (volume / (np.pi if dimensions == 2 else 4 / 3 * np.pi)) ** (1 / dimensions)


def cells(image: AnnotatedImage, model: Model, rules: Rules) -> dict[str, Labels]:
    """The cells of an image by each rule; the network runs once."""
    probabilities = class_probabilities(as_model_input(image.image, model.info), model)
    return {name: decode_whole(probabilities, rule) for name, rule in rules.items()}


def scores(images: Iterable[AnnotatedImage], found: Iterable[Labels]) -> dict[str, list[float]]:
    """Counts of each image at IoU 0.5, and AP as its mean over IoU 0.5, 0.55, …, 0.95."""
    matchings = [match_many(image.labels, labels) for image, labels in zip(images, found, strict=True)]
    half = [each[0] for each in matchings]
    return {
        "n_true": [each.n_true for each in half],
        "n_pred": [each.n_pred for each in half],
        "tp": [each.tp for each in half],
        "iou": [round(each.mean_matched_score * each.tp, 4) for each in half],
        "ap": [round(float(np.mean([each.accuracy for each in per])), 4) for per in matchings],
    }


def panoptic_quality(unit: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """PQ of each image."""
    return np.array(unit["iou"]) / np.maximum(recognised(unit), 1e-12)


def recognised(unit: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """The denominator of RQ and PQ of each image: TP + (FP + FN) / 2."""
    return (np.array(unit["n_true"]) + np.array(unit["n_pred"])) / 2


def smaller(image: AnnotatedImage, field: float) -> AnnotatedImage:
    """The same field of view with 1/`field` of the pixels along each axis, anti-aliased."""
    if field == 1:
        return image
    zoom = 1 / field
    sigma = (0.0, *((max(field - 1, 0) / 2,) * image.ndim))
    picture = ndimage.zoom(ndimage.gaussian_filter(image.image, sigma), (1, *((zoom,) * image.ndim)), order=1)
    labels = ndimage.zoom(image.labels, zoom, order=0)
    return replace(image, image=picture.astype(np.float32), labels=relabel(labels).astype(np.int32))


def _with_recall(image: AnnotatedImage, model: Model, rules: Rules, data: DataSet) -> tuple[dict[str, Labels], float]:
    """The cells by each rule, and the mean over the true classes of the share of their pixels that arg max finds."""
    probabilities = class_probabilities(as_model_input(image.image, model.info), model)
    classes = len(probabilities)
    target = classes_of(image, classes, data)
    said = probabilities.argmax(axis=0)
    recalls = [np.mean(said[target == k] == k) for k in range(classes) if (target == k).any()]
    return {name: decode_whole(probabilities, rule) for name, rule in rules.items()}, float(np.mean(recalls))


def classes_of(image: AnnotatedImage, classes: int, data: DataSet) -> Target:
    """The true class of each pixel."""
    return semantic_target(
        image.labels,
        classes=classes,
        touching_radius=data.settings.touching_radius,
        gap_radius=data.settings.gap_radius,
        spacing=image.relative_spacing,
    )


def _step(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
