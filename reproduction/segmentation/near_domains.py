"""How far a network reaches when the images change a little: the thesis' zero-shot of chapter 4.

python reproduction/segmentation/near_domains.py ../shared/data [--sets dsb2018] [--seeds 0]
[--questions kinds] [--losses j3 j4] [--trained-on small] [--quick]

Two questions, with J3, J4 and W³ (balanced by N / n), decoded by arg max:

- Scales: the test images at other scales, as they are and brought back to the scale of the
  training. The networks are those of `scaling.py` with the protocol's width and steps.
- Kinds, dsb2018 alone: networks that learn from one kind of image and are scored on the others, as
  these are and with their nuclei made as large as those of the training. An image is *hazy* if
  `benchmarks/dsb2018-hazy.txt` lists it, otherwise *small* or *large* by the median diameter of its
  nuclei.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import measures
import scaling
from seamwise.analysis import Claim, markdown_table, verdict_table
from seamwise.segmentation import AnnotatedImage, Model
from study import HERE, DataSet, Study, Variant, command, read_protocol
from units import Units

SETS = ("dsb2018", "usiigaci")
SYSTEMS = {"J3": "j3", "J4": "j4", "W³, N / n": "w3"}
KIND = "near"  # of the measurements
WITH_KINDS = ("dsb2018",)
HAZY = HERE.parents[1] / "benchmarks" / "dsb2018-hazy.txt"
TRAINED_ON, KINDS = ("small", "large"), ("small", "large", "hazy")
ALL = "all"
AS_IT_IS, RESCALED = "as it is", "rescaled"
GAP = "MAP+gap"  # arg max, gap as background


def kind_of(image: AnnotatedImage, hazy: Iterable[str], large_from: float) -> str:
    """Return "hazy" if the image is listed, else "small" or "large" by its median diameter."""
    if image.name in hazy:
        return "hazy"
    return "large" if measures.diameter([image]) >= large_from else "small"


def by_kind(
    images: Iterable[AnnotatedImage], large_from: float
) -> dict[str, tuple[AnnotatedImage, ...]]:
    """Return the images of each kind."""
    hazy = set(HAZY.read_text(encoding="utf-8").split())
    sorted_images: dict[str, list[AnnotatedImage]] = {kind: [] for kind in KINDS}
    for image in images:
        sorted_images[kind_of(image, hazy, large_from)].append(image)
    return {kind: tuple(members) for kind, members in sorted_images.items()}


def whole(data: DataSet, loss: str, seed: int) -> Variant:
    """Return the network of `scaling.py` with the width and steps of the protocol."""
    size = scaling.Size(data.settings.steps, data.settings.width)
    return scaling.Cell(size, loss, seed).variant


def of_kind(data: DataSet, kind: str, loss: str, large_from: float) -> Variant:
    """Return a network that sees the training images of one kind."""
    changes = {"weights": {"balance": "frequency"}} if loss == "w3" else {}
    return Variant(KIND, kind, changes, by_kind(data.training, large_from)[kind])


def by_arg_max(
    images: Sequence[AnnotatedImage], model: Model, zoom: float, data: DataSet
) -> dict[str, Any]:
    """Score images whose cells are `zoom` times as large as those of the data set."""
    rule = measures.resize_rule(model.info.decode, zoom, data)
    rules = {"MAP": rule}
    if model.info.architecture.out_channels == 4:
        rules[GAP] = rule.model_copy(update={"gap": "background"})
    predictions = [measures.cells(image, model, rules) for image in images]
    return measures.scores_by_rule(images, predictions, rules)


def at_scale(study: Study, name: str, loss: str, seed: int, scale: float) -> dict[str, Any]:
    """Score the test images at a scale, and after they are brought back to the first one."""
    data = study.data_set(name)
    model = measures.network(study, name, loss, seed, whole(data, loss, seed))
    scaled = [measures.rescale(image, scale) for image in data.test]
    content = {AS_IT_IS: by_arg_max(scaled, model, scale, data)}
    if scale != 1:
        back = [measures.rescale(image, 1 / scale) for image in scaled]
        content[RESCALED] = by_arg_max(back, model, 1.0, data)
    return content


def on_kind(
    study: Study, name: str, loss: str, seed: int, training: str, target: str
) -> dict[str, Any]:
    """Score the test images of one kind with a network that saw another kind, or all."""
    data = study.data_set(name)
    large_from = study.protocol[KIND]["large_from"]
    variant = (
        whole(data, loss, seed) if training == ALL else of_kind(data, training, loss, large_from)
    )
    model = measures.network(study, name, loss, seed, variant)
    images = by_kind(data.test, large_from)[target]
    content: dict[str, Any] = {AS_IT_IS: by_arg_max(images, model, 1.0, data)}
    if training not in (ALL, target):
        zoom = measures.diameter(variant.training or data.training) / measures.diameter(images)
        rescaled = [measures.rescale(image, zoom) for image in images]
        content |= {"scale": round(zoom, 2), RESCALED: by_arg_max(rescaled, model, zoom, data)}
    return content


def scale_key(scale: float) -> str:
    """Name of the measurements at a scale."""
    return f"scale {scale:g}"


def kind_key(training: str, target: str) -> str:
    """Name of the measurements of a network that saw one kind, on another."""
    return f"{training} to {target}"


def quality(units: Units, key: str, way: str, rule: str = "MAP") -> str:
    """Write PQ, or a dash if it was not measured."""
    measured = units.of(key)
    has_rule = bool(measured) and all(rule in unit.get(way, {}) for unit in measured)
    return units.cell(key, way, rule, metric="PQ") if has_rule else "—"


def rows() -> list[tuple[str, str, str]]:
    """List the systems of the tables: what they are called, the loss, the rule."""
    listed = [(system, loss, "MAP") for system, loss in SYSTEMS.items()]
    return [*listed[:2], ("J4, gap as background", "j4", GAP), *listed[2:]]


def scale_table(units: Units) -> str:
    """Write PQ at each scale: as it is, and brought back."""
    scales = read_protocol()[KIND]["scales"]
    lines = []
    for system, loss, rule in rows():
        if not any(units.of(f"{scale_key(scale)}/{loss}") for scale in (1.0, *scales)):
            continue
        cells = [quality(units, f"{scale_key(1.0)}/{loss}", AS_IT_IS, rule)]
        for scale in scales:
            key = f"{scale_key(scale)}/{loss}"
            ways = [quality(units, key, way, rule) for way in (AS_IT_IS, RESCALED)]
            cells.append(" → ".join(ways))
        lines.append([system, *cells])
    return markdown_table(["PQ", "1", *(f"{s:g}" for s in scales)], lines) if lines else ""


def kind_table(units: Units) -> str:
    """Write PQ of each network on each kind, next to the network that saw all kinds."""
    lines = []
    for training, target in product(TRAINED_ON, KINDS):
        for system, loss, rule in rows():
            key = f"{kind_key(training, target)}/{loss}"
            if units.of(key):
                everything = f"{kind_key(ALL, target)}/{loss}"
                cells = [quality(units, key, way, rule) for way in (AS_IT_IS, RESCALED)]
                cells += [
                    f"{units.of(key)[0].get('scale', 1)}",
                    quality(units, everything, AS_IT_IS, rule),
                ]
                lines.append([f"{system}, {training} → {target}", *cells])
    head = ["", "PQ as it is", "PQ rescaled", "by", "PQ of a network that saw all kinds"]
    return markdown_table(head, lines) if lines else ""


def claims(units: Units) -> tuple[list[Claim], list[Claim]]:
    """Judge whether rescaling helps at other scales; and J4 > J3, and rescaling, on other kinds."""
    of_scales = [
        units.above(f"rescaling helps {system} at scale {scale:g}", (key, RESCALED, "MAP"),
                    (key, AS_IT_IS, "MAP"))
        for scale, (system, loss) in product(read_protocol()[KIND]["scales"], SYSTEMS.items())
        if units.of(key := f"{scale_key(scale)}/{loss}")
    ]  # fmt: skip
    of_kinds = []
    for training, target in product(TRAINED_ON, KINDS):
        j3, j4 = (f"{kind_key(training, target)}/{loss}" for loss in ("j3", "j4"))
        if training == target or not (units.of(j3) and units.of(j4)):
            continue
        pair = f"{training} → {target}"
        of_kinds += [
            units.above(f"J4 > J3, {pair}, rescaled", (j4, RESCALED, "MAP"), (j3, RESCALED, "MAP")),
            units.above(
                f"rescaling helps J4, {pair}", (j4, RESCALED, "MAP"), (j4, AS_IT_IS, "MAP")
            ),
        ]
    return of_scales, of_kinds


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    parts = []
    for name in SETS:
        units = Units.read(results, KIND, name)
        if not units.content:
            continue
        judged = [family for family in claims(units) if family]
        tables = [table for table in (scale_table(units), kind_table(units)) if table]
        parts += [f"**{name}**", *tables, verdict_table(*judged) if judged else ""]
    return "\n\n".join(part for part in parts if part)


def measure_scales(study: Study, name: str, loss: str, seed: int) -> None:
    """Measure what is missing of the first question."""
    for scale in (1.0, *study.protocol[KIND]["scales"]):
        job = partial(at_scale, study, name, loss, seed, scale)
        study.measure_once(KIND, name, f"{scale_key(scale)}/{loss}/{seed}", job)


def measure_kinds(study: Study, name: str, loss: str, seed: int, trained_on: Sequence[str]) -> None:
    """Measure what is missing of the second question."""
    for training, target in product((ALL, *trained_on), KINDS):
        job = partial(on_kind, study, name, loss, seed, training, target)
        study.measure_once(KIND, name, f"{kind_key(training, target)}/{loss}/{seed}", job)


def main() -> None:
    """Measure what is missing."""
    choices = {
        "--questions": ("scales", "kinds"),
        "--losses": tuple(SYSTEMS.values()),
        "--trained-on": TRAINED_ON,
    }
    options = {
        option: {"nargs": "+", "default": words, "choices": words}
        for option, words in choices.items()
    }
    study, arguments = Study.from_command(__doc__, sets=SETS, options=options)
    for seed, name, loss in product(arguments.seeds, arguments.sets, arguments.losses):
        if "scales" in arguments.questions:
            measure_scales(study, name, loss, seed)
        if "kinds" in arguments.questions and name in WITH_KINDS:
            measure_kinds(study, name, loss, seed, arguments.trained_on)


if __name__ == "__main__":
    command(main)
