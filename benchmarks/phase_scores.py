r"""Scores of models of phase contrast on images of one look, by images and by all of them.

python benchmarks/phase_scores.py ../shared/data/usiigaci/train --images selection \
    --model phase-2d [--decode relief] [--gap background] [--flips]

`selection`: the four images of recipes/phase_2d.py that no run was trained on, for every choice.
`large`, `small`: all images of one look, for a model that was trained on the other.
"""

from pathlib import Path

from nuclei_scores import arguments, predictions, print_scores
from seamwise.metrics import match
from seamwise.segmentation import Pair, find_pairs

LARGE = (*range(1, 13), 17, 18, *range(21, 30))  # as in recipes/phase_2d.py
SELECTION = (20, 34, 39, 44)


def pairs_of(folder: Path, images: str) -> list[Pair]:
    """Pairs of images and masks of the selection, or of one look."""
    split = find_pairs(folder)
    pairs = sorted((*split.training, *split.validation), key=lambda pair: pair.name)
    small = [number for number in range(1, 46) if number not in LARGE]
    numbers = {"large": LARGE, "small": small, "selection": SELECTION}[images]
    names = {f"usi{number:02}" for number in numbers}
    return [pair for pair in pairs if pair.name in names]


if __name__ == "__main__":
    options = arguments(__doc__, ("selection", "large", "small"), model="phase-2d")
    pairs = pairs_of(options.folder, options.images)
    results = list(predictions(pairs, options))
    print("| image | AP, IoU ≥ 0.5 | TP | FP | FN |")
    print("|---|---|---|---|---|")
    for pair, (labels_true, labels_pred) in zip(pairs, results, strict=True):
        score = match(labels_true, labels_pred)
        print(
            f"| {pair.name} | {score.accuracy:.3f} | {score.tp} | {score.fp} | {score.fn} |",
            flush=True,
        )
    print()
    print_scores(results)
