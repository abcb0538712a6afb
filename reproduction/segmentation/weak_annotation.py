"""Which loss when the annotation is bad? Beyond the thesis: cells left out, outlines that are off, few images.

python reproduction/segmentation/weak_annotation.py ../shared/data [--seeds 0] [--quick]

Each loss learns from the same spoilt labels; PQ is measured against clean ones, by arg max and by a watershed whose
thresholds were tuned on ten of the training images, as they are annotated: nothing here has seen a clean label.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import measures
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.systems import SystemName
from seamwise.segmentation.tune import tune, with_pair
from seamwise.synth import weaken
from study import Study, Variant

SETS = ("dsb2018",)
LOSSES: tuple[SystemName, ...] = ("ce3", "bwm", "unet", "w3", "j3", "j4")
SPOILT: dict[str, dict[str, Any]] = {
    "clean": {},
    "drop 25 %": {"drop": 0.25},
    "drop 50 %": {"drop": 0.5},
    "drop 75 %": {"drop": 0.75},
    "erode 2": {"erode": 2},
    "dilate 2": {"dilate": 2},
    "shift 2": {"shift": 2},
}
FEW = {f"{k} image{'s' * (k > 1)}": k for k in (1, 2, 5, 10)}
CONDITIONS = (*SPOILT, *FEW)
STEPS = 300
TUNED_ON = 10


def annotated(images: tuple[AnnotatedImage, ...], condition: str, seed: int) -> tuple[AnnotatedImage, ...]:
    """The training images as somebody with less time would have annotated them; the same for every loss."""
    if condition in FEW:
        chosen = np.random.default_rng(seed).permutation(len(images))[: FEW[condition]]
        return tuple(images[i] for i in chosen)
    spoil = partial(weaken, **SPOILT[condition])
    return tuple(replace(image, labels=spoil(image.labels, rng=(seed, i))) for i, image in enumerate(images))


def measure(study: Study, name: str, condition: str, loss: SystemName, seed: int) -> dict[str, Any]:
    """Train on spoilt annotation, score against the clean one."""
    data = study.data_set(name)
    training = annotated(data.training, condition, seed)
    steps = min(STEPS, data.settings.steps)
    changes = {"steps": steps, "validate_every": steps, "snapshot_every": 0}
    slug = "weak-" + condition.replace(" %", "").replace(" ", "")
    model = measures.network(study, name, loss, seed, Variant(slug, changes, training))
    pair = tune(training[:TUNED_ON], model, decode="watershed").best.thresholds
    rules = {"MAP": model.info.decode, "WT": with_pair(model.info.decode, "watershed", pair)}
    found = [measures.cells(image, model, rules) for image in data.test]
    return {"pair": pair, **{rule: measures.scores(data.test, [each[rule] for each in found]) for rule in rules}}


def main() -> None:
    """Measure what is missing."""
    study, given = Study.from_command(__doc__ or "", sets=SETS)
    for seed in given.seeds:
        for name in given.sets:
            kept = study.kept("weak", name)
            for condition in CONDITIONS:
                for loss in LOSSES:
                    job = partial(measure, study, name, condition, loss, seed)
                    kept.get(f"{condition}/{loss}/{seed}", job, machine=study.machine)


if __name__ == "__main__":
    main()
