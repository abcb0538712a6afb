"""Youden's J and its loss on simulations: the thesis' Figures 33, 34 and 35.

python reproduction/segmentation/fig33_35.py [-o reproduction/segmentation/results] [--quick]

Needs no data: see `simulated_scores`.
"""

import argparse
from pathlib import Path

from fig33_35_claims import words
from fig33_35_drawings import draw
from seamwise.io import read_json, write_json
from simulated_scores import DRAWS, QUICK_DRAWS, measure
from study import HERE, command


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    path = results / "fig33_35.json"
    if not path.exists():
        return ""
    content = read_json(path)
    pictures = [
        f"![simulation of {picture.stem}](images/{picture.name})"
        for picture in draw(content, pictures)
    ]
    return "\n\n".join([*pictures, words(content)])


def main() -> None:
    """Measure what the figures show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--results", type=Path, default=HERE / "results")
    parser.add_argument(
        "--quick", action="store_true", help="few draws, in a folder quick: does it run?"
    )
    arguments = parser.parse_args()
    results = arguments.results / "quick" if arguments.quick else arguments.results
    results.mkdir(parents=True, exist_ok=True)
    content = measure(QUICK_DRAWS if arguments.quick else DRAWS)
    write_json(results / "fig33_35.json", content)
    print(words(content))


if __name__ == "__main__":
    command(main)
