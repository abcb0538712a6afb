"""What decides the order of the losses? Table 6 with other λ, radii, steps and images.

And which classes each loss sees where: pixels of the test images by true class and by arg max.

python reproduction/segmentation/variants.py ../shared/data [--sets dsb2018] [--seeds 0] [--quick]
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import measures
import table4_5
import table6
from seamwise.analysis import (
    FAILS,
    HOLDS,
    Claim,
    claim_of_pairs,
    markdown_table,
    verdict_table,
)
from seamwise.labels import CLASS_NAMES
from seamwise.words import SystemName
from study import DataSet, Study, Variant, command, read_protocol
from units import BALANCED, Units

SETS = ("dsb2018", "usiigaci")
DESCRIBED = read_protocol()["variants"]

VARIANTS: dict[str, tuple[str, tuple[SystemName, ...]]] = {  # what the report says, and the losses
    "frequency": ("b = N / n", ("unet", "w3")),
    "lam0.5": (f"λ = {DESCRIBED['lam']}", ("j3", "j4")),
    "thin": (
        "radii " + " and ".join(f"{radius:g}" for radius in DESCRIBED["radii"]),
        ("ce3", "bwm", "w3", "dsc", "j3", "j4"),
    ),
    "longer": (f"{DESCRIBED['longer']} times the steps", ("bwm", "w3", "dsc", "j4")),
    "few": (f"{DESCRIBED['few']} images", ("ce3", "bwm", "w3", "j4")),
}
SYSTEMS = {
    **table6.SYSTEMS,
    **{name: loss for name, loss in table4_5.SYSTEMS.items() if name != "COMB"},
}


def variant(name: str, data: DataSet, seed: int) -> Variant:
    """What differs from the protocol."""
    changes: dict[str, Any] = {}
    training = None
    match name:
        case "frequency":
            changes = {"weights": {"balance": "frequency"}}
        case "lam0.5":
            changes = {"lam": DESCRIBED["lam"]}
        case "thin":
            changes = dict(zip(("touching_radius", "gap_radius"), DESCRIBED["radii"], strict=True))
        case "longer":
            steps = DESCRIBED["longer"] * data.settings.steps
            changes = {"steps": steps, "validate_every": steps, "snapshot_every": 0}
        case "few":
            numbers = np.random.default_rng(seed).permutation(len(data.training))[
                : DESCRIBED["few"]
            ]
            training = tuple(data.training[i] for i in numbers)
        case _:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {name!r}")
    return Variant("variants", name, changes, training)


def table(plain: Units, units: Units) -> str:
    """Write PQ by arg max and by watershed, and what the variant changed image by image."""
    lines = []
    for slug, (words, losses) in VARIANTS.items():
        for name, loss in SYSTEMS.items():
            if loss in losses and units.of(f"{slug}/{loss}"):
                cells = [units.cell(f"{slug}/{loss}", rule, metric="PQ") for rule in ("MAP", "WT")]
                lines.append(
                    [f"{name}, {words}", *cells, *change(plain, loss, units, f"{slug}/{loss}")]
                )
    return (
        markdown_table(["", "PQ, MAP", "PQ, WT", "change of MAP", "direction"], lines)
        if lines
        else ""
    )


def change(plain: Units, loss: str, units: Units, key: str) -> tuple[str, str]:
    """Return the change of PQ by arg max, and its direction by a paired test."""
    seeds = plain.by_seed(loss).keys() & units.by_seed(key).keys()
    if not seeds:
        return "", ""
    baseline = plain.images(loss, "MAP", metric="PQ", seeds=seeds)
    scores = units.images(key, "MAP", metric="PQ", seeds=seeds)
    verdict = claim_of_pairs("", scores, baseline, metric="PQ").verdict
    direction = {HOLDS: "up", FAILS: "down"}.get(verdict, verdict)
    return f"{scores.mean() - baseline.mean():+.3f}", direction


def confusion_table(units: Units) -> str:
    """Write how much of each class arg max sees, how much there is, and how much is right."""
    lines = []
    for name, loss in SYSTEMS.items():
        if units.of(loss):
            pixels = np.sum([unit["pixels"] for unit in units.of(loss)], axis=0).astype(float)
            true, predicted, right = pixels.sum(axis=1), pixels.sum(axis=0), pixels.diagonal()
            line = [name]
            for k in range(3):
                line += [f"{predicted[k] / true[k]:.2f}", f"{right[k] / true[k]:.2f}"]
            lines.append(line)
    head = [f"{name}: {word}" for name in CLASS_NAMES[:3] for word in ("said / true", "recall")]
    return markdown_table(["", *head], lines) if lines else ""


def claims(units: Units) -> list[Claim]:
    """Judge where W³ balanced by N / n stands in the thesis' order."""
    (own,) = BALANCED.values()
    return judged(
        units,
        {
            "J3 > W³ with N / n by arg max": (("j3", "MAP"), (own, "MAP")),
            "W³ with N / n > BWM by arg max": ((own, "MAP"), ("bwm", "MAP")),
        },
    )


def further_claims(units: Units) -> list[Claim]:
    """Judge what Tables 4 and 6 say of W³, with N / n: a list of their own, asked later."""
    (own,) = BALANCED.values()
    pairs = {
        "DSC > W³ with N / n by arg max": (("dsc", "MAP"), (own, "MAP")),
        "W³ with N / n > BWM by watershed": ((own, "WT"), ("bwm", "WT")),
        "the watershed helps W³ with N / n": ((own, "WT"), (own, "MAP")),
    }
    return judged(units, pairs)


def judged(units: Units, pairs: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> list[Claim]:
    """Judge each pair that is measured."""
    claims_of_pairs = [units.above(text, *pair) for text, pair in pairs.items()]
    return [claim for claim in claims_of_pairs if claim.verdict != "not measured"]


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    parts = []
    for name in SETS:
        plain, variants = (Units.read(results, kind, name) for kind in ("instances", "variants"))
        confusion = confusion_table(Units.read(results, "confusion", name))
        both = Units({**plain.content, **variants.content})
        order = [claims(both), further_claims(both)] if variants.of("frequency/w3") else []
        sections = [
            part
            for part in (confusion, table(plain, variants), verdict_table(*order) if order else "")
            if part
        ]
        parts += [f"**{name}**", *sections] if sections else []
    return "\n\n".join(parts)


def main() -> None:
    """Measure what is missing."""
    study, arguments = Study.from_command(__doc__, sets=SETS)
    for seed in arguments.seeds:
        for name in arguments.sets:
            for loss in SYSTEMS.values():
                measures.confusion(study, name, loss, seed)
            for slug, (_, losses) in VARIANTS.items():
                for loss in losses:
                    measures.instances(
                        study, name, loss, seed, variant(slug, study.data_set(name), seed)
                    )


if __name__ == "__main__":
    command(main)
